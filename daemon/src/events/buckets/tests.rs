//! Notifications over a real store, with functions whose policies let S3 in or do not.

use std::{
    future::{Ready, ready},
    io::Cursor,
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use time::{OffsetDateTime, macros::datetime};
use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;
use crate::{
    clock::FixedClock,
    functions::{
        AddPermission, CreateFunction, FunctionReference, PackageLimits, PackageStore, RegistryOptions,
        Settings, Statement, Tags,
    },
    invoke::{Invocation, InvokeError},
    runtime_api::RequestId,
    store::StoreOptions,
};

const NOW: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);
const ACCOUNT: AccountId = AccountId::DEFAULT;
const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:hello";

struct World {
    directory: tempfile::TempDir,
    store: Store,
    functions: FunctionRegistry,
    buckets: Buckets,
    calls: Arc<Mutex<Vec<(String, Value)>>>,
    /// How many of the next calls find no place.
    full: Arc<AtomicUsize>,
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
        let clock: SharedClock = Arc::new(FixedClock::at(NOW));
        let store = Store::open(&StoreOptions::new(directory.path())).unwrap();
        let packages =
            PackageStore::open(directory.path().join("packages"), PackageLimits::default()).unwrap();
        let options = RegistryOptions::default();
        let functions =
            FunctionRegistry::open(store.clone(), packages, clock.clone(), options).await.unwrap();
        let buckets = Buckets::open(store.clone(), functions.clone(), clock).unwrap();
        Self { directory, store, functions, buckets, calls: Arc::default(), full: Arc::default() }
    }

    async fn reopened(self) -> Self {
        let Self { directory, store, functions, buckets, .. } = self;
        buckets.close().await;
        functions.close().await;
        store.close().await;
        drop((buckets, functions, store));
        Self::open(directory).await
    }

    /// Lets S3 call the function for this bucket.
    async fn permit(&self, bucket: &str, account: Option<&str>) {
        let statement = Statement {
            id: format!("s3-{bucket}").parse().unwrap(),
            principal: "s3.amazonaws.com".parse().unwrap(),
            action: "lambda:InvokeFunction".parse().unwrap(),
            source_arn: Some(format!("arn:aws:s3:::{bucket}").parse().unwrap()),
            source_account: account.map(|account| account.parse().unwrap()),
            event_source_token: None,
            organisation: None,
            url_auth_type: None,
            via_url: None,
        };
        let add = AddPermission { statement, revision_id: None };
        self.functions.add_permission(&reference(), None, add).await.unwrap();
    }

    async fn set(
        &self,
        bucket: &str,
        validation: Validation,
        notifications: Vec<Notification>,
    ) -> Result<Arc<Configuration>, BucketError> {
        self.buckets.set(ACCOUNT, name(bucket), validation, |_| Ok(notifications)).await
    }

    async fn deliver(
        &self,
        account: AccountId,
        events: Vec<ObjectEvent>,
    ) -> Result<Delivered, DeliveryError> {
        let (calls, full) = (self.calls.clone(), self.full.clone());
        let accept = move |invocation: Invocation| -> Ready<Result<RequestId, InvokeError>> {
            let taken = full.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            if taken.is_ok() {
                return ready(Err(InvokeError::Broken));
            }
            let event = serde_json::from_slice(&invocation.payload).unwrap();
            calls.lock().unwrap().push((invocation.function.to_string(), event));
            ready(Ok(RequestId::random()))
        };
        self.buckets.deliver_by(account, Message { events, others: 0 }, &accept).await
    }

    fn calls(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

fn reference() -> FunctionReference {
    "hello".parse().unwrap()
}

fn name(bucket: &str) -> BucketName {
    bucket.parse().unwrap()
}

fn notification(id: &str, event: &str, rules: &[(&str, &str)]) -> Notification {
    let rules = rules.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let draft = Draft {
        id: Some(id.to_owned()),
        function: FUNCTION.to_owned(),
        events: vec![event.to_owned()],
        rules: rules.collect(),
    };
    Notification::new(draft, &Region::default()).unwrap()
}

fn put(bucket: &str, key: &str) -> ObjectEvent {
    let object = Object {
        size: Some(5),
        etag: Some("5d41".to_owned()),
        sequencer: "17A8D1F2B3C4D5E6".to_owned(),
        ..Object::default()
    };
    ObjectEvent {
        bucket: name(bucket),
        kind: EventType::OBJECT_CREATED_PUT,
        key: key.to_owned(),
        time: NOW,
        object,
        request: Request { principal: "tom".to_owned(), ..Request::default() },
    }
}

#[tokio::test]
async fn the_event_is_s3s() {
    let world = World::new().await;
    world.permit("photos", None).await;
    world
        .set("photos", Validation::Required, vec![notification("n", "s3:ObjectCreated:*", &[])])
        .await
        .unwrap();
    let delivered = world.deliver(ACCOUNT, vec![put("photos", "my cats/ü.jpg")]).await.unwrap();
    assert_eq!(delivered, Delivered { accepted: 1, ..Delivered::default() });
    let (function, event) = world.calls().remove(0);
    assert_eq!(function, FUNCTION);
    assert_eq!(
        event,
        json!({ "Records": [{
            "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1",
            "eventTime": "2026-03-01T12:00:00.000Z", "eventName": "ObjectCreated:Put",
            "userIdentity": { "principalId": "tom" }, "requestParameters": { "sourceIPAddress": "" },
            "responseElements": { "x-amz-request-id": "", "x-amz-id-2": "" },
            "s3": {
                "s3SchemaVersion": "1.0", "configurationId": "n",
                "bucket": { "name": "photos", "ownerIdentity": { "principalId": "" }, "arn": "arn:aws:s3:::photos" },
                "object": {
                    "key": "my+cats/%C3%BC.jpg", "size": 5, "eTag": "5d41", "sequencer": "17A8D1F2B3C4D5E6"
                }
            }
        }] })
    );
}

#[tokio::test]
async fn every_notification_that_means_an_event_calls_its_function_and_no_other_does() {
    let world = World::new().await;
    world.permit("photos", Some("000000000000")).await;
    let all = vec![
        notification("jpg", "s3:ObjectCreated:*", &[("prefix", "in/"), ("suffix", ".jpg")]),
        notification("spaced", "s3:ObjectCreated:Put", &[("prefix", "my+cats/")]),
        notification("gone", "s3:ObjectRemoved:*", &[]),
    ];
    world.set("photos", Validation::Required, all).await.unwrap();
    let events = vec![
        put("photos", "in/cat.jpg"),
        put("photos", "in/cat.png"),
        put("photos", "my cats/tom"),
        put("elsewhere", "in/cat.jpg"),
        ObjectEvent { kind: EventType::OBJECT_REMOVED_DELETE, ..put("photos", "in/cat.jpg") },
    ];
    let delivered = world.deliver(ACCOUNT, events).await.unwrap();
    assert_eq!(delivered, Delivered { accepted: 3, refused: 0, unmeant: 2 });
    let ids = world.calls().into_iter();
    let ids: Vec<_> = ids.map(|(_, event)| event["Records"][0]["s3"]["configurationId"].clone()).collect();
    assert_eq!(ids, ["jpg", "spaced", "gone"]);
    assert_eq!(world.buckets.tally(ACCOUNT, &name("photos")).accepted, 3);
    assert_eq!(world.buckets.unmeant(ACCOUNT), 2);
}

#[tokio::test]
async fn a_function_that_does_not_let_the_bucket_in_is_neither_named_nor_called() {
    let world = World::new().await;
    let wanted = || vec![notification("n", "s3:ObjectCreated:*", &[])];
    let refused = world.set("photos", Validation::Required, wanted()).await.unwrap_err();
    let told = format!(
        "Unable to validate the following destination configurations ({FUNCTION}, null: Not authorized to invoke \
         function [{FUNCTION}])"
    );
    assert_eq!(refused.to_string(), told);
    world.permit("other", None).await;
    assert!(world.set("photos", Validation::Required, wanted()).await.is_err(), "of another bucket");
    // Whoever says so may name it ahead of its permission; the event is dropped all the same.
    world.set("photos", Validation::Skipped, wanted()).await.unwrap();
    let delivered = world.deliver(ACCOUNT, vec![put("photos", "a")]).await.unwrap();
    assert_eq!(delivered, Delivered { refused: 1, ..Delivered::default() });
    let last = world.buckets.tally(ACCOUNT, &name("photos")).last_refusal.unwrap();
    assert!(last.contains("does not let s3.amazonaws.com in with arn:aws:s3:::photos"), "{last}");
    world.permit("photos", Some("000000000001")).await;
    assert_eq!(
        world.deliver(ACCOUNT, vec![put("photos", "a")]).await.unwrap().refused,
        1,
        "another account's"
    );
    assert!(world.calls().is_empty());
}

#[tokio::test]
async fn a_function_that_is_gone_leaves_its_notification_and_drops_its_events() {
    let world = World::new().await;
    world.permit("photos", None).await;
    world
        .set("photos", Validation::Required, vec![notification("n", "s3:ObjectCreated:*", &[])])
        .await
        .unwrap();
    world.functions.delete(&reference(), None).await.unwrap();
    assert_eq!(world.deliver(ACCOUNT, vec![put("photos", "a")]).await.unwrap().refused, 1);
    assert_eq!(world.buckets.get(ACCOUNT, &name("photos")).notifications().len(), 1);
}

#[tokio::test]
async fn no_account_reaches_what_another_has() {
    let world = World::new().await;
    let other: AccountId = "000000000002".parse().unwrap();
    world.permit("photos", None).await;
    let wanted = vec![notification("n", "s3:ObjectCreated:*", &[])];
    let theirs = wanted.clone();
    let refused = world.buckets.set(other, name("photos"), Validation::Required, |_| Ok(theirs)).await;
    assert!(matches!(refused, Err(BucketError::InvalidArgument(_))), "{refused:?}");
    world.buckets.set(other, name("photos"), Validation::Skipped, |_| Ok(wanted)).await.unwrap();
    assert_eq!(world.deliver(other, vec![put("photos", "a")]).await.unwrap().refused, 1);
    assert_eq!(world.deliver(ACCOUNT, vec![put("photos", "a")]).await.unwrap().unmeant, 1);
    assert!(world.calls().is_empty() && world.buckets.list(ACCOUNT).is_empty());
}

#[tokio::test]
async fn what_finds_no_place_is_to_be_sent_again() {
    let world = World::new().await;
    world.permit("photos", None).await;
    world
        .set("photos", Validation::Required, vec![notification("n", "s3:ObjectCreated:*", &[])])
        .await
        .unwrap();
    world.full.store(1, Ordering::SeqCst);
    let error = world.deliver(ACCOUNT, vec![put("photos", "a")]).await.unwrap_err();
    assert!(error.to_string().contains("send the notification again"), "{error}");
    assert!(world.calls().is_empty());
    assert_eq!(world.deliver(ACCOUNT, vec![put("photos", "a")]).await.unwrap().accepted, 1);
}

#[tokio::test]
async fn notifications_and_tokens_outlive_the_daemon() {
    let world = World::new().await;
    world.permit("photos", None).await;
    let wanted = vec![notification("n", "s3:ObjectCreated:*", &[])];
    let set = world.set("photos", Validation::Required, wanted).await.unwrap();
    assert!(world.buckets.webhook(ACCOUNT).is_none());
    let first = world.buckets.make_token(ACCOUNT).await.unwrap();
    let token = world.buckets.make_token(ACCOUNT).await.unwrap();
    assert!(!format!("{token:?} {:?}", world.buckets.webhook(ACCOUNT)).contains(token.expose()));
    let world = world.reopened().await;
    assert_eq!(world.buckets.get(ACCOUNT, &name("photos")), set);
    let webhook = world.buckets.webhook(ACCOUNT).unwrap();
    assert!(webhook.has_token(token.expose()) && webhook.created == NOW);
    assert!(!webhook.has_token(first.expose()) && !webhook.has_token(""));
    world.set("photos", Validation::Required, Vec::new()).await.unwrap();
    let world = world.reopened().await;
    assert!(world.buckets.list(ACCOUNT).is_empty());
}

#[tokio::test]
async fn an_account_has_notifications_of_so_many_buckets_and_no_more() {
    let world = World::new().await;
    let wanted = || vec![notification("n", "s3:ObjectCreated:*", &[])];
    for number in 0..MOST_BUCKETS {
        let key = (ACCOUNT, name(&format!("bucket-{number}")));
        world.buckets.state().configurations.insert(key, Arc::new(Configuration::new(wanted()).unwrap()));
    }
    let refused = world.set("one-more", Validation::Skipped, wanted()).await.unwrap_err();
    assert!(matches!(refused, BucketError::TooMany { limit: MOST_BUCKETS }), "{refused}");
    assert!(world.set("bucket-1", Validation::Skipped, wanted()).await.is_ok());
}
