//! The control channel to a sandbox's first process, `thaw-init`.
//!
//! A Unix socket in the sandbox's directory, taken by the first connection and by no other. Down go lines of JSON, the
//! [orders](Order); up come [reports](Report): that what was started ahead is up, and how the runtime ended. Its
//! end-of-file is how either side learns, at once and without asking Docker, that the other is gone. The function runs
//! under the same user as init and could, at the worst, lie about its own exit here.

use std::{collections::BTreeMap, fmt, io, os::unix::process::ExitStatusExt};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// What is read of a sandbox's reports, in its whole life. Each is a number or one message, and there are two of them.
const REPORTS_LIMIT: u64 = 16 * 1024;

/// A thousand sandboxes wait at the same time, each with such a buffer.
const BUFFER: usize = 512;

/// Where init finds a program.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Entry<'a> {
    /// Program and arguments.
    Command(Vec<&'a str>),
    /// The first of these files that is there, without arguments.
    Bootstrap(&'a [String]),
}

/// A program and what it is started with.
#[derive(Serialize)]
pub(super) struct Program<'a> {
    /// Where it is.
    #[serde(flatten)]
    pub(super) entry: Entry<'a>,
    /// The whole environment.
    pub(super) environment: &'a BTreeMap<String, String>,
    /// Where it starts.
    pub(super) working_directory: &'a str,
}

/// What init is to do, a line each.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Order<'a> {
    /// Bring this up, before there is a function.
    Prestart(Program<'a>),
    /// Become this function.
    Start {
        /// What is started if nothing was started ahead, or if that does not suit.
        #[serde(flatten)]
        program: Program<'a>,
        /// What is handed to the program that was started ahead, if it suits.
        #[serde(skip_serializing_if = "Option::is_none")]
        arguments: Option<Vec<&'a str>>,
    },
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
    /// What was started ahead is up.
    Ready,
    /// There is no runtime any more.
    Ended(Ended),
}

/// How a runtime ended. Nothing follows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It exited.
    Exited(ExitStatus),
    /// It could not be started.
    Failed(String),
    /// Init itself is gone, and so is every process of the sandbox.
    Gone,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Ready {},
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
    /// Waits for init to connect. Its process id, as this side of the container numbers it, comes with it.
    ///
    /// Source of the number: unix(7), `SO_PEERCRED`. Whoever takes it must check that it is init's still.
    pub(super) async fn accept(listener: &UnixListener) -> io::Result<(Self, u32)> {
        let (stream, _) = listener.accept().await?;
        let pid = stream.peer_cred()?.pid().and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0);
        let pid = pid.ok_or_else(|| io::Error::other("init is in no process namespace below this one"))?;
        Ok((Self::new(stream), pid))
    }

    fn new(stream: UnixStream) -> Self {
        let (reader, writer) = stream.into_split();
        Self {
            reader: BufReader::with_capacity(BUFFER, reader.take(REPORTS_LIMIT)),
            writer,
            line: Vec::new(),
        }
    }

    /// Tells init what to do. Does not wait for it: an order fits into the socket's buffer, or is read as it comes.
    pub(super) async fn order(&mut self, order: &Order<'_>) -> io::Result<()> {
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        self.writer.write_all(&line).await
    }

    /// Waits for init's next report. Cancel safe: bytes that were read stay for the next call.
    pub(super) async fn report(&mut self) -> Report {
        match self.reader.read_until(b'\n', &mut self.line).await {
            Ok(_) if self.line.ends_with(b"\n") => {
                let report = parse(&self.line);
                self.line = Vec::new();
                report
            }
            // End of file, reports over the limit, or a broken socket: nobody is there any more to be believed.
            Ok(_) | Err(_) => Report::Ended(Ended::Gone),
        }
    }

    /// Waits for the report that is the last: how the runtime ended. Cancel safe.
    pub(super) async fn ended(&mut self) -> Ended {
        loop {
            match self.report().await {
                // It came up in the moment in which it was told what to be.
                Report::Ready => {}
                Report::Ended(ended) => return ended,
            }
        }
    }
}

fn parse(line: &[u8]) -> Report {
    Report::Ended(match serde_json::from_slice(line) {
        Ok(Line::Ready {}) => return Report::Ready,
        Ok(Line::Exited(Exited::Code(code))) => Ended::Exited(ExitStatus::Code(code)),
        Ok(Line::Exited(Exited::Signal(signal))) => Ended::Exited(ExitStatus::Signal(signal)),
        Ok(Line::Failed { error }) => Ended::Failed(error),
        Err(error) => {
            tracing::warn!(%error, "a sandbox's init sent a report that can't be read");
            Ended::Gone
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read_as_init_writes_them() {
        assert_eq!(parse(b"{\"exited\":{\"code\":1}}\n"), Report::Ended(Ended::Exited(ExitStatus::Code(1))));
        assert_eq!(
            parse(b"{\"exited\":{\"signal\":9}}\n"),
            Report::Ended(Ended::Exited(ExitStatus::Signal(9)))
        );
        assert_eq!(
            parse(b"{\"failed\":{\"error\":\"no such file\"}}\n"),
            Report::Ended(Ended::Failed("no such file".into()))
        );
    }

    #[tokio::test]
    async fn reports_are_told_apart_and_an_end_is_waited_for_past_a_ready() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut control = Control::new(ours);
        theirs.write_all(b"{\"ready\":{}}\n{\"exited\":{\"code\":7}}\n").await.unwrap();
        assert_eq!(control.report().await, Report::Ready);
        assert_eq!(control.report().await, Report::Ended(Ended::Exited(ExitStatus::Code(7))));
        theirs.write_all(b"{\"ready\":{}}\n{\"exited\":{\"code\":8}}\n").await.unwrap();
        assert_eq!(control.ended().await, Ended::Exited(ExitStatus::Code(8)));
    }

    #[test]
    fn orders_read_as_init_reads_them() {
        let environment = BTreeMap::from([("A".to_owned(), "b".to_owned())]);
        let program = |entry| Program { entry, environment: &environment, working_directory: "/" };
        assert_eq!(
            serde_json::to_value(Order::Prestart(program(Entry::Command(vec!["up"])))).unwrap(),
            serde_json::json!({"prestart": {"command": ["up"], "environment": {"A": "b"}, "working_directory": "/"}})
        );
        let start =
            |arguments| Order::Start { program: program(Entry::Command(vec!["run", "app"])), arguments };
        assert_eq!(
            serde_json::to_value(start(Some(vec!["app"]))).unwrap(),
            serde_json::json!({"start": {
                "command": ["run", "app"], "environment": {"A": "b"}, "working_directory": "/", "arguments": ["app"],
            }})
        );
        assert_eq!(serde_json::to_value(start(None)).unwrap()["start"].get("arguments"), None);
        let paths = ["/var/task/bootstrap".to_owned()];
        let order = Order::Start { program: program(Entry::Bootstrap(&paths)), arguments: None };
        assert_eq!(
            serde_json::to_value(order).unwrap(),
            serde_json::json!({"start": {
                "bootstrap": ["/var/task/bootstrap"], "environment": {"A": "b"}, "working_directory": "/",
            }})
        );
    }

    #[test]
    fn a_report_that_is_nonsense_counts_as_gone() {
        assert_eq!(parse(b"\xff\xfe\n"), Report::Ended(Ended::Gone));
        assert_eq!(parse(b"{\"exited\":{}}\n"), Report::Ended(Ended::Gone));
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
        assert_eq!(control.report().await, Report::Ended(Ended::Gone));
        drop(control);
        flood.await.unwrap();
    }
}
