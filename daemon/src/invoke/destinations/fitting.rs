//! Results that are larger than their destination takes.
//!
//! A record is then sent without what the event carried and what the function answered, which is most of it, as Lambda does.
//! Source: "Capturing records of Lambda asynchronous invocations". A dead letter is nothing but its event: it is sent as it
//! is, and refused.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{Delivery, Purpose};

/// What a record does without.
const PAYLOADS: [&str; 2] = ["requestPayload", "responsePayload"];

/// The body of a result whose message may have so many bytes, attributes included.
pub(super) fn within(result: &Delivery, body: Bytes, most: usize) -> Bytes {
    let beside: usize =
        result.attributes().map(|it| it.name.len() + it.kind.as_str().len() + it.value.len()).sum();
    if body.len().saturating_add(beside) <= most || result.purpose == Purpose::DeadLetter {
        return body;
    }
    let Ok(mut record) = serde_json::from_slice::<BTreeMap<String, Box<RawValue>>>(&body) else {
        return body;
    };
    record.retain(|name, _| !PAYLOADS.contains(&name.as_str()));
    serde_json::to_vec(&record).map_or(body, Bytes::from)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::invoke::destinations::tests::delivery;

    #[test]
    fn a_record_that_is_too_large_goes_without_its_payloads() {
        let queue = "arn:aws:sqs:us-east-1:000000000000:q";
        let record = json!({ "version": "1.0", "requestPayload": "x".repeat(100), "responsePayload": [1.0] });
        let body = Bytes::from(record.to_string());
        let result = delivery(queue, Purpose::OnFailure);
        assert_eq!(within(&result, body.clone(), body.len()), body);
        let cut: Value = serde_json::from_slice(&within(&result, body.clone(), body.len() - 1)).unwrap();
        assert_eq!(cut, json!({ "version": "1.0" }));
        let letter = delivery(queue, Purpose::DeadLetter);
        assert_eq!(within(&letter, body.clone(), 1), body, "nothing would be left of it");
    }
}
