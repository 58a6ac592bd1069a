//! The lines that Lambda writes around a function's own: START, END, REPORT and INIT_REPORT.
//!
//! Source: "Understanding the Lambda execution environment" and "Viewing CloudWatch logs for Lambda functions".

use std::{fmt::Write, time::Duration};

use super::job::Failure;
use crate::runtime_api::RequestId;

/// What a REPORT line tells.
#[derive(Debug)]
pub(super) struct Report<'a> {
    pub(super) request_id: &'a RequestId,
    pub(super) duration: Duration,
    pub(super) memory_mb: u32,
    /// Bytes, by the cgroup's own high-water mark.
    pub(super) memory_peak: u64,
    /// Only for the first invocation of a sandbox.
    pub(super) init: Option<Duration>,
    pub(super) failure: Option<&'a Failure>,
    /// Whether the runtime never came up: then even an error that it reported itself is told here.
    pub(super) in_init: bool,
}

pub(super) fn start(request_id: &RequestId, version: &str) -> String {
    format!("START RequestId: {request_id} Version: {version}")
}

pub(super) fn end(request_id: &RequestId) -> String {
    format!("END RequestId: {request_id}")
}

impl Report<'_> {
    /// The line. Since August 2025 Lambda bills the init phase too, so billed time holds both.
    pub(super) fn line(&self) -> String {
        let billed = (self.duration + self.init.unwrap_or_default()).as_micros().div_ceil(1000);
        let mut line = format!(
            "REPORT RequestId: {}\tDuration: {:.2} ms\tBilled Duration: {billed} ms\tMemory Size: {} MB\tMax Memory Used: {} MB",
            self.request_id,
            millis(self.duration),
            self.memory_mb,
            // What the kernel counts can pass the limit by a page or two; a report must not.
            self.memory_peak.div_ceil(1 << 20).min(u64::from(self.memory_mb)),
        );
        // Writing to a String can't fail.
        if let Some(init) = self.init {
            let _ = write!(line, "\tInit Duration: {:.2} ms", millis(init));
        }
        match self.failure {
            // Lambda writes a tab behind the last figure, whether or not a status follows.
            None => line.push('\t'),
            Some(Failure::Reported(_)) if !self.in_init => line.push('\t'),
            Some(Failure::TimedOut(_)) => line.push_str("\tStatus: timeout"),
            Some(failure) => {
                let _ = write!(line, "\tStatus: error\tError Type: {}", failure.error_type());
            }
        }
        line
    }
}

/// Tells how an initialisation failed.
pub(super) fn init_failed(duration: Duration, failure: &Failure) -> String {
    let status = if matches!(failure, Failure::TimedOut(_)) { "timeout" } else { "error" };
    format!(
        "INIT_REPORT Init Duration: {:.2} ms\tPhase: init\tStatus: {status}\tError Type: {}",
        millis(duration),
        failure.error_type()
    )
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_as_on_lambda() {
        let request_id = RequestId::random();
        let report = Report {
            request_id: &request_id,
            duration: Duration::from_micros(12_345),
            memory_mb: 128,
            memory_peak: 30 << 20,
            init: Some(Duration::from_micros(100_100)),
            failure: None,
            in_init: false,
        };
        assert_eq!(
            report.line(),
            format!(
                "REPORT RequestId: {request_id}\tDuration: 12.35 ms\tBilled Duration: 113 ms\tMemory Size: 128 MB\t\
                 Max Memory Used: 30 MB\tInit Duration: 100.10 ms\t"
            )
        );
    }

    #[test]
    fn a_report_of_a_timeout_says_so() {
        let request_id = RequestId::random();
        let failure = Failure::TimedOut(Duration::from_secs(3));
        let report = Report {
            request_id: &request_id,
            duration: Duration::from_secs(3),
            memory_mb: 128,
            memory_peak: 999 << 20,
            init: None,
            failure: Some(&failure),
            in_init: false,
        };
        assert!(report.line().ends_with("Max Memory Used: 128 MB\tStatus: timeout"), "{}", report.line());
    }
}
