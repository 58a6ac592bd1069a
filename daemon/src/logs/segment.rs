//! A segment: one file of a group, one JSON object a line.
//!
//! `{"t":1700000000000,"s":"2026/01/31/[$LATEST]0123","r":"REQUEST-ID","m":"what was printed"}`
//!
//! Newlines in a message are escaped by JSON, so a line of the file is a record, whatever a function prints. A reader
//! passes over lines that are none: after a power cut a file's end can hold anything.

use std::{
    borrow::Cow,
    ffi::OsStr,
    fs::{self, File, Metadata, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Take},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use serde::{Deserialize, Serialize};

use super::{StoredEvent, token::Place};

const EXTENSION: &str = ".ndjson";
const NUMBER_DIGITS: usize = 8;

/// A record in the file. A message has at most 256 KiB, of which JSON makes six times that at worst.
const LINE_MAX_BYTES: u64 = 2 * 1024 * 1024;

/// How much is looked at in one step from the end of a file backwards.
const STEP_BYTES: u64 = 64 * 1024;

/// One record, as it is in the file.
#[derive(Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(super) struct Record<'a> {
    /// When the line was read, in milliseconds since the Unix epoch.
    #[serde(rename = "t")]
    pub(super) timestamp_ms: i64,
    /// When it came, if it is not a function's line, which is read the moment it comes.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub(super) ingested_ms: Option<i64>,
    #[serde(rename = "s", borrow)]
    pub(super) stream: Cow<'a, str>,
    #[serde(rename = "r", borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) request_id: Option<Cow<'a, str>>,
    #[serde(rename = "m", borrow)]
    pub(super) message: Cow<'a, str>,
}

impl<'a> Record<'a> {
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    pub(super) fn append_to(&self, buffer: &mut Vec<u8>) -> serde_json::Result<()> {
        serde_json::to_writer(&mut *buffer, self)?;
        buffer.push(b'\n');
        Ok(())
    }

    pub(super) fn into_event(self, place: Place) -> StoredEvent {
        StoredEvent {
            place,
            timestamp_ms: self.timestamp_ms,
            ingested_ms: self.ingested_ms,
            stream: self.stream.into_owned(),
            request_id: self.request_id.map(Cow::into_owned),
            message: self.message.into_owned(),
        }
    }
}

pub(super) fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:0NUMBER_DIGITS$}{EXTENSION}"))
}

/// The number of the segment that has this file name.
pub(super) fn number_of(name: &OsStr) -> Option<u64> {
    let digits = name.to_str()?.strip_suffix(EXTENSION)?;
    let number = digits.parse().ok()?;
    // Two files must not stand for one segment.
    (format!("{number:0NUMBER_DIGITS$}") == digits).then_some(number)
}

/// The lines of a segment from one offset to another, in order.
#[derive(Debug)]
pub(super) struct Lines {
    reader: BufReader<Take<File>>,
    offset: u64,
    line: Vec<u8>,
}

impl Lines {
    pub(super) fn open(path: &Path, from: u64, to: u64) -> io::Result<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(from))?;
        let reader = BufReader::with_capacity(STEP_BYTES as usize, file.take(to.saturating_sub(from)));
        Ok(Self { reader, offset: from, line: Vec::new() })
    }

    /// Where the next line begins.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next line without its end; an empty one in place of one that is too long or has no end.
    pub(super) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        let mut read = self.reader.by_ref().take(LINE_MAX_BYTES).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        if self.line.pop() != Some(b'\n') {
            read += self.reader.skip_until(b'\n')?;
            self.line.clear();
        }
        self.offset += read as u64;
        Ok(Some(&self.line))
    }
}

/// The lines of a segment from one offset backwards.
#[derive(Debug)]
pub(super) struct LinesBackwards {
    file: File,
    /// Where `read` begins in the file.
    start: u64,
    /// What was read and not handed out: whole lines, but for the first.
    read: Vec<u8>,
    /// Bytes that were passed over behind `read`, of a line that is too long.
    passed: bool,
}

impl LinesBackwards {
    /// From `end` on, where a line begins or the file ends.
    pub(super) fn open(path: &Path, end: u64) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, start: end, read: Vec::new(), passed: false })
    }

    /// The line before, and where it begins, without its end; an empty one in place of one that is too long.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        loop {
            let inside = self.read.len().saturating_sub(usize::from(!self.passed));
            let newline = self.read[..inside].iter().rposition(|&byte| byte == b'\n');
            let begin = match newline {
                Some(newline) => newline + 1,
                None if self.start == 0 => 0,
                None => {
                    self.read_more()?;
                    continue;
                }
            };
            if self.read.len() == begin && !self.passed {
                return Ok(None);
            }
            let mut line = self.read.split_off(begin);
            if std::mem::take(&mut self.passed) {
                line.clear();
            }
            line.pop_if(|byte| *byte == b'\n');
            return Ok(Some((self.start + begin as u64, line)));
        }
    }

    fn read_more(&mut self) -> io::Result<()> {
        if self.read.len() as u64 > LINE_MAX_BYTES {
            self.read.clear();
            self.passed = true;
        }
        let length = self.start.min(STEP_BYTES);
        let mut more = vec![0; length as usize];
        self.file.read_exact_at(&mut more, self.start - length)?;
        more.append(&mut self.read);
        self.read = more;
        self.start -= length;
        Ok(())
    }
}

/// Cuts what follows the last whole line, which a killed daemon may have left, and returns the size that remains.
pub(super) fn cut_torn_tail(path: &Path) -> io::Result<u64> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let whole = last_newline(&file, length)?.map_or(0, |newline| newline + 1);
    if whole < length {
        tracing::warn!(
            path = %path.display(),
            bytes = length - whole,
            "cut a log line that an earlier life of the daemon did not finish"
        );
        file.set_len(whole)?;
    }
    Ok(whole)
}

/// The time of the last line, in milliseconds since the Unix epoch; if that cannot be told, the file's.
///
/// Wall clocks jump, so an earlier line may be newer. That is near enough for retention, which counts in days.
pub(super) fn newest_ms(path: &Path) -> io::Result<i64> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if let Some(end) = last_newline(&file, metadata.len())? {
        let start = last_newline(&file, end)?.map_or(0, |newline| newline + 1);
        if let Some(timestamp_ms) = timestamp_between(&file, start, end)? {
            return Ok(timestamp_ms);
        }
    }
    modified_ms(&metadata)
}

/// The time of the first line, in milliseconds since the Unix epoch; if that cannot be told, the file's.
pub(super) fn first_ms(path: &Path) -> io::Result<i64> {
    if let Some(line) = Lines::open(path, 0, LINE_MAX_BYTES)?.next()?
        && let Some(record) = Record::parse(line)
    {
        return Ok(record.timestamp_ms);
    }
    modified_ms(&fs::metadata(path)?)
}

fn modified_ms(metadata: &Metadata) -> io::Result<i64> {
    let age = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
}

fn timestamp_between(file: &File, start: u64, end: u64) -> io::Result<Option<i64>> {
    let length = end - start;
    if length > LINE_MAX_BYTES {
        return Ok(None);
    }
    let mut line = vec![0; length as usize];
    file.read_exact_at(&mut line, start)?;
    Ok(Record::parse(&line).map(|record| record.timestamp_ms))
}

/// The number of lines in the first `end` bytes.
pub(super) fn count_lines(path: &Path, end: u64) -> io::Result<u64> {
    let mut reader = BufReader::with_capacity(STEP_BYTES as usize, File::open(path)?.take(end));
    let mut lines = 0;
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            return Ok(lines);
        }
        lines += chunk.iter().filter(|&&byte| byte == b'\n').count() as u64;
        let length = chunk.len();
        reader.consume(length);
    }
}

/// Whether a line begins at `offset`.
pub(super) fn is_line_start(path: &Path, offset: u64) -> io::Result<bool> {
    let Some(before) = offset.checked_sub(1) else { return Ok(true) };
    let mut byte = [0];
    File::open(path)?.read_exact_at(&mut byte, before)?;
    Ok(byte == *b"\n")
}

/// The offset of the last newline in the first `end` bytes.
fn last_newline(file: &File, end: u64) -> io::Result<Option<u64>> {
    let mut chunk = vec![0; STEP_BYTES as usize];
    let mut end = end;
    while end > 0 {
        let start = end.saturating_sub(STEP_BYTES);
        let part = &mut chunk[..(end - start) as usize];
        file.read_exact_at(part, start)?;
        if let Some(index) = part.iter().rposition(|&byte| byte == b'\n') {
            return Ok(Some(start + index as u64));
        }
        end = start;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = path(directory.path(), 1);
        fs::write(&path, content).unwrap();
        (directory, path)
    }

    fn lines(path: &Path, from: u64, to: u64) -> Vec<Vec<u8>> {
        let mut lines = Lines::open(path, from, to).unwrap();
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            found.push(line.to_vec());
        }
        assert!(lines.offset() <= to.max(from));
        found
    }

    #[test]
    fn a_file_name_and_a_number_lead_to_one_another() {
        for number in [0, 1, 99_999_999, 100_000_000, u64::MAX] {
            let path = path(Path::new("/x"), number);
            assert_eq!(number_of(path.file_name().unwrap()), Some(number));
        }
        for name in
            ["1.ndjson", "000000001.ndjson", "+0000001.ndjson", "00000001", "x.ndjson", "00000001.ndjson.tmp"]
        {
            assert_eq!(number_of(OsStr::new(name)), None, "{name}");
        }
    }

    #[test]
    fn only_lines_between_the_offsets_are_read() {
        let (_directory, path) = file(b"one\ntwo\nthree\nfo");
        assert_eq!(lines(&path, 0, 14), [b"one".as_slice(), b"two", b"three"]);
        assert_eq!(lines(&path, 4, 8), [b"two"]);
        assert_eq!(lines(&path, 8, 16), [b"three".as_slice(), b""]);
        assert_eq!(lines(&path, 16, 16), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_within_bounds() {
        let mut content = vec![b'x'; 3 * LINE_MAX_BYTES as usize];
        content.extend(b"\nnext\n");
        let (_directory, path) = file(&content);
        let mut lines = Lines::open(&path, 0, content.len() as u64).unwrap();
        assert_eq!(lines.next().unwrap(), Some(b"".as_slice()));
        assert_eq!(lines.next().unwrap(), Some(b"next".as_slice()));
        assert!(lines.line.capacity() as u64 <= 2 * LINE_MAX_BYTES);
        assert_eq!(lines.offset(), content.len() as u64);
    }

    #[test]
    fn lines_are_read_backwards_as_they_are_forwards() {
        let mut content = b"{}\n\n".to_vec();
        content.extend(vec![b'x'; 2 * STEP_BYTES as usize]);
        content.extend(b"\nshort\n");
        let long_begins = content.len() as u64;
        content.extend(vec![b'y'; 2 * LINE_MAX_BYTES as usize]);
        content.extend(b"\nlast\n");
        let (_directory, path) = file(&content);
        let mut backwards = LinesBackwards::open(&path, content.len() as u64).unwrap();
        let mut found = Vec::new();
        while let Some((offset, line)) = backwards.next().unwrap() {
            assert!(is_line_start(&path, offset).unwrap());
            assert!(backwards.read.capacity() as u64 <= 2 * LINE_MAX_BYTES);
            found.push((offset, line));
        }
        found.reverse();
        let lines_found: Vec<_> = found.iter().map(|(_, line)| line.clone()).collect();
        assert_eq!(lines_found, lines(&path, 0, content.len() as u64));
        assert_eq!(found[4], (long_begins, Vec::new()));
    }

    #[test]
    fn a_torn_tail_is_cut_however_long_it_is() {
        let mut long = b"whole\n".to_vec();
        long.extend(vec![b'x'; 3 * STEP_BYTES as usize]);
        for (content, remains) in [
            (b"".to_vec(), 0),
            (b"torn".to_vec(), 0),
            (b"a\nb\n".to_vec(), 4),
            (b"a\nb".to_vec(), 2),
            (long, 6),
        ] {
            let (_directory, path) = file(&content);
            assert_eq!(cut_torn_tail(&path).unwrap(), remains);
            assert_eq!(fs::read(&path).unwrap(), content[..remains as usize]);
        }
    }

    #[test]
    fn the_newest_time_is_the_last_lines_or_the_files() {
        let (_directory, path) = file(b"{\"t\":1,\"s\":\"\",\"m\":\"\"}\n{\"t\":2,\"s\":\"\",\"m\":\"\"}\n");
        assert_eq!(newest_ms(&path).unwrap(), 2);
        let (_directory, path) = file(b"{\"t\":1,\"s\":\"\",\"m\":\"\"}\n\0\0\0\n");
        assert!(newest_ms(&path).unwrap() > 1_500_000_000_000);
    }

    #[test]
    fn lines_are_counted_and_their_starts_known() {
        let (_directory, path) = file(b"a\nb\nc\n");
        assert_eq!(count_lines(&path, 6).unwrap(), 3);
        assert_eq!(count_lines(&path, 4).unwrap(), 2);
        let starts: Vec<bool> = (0..=6).map(|offset| is_line_start(&path, offset).unwrap()).collect();
        assert_eq!(starts, [true, false, true, false, true, false, true]);
    }

    proptest! {
        #[test]
        fn whatever_is_printed_is_one_line_and_comes_back(
            timestamp_ms: i64, ingested_ms: Option<i64>, stream: String, request_id: Option<String>, message: String,
        ) {
            let record = Record {
                timestamp_ms,
                ingested_ms,
                stream: stream.into(),
                request_id: request_id.map(Cow::from),
                message: message.into(),
            };
            let mut buffer = Vec::new();
            record.append_to(&mut buffer).unwrap();
            prop_assert_eq!(buffer.iter().filter(|&&byte| byte == b'\n').count(), 1);
            prop_assert_eq!(Record::parse(&buffer[..buffer.len() - 1]), Some(record));
        }

        #[test]
        fn any_bytes_are_read_without_harm(content: Vec<u8>, from in 0_u64..64, to in 0_u64..64) {
            let (_directory, path) = file(&content);
            let whole = content.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
            let mut backwards = LinesBackwards::open(&path, whole as u64).unwrap();
            let mut found = Vec::new();
            while let Some((_, line)) = backwards.next().unwrap() {
                found.insert(0, line);
            }
            prop_assert_eq!(found, lines(&path, 0, whole as u64));
            let read: u64 = lines(&path, from, to).iter().map(|line| line.len() as u64).sum();
            prop_assert!(read <= to.saturating_sub(from));
            let whole = cut_torn_tail(&path).unwrap();
            prop_assert!(is_line_start(&path, whole).unwrap());
            newest_ms(&path).unwrap();
        }
    }
}
