//! What is done, in a few words.

use humantime::format_duration;
use indicatif::HumanCount;

use super::{
    arguments::{Arrivals, Plan, Shape},
    trace::Found,
};

/// The most functions that are named.
const NAMES: usize = 4;

/// What a plan does: `hello, report: 200 calls a second, by chance, for 1m`.
pub(super) fn of(plan: &Plan, names: &[String]) -> String {
    let mut words = names.iter().take(NAMES).cloned().collect::<Vec<_>>().join(", ");
    if let Some(more @ 1..) = names.len().checked_sub(NAMES) {
        words.push_str(&format!(" and {more} more"));
    }
    words.push_str(": ");
    words.push_str(&match &plan.shape {
        Shape::Closed { clients, think } => {
            let clients = match clients {
                1 => "1 client".to_owned(),
                clients => format!("{} clients", HumanCount(u64::from(*clients))),
            };
            if think.is_zero() {
                clients
            } else {
                format!("{clients}, thinking for {}", format_duration(*think))
            }
        }
        Shape::Rate { rate, arrivals: Arrivals::Constant, .. } => format!("{rate} calls a second"),
        Shape::Rate { rate, arrivals: Arrivals::Poisson, .. } => format!("{rate} calls a second, by chance"),
        Shape::Trace { trace, .. } => {
            let file = trace.path.file_name().unwrap_or(trace.path.as_os_str()).to_string_lossy();
            if trace.speed == 1.0 {
                file.into_owned()
            } else {
                format!("{file}, {} times as fast", trace.speed)
            }
        }
    });
    let limits = &plan.limits;
    if let Some(calls) = limits.calls {
        words.push_str(&format!(", {} calls", HumanCount(calls)));
    }
    if let Some(duration) = limits.duration {
        words.push_str(&format!(", for {}", format_duration(duration)));
    }
    if !limits.warm_up.is_zero() {
        words.push_str(&format!(", after {} of warm-up", format_duration(limits.warm_up)));
    }
    words
}

/// What a trace has.
pub(super) fn found(found: &Found) -> String {
    let mut words = format!(
        "a trace of the form {}, {} calls of {} functions",
        found.format,
        HumanCount(found.calls),
        HumanCount(found.functions as u64)
    );
    if found.left_out > 0 {
        words.push_str(&format!(
            "; {} more are of functions that the map does not name",
            HumanCount(found.left_out)
        ));
    }
    words
}
