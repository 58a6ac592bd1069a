//! What is provisioned of versions and aliases.

use super::*;
use crate::functions::{AliasName, ProvisionedExecutions, Version};

/// A function with two versions, and an alias that leads to the first.
async fn world() -> World {
    let world = World::new().await;
    world.create("hello", &archive("1")).await.unwrap();
    for content in ["2", "3"] {
        world.registry.publish(&reference("hello"), PublishVersion::default()).await.unwrap();
        world.recode(&archive(content)).await;
    }
    let create =
        CreateAlias { name: live(), version: number(1), routing: None, description: Description::default() };
    world.registry.create_alias(&reference("hello"), create).await.unwrap();
    world
}

fn live() -> AliasName {
    "live".parse().unwrap()
}

fn number(number: u64) -> Version {
    Version::Number(number.try_into().unwrap())
}

fn executions(number: u32) -> ProvisionedExecutions {
    number.try_into().unwrap()
}

impl World {
    async fn provision(&self, name: &str, number: u32) -> Result<Provisioned, FunctionError> {
        self.registry.provision(&reference(name), None, executions(number)).await
    }

    async fn refusal(&self, name: &str, number: u32) -> String {
        self.provision(name, number).await.unwrap_err().to_string()
    }

    fn wanted(&self) -> Vec<(String, u32)> {
        let wanted = self.registry.all_provisioned().into_iter();
        wanted.map(|(version, count)| (version.version.to_string(), count)).collect()
    }

    async fn lead(&self, version: u64) -> Result<Arc<Alias>, FunctionError> {
        let update = UpdateAlias { version: Some(number(version)), ..UpdateAlias::default() };
        self.registry.update_alias(&reference("hello"), live(), update).await
    }
}

#[tokio::test]
async fn what_is_provisioned_is_durable_and_moves_with_its_alias() {
    let world = world().await;
    let provisioned = world.provision("hello:live", 3).await.unwrap();
    assert!(provisioned.arn.to_string().ends_with(":hello:live"));
    let world = world.reopened().await;
    assert_eq!(world.wanted(), [("1".to_owned(), 3)]);
    assert_eq!(world.registry.concurrency().unreserved(AccountId::DEFAULT), 997);
    world.lead(2).await.unwrap();
    assert_eq!(world.wanted(), [("2".to_owned(), 3)]);
    world.registry.delete_alias(&reference("hello"), live()).await.unwrap();
    assert!(world.wanted().is_empty());
    let world = world.reopened().await;
    assert!(world.wanted().is_empty());
    assert_eq!(world.registry.concurrency().unreserved(AccountId::DEFAULT), 1000);
}

#[tokio::test]
async fn it_is_refused_in_lambdas_words() {
    let world = world().await;
    let told = "Provisioned Concurrency Configs cannot be applied to unpublished function versions.";
    assert_eq!(world.refusal("hello", 1).await, told);
    assert!(world.refusal("hello:9", 1).await.starts_with("Function not found: arn:"));
    assert!(world.refusal("hello:none", 1).await.starts_with("Cannot find alias arn: arn:"));
    assert!(world.refusal("nobody:1", 1).await.starts_with("Function not found: arn:"));
    assert!(
        world.refusal("hello:1", 1001).await.contains("greater than account's unreserved concurrency [1000]")
    );
    assert!(world.refusal("hello:1", 901).await.contains("below its minimum value of [100]"));
    let nothing = world.registry.provisioned(&reference("hello:1"), None).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::ProvisionedConcurrencyConfigNotFound);
    world.registry.unprovision(&reference("hello:1"), None).await.unwrap();
    assert!(world.registry.unprovision(&reference("hello:9"), None).await.is_err());
    assert!(world.wanted().is_empty());
}

#[tokio::test]
async fn a_version_and_an_alias_that_leads_to_it_are_not_both_provisioned() {
    let world = world().await;
    world.provision("hello:1", 1).await.unwrap();
    let conflict = world.provision("hello:live", 1).await.unwrap_err();
    assert_eq!(conflict.kind(), ErrorKind::ResourceConflict);
    assert!(conflict.to_string().contains("on an already Provisioned version"), "{conflict}");
    world.registry.unprovision(&reference("hello:1"), None).await.unwrap();
    world.provision("hello:live", 1).await.unwrap();
    assert_eq!(world.refusal("hello:1", 1).await, "Version is pointed by a Provisioned Concurrency alias");
    world.provision("hello:2", 1).await.unwrap();
    assert_eq!(world.lead(2).await.unwrap_err().kind(), ErrorKind::ResourceConflict);
    let latest = UpdateAlias { version: Some(Version::Latest), ..UpdateAlias::default() };
    assert!(world.registry.update_alias(&reference("hello"), live(), latest).await.is_err());
    let page = world.registry.list_provisioned(&reference("hello"), None, 1).unwrap();
    assert_eq!((page.items.len(), page.next.is_some()), (1, true));
}

#[tokio::test]
async fn an_alias_with_weights_has_them_divided_but_gets_none_by_them() {
    let world = world().await;
    world.provision("hello:live", 10).await.unwrap();
    let weights = BTreeMap::from([("2".to_owned(), 0.3)]);
    let routing = Some(Routing::of_weights(&weights).unwrap());
    let update = UpdateAlias { routing, ..UpdateAlias::default() };
    world.registry.update_alias(&reference("hello"), live(), update).await.unwrap();
    assert_eq!(world.wanted(), [("1".to_owned(), 7), ("2".to_owned(), 3)]);
    let told = "Alias with weights can not be used with Provisioned Concurrency";
    assert_eq!(world.refusal("hello:live", 5).await, told);
}

#[tokio::test]
async fn it_is_a_part_of_the_functions_share() {
    let world = world().await;
    let hello = reference("hello");
    world.provision("hello:1", 2).await.unwrap();
    let refusal = world.registry.reserve_concurrency(&hello, Some(1)).await.unwrap_err();
    let told = " ReservedConcurrentExecutions  1 should not be lower than function's total provisioned concurrency [2].";
    assert_eq!(refusal.to_string(), told);
    world.registry.reserve_concurrency(&hello, Some(2)).await.unwrap();
    assert_eq!(world.registry.concurrency().unreserved(AccountId::DEFAULT), 998);
    for name in ["hello:2", "hello:1"] {
        assert!(world.refusal(name, 3).await.contains("greater than the reservedConcurrentExecution"));
    }
    world.registry.delete(&hello, None).await.unwrap();
    assert!(world.wanted().is_empty());
    assert_eq!(world.registry.concurrency().unreserved(AccountId::DEFAULT), 1000);
}

#[tokio::test]
async fn a_version_takes_it_along_when_it_is_deleted() {
    let world = world().await;
    world.provision("hello:2", 2).await.unwrap();
    world.registry.delete(&reference("hello:2"), None).await.unwrap();
    assert!(world.wanted().is_empty());
    let world = world.reopened().await;
    assert!(world.wanted().is_empty());
}
