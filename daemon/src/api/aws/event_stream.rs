//! AWS's event stream encoding: messages of headers and a payload, each with its lengths and two checksums.
//!
//! ```text
//! total length (4) | headers' length (4) | CRC-32 of these 8 (4) | headers | payload | CRC-32 of all before (4)
//! ```

use bytes::{BufMut as _, Bytes, BytesMut};

/// Lengths and their checksum before the headers, and the checksum behind the payload.
const FRAME_BYTES: usize = 16;

/// The type of a header's value that is a text.
const TEXT: u8 = 7;

/// A message that is an event.
pub(super) fn event(name: &str, content_type: &str, payload: &[u8]) -> Bytes {
    message(&[(":event-type", name), (":content-type", content_type), (":message-type", "event")], payload)
}

/// A message that is an error, and ends the stream.
pub(super) fn exception(name: &str, content_type: &str, payload: &[u8]) -> Bytes {
    message(
        &[(":exception-type", name), (":content-type", content_type), (":message-type", "exception")],
        payload,
    )
}

/// Names of headers are of this module, and their values short: both lengths fit what they are written in.
fn message(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    let headers_bytes: usize = headers.iter().map(|(name, value)| 1 + name.len() + 1 + 2 + value.len()).sum();
    let total = FRAME_BYTES + headers_bytes + payload.len();
    let mut message = BytesMut::with_capacity(total);
    message.put_u32(total as u32);
    message.put_u32(headers_bytes as u32);
    message.put_u32(crc32fast::hash(&message));
    for (name, value) in headers {
        message.put_u8(name.len() as u8);
        message.put_slice(name.as_bytes());
        message.put_u8(TEXT);
        message.put_u16(value.len() as u16);
        message.put_slice(value.as_bytes());
    }
    message.put_slice(payload);
    message.put_u32(crc32fast::hash(&message));
    message.freeze()
}
