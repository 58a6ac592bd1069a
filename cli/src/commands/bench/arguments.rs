//! What can be asked for on the command line, and whether it makes sense together.

use std::{collections::HashSet, path::PathBuf, time::Duration};

use bytes::Bytes;
use clap::{Args, ValueEnum};

use super::{mix::Share, trace::Format};
use crate::{commands::invoke, failure::Failure, ui::Ui};

/// How long is called if nothing says it.
const DURATION: Duration = Duration::from_secs(10);

/// The most calls that one connection carries at a time; HTTP/2 servers commonly take 100 or more.
const CALLS_A_CONNECTION: u32 = 100;

/// The most connections that are made without being asked for.
const CONNECTIONS: u32 = 16;

/// Calls functions in a closed loop (--clients, the default), in an open one (--rate), or as a recorded trace says.
#[derive(Debug, Args)]
#[command(after_help = "\
In a closed loop each client calls again as soon as it is answered, so that slow answers slow the load down. In an open
loop and in a trace, calls have their moments, whatever became of those before; and a call's latency counts from the
moment it was meant for, not from when it could be sent: time that calls spend waiting for each other is in the figures.
The figures are of calls that a function answered, well or with an error; others are counted apart.

Traces, told apart by their first line (--trace-format names the form of a file without one):
  azure-2019  Azure Functions 2019: HashOwner,HashApp,HashFunction,Trigger,1,2,…: calls in each minute
  azure-2021  Azure Functions 2021: app,func,end_timestamp,duration: a call a line, in seconds
  huawei      Huawei 2023: day,time,0,1,…: a column a function, a row a second or a minute, with its calls
  csv         timestamp,function[,…]: a call a line, in seconds or as 2026-01-31T12:00:00Z

Exit codes: 0 every call was answered well, 1 some failed or were not sent in time, 2 wrong usage, 3 refused, 4 no daemon.

Examples:
  thaw bench hello --clients 8 --duration 30s --warm-up 2s
  thaw bench hello=9 report=1 --rate 200 --arrivals poisson --duration 1m --svg latency.svg
  thaw bench hello report --trace invocations_per_function_md.anon.d01.csv --trace-from 2h --trace-for 1h --speed 60")]
pub(crate) struct Arguments {
    /// What to call, and how often beside the others. A name or ARN, with or without a qualifier: hello, hello:$LATEST=3.
    #[arg(required = true, value_name = "FUNCTION[:QUALIFIER][=WEIGHT]", value_parser = Share::parse)]
    functions: Vec<Share>,
    /// The event: JSON, @FILE, or - for standard input.
    #[arg(long, short, default_value = "{}", value_name = "JSON|@FILE|-")]
    payload: String,
    /// Send events and wait until they are accepted, not until functions have taken them.
    #[arg(long)]
    event: bool,
    /// The event of one function, in place of --payload; may be given many times.
    #[arg(long, value_name = "FUNCTION=JSON|@FILE")]
    payload_for: Vec<String>,

    /// Closed loop: so many clients, each of which calls again when it is answered. [default: 1]
    #[arg(long, short, value_parser = clap::value_parser!(u32).range(1..=10_000), conflicts_with_all = ["rate", "trace"],
        help_heading = "Load")]
    clients: Option<u32>,
    /// How long a client waits between an answer and its next call: 50ms, 1s.
    #[arg(long, value_name = "SPAN", value_parser = humantime::parse_duration, conflicts_with_all = ["rate", "trace"],
        help_heading = "Load")]
    think: Option<Duration>,
    /// Open loop: so many calls a second.
    #[arg(long, short, value_parser = rate, conflicts_with = "trace", help_heading = "Load")]
    rate: Option<f64>,
    /// How calls follow each other. [default: constant with --rate, poisson within the minutes of a trace]
    #[arg(long, value_enum, conflicts_with_all = ["clients", "think"], help_heading = "Load")]
    arrivals: Option<Arrivals>,
    /// The most calls under way at a time in an open loop or a trace. One that would be over it is not sent, and counted.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000), help_heading = "Load")]
    max_in_flight: u32,
    /// End after so many calls.
    #[arg(long, short = 'n', value_parser = clap::value_parser!(u64).range(1..), help_heading = "Load")]
    calls: Option<u64>,
    /// End after so long: 30s, 5m. [default: 10s, or the whole trace, unless --calls is given]
    #[arg(long, short, value_name = "SPAN", value_parser = span, help_heading = "Load")]
    duration: Option<Duration>,
    /// Call for so long before anything is counted.
    #[arg(long, default_value = "0s", value_name = "SPAN", value_parser = humantime::parse_duration, help_heading = "Load")]
    warm_up: Duration,
    /// How long calls under way may take at the end.
    #[arg(long, default_value = "30s", value_name = "SPAN", value_parser = humantime::parse_duration, help_heading = "Load")]
    wait: Duration,
    /// Connections to the daemon. [default: one for 100 calls under way, 16 at the most]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=256), help_heading = "Load")]
    connections: Option<u32>,
    /// Where chance begins: the same seed gives the same calls.
    #[arg(long, default_value_t = 1, help_heading = "Load")]
    seed: u64,

    /// Call as this file says. Its functions are dealt out to those named here, the most called first.
    #[arg(long, value_name = "FILE", help_heading = "Trace")]
    trace: Option<PathBuf>,
    /// What the trace is, where its first line does not tell.
    #[arg(long, value_enum, requires = "trace", help_heading = "Trace")]
    trace_format: Option<Format>,
    /// How much faster than recorded: 60 plays an hour in a minute.
    #[arg(long, default_value_t = 1.0, value_parser = rate, requires = "trace", help_heading = "Trace")]
    speed: f64,
    /// Begin so long after the trace's beginning.
    #[arg(long, default_value = "0s", value_name = "SPAN", value_parser = humantime::parse_duration, requires = "trace",
        help_heading = "Trace")]
    trace_from: Duration,
    /// Play so much of the trace, in its own time.
    #[arg(long, value_name = "SPAN", value_parser = span, requires = "trace", help_heading = "Trace")]
    trace_for: Option<Duration>,
    /// Which function stands for which of the trace: a line each, `trace function,function`. Others are left out.
    #[arg(long, value_name = "FILE", requires = "trace", help_heading = "Trace")]
    trace_map: Option<PathBuf>,

    /// Draw the latencies as SVG.
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    svg: Option<PathBuf>,
    /// Draw the latencies as PNG.
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    png: Option<PathBuf>,
    /// How many functions to show apart, the most called first.
    #[arg(long, default_value_t = 10, help_heading = "Results")]
    top: usize,
}

/// How the calls of an open loop follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Arrivals {
    /// Evenly.
    Constant,
    /// As independent callers do: by chance, in bursts and pauses.
    Poisson,
}

/// What is to be done.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) functions: Vec<Share>,
    /// One a function.
    pub(super) payloads: Vec<Bytes>,
    /// Whether they are events, which nobody waits for.
    pub(super) event: bool,
    pub(super) shape: Shape,
    pub(super) limits: Limits,
    pub(super) connections: u32,
    pub(super) seed: u64,
    pub(super) svg: Option<PathBuf>,
    pub(super) png: Option<PathBuf>,
    pub(super) top: usize,
}

/// What decides when the next call is made.
#[derive(Debug)]
pub(super) enum Shape {
    Closed { clients: u32, think: Duration },
    Rate { rate: f64, arrivals: Arrivals, max_in_flight: usize },
    Trace { trace: TraceSettings, max_in_flight: usize },
}

/// Which part of which trace, and how.
#[derive(Debug)]
pub(super) struct TraceSettings {
    pub(super) path: PathBuf,
    pub(super) format: Option<Format>,
    pub(super) from: Duration,
    pub(super) length: Option<Duration>,
    pub(super) speed: f64,
    pub(super) map: Option<PathBuf>,
    pub(super) arrivals: Arrivals,
}

/// When it begins to count and when it ends. Spans are from the first call on; `duration` does not hold the warm-up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) calls: Option<u64>,
    pub(super) duration: Option<Duration>,
    pub(super) warm_up: Duration,
    pub(super) wait: Duration,
}

impl Arguments {
    /// Checks everything that needs no daemon.
    pub(super) fn plan(self, ui: &Ui) -> Result<Plan, Failure> {
        let mut names = HashSet::new();
        for share in &self.functions {
            if !names.insert(share.name.as_str()) {
                return Err(Failure::Usage(format!(
                    "{} is named twice: give it a weight, as in {}=2",
                    share.name, share.name
                )));
            }
            if self.trace.is_some() && share.weight.is_some() {
                return Err(Failure::Usage(format!(
                    "--trace says how often each function is called: name {} without a weight",
                    share.name
                )));
            }
        }
        let payloads = self.payloads(ui)?;
        for picture in [&self.svg, &self.png].into_iter().flatten() {
            let folder = picture.parent().filter(|folder| !folder.as_os_str().is_empty());
            if folder.is_some_and(|folder| !folder.is_dir()) || picture.is_dir() {
                return Err(Failure::Usage(format!(
                    "{}: nothing can be written there; name a file in a directory that exists",
                    picture.display()
                )));
            }
        }
        let default = if self.calls.is_some() || self.trace.is_some() { None } else { Some(DURATION) };
        let limits = Limits {
            calls: self.calls,
            duration: self.duration.or(default),
            warm_up: self.warm_up,
            wait: self.wait,
        };
        // An address space of 32 bits has room for every value that --max-in-flight takes.
        let max_in_flight = usize::try_from(self.max_in_flight).unwrap_or(usize::MAX);
        let (shape, most) = match (self.rate, self.trace) {
            (_, Some(path)) => {
                let trace = TraceSettings {
                    path,
                    format: self.trace_format,
                    from: self.trace_from,
                    length: self.trace_for,
                    speed: self.speed,
                    map: self.trace_map,
                    arrivals: self.arrivals.unwrap_or(Arrivals::Poisson),
                };
                (Shape::Trace { trace, max_in_flight }, self.max_in_flight)
            }
            (Some(rate), None) => {
                let arrivals = self.arrivals.unwrap_or(Arrivals::Constant);
                (Shape::Rate { rate, arrivals, max_in_flight }, self.max_in_flight)
            }
            (None, None) if self.arrivals.is_some() => {
                return Err(Failure::Usage("--arrivals is for --rate and --trace".to_owned()));
            }
            (None, None) => {
                let clients = self.clients.unwrap_or(1);
                (Shape::Closed { clients, think: self.think.unwrap_or_default() }, clients)
            }
        };
        let connections =
            self.connections.unwrap_or_else(|| most.div_ceil(CALLS_A_CONNECTION).min(CONNECTIONS));
        Ok(Plan {
            functions: self.functions,
            payloads,
            event: self.event,
            shape,
            limits,
            connections,
            seed: self.seed,
            svg: self.svg,
            png: self.png,
            top: self.top,
        })
    }

    /// The event of each function.
    fn payloads(&self, ui: &Ui) -> Result<Vec<Bytes>, Failure> {
        let common = invoke::payload(&self.payload, "--payload", ui)?;
        let mut payloads = vec![common; self.functions.len()];
        for text in &self.payload_for {
            let found = text.split_once('=').and_then(|(name, payload)| {
                let at = self.functions.iter().position(|share| share.name == name)?;
                Some((payloads.get_mut(at)?, payload))
            });
            let Some((place, payload)) = found else {
                return Err(Failure::Usage(format!(
                    "--payload-for {text}: begin with one of the functions that are called and =, as in {}={{}}",
                    self.functions.first().map_or("hello", |share| share.name.as_str())
                )));
            };
            *place = invoke::payload(payload, "--payload-for", ui)?;
        }
        Ok(payloads)
    }
}

/// A number that something can be multiplied or divided by.
fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.001..=1e6).contains(&rate) => Ok(rate),
        Ok(_) => Err("must be 0.001 to 1000000".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// A span in which something can happen.
fn span(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("must be longer than nothing".to_owned()),
        Ok(span) => Ok(span),
        Err(error) => Err(error.to_string()),
    }
}
