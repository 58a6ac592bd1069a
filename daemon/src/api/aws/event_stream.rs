//! AWS's event stream: messages of headers and a payload, each with its length in front and checksums.
//!
//! Written here rather than taken from a crate: the published one brings a second generation of HTTP types for forty
//! lines that only write. Source: "Event stream encoding" in Smithy's specification.

use bytes::{BufMut, Bytes, BytesMut};

/// Lengths and checksums around a message's headers and payload.
const FRAME: usize = 16;

/// The type of a header whose value is text.
const TEXT: u8 = 7;

/// The most that one message carries. Source: the client libraries' own limit is 16 MB; smaller ones are passed on sooner.
const CHUNK: usize = 256 * 1024;

/// A message that is an event.
#[must_use]
pub fn event(name: &str, content_type: &str, payload: &[u8]) -> Bytes {
    message(&[(":event-type", name), (":content-type", content_type), (":message-type", "event")], payload)
}

/// A message that is an error, and the last.
#[must_use]
pub fn exception(name: &str, content_type: &str, payload: &[u8]) -> Bytes {
    message(
        &[(":exception-type", name), (":content-type", content_type), (":message-type", "exception")],
        payload,
    )
}

fn message(of: &[(&str, &str)], payload: &[u8]) -> Bytes {
    let mut headers = BytesMut::new();
    for (header, value) in of {
        // Names and values are this file's and its caller's, all of them short.
        headers.put_u8(header.len() as u8);
        headers.put_slice(header.as_bytes());
        headers.put_u8(TEXT);
        headers.put_u16(value.len() as u16);
        headers.put_slice(value.as_bytes());
    }
    let length = FRAME + headers.len() + payload.len();
    let mut message = BytesMut::with_capacity(length);
    // A payload is one of `CHUNK` bytes at the most, or a few words about an error.
    message.put_u32(length as u32);
    message.put_u32(headers.len() as u32);
    message.put_u32(crc32fast::hash(&message));
    message.put_slice(&headers);
    message.put_slice(payload);
    message.put_u32(crc32fast::hash(&message));
    message.freeze()
}

/// What a function answered, in chunks, and that it is complete.
#[must_use]
pub fn messages(payload: &Bytes, end: &serde_json::Value) -> Bytes {
    let mut all = BytesMut::with_capacity(payload.len() + 1024);
    for chunk in payload.chunks(CHUNK) {
        all.put(payload_chunk(chunk));
    }
    all.put(complete(end));
    all.freeze()
}

/// A piece of what a function answers, of `CHUNK` bytes at the most.
#[must_use]
pub fn payload_chunk(chunk: &[u8]) -> Bytes {
    event("PayloadChunk", "application/octet-stream", chunk)
}

/// The end of what a function answers.
#[must_use]
pub fn complete(end: &serde_json::Value) -> Bytes {
    event("InvokeComplete", "application/json", end.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads messages as a client does: lengths first, then the checksums.
    fn read(mut bytes: Bytes) -> Vec<(String, Bytes)> {
        let mut read = Vec::new();
        while !bytes.is_empty() {
            let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
            let (length, headers) = (number(0), number(4));
            assert_eq!(number(8), crc32fast::hash(&bytes[..8]) as usize);
            assert_eq!(number(length - 4), crc32fast::hash(&bytes[..length - 4]) as usize);
            let name_length = usize::from(bytes[12 + 1 + ":event-type".len() + 2]);
            let name_at = 12 + 1 + ":event-type".len() + 3;
            let name = String::from_utf8(bytes[name_at..name_at + name_length].to_vec()).unwrap();
            read.push((name, bytes.slice(12 + headers..length - 4)));
            bytes = bytes.slice(length..);
        }
        read
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn what_is_written_is_read_again(length in 0usize..600_000, byte in any::<u8>()) {
            let payload = Bytes::from(vec![byte; length]);
            let read = read(messages(&payload, &serde_json::json!({})));
            let (last, chunks) = read.split_last().unwrap();
            prop_assert_eq!(last, &("InvokeComplete".to_owned(), Bytes::from("{}")));
            prop_assert!(chunks.iter().all(|(name, _)| name == "PayloadChunk"));
            let together: Vec<u8> = chunks.iter().flat_map(|(_, chunk)| chunk.to_vec()).collect();
            prop_assert_eq!(together, payload.to_vec());
        }
    }
}
