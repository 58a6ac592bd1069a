//! The control channel to a sandbox's first process, `thaw-init`.
//!
//! A Unix socket in the sandbox's directory, taken by the first connection and by no other. Down goes one line of JSON,
//! the assignment; up comes one line, how the runtime ended. Its end-of-file is how either side learns, at once and
//! without asking Docker, that the other is gone. The function runs under the same user as init and could, at the
//! worst, lie about its own exit here.

use std::{collections::BTreeMap, fmt, io, os::unix::process::ExitStatusExt};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// The longest report that is read. A report is a number or one message.
const REPORT_LIMIT: u64 = 16 * 1024;

/// What init is to start.
#[derive(Serialize)]
pub(super) struct Assignment<'a> {
    /// Program and arguments.
    pub(super) command: Vec<&'a str>,
    /// The whole environment.
    pub(super) environment: &'a BTreeMap<String, String>,
    /// Where it starts: the task root.
    pub(super) working_directory: &'a str,
}

/// How the runtime's process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// By exiting.
    Code(i32),
    /// By a signal.
    Signal(i32),
}

impl fmt::Display for ExitStatus {
    /// As Lambda words it: `exit status 1`, `signal: killed`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit status {code}"),
            Self::Signal(9) => f.write_str("signal: killed"),
            Self::Signal(11) => f.write_str("signal: segmentation fault"),
            Self::Signal(6) => f.write_str("signal: aborted"),
            Self::Signal(15) => f.write_str("signal: terminated"),
            // The standard library knows the names of the rest: `signal: 4 (SIGILL)`.
            Self::Signal(number) => write!(f, "{}", std::process::ExitStatus::from_raw(*number)),
        }
    }
}

/// What init says, or that it can say nothing any more.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// The runtime ended.
    Exited(ExitStatus),
    /// The runtime could not be started.
    Failed(String),
    /// Init itself is gone, and so is every process of the sandbox.
    Gone,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Exited(Exited),
    Failed { error: String },
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Exited {
    Code(i32),
    Signal(i32),
}

/// The daemon's end of the channel.
#[derive(Debug)]
pub(super) struct Control {
    reader: BufReader<tokio::io::Take<OwnedReadHalf>>,
    writer: OwnedWriteHalf,
    line: Vec<u8>,
}

impl Control {
    /// Waits for init to connect.
    pub(super) async fn accept(listener: &UnixListener) -> io::Result<Self> {
        let (stream, _) = listener.accept().await?;
        Ok(Self::new(stream))
    }

    fn new(stream: UnixStream) -> Self {
        let (reader, writer) = stream.into_split();
        Self { reader: BufReader::new(reader.take(REPORT_LIMIT)), writer, line: Vec::new() }
    }

    /// Hands over the assignment.
    pub(super) async fn assign(&mut self, assignment: &Assignment<'_>) -> io::Result<()> {
        let mut line = serde_json::to_vec(assignment)?;
        line.push(b'\n');
        self.writer.write_all(&line).await
    }

    /// Waits for init's report. Cancel safe: bytes that were read stay for the next call.
    pub(super) async fn report(&mut self) -> Report {
        match self.reader.read_until(b'\n', &mut self.line).await {
            Ok(_) if self.line.ends_with(b"\n") => parse(&self.line),
            // End of file, a report over the limit, or a broken socket: nobody is there any more to be believed.
            Ok(_) | Err(_) => Report::Gone,
        }
    }
}

fn parse(line: &[u8]) -> Report {
    match serde_json::from_slice(line) {
        Ok(Line::Exited(Exited::Code(code))) => Report::Exited(ExitStatus::Code(code)),
        Ok(Line::Exited(Exited::Signal(signal))) => Report::Exited(ExitStatus::Signal(signal)),
        Ok(Line::Failed { error }) => Report::Failed(error),
        Err(error) => {
            tracing::warn!(%error, "a sandbox's init sent a report that can't be read");
            Report::Gone
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read_as_init_writes_them() {
        assert_eq!(parse(b"{\"exited\":{\"code\":1}}\n"), Report::Exited(ExitStatus::Code(1)));
        assert_eq!(parse(b"{\"exited\":{\"signal\":9}}\n"), Report::Exited(ExitStatus::Signal(9)));
        assert_eq!(
            parse(b"{\"failed\":{\"error\":\"no such file\"}}\n"),
            Report::Failed("no such file".into())
        );
    }

    #[test]
    fn a_report_that_is_nonsense_counts_as_gone() {
        assert_eq!(parse(b"\xff\xfe\n"), Report::Gone);
        assert_eq!(parse(b"{\"exited\":{}}\n"), Report::Gone);
    }

    #[test]
    fn exits_read_as_on_lambda() {
        assert_eq!(ExitStatus::Code(3).to_string(), "exit status 3");
        assert_eq!(ExitStatus::Signal(9).to_string(), "signal: killed");
    }

    #[tokio::test]
    async fn a_report_without_an_end_is_not_read_for_ever() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut control = Control::new(ours);
        let flood = tokio::spawn(async move { while theirs.write_all(&[b'x'; 4096]).await.is_ok() {} });
        assert_eq!(control.report().await, Report::Gone);
        drop(control);
        flood.await.unwrap();
    }
}
