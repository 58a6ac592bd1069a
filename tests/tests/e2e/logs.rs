//! What functions print, and the lines around it.

use std::time::Duration;

use serde_json::json;
use thaw_proto::v1::{FollowLogsRequest, ReadLogsRequest};
use thaw_tests::{
    functions::{NewFunction, ONE_CPU},
    world::{World, fields},
};
use tonic::Code;

use crate::world;

async fn logging(world: &World) -> String {
    world.create(NewFunction::of("logs").memory(ONE_CPU)).await
}

/// Asserts that `line` is a REPORT of Lambda's form and gives its fields.
fn report(line: &str) -> Vec<(String, String)> {
    let line = line.strip_suffix('\t').unwrap_or_else(|| panic!("no tab at the end of {line:?}"));
    let fields = line.split('\t').map(|field| {
        let (name, value) = field.split_once(": ").unwrap_or_else(|| panic!("a field of {line:?}"));
        (name.to_owned(), value.to_owned())
    });
    fields.collect()
}

fn number(value: &str, unit: &str) -> f64 {
    let number = value.strip_suffix(unit).unwrap_or_else(|| panic!("{value} is no number of{unit}"));
    number.parse().unwrap_or_else(|_| panic!("{value} is no number of{unit}"))
}

#[tokio::test]
async fn everything_that_is_printed_is_there_in_its_order() {
    let world = world().await;
    let name = logging(&world).await;
    let request_id = world.invoke(&name, json!({ "what": "all ways" })).await.request_id;
    let lines = world.lines_of(&name, &request_id).await;
    assert_eq!(lines[0], format!("START RequestId: {request_id} Version: $LATEST"));
    assert_eq!(lines[1], "from print");
    let logged: Vec<&str> = lines[2].split('\t').collect();
    assert_eq!((logged[0], logged[2], logged[3]), ("[INFO]", request_id.as_str(), "from logging"));
    assert_eq!(lines[3..5], ["from stderr", "from a descriptor"]);
    assert_eq!(lines[5], format!("END RequestId: {request_id}"));
    assert!(lines[6].starts_with(&format!("REPORT RequestId: {request_id}\t")), "{}", lines[6]);
    assert_eq!(lines.len(), 7, "{lines:#?}");
}

#[tokio::test]
async fn a_report_has_lambdas_form_and_the_init_only_once() {
    let world = world().await;
    let name = world.create(NewFunction::of("background").memory(256)).await;
    for call in 0..2 {
        let answer = world.invoke(&name, json!({ "seconds": 0.2 })).await;
        let lines = world.lines_of(&name, &answer.request_id).await;
        let line = lines.last().expect("a report");
        let fields = report(line);
        let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        let mut expected = vec![
            "REPORT RequestId",
            "Duration",
            "Billed Duration",
            "Memory Size",
            "Max Memory Used",
            "Init Duration",
        ];
        expected.truncate(if call == 0 { 6 } else { 5 });
        assert_eq!(names, expected);
        assert_eq!(fields[0].1, answer.request_id);
        let duration = number(&fields[1].1, " ms");
        assert!(duration >= 200.0, "{line}");
        assert_eq!(fields[1].1.split_once('.').unwrap().1.len(), "00 ms".len(), "two decimals: {line}");
        let init = fields.get(5).map_or(0.0, |(_, value)| number(value, " ms"));
        let billed = number(&fields[2].1, " ms");
        assert!(
            !fields[2].1.contains('.') && billed >= duration + init - 1.0 && billed <= duration + init + 2.0,
            "{line}"
        );
        assert_eq!(fields[3].1, "256 MB");
        let used = number(&fields[4].1, " MB");
        assert!((5.0..=256.0).contains(&used), "{line}");
    }
}

#[tokio::test]
async fn lines_of_the_init_come_first_and_belong_to_no_call() {
    let world = world().await;
    let name = logging(&world).await;
    let request_id = world.invoke(&name, json!({ "what": "once" })).await.request_id;
    world.lines_of(&name, &request_id).await;
    let lines = world.lines(&name).await;
    assert!(
        lines.iter().any(|line| line.message == "from the import" && line.request_id.is_empty()),
        "{lines:#?}"
    );
    let position = |text: &str| lines.iter().position(|line| line.message.starts_with(text)).expect(text);
    assert!(position("from the import") < position("START"));
}

#[tokio::test]
async fn a_tail_is_exactly_the_last_4_kb() {
    let world = world().await;
    let name = logging(&world).await;
    for count in [1000, 3] {
        let answer = world.invoke(&name, json!({ "what": "numbers", "count": count })).await;
        let mut whole = world.lines_of(&name, &answer.request_id).await.join("\n");
        whole.push('\n');
        assert!(whole.contains(&format!("line {}\n", count - 1)), "{whole}");
        let tail = &whole[whole.len().saturating_sub(4096)..];
        assert_eq!(answer.tail, tail);
    }
}

#[tokio::test]
async fn every_line_belongs_to_the_call_that_printed_it() {
    let world = world().await;
    let name = logging(&world).await;
    let mut printed = Vec::new();
    for call in 0..5 {
        let text = format!("this is call {call}");
        printed.push((world.invoke(&name, json!({ "what": text })).await.request_id, text));
    }
    for (request_id, text) in printed {
        let lines = world.lines_of(&name, &request_id).await;
        assert_eq!(lines.len(), 4, "{lines:#?}");
        assert_eq!(lines[1], text);
    }
}

#[tokio::test]
async fn a_line_without_an_end_ends_with_its_call() {
    let world = world().await;
    let name = logging(&world).await;
    for _ in 0..2 {
        let request_id = world.invoke(&name, json!({ "what": "no line end" })).await.request_id;
        assert_eq!(world.lines_of(&name, &request_id).await[1], "unfinished");
    }
}

#[tokio::test]
async fn bytes_that_are_not_utf8_do_no_harm() {
    let world = world().await;
    let name = logging(&world).await;
    let answer = world.invoke(&name, json!({ "what": "not UTF-8" })).await;
    let lines = world.lines_of(&name, &answer.request_id).await;
    assert_eq!(lines[1..3], ["before \u{fffd}\u{fffd}\u{fffd} after", "\0 zero"]);
    assert!(answer.tail.contains("before \u{fffd}"));
}

#[tokio::test]
async fn a_flood_is_cut_with_a_marker() {
    let world = world().await;
    let name = logging(&world).await;
    for what in ["flood", "one endless line"] {
        let answer = world.invoke(&name, json!({ "what": what, "kb": 2048 })).await;
        let lines = world.lines_of(&name, &answer.request_id).await;
        let bytes: usize = lines.iter().map(String::len).sum();
        // The daemon's setting is 256 KB.
        assert!((250 << 10..258 << 10).contains(&bytes), "{bytes} bytes of {what} were kept");
        assert!(
            lines.iter().any(|line| line.contains("cut")),
            "there is a marker: {:?}",
            &lines[lines.len() - 4..]
        );
        assert!(lines.last().unwrap().starts_with("REPORT"));
        // The next call has its own measure.
        let next = world.invoke(&name, json!({ "what": "after" })).await;
        assert_eq!(world.lines_of(&name, &next.request_id).await[1], "after");
    }
}

#[tokio::test]
async fn a_follower_gets_new_lines_as_they_come() {
    let world = world().await;
    let name = logging(&world).await;
    let before = world.invoke(&name, json!({ "what": "before" })).await;
    world.lines_of(&name, &before.request_id).await;
    let request = FollowLogsRequest { function_name: name.clone(), ..FollowLogsRequest::default() };
    let mut stream = world.logs().follow_logs(request).await.unwrap().into_inner();
    let mut seen = Vec::new();
    for call in 0..2 {
        let request_id = world.invoke(&name, json!({ "what": format!("new {call}") })).await.request_id;
        let report = format!("REPORT RequestId: {request_id}");
        let came = async {
            while !seen.iter().any(|line: &String| line.starts_with(&report)) {
                let message =
                    stream.message().await.expect("the stream goes on").expect("the stream goes on");
                assert_eq!(message.skipped, 0);
                seen.extend(message.events.into_iter().map(|event| event.message));
            }
        };
        tokio::time::timeout(Duration::from_secs(30), came).await.expect("the lines come");
    }
    assert!(!seen.contains(&"before".to_owned()), "only new lines: {seen:#?}");
    assert_eq!(seen.iter().filter(|line| line.starts_with("new ")).collect::<Vec<_>>(), ["new 0", "new 1"]);
    assert_eq!(seen.len(), 8, "{seen:#?}");
}

#[tokio::test]
async fn a_follower_may_begin_with_old_lines() {
    let world = world().await;
    let name = logging(&world).await;
    let request_id = world.invoke(&name, json!({ "what": "before" })).await.request_id;
    let start_time = Some(prost_types::Timestamp::default());
    let request =
        FollowLogsRequest { function_name: name.clone(), start_time, ..FollowLogsRequest::default() };
    let mut stream = world.logs().follow_logs(request).await.unwrap().into_inner();
    let old = async {
        let mut seen = Vec::new();
        while !seen.iter().any(|line: &String| line.starts_with(&format!("REPORT RequestId: {request_id}"))) {
            let message = stream.message().await.expect("the stream goes on").expect("the stream goes on");
            seen.extend(message.events.into_iter().map(|event| event.message));
        }
        seen
    };
    let seen = tokio::time::timeout(Duration::from_secs(30), old).await.expect("the old lines come");
    assert!(seen.contains(&"before".to_owned()), "{seen:#?}");
}

#[tokio::test]
async fn logs_are_read_by_page_stream_and_time() {
    let world = world().await;
    let name = logging(&world).await;
    let request_id = world.invoke(&name, json!({ "what": "numbers", "count": 20 })).await.request_id;
    world.lines_of(&name, &request_id).await;
    let all = world.lines(&name).await;
    let stream = world.sandboxes(&name).await.remove(0).log_stream_name;
    assert!(all.iter().all(|line| line.log_stream_name == stream));
    let times: Vec<_> = all.iter().map(|line| line.timestamp.expect("a time")).collect();
    assert!(times.is_sorted_by_key(|time| (time.seconds, time.nanos)), "{times:?}");

    let whole = ReadLogsRequest { function_name: name.clone(), ..ReadLogsRequest::default() };
    let paged = world.read_logs(ReadLogsRequest { page_size: 7, ..whole.clone() }).await;
    assert_eq!(paged, all);
    let none =
        world.read_logs(ReadLogsRequest { log_stream_name: "no such".to_owned(), ..whole.clone() }).await;
    assert_eq!(none, []);
    let last = times[times.len() - 1];
    let later = prost_types::Timestamp { seconds: last.seconds + 1, nanos: 0 };
    assert_eq!(world.read_logs(ReadLogsRequest { start_time: Some(later), ..whole.clone() }).await, []);
    assert_eq!(world.read_logs(ReadLogsRequest { end_time: Some(later), ..whole.clone() }).await, all);
    assert_eq!(world.read_logs(ReadLogsRequest { end_time: Some(times[0]), ..whole }).await, []);
}

#[tokio::test]
async fn a_page_of_logs_that_can_not_be_is_refused() {
    let world = world().await;
    let name = logging(&world).await;
    let good = ReadLogsRequest { function_name: name, ..ReadLogsRequest::default() };
    for (bad, field) in [
        (ReadLogsRequest { page_size: 10_001, ..good.clone() }, "page_size"),
        (ReadLogsRequest { page_token: "no token".to_owned(), ..good.clone() }, "page_token"),
        (ReadLogsRequest { function_name: "../x".to_owned(), ..good.clone() }, "function_name"),
        (
            ReadLogsRequest {
                start_time: Some(prost_types::Timestamp { seconds: i64::MAX, nanos: -1 }),
                ..good
            },
            "start_time",
        ),
    ] {
        let refusal = world.logs().read_logs(bad).await.expect_err(field);
        assert_eq!((refusal.code(), fields(&refusal)), (Code::InvalidArgument, vec![field.to_owned()]));
    }
}
