//! What may be named to take results.

use super::*;
use crate::functions::{EventInvokeSettings, UpdateConfiguration};

const MISSING: &str =
    "Nothing can be sent to arn:aws:s3:::bucket: the setting s3_endpoint of thawd is missing.";

fn arn(service: &str, name: &str) -> String {
    format!("arn:aws:{service}:us-east-1:000000000000:{name}")
}

impl World {
    async fn on_success(&self, target: &str) -> Result<(), String> {
        let on_success = Some(Some(target.parse().unwrap()));
        self.destinations(EventInvokeSettings { on_success, ..EventInvokeSettings::default() }).await
    }

    async fn on_failure(&self, target: &str) -> Result<(), String> {
        let on_failure = Some(Some(target.parse().unwrap()));
        self.destinations(EventInvokeSettings { on_failure, ..EventInvokeSettings::default() }).await
    }

    async fn destinations(&self, settings: EventInvokeSettings) -> Result<(), String> {
        let name = reference("hello");
        let set = self.registry.set_event_invoke_config(&name, None, settings, Unsaid::Reset);
        set.await.map(drop).map_err(|error| error.to_string())
    }

    async fn dead_letter(&self, target: &str) -> Result<(), String> {
        let target = Some(Some(target.parse().unwrap()));
        let update = UpdateConfiguration { dead_letter: target, ..UpdateConfiguration::default() };
        let updated = self.registry.update_configuration(&reference("hello"), update).await;
        self.registry.settled(&reference("hello"), None).await.unwrap();
        updated.map(drop).map_err(|error| error.to_string())
    }
}

#[tokio::test]
async fn results_go_to_what_is_served_and_of_the_account() {
    let world = World::new().await;
    world.create("hello", &archive("1")).await.unwrap();
    world.create("other", &archive("2")).await.unwrap();
    let taken = [
        arn("sqs", "q"),
        arn("sns", "t"),
        arn("lambda", "function:other"),
        arn("logs", "log-group:/results"),
    ];
    for target in &taken {
        assert_eq!(world.on_success(target).await, Ok(()), "{target}");
        assert_eq!(world.on_failure(target).await, Ok(()), "{target}");
    }
    let account: AccountId = "111111111111".parse().unwrap();
    for (target, told) in [
        (arn("sqs", "q.fifo"), "FIFO queues and topics take no results"),
        (arn("sns", "t.fifo"), "FIFO queues and topics take no results"),
        (arn("sqs", "q").replace("000000000000", "111111111111"), "is in another account"),
        (arn("logs", "log-group:/x").replace("000000000000", "111111111111"), "is in another account"),
        (arn("events", "event-bus/default"), "thawd sends nothing to event buses"),
        (arn("sqs", "q:r"), "is invalid"),
        ("arn:aws:sqs::000000000000:q".to_owned(), "is invalid"),
        ("arn:aws:s3:::b".to_owned(), "is invalid"),
        ("arn:aws:s3:::bucket".to_owned(), MISSING),
    ] {
        let refused = world.on_failure(&target).await.unwrap_err();
        assert!(refused.contains(told), "{target}: {refused}");
        let target = target.parse().unwrap();
        assert!(world.registry.check_on_failure(AccountId::DEFAULT, &target).is_err());
    }
    let queue = arn("sqs", "q").parse().unwrap();
    assert!(world.registry.check_on_failure(AccountId::DEFAULT, &queue).is_ok());
    assert!(world.registry.check_on_failure(account, &queue).is_err(), "another's queue");
    assert_eq!(
        world.on_success("arn:aws:s3:::bucket").await.unwrap_err(),
        "The provided destination config DestinationConfig(onSuccess=OnSuccess(destination=arn:aws:s3:::bucket), \
         onFailure=null) is invalid."
    );
}

#[tokio::test]
async fn dead_letters_go_to_queues_and_topics() {
    let world = World::new().await;
    world.create("hello", &archive("1")).await.unwrap();
    for target in [arn("sqs", "q"), arn("sns", "t")] {
        assert_eq!(world.dead_letter(&target).await, Ok(()));
    }
    for (target, told) in [
        (arn("sqs", "q.fifo"), "FIFO queues and topics take no results"),
        (arn("lambda", "function:hello"), "is neither a queue of SQS nor a topic of SNS"),
        ("arn:aws:s3:::bucket".to_owned(), "is neither a queue of SQS nor a topic of SNS"),
    ] {
        let refused = world.dead_letter(&target).await.unwrap_err();
        assert!(refused.contains(told), "{target}: {refused}");
    }
    let mut function = function("third");
    function.settings.dead_letter = Some(arn("sqs", "q.fifo").parse().unwrap());
    let code = world.upload(&archive("3")).await;
    assert!(world.registry.create(function, code).await.is_err());
    // What was configured while it could be stays, and other settings can still be changed.
    let update = UpdateConfiguration { description: Some("new".parse().unwrap()), ..Default::default() };
    assert_eq!(world.configure(update).await.dead_letter.as_ref().unwrap().as_str(), arn("sns", "t"));
}
