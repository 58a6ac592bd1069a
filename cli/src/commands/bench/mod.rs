//! `thaw bench`: an operator's load generator.
//!
//! [`arguments`] says what to do, [`target`] is who is called, [`load`] makes the calls when [`mix`], [`arrivals`] and
//! [`trace`] say, [`tally`] keeps the figures and [`report`] shows them.

mod arguments;
mod arrivals;
mod load;
mod mix;
mod progress;
mod report;
mod tally;
mod target;
mod trace;
mod words;

pub(crate) use arguments::Arguments;

use std::{io, time::Duration};

use anyhow::Context;
use indicatif::HumanCount;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{client::Client, failure::Failure, ui::Ui};
use arguments::{Plan, Shape};
use arrivals::Schedule;
use load::{Flight, Timer};
use mix::Mix;
use progress::Progress;
use report::{Picture, Results, as_json, show, write_png, write_svg};
use tally::Tally;
use target::Daemon;
use trace::{Replay, Trace};

pub(crate) async fn run(arguments: Arguments, client: &Client, ui: &Ui) -> Result<(), Failure> {
    let plan = arguments.plan(ui)?;
    let names: Vec<_> = plan.functions.iter().map(|share| share.name.clone()).collect();
    // Read before anything is asked of the daemon: what is wrong with a trace should not need one to be found.
    let load = Load::of(&plan, &names, ui)?;
    let mut end = End::new().context("waiting for Ctrl-C")?;
    let daemon = Daemon::connect(client, &plan).await?;
    let progress = Progress::new(ui.spinner(), plan.limits.warm_up);
    let flight = Flight::new(daemon, progress, plan.limits, names.len());
    let (mode, is_open) = (load.mode(), load.is_open());
    let tally = load.run(flight, &mut end).await.context("waiting for the next call's moment")?;
    let results = Results {
        load: words::of(&plan, &names),
        mode,
        names,
        tally,
        is_open,
        top: plan.top,
        was_stopped: end.has_come,
    };
    // First of all: whatever may be wrong with the pictures, the figures are not lost.
    if ui.is_json() {
        ui.json(&as_json(&results))?;
    } else {
        show(&results, ui)?;
    }
    if plan.svg.is_some() || plan.png.is_some() {
        let picture = Picture::of(&results).context("drawing the picture")?;
        plan.svg.as_ref().map(|path| write_svg(&picture, path)).transpose()?;
        plan.png.as_ref().map(|path| write_png(&picture, path)).transpose()?;
    }
    verdict(&results.tally)
}

/// Calls that are about to be made.
enum Load {
    Closed { mix: Mix, clients: u32, think: Duration },
    Rate { schedule: Schedule, max_in_flight: usize },
    Trace { calls: Replay, max_in_flight: usize },
}

impl Load {
    fn of(plan: &Plan, names: &[String], ui: &Ui) -> Result<Self, Failure> {
        let mix = Mix::new(&plan.functions, plan.seed);
        match &plan.shape {
            Shape::Closed { clients, think } => Ok(Self::Closed { mix, clients: *clients, think: *think }),
            Shape::Rate { rate, arrivals, max_in_flight } => Ok(Self::Rate {
                schedule: Schedule::new(*rate, *arrivals, mix, plan.seed),
                max_in_flight: *max_in_flight,
            }),
            Shape::Trace { trace, max_in_flight } => {
                let Trace { calls, found } = trace::open(trace, names, plan.seed)?;
                ui.note(&format!("{}: {}", trace.path.display(), words::found(&found)));
                Ok(Self::Trace { calls, max_in_flight: *max_in_flight })
            }
        }
    }

    fn mode(&self) -> &'static str {
        match self {
            Self::Closed { .. } => "closed",
            Self::Rate { .. } => "rate",
            Self::Trace { .. } => "trace",
        }
    }

    /// Whether calls have moments that they can miss.
    fn is_open(&self) -> bool {
        !matches!(self, Self::Closed { .. })
    }

    async fn run(self, flight: Flight<Daemon, Progress>, end: &mut End) -> io::Result<Tally> {
        let mut alarm = Timer::new()?;
        let mut stop = async || end.come().await;
        match self {
            Self::Closed { mix, clients, think } => {
                Ok(load::closed(flight, mix, clients, think, &mut stop).await)
            }
            Self::Rate { schedule, max_in_flight } => {
                load::open(flight, schedule, max_in_flight, &mut alarm, &mut stop).await
            }
            Self::Trace { calls, max_in_flight } => {
                load::open(flight, calls, max_in_flight, &mut alarm, &mut stop).await
            }
        }
    }
}

/// Ctrl-C, or a polite kill: the load ends, and its results are shown. Once more, and nobody is waited for.
struct End {
    interrupt: Signal,
    terminate: Signal,
    has_come: bool,
}

impl End {
    fn new() -> io::Result<Self> {
        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        Ok(Self { interrupt: signal(interrupt)?, terminate: signal(terminate)?, has_come: false })
    }

    /// Waits for it.
    async fn come(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        self.has_come = true;
    }
}

/// Whether all is well.
fn verdict(tally: &Tally) -> Result<(), Failure> {
    match tally.missed() {
        0 => Ok(()),
        missed => Err(Failure::Function(format!(
            "{} of {} calls failed or were not sent in time",
            HumanCount(missed),
            HumanCount(tally.calls())
        ))),
    }
}
