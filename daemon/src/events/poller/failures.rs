//! Where it is told of a stream's batches that were given up.

use serde_json::{Value, json};
use time::{OffsetDateTime, UtcOffset, format_description::BorrowedFormatItem, macros::format_description};

use super::{
    call::{self, Told},
    record::Record,
};
use crate::{
    clock,
    events::mapping::Mapping,
    functions::Destination,
    invoke::{NewResult, Origin},
    runtime_api::RequestId,
};

/// Why a batch was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    RetryAttemptsExhausted,
    RecordAgeExceeded,
}

impl Condition {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::RetryAttemptsExhausted => "RetryAttemptsExhausted",
            Self::RecordAgeExceeded => "RecordAgeExceeded",
        }
    }
}

/// To the millisecond, and to the second where there is no fraction: so Lambda writes times here.
fn stamp(moment: OffsetDateTime) -> String {
    const SECONDS: &[BorrowedFormatItem<'_>] =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    let form = if moment.millisecond() == 0 { SECONDS } else { clock::MILLIS };
    // The forms have no component that a time could lack.
    moment.to_offset(UtcOffset::UTC).format(form).unwrap_or_default()
}

/// What is told of records that were given up: Lambda's form for streams, with the kind of source in one key's name.
pub(super) fn told(
    mapping: &Mapping,
    batch_info: &str,
    records: &[Record],
    condition: Condition,
    tries: u32,
    last: Option<&Told>,
    now: OffsetDateTime,
) -> Value {
    let arrival = |record: Option<&Record>| record.and_then(|record| record.arrived).map(stamp);
    // The call that records were too old for counts, and there is no answer to it.
    let is_too_old = condition == Condition::RecordAgeExceeded;
    let request_id = last.map_or_else(|| RequestId::random().to_string(), |last| last.request_id.clone());
    let mut told = json!({
        "requestContext": {
            "requestId": request_id,
            "functionArn": mapping.function.to_string(),
            "condition": condition.as_str(),
            "approximateInvokeCount": tries.saturating_add(is_too_old.into()),
        },
        "version": "1.0",
        "timestamp": stamp(now),
    });
    if !is_too_old {
        told["responseContext"] = json!({
            "statusCode": 200,
            "executedVersion": last.and_then(|last| last.executed_version.as_deref()),
            "functionError": last.and_then(|last| last.function_error),
        });
    }
    told[batch_info] = json!({
        "shardId": "0",
        "startSequenceNumber": records.first().map(|record| record.id.as_str()),
        "endSequenceNumber": records.last().map(|record| record.id.as_str()),
        "approximateArrivalOfFirstRecord": arrival(records.first()),
        "approximateArrivalOfLastRecord": arrival(records.last()),
        "batchSize": records.len(),
        "streamArn": mapping.source.to_string(),
    });
    told
}

/// What the queue of results gets of it. A bucket gets the records as well, as on Lambda; others are told where they are.
pub(super) fn result(
    mapping: &Mapping,
    batch_info: &str,
    destination: &Destination,
    mut told: Value,
    records: &[Record],
) -> NewResult {
    let shard = told[batch_info]["shardId"].as_str().unwrap_or_default().to_owned();
    if destination.service() == "s3" {
        told["payload"] = call::event(records);
    }
    NewResult {
        function: mapping.function.clone(),
        target: destination.clone(),
        body: told.to_string().into(),
        origin: Origin::Mapping { id: mapping.id.to_string(), shard },
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn times_have_three_digits_of_a_second_or_none() {
        assert_eq!(stamp(datetime!(2019-11-14 00:38:06.3009 UTC)), "2019-11-14T00:38:06.300Z");
        assert_eq!(stamp(datetime!(2019-11-14 01:13:49.0004 +1)), "2019-11-14T00:13:49Z");
    }
}
