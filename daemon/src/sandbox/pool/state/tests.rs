//! The pool's rules, one by one and in any order.

use proptest::prelude::*;

use super::*;

const BUDGET: u64 = 1000;

fn key(name: &str) -> SpecKey {
    SpecKey(name.into())
}

fn started(state: &mut PoolState, name: &str, waiter: WaiterId) -> SandboxId {
    let id = SandboxId::random();
    assert_eq!(state.wait(waiter, &key(name), 400, id.clone()), vec![Action::Start(id.clone())]);
    assert_eq!(state.try_grant(&id), Some(waiter));
    id
}

#[test]
fn the_last_one_used_is_the_first_one_taken() {
    let mut state = PoolState::new(BUDGET);
    let (first, second) = (started(&mut state, "a", 1), started(&mut state, "a", 2));
    assert_eq!(state.offer(&second, true), Offer::Kept);
    assert_eq!(state.offer(&first, true), Offer::Kept);
    assert_eq!(state.take_idle(&key("a")), Some(first));
    assert_eq!(state.take_idle(&key("a")), Some(second));
    assert_eq!(state.take_idle(&key("a")), None);
}

#[test]
fn the_least_lately_used_is_evicted_and_its_memory_waited_for() {
    let mut state = PoolState::new(BUDGET);
    let (old, young) = (started(&mut state, "a", 1), started(&mut state, "b", 2));
    state.offer(&old, true);
    state.offer(&young, true);
    let new = SandboxId::random();
    assert_eq!(state.wait(3, &key("c"), 400, new.clone()), vec![Action::Stop(old.clone())]);
    assert_eq!(state.phase(&new), Some(Phase::Queued));
    assert_eq!(state.gone(&old), vec![Action::Start(new.clone())]);
    assert_eq!(state.try_grant(&new), Some(3));
    assert_eq!(state.phase(&young), Some(Phase::Idle));
}

#[test]
fn a_call_is_refused_when_running_calls_hold_the_memory() {
    let mut state = PoolState::new(BUDGET);
    started(&mut state, "a", 1);
    started(&mut state, "b", 2);
    let new = SandboxId::random();
    assert_eq!(state.wait(3, &key("c"), 400, new.clone()), vec![Action::Refuse(3)]);
    assert_eq!(state.phase(&new), None);
}

#[test]
fn a_call_counts_on_a_finishing_sandbox_until_it_insists() {
    let mut state = PoolState::new(BUDGET);
    let busy = started(&mut state, "a", 1);
    state.finishing(&busy);
    assert_eq!(state.wait(2, &key("a"), 400, SandboxId::random()), vec![]);
    let new = SandboxId::random();
    assert_eq!(state.insist(2, &key("a"), 400, new.clone()), vec![Action::Start(new.clone())]);
    assert_eq!(state.try_grant(&busy), Some(2));
    assert_eq!(state.offer(&new, true), Offer::Kept);
}

#[test]
fn a_failed_start_fails_one_call_and_no_more() {
    let mut state = PoolState::new(BUDGET);
    let (one, two) = (SandboxId::random(), SandboxId::random());
    state.wait(1, &key("a"), 400, one.clone());
    state.wait(2, &key("a"), 400, two.clone());
    assert_eq!(state.stopping(&one), Some(1));
    assert_eq!(state.gone(&one), vec![]);
    assert_eq!(state.try_grant(&two), Some(2));
}

#[derive(Clone, Debug)]
enum Step {
    Arrive(u8),
    Insist(u8),
    GiveUp(u8),
    Offer(u8, bool),
    Finish(u8),
    Fail(u8),
    Expire(u8),
    Gone(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..3_u8).prop_map(Step::Arrive),
        1 => any::<u8>().prop_map(Step::Insist),
        1 => any::<u8>().prop_map(Step::GiveUp),
        4 => (any::<u8>(), prop::bool::weighted(0.8)).prop_map(|(which, wanted)| Step::Offer(which, wanted)),
        2 => any::<u8>().prop_map(Step::Finish),
        1 => any::<u8>().prop_map(Step::Fail),
        1 => any::<u8>().prop_map(Step::Expire),
        3 => any::<u8>().prop_map(Step::Gone),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    /// Whatever happens in whatever order: no waiter is left without a sandbox on its way, memory is never given
    /// out twice, and when everything ends nothing is left on the books.
    #[test]
    fn the_books_are_always_true(steps in steps()) {
        let mut state = PoolState::new(BUDGET);
        let mut waiting: BTreeMap<WaiterId, u8> = BTreeMap::new();
        let mut alive: Vec<SandboxId> = Vec::new();
        let mut next = 0;
        for step in steps {
            let pick = |which: u8, alive: &[SandboxId]| alive.get(usize::from(which) % alive.len().max(1)).cloned();
            let picked_waiter = |which: u8, waiting: &BTreeMap<WaiterId, u8>| {
                waiting.iter().nth(usize::from(which) % waiting.len().max(1)).map(|(id, name)| (*id, *name))
            };
            let mut refused = Vec::new();
            match step {
                Step::Arrive(name) => {
                    if state.take_idle(&key(&name.to_string())).is_none() {
                        next += 1;
                        waiting.insert(next, name);
                        let id = SandboxId::random();
                        let memory = 100 + 100 * u64::from(name);
                        refused = state.wait(next, &key(&name.to_string()), memory, id.clone());
                        if state.phase(&id).is_some() { alive.push(id); }
                    }
                }
                Step::Insist(which) => if let Some((waiter, name)) = picked_waiter(which, &waiting) {
                    let id = SandboxId::random();
                    let memory = 100 + 100 * u64::from(name);
                    refused = state.insist(waiter, &key(&name.to_string()), memory, id.clone());
                    if state.phase(&id).is_some() { alive.push(id); }
                },
                Step::GiveUp(which) => if let Some((waiter, name)) = picked_waiter(which, &waiting) {
                    state.give_up(waiter, &key(&name.to_string()));
                    waiting.remove(&waiter);
                },
                Step::Offer(which, wanted) => if let Some(id) = pick(which, &alive)
                    && matches!(state.phase(&id), Some(Phase::Starting | Phase::Finishing | Phase::Busy))
                    && let Offer::Granted(waiter) = state.offer(&id, wanted)
                {
                    prop_assert!(waiting.remove(&waiter).is_some());
                },
                Step::Finish(which) => if let Some(id) = pick(which, &alive) { state.finishing(&id); },
                Step::Fail(which) => if let Some(id) = pick(which, &alive)
                    && let Some(waiter) = state.stopping(&id)
                {
                    prop_assert!(waiting.remove(&waiter).is_some());
                },
                Step::Expire(which) => if let Some(id) = pick(which, &alive) { state.expire(&id); },
                Step::Gone(which) => if let Some(id) = pick(which, &alive)
                    && state.phase(&id) == Some(Phase::Stopping)
                {
                    refused = state.gone(&id);
                    alive.retain(|other| *other != id);
                },
            }
            for action in refused {
                if let Action::Refuse(waiter) = action { waiting.remove(&waiter); }
            }
            prop_assert!(state.reserved_mb <= BUDGET);
            let waiters: usize = state.versions.values().map(|version| version.waiters.len()).sum();
            prop_assert_eq!(waiters, waiting.len());
            for version in state.versions.values() {
                prop_assert!(version.waiters.len() <= version.coming + version.finishing);
            }
            let held: u64 = state.entries.values().filter(|e| e.reserved).map(|e| e.memory_mb).sum();
            prop_assert_eq!(held, state.reserved_mb);
            if !state.queue.is_empty() {
                prop_assert!(state.stopping_mb > 0, "queued sandboxes wait for memory that nobody gives back");
            }
        }
        for id in alive {
            state.stopping(&id);
            state.gone(&id);
        }
        prop_assert!(state.entries.is_empty() && state.versions.is_empty() && state.idle.is_empty());
        prop_assert_eq!((state.reserved_mb, state.idle_mb, state.stopping_mb, state.queued_mb), (0, 0, 0, 0));
    }
}
