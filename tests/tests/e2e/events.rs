//! Asynchronous events: what was accepted reaches its function, is tried as Lambda tries it, and ends once.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use serde_json::{Value, json};
use thaw_proto::v1::{
    Event, EventState, GetEventRequest, InvocationType, InvokeRequest, ListEventsRequest, PurgeEventsRequest,
    PutConcurrencyRequest, RetryEventsRequest,
};
use thaw_tests::{
    daemon::Daemon,
    functions::NewFunction,
    small_disk::{SmallDisk, put_on},
    wait::eventually,
    witness::Witness,
    world::{World, reason, request},
};
use tonic::{Code, Status};

use crate::{
    aws::{endpoint, script},
    cli::thaw,
};

/// A daemon whose events are tried again at once.
pub async fn impatient(witness: Option<&Witness>) -> World {
    World::start_with(&[
        ("event-retry-delay-seconds", "0"),
        ("memory-budget-mb", "4000"),
        ("event-http-hosts", witness.map_or("", Witness::host)),
    ])
    .await
}

/// Sends an event; returns its id.
pub async fn event(world: &World, name: &str, payload: Value) -> Result<String, Status> {
    let request = InvokeRequest {
        invocation_type: InvocationType::Event.into(),
        payload: payload.to_string().into(),
        ..request(name)
    };
    let answer = world.invocations().invoke(request).await?.into_inner();
    assert_eq!((answer.status_code, answer.payload.len()), (202, 0));
    Ok(answer.request_id)
}

pub async fn events(world: &World, name: &str) -> Vec<Event> {
    let request =
        ListEventsRequest { function_name: name.to_owned(), page_size: 1_000, ..Default::default() };
    world.events().list_events(request).await.unwrap().into_inner().events
}

/// Waits until no event of a function is left but those in this state.
pub async fn only(world: &World, name: &str, state: Option<EventState>) -> Vec<Event> {
    eventually("only such events are left", async || {
        let events = events(world, name).await;
        events.iter().all(|event| Some(event.state()) == state).then_some(events)
    })
    .await
}

pub async fn configure(world: &World, name: &str, config: Value) {
    script("event_config.py", &[&endpoint(world).await, name, &config.to_string()]).await;
}

/// How often each invocation of a function began, by its log.
pub async fn starts(world: &World, name: &str) -> HashMap<String, usize> {
    let mut starts = HashMap::new();
    for line in world.lines(name).await {
        if let Some(rest) = line.message.strip_prefix("START RequestId: ") {
            let id = rest.split(' ').next().unwrap_or_default().to_owned();
            *starts.entry(id).or_default() += 1;
        }
    }
    starts
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_reaches_its_function_under_the_id_that_its_caller_was_told() {
    let world = impatient(None).await;
    let name = world.create(NewFunction::of("echo")).await;
    let id = event(&world, &name, json!({ "n": 1 })).await.unwrap();
    only(&world, &name, None).await;
    assert_eq!(starts(&world, &name).await, HashMap::from([(id.clone(), 1)]));
    let status = world.events().get_event(GetEventRequest { id }).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "RESOURCE_NOT_FOUND"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_event_is_tried_three_times_and_then_kept_until_it_is_purged() {
    let world = impatient(None).await;
    let name = world.create(NewFunction::of("failures")).await;
    let id = event(&world, &name, json!({ "how": "raise" })).await.unwrap();
    let dead = only(&world, &name, Some(EventState::Dead)).await;
    let [dead] = dead.as_slice() else { panic!("{dead:?}") };
    assert_eq!((dead.id.as_str(), dead.failures, dead.condition.as_str()), (&*id, 3, "RetriesExhausted"));
    assert_eq!((dead.error_type.as_str(), dead.error_message.as_str()), ("OutOfCheese", "no cheese: ä ☃"));
    assert_eq!(starts(&world, &name).await, HashMap::from([(id.clone(), 3)]));
    let found = world.events().get_event(GetEventRequest { id: id.clone() }).await.unwrap().into_inner();
    assert_eq!(serde_json::from_slice::<Value>(&found.payload).unwrap(), json!({ "how": "raise" }));

    // As new: three times more.
    let retry = RetryEventsRequest { id: id.clone(), ..Default::default() };
    assert_eq!(world.events().retry_events(retry).await.unwrap().into_inner().retried, 1);
    eventually("it was tried three times more", async || {
        (starts(&world, &name).await[&id] == 6).then_some(())
    })
    .await;
    only(&world, &name, Some(EventState::Dead)).await;
    let purge = PurgeEventsRequest { function_name: name.clone(), ..Default::default() };
    assert_eq!(world.events().purge_events(purge).await.unwrap().into_inner().purged, 1);
    assert_eq!(events(&world, &name).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_a_function_that_may_not_run_waits_and_runs_when_it_is_retried() {
    let world = World::start_with(&[("account-concurrency", "1")]).await;
    let busy = world.create(NewFunction::of("background")).await;
    let name = world.create(NewFunction::of("echo")).await;
    let mut client = world.invocations();
    let blocking = InvokeRequest { payload: json!({ "seconds": 8 }).to_string().into(), ..request(&busy) };
    let blocking = tokio::spawn(async move { client.invoke(blocking).await });
    world.sandbox_in(&busy, thaw_proto::v1::SandboxState::Busy).await;
    let id = event(&world, &name, json!({})).await.unwrap();
    let waiting = events(&world, &name).await;
    assert_eq!(waiting.len(), 1);
    assert_eq!((waiting[0].state(), waiting[0].failures), (EventState::Waiting, 0));
    blocking.await.unwrap().unwrap();
    // It may be tried at this very moment.
    let _ = world.events().retry_events(RetryEventsRequest { id: id.clone(), ..Default::default() }).await;
    only(&world, &name, None).await;
    assert_eq!(starts(&world, &name).await[&id], 1, "being throttled is no attempt");
}

#[tokio::test(flavor = "multi_thread")]
async fn results_go_to_a_function_a_log_group_and_an_endpoint_that_was_down() {
    let witness = Witness::start();
    let world = impatient(Some(&witness)).await;
    witness.refuse(true);
    let good = world.create(NewFunction::of("echo")).await;
    let next = world.create(NewFunction::of("echo")).await;
    let bad = world.create(NewFunction::of("failures")).await;
    let arn = |name: &str| format!("arn:aws:lambda:us-east-1:000000000000:function:{name}");
    let destinations = |success: &str, failure: &str| {
        json!({
            "MaximumRetryAttempts": 1,
            "DestinationConfig": {
                "OnSuccess": { "Destination": success },
                "OnFailure": { "Destination": failure },
            },
        })
    };
    configure(&world, &good, destinations(&arn(&next), witness.url())).await;
    configure(&world, &bad, destinations(&arn(&next), witness.url())).await;

    let id = event(&world, &good, json!({ "n": 1 })).await.unwrap();
    only(&world, &good, None).await;
    eventually("the next function ran", async || (starts(&world, &next).await.len() == 1).then_some(()))
        .await;
    assert_eq!(starts(&world, &good).await, HashMap::from([(id, 1)]));

    let id = event(&world, &bad, json!({ "how": "raise" })).await.unwrap();
    let delivering = only(&world, &bad, Some(EventState::Delivering)).await;
    assert_eq!((delivering[0].id.as_str(), delivering[0].destination.as_str()), (&*id, witness.url()));
    eventually("the endpoint refused", async || {
        let found = events(&world, &bad).await;
        found.first().is_some_and(|event| event.error_message.contains("503")).then_some(())
    })
    .await;
    witness.refuse(false);
    only(&world, &bad, None).await;
    let posted = witness.posted();
    let [record] = posted.as_slice() else { panic!("{posted:?}") };
    assert_eq!(record["requestContext"]["requestId"], id.as_str());
    assert_eq!(record["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 2);
    assert_eq!(record["requestPayload"], json!({ "how": "raise" }));
    assert_eq!(record["responseContext"]["functionError"], "Unhandled");
    assert_eq!(record["responsePayload"]["errorType"], "OutOfCheese");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_posted_where_the_operator_has_not_allowed_it() {
    let witness = Witness::start();
    let world = impatient(None).await;
    let name = world.create(NewFunction::of("echo")).await;
    configure(
        &world,
        &name,
        json!({ "DestinationConfig": { "OnSuccess": { "Destination": witness.url() } } }),
    )
    .await;
    event(&world, &name, json!({})).await.unwrap();
    eventually("the result is refused", async || {
        let found = events(&world, &name).await;
        found.first().is_some_and(|event| event.error_message.contains("event_http_hosts")).then_some(())
    })
    .await;
    assert_eq!(witness.posted(), Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_event_survives_a_kill_and_leaves_no_file() {
    let mut world = World::start_with(&[("account-concurrency", "1")]).await;
    let busy = world.create(NewFunction::of("background")).await;
    let name = world.create(NewFunction::of("echo")).await;
    let mut client = world.invocations();
    let blocking = InvokeRequest { payload: json!({ "seconds": 30 }).to_string().into(), ..request(&busy) };
    let blocking = tokio::spawn(async move { client.invoke(blocking).await });
    world.sandbox_in(&busy, thaw_proto::v1::SandboxState::Busy).await;
    let payload = json!({ "text": "x".repeat(900_000) });
    let id = event(&world, &name, payload.clone()).await.unwrap();
    world.crash_and_restart().await;
    blocking.await.unwrap().expect_err("its daemon is gone");
    only(&world, &name, None).await;
    assert_eq!(starts(&world, &name).await.get(&id), Some(&1));
    let files = thaw_tests::remains::below(&world.daemon().data_dir().join("payloads"));
    assert!(files.iter().all(|path| !path.is_file()), "{files:?}");
}

/// `THAW_TEST_EVENTS` and `THAW_TEST_KILLS` make more of it than there is time for in every run.
#[tokio::test(flavor = "multi_thread")]
async fn events_that_were_accepted_outlive_any_number_of_kills() {
    let number = |name: &str, otherwise: usize| {
        std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
    };
    let (wanted, kills) = (number("THAW_TEST_EVENTS", 600), number("THAW_TEST_KILLS", 4));
    let witness = Witness::start();
    let mut world = impatient(Some(&witness)).await;
    let name = world.create(NewFunction::of("echo")).await;
    configure(
        &world,
        &name,
        json!({ "DestinationConfig": { "OnSuccess": { "Destination": witness.url() } } }),
    )
    .await;
    let mut accepted = HashSet::new();
    for round in 0..=kills {
        let share = wanted / (kills + 1);
        let mut sending = tokio::task::JoinSet::new();
        for client in 0..8 {
            let (mut invocations, name) = (world.invocations(), name.clone());
            sending.spawn(async move {
                let mut accepted = Vec::new();
                for number in (client..share).step_by(8) {
                    let request = InvokeRequest {
                        invocation_type: InvocationType::Event.into(),
                        payload: json!({ "round": round, "number": number }).to_string().into(),
                        ..request(&name)
                    };
                    // Not accepted is not acknowledged: the daemon was killed.
                    match invocations.invoke(request).await {
                        Ok(answer) => accepted.push(answer.into_inner().request_id),
                        Err(_) => break,
                    }
                }
                accepted
            });
        }
        if round < kills {
            // Anywhere: among acceptances, attempts and ends.
            tokio::time::sleep(Duration::from_millis(150 + 170 * (round as u64 % 5))).await;
            world.daemon().crash();
        }
        while let Some(ids) = sending.join_next().await {
            accepted.extend(ids.unwrap());
        }
        if round < kills {
            world.restart_after_kill().await;
        }
    }
    assert!(!accepted.is_empty());
    only(&world, &name, None).await;
    let mut delivered = HashMap::<String, usize>::new();
    for record in witness.posted() {
        let id = record["requestContext"]["requestId"].as_str().unwrap().to_owned();
        *delivered.entry(id).or_default() += 1;
    }
    let lost: Vec<&String> = accepted.iter().filter(|id| !delivered.contains_key(*id)).collect();
    assert!(lost.is_empty(), "{} of {} lost: {lost:?}", lost.len(), accepted.len());
    let most = delivered.values().max().copied().unwrap_or(0);
    assert!(most <= 1 + kills, "delivered {most} times with {kills} kills");
}

async fn reserve(world: &World, name: &str, share: Option<u32>) -> Result<(), Status> {
    let request =
        PutConcurrencyRequest { function_name: name.to_owned(), reserved_concurrent_executions: share };
    world.attributes().put_concurrency(request).await.map(drop)
}

/// A daemon that has its data directory on a small disk.
async fn on_a_small_disk(disk: &SmallDisk) -> World {
    let daemon = Daemon::prepare(&[("event-retry-delay-seconds", "0")]);
    put_on(&disk.path(), &daemon.data_dir());
    World::of(daemon).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_nearly_full_takes_no_event_and_calls_go_on() {
    let disk = SmallDisk::of_mb(512);
    let world = on_a_small_disk(&disk).await;
    let name = world.create(NewFunction::of("echo")).await;
    assert_eq!(world.invoke(&name, json!({ "n": 1 })).await.value(), json!({ "n": 1 }));
    disk.fill_but(32 << 20);
    let refused =
        eventually("the disk is looked at", async || event(&world, &name, json!({})).await.err()).await;
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(refused.message().contains("MB left; make room on it"), "{refused}");
    only(&world, &name, None).await;
    assert_eq!(world.invoke(&name, json!({ "n": 2 })).await.value(), json!({ "n": 2 }));
    disk.clear();
    eventually("an event is taken again", async || event(&world, &name, json!({})).await.ok()).await;
    only(&world, &name, None).await;
}

/// The store can't write any more: whatever becomes of the daemon then, what it had accepted is there when it is started with
/// room again, and what it did not accept it has said so.
#[tokio::test(flavor = "multi_thread")]
async fn events_outlive_a_disk_that_is_full() {
    let disk = SmallDisk::of_mb(512);
    let mut world = on_a_small_disk(&disk).await;
    let name = world.create(NewFunction::of("echo")).await;
    reserve(&world, &name, Some(0)).await.unwrap();
    let mut accepted = HashSet::new();
    for number in 0..20 {
        accepted.insert(event(&world, &name, json!({ "n": number })).await.unwrap());
    }
    let other = world.create(NewFunction::of("echo")).await;
    disk.fill_but(0);
    // Changes are asked for until the store has found that there is no room for them.
    let mut changes = 0;
    while reserve(&world, &other, Some(changes % 2)).await.is_ok() {
        changes += 1;
        assert!(changes < 100_000, "the disk does not become full");
    }
    assert!(event(&world, &name, json!({})).await.is_err(), "an event was accepted on a full disk");
    disk.clear();
    world.crash_and_restart().await;
    reserve(&world, &name, None).await.unwrap();
    only(&world, &name, None).await;
    let started: HashSet<String> = starts(&world, &name).await.into_keys().collect();
    assert_eq!(started, accepted);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_died_is_shown_sent_again_and_thrown_away_from_the_command_line() {
    let world = impatient(None).await;
    let name = world.create(NewFunction::of("failures")).await;
    let sent = thaw(&world, &["invoke", &name, "--event", "--payload", r#"{"how": "raise"}"#]).await.ok();
    let id = sent.trim();
    only(&world, &name, Some(EventState::Dead)).await;
    let listed = thaw(&world, &["events", "list", &name, "--state", "dead"]).await.ok();
    assert!(listed.contains(id) && listed.contains("OutOfCheese"), "{listed}");
    let shown = thaw(&world, &["events", "show", id]).await.ok();
    assert!(shown.contains("RetriesExhausted") && shown.contains("no cheese"), "{shown}");
    assert!(shown.contains(r#""how""#), "{shown}");

    thaw(&world, &["events", "retry", id]).await.ok();
    eventually("it was tried three times more", async || {
        (starts(&world, &name).await[id] == 6).then_some(())
    })
    .await;
    only(&world, &name, Some(EventState::Dead)).await;
    thaw(&world, &["events", "purge", "--function", &name]).await.ok();
    assert_eq!(events(&world, &name).await, []);

    for (arguments, code) in [(["events", "show", id], 3), (["events", "retry", id], 3)] {
        assert_eq!(thaw(&world, &arguments).await.code, code, "{arguments:?}");
    }
    assert_eq!(thaw(&world, &["events", "purge"]).await.code, 2, "of which, is to be said");
}
