//! Groups that somebody makes, sets and removes.

use std::collections::BTreeMap;

use super::*;

fn named(name: &str) -> GroupKey {
    GroupKey::new(ACCOUNT, name).unwrap()
}

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn days(days: i64) -> Option<RetentionDays> {
    Some(days.try_into().unwrap())
}

impl World {
    fn group_names(&self, prefix: &str, part: &str) -> Vec<String> {
        let choice = GroupChoice { prefix: prefix.to_owned(), part: part.to_owned() };
        let (mut names, mut token): (Vec<String>, Option<String>) = (Vec::new(), None);
        loop {
            let page = self.store.groups(ACCOUNT, &choice, 2, token.as_deref()).unwrap();
            assert!(page.groups.len() <= 2);
            names.extend(page.groups.into_iter().map(|group| group.key.group().to_owned()));
            token = page.next_page_token;
            if token.is_none() {
                return names;
            }
        }
    }
}

#[tokio::test]
async fn groups_are_listed_by_name_whether_they_were_made_or_written_to() {
    let world = World::new();
    for name in ["b", "/aws/lambda/second", "a"] {
        world.store.create_group(&named(name), BTreeMap::new()).await.unwrap();
    }
    store_all(&world.stream("s"), &["line".to_owned()]).await;
    // Asking does not make one.
    world.store.read(&named("asked"), Filter::default(), 1, None).await.unwrap();
    assert_eq!(world.group_names("", ""), ["/aws/lambda/f", "/aws/lambda/second", "a", "b"]);
    assert_eq!(world.group_names("/aws/", ""), ["/aws/lambda/f", "/aws/lambda/second"]);
    assert_eq!(world.group_names("", "SEC"), ["/aws/lambda/second"]);
    assert_eq!(world.store.groups("111111111111", &GroupChoice::default(), 9, None).unwrap().groups, []);
    assert!(matches!(
        world.store.groups(ACCOUNT, &GroupChoice::default(), 9, Some("x")),
        Err(LogError::PageToken)
    ));
}

#[tokio::test]
async fn what_was_made_and_set_is_there_after_a_restart() {
    let mut world = World::new();
    let key = named("made");
    world.store.create_group(&key, tags(&[("a", "1")])).await.unwrap();
    world.store.set_retention(&key, days(30)).await.unwrap();
    world.store.tag(&key, tags(&[("b", "2"), ("c", "3")])).await.unwrap();
    world.store.untag(&key, vec!["b".to_owned(), "x".to_owned()]).await.unwrap();
    store_all(&world.stream("s"), &["line".to_owned()]).await;
    let written = world.store.group_info(&group()).unwrap();
    world.clock.set(NOW + 5.days());
    world.reopen(|_| {}).await;
    let made = world.store.group_info(&key).unwrap();
    assert_eq!((made.retention, made.tags), (days(30), tags(&[("a", "1"), ("c", "3")])));
    assert_eq!(i128::from(made.created_ms) * 1_000_000, NOW.unix_timestamp_nanos());
    assert_eq!(world.store.group_info(&group()).unwrap(), written);
    assert_eq!(written.created_ms, made.created_ms);
}

#[tokio::test]
async fn a_group_is_made_once_and_only_one_that_is_there_is_changed() {
    let world = World::new();
    let key = named("g");
    let missing = |result: Result<(), LogError>| matches!(result, Err(LogError::GroupMissing(_)));
    assert!(missing(world.store.set_retention(&key, None).await));
    assert!(missing(world.store.delete_group(&key).await));
    assert!(missing(world.store.tag(&key, tags(&[("a", "1")])).await));
    assert!(missing(world.store.create_stream(&key, "s").await));
    assert!(matches!(world.store.group_info(&key), Err(LogError::GroupMissing(_))));
    world.store.create_group(&key, BTreeMap::new()).await.unwrap();
    assert!(matches!(world.store.create_group(&key, BTreeMap::new()).await, Err(LogError::GroupExists(_))));
    store_all(&world.stream("s"), &["line".to_owned()]).await;
    assert!(matches!(
        world.store.create_group(&group(), BTreeMap::new()).await,
        Err(LogError::GroupExists(_))
    ));
    let many: BTreeMap<String, String> = (0..51).map(|tag| (tag.to_string(), String::new())).collect();
    assert!(matches!(world.store.tag(&key, many).await, Err(LogError::TooManyTags { .. })));
    assert_eq!(world.store.group_info(&key).unwrap().tags, BTreeMap::new());
}

#[tokio::test]
async fn a_deleted_group_is_gone_with_its_lines_and_a_writer_begins_a_new_one() {
    let mut world = World::new();
    let writer = world.stream("s");
    store_all(&writer, &numbered(0..200)).await;
    world.store.set_retention(&group(), days(1)).await.unwrap();
    let mut follower = world.store.follow(&group(), Filter::default());
    assert!(world.segments().len() > 2);
    world.store.delete_group(&group()).await.unwrap();
    assert_eq!(world.group_names("", ""), [""; 0]);
    assert_eq!(world.store.bytes_on_disk(), 0);
    assert!(!world.root.path().join("logs").join(ACCOUNT).join(group().directory()).exists());
    assert_eq!(world.messages().await, [""; 0]);

    store_all(&writer, &["new".to_owned()]).await;
    assert_eq!(take(&mut follower, 1).await.0, ["new"]);
    drop(follower);
    assert_eq!(world.messages().await, ["new"]);
    assert_eq!(world.store.group_info(&group()).unwrap().retention, None);
    world.reopen(|_| {}).await;
    assert_eq!(world.messages().await, ["new"]);
}

#[tokio::test]
async fn each_group_keeps_its_lines_as_long_as_it_says() {
    let world = World::new();
    let groups = [(named("default"), None), (named("short"), days(1)), (named("long"), days(30))];
    for (key, retention) in &groups {
        let writer = world.store.stream(key, "s").unwrap();
        writer.write(line("old"));
        writer.flush().await.unwrap();
        world.store.set_retention(key, *retention).await.unwrap();
    }
    let mut left = Vec::new();
    for age in [2, 15, 31] {
        world.clock.set(NOW + age.days());
        world.store.collect_garbage(false).await.unwrap();
        let mut count = 0;
        for (key, _) in &groups {
            count += world.store.read(key, Filter::default(), 9, None).await.unwrap().events.len();
        }
        left.push(count);
    }
    assert_eq!(left, [2, 1, 0]);
    // Somebody set something of them, so they stay.
    assert_eq!(world.group_names("", ""), ["default", "long", "short"]);
}

#[test]
fn only_days_that_cloudwatch_allows_are_a_retention() {
    for days in [1, 7, 30, 3653] {
        assert_eq!(i64::from(RetentionDays::try_from(days).unwrap().days()), days);
    }
    for days in [-1, 0, 2, 31, 3654, i64::MAX] {
        assert_eq!(RetentionDays::try_from(days), Err(InvalidRetention(days)));
    }
}

#[tokio::test]
async fn what_is_kept_by_a_newer_version_or_is_damaged_is_left_alone() {
    for content in [
        &b"{\"version\":2,\"created_ms\":0}"[..],
        b"{\"version\":1",
        b"{\"version\":1,\"created_ms\":0,\"x\":1}",
    ] {
        let world = World::new();
        store_all(&world.stream("s"), &["line".to_owned()]).await;
        world.store.shutdown().await;
        let directory = world.root.path().join("logs");
        let path = directory.join(ACCOUNT).join(group().directory()).join(group_file::NAME);
        fs::write(&path, content).unwrap();
        let opened = LogStore::open(directory, SETTINGS, world.clock.clone());
        assert!(matches!(opened, Err(LogError::GroupFile { path: named }) if named == path));
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

#[tokio::test]
async fn logs_of_an_earlier_version_are_read() {
    let mut world = World::new();
    store_all(&world.stream("s"), &["line".to_owned()]).await;
    world
        .reopen(|directory| {
            let directory = directory.join(ACCOUNT).join(group().directory());
            fs::remove_file(directory.join(group_file::NAME)).unwrap();
            fs::write(directory.join(group_file::NEW_NAME), "{").unwrap();
        })
        .await;
    assert_eq!(world.messages().await, ["line"]);
    assert_eq!(world.group_names("", ""), ["/aws/lambda/f"]);
    assert!(world.store.group_info(&group()).unwrap().created_ms > 0);
    store_all(&world.stream("s"), &["more".to_owned()]).await;
    assert_eq!(world.messages().await, ["line", "more"]);
}

#[tokio::test]
async fn old_segments_go_without_anybody_asking() {
    let world = World::with(LogSettings { sweep_every: Duration::from_millis(5), ..SETTINGS });
    store_all(&world.stream("s"), &["old".to_owned()]).await;
    world.clock.set(NOW + 15.days());
    // The group goes after its last segment does.
    while !world.group_names("", "").is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(world.store.bytes_on_disk(), 0);
}
