//! Messages as servers send them: Versity's gateway recorded, the others as their sources make them.

use proptest::prelude::*;
use serde_json::{Value, json};
use time::macros::datetime;

use super::*;

const NOW: OffsetDateTime = datetime!(2026-03-01 12:00:00.5 UTC);

fn read(message: &Value) -> Message {
    Message::read(message.to_string().as_bytes(), NOW).unwrap()
}

fn only(message: &Value) -> ObjectEvent {
    let Message { mut events, others } = read(message);
    assert_eq!((events.len(), others), (1, 0), "{message}");
    events.remove(0)
}

fn minio(event: &str) -> Value {
    json!({
        "EventName": event,
        "Key": "photos/my cats/tom+1.jpg",
        "Records": [{
            "eventVersion": "2.0", "eventSource": "minio:s3", "awsRegion": "",
            "eventTime": "2026-03-01T11:59:58.123Z", "eventName": event,
            "userIdentity": { "principalId": "minioadmin" },
            "requestParameters": { "principalId": "minioadmin", "region": "", "sourceIPAddress": "10.0.0.7" },
            "responseElements": {
                "x-amz-id-2": "dd9025bab4ad464b", "x-amz-request-id": "17A8D1F2B3C4D5E6",
                "x-minio-deployment-id": "0f8c", "x-minio-origin-endpoint": "http://10.0.0.1:9000"
            },
            "s3": {
                "s3SchemaVersion": "1.0", "configurationId": "Config",
                "bucket": {
                    "name": "photos", "ownerIdentity": { "principalId": "minioadmin" }, "arn": "arn:aws:s3:::photos"
                },
                "object": {
                    "key": "my+cats%2Ftom%2B1.jpg", "size": 5, "eTag": "5d41402abc4b2a76b9719d911017c592",
                    "contentType": "image/jpeg", "userMetadata": { "content-type": "image/jpeg" },
                    "sequencer": "17A8D1F2B3C4D5E6"
                }
            },
            "source": { "host": "10.0.0.7", "port": "", "userAgent": "MinIO (linux; amd64)" }
        }]
    })
}

fn ceph() -> Value {
    json!({ "Records": [{
        "eventVersion": "2.2", "eventSource": "ceph:s3", "awsRegion": "default",
        "eventTime": "2026-03-01 11:59:58.330496Z", "eventName": "ObjectCreated:Put",
        "userIdentity": { "principalId": "tester" }, "requestParameters": { "sourceIPAddress": "" },
        "responseElements": { "x-amz-request-id": "503a4c37.5330.903595", "x-amz-id-2": "14d2-default-default" },
        "s3": {
            "s3SchemaVersion": "1.0", "configurationId": "thumbnails",
            "bucket": {
                "name": "photos", "ownerIdentity": { "principalId": "tester" },
                "arn": "arn:aws:s3:default::photos", "id": "503a4c37.5332.38"
            },
            "object": {
                "key": "my cats/tom+1.jpg", "size": 5, "eTag": "5d41402abc4b2a76b9719d911017c592", "versionId": "",
                "sequencer": "F7E6D75DC742D108", "metadata": [], "tags": []
            }
        },
        "eventId": "", "opaqueData": ""
    }] })
}

fn versity(event: &str) -> Value {
    json!({ "Records": [{
        "eventVersion": "2.2", "eventSource": "aws:s3", "awsRegion": "us-east-1",
        "eventTime": "2026-03-01T12:59:58+01:00", "eventName": event,
        "userIdentity": { "PrincipalId": "test" }, "requestParameters": { "sourceIPAddress": "127.0.0.1" },
        "responseElements": { "x-amz-request-id": "", "x-amz-id-2": "" },
        "s3": {
            "s3SchemaVersion": "1.0", "configurationId": "webhook-global",
            "bucket": {
                "name": "photos", "ownerIdentity": { "PrincipalId": "test" },
                "arn": "arn:aws:s3:::/photos/my cats/tom+1.jpg"
            },
            "object": {
                "key": "my cats/tom+1.jpg", "size": 5, "eTag": "\"5d41402abc4b2a76b9719d911017c592\"",
                "versionId": null, "sequencer": "1"
            }
        },
        "glacierEventData": {
            "restoreEventData": { "lifecycleRestorationExpiryTime": "", "lifecycleRestoreStorageClass": "" }
        }
    }] })
}

fn entry(name: &str, chunk: &str) -> Value {
    json!({
        "name": name,
        "chunks": [{ "file_id": chunk, "size": 5, "e_tag": "XUFAKrxLKna5cZ2REBfFkg==" }],
        "attributes": { "file_size": 5, "mtime": 1_772_366_398, "md5": "XUFAKrxLKna5cZ2REBfFkg==", "mime": "image/jpeg" }
    })
}

fn seaweedfs(key: &str, old: Option<Value>, new: Option<Value>, parent: &str) -> Value {
    let mut message = json!({ "signatures": [1] });
    for (name, entry) in [("old_entry", old), ("new_entry", new)] {
        if let Some(entry) = entry {
            message[name] = entry;
        }
    }
    if !parent.is_empty() {
        message["new_parent_path"] = parent.into();
    }
    json!({ "key": key, "event_type": "update", "message": message })
}

#[test]
fn one_object_is_told_by_every_server_in_its_own_way_and_is_the_same() {
    let etag = "5d41402abc4b2a76b9719d911017c592".to_owned();
    let path = "/buckets/photos/my cats/tom+1.jpg";
    let filer = seaweedfs(path, None, Some(entry("tom+1.jpg", "3,01")), "/buckets/photos/my cats");
    for message in [minio("s3:ObjectCreated:Put"), ceph(), versity("s3:ObjectCreated:Put"), filer] {
        let event = only(&message);
        assert_eq!(event.bucket.as_str(), "photos", "{message}");
        assert_eq!(event.key, "my cats/tom+1.jpg", "{message}");
        assert_eq!(event.kind, EventType::OBJECT_CREATED_PUT, "{message}");
        assert_eq!((event.object.size, event.object.etag.as_ref()), (Some(5), Some(&etag)), "{message}");
        assert_eq!(event.object.version_id, None, "{message}");
        assert_eq!(
            event.time.replace_nanosecond(0).unwrap(),
            datetime!(2026-03-01 11:59:58 UTC),
            "{message}"
        );
    }
}

#[test]
fn what_a_server_says_of_the_request_is_kept() {
    let request = only(&minio("s3:ObjectCreated:Put")).request;
    assert_eq!((&*request.principal, &*request.source_ip), ("minioadmin", "10.0.0.7"));
    assert_eq!((&*request.id, &*request.host), ("17A8D1F2B3C4D5E6", "dd9025bab4ad464b"));
    let event = only(&versity("s3:ObjectCreated:Put"));
    assert_eq!((&*event.request.principal, &*event.object.owner), ("test", "test"));
}

#[test]
fn events_are_in_order_by_their_sequencer() {
    assert_eq!(only(&minio("s3:ObjectCreated:Put")).object.sequencer, "17A8D1F2B3C4D5E6");
    // A number that begins anew with each start of its server puts nothing in order.
    assert_eq!(only(&versity("s3:ObjectCreated:Put")).object.sequencer, sequencer(NOW));
    assert!(sequencer(NOW) < sequencer(NOW + time::Duration::nanoseconds(1)));
}

#[test]
fn an_object_that_is_gone_has_neither_size_nor_etag() {
    for event in ["s3:ObjectRemoved:Delete", "s3:ObjectRemoved:DeleteObjects"] {
        let event = only(&versity(event));
        assert_eq!(event.kind, EventType::OBJECT_REMOVED_DELETE);
        assert_eq!((event.object.size, event.object.etag), (None, None));
    }
}

#[test]
fn what_s3_tells_nobody_is_counted_and_left_out() {
    for event in ["s3:ObjectAccessed:Get", "s3:ObjectRemoved:NoOP", "s3:BucketCreated:*"] {
        assert_eq!(read(&minio(event)), Message { events: Vec::new(), others: 1 });
    }
    let mut nameless = minio("s3:ObjectCreated:Put");
    nameless["Records"][0]["s3"]["bucket"]["name"] = "a/b".into();
    assert_eq!(read(&nameless), Message { events: Vec::new(), others: 1 });
}

#[test]
fn tests_and_nothing_are_taken_as_such() {
    for body in ["", " \n", r#"{"Records": []}"#] {
        assert_eq!(Message::read(body.as_bytes(), NOW).unwrap(), Message::default(), "{body:?}");
    }
    let test = json!({ "Service": "S3", "Event": "s3:TestEvent", "Time": "2026-03-01T12:00:00Z", "Bucket": "Test-Bucket" });
    assert_eq!(read(&test), Message::default());
}

#[test]
fn what_is_no_notification_is_refused() {
    for body in [
        "{",
        "[]",
        "{}",
        r#"{"Event": "x"}"#,
        r#"{"key": "/a"}"#,
        r#"{"Records": [{"eventName": "x"}]}"#,
        "\"\u{1}\"",
    ] {
        assert!(Message::read(body.as_bytes(), NOW).is_err(), "{body}");
    }
    let record = minio("s3:ObjectCreated:Put")["Records"][0].clone();
    let many = |count: usize| json!({ "Records": vec![record.clone(); count] }).to_string();
    assert_eq!(Message::read(many(MOST_RECORDS).as_bytes(), NOW).unwrap().events.len(), MOST_RECORDS);
    assert!(matches!(Message::read(many(MOST_RECORDS + 1).as_bytes(), NOW), Err(MessageError::TooMany)));
}

#[test]
fn a_filers_changes_are_told_as_s3_would_tell_them() {
    let told = |message: &Value| {
        let events = read(message).events.into_iter();
        events.map(|event| format!("{} {}", event.kind.in_record(), event.key)).collect::<Vec<_>>()
    };
    let (path, parent) = ("/buckets/photos/a/cat.jpg", "/buckets/photos/a");
    let (first, other) = (entry("cat.jpg", "3,01"), entry("cat.jpg", "4,02"));
    let put = ["ObjectCreated:Put a/cat.jpg"];
    assert_eq!(told(&seaweedfs(path, None, Some(first.clone()), parent)), put);
    assert_eq!(told(&seaweedfs(path, Some(first.clone()), Some(other), parent)), put, "another content");
    assert!(
        told(&seaweedfs(path, Some(first.clone()), Some(first.clone()), parent)).is_empty(),
        "tags, or nothing"
    );
    assert_eq!(told(&seaweedfs(path, Some(first.clone()), None, "")), ["ObjectRemoved:Delete a/cat.jpg"]);
    let moved = seaweedfs(path, Some(first.clone()), Some(entry("tom.jpg", "3,01")), "/buckets/photos/b");
    assert_eq!(told(&moved), ["ObjectRemoved:Delete a/cat.jpg", "ObjectCreated:Copy b/tom.jpg"]);
    let directory = json!({ "name": "a", "is_directory": true });
    for (path, entry) in [
        ("/buckets/photos/a", directory.clone()),
        ("/buckets/photos", directory),
        ("/buckets/photos/.uploads/1f/0001.part", first.clone()),
        ("/buckets/photos/a/cat.jpg.versions/v_1f", first.clone()),
        ("/home/cat.jpg", first),
    ] {
        let message = seaweedfs(path, None, Some(entry), "");
        assert_eq!(read(&message), Message { events: Vec::new(), others: 1 }, "{path}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
        let _ = Message::read(&bytes, NOW);
    }

    #[test]
    fn no_text_in_any_field_makes_the_reader_panic(text in ".*", at in 0usize..8) {
        let mut message = minio("s3:ObjectCreated:Put");
        let pointers = [
            "/eventName", "/eventTime", "/eventSource", "/awsRegion", "/s3/configurationId", "/s3/bucket/name",
            "/s3/object/key", "/s3/object/sequencer",
        ];
        *message.pointer_mut(&format!("/Records/0{}", pointers[at])).unwrap() = text.into();
        let _ = Message::read(message.to_string().as_bytes(), NOW);
    }
}
