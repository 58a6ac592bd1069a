//! A message of a stream as a record. The README shows the form.

use async_nats::{HeaderMap, Message};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use crate::events::{
    mapping::{SourceArn, seen_by_patterns},
    poller::record::Record,
};

/// The key of a message's data in what patterns see.
pub(super) const DATA: &str = "data";

/// The record of a message, which has this number in its stream.
pub(super) fn record(arn: &SourceArn, message: &Message, sequence: u64, arrived: OffsetDateTime) -> Record {
    let id = sequence.to_string();
    let mut nats = json!({
        "stream": arn.name(),
        "subject": message.subject.as_str(),
        "sequence": id,
        "timestamp": i64::try_from(arrived.unix_timestamp_nanos() / 1_000_000).unwrap_or_default(),
        "headers": message.headers.as_ref().map(headers).unwrap_or_default(),
    });
    let text = std::str::from_utf8(&message.payload);
    match text {
        Ok(text) => nats["data"] = text.into(),
        Err(_) => nats["base64Data"] = STANDARD.encode(&message.payload).into(),
    }
    let event = json!({
        "eventID": format!("{}:{id}", arn.name()),
        "eventName": "nats:jetstream:message",
        "eventVersion": "1.0",
        "eventSource": "nats",
        "awsRegion": arn.region().as_str(),
        "eventSourceARN": arn.to_string(),
        "nats": nats,
    });
    let mut seen = event.clone();
    if let Ok(text) = text {
        seen[DATA] = seen_by_patterns(text);
    }
    Record::new(id, event, seen, Some(arrived))
}

/// A header may have several values.
fn headers(headers: &HeaderMap) -> Map<String, Value> {
    let of_name = headers.iter().map(|(name, values)| {
        let values: Vec<&str> = values.iter().map(|value| value.as_str()).collect();
        (name.to_string(), values.into())
    });
    of_name.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(payload: &'static [u8]) -> Record {
        let arn: SourceArn = "arn:aws:nats:us-east-1:000000000000:stream/ORDERS".parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.append("Colour", "red");
        headers.append("Colour", "blue");
        let message = Message {
            subject: "orders.new".into(),
            reply: None,
            payload: payload.into(),
            headers: Some(headers),
            status: None,
            description: None,
            length: payload.len(),
        };
        record(&arn, &message, 7, OffsetDateTime::from_unix_timestamp(1_764_072_000).unwrap())
    }

    #[test]
    fn a_message_that_is_text_is_seen_by_patterns_as_what_it_is() {
        let record = made(br#"{"kind": "order"}"#);
        assert_eq!(record.id, "7");
        assert_eq!(record.event["eventID"], "ORDERS:7");
        let wanted = json!({
            "stream": "ORDERS",
            "subject": "orders.new",
            "sequence": "7",
            "timestamp": 1_764_072_000_000_i64,
            "headers": { "Colour": ["red", "blue"] },
            "data": r#"{"kind": "order"}"#,
        });
        assert_eq!(record.event["nats"], wanted);
        assert_eq!(record.seen["data"], json!({ "kind": "order" }));
    }

    #[test]
    fn a_message_that_is_no_text_is_in_base64_and_has_no_data_for_patterns() {
        let record = made(b"\xff\x00");
        assert_eq!(record.event["nats"]["base64Data"], "/wA=");
        assert!(record.event["nats"].get("data").is_none() && record.seen.get("data").is_none());
    }
}
