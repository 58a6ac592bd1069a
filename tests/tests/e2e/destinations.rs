//! Where results of events go: queues, topics, buckets and endpoints; and chains of functions that have no end.

use serde_json::{Value, json};
use thaw_proto::v1::{CreateEventSourceRequest, Event, EventSourceSettings, EventState, RetryEventsRequest};
use thaw_tests::{
    daemon::Daemon, functions::NewFunction, moto::Moto, redis::Redis, wait::eventually, witness::Witness,
    world::World,
};

use crate::{
    aws::{endpoint, script},
    cli::thaw,
    event_sources::printed,
    events::{configure, event, events, only, starts},
};

fn arn(service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:us-east-1:000000000000:{resource}")
}

/// A daemon with queues, topics and buckets. Events are tried again at once.
async fn world(moto: &Moto) -> World {
    let url = moto.url();
    World::start_with(&[
        ("event-retry-delay-seconds", "0"),
        ("memory-budget-mb", "4000"),
        ("sqs-endpoint", &url),
        ("sns-endpoint", &url),
        ("s3-endpoint", &url),
    ])
    .await
}

fn destination(which: &str, target: &str) -> Value {
    json!({ "MaximumRetryAttempts": 0, "DestinationConfig": { which: { "Destination": target } } })
}

async fn dead_letters_to(world: &World, name: &str, target: &str) {
    let change = json!({ "FunctionName": name, "DeadLetterConfig": { "TargetArn": target } });
    script("call.py", &[&endpoint(world).await, "update_function_configuration", &change.to_string()]).await;
}

/// Waits for the next message of a queue.
async fn message(moto: &Moto, url: &str) -> Value {
    eventually("there is a message", async || moto.receive(url).await).await
}

fn json_in(text: &Value) -> Value {
    serde_json::from_str(text.as_str().unwrap()).unwrap()
}

/// Waits for the one event of a function that dies.
async fn dead(world: &World, name: &str) -> Event {
    eventually("an event is dead", async || {
        let found = events(world, name).await;
        found.into_iter().find(|event| event.state() == EventState::Dead)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn records_reach_a_queue_a_topic_and_a_bucket() {
    let moto = Moto::start().await;
    let world = world(&moto).await;
    let url = moto.make_queue("records", &[]).await;
    moto.make_topic("told", &arn("sqs", "records")).await;
    moto.make_bucket("given-up").await;
    let name = world.create(NewFunction::of("echo")).await;

    configure(&world, &name, destination("OnSuccess", &arn("sqs", "records"))).await;
    let id = event(&world, &name, json!({ "n": 1 })).await.unwrap();
    let received = message(&moto, &url).await;
    let header = received["Attributes"]["AWSTraceHeader"].as_str().unwrap_or_default();
    assert!(header.contains(";Lineage="), "{received}");
    let record = json_in(&received["Body"]);
    assert_eq!(record["requestContext"]["requestId"], *id);
    assert_eq!(record["requestContext"]["condition"], "Success");
    assert_eq!(
        (&record["requestPayload"], &record["responsePayload"]),
        (&json!({ "n": 1 }), &json!({ "n": 1 }))
    );
    only(&world, &name, None).await;

    configure(&world, &name, destination("OnSuccess", &arn("sns", "told"))).await;
    let id = event(&world, &name, json!({ "n": 2 })).await.unwrap();
    let notified = json_in(&message(&moto, &url).await["Body"]);
    assert_eq!(notified["TopicArn"], arn("sns", "told"));
    assert_eq!(json_in(&notified["Message"])["requestContext"]["requestId"], *id);
    only(&world, &name, None).await;

    let bad = world.create(NewFunction::of("failures")).await;
    configure(&world, &bad, destination("OnFailure", "arn:aws:s3:::given-up")).await;
    let id = event(&world, &bad, json!({ "how": "raise" })).await.unwrap();
    only(&world, &bad, None).await;
    let keys = moto.objects("given-up").await;
    let [key] = keys.as_slice() else { panic!("{keys:?}") };
    // aws/lambda/async/NAME/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-UUID
    let parts: Vec<&str> = key.split('/').collect();
    assert_eq!(parts[..4], ["aws", "lambda", "async", bad.as_str()], "{key}");
    assert!(
        parts.len() == 8 && parts[7].starts_with(&parts[4..7].join("-")) && parts[7].ends_with(&id),
        "{key}"
    );
    let record = moto.object("given-up", key).await;
    assert_eq!(record["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(record["responsePayload"]["errorType"], "OutOfCheese");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_event_is_tried_three_times_and_its_dead_letter_is_there_once() {
    let moto = Moto::start().await;
    let world = world(&moto).await;
    let url = moto.make_queue("letters", &[]).await;
    moto.make_topic("graveyard", &arn("sqs", "letters")).await;
    let name = world.create(NewFunction::of("failures")).await;

    dead_letters_to(&world, &name, &arn("sqs", "letters")).await;
    let id = event(&world, &name, json!({ "how": "raise" })).await.unwrap();
    only(&world, &name, None).await;
    assert_eq!(starts(&world, &name).await[&id], 3);
    let letter = message(&moto, &url).await;
    assert_eq!(json_in(&letter["Body"]), json!({ "how": "raise" }), "as it came");
    assert_eq!(
        letter["MessageAttributes"],
        json!({
            "RequestID": { "DataType": "String", "StringValue": id },
            "ErrorCode": { "DataType": "Number", "StringValue": "200" },
            "ErrorMessage": { "DataType": "String", "StringValue": "no cheese: ä ☃" },
        })
    );
    assert_eq!(moto.messages(&url).await, 0, "once");

    let to_topic = ["function", "update-config", &name, "--dead-letter", &arn("sns", "graveyard")];
    assert!(thaw(&world, &to_topic).await.ok().contains("sns"));
    let id = event(&world, &name, json!({ "how": "raise" })).await.unwrap();
    only(&world, &name, None).await;
    let notified = json_in(&message(&moto, &url).await["Body"]);
    assert_eq!(json_in(&notified["Message"]), json!({ "how": "raise" }));
    let attributes = &notified["MessageAttributes"];
    assert_eq!(attributes["RequestID"], json!({ "Type": "String", "Value": id }));
    assert_eq!(attributes["ErrorCode"], json!({ "Type": "Number", "Value": "200" }));
    assert_eq!(moto.messages(&url).await, 0, "once");
    let nowhere = ["function", "update-config", &name, "--no-dead-letter", "--output", "json"];
    assert_eq!(thaw(&world, &nowhere).await.json()["DeadLetterConfig"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_waits_for_a_queue_that_is_down_and_over_a_crash_of_thawd() {
    let moto = Moto::start().await;
    let mut world = world(&moto).await;
    let name = world.create(NewFunction::of("echo")).await;
    configure(&world, &name, destination("OnSuccess", &arn("sqs", "late"))).await;
    moto.crash();
    let id = event(&world, &name, json!({})).await.unwrap();
    eventually("the queue could not be reached", async || {
        let found = events(&world, &name).await;
        found.first().is_some_and(|event| event.failures > 0 && !event.error_message.is_empty()).then_some(())
    })
    .await;
    world.crash_and_restart().await;
    moto.begin().await;
    let delivering = only(&world, &name, Some(EventState::Delivering)).await;
    assert_eq!((delivering[0].id.as_str(), delivering[0].destination.as_str()), (&*id, &*arn("sqs", "late")));

    // It answers again, and has no such queue yet.
    let retry = || RetryEventsRequest { id: id.clone(), ..Default::default() };
    eventually("it is told that there is no such queue", async || {
        // Unless it is sent at this very moment.
        let _ = world.events().retry_events(retry()).await;
        let found = events(&world, &name).await;
        found.first().is_some_and(|event| event.error_message.contains("NonExistentQueue")).then_some(())
    })
    .await;
    let url = moto.make_queue("late", &[]).await;
    let _ = world.events().retry_events(retry()).await;
    assert_eq!(json_in(&message(&moto, &url).await["Body"])["requestContext"]["requestId"], *id);
    only(&world, &name, None).await;
    assert_eq!(moto.messages(&url).await, 0, "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_of_https_is_called_if_its_certificate_is_of_an_authority_that_is_trusted() {
    let directory = tempfile::tempdir().unwrap();
    let authorities = [directory.path().join("trusted.pem"), directory.path().join("unknown.pem")];
    let [trusted, unknown] = [&authorities[0], &authorities[1]].map(|path| Witness::start_secured(path));
    let hosts = format!("{},{}", trusted.host(), unknown.host());
    let daemon = Daemon::prepare(&[("event-http-hosts", &hosts)]);
    let world = World::of(daemon.with_environment("SSL_CERT_FILE", &authorities[0])).await;
    let name = world.create(NewFunction::of("echo")).await;

    configure(&world, &name, destination("OnSuccess", trusted.url())).await;
    let id = event(&world, &name, json!({ "n": 1 })).await.unwrap();
    only(&world, &name, None).await;
    let posted = trusted.posted();
    let [record] = posted.as_slice() else { panic!("{posted:?}") };
    assert_eq!(record["requestContext"]["requestId"], *id);

    configure(&world, &name, destination("OnSuccess", unknown.url())).await;
    event(&world, &name, json!({ "n": 2 })).await.unwrap();
    eventually("the certificate is refused", async || {
        let found = events(&world, &name).await;
        found
            .first()
            .is_some_and(|event| event.error_message.contains("invalid peer certificate"))
            .then_some(())
    })
    .await;
    assert_eq!(unknown.posted(), Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_functions_that_call_each_other_without_end_are_cut_where_that_is_not_allowed() {
    let world = World::start_with(&[("memory-budget-mb", "4000")]).await;
    let [one, other] =
        [world.create(NewFunction::of("none")).await, world.create(NewFunction::of("none")).await];
    for (name, next) in [(&one, &other), (&other, &one)] {
        configure(&world, name, destination("OnSuccess", &arn("lambda", &format!("function:{next}")))).await;
    }
    let runs = async |name: &str| starts(&world, name).await.values().sum::<usize>();
    event(&world, &one, json!({})).await.unwrap();
    let cut = dead(&world, &one).await;
    assert_eq!((cut.condition.as_str(), cut.failures), ("RecursiveInvocation", 0));
    assert_eq!(cut.error_type, "RecursiveInvocationException");
    assert_eq!((runs(&one).await, runs(&other).await), (16, 16));

    // The other is cut where the first may go on.
    let allow = json!({ "FunctionName": one, "RecursiveLoop": "Allow" });
    script("call.py", &[&endpoint(&world).await, "put_function_recursion_config", &allow.to_string()]).await;
    event(&world, &one, json!({})).await.unwrap();
    dead(&world, &other).await;
    assert_eq!((runs(&one).await, runs(&other).await), (16 + 17, 16 + 16));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_calls_itself_is_stopped_and_messages_of_such_a_chain_are_left_to_their_queue() {
    let moto = Moto::start().await;
    let world = world(&moto).await;
    let url = moto.make_queue("round", &[]).await;
    let name = world.create(NewFunction::of("trace")).await;
    script("loop.py", &[&endpoint(&world).await, &name, &moto.url(), &url]).await;
    let request = CreateEventSourceRequest {
        function_name: name.clone(),
        event_source_arn: arn("sqs", "round"),
        settings: Some(EventSourceSettings::default()),
        ..CreateEventSourceRequest::default()
    };
    world.event_sources().create_event_source(request).await.unwrap();
    eventually("the message of the loop alone is left", async || {
        let done = printed(&world, &name, "done").await;
        (done == ["free"] && moto.messages(&url).await == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_gets_the_records_that_are_given_up_of_a_stream_however_late_it_is_there() {
    let (moto, redis) = (Moto::start().await, Redis::start().await);
    let world = World::start_with(&[("s3-endpoint", &moto.url()), ("redis-url", &redis.url())]).await;
    let name = world.create(NewFunction::of("records")).await;
    let id = redis.add("s", &[("name", "bad"), ("bad", "yes")]).await;
    let request = CreateEventSourceRequest {
        function_name: name.clone(),
        event_source_arn: arn("redis", "stream/s"),
        settings: Some(EventSourceSettings {
            maximum_retry_attempts: Some(0),
            on_failure: Some("arn:aws:s3:::records".to_owned()),
            ..EventSourceSettings::default()
        }),
        starting_position: "TRIM_HORIZON".to_owned(),
        starting_position_timestamp: None,
        ..CreateEventSourceRequest::default()
    };
    let created = world.event_sources().create_event_source(request).await.unwrap().into_inner();
    let uuid = created.event_source.unwrap().uuid;
    // Through, while its destination can't be told yet.
    let delivering = eventually("the result waits", async || {
        let found = only(&world, &name, Some(EventState::Delivering)).await;
        found.first().is_some_and(|event| event.error_message.contains("NoSuchBucket")).then_some(found)
    })
    .await;
    eventually("the record is through", async || (redis.pending("s").await == (1, 0)).then_some(())).await;
    moto.make_bucket("records").await;
    let _ = world
        .events()
        .retry_events(RetryEventsRequest { id: delivering[0].id.clone(), ..Default::default() })
        .await;
    only(&world, &name, None).await;
    let keys = moto.objects("records").await;
    let [key] = keys.as_slice() else { panic!("{keys:?}") };
    assert!(key.starts_with(&format!("aws/lambda/{uuid}/0/20")), "{key}");
    let told = moto.object("records", key).await;
    assert_eq!(told["RedisStreamBatchInfo"]["startSequenceNumber"], *id);
    assert_eq!(told["payload"]["Records"][0]["redis"]["fields"]["name"], "bad");
}
