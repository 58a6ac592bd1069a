//! Streams: listing, reading in both directions, making, removing, and sending events to them.

use super::*;

fn millis(moment: OffsetDateTime) -> i64 {
    (moment.unix_timestamp_nanos() / 1_000_000) as i64
}

fn event(timestamp_ms: i64, message: &str) -> PutEvent {
    PutEvent { timestamp_ms, message: message.to_owned() }
}

impl World {
    async fn streams(&self, choice: StreamChoice) -> Vec<StreamInfo> {
        let (mut streams, mut token): (Vec<StreamInfo>, Option<String>) = (Vec::new(), None);
        loop {
            let page = self.store.streams(&group(), choice.clone(), 2, token.as_deref()).await.unwrap();
            assert!(page.streams.len() <= 2);
            streams.extend(page.streams);
            token = page.next_page_token;
            if token.is_none() {
                return streams;
            }
        }
    }

    async fn stream_names(&self, order: StreamOrder, descending: bool, prefix: &str) -> String {
        let choice = StreamChoice { prefix: prefix.to_owned(), order, descending };
        self.streams(choice).await.into_iter().map(|stream| stream.name).collect()
    }

    async fn page(
        &self,
        stream: &str,
        range: StreamRange,
        limit: usize,
        token: Option<&str>,
    ) -> StreamEvents {
        self.store.stream_events(&group(), stream, range, limit, token).await.unwrap()
    }
}

/// Two streams whose lines alternate over many segments.
async fn two_streams(world: &World, count: usize) -> Vec<String> {
    let lines = numbered(0..count);
    let writers = [world.stream("even"), world.stream("odd")];
    for (number, text) in lines.iter().enumerate() {
        writers[number % 2].write(at(millis(NOW) + number as i64, text));
    }
    writers[0].flush().await.unwrap();
    lines
}

#[tokio::test]
async fn streams_are_listed_by_name_and_by_their_last_event() {
    let world = World::new();
    for (name, times) in [("c", [5, 9]), ("a", [1, 30]), ("b", [20, 10])] {
        for time in times {
            world.stream(name).write(at(time, "line"));
        }
    }
    world.stream("a").flush().await.unwrap();
    world.store.create_stream(&group(), "d").await.unwrap();
    let streams = world.streams(StreamChoice::default()).await;
    let lines = |first_ms, last_ms| Some(StreamTimes { first_ms, last_ms, ingested_ms: last_ms });
    let expected =
        [("a", 1, lines(1, 30)), ("b", 10, lines(10, 20)), ("c", 5, lines(5, 9)), ("d", millis(NOW), None)];
    let found: Vec<_> =
        streams.iter().map(|stream| (stream.name.as_str(), stream.created_ms, stream.lines)).collect();
    assert_eq!(found, expected);
    assert_eq!(world.stream_names(StreamOrder::Name, true, "").await, "dcba");
    assert_eq!(world.stream_names(StreamOrder::LastEvent, false, "").await, "dcba");
    assert_eq!(world.stream_names(StreamOrder::LastEvent, true, "").await, "abcd");
    assert_eq!(world.stream_names(StreamOrder::Name, false, "c").await, "c");
    world.stream("c").write(at(40, "line"));
    world.stream("c").flush().await.unwrap();
    assert_eq!(world.stream_names(StreamOrder::LastEvent, true, "").await, "cabd");
}

#[tokio::test]
async fn a_stream_is_read_from_its_end_backwards_and_from_its_start_forwards() {
    let world = World::new();
    let lines = two_streams(&world, 300).await;
    assert!(world.segments().len() > 5);
    let even: Vec<String> = lines.iter().step_by(2).cloned().collect();

    let mut page = world.page("even", StreamRange::default(), 40, None).await;
    let end = page.clone();
    let mut found = Vec::new();
    loop {
        found.splice(0..0, messages(page.events));
        let next = world.page("even", StreamRange::default(), 40, Some(&page.backward_token)).await;
        if next.backward_token == page.backward_token {
            assert_eq!(next.events, []);
            break;
        }
        page = next;
    }
    assert_eq!(found, even);

    let from_start = StreamRange { from_start: true, ..StreamRange::default() };
    let mut page = world.page("even", from_start.clone(), 40, None).await;
    let mut found = Vec::new();
    loop {
        found.extend(messages(page.events));
        let next = world.page("even", StreamRange::default(), 40, Some(&page.forward_token)).await;
        if next.forward_token == page.forward_token {
            assert_eq!(next.events, []);
            break;
        }
        page = next;
    }
    assert_eq!(found, even);

    // At the end the token stays, however much others write, and leads on as soon as there is more.
    let wait = world.page("even", StreamRange::default(), 40, Some(&end.forward_token)).await;
    assert_eq!((wait.forward_token.as_str(), wait.events.len()), (end.forward_token.as_str(), 0));
    store_all(&world.stream("odd"), &numbered(0..100)).await;
    let wait = world.page("even", StreamRange::default(), 40, Some(&wait.forward_token)).await;
    assert_eq!((wait.forward_token.as_str(), wait.events.len()), (end.forward_token.as_str(), 0));
    store_all(&world.stream("even"), &["more".to_owned()]).await;
    let more = world.page("even", StreamRange::default(), 40, Some(&wait.forward_token)).await;
    assert_eq!(messages(more.events), ["more"]);
}

#[tokio::test]
async fn a_page_and_its_neighbours_fit_together_in_both_directions() {
    let world = World::new();
    two_streams(&world, 200).await;
    let last = world.page("odd", StreamRange::default(), 10, None).await;
    let before = world.page("odd", StreamRange::default(), 10, Some(&last.backward_token)).await;
    let again = world.page("odd", StreamRange::default(), 10, Some(&before.forward_token)).await;
    assert_eq!(again.events, last.events);
    let same = world.page("odd", StreamRange::default(), 10, Some(&again.backward_token)).await;
    assert_eq!(same.events, before.events);
}

#[tokio::test]
async fn a_range_of_time_is_read_in_both_directions() {
    let world = World::new();
    let lines = two_streams(&world, 300).await;
    for from_start in [true, false] {
        let range =
            StreamRange { start_ms: Some(millis(NOW) + 100), end_ms: Some(millis(NOW) + 110), from_start };
        let page = world.page("odd", range, 100, None).await;
        let expected: Vec<String> = lines[101..110].iter().step_by(2).cloned().collect();
        assert_eq!(messages(page.events), expected);
    }
}

#[tokio::test]
async fn a_token_of_another_form_or_group_and_a_stream_that_is_not_there_are_refused() {
    let world = World::new();
    store_all(&world.stream("s"), &["line".to_owned()]).await;
    let other = token::encode(&GroupKey::of_function(ACCOUNT, "g").unwrap(), Place { segment: 1, offset: 0 });
    for token in ["", "f", "f/", "x/y", &other, &format!("f/{other}")] {
        let read = world.store.stream_events(&group(), "s", StreamRange::default(), 1, Some(token)).await;
        assert!(matches!(read, Err(LogError::PageToken)), "{token}");
    }
    let read = world.store.stream_events(&group(), "t", StreamRange::default(), 1, None).await;
    assert!(matches!(read, Err(LogError::StreamMissing(name)) if name == "t"));
}

#[tokio::test]
async fn a_stream_is_made_once_and_gone_when_it_is_deleted() {
    let mut world = World::new();
    let writer = world.stream("s");
    store_all(&writer, &numbered(0..100)).await;
    world.store.create_stream(&group(), "made").await.unwrap();
    for name in ["made", "s"] {
        let made = world.store.create_stream(&group(), name).await;
        assert!(matches!(made, Err(LogError::StreamExists(_))), "{name}");
    }
    for name in ["", "a:b", "a*", &"x".repeat(513)] {
        let made = world.store.create_stream(&group(), name).await;
        assert!(matches!(made, Err(LogError::StreamName(_))), "{name}");
    }
    store_all(&world.stream("other"), &["stays".to_owned()]).await;
    world.store.delete_stream(&group(), "s").await.unwrap();
    world.store.delete_stream(&group(), "made").await.unwrap();
    let missing = world.store.delete_stream(&group(), "s").await;
    assert!(matches!(missing, Err(LogError::StreamMissing(_))));
    for _ in 0..2 {
        assert_eq!(world.messages().await, ["stays"]);
        assert_eq!(world.stream_names(StreamOrder::Name, false, "").await, "other");
        world.reopen(|_| {}).await;
    }
    // Its sandbox goes on.
    let writer = world.stream("s");
    store_all(&writer, &["later".to_owned()]).await;
    assert_eq!(world.messages().await, ["stays", "later"]);
    let page = world.page("s", StreamRange::default(), 10, None).await;
    assert_eq!(messages(page.events), ["later"]);
}

#[tokio::test]
async fn what_was_deleted_is_forgotten_when_its_segments_have_gone() {
    let mut world = World::new();
    store_all(&world.stream("s"), &["line".to_owned()]).await;
    world.store.delete_stream(&group(), "s").await.unwrap();
    world.clock.set(NOW + 15.days());
    world.store.collect_garbage(false).await.unwrap();
    assert_eq!(world.segments(), []);
    // Numbers of segments begin anew, and a new line must not be taken for an old one.
    world.reopen(|_| {}).await;
    store_all(&world.stream("s"), &["new".to_owned()]).await;
    assert_eq!(world.messages().await, ["new"]);
}

#[tokio::test]
async fn events_are_put_into_a_stream_that_is_there_and_read_with_both_their_times() {
    let world = World::new();
    let now = millis(NOW);
    let key = group();
    let put = |events: Vec<PutEvent>| world.store.put(&key, "s", events);
    assert!(matches!(put(vec![event(now, "x")]).await, Err(LogError::GroupMissing(_))));
    world.store.create_group(&group(), Default::default()).await.unwrap();
    assert!(matches!(put(vec![event(now, "x")]).await, Err(LogError::StreamMissing(_))));
    world.store.create_stream(&group(), "s").await.unwrap();
    let stored = put(vec![event(now - 5, "one"), event(now, "two\n")]).await.unwrap();
    assert_eq!(stored, Rejected::default());
    let page = world.page("s", StreamRange::default(), 10, None).await;
    let found: Vec<_> = page
        .events
        .iter()
        .map(|event| (event.timestamp_ms, event.ingested_ms, event.message.as_str()))
        .collect();
    assert_eq!(found, [(now - 5, Some(now), "one"), (now, Some(now), "two\n")]);
    assert!(page.events[0].id() < page.events[1].id() && page.events[0].id().len() == 56);
    let streams = world.streams(StreamChoice::default()).await;
    assert_eq!(streams[0].lines, Some(StreamTimes { first_ms: now - 5, last_ms: now, ingested_ms: now }));
}

#[tokio::test]
async fn events_that_cloudwatch_would_not_take_are_refused_or_left_out() {
    let world = World::new();
    let now = millis(NOW);
    world.store.create_group(&group(), Default::default()).await.unwrap();
    world.store.create_stream(&group(), "s").await.unwrap();
    let day = 86_400_000;
    for (events, error) in [
        (vec![], PutError::Count(0)),
        (vec![event(now, "x"); 10_001], PutError::Count(10_001)),
        (vec![event(now, "")], PutError::NoMessage),
        (vec![event(now, &"x".repeat(262_145))], PutError::EventTooLarge(262_145)),
        (vec![event(now, &"x".repeat(262_144)); 4], PutError::TooLarge(4 * 262_170)),
        (vec![event(now, "x"), event(now - 1, "x")], PutError::Order),
        (vec![event(now - day - 1, "x"), event(now, "x")], PutError::Span),
    ] {
        let put = world.store.put(&group(), "s", events).await;
        assert!(matches!(&put, Err(LogError::Put(found)) if *found == error), "{put:?}");
    }
    let old = world
        .store
        .put(&group(), "s", vec![event(now - 15 * day, "a"), event(now - 14 * day, "b")])
        .await
        .unwrap();
    assert_eq!(old, Rejected { too_old_before: Some(1), ..Rejected::default() });
    let new = world.store.put(&group(), "s", vec![event(now, "c"), event(now + day / 4, "d")]).await.unwrap();
    assert_eq!(new, Rejected { too_new_from: Some(1), ..Rejected::default() });
    world.store.set_retention(&group(), Some(RetentionDays::try_from(1_u16).unwrap())).await.unwrap();
    let expired = world.store.put(&group(), "s", vec![event(now - 2 * day, "e")]).await.unwrap();
    assert_eq!(expired, Rejected { expired_before: Some(1), ..Rejected::default() });
    assert_eq!(world.messages().await, ["b", "c"]);
}

#[tokio::test]
async fn whoever_sends_events_that_the_disk_does_not_take_is_told() {
    let world = World::new();
    world.store.create_group(&group(), Default::default()).await.unwrap();
    world.store.create_stream(&group(), "s").await.unwrap();
    let directory = world.root.path().join("logs").join(ACCOUNT).join(group().directory());
    fs::create_dir(directory.join("00000001.ndjson")).unwrap();
    let put = world.store.put(&group(), "s", vec![event(millis(NOW), "x")]).await;
    assert!(matches!(put, Err(LogError::NotStored)), "{put:?}");
    fs::remove_dir(directory.join("00000001.ndjson")).unwrap();
    world.store.put(&group(), "s", vec![event(millis(NOW), "y")]).await.unwrap();
    assert_eq!(world.messages().await, ["y"]);
}

#[tokio::test]
async fn a_pattern_and_streams_choose_lines_when_reading_and_when_following() {
    let world = World::new();
    let pattern = |text: &str| Some(Arc::new(Pattern::parse(text).unwrap()));
    let errors = Filter { pattern: pattern("ERROR -ignored"), ..of_streams(&["a", "b"]) };
    let mut follower = world.store.follow(&group(), errors.clone());
    for (stream, text) in
        [("a", "ERROR 1"), ("b", "INFO 2"), ("c", "ERROR 3"), ("b", "ERROR 4"), ("a", "ERROR ignored")]
    {
        world.stream(stream).write(line(text));
    }
    world.stream("a").flush().await.unwrap();
    assert_eq!(messages(world.read_by(1, errors).await), ["ERROR 1", "ERROR 4"]);
    assert_eq!(take(&mut follower, 2).await.0, ["ERROR 1", "ERROR 4"]);
    let prefixed = Filter { streams: Streams::Prefixed(vec!["c".to_owned()]), ..Filter::default() };
    assert_eq!(messages(world.read_by(9, prefixed).await), ["ERROR 3"]);
    world.store.require_streams(&group(), vec!["a".to_owned(), "c".to_owned()]).await.unwrap();
    let missing = world.store.require_streams(&group(), vec!["a".to_owned(), "d".to_owned()]).await;
    assert!(matches!(missing, Err(LogError::StreamMissing(name)) if name == "d"));
}

/// Lines of a few streams with times that jump, in segments that are rotated.
fn written() -> impl Strategy<Value = Vec<(u8, i64)>> {
    prop::collection::vec((0_u8..4, 0_i64..50), 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn passing_segments_over_never_passes_a_line_over(
        lines in written(), stream in 0_u8..4, start in 0_i64..50, length in 0_i64..50, limit in 1_usize..40,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new();
            for (number, (stream, time)) in lines.iter().enumerate() {
                world.stream(&stream.to_string()).write(at(millis(NOW) + time, format!("{number} {}", "x".repeat(200))));
            }
            world.stream("0").flush().await.unwrap();
            let number = |message: &String| message.split(' ').next().unwrap().parse::<usize>().unwrap();
            let wanted: Vec<usize> = lines
                .iter()
                .enumerate()
                .filter(|(_, (of, time))| *of == stream && (start..start + length).contains(time))
                .map(|(number, _)| number)
                .collect();
            let name = stream.to_string();
            let (from, to) = (Some(millis(NOW) + start), Some(millis(NOW) + start + length));
            let filter = Filter { start_ms: from, end_ms: to, ..of_streams(&[&name]) };
            let read = messages(world.read_by(limit, filter).await);
            prop_assert_eq!(&read.iter().map(number).collect::<Vec<_>>(), &wanted);

            if lines.iter().any(|(of, _)| *of == stream) {
                let range = StreamRange { start_ms: from, end_ms: to, from_start: false };
                let (mut found, mut token): (Vec<usize>, Option<String>) = (Vec::new(), None);
                loop {
                    let page = world.page(&name, range.clone(), limit, token.as_deref()).await;
                    found.splice(0..0, messages(page.events).iter().map(number));
                    if token.as_ref() == Some(&page.backward_token) {
                        break;
                    }
                    token = Some(page.backward_token);
                }
                prop_assert_eq!(&found, &wanted);
            }
            world.store.shutdown().await;
            Ok(())
        })?;
    }
}
