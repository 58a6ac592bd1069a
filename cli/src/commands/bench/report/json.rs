//! The results for programs. Times are milliseconds.

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use super::{Results, buckets::buckets, figures::Figures};
use crate::commands::bench::tally::Latencies;

/// Classes of the histogram: fine enough to draw a curve.
const CLASSES: usize = 120;

/// Everything, as one object.
pub(in super::super) fn as_json(results: &Results) -> Value {
    let tally = &results.tally;
    let latencies = tally.latencies();
    let misses: Map<_, _> = tally
        .misses()
        .iter()
        .map(|(kind, misses)| {
            (kind.name().to_owned(), json!({ "Count": misses.count, "First": misses.first }))
        })
        .collect();
    let functions: Vec<_> = results
        .names
        .iter()
        .zip(tally.functions())
        .map(|(name, function)| {
            json!({
                "Name": name, "Answered": function.answered(), "Failed": function.misses,
                "Latency": figures_of(&function.latencies),
            })
        })
        .collect();
    let [warm, cold] = buckets([&latencies.warm, &latencies.cold], CLASSES);
    let histogram: Vec<_> = warm
        .iter()
        .zip(&cold)
        .map(|(warm, cold)| {
            json!({
                "From": rounded(warm.from / 1e3), "To": rounded(warm.to / 1e3), "Warm": warm.count, "Cold": cold.count,
            })
        })
        .collect();
    json!({
        "Load": results.load,
        "Mode": results.mode,
        "Stopped": results.was_stopped,
        "Seconds": rounded(tally.elapsed.as_secs_f64()),
        "Calls": tally.calls(),
        "Answered": tally.answered(),
        "Rate": rounded(tally.rate()),
        "Failed": tally.missed(),
        "Failures": misses,
        "Latency": figures_of(&latencies),
        "SentLate": if results.is_open { figures(&tally.late) } else { Value::Null },
        "Functions": functions,
        "Histogram": histogram,
    })
}

fn figures_of(latencies: &Latencies) -> Value {
    json!({
        "All": figures(&latencies.all()), "Warm": figures(&latencies.warm), "Cold": figures(&latencies.cold),
    })
}

/// Of nothing there are no figures.
fn figures(histogram: &Histogram<u64>) -> Value {
    if histogram.is_empty() {
        return json!({ "Count": 0 });
    }
    let Figures { count, min, mean, p50, p90, p99, p999, max } = Figures::of(histogram);
    json!({
        "Count": count, "Min": min, "Mean": rounded(mean), "P50": p50, "P90": p90, "P99": p99, "P999": p999, "Max": max,
    })
}

/// To a thousandth: a microsecond, where it is milliseconds.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}
