//! The event stream that answers are sent in: what is written is what AWS's decoder reads, wherever it is cut on its way.
#![no_main]
#![expect(clippy::expect_used, reason = "what can't be read is what is looked for")]

use aws_smithy_eventstream::{
    frame::{DecodedFrame, MessageFrameDecoder},
    smithy::parse_response_headers,
};
use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use serde_json::json;
use thaw_daemon::api::aws::event_stream::{complete, exception, messages, payload_chunk};

/// A message as a client of AWS sees it.
#[derive(Debug, PartialEq)]
struct Message {
    kind: String,
    name: String,
    content_type: String,
    payload: Bytes,
}

impl Message {
    fn event(name: &str, content_type: &str, payload: &[u8]) -> Self {
        Self {
            kind: "event".to_owned(),
            name: name.to_owned(),
            content_type: content_type.to_owned(),
            payload: Bytes::copy_from_slice(payload),
        }
    }
}

/// Reads a stream of which so many bytes arrive at a time.
fn read(stream: &[u8], at_a_time: usize) -> Vec<Message> {
    let (mut decoder, mut arrived, mut read) = (MessageFrameDecoder::new(), BytesMut::new(), Vec::new());
    for part in stream.chunks(at_a_time) {
        arrived.extend_from_slice(part);
        while let DecodedFrame::Complete(message) =
            decoder.decode_frame(&mut arrived).expect("frames as AWS's")
        {
            let headers = parse_response_headers(&message).expect("headers as AWS's");
            read.push(Message {
                kind: headers.message_type.as_str().to_owned(),
                name: headers.smithy_type.as_str().to_owned(),
                content_type: headers.content_type().unwrap_or_default().to_owned(),
                payload: message.payload().clone(),
            });
        }
    }
    assert!(arrived.is_empty(), "it ends with a message");
    read
}

// A line each: one as long as what arrives at a time, what went wrong, and then pieces of an answer.
fuzz_target!(|bytes: &[u8]| {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let at_a_time = lines.next().map_or(1, |line| line.len().max(1));
    let wrong = String::from_utf8_lossy(lines.next().unwrap_or_default());
    let pieces: Vec<&[u8]> = lines.filter(|piece| !piece.is_empty()).collect();

    let end = json!({ "ErrorCode": "Unhandled", "ErrorDetails": wrong });
    let ending = || Message::event("InvokeComplete", "application/json", end.to_string().as_bytes());
    let piece = |piece: &[u8]| Message::event("PayloadChunk", "application/octet-stream", piece);

    let whole = pieces.concat();
    let mut sent: Vec<u8> = pieces.iter().flat_map(|piece| payload_chunk(piece)).collect();
    sent.extend(complete(&end));
    sent.extend(exception(&wrong, "application/json", &whole));
    let mut expected: Vec<Message> = pieces.iter().map(|bytes| piece(bytes)).collect();
    expected.push(ending());
    let exception = Message::event(&wrong, "application/json", &whole);
    expected.push(Message { kind: "exception".to_owned(), ..exception });
    assert_eq!(read(&sent, at_a_time), expected);

    // An answer that was gathered is small enough here to be one piece, or none.
    let sent = messages(&whole.clone().into(), &end);
    let one = (!whole.is_empty()).then(|| piece(&whole));
    assert_eq!(read(&sent, sent.len()), one.into_iter().chain([ending()]).collect::<Vec<_>>());
});
