//! What sources of AWS have in common.

use aws_smithy_types::{
    DateTime,
    error::{
        display::DisplayErrorContext,
        metadata::{ErrorMetadata, ProvideErrorMetadata},
    },
};
use time::OffsetDateTime;

use crate::events::poller::source::SourceError;

const NANOS_PER_MILLI: i128 = 1_000_000;

/// What a service has answered, or why it has not.
pub(super) fn failed<E: ProvideErrorMetadata + std::error::Error>(service: &str, error: &E) -> SourceError {
    let meta: &ErrorMetadata = error.meta();
    match (meta.code(), meta.message()) {
        (Some(code), message) => {
            SourceError::new(format_args!("{service}: {code}: {}", message.unwrap_or_default()))
        }
        (None, _) => SourceError::new(format_args!("{service}: {}", DisplayErrorContext(error))),
    }
}

/// A time of an answer, to the millisecond: more than that is what a fraction was rounded to on its way.
pub(super) fn moment(time: &DateTime) -> Option<OffsetDateTime> {
    let millis = (time.as_nanos() + NANOS_PER_MILLI / 2).div_euclid(NANOS_PER_MILLI);
    OffsetDateTime::from_unix_timestamp_nanos(millis.checked_mul(NANOS_PER_MILLI)?).ok()
}

/// A time for a question, to the millisecond before it.
pub(super) fn date_time(moment: OffsetDateTime) -> DateTime {
    DateTime::from_secs_and_nanos(moment.unix_timestamp(), u32::from(moment.millisecond()) * 1_000_000)
}

/// Seconds with a fraction, as events have them.
#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit for 200,000 years")]
pub(super) fn seconds(moment: OffsetDateTime) -> f64 {
    (moment.unix_timestamp_nanos() / NANOS_PER_MILLI) as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_their_milliseconds() {
        let told = DateTime::from_secs_f64(1_545_084_650.987);
        let moment = moment(&told).unwrap();
        assert_eq!((moment.unix_timestamp(), moment.millisecond()), (1_545_084_650, 987));
        assert_eq!(seconds(moment).to_string(), "1545084650.987");
        assert_eq!(
            date_time(moment + time::Duration::microseconds(600)).to_millis().unwrap(),
            1_545_084_650_987
        );
    }

    #[test]
    fn a_time_that_is_none_is_not_told() {
        assert_eq!(moment(&DateTime::from_secs(i64::MAX)), None);
    }
}
