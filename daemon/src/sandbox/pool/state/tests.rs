//! The pool's rules, one by one and in any order.

mod floors;

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::KeepAlive;

const BUDGET: u64 = 1000;
const POLICY: Policy = Policy { mode: KeepAlive::Histogram, fixed: Duration::from_secs(600) };
const NONE_READY: ReadyLimits = ReadyLimits { least: 0, most: 0 };

/// The books, and what they asked for.
struct World {
    state: PoolState,
    base: Arc<Base>,
    now: Instant,
}

impl World {
    fn new(ready: ReadyLimits) -> Self {
        Self {
            state: PoolState::new(BUDGET, ready, POLICY),
            base: Base::for_tests("image"),
            now: Instant::now(),
        }
    }

    fn spec(&self, name: &str, memory_mb: u32) -> Arc<SandboxSpec> {
        SandboxSpec::for_tests(&self.base, name, memory_mb)
    }

    fn wait(&mut self, waiter: WaiterId, name: &str) -> Vec<Action> {
        let spec = self.spec(name, 400);
        self.state.wait(waiter, &spec, self.now);
        self.state.take_actions()
    }

    /// A call waits and has a sandbox prepared.
    fn preparing(&mut self, waiter: WaiterId, name: &str) -> SandboxId {
        match self.wait(waiter, name).as_slice() {
            [Action::Prepare(id, _)] => id.clone(),
            other => panic!("not a sandbox: {other:?}"),
        }
    }

    /// A sandbox that runs a call.
    fn busy(&mut self, waiter: WaiterId, name: &str) -> SandboxId {
        let id = self.preparing(waiter, name);
        self.assigned(&id);
        assert!(self.state.try_grant(&id));
        assert!(matches!(&self.state.take_actions()[..], [Action::Grant(to, _)] if *to == waiter));
        id
    }

    fn assigned(&mut self, id: &SandboxId) {
        assert!(self.state.prepared(id, true));
        assert!(matches!(&self.state.take_actions()[..], [Action::Assign(to, ..)] if to == id));
    }

    /// A sandbox without a function.
    fn ready(&mut self) -> SandboxId {
        self.state.keep_ready(&[Arc::clone(&self.base)], self.now);
        assert!(self.state.restock(self.now));
        let [Action::Prepare(id, _)] = &self.state.take_actions()[..] else { panic!("nothing prepared") };
        assert!(self.state.prepared(id, true));
        self.state.measured(id, 20);
        id.clone()
    }

    fn take_idle(&mut self, name: &str) -> Taken {
        let spec = self.spec(name, 400);
        self.state.take_idle(&spec)
    }

    fn stopped(&mut self) -> Vec<SandboxId> {
        let is_stop = |action| if let Action::Stop(id) = action { Some(id) } else { None };
        self.state.take_actions().into_iter().filter_map(is_stop).collect()
    }
}

#[test]
fn the_last_one_used_is_the_first_one_taken() {
    let mut world = World::new(NONE_READY);
    let (first, second) = (world.busy(1, "a"), world.busy(2, "a"));
    assert!(world.state.offer(&second, true));
    assert!(world.state.offer(&first, true));
    assert_eq!(world.take_idle("a"), Taken::Sandbox(first));
    assert_eq!(world.take_idle("a"), Taken::Sandbox(second));
    assert_eq!(world.take_idle("a"), Taken::None);
}

#[test]
fn the_least_lately_used_is_evicted_and_its_memory_waited_for() {
    let mut world = World::new(NONE_READY);
    let (old, young) = (world.busy(1, "a"), world.busy(2, "b"));
    world.state.offer(&old, true);
    world.state.offer(&young, true);
    assert!(matches!(&world.wait(3, "c")[..], [Action::Stop(id)] if *id == old));
    world.state.gone(&old);
    assert!(matches!(&world.state.take_actions()[..], [Action::Prepare(..)]));
    assert_eq!(world.state.phase(&young), Some(Phase::Idle));
}

#[test]
fn a_call_is_refused_when_running_calls_hold_the_memory() {
    let mut world = World::new(NONE_READY);
    world.busy(1, "a");
    world.busy(2, "b");
    assert!(matches!(&world.wait(3, "c")[..], [Action::Refuse(3, 400)]));
    assert!(world.state.wants.is_empty());
}

#[test]
fn a_frozen_sandbox_holds_what_it_has_and_takes_the_rest_back_when_it_runs() {
    let mut world = World::new(NONE_READY);
    let first = world.busy(1, "a");
    world.state.offer(&first, true);
    world.state.measured(&first, 50);
    let others = [world.busy(2, "b"), world.busy(3, "c")];
    assert_eq!(world.state.reserved_mb(), 850);
    assert_eq!(world.take_idle("a"), Taken::NoMemory(400), "two running calls hold 800 of 1000 MB");
    world.state.offer(&others[0], true);
    world.state.measured(&others[0], 300);
    assert_eq!(world.take_idle("a"), Taken::Sandbox(first));
    assert_eq!(world.stopped(), [others[0].clone()], "an idle one makes room for one that runs");
}

#[test]
fn what_waits_for_memory_gets_it_from_whoever_becomes_idle() {
    let mut world = World::new(NONE_READY);
    let first = world.busy(1, "a");
    world.state.offer(&first, true);
    let second = world.busy(2, "b");
    world.state.offer(&second, true);
    assert_eq!(world.wait(3, "c").len(), 1, "one is told to go");
    assert_eq!(world.take_idle("b"), Taken::Sandbox(second.clone()));
    let third = world.spec("d", 500);
    world.state.wait(4, &third, world.now);
    world.state.take_actions();
    world.state.offer(&second, true);
    world.state.gone(&first);
    assert!(world.state.queue.is_empty() || world.state.budget.is_leaving());
}

#[test]
fn a_call_counts_on_a_finishing_sandbox_until_it_insists() {
    let mut world = World::new(NONE_READY);
    let busy = world.busy(1, "a");
    world.state.finishing(&busy, world.now);
    assert!(world.wait(2, "a").is_empty());
    let spec = world.spec("a", 400);
    world.state.insist(2, &spec, world.now);
    let actions = world.state.take_actions();
    let [Action::Prepare(new, _)] = &actions[..] else { panic!("{actions:?}") };
    assert!(world.state.try_grant(&busy));
    assert!(
        world.state.prepared(new, true),
        "what was made for a call that needs it no more stays for others"
    );
    assert_eq!(world.state.phase(new), Some(Phase::Ready));
    assert!(world.state.wants.is_empty());
}

#[test]
fn a_failed_start_fails_one_call_and_no_more() {
    let mut world = World::new(NONE_READY);
    let (one, two) = (world.preparing(1, "a"), world.preparing(2, "a"));
    assert_eq!(world.state.stopping(&one, Shortfall::Stopped, world.now), Some(1));
    world.state.gone(&one);
    assert!(world.state.take_actions().is_empty());
    world.assigned(&two);
    assert!(world.state.try_grant(&two));
    assert!(matches!(&world.state.take_actions()[..], [Action::Grant(2, _)]));
}

#[test]
fn a_cold_call_takes_a_ready_sandbox_and_its_memory_counts_once() {
    let mut world = World::new(ReadyLimits { least: 1, most: 1 });
    let ready = world.ready();
    let big = world.spec("a", 1000);
    world.state.wait(1, &big, world.now);
    assert!(matches!(&world.state.take_actions()[..], [Action::Assign(id, ..)] if *id == ready));
    assert_eq!(world.state.reserved_mb(), 1000);
    assert!(!world.state.restock(world.now), "no memory is left for another");
}

#[test]
fn a_call_takes_the_sandbox_that_is_ready_first_whoever_it_was_begun_for() {
    let mut world = World::new(NONE_READY);
    let (first, second) = (world.preparing(1, "a"), world.preparing(2, "b"));
    assert!(world.state.prepared(&second, true));
    let actions = world.state.take_actions();
    assert!(matches!(&actions[..], [Action::Assign(id, spec, _)] if *id == second && &*spec.key.0 == "a"));
    world.assigned(&first);
}

#[test]
fn a_call_joins_a_sandbox_that_is_being_made_ready() {
    let mut world = World::new(ReadyLimits { least: 1, most: 1 });
    world.state.keep_ready(&[Arc::clone(&world.base)], world.now);
    assert!(world.state.restock(world.now));
    let actions = world.state.take_actions();
    let [Action::Prepare(id, _)] = &actions[..] else { panic!("{actions:?}") };
    assert!(world.wait(1, "a").is_empty(), "one is on its way already");
    world.assigned(id);
}

#[test]
fn ready_sandboxes_make_room_for_calls() {
    let mut world = World::new(ReadyLimits { least: 1, most: 1 });
    let ready = world.ready();
    let other = Base::for_tests("other image");
    let spec = SandboxSpec::for_tests(&other, "b", 1000);
    world.state.wait(1, &spec, world.now);
    assert_eq!(world.stopped(), std::slice::from_ref(&ready));
    world.state.gone(&ready);
    assert!(
        matches!(&world.state.take_actions()[..], [Action::Prepare(_, base)] if base.image() == "other image")
    );
}

#[test]
fn what_stands_ready_follows_demand_and_goes_with_the_last_function() {
    let mut world = World::new(ReadyLimits { least: 1, most: 3 });
    let first = world.ready();
    assert!(!world.state.restock(world.now), "nobody has asked for more than one");
    for waiter in 1..=2 {
        let spec = world.spec(&format!("f{waiter}"), 100);
        world.state.wait(waiter, &spec, world.now);
    }
    assert!(world.state.restock(world.now));
    assert!(world.state.restock(world.now));
    assert!(!world.state.restock(world.now), "two were asked for lately");
    world.state.take_actions();
    assert_eq!(world.state.phase(&first), Some(Phase::Starting));
    let spare = world.state.entries.iter().filter(|(_, entry)| entry.phase == Phase::Preparing);
    let spare: Vec<_> = spare.map(|(id, _)| id.clone()).collect();
    spare.iter().for_each(|id| assert!(world.state.prepared(id, true)));
    world.state.take_actions();
    world.now += Duration::from_secs(3600);
    world.state.shrink(world.now);
    assert_eq!(world.stopped().len(), 1, "the burst is forgotten");
    world.state.keep_ready(&[], world.now);
    assert!(!world.state.entries.values().any(|entry| entry.phase == Phase::Ready));
}

#[test]
fn what_costs_more_to_make_again_or_holds_less_stays() {
    for costly in [1, 2] {
        let mut world = World::new(NONE_READY);
        for name in ["a", "b"] {
            let spec = world.spec(name, 400);
            world.state.called(&spec, world.now);
        }
        let both = [world.busy(1, "a"), world.busy(2, "b")];
        for (number, id) in (1..).zip(&both) {
            world.state.started(id, Duration::from_millis(if number == costly { 900 } else { 300 }));
            world.state.offer(id, true);
        }
        world.wait(3, "c");
        let phase = |id: &SandboxId| world.state.phase(id);
        let kept = both.iter().position(|id| phase(id) == Some(Phase::Idle));
        assert_eq!(kept, Some(costly - 1));
    }
    let mut world = World::new(NONE_READY);
    for name in ["a", "b"] {
        let spec = world.spec(name, 400);
        world.state.called(&spec, world.now);
    }
    let (large, small) = (world.busy(1, "a"), world.busy(2, "b"));
    for (id, used) in [(&small, 10), (&large, 400)] {
        world.state.offer(id, true);
        world.state.measured(id, used);
    }
    let spec = world.spec("c", 700);
    world.state.wait(3, &spec, world.now);
    assert_eq!(world.stopped(), [large], "the small one was used less lately");
}

#[test]
fn one_that_is_called_often_outlives_one_that_was_called_later() {
    let mut world = World::new(NONE_READY);
    let (often, once) = (world.busy(1, "a"), world.busy(2, "b"));
    let specs = [world.spec("a", 400), world.spec("b", 400)];
    (0..5).for_each(|_| world.state.called(&specs[0], world.now));
    world.state.called(&specs[1], world.now);
    world.state.offer(&often, true);
    world.state.offer(&once, true);
    assert!(matches!(&world.wait(3, "c")[..], [Action::Stop(id)] if *id == once));
}

#[test]
fn an_expected_call_finds_the_sandbox_that_was_made_ahead_of_it() {
    let mut world = World::new(ReadyLimits { least: 1, most: 1 });
    let ready = world.ready();
    let spec = world.spec("a", 400);
    assert!(world.state.expect(&spec, world.now));
    assert!(matches!(&world.state.take_actions()[..], [Action::Assign(id, ..)] if *id == ready));
    assert!(!world.state.expect(&spec, world.now), "one is on its way");
    assert!(!world.state.try_grant(&ready) && world.state.offer(&ready, true));
    assert!(!world.state.expect(&spec, world.now), "one is there");
    assert_eq!(world.take_idle("a"), Taken::Sandbox(ready));
}

#[test]
fn a_call_that_comes_early_joins_what_is_made_ahead_of_it() {
    let mut world = World::new(NONE_READY);
    let spec = world.spec("a", 400);
    assert!(world.state.expect(&spec, world.now));
    let actions = world.state.take_actions();
    let [Action::Prepare(id, _)] = &actions[..] else { panic!("{actions:?}") };
    assert!(world.wait(1, "a").is_empty(), "one is on its way already");
    world.assigned(id);
    assert!(world.state.try_grant(id));
}

#[test]
fn what_is_made_ahead_takes_no_memory_from_anyone() {
    let mut world = World::new(NONE_READY);
    let others = [world.busy(1, "b"), world.busy(2, "c")];
    let spec = world.spec("a", 400);
    assert!(!world.state.expect(&spec, world.now));
    others.iter().for_each(|id| assert!(world.state.offer(id, true)));
    assert!(!world.state.expect(&spec, world.now), "idle ones stay, too");
    world.state.measured(&others[0], 50);
    assert!(world.state.expect(&spec, world.now));
    assert!(world.stopped().is_empty());
}

#[test]
fn what_is_made_ahead_and_fails_fails_no_call() {
    let mut world = World::new(NONE_READY);
    let spec = world.spec("a", 400);
    for is_assigned in [false, true] {
        assert!(world.state.expect(&spec, world.now));
        let actions = world.state.take_actions();
        let [Action::Prepare(id, _)] = &actions[..] else { panic!("{actions:?}") };
        if is_assigned {
            world.assigned(id);
        }
        assert_eq!(world.state.stopping(id, Shortfall::Stopped, world.now), None);
        world.state.gone(id);
        assert!(world.state.take_actions().is_empty());
    }
    assert!(world.state.budget.is_empty() && world.state.versions.is_empty());
}

#[derive(Clone, Debug)]
enum Step {
    Arrive(u8),
    Insist(u8),
    GiveUp(u8),
    Prepared(u8, bool),
    Offer(u8, bool),
    Measure(u8, u8),
    Finish(u8),
    Fail(u8),
    Expire(u8),
    Gone(u8),
    Restock,
    Keep(bool),
    Expect(u8),
    Floor(u8, u8),
    Pass(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..4_u8).prop_map(Step::Arrive),
        1 => any::<u8>().prop_map(Step::Insist),
        1 => any::<u8>().prop_map(Step::GiveUp),
        4 => (any::<u8>(), prop::bool::weighted(0.8)).prop_map(|(which, welcome)| Step::Prepared(which, welcome)),
        4 => (any::<u8>(), prop::bool::weighted(0.8)).prop_map(|(which, wanted)| Step::Offer(which, wanted)),
        3 => (any::<u8>(), any::<u8>()).prop_map(|(which, used)| Step::Measure(which, used)),
        2 => any::<u8>().prop_map(Step::Finish),
        1 => any::<u8>().prop_map(Step::Fail),
        1 => any::<u8>().prop_map(Step::Expire),
        3 => any::<u8>().prop_map(Step::Gone),
        2 => Just(Step::Restock),
        1 => any::<bool>().prop_map(Step::Keep),
        1 => (0..4_u8).prop_map(Step::Expect),
        1 => (0..4_u8, 0..3_u8).prop_map(|(name, least)| Step::Floor(name, least)),
        2 => any::<u16>().prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    /// Whatever happens in whatever order: no waiter is left without a sandbox on its way, memory is never given
    /// out twice, no sandbox serves two functions, none but an idle one makes room, nothing that is made ahead of a call
    /// takes anyone's place, and when everything ends nothing is left on the books.
    #[test]
    fn the_books_are_always_true(steps in steps()) {
        let mut world = World::new(ReadyLimits { least: 1, most: 3 });
        let bases = [Base::for_tests("one"), Base::for_tests("two")];
        let specs: Vec<_> = (0..4_u32)
            .map(|n| SandboxSpec::for_tests(&bases[n as usize % 2], &n.to_string(), 100 + 100 * n))
            .collect();
        let mut waiting: BTreeMap<WaiterId, usize> = BTreeMap::new();
        let mut alive: Vec<SandboxId> = Vec::new();
        let mut functions: HashMap<SandboxId, SpecKey> = HashMap::new();
        let mut floors: Vec<(Arc<SandboxSpec>, u32)> = Vec::new();
        let mut next = 0;
        for step in steps {
            let state = &mut world.state;
            let kept: Vec<_> = state.entries.iter().filter(|(_, entry)| entry.of_floor).map(|(id, _)| id.clone()).collect();
            let before: HashMap<_, _> = state.entries.iter().map(|(id, entry)| (id.clone(), entry.phase)).collect();
            let is_guess = matches!(step, Step::Expect(_) | Step::Pass(_));
            let changes_floors = matches!(step, Step::Floor(..));
            let mut own = None;
            let mut pick = |which: u8| {
                own = alive.get(usize::from(which) % alive.len().max(1)).cloned();
                own.clone()
            };
            let waiter = |which: u8| {
                waiting.iter().nth(usize::from(which) % waiting.len().max(1)).map(|(id, name)| (*id, *name))
            };
            let is = |state: &PoolState, id: &SandboxId, phases: &[Phase]| {
                state.phase(id).is_some_and(|phase| phases.contains(&phase))
            };
            match step {
                Step::Arrive(name) => {
                    let name = usize::from(name);
                    state.called(&specs[name], world.now);
                    if state.take_idle(&specs[name]) == Taken::None {
                        next += 1;
                        waiting.insert(next, name);
                        state.wait(next, &specs[name], world.now);
                    }
                }
                Step::Insist(which) => if let Some((waiter, name)) = waiter(which) {
                    state.insist(waiter, &specs[name], world.now);
                },
                Step::GiveUp(which) => if let Some((waiter, name)) = waiter(which) {
                    state.give_up(waiter, &specs[name].key);
                    waiting.remove(&waiter);
                },
                Step::Prepared(which, welcome) => if let Some(id) = pick(which) {
                    state.prepared(&id, welcome);
                },
                Step::Offer(which, wanted) => if let Some(id) = pick(which)
                    && is(state, &id, &[Phase::Starting, Phase::Finishing, Phase::Busy])
                {
                    state.offer(&id, wanted);
                },
                Step::Measure(which, used) => if let Some(id) = pick(which) {
                    state.measured(&id, u64::from(used));
                },
                Step::Finish(which) => if let Some(id) = pick(which) { state.finishing(&id, world.now); },
                Step::Fail(which) => if let Some(id) = pick(which)
                    && let Some(waiter) = state.stopping(&id, Shortfall::Stopped, world.now)
                {
                    prop_assert!(waiting.remove(&waiter).is_some());
                },
                Step::Expire(which) => if let Some(id) = pick(which) { state.expire(&id); },
                Step::Gone(which) => if let Some(id) = pick(which) && is(state, &id, &[Phase::Stopping]) {
                    state.gone(&id);
                    alive.retain(|other| *other != id);
                },
                Step::Restock => { state.restock(world.now); },
                Step::Keep(both) => state.keep_ready(&bases[..if both { 2 } else { 1 }], world.now),
                Step::Expect(name) => { state.expect(&specs[usize::from(name)], world.now); },
                Step::Floor(name, least) => {
                    let name = usize::from(name);
                    floors.retain(|(spec, _)| spec.key != specs[name].key);
                    if least > 0 {
                        floors.push((Arc::clone(&specs[name]), u32::from(least)));
                    }
                    state.set_floors(&floors, world.now);
                }
                Step::Pass(seconds) => {
                    world.now += Duration::from_secs(seconds.into());
                    for spec in state.take_due(world.now) {
                        state.expect(&spec, world.now);
                    }
                }
            }
            for action in state.take_actions() {
                match action {
                    Action::Refuse(waiter, _) => {
                        prop_assert!(waiting.remove(&waiter).is_some() && !is_guess);
                    }
                    Action::Grant(waiter, id) => {
                        let name = waiting.remove(&waiter);
                        prop_assert_eq!(functions.get(&id), name.map(|name| &specs[name].key));
                    }
                    Action::Prepare(id, _) => alive.push(id),
                    Action::Assign(id, spec, _) => {
                        prop_assert!(functions.insert(id, spec.key.clone()).is_none());
                    }
                    Action::Stop(id) => {
                        prop_assert_eq!(state.phase(&id), Some(Phase::Stopping));
                        let was_idle = matches!(before.get(&id), Some(Phase::Idle | Phase::Ready));
                        prop_assert!((was_idle || own.as_ref() == Some(&id)) && !is_guess);
                        prop_assert!(!kept.contains(&id) || own.as_ref() == Some(&id) || changes_floors);
                    }
                }
            }
            let idle = state.entries.values().filter(|entry| entry.hold() == Hold::Evictable).count();
            prop_assert_eq!(state.order.all().len(), idle);
            prop_assert!(!state.budget.is_overdrawn());
            let waiters: usize = state.versions.values().map(|version| version.waiters.len()).sum();
            prop_assert_eq!(waiters, waiting.len());
            for version in state.versions.values() {
                prop_assert!(version.waiters.len() <= version.coming() + version.finishing);
            }
            for (key, version) in &state.versions {
                let of_floor = state.entries.values().filter(|entry| {
                    entry.of_floor && entry.phase.is_alive() && entry.spec.as_ref().is_some_and(|spec| spec.key == *key)
                });
                let least = floors.iter().find(|(spec, _)| spec.key == *key).map_or(0, |(_, least)| *least as usize);
                let wants = version.wants.iter().filter(|want| state.is_of_floor(**want)).count();
                prop_assert_eq!(of_floor.count(), version.of_floor);
                prop_assert!(version.initialised <= version.of_floor && version.of_floor + wants <= least);
            }
            for shelf in state.shelves.values() {
                prop_assert!(shelf.wants.len() <= shelf.preparing);
                prop_assert!(shelf.wants.is_empty() || shelf.ready.is_empty());
            }
            if !state.queue.is_empty() {
                let running = [Phase::Preparing, Phase::Starting, Phase::Busy, Phase::Finishing];
                let runs = state.entries.values().any(|entry| running.contains(&entry.phase));
                prop_assert!(state.budget.is_leaving() || runs, "nobody gives memory back");
                prop_assert!(state.order.is_empty() || state.budget.is_leaving() || runs);
            }
        }
        for (waiter, name) in waiting {
            world.state.give_up(waiter, &specs[name].key);
        }
        world.state.set_floors(&[], world.now);
        world.state.keep_ready(&[], world.now);
        // Room that one call left was another's, until that left too.
        let prepared = |action| if let Action::Prepare(id, _) = action { Some(id) } else { None };
        alive.extend(world.state.take_actions().into_iter().filter_map(prepared));
        for id in alive {
            world.state.stopping(&id, Shortfall::Stopped, world.now);
            world.state.gone(&id);
        }
        let state = world.state;
        prop_assert!(state.entries.is_empty() && state.versions.is_empty() && state.shelves.is_empty());
        prop_assert!(state.order.is_empty() && state.wants.is_empty() && state.queue.is_empty());
        prop_assert!(state.budget.is_empty());
        prop_assert_eq!(state.counts, Counts::default());
    }
}
