//! Schedules as time passes, on a clock that the tests set, over a real store.

use std::{
    future::{Ready, ready},
    sync::atomic::{AtomicUsize, Ordering},
};

use proptest::prelude::*;
use serde_json::{Value, json};
use time::{
    Duration,
    macros::{date, datetime},
};

use super::*;
use crate::{
    clock::FixedClock,
    functions::{PackageLimits, PackageStore, RegistryOptions},
    invoke::{Invocation, InvokeError},
    runtime_api::RequestId,
    store::StoreOptions,
};

const NOW: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);

fn expression(text: &str) -> Expression {
    text.parse().unwrap()
}

fn next(text: &str, zone: &str, after: OffsetDateTime) -> Option<OffsetDateTime> {
    expression(text).next(&zone.parse().unwrap(), after, after)
}

// ---- When

#[test]
fn awss_own_examples_run_when_aws_says() {
    for (text, after, then) in [
        ("cron(0 10 * * ? *)", NOW, datetime!(2026-03-02 10:00 UTC)),
        ("cron(15 12 * * ? *)", NOW, datetime!(2026-03-01 12:15 UTC)),
        ("cron(0 18 ? * MON-FRI *)", NOW, datetime!(2026-03-02 18:00 UTC)),
        ("cron(0 8 1 * ? *)", NOW, datetime!(2026-04-01 8:00 UTC)),
        ("cron(0/15 * * * ? *)", NOW, datetime!(2026-03-01 12:15 UTC)),
        ("cron(0/5 8-17 ? * mon-fri *)", NOW, datetime!(2026-03-02 8:00 UTC)),
        ("cron(0/30 20-2 ? * MON-FRI *)", datetime!(2026-03-02 02:31 UTC), datetime!(2026-03-02 20:00 UTC)),
        ("cron(0 9 ? * 2#1 *)", NOW, datetime!(2026-03-02 9:00 UTC)),
        ("cron(0 9 ? * 6L *)", NOW, datetime!(2026-03-27 9:00 UTC)),
        ("cron(0 9 ? * L *)", NOW, datetime!(2026-03-07 9:00 UTC)),
        ("cron(0 9 L * ? *)", NOW, datetime!(2026-03-31 9:00 UTC)),
        ("cron(0 9 3W * ? *)", datetime!(2026-05-01 0:00 UTC), datetime!(2026-05-04 9:00 UTC)),
        ("cron(0 9 LW * ? *)", datetime!(2026-05-01 0:00 UTC), datetime!(2026-05-29 9:00 UTC)),
        ("cron(0 0 29 FEB ? *)", NOW, datetime!(2028-02-29 0:00 UTC)),
        ("cron(0 0 ? JAN-DEC/6 FRI-MON 2027)", NOW, datetime!(2027-01-01 0:00 UTC)),
        ("rate(5 minutes)", NOW, datetime!(2026-03-01 12:05 UTC)),
        ("rate(1 day)", NOW, datetime!(2026-03-02 12:00 UTC)),
        ("at(2026-03-01T12:00:01)", NOW, datetime!(2026-03-01 12:00:01 UTC)),
    ] {
        assert_eq!(next(text, "UTC", after), Some(then), "{text}");
    }
    assert_eq!(next("cron(0 0 1 1 ? 2020-2025)", "UTC", NOW), None);
    assert_eq!(next("cron(0 0 30 2 ? *)", "UTC", NOW), None);
    assert_eq!(next("at(2026-03-01T12:00:00)", "UTC", NOW), None);
}

#[test]
fn what_is_no_expression_is_refused() {
    for text in [
        "",
        "rate",
        "rate()",
        "rate(5)",
        "rate(0 minutes)",
        "rate(1 minutes)",
        "rate(5 minute)",
        "rate(-5 minutes)",
        "rate(5  minutes)",
        "rate(5 weeks)",
        "rate(4294967295 days)",
        "cron(0 10 * * *)",
        "cron(0 10 * * ? * *)",
        "cron(0 10 * * * *)",
        "cron(0 10 ? * ? *)",
        "cron(60 10 * * ? *)",
        "cron(? 10 * * ? *)",
        "cron(0 24 * * ? *)",
        "cron(0 10 0 * ? *)",
        "cron(0 10 32W * ? *)",
        "cron(0 10 * 13 ? *)",
        "cron(0 10 ? * 0 *)",
        "cron(0 10 ? * 8 *)",
        "cron(0 10 ? * 2#6 *)",
        "cron(0 10 ? * MONDAY *)",
        "cron(0 10 * * ? 1969)",
        "cron(0 10 * * ? 2030-2020)",
        "cron(0, 10 * * ? *)",
        "cron(0/0 10 * * ? *)",
        "cron(+1 10 * * ? *)",
        "cron(0 10 é * ? *)",
        "at(2026-03-01)",
        "at(2026-03-01T12:00:00Z)",
        "at(2026-02-30T12:00:00)",
        "every 5 minutes",
    ] {
        assert!(text.parse::<Expression>().is_err(), "{text:?}");
    }
    assert!("x".repeat(300).parse::<Expression>().is_err());
    for zone in ["", "Mars/Olympus", "../UTC", "Europe/Berlin\0"] {
        assert!(zone.parse::<Zone>().is_err(), "{zone:?}");
    }
}

#[test]
fn a_time_that_summer_time_leaves_out_is_not_run_and_one_it_repeats_is_run_once() {
    let daily = "cron(30 2 * * ? *)";
    // 29 March has no 02:30 in Berlin.
    let after = datetime!(2026-03-28 12:00 UTC);
    assert_eq!(next(daily, "Europe/Berlin", after), Some(datetime!(2026-03-30 00:30 UTC)));
    // 25 October has it twice.
    let first = datetime!(2026-10-25 00:30 UTC);
    assert_eq!(next(daily, "Europe/Berlin", datetime!(2026-10-24 12:00 UTC)), Some(first));
    assert_eq!(next(daily, "Europe/Berlin", first), Some(datetime!(2026-10-26 01:30 UTC)));
    // Between 03:00 and 02:00 again, what runs every ten minutes has run.
    let often = "cron(0/10 * * * ? *)";
    assert_eq!(
        next(often, "Europe/Berlin", datetime!(2026-10-25 00:50 UTC)),
        Some(datetime!(2026-10-25 02:00 UTC))
    );
    // A rate counts hours, not the clock's face.
    assert_eq!(
        next("rate(1 day)", "Europe/Berlin", datetime!(2026-03-28 12:00 UTC)),
        Some(datetime!(2026-03-29 12:00 UTC))
    );
}

/// A field of a pattern, and whether a number is one of its.
fn matches_field(text: &str, number: i64, least: i64, most: i64) -> bool {
    text.split(',').any(|part| {
        let (range, step) = part.split_once('/').unwrap_or((part, "1"));
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (first.parse().unwrap(), last.parse().unwrap()),
            None if range == "*" || range == "?" => (least, most),
            None if part.contains('/') => (range.parse().unwrap(), most),
            None => (range.parse::<i64>().unwrap(), range.parse().unwrap()),
        };
        let count = most - least + 1;
        let ahead = (number - first).rem_euclid(count);
        ahead <= (last - first).rem_euclid(count) && ahead % step.parse::<i64>().unwrap() == 0
    })
}

/// Whether a minute matches, found out without any of the code that is tested.
fn matches(fields: &[String; 6], minute: OffsetDateTime) -> bool {
    let day = i64::from(minute.day());
    let weekday = i64::from(minute.weekday().number_from_sunday());
    let length = i64::from(minute.month().length(minute.year()));
    let weekday_of = |other: i64| (weekday - 1 + other - day).rem_euclid(7) + 1;
    let workday = |other: i64| (2..=6).contains(&weekday_of(other));
    let day_of_month = match fields[2].as_str() {
        "L" => day == length,
        "LW" => day == (1..=length).rev().find(|day| workday(*day)).unwrap(),
        text if text.ends_with('W') => {
            let wanted: i64 = text.trim_end_matches('W').parse().unwrap();
            // The nearest workday of the month; of two as near, a Saturday's Friday and a Sunday's Monday are nearer.
            wanted <= length
                && Some(day)
                    == (1..=length).filter(|day| workday(*day)).min_by_key(|day| (day - wanted).abs())
        }
        text => matches_field(text, day, 1, 31),
    };
    let day_of_week = match fields[4].as_str() {
        text if text.ends_with('L') => {
            weekday == text.trim_end_matches('L').parse::<i64>().unwrap_or(7)
                && (text == "L" || day + 7 > length)
        }
        text if text.contains('#') => {
            let (wanted, nth) = text.split_once('#').unwrap();
            weekday.to_string() == wanted && ((day - 1) / 7 + 1).to_string() == nth
        }
        text => matches_field(text, weekday, 1, 7),
    };
    day_of_month
        && day_of_week
        && matches_field(&fields[0], minute.minute().into(), 0, 59)
        && matches_field(&fields[1], minute.hour().into(), 0, 23)
        && matches_field(&fields[3], u8::from(minute.month()).into(), 1, 12)
        && matches_field(&fields[5], minute.year().into(), 1970, 2199)
}

fn field(least: u8, most: u8) -> impl Strategy<Value = String> {
    let number = least..=most;
    prop_oneof![
        2 => Just("*".to_owned()),
        2 => number.clone().prop_map(|number| number.to_string()),
        1 => (number.clone(), number.clone()).prop_map(|(a, b)| format!("{a}-{b}")),
        1 => (number.clone(), number.clone(), 1..=7u8.min(most)).prop_map(|(a, b, s)| format!("{a}-{b}/{s}")),
        1 => (number.clone(), 1..=7u8.min(most)).prop_map(|(a, s)| format!("{a}/{s}")),
        1 => prop::collection::vec(number, 2..4)
            .prop_map(|list| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")),
    ]
}

fn days() -> impl Strategy<Value = (String, String)> {
    let of_month = prop_oneof![
        3 => field(1, 31),
        1 => Just("L".to_owned()),
        1 => Just("LW".to_owned()),
        1 => (1..=31u8).prop_map(|day| format!("{day}W")),
    ];
    let of_week = prop_oneof![
        2 => field(1, 7),
        1 => Just("L".to_owned()),
        1 => (1..=7u8).prop_map(|day| format!("{day}L")),
        1 => (1..=7u8, 1..=5u8).prop_map(|(day, nth)| format!("{day}#{nth}")),
    ];
    let unset = || "?".to_owned();
    prop_oneof![of_month.prop_map(move |day| (day, unset())), of_week.prop_map(move |day| (unset(), day))]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_next_and_the_last_time_are_those_that_a_walk_through_the_minutes_finds(
        minute in field(0, 59),
        hour in field(0, 23),
        (day_of_month, day_of_week) in days(),
        month in field(1, 12),
        year in prop_oneof![Just("*".to_owned()), Just("2027-2028".to_owned())],
        start in 0i64..2 * 366 * 24 * 3600,
    ) {
        let fields = [minute, hour, day_of_month, month, day_of_week, year];
        let text = format!("cron({})", fields.join(" "));
        let cron = expression(&text);
        let start = date!(2026-01-01).midnight().assume_utc() + Duration::seconds(start);
        let whole = start.replace_second(0).unwrap();
        const WALK: i64 = 40 * 24 * 60;
        let walked = (1..=WALK).map(|ahead| whole + Duration::minutes(ahead)).find(|minute| matches(&fields, *minute));
        let found = cron.next(&Zone::utc(), start, start);
        let end = whole + Duration::minutes(WALK);
        prop_assert_eq!(found.filter(|found| *found <= end), walked, "{} after {}", text, start);
        let back = (0..WALK).map(|ago| whole - Duration::minutes(ago)).find(|minute| matches(&fields, *minute));
        let end = whole - Duration::minutes(WALK);
        let found = cron.last(&Zone::utc(), start, start);
        prop_assert_eq!(found.filter(|found| *found > end), back, "{} before {}", text, start);
    }

    #[test]
    fn no_text_breaks_the_parser(text in "(rate|cron|at)?\\(?([0-9*?LW#/,-]{0,5} ?){0,7}.{0,3}\\)?") {
        if let Ok(found) = text.parse::<Expression>() {
            prop_assert_eq!(found.to_string(), text);
        }
    }

    #[test]
    fn times_go_forwards_through_every_change_of_a_zones_clock(
        zone in prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu"]),
        minute in field(0, 59),
        hour in field(0, 23),
        start in 1_100_000_000i64..1_900_000_000,
    ) {
        let (cron, zone) = (expression(&format!("cron({minute} {hour} * * ? *)")), zone.parse().unwrap());
        let mut at = OffsetDateTime::from_unix_timestamp(start).unwrap();
        for _ in 0..20 {
            let next = cron.next(&zone, at, at);
            prop_assert!(next.is_some_and(|next| next > at));
            let next = next.unwrap();
            // Nothing lies between, seen from either side.
            prop_assert!(cron.last(&zone, at, next - Duration::seconds(1)).is_none_or(|last| last <= at || last < next));
            at = next;
        }
    }
}

// ---- Running

struct World {
    schedules: Schedules,
    store: Store,
    registry: FunctionRegistry,
    clock: Arc<FixedClock>,
    directory: tempfile::TempDir,
    calls: Arc<Mutex<Vec<Value>>>,
    /// How many of the next calls find no place.
    full: Arc<AtomicUsize>,
}

async fn open(directory: &std::path::Path, clock: &Arc<FixedClock>) -> (Store, FunctionRegistry, Schedules) {
    let store = Store::open(&StoreOptions::new(directory.join("data"))).unwrap();
    let limits = PackageLimits { max_zip_bytes: 1 << 20, max_unpacked_bytes: 1 << 20, max_entries: 100 };
    let packages = PackageStore::open(directory.join("packages"), limits).unwrap();
    let registry = FunctionRegistry::open(store.clone(), packages, clock.clone(), RegistryOptions::default())
        .await
        .unwrap();
    let schedules = Schedules::open(store.clone(), registry.clone(), clock.clone()).unwrap();
    (store, registry, schedules)
}

impl World {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::at(NOW));
        let (store, registry, schedules) = open(directory.path(), &clock).await;
        Self { schedules, store, registry, clock, directory, calls: Arc::default(), full: Arc::default() }
    }

    /// The daemon ends, and another begins at this time.
    async fn reopened(self, now: OffsetDateTime) -> Self {
        let Self { schedules, store, registry, clock, directory, calls, full } = self;
        schedules.close().await;
        registry.close().await;
        store.close().await;
        drop((schedules, registry, store));
        clock.set(now);
        let (store, registry, schedules) = open(directory.path(), &clock).await;
        Self { schedules, store, registry, clock, directory, calls, full }
    }

    async fn put(&self, name: &str, expression: &str, missed: Missed) -> Key {
        let key = Key { account: AccountId::DEFAULT, kind: Kind::Own, name: name.parse().unwrap() };
        let definition = Definition {
            expression: expression.parse().unwrap(),
            zone: Zone::utc(),
            missed,
            enabled: true,
            description: String::new(),
            targets: vec![Target {
                id: "1".parse().unwrap(),
                function: "arn:aws:lambda:us-east-1:000000000000:function:f".parse().unwrap(),
                input: TargetInput::Event,
            }],
            tags: Tags::default(),
        };
        self.schedules.put(key.clone(), move |_, _| Ok(definition)).await.unwrap();
        key
    }

    /// The times of the runs that are made when the clock shows this.
    async fn at(&self, now: OffsetDateTime) -> Vec<String> {
        self.clock.set(now);
        let (calls, full) = (Arc::clone(&self.calls), Arc::clone(&self.full));
        let accept = move |invocation: Invocation| -> Ready<Result<RequestId, InvokeError>> {
            if full.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |full| full.checked_sub(1)).is_ok() {
                return ready(Err(InvokeError::Broken));
            }
            calls.lock().unwrap().push(serde_json::from_slice(&invocation.payload).unwrap());
            ready(Ok(RequestId::random()))
        };
        self.schedules.tick(&accept).await;
        let calls = std::mem::take(&mut *self.calls.lock().unwrap());
        calls.iter().map(|event| event["time"].as_str().unwrap().to_owned()).collect()
    }

    fn last(&self, key: &Key) -> LastRun {
        self.schedules.get(key).unwrap().last.unwrap()
    }

    fn next(&self, key: &Key) -> Option<OffsetDateTime> {
        self.schedules.get(key).unwrap().next
    }
}

#[tokio::test]
async fn a_schedule_runs_at_its_times_and_once_at_each() {
    let world = World::new().await;
    let key = world.put("often", "rate(5 minutes)", Missed::Once).await;
    assert!(world.at(NOW).await.is_empty());
    assert!(world.at(NOW + Duration::seconds(299)).await.is_empty());
    assert_eq!(world.at(NOW + Duration::minutes(5)).await, ["2026-03-01T12:05:00Z"]);
    assert!(world.at(NOW + Duration::minutes(5)).await.is_empty());
    assert_eq!(world.at(NOW + Duration::seconds(601)).await, ["2026-03-01T12:10:00Z"]);
    assert_eq!(world.last(&key).outcome, Outcome::Accepted);
    assert_eq!(world.next(&key), Some(NOW + Duration::minutes(15)));
    world.schedules.set_enabled(key.clone(), false).await.unwrap();
    assert!(world.at(NOW + Duration::hours(2)).await.is_empty());
    world.schedules.set_enabled(key.clone(), true).await.unwrap();
    assert!(
        world.at(NOW + Duration::hours(2)).await.is_empty(),
        "what was to run while it was off is not missed"
    );
    world.schedules.delete(key.clone()).await.unwrap();
    assert!(world.at(NOW + Duration::hours(3)).await.is_empty());
}

#[tokio::test]
async fn after_a_downtime_missed_runs_are_run_once_or_skipped_as_set() {
    let world = World::new().await;
    let once = world.put("once", "cron(0 * * * ? *)", Missed::Once).await;
    let skip = world.put("skip", "cron(0 * * * ? *)", Missed::Skip).await;
    assert_eq!(world.at(NOW + Duration::hours(1)).await.len(), 2);
    let world = world.reopened(datetime!(2026-03-03 09:30 UTC)).await;
    let now = datetime!(2026-03-03 09:30 UTC);
    assert_eq!(world.at(now).await, ["2026-03-03T09:00:00Z"]);
    assert_eq!(world.last(&once).scheduled, datetime!(2026-03-03 09:00 UTC));
    assert_eq!(world.last(&skip).outcome, Outcome::Skipped);
    // Neither the run nor the decision is made again by the next daemon.
    let world = world.reopened(now).await;
    assert!(world.at(now).await.is_empty());
    assert_eq!(world.at(datetime!(2026-03-03 10:00 UTC)).await.len(), 2);
    assert_eq!(world.last(&skip).outcome, Outcome::Accepted);
}

#[tokio::test]
async fn a_clock_that_jumps_makes_no_storm_and_loses_no_next_run() {
    for jump in [Duration::hours(1), Duration::days(365)] {
        let world = World::new().await;
        let rate = world.put("rate", "rate(1 minute)", Missed::Once).await;
        let cron = world.put("cron", "cron(0/30 * * * ? *)", Missed::Once).await;
        let ahead = NOW + jump + Duration::seconds(30);
        assert_eq!(world.at(ahead).await.len(), 2, "one run each makes up for all");
        assert!(world.at(ahead).await.is_empty());
        // And back to where it was.
        assert!(world.at(NOW + Duration::seconds(10)).await.is_empty());
        let next = world.next(&rate).unwrap();
        assert!(next - NOW <= Duration::seconds(70), "{next}");
        assert_eq!(world.at(NOW + Duration::seconds(70)).await.len(), 1);
        // What ran in the hour that is repeated does not run again; after a year's error it begins anew.
        let expected = if jump < Duration::days(1) {
            ahead - Duration::seconds(30) + Duration::minutes(30)
        } else {
            NOW + Duration::minutes(30)
        };
        assert_eq!(world.next(&cron), Some(expected));
    }
}

#[tokio::test]
async fn a_single_time_is_run_once_whatever_the_clock_does() {
    let world = World::new().await;
    let key = world.put("once", "at(2026-03-01T13:00:00)", Missed::Once).await;
    assert!(world.at(NOW).await.is_empty());
    assert_eq!(world.at(NOW + Duration::days(2)).await, ["2026-03-01T13:00:00Z"]);
    assert!(world.at(NOW - Duration::days(400)).await.is_empty());
    assert!(world.at(NOW + Duration::days(3)).await.is_empty());
    assert_eq!(world.next(&key), None);
    let world = world.reopened(NOW).await;
    assert!(world.at(NOW + Duration::days(4)).await.is_empty());
}

#[tokio::test]
async fn a_run_that_finds_no_place_is_tried_again_and_is_noted_only_when_it_is_accepted() {
    let world = World::new().await;
    let key = world.put("hourly", "cron(0 * * * ? *)", Missed::Once).await;
    world.full.store(2, Ordering::SeqCst);
    let due = NOW + Duration::hours(1);
    assert!(world.at(due).await.is_empty());
    assert_eq!(world.schedules.get(&key).unwrap().last, None);
    // A change that leaves its times alone loses nothing of it.
    world
        .schedules
        .update(key.clone(), |definition| {
            definition.description = "x".to_owned();
            Ok(())
        })
        .await
        .unwrap();
    // A daemon that dies now runs it again.
    let world = world.reopened(due + Duration::seconds(5)).await;
    assert!(world.at(due + Duration::seconds(5)).await.is_empty());
    assert!(world.at(due + Duration::seconds(9)).await.is_empty(), "not at once");
    assert_eq!(world.at(due + Duration::seconds(16)).await, ["2026-03-01T13:00:00Z"]);
    assert!(world.at(due + Duration::minutes(1)).await.is_empty());
    assert_eq!(world.last(&key).outcome, Outcome::Accepted);
}

#[tokio::test]
async fn a_rule_that_no_policy_lets_in_calls_nothing_and_says_so() {
    let world = World::new().await;
    let own = world.put("own", "rate(1 minute)", Missed::Once).await;
    let definition = Definition::clone(&world.schedules.get(&own).unwrap().definition);
    world.schedules.delete(own).await.unwrap();
    let key = Key { account: AccountId::DEFAULT, kind: Kind::Rule, name: "rule".parse().unwrap() };
    world.schedules.put(key.clone(), move |_, _| Ok(definition)).await.unwrap();
    assert!(world.at(NOW + Duration::minutes(1)).await.is_empty());
    let last = world.last(&key);
    assert_eq!(last.outcome, Outcome::Refused);
    assert!(last.detail.contains("does not let events.amazonaws.com in"), "{}", last.detail);
    assert!(matches!(world.schedules.delete(key).await, Err(ScheduleError::HasTargets)));
}

#[tokio::test]
async fn an_account_has_so_many_schedules_and_no_more() {
    let world = World::new().await;
    let key = world.put("first", "rate(1 day)", Missed::Once).await;
    let definition = Definition::clone(&world.schedules.get(&key).unwrap().definition);
    for number in 1..MOST_SCHEDULES {
        let (definition, name) = (definition.clone(), format!("s{number}").parse().unwrap());
        world.schedules.put(Key { name, ..key.clone() }, move |_, _| Ok(definition)).await.unwrap();
    }
    let one_more = Key { name: "more".parse().unwrap(), ..key.clone() };
    let (again, other) = (definition.clone(), Key { kind: Kind::Rule, ..one_more.clone() });
    let refused = world.schedules.put(one_more, move |_, _| Ok(again)).await.unwrap_err();
    assert!(matches!(refused, ScheduleError::TooMany { limit: 300, .. }), "{refused}");
    world.schedules.put(other, move |_, _| Ok(definition)).await.unwrap();
    assert_eq!(world.schedules.list(AccountId::DEFAULT, Kind::Own).len(), MOST_SCHEDULES);
    assert_eq!(world.at(NOW + Duration::days(1)).await.len(), MOST_SCHEDULES, "all at their one moment");
}

#[test]
fn the_event_is_eventbridges() {
    let key = Key { account: AccountId::DEFAULT, kind: Kind::Rule, name: "nightly".parse().unwrap() };
    assert_eq!(
        event::scheduled(&key, &Region::default(), "id", NOW),
        json!({
            "version": "0", "id": "id", "detail-type": "Scheduled Event", "source": "aws.events",
            "account": "000000000000", "time": "2026-03-01T12:00:00Z", "region": "us-east-1",
            "resources": ["arn:aws:events:us-east-1:000000000000:rule/nightly"], "detail": {}
        })
    );
}
