//! The loops with a clock that the tests set, and somebody who answers as they say.

use std::{
    future::pending,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep, sleep_until};

use super::*;
use crate::commands::bench::{
    arguments::{Arrivals, Limits},
    arrivals::{Call, Schedule},
    mix::{Mix, Share},
    tally::{Kind, Tally},
};

/// The test's clock.
struct Paused;

impl Alarm for Paused {
    async fn until(&mut self, due: Instant) -> io::Result<()> {
        sleep_until(due).await;
        Ok(())
    }
}

struct Nobody;

impl Watch for Nobody {
    fn show(&mut self, _: Duration, _: usize, _: &Tally) {}
}

/// Answers the calls in turn: so long after they came, and like this; the last for ever on.
#[derive(Clone)]
struct Fake {
    answers: Arc<Vec<(u64, Answer)>>,
    calls: Arc<AtomicUsize>,
}

impl Fake {
    fn new(answers: impl Into<Vec<(u64, Answer)>>) -> Self {
        Self { answers: Arc::new(answers.into()), calls: Arc::default() }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

impl Target for Fake {
    fn call(&self, _: usize) -> impl Future<Output = Answer> + Send + 'static {
        let at = self.calls.fetch_add(1, Ordering::Relaxed).min(self.answers.len() - 1);
        let (millis, answer) = self.answers[at].clone();
        async move {
            sleep(Duration::from_millis(millis)).await;
            answer
        }
    }
}

const WARM: Answer = Answer::Returned { is_cold: false };
const COLD: Answer = Answer::Returned { is_cold: true };

const LIMITS: Limits =
    Limits { calls: None, duration: None, warm_up: Duration::ZERO, wait: Duration::from_secs(5) };

fn seconds(seconds: u64) -> Limits {
    Limits { duration: Some(Duration::from_secs(seconds)), ..LIMITS }
}

fn calls(calls: u64) -> Limits {
    Limits { calls: Some(calls), ..LIMITS }
}

fn mix() -> Mix {
    Mix::new(&[Share::parse("a").unwrap()], 1)
}

async fn run_closed(fake: &Fake, limits: Limits, clients: u32, think: u64) -> Tally {
    let flight = Flight::new(fake.clone(), Nobody, limits, 1);
    closed(flight, mix(), clients, Duration::from_millis(think), &mut async || pending().await).await
}

async fn run_open(fake: &Fake, limits: Limits, rate: f64, max_in_flight: usize) -> Tally {
    let flight = Flight::new(fake.clone(), Nobody, limits, 1);
    let schedule = Schedule::new(rate, Arrivals::Constant, mix(), 1);
    open(flight, schedule, max_in_flight, &mut Paused, &mut async || pending().await).await.unwrap()
}

/// Milliseconds as they are kept: to three digits.
fn about(micros: u64, millis: u64) -> bool {
    micros.abs_diff(millis * 1000) <= millis * 2
}

fn missed(tally: &Tally, kind: Kind) -> u64 {
    tally.misses().get(&kind).map_or(0, |misses| misses.count)
}

#[tokio::test(start_paused = true)]
async fn clients_call_again_when_they_are_answered() {
    let fake = Fake::new([(100, WARM)]);
    let tally = run_closed(&fake, seconds(10), 4, 0).await;
    // Ten a second each; the last are begun before the end and waited for.
    assert_eq!((tally.answered(), tally.missed(), fake.calls()), (400, 0, 400));
    assert!((tally.rate() - 40.0).abs() < 1.0, "{}", tally.rate());
    let latencies = tally.latencies();
    assert!(about(latencies.warm.min(), 100) && about(latencies.warm.max(), 100));
}

#[tokio::test(start_paused = true)]
async fn clients_think_before_they_call_again() {
    let fake = Fake::new([(100, WARM)]);
    let tally = run_closed(&fake, seconds(10), 2, 400).await;
    assert_eq!(tally.answered(), 40);
}

#[tokio::test(start_paused = true)]
async fn a_closed_loop_ends_after_its_calls() {
    let fake = Fake::new([(10, COLD), (10, WARM)]);
    let tally = run_closed(&fake, calls(25), 8, 0).await;
    assert_eq!((tally.answered(), fake.calls()), (25, 25));
    let latencies = tally.latencies();
    assert_eq!((latencies.cold.len(), latencies.warm.len()), (1, 24), "cold and warm are kept apart");
}

#[tokio::test(start_paused = true)]
async fn what_is_called_while_it_warms_up_is_not_in_the_figures() {
    let fake = Fake::new([(100, COLD), (100, WARM)]);
    let limits = Limits { warm_up: Duration::from_secs(2), ..seconds(3) };
    let tally = run_closed(&fake, limits, 1, 0).await;
    assert_eq!((fake.calls(), tally.answered(), tally.latencies().cold.len()), (50, 30, 0));
    assert_eq!(tally.elapsed, Duration::from_secs(3));
    let fake = Fake::new([(1, WARM)]);
    let limits = Limits { warm_up: Duration::from_secs(2), ..calls(7) };
    let tally = run_open(&fake, limits, 10.0, 9).await;
    assert_eq!((fake.calls(), tally.answered()), (27, 7));
}

#[tokio::test(start_paused = true)]
async fn a_client_leaves_a_daemon_alone_for_a_moment_that_does_not_answer() {
    let fake = Fake::new([(0, Answer::Lost { why: "gone".to_owned() })]);
    let tally = run_closed(&fake, seconds(1), 1, 0).await;
    assert_eq!((tally.answered(), missed(&tally, Kind::Lost)), (0, 10));
    assert_eq!(tally.misses()[&Kind::Lost].first, "gone");
}

#[tokio::test(start_paused = true)]
async fn an_open_loop_calls_at_its_rate_however_slow_the_answers_are() {
    let fake = Fake::new([(3000, WARM)]);
    let tally = run_open(&fake, seconds(10), 50.0, 1000).await;
    assert_eq!((tally.answered(), tally.missed()), (500, 0));
    assert!(about(tally.latencies().warm.max(), 3000), "nobody waited for anybody");
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_of_the_time_that_was_asked_for() {
    let tally = run_open(&Fake::new([(1, WARM)]), seconds(10), 1.0, 9).await;
    assert_eq!(tally.answered(), 10);
    assert!((tally.rate() - 1.0).abs() < 0.01, "{}", tally.rate());
}

/// Calls that were all meant for moments which are over when the loop gets to them, as after a pause of this machine.
#[tokio::test(start_paused = true)]
async fn a_late_call_is_measured_from_when_it_was_meant_to_be_made() {
    let fake = Fake::new([(10, WARM)]);
    let flight = Flight::new(fake, Nobody, LIMITS, 1);
    sleep(Duration::from_millis(400)).await;
    let schedule = (0..5).map(|at| Call { at: Duration::from_millis(100 * at), function: 0 });
    let tally = open(flight, schedule, 9, &mut Paused, &mut async || pending().await).await.unwrap();
    let warm = tally.latencies().warm;
    // 410, 310, 210, 110 and 10 ms: not five times 10.
    assert!(about(warm.max(), 410) && about(warm.min(), 10), "{} {}", warm.min(), warm.max());
    assert!(about(warm.value_at_quantile(0.5), 210), "{}", warm.value_at_quantile(0.5));
    assert!(about(tally.late.max(), 400), "{}", tally.late.max());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_would_be_one_too_many_is_counted_and_not_made() {
    // One that takes a second, then quick ones: ten moments come while it is the only one that may be under way.
    let fake = Fake::new([(1000, WARM), (1, WARM)]);
    let tally = run_open(&fake, seconds(2), 10.0, 1).await;
    assert_eq!(missed(&tally, Kind::NotSent) + tally.answered(), 20);
    assert!((9..=10).contains(&missed(&tally, Kind::NotSent)), "{tally:?}");
    assert_eq!(fake.calls() as u64, tally.answered());
    assert_eq!(tally.calls(), 20, "none is dropped silently");
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_not_answered_in_the_end_are_counted() {
    let fake = Fake::new([(1, WARM), (3_600_000, WARM)]);
    let tally = run_closed(&fake, calls(3), 2, 0).await;
    assert_eq!((tally.answered(), missed(&tally, Kind::Unanswered), tally.calls()), (1, 2, 3));
}

#[tokio::test(start_paused = true)]
async fn every_way_to_fail_is_counted_by_its_kind() {
    let why = || "why".to_owned();
    let fake = Fake::new([
        (1, Answer::Failed { is_cold: true, why: why() }),
        (1, Answer::Throttled { why: why() }),
        (1, Answer::Refused { why: why() }),
        (1, Answer::Lost { why: why() }),
        (1, WARM),
    ]);
    let tally = run_closed(&fake, calls(6), 1, 0).await;
    for kind in [Kind::FunctionError, Kind::Throttled, Kind::Refused, Kind::Lost] {
        assert_eq!(missed(&tally, kind), 1, "{kind:?}");
    }
    // A function that fails has answered, and took its time.
    assert_eq!((tally.answered(), tally.latencies().cold.len(), tally.missed(), tally.calls()), (3, 1, 4, 6));
}

#[tokio::test(start_paused = true)]
async fn whoever_ends_it_early_gets_the_figures_until_then() {
    let fake = Fake::new([(100, WARM)]);
    let stop = Instant::now() + Duration::from_millis(1050);
    let flight = Flight::new(fake.clone(), Nobody, seconds(60), 1);
    let mut once = Some(stop);
    let mut stopping = async || match once {
        Some(moment) => {
            sleep_until(moment).await;
            once = None;
        }
        None => pending().await,
    };
    let tally = closed(flight, mix(), 1, Duration::ZERO, &mut stopping).await;
    assert_eq!((tally.answered(), tally.missed()), (11, 0), "the last one was waited for");

    // Whoever does it twice waits for nobody.
    let fake = Fake::new([(3_600_000, WARM)]);
    let flight = Flight::new(fake, Nobody, seconds(60), 1);
    let stop = Instant::now() + Duration::from_millis(900);
    let mut stopping = async || sleep_until(stop).await;
    let tally =
        open(flight, Schedule::new(2.0, Arrivals::Constant, mix(), 1), 9, &mut Paused, &mut stopping).await;
    assert_eq!(missed(&tally.unwrap(), Kind::Unanswered), 2);
}
