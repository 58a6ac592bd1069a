//! What the daemon says of itself: `tracing` events to standard error, text for people, JSON for programs.
//!
//! `main` calls [`start`] once, as soon as it has its settings. What functions print is not here but in
//! [`logs`](crate::logs).

use std::{
    io::{self, IsTerminal as _},
    panic::{self, PanicHookInfo},
};

use tracing::{Subscriber, subscriber::SetGlobalDefaultError};
use tracing_subscriber::{EnvFilter, filter::ParseError, fmt, fmt::MakeWriter};

use crate::config::LogFormat;

/// Why the daemon cannot log.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The directives are not understood.
    #[error("log_level: {directives:?} is not understood")]
    Level {
        /// The directives.
        directives: String,
        /// Why.
        source: ParseError,
    },
    /// It was started before.
    #[error("logging was started already")]
    Started(#[from] SetGlobalDefaultError),
}

/// From now on, events and panics of this process go to standard error.
///
/// # Errors
/// `level` is not understood, or it was started before.
pub fn start(format: LogFormat, level: &str) -> Result<(), TelemetryError> {
    let colours =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let form = Form::choose(format, io::stderr().is_terminal(), colours);
    tracing::subscriber::set_global_default(subscriber(form, level, io::stderr)?)?;
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// How an event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text { colours: bool },
    Json,
}

impl Form {
    fn choose(format: LogFormat, is_terminal: bool, colours: bool) -> Self {
        match format {
            LogFormat::Auto if is_terminal => Self::Text { colours },
            LogFormat::Auto | LogFormat::Json => Self::Json,
            LogFormat::Text => Self::Text { colours },
        }
    }
}

fn subscriber<W>(
    form: Form,
    level: &str,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let refused = |source| TelemetryError::Level { directives: level.to_owned(), source };
    let mut filter = EnvFilter::try_new(level).map_err(refused)?;
    if !level.contains("async_nats") {
        // Its errors come to whoever has called it; by itself it would tell everything once more.
        filter = filter.add_directive("async_nats=off".parse().map_err(refused)?);
    }
    // When standard error is gone, the formatter would report that by `eprintln!`, which panics then.
    let common = fmt().with_env_filter(filter).with_writer(writer).log_internal_errors(false);
    Ok(match form {
        Form::Text { colours } => Box::new(common.with_ansi(colours).with_target(false).finish()),
        Form::Json => Box::new(common.json().with_current_span(false).with_span_list(true).finish()),
    })
}

/// A panic ends one task and not the daemon, so it is told as everything else is: one event, with its place.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = message_of(panic).unwrap_or("(no message)");
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    tracing::error!(
        location,
        thread = thread.name().unwrap_or_default(),
        "panicked: {message}; this is a defect of thawd, please report it"
    );
}

fn message_of<'a>(panic: &'a PanicHookInfo<'_>) -> Option<&'a str> {
    let payload = panic.payload();
    payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What one subscriber of this form and level writes while `events` runs.
    fn written(form: Form, level: &str, events: impl FnOnce()) -> String {
        let output = Written::default();
        let writer = output.clone();
        let subscriber = subscriber(form, level, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, events);
        let bytes = output.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_terminal_gets_text_and_anything_else_json_unless_told() {
        let text = Form::Text { colours: true };
        assert_eq!(Form::choose(LogFormat::Auto, true, true), text);
        assert_eq!(Form::choose(LogFormat::Auto, false, false), Form::Json);
        assert_eq!(Form::choose(LogFormat::Json, true, true), Form::Json);
        assert_eq!(Form::choose(LogFormat::Text, false, false), Form::Text { colours: false });
    }

    #[test]
    fn json_is_one_object_a_line_with_fields_and_spans() {
        let output = written(Form::Json, "info", || {
            let _span = tracing::info_span!("invocation", request_id = "r-1").entered();
            tracing::info!(sandbox = "s-1", "first\nline");
            tracing::info!("second");
        });
        let lines: Vec<serde_json::Value> =
            output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["fields"]["message"], "first\nline");
        assert_eq!(lines[0]["fields"]["sandbox"], "s-1");
        assert_eq!(lines[0]["spans"][0]["request_id"], "r-1");
        assert_eq!(lines[1]["level"], "INFO");
    }

    #[test]
    fn text_without_colours_has_no_escape_codes() {
        let output = written(Form::Text { colours: false }, "info", || tracing::warn!(path = "/x", "odd"));
        assert!(output.contains("WARN") && output.contains("odd path=\"/x\""), "{output}");
        assert!(!output.contains('\u{1b}'));
    }

    #[test]
    fn the_level_is_kept_and_can_differ_by_module() {
        let output = written(Form::Json, "warn,thaw_daemon::telemetry=debug", || {
            tracing::debug!("ours");
            tracing::info!(target: "elsewhere", "theirs");
        });
        assert!(output.contains("ours") && !output.contains("theirs"), "{output}");
        assert!(matches!(subscriber(Form::Json, "thaw=loud", io::sink), Err(TelemetryError::Level { .. })));
    }
}
