//! What a queue has given thawd and no function was called with goes back to the queue. Here each queue hides messages for far
//! longer than a test runs: what is not given back is lost to it.

use serde_json::{Value, json};
use thaw_proto::v1::{EventSourceSettings, PutConcurrencyRequest};
use thaw_tests::{moto::Moto, wait::eventually};

use crate::{event_sources::printed, sqs::Fed};

/// Seconds that a queue hides messages for.
const LONG: u32 = 3600;

/// Seconds that a batch is gathered: longer than a test waits for anything.
const WINDOW: i64 = 300;

fn enabled(enabled: bool) -> EventSourceSettings {
    EventSourceSettings { enabled: Some(enabled), ..EventSourceSettings::default() }
}

async fn make_fifo(moto: &Moto, name: &str) -> String {
    moto.make_queue_that_hides(name, LONG, &["FifoQueue", "ContentBasedDeduplication"]).await
}

impl Fed {
    async fn are_hidden(&self, url: &str, count: u32) {
        let what = format!("{count} messages are hidden");
        eventually(&what, async || (self.moto.hidden(url).await == count).then_some(())).await;
    }

    /// A queue whose two messages wait in a batching window.
    async fn gathering(&self, queue: &str) -> (String, String) {
        let url = self.moto.make_queue_that_hides(queue, LONG, &[]).await;
        let gather = EventSourceSettings {
            batch_size: Some(100),
            maximum_batching_window: Some(WINDOW),
            ..EventSourceSettings::default()
        };
        let uuid = self.map(queue, gather).await;
        for name in ["a", "b"] {
            self.moto.send(&url, &json!({ "name": name }), &[]).await;
        }
        self.are_hidden(&url, 2).await;
        (uuid, url)
    }

    /// Waits until both of them can be had again.
    async fn are_given_back(&self, url: &str) {
        let mut taken: Vec<String> = Vec::new();
        while taken.len() < 2 {
            let message = eventually("a message can be had", async || self.moto.take(url).await).await;
            taken.push(message["name"].as_str().unwrap().to_owned());
        }
        taken.sort();
        assert_eq!(taken, ["a", "b"]);
    }
}

#[tokio::test]
async fn what_is_gathered_when_a_mapping_changes_reaches_the_function_by_its_new_settings() {
    let fed = Fed::new().await;
    let (uuid, url) = fed.gathering("changes").await;
    let at_once = EventSourceSettings {
        batch_size: Some(1),
        maximum_batching_window: Some(0),
        ..EventSourceSettings::default()
    };
    fed.world.update_mapping(&uuid, at_once).await;
    let mut done = fed.processed(2).await;
    done.sort();
    // The server gives a message to two who ask at the same moment, as a queue may.
    done.dedup();
    assert_eq!(done, ["a", "b"]);
    fed.is_empty(&url).await;
}

#[tokio::test]
async fn what_comes_while_a_mapping_is_disabled_is_not_lost_to_those_who_asked_before() {
    let fed = Fed::new().await;
    let url = make_fifo(&fed.moto, "asked.fifo").await;
    let uuid = fed.map("asked.fifo", EventSourceSettings::default()).await;
    let mut expected = Vec::new();
    // Somebody asks and waits when the mapping is disabled, most probably, and is given what comes.
    for round in 0.. {
        let names = [format!("{round}-0"), format!("{round}-1"), format!("{round}-2")];
        let send = async |name: &str| {
            let message = json!({ "name": name, "show": true });
            fed.moto.send(&url, &message, &["--message-group-id", "x"]).await;
        };
        tokio::join!(fed.world.update_mapping(&uuid, enabled(false)), send(&names[0]));
        send(&names[1]).await;
        send(&names[2]).await;
        fed.world.mapping_in_state(&uuid, "Disabled").await;
        fed.world.update_mapping(&uuid, enabled(true)).await;
        expected.extend(names);
        assert_eq!(fed.processed(expected.len()).await, expected, "in their order");
        if was_given_back(&printed(&fed.world, &fed.name, "event").await) {
            break;
        }
        assert!(round < 9, "no message was given to anybody who had asked before");
    }
    fed.is_empty(&url).await;
}

/// Whether a message has been given to somebody before it came to the function.
fn was_given_back(events: &[String]) -> bool {
    let events = events.iter().map(|event| serde_json::from_str::<Value>(event).unwrap());
    events
        .flat_map(|event| event["Records"].as_array().unwrap().clone())
        .any(|record| record["attributes"]["ApproximateReceiveCount"] != "1")
}

#[tokio::test]
async fn what_waits_for_its_function_is_given_back_when_the_mapping_is_deleted() {
    let fed = Fed::new().await;
    let concurrency = |most| PutConcurrencyRequest {
        function_name: fed.name.clone(),
        reserved_concurrent_executions: most,
    };
    fed.world.attributes().put_concurrency(concurrency(Some(0))).await.unwrap();
    let url = make_fifo(&fed.moto, "waits.fifo").await;
    for name in ["a", "b"] {
        fed.moto.send(&url, &json!({ "name": name }), &["--message-group-id", "x"]).await;
    }
    let uuid = fed.map("waits.fifo", EventSourceSettings::default()).await;
    fed.are_hidden(&url, 2).await;
    let request = thaw_proto::v1::DeleteEventSourceRequest { uuid };
    fed.world.event_sources().delete_event_source(request).await.unwrap();
    fed.are_given_back(&url).await;
    assert!(printed(&fed.world, &fed.name, "done").await.is_empty());
}

#[tokio::test]
async fn what_is_gathered_when_the_daemon_ends_is_given_back() {
    let fed = Fed::new().await;
    let (_, url) = fed.gathering("ends").await;
    fed.world.daemon().terminate();
    assert!(fed.world.daemon().ended().await.success());
    fed.are_given_back(&url).await;
}

#[tokio::test]
async fn what_is_gathered_is_given_back_while_the_daemon_drains() {
    let fed = Fed::new().await;
    let (_, url) = fed.gathering("drains").await;
    fed.world.admin().drain(thaw_proto::v1::DrainRequest::default()).await.unwrap();
    fed.are_given_back(&url).await;
}

#[tokio::test]
async fn what_comes_after_a_failed_message_of_a_group_stays_behind_it() {
    let fed = Fed::new().await;
    let url = make_fifo(&fed.moto, "behind.fifo").await;
    // Seven of them are more than an event may have in it: two are read and wait here while five are processed.
    let large = "x".repeat(1024 * 1024 - 256);
    for number in 0..7 {
        let bad = if number == 0 { "yes" } else { "" };
        let body = json!({ "name": number.to_string(), "bad": bad, "large": large });
        fed.moto.send(&url, &body, &["--message-group-id", "x"]).await;
    }
    fed.map("behind.fifo", EventSourceSettings { maximum_concurrency: Some(2), ..Default::default() }).await;
    fed.are_hidden(&url, 5).await;
    assert!(printed(&fed.world, &fed.name, "done").await.is_empty(), "the first has failed");
}
