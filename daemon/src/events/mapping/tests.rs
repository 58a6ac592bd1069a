use std::{collections::BTreeMap, io::Cursor, sync::Arc};

use serde_json::json;
use time::OffsetDateTime;
use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;
use crate::{
    clock::FixedClock,
    events::poller::Endpoints,
    functions::{
        CreateFunction, FunctionRegistry, PackageLimits, PackageStore, RegistryOptions, ResultServices,
        Settings, Tags,
    },
    identity::AccountId,
    store::{Store, StoreOptions},
};

const ACCOUNT: AccountId = AccountId::DEFAULT;
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:orders";
const STREAM: &str = "arn:aws:redis:us-east-1:000000000000:stream/orders";

struct World {
    directory: tempfile::TempDir,
    store: Store,
    functions: FunctionRegistry,
    mappings: MappingRegistry,
    clock: Arc<FixedClock>,
}

impl World {
    /// With a function `hello`.
    async fn new() -> Self {
        let world = Self::open(tempfile::tempdir().unwrap()).await;
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.start_file("app.py", SimpleFileOptions::default()).unwrap();
        let archive = writer.finish().unwrap().into_inner();
        let mut upload = world.functions.begin_upload().await.unwrap();
        upload.append(archive.into()).await.unwrap();
        let create = CreateFunction {
            name: "hello".parse().unwrap(),
            settings: Settings::new("python3.13".parse().unwrap(), "app.handler".parse().unwrap()),
            layers: Vec::new(),
            tags: Tags::default(),
            code_signing: None,
            publish: false,
        };
        world.functions.create(create, upload.finish().await.unwrap()).await.unwrap();
        world
    }

    async fn open(directory: tempfile::TempDir) -> Self {
        let clock = Arc::new(FixedClock::at(OffsetDateTime::UNIX_EPOCH));
        let store = Store::open(&StoreOptions::new(directory.path())).unwrap();
        let packages =
            PackageStore::open(directory.path().join("packages"), PackageLimits::default()).unwrap();
        let results = ResultServices { sqs: true, ..ResultServices::default() };
        let options = RegistryOptions { results, ..RegistryOptions::default() };
        let functions =
            FunctionRegistry::open(store.clone(), packages, clock.clone(), options).await.unwrap();
        let sources = Arc::new(Endpoints::default());
        let mappings =
            MappingRegistry::open(store.clone(), functions.clone(), sources, clock.clone()).unwrap();
        Self { directory, store, functions, mappings, clock }
    }

    async fn reopened(self) -> Self {
        let Self { directory, store, functions, mappings, clock: _ } = self;
        mappings.close().await;
        functions.close().await;
        store.close().await;
        drop((mappings, functions, store));
        Self::open(directory).await
    }

    async fn create(&self, source: &str, change: MappingChange) -> Result<Arc<Mapping>, MappingError> {
        let source: SourceArn = source.parse().unwrap();
        let starting_position = (!source.kind().is_queue()).then_some(StartingPosition::TrimHorizon);
        self.mappings
            .create(ACCOUNT, CreateMapping { source, starting_position, tags: Tags::default(), change })
            .await
    }

    async fn settled(&self, mapping: &Mapping) -> Arc<Mapping> {
        self.mappings.settle(mapping).await.unwrap();
        self.mappings.get(ACCOUNT, mapping.id).unwrap()
    }

    async fn refusal(&self, source: &str, change: MappingChange) -> String {
        self.create(source, change).await.unwrap_err().to_string()
    }
}

fn of(function: &str) -> MappingChange {
    MappingChange { function: Some(function.parse().unwrap()), ..MappingChange::default() }
}

#[tokio::test]
async fn a_mapping_has_the_defaults_of_its_kind_of_source() {
    let world = World::new().await;
    let queue = world.create(QUEUE, of("hello")).await.unwrap();
    assert_eq!((queue.settings.batch_size, queue.settings.batching_window), (10, 0));
    assert_eq!(queue.settings.delivery, Delivery::Queue { maximum_concurrency: None });
    assert_eq!((queue.state, queue.state_transition_reason()), (MappingState::Creating, "USER_INITIATED"));
    assert_eq!(
        queue.arn(),
        format!("arn:aws:lambda:us-east-1:000000000000:event-source-mapping:{}", queue.id)
    );
    let stream = world.create(STREAM, of("hello")).await.unwrap();
    assert_eq!(stream.settings.batch_size, 100);
    let Delivery::Stream(settings) = &stream.settings.delivery else { panic!("{stream:?}") };
    assert_eq!((settings.maximum_record_age, settings.maximum_retry_attempts), (None, None));
    assert_eq!((settings.parallelization_factor, settings.bisect_batch_on_function_error), (1, false));
    assert_eq!(stream.last_processing_result(), "No records processed");
}

#[tokio::test]
async fn a_mapping_that_is_made_disabled_is_so_at_once() {
    let world = World::new().await;
    let change = MappingChange { enabled: Some(false), ..of("hello") };
    let made = world.create(QUEUE, change).await.unwrap();
    assert_eq!(made.state, MappingState::Disabled);
    let enabling = MappingChange { enabled: Some(true), ..MappingChange::default() };
    let enabled = world.mappings.update(ACCOUNT, made.id, enabling).await.unwrap();
    assert_eq!(enabled.state, MappingState::Enabling);
}

#[tokio::test]
async fn a_mapping_is_settled_changed_disabled_and_deleted_in_lambdas_states() {
    let world = World::new().await;
    let created = world.create(QUEUE, of("hello")).await.unwrap();
    let update = |change| world.mappings.update(ACCOUNT, created.id, change);
    let told = update(MappingChange::default()).await.unwrap_err().to_string();
    assert_eq!(told, "Cannot update the event source mapping because it is in use.");
    assert_eq!(world.settled(&created).await.state, MappingState::Enabled);
    let changed = update(MappingChange { batch_size: Some(5), ..MappingChange::default() }).await.unwrap();
    assert_eq!((changed.state, changed.settings.batch_size), (MappingState::Updating, 5));
    // What was followed is obsolete.
    assert_eq!(world.settled(&created).await.state, MappingState::Updating);
    assert_eq!(world.settled(&changed).await.state, MappingState::Enabled);
    let disabled = update(MappingChange { enabled: Some(false), ..MappingChange::default() }).await.unwrap();
    assert_eq!(disabled.state, MappingState::Disabling);
    assert_eq!(world.settled(&disabled).await.state, MappingState::Disabled);
    let enabled = update(MappingChange { enabled: Some(true), ..MappingChange::default() }).await.unwrap();
    assert_eq!(enabled.state, MappingState::Enabling);
    world.settled(&enabled).await;
    let deleted = world.mappings.delete(ACCOUNT, created.id).await.unwrap();
    assert_eq!(deleted.state, MappingState::Deleting);
    let told = world.mappings.delete(ACCOUNT, created.id).await.unwrap_err().to_string();
    assert_eq!(told, "Cannot delete the event source mapping because it is in use.");
    world.mappings.settle(&deleted).await.unwrap();
    assert!(matches!(world.mappings.get(ACCOUNT, created.id), Err(MappingError::NotFound)));
}

#[tokio::test]
async fn mappings_survive_a_restart() {
    let world = World::new().await;
    let pattern = r#"{"data": {"kind": ["order"]}}"#;
    let filters = FilterCriteria::try_from(vec![pattern.to_owned()]).unwrap();
    let change = MappingChange {
        filters: Some(filters),
        maximum_retry_attempts: Some(3),
        on_failure: Some(Some(QUEUE.parse().unwrap())),
        ..of("hello:$LATEST")
    };
    let created = world.create(STREAM, change).await.unwrap();
    let before = world.settled(&created).await;
    let world = world.reopened().await;
    let after = world.mappings.get(ACCOUNT, before.id).unwrap();
    assert_eq!((&after.settings, after.state), (&before.settings, MappingState::Enabled));
    assert_eq!(after.function.to_string(), "arn:aws:lambda:us-east-1:000000000000:function:hello:$LATEST");
    assert_eq!(after.settings.filters.patterns().collect::<Vec<_>>(), [pattern]);
}

#[tokio::test]
async fn what_is_refused_is_refused_in_lambdas_words() {
    let world = World::new().await;
    let default = MappingChange::default;
    assert_eq!(world.refusal(QUEUE, of("other")).await, "Function does not exist");
    let change = MappingChange { batch_size: Some(11), ..of("hello") };
    assert_eq!(
        world.refusal(QUEUE, change).await,
        "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
    );
    let change = MappingChange { batch_size: Some(0), ..of("hello") };
    assert_eq!(
        world.refusal(QUEUE, change).await,
        "1 validation error detected: Value '0' at 'batchSize' failed to satisfy constraint: Member must have value \
         greater than or equal to 1"
    );
    let change = MappingChange { on_failure: Some(Some(QUEUE.parse().unwrap())), ..of("hello") };
    assert_eq!(
        world.refusal(QUEUE, change).await,
        "Unsupported DestinationConfig parameter for given event source mapping type."
    );
    let fifo = format!("{QUEUE}.fifo");
    let change = MappingChange { batch_size: Some(11), batching_window: Some(1), ..of("hello") };
    assert!(world.refusal(&fifo, change).await.contains("FIFO"));
    let change = MappingChange { maximum_record_age: Some(59), ..of("hello") };
    assert!(world.refusal(STREAM, change).await.contains("-1 or 60"));
    let elsewhere = world.refusal("arn:aws:sqs:eu-west-1:000000000000:q", of("hello")).await;
    assert!(elsewhere.contains("must be in this region"), "{elsewhere}");
    let foreign = world.refusal("arn:aws:sqs:us-east-1:111111111111:q", of("hello")).await;
    assert!(foreign.contains("must be of this account"), "{foreign}");
    let source: SourceArn = STREAM.parse().unwrap();
    let create = CreateMapping { source, starting_position: None, tags: Tags::default(), change: default() };
    assert_eq!(
        world.mappings.create(ACCOUNT, create).await.unwrap_err().to_string(),
        "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be \
         null."
    );
    assert!(world.mappings.all().is_empty());
}

#[tokio::test]
async fn a_source_feeds_a_function_once() {
    let world = World::new().await;
    let queue = world.create(QUEUE, of("hello")).await.unwrap();
    assert_eq!(
        world.refusal(QUEUE, of("hello")).await,
        format!(
            "An event source mapping with SQS arn (\" {QUEUE} \") and function (\" hello \") already exists. Please update \
             or delete the existing mapping with UUID {}",
            queue.id
        )
    );
    let stream = world.create(STREAM, of("hello")).await.unwrap();
    assert_eq!(
        world.refusal(STREAM, of("hello")).await,
        format!(
            "The event source arn (\" {STREAM} \") and function (\" hello \") provided mapping already exists. Please \
             update or delete the existing mapping with UUID {}",
            stream.id
        )
    );
    assert!(world.create(QUEUE, of("hello:$LATEST")).await.is_ok());
}

#[tokio::test]
async fn mappings_are_listed_by_page_source_function_and_account() {
    let world = World::new().await;
    for name in ["a", "b", "c"] {
        world.create(&format!("{QUEUE}-{name}"), of("hello")).await.unwrap();
    }
    world.create(STREAM, of("hello:$LATEST")).await.unwrap();
    let list = |source: Option<&str>, function: Option<&str>, after, limit| {
        let source: Option<SourceArn> = source.map(|source| source.parse().unwrap());
        let function = function.map(|function| function.parse().unwrap());
        world.mappings.list(ACCOUNT, source.as_ref(), function.as_ref(), after, limit)
    };
    assert_eq!(list(None, Some("hello"), None, 0).mappings.len(), 4);
    assert_eq!(list(None, Some("hello:$LATEST"), None, 0).mappings.len(), 1);
    assert_eq!(list(None, Some("other"), None, 0).mappings.len(), 0);
    assert_eq!(list(Some(STREAM), None, None, 0).mappings.len(), 1);
    let first = list(None, None, None, 3);
    assert_eq!((first.mappings.len(), first.next), (3, Some(first.mappings[2].id)));
    let second = list(None, None, first.next, 3);
    assert_eq!((second.mappings.len(), second.next), (1, None));
    let other: AccountId = "111111111111".parse().unwrap();
    assert!(world.mappings.list(other, None, None, None, 0).mappings.is_empty());
    assert!(world.mappings.get(other, first.mappings[0].id).is_err());
}

#[tokio::test]
async fn only_streams_with_shards_have_batches_of_a_shard_that_run_at_once() {
    let world = World::new().await;
    let parallel = || MappingChange { parallelization_factor: Some(10), ..of("hello") };
    for source in [
        "arn:aws:kinesis:us-east-1:000000000000:stream/s",
        "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/2025-02-22T03:03:25.490",
    ] {
        let mapping = world.create(source, parallel()).await.unwrap();
        let Delivery::Stream(settings) = &mapping.settings.delivery else { panic!("{mapping:?}") };
        assert_eq!(settings.parallelization_factor, 10);
    }
    assert_eq!(
        world.refusal(STREAM, parallel()).await,
        "Unsupported ParallelizationFactor parameter for given event source mapping type."
    );
}

#[tokio::test]
async fn only_streams_with_shards_have_windows_and_those_one_batch_at_a_time() {
    let world = World::new().await;
    let windowed = || MappingChange { tumbling_window: Some(900), ..of("hello") };
    for source in [QUEUE, STREAM, "arn:aws:sqs:us-east-1:000000000000:orders.fifo"] {
        assert_eq!(
            world.refusal(source, windowed()).await,
            "Unsupported TumblingWindowInSeconds parameter for given event source mapping type."
        );
    }
    let source = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
    let both = MappingChange { parallelization_factor: Some(2), ..windowed() };
    assert_eq!(
        world.refusal(source, both).await,
        "TumblingWindowInSeconds can't be set together with a ParallelizationFactor greater than 1."
    );
    let told = world.refusal(source, MappingChange { tumbling_window: Some(901), ..of("hello") }).await;
    assert!(told.contains("Member must have value less than or equal to 900"), "{told}");
    let mapping = world.create(source, windowed()).await.unwrap();
    let Delivery::Stream(settings) = &mapping.settings.delivery else { panic!("{mapping:?}") };
    assert_eq!(settings.tumbling_window, 900);
}

#[tokio::test]
async fn tags_are_put_on_mappings_and_taken_away() {
    let world = World::new().await;
    let created = world.create(QUEUE, of("hello")).await.unwrap();
    let tags = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
    world.mappings.tag(ACCOUNT, created.id, tags.try_into().unwrap()).await.unwrap();
    world.mappings.untag(ACCOUNT, created.id, vec!["a".to_owned()]).await.unwrap();
    let tagged = world.mappings.get(ACCOUNT, created.id).unwrap();
    assert_eq!(tagged.tags.iter().collect::<Vec<_>>(), [("b", "2")]);
    assert_eq!(tagged.last_modified, world.clock_now());
}

impl World {
    fn clock_now(&self) -> OffsetDateTime {
        crate::clock::Clock::now(&*self.clock)
    }
}

#[test]
fn sources_are_named_by_arn() {
    for (text, kind, name) in [
        (QUEUE, SourceKind::Sqs, "orders"),
        ("arn:aws:sqs:us-east-1:000000000000:a.fifo", SourceKind::SqsFifo, "a.fifo"),
        ("arn:aws:kinesis:us-east-1:000000000000:stream/s.1", SourceKind::Kinesis, "s.1"),
        (
            "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/2025-02-22T03:03:25.490",
            SourceKind::DynamoDb,
            "t",
        ),
        ("arn:aws:redis:us-east-1:000000000000:stream/a:b/c", SourceKind::Redis, "a:b/c"),
        ("arn:aws:nats:us-east-1:000000000000:stream/ORDERS", SourceKind::Nats, "ORDERS"),
    ] {
        let source: SourceArn = text.parse().unwrap();
        assert_eq!((source.kind(), source.name(), source.to_string().as_str()), (kind, name, text));
    }
    for (text, told) in [
        ("orders", "Member must satisfy regular expression pattern"),
        ("arn:aws:s3:us-east-1:000000000000:bucket", "Unrecognized event source."),
        ("arn:aws:sqs:us-east-1:000000000000:a/b", "A queue's ARN is"),
        ("arn:aws:kinesis:us-east-1:000000000000:s", "A stream's ARN is"),
        ("arn:aws:dynamodb:us-east-1:000000000000:table/t", "The ARN of a table's stream is"),
        ("arn:aws:redis:us-east-1:000000000000:stream/", "The ARN of a stream of Redis is"),
        ("arn:aws-cn:sqs:us-east-1:000000000000:q", "partition"),
        ("arn:aws:sqs::000000000000:q", "names a region"),
    ] {
        let error = text.parse::<SourceArn>().unwrap_err();
        assert!(error.message.contains(told), "{text}: {error}");
    }
}

#[test]
fn a_payload_of_json_and_one_of_text_match_their_own_patterns_only() {
    let filters = |text: &str| FilterCriteria::try_from(vec![text.to_owned()]).unwrap();
    let json = json!({"id": "1", "body": seen_by_patterns(r#"{"a": 1}"#)});
    let text = json!({"id": "1", "body": seen_by_patterns("plain")});
    let keeps = |pattern: &str| {
        let filters = filters(pattern);
        (filters.keeps(&json, Some("body")), filters.keeps(&text, Some("body")))
    };
    assert_eq!(keeps(r#"{"body": {"a": [1]}}"#), (true, false));
    assert_eq!(keeps(r#"{"body": {"b": [{"exists": false}]}}"#), (true, false));
    assert_eq!(keeps(r#"{"body": ["plain"]}"#), (false, true));
    assert_eq!(keeps(r#"{"body": [{"exists": false}]}"#), (false, false));
    assert_eq!(keeps(r#"{"id": ["1"]}"#), (true, true));
    let two =
        FilterCriteria::try_from(vec![r#"{"id": ["2"]}"#.to_owned(), r#"{"id": ["1"]}"#.to_owned()]).unwrap();
    assert!(two.keeps(&json, Some("body")));
    for wrong in ["null", "simple string", r#"{"eventSource": "aws:sqs"}"#, r#"{"eventSource": []}"#] {
        let error = FilterCriteria::try_from(vec![wrong.to_owned()]).unwrap_err();
        assert_eq!(error.message, "Invalid filter pattern definition.", "{wrong}");
    }
    let many = vec![r#"{"a": [1]}"#.to_owned(); 11];
    assert!(FilterCriteria::try_from(many).is_err());
}
