use tempfile::TempDir;
use time::macros::datetime;

use super::*;
use crate::{
    clock::FixedClock,
    store::{StoreError, StoreOptions},
};

const SETTINGS: QueueSettings = QueueSettings {
    max_bytes: 1 << 30,
    retry_delay: Duration::from_secs(60),
    concurrency: 4,
    function_concurrency: 4,
    dead_retention: Duration::from_secs(86_400),
};

fn event(number: u32) -> NewEvent {
    NewEvent {
        id: RequestId::random(),
        function: "arn:aws:lambda:us-east-1:000000000000:function:f".parse().unwrap(),
        payload: number.to_string().into(),
        client_context: None,
        trace: TraceHeader::default(),
    }
}

async fn open(options: &StoreOptions) -> EventQueue {
    let store = Store::open(options).unwrap();
    EventQueue::open(store, &FixedClock::at(datetime!(2026-01-01 00:00 UTC)), SETTINGS).await.unwrap()
}

/// The payloads of all that waits.
fn waiting(queue: &EventQueue) -> Vec<String> {
    let stored = queue.0.store.scan_all::<QueuedEvent>("");
    let payloads = stored.map(|stored| match stored.unwrap().value().payload {
        Payload::Inline(ref payload) => payload.clone(),
        ref other => panic!("{other:?}"),
    });
    let mut payloads: Vec<String> = payloads.collect();
    payloads.sort();
    payloads
}

/// What fails is what makes it durable: the group in memory, the write, the sync.
#[tokio::test]
async fn an_event_that_could_not_be_synced_is_refused_and_those_before_it_are_kept() {
    for point in ["commit.applied", "commit.flushed"] {
        let directory = TempDir::new().unwrap();
        let options = StoreOptions::new(directory.path());
        let queue = open(&options).await;
        queue.accept(event(1)).await.unwrap();
        let room = queue.bytes();
        options.faults.set(point, "error");
        for number in [2, 3] {
            let refused = queue.accept(event(number)).await.unwrap_err();
            assert!(matches!(refused, QueueError::Store(StoreError::Failed(_))), "{point}: {refused}");
        }
        assert_eq!(queue.bytes(), room, "what was refused takes no room");
        queue.close().await;
        drop(queue);

        let queue = open(&StoreOptions::new(directory.path())).await;
        assert!(waiting(&queue).contains(&"1".to_owned()), "{point}: {:?}", waiting(&queue));
        queue.accept(event(4)).await.unwrap();
        assert!(waiting(&queue).contains(&"4".to_owned()), "{point}");
    }
}
