//! Many callers and an updater at once: whoever calls after an update was acknowledged sees it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use thaw_proto::v1::UpdateFunctionCodeRequest;
use thaw_tests::functions::NewFunction;

use crate::{changes::version, world};

const CALLS: usize = 300;
const CALLERS: u64 = 8;
const UPDATES: u64 = 4;

/// Numbers that look random, and are the same in every run. Source: Marsaglia, Xorshift RNGs.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

#[tokio::test]
async fn no_call_after_an_update_sees_the_old_code() {
    let world = Arc::new(world().await);
    let name = world.create(NewFunction::packaged("race", "version.handler", version(1)).memory(512)).await;
    let (asked, acknowledged) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicU64::new(1)));
    let made = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 1..=CALLERS {
        let (world, name) = (Arc::clone(&world), name.clone());
        let (asked, acknowledged, made) = (Arc::clone(&asked), Arc::clone(&acknowledged), Arc::clone(&made));
        tasks.spawn(async move {
            let mut dice = Dice(caller * 0x9E37_79B9);
            while made.fetch_add(1, Ordering::SeqCst) < CALLS {
                let least = acknowledged.load(Ordering::SeqCst);
                let seconds = if dice.roll(8) == 0 { 0.05 } else { 0.0 };
                let answer = world.invoke(&name, json!({ "seconds": seconds })).await.value();
                let most = asked.load(Ordering::SeqCst);
                let seen = answer["version"].as_u64().expect("a version");
                assert!((least..=most).contains(&seen), "saw {seen} where {least} to {most} were possible");
                tokio::time::sleep(Duration::from_millis(dice.roll(30))).await;
            }
        });
    }
    for number in 2..=UPDATES + 1 {
        // Evenly over the calls.
        let due = usize::try_from(number - 1).unwrap() * CALLS / (usize::try_from(UPDATES).unwrap() + 1);
        while made.load(Ordering::SeqCst) < due && !tasks.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
            while let Some(ended) = tasks.try_join_next() {
                ended.expect("a caller");
            }
        }
        asked.store(number, Ordering::SeqCst);
        let request =
            UpdateFunctionCodeRequest { function_name: name.clone(), ..UpdateFunctionCodeRequest::default() };
        world.update_code(request, &version(number)).await.expect("update the code");
        acknowledged.store(number, Ordering::SeqCst);
    }
    while let Some(ended) = tasks.join_next().await {
        ended.expect("a caller");
    }
    assert!(made.load(Ordering::SeqCst) >= CALLS);
    assert_eq!(world.invoke(&name, json!({})).await.value()["version"], UPDATES + 1);
}
