//! Code-signing configurations and the functions that have one.

use super::*;
use crate::functions::{
    CodeSigningArn, CodeSigningConfig, CodeSigningId, CreateCodeSigning, SigningProfileArn,
    UntrustedArtifact, UpdateCodeSigning,
};

impl World {
    async fn signing(&self, untrusted: Option<UntrustedArtifact>) -> Arc<CodeSigningConfig> {
        let profile = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/test";
        let create = CreateCodeSigning {
            description: None,
            profiles: SigningProfileArn::of_list(&[profile]).unwrap(),
            untrusted,
            tags: Tags::default(),
        };
        self.registry.create_code_signing(create).await.unwrap()
    }

    async fn set(&self, policy: UntrustedArtifact, arn: &CodeSigningArn) {
        let update = UpdateCodeSigning { untrusted: Some(policy), ..UpdateCodeSigning::default() };
        self.registry.update_code_signing(arn, update).await.unwrap();
    }

    fn functions_of(&self, arn: &CodeSigningArn) -> Vec<String> {
        let page = self.registry.functions_of_code_signing(arn, None, 0).unwrap();
        page.items.iter().map(|arn| arn.name.to_string()).collect()
    }

    async fn update_code(&self, content: &str) -> Result<Changed, FunctionError> {
        let code = self.upload(&archive(content)).await;
        self.registry.update_code(&reference("hello"), UpdateCode::default(), code).await
    }
}

#[tokio::test]
async fn a_configuration_and_whose_it_is_survive_a_restart() {
    let world = World::new().await;
    world.create("hello", &archive("x")).await.unwrap();
    let arn = world.signing(None).await.arn.clone();
    world.registry.set_code_signing(&reference("hello"), arn.clone()).await.unwrap();
    world.clock.set(world.clock.now() + Duration::seconds(5));
    let description = Some("second".parse().unwrap());
    let update = UpdateCodeSigning { description, ..UpdateCodeSigning::default() };
    let updated = world.registry.update_code_signing(&arn, update).await.unwrap();
    assert!(updated.last_modified > updated.created);

    let world = world.reopened().await;
    let config = world.registry.code_signing(&arn).unwrap();
    assert_eq!(config.description.as_ref().unwrap().as_str(), "second");
    assert_eq!((config.untrusted, config.profiles.len()), (UntrustedArtifact::Warn, 1));
    assert_eq!(config.last_modified, updated.last_modified);
    assert_eq!(world.registry.code_signing_of(&reference("hello")).unwrap(), Some(arn.clone()));
    assert_eq!(world.functions_of(&arn), ["hello"]);
    assert_eq!(world.registry.of("000000000001".parse().unwrap()).list_code_signings(None, 0).items.len(), 0);
}

#[tokio::test]
async fn a_function_that_takes_signed_packages_only_is_given_none() {
    let world = World::new().await;
    world.create("hello", &archive("x")).await.unwrap();
    let layer = publish_layer(&world, "extra", "y").await.unwrap();
    let arn = world.signing(Some(UntrustedArtifact::Enforce)).await.arn.clone();
    world.registry.set_code_signing(&reference("hello"), arn.clone()).await.unwrap();
    let before = world.blobs().await;

    let refusal = world.update_code("new").await.unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::CodeVerificationFailed);
    assert!(refusal.to_string().ends_with("Check the provided signature for hello."), "{refusal}");
    let update =
        UpdateConfiguration { layers: Some(vec![layer.arn.clone()]), ..UpdateConfiguration::default() };
    let refusal = world.registry.update_configuration(&reference("hello"), update).await.unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::CodeVerificationFailed);
    let code = world.upload(&archive("other")).await;
    let other = CreateFunction { code_signing: Some(arn.clone()), ..function("other") };
    let refusal = world.registry.create(other, code).await.unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::CodeVerificationFailed);
    assert_eq!(world.blobs().await, before, "nothing of what was refused stays");
    // Other settings are no package.
    world.configure(memory(256)).await;

    world.set(UntrustedArtifact::Warn, &arn).await;
    world.update_code("new").await.unwrap();
    world.registry.settled(&reference("hello"), None).await.unwrap();
    world.set(UntrustedArtifact::Enforce, &arn).await;
    world.update_code("newer").await.unwrap_err();
    world.registry.remove_code_signing(&reference("hello")).await.unwrap();
    world.update_code("newer").await.unwrap();
}

#[tokio::test]
async fn a_configuration_can_go_when_no_function_has_it() {
    let world = World::new().await;
    let arn = world.signing(None).await.arn.clone();
    let code = world.upload(&archive("x")).await;
    let created = CreateFunction { code_signing: Some(arn.clone()), ..function("hello") };
    world.registry.create(created, code).await.unwrap();
    let refusal = world.registry.delete_code_signing(&arn).await.unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::ResourceConflict);
    world.registry.delete(&reference("hello"), None).await.unwrap();
    assert!(world.functions_of(&arn).is_empty());
    world.registry.delete_code_signing(&arn).await.unwrap();

    let refusal = world.registry.delete_code_signing(&arn).await.unwrap_err();
    assert_eq!(refusal.to_string(), format!("The Lambda code signing configuration {arn} can not be found."));
    // That the function is missing as well is not told.
    let refusal = world.registry.set_code_signing(&reference("hello"), arn.clone()).await.unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::CodeSigningConfigNotFound);
    // A function of the same name begins without one.
    world.create("hello", &archive("x")).await.unwrap();
    assert_eq!(world.registry.code_signing_of(&reference("hello")).unwrap(), None);
}

#[tokio::test]
async fn configurations_are_listed_by_age_page_by_page() {
    let world = World::new().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(world.signing(None).await.arn.id.clone());
        world.clock.set(world.clock.now() + Duration::seconds(1));
    }
    let mut listed: Vec<CodeSigningId> = Vec::new();
    loop {
        let page = world.registry.list_code_signings(listed.last(), 2);
        listed.extend(page.items.iter().map(|config| config.arn.id.clone()));
        if page.next.is_none() {
            break;
        }
        assert_eq!(page.next.as_ref(), listed.last());
    }
    assert_eq!(listed, made);
}

#[tokio::test]
async fn a_configuration_has_tags() {
    let world = World::new().await;
    let arn = world.signing(None).await.arn.clone();
    let tags = Tags::try_from(BTreeMap::from([("team".to_owned(), "core".to_owned())])).unwrap();
    world.registry.tag_code_signing(&arn, move |old| old.with(tags)).await.unwrap();
    let world = world.reopened().await;
    let config = world.registry.code_signing(&arn).unwrap();
    assert_eq!(config.tags.iter().collect::<Vec<_>>(), [("team", "core")]);
}
