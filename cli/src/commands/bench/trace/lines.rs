//! A file's lines, one at a time and never longer than a line can be.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use super::TraceError;

/// The longest line: some ten times that of a trace with five thousand columns.
const LINE_LIMIT: u64 = 1 << 20;

/// Reads lines.
#[derive(Debug)]
pub(super) struct Lines<R> {
    path: PathBuf,
    source: R,
    buffer: Vec<u8>,
    /// Of the line that was read last, from 1.
    number: u64,
}

impl Lines<BufReader<File>> {
    /// The lines of a file.
    pub(super) fn open(path: &Path) -> Result<Self, TraceError> {
        let file = File::open(path).map_err(|source| TraceError::Read { path: path.to_owned(), source })?;
        Ok(Self::new(path, BufReader::with_capacity(1 << 16, file)))
    }
}

impl<R: BufRead> Lines<R> {
    /// The lines of a source that errors call by this path.
    pub(super) fn new(path: &Path, source: R) -> Self {
        Self { path: path.to_owned(), source, buffer: Vec::new(), number: 0 }
    }

    /// The next line that is not empty, without its end; `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<&str>, TraceError> {
        loop {
            self.buffer.clear();
            let read = (&mut self.source)
                .take(LINE_LIMIT)
                .read_until(b'\n', &mut self.buffer)
                .map_err(|source| TraceError::Read { path: self.path.clone(), source })?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            if read as u64 == LINE_LIMIT && !self.buffer.ends_with(b"\n") {
                return Err(self.error(format!("it is longer than {LINE_LIMIT} bytes: is this a trace?")));
            }
            if !self.buffer.trim_ascii().is_empty() {
                break;
            }
        }
        let line = self.buffer.trim_ascii_end();
        // Some programs begin their files with a mark of the byte order.
        let line = if self.number == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        match std::str::from_utf8(line) {
            Ok(line) => Ok(Some(line)),
            Err(_) => Err(TraceError::Line {
                path: self.path.clone(),
                line: self.number,
                why: "it is not UTF-8; a compressed trace has to be unpacked first".to_owned(),
            }),
        }
    }

    /// What is wrong with the line that was read last.
    pub(super) fn error(&self, why: String) -> TraceError {
        TraceError::Line { path: self.path.clone(), line: self.number, why }
    }
}

/// The fields of a line. Quotes around a field are taken away; the traces have no commas within them.
pub(super) fn fields(line: &str) -> impl Iterator<Item = &str> {
    line.split(',').map(|field| {
        let field = field.trim();
        field.strip_prefix('"').and_then(|field| field.strip_suffix('"')).unwrap_or(field)
    })
}
