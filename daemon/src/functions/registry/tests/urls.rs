//! URLs of functions and aliases.

use super::*;
use crate::functions::{
    AliasName, Cors, CorsSettings, FunctionUrlConfig, FunctionUrlSettings, InvokeMode, UrlAuthType,
    UrlCaller, Version,
};

/// A function with an alias.
async fn world() -> World {
    let world = World::new().await;
    world.create("hello", &archive("1")).await.unwrap();
    let create = CreateAlias {
        name: live(),
        version: Version::Latest,
        routing: None,
        description: Description::default(),
    };
    world.registry.create_alias(&reference("hello"), create).await.unwrap();
    world
}

fn live() -> AliasName {
    "live".parse().unwrap()
}

fn open_to_all() -> FunctionUrlSettings {
    FunctionUrlSettings { auth_type: Some(UrlAuthType::None), ..FunctionUrlSettings::default() }
}

impl World {
    async fn url(&self, name: &str) -> FunctionUrl {
        self.registry.create_function_url(&reference(name), None, open_to_all()).await.unwrap()
    }

    /// What is at a URL's address, as its ARN.
    fn at(&self, url: &FunctionUrl) -> Option<String> {
        self.registry.url_target(url.config.id).map(|target| target.url.arn.to_string())
    }

    fn kept(&self) -> usize {
        self.store.scan_all::<FunctionUrlConfig>("").count()
    }
}

#[tokio::test]
async fn a_function_and_an_alias_have_a_url_each_and_keep_it() {
    let world = world().await;
    let (whole, alias) = (world.url("hello").await, world.url("hello:live").await);
    assert_ne!(whole.config.id, alias.config.id);
    let again = world.registry.create_function_url(&reference("hello"), None, open_to_all()).await;
    assert!(matches!(again, Err(FunctionError::UrlExists { .. })));
    let cors = Cors::new(CorsSettings { max_age: Some(1), ..CorsSettings::default() }).unwrap();
    let change = FunctionUrlSettings {
        cors: Some(cors.clone()),
        invoke_mode: Some(InvokeMode::ResponseStream),
        ..FunctionUrlSettings::default()
    };
    world.clock.set(world.clock.now() + Duration::seconds(1));
    let changed = world.registry.update_function_url(&reference("hello"), None, change).await.unwrap().config;
    assert_eq!((changed.id, changed.auth_type), (whole.config.id, UrlAuthType::None));
    assert_eq!((changed.cors.as_ref(), changed.invoke_mode), (Some(&cors), Some(InvokeMode::ResponseStream)));
    assert_eq!(changed.last_modified - changed.created, Duration::seconds(1));

    let world = world.reopened().await;
    assert_eq!(world.registry.function_url(&reference("hello"), None).unwrap().config, changed);
    assert_eq!(world.at(&whole).unwrap(), "arn:aws:lambda:us-east-1:000000000000:function:hello");
    assert_eq!(world.at(&alias).unwrap(), "arn:aws:lambda:us-east-1:000000000000:function:hello:live");
    let nothing = Cors::new(CorsSettings::default()).unwrap();
    let change = FunctionUrlSettings { cors: Some(nothing), ..FunctionUrlSettings::default() };
    let changed = world.registry.update_function_url(&reference("hello"), None, change).await.unwrap().config;
    assert_eq!(changed.cors, None);
}

#[tokio::test]
async fn a_url_goes_with_what_it_calls_and_its_address_never_comes_back() {
    let world = world().await;
    let (whole, alias) = (world.url("hello").await, world.url("hello:live").await);
    world.registry.delete_alias(&reference("hello"), live()).await.unwrap();
    assert_eq!((world.at(&alias), world.kept()), (None, 1));
    assert!(world.registry.function_url(&reference("hello:live"), None).is_err());
    world.registry.delete_function_url(&reference("hello"), None).await.unwrap();
    let deleted = world.registry.delete_function_url(&reference("hello"), None).await;
    assert!(matches!(deleted, Err(FunctionError::NoSuchResource)));
    assert_eq!((world.at(&whole), world.kept()), (None, 0));
    let second = world.url("hello").await;
    world.registry.delete(&reference("hello"), None).await.unwrap();
    world.create("hello", &archive("1")).await.unwrap();
    assert_eq!((world.at(&second), world.kept()), (None, 0));
    assert_ne!(world.url("hello").await.config.id, second.config.id);
}

#[tokio::test]
async fn a_url_lets_in_whom_its_own_policy_lets_in() {
    let world = world().await;
    let (whole, alias) = (world.url("hello").await, world.url("hello:live").await);
    let lets_in =
        |url: &FunctionUrl, caller| world.registry.url_target(url.config.id).unwrap().lets_in(caller);
    let other: AccountId = "000000000002".parse().unwrap();
    let add = AddPermission {
        statement: Statement {
            principal: "*".parse().unwrap(),
            action: "lambda:*".parse().unwrap(),
            ..permission("all").statement
        },
        revision_id: None,
    };
    world.registry.add_permission(&reference("hello:live"), None, add).await.unwrap();
    assert!(!lets_in(&whole, UrlCaller::Anybody) && lets_in(&alias, UrlCaller::Anybody));
    let signed =
        FunctionUrlSettings { auth_type: Some(UrlAuthType::AwsIam), ..FunctionUrlSettings::default() };
    for name in ["hello", "hello:live"] {
        world.registry.update_function_url(&reference(name), None, signed.clone()).await.unwrap();
    }
    assert!(!lets_in(&alias, UrlCaller::Anybody), "who did not sign is nobody, whatever the policy says");
    assert!(lets_in(&alias, UrlCaller::Account(other)) && !lets_in(&whole, UrlCaller::Account(other)));
    assert!(lets_in(&whole, UrlCaller::Account(AccountId::DEFAULT)));
}

#[tokio::test]
async fn only_functions_and_aliases_have_urls() {
    let world = world().await;
    for name in ["hello:1", "hello:$LATEST"] {
        let error =
            world.registry.create_function_url(&reference(name), None, open_to_all()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Validation, "{error}");
    }
    for name in ["none", "hello:none"] {
        let error =
            world.registry.create_function_url(&reference(name), None, open_to_all()).await.unwrap_err();
        assert_eq!(error.to_string(), "Function does not exist");
        assert!(world.registry.function_url(&reference(name), None).is_err());
    }
    let settings = FunctionUrlSettings::default();
    assert!(world.registry.create_function_url(&reference("hello"), None, settings).await.is_err());
    let after = Qualifier::LATEST;
    world.url("hello").await;
    let alias = world.url("hello:live").await;
    let page = world.registry.list_function_urls(&reference("hello"), None, 1).unwrap();
    assert_eq!((page.items.len(), page.next.as_ref()), (1, Some(&after)));
    let page = world.registry.list_function_urls(&reference("hello"), Some(&after), 1).unwrap();
    assert_eq!((page.items[0].config.id, page.next), (alias.config.id, None));
}
