//! Floors: sandboxes that are there in any case.

use super::*;
use crate::sandbox::pool::state::provision::{FloorState, Shortfall};

impl World {
    /// Sets the one floor there is and carries on until nothing more is made for it.
    fn keep(&mut self, spec: &Arc<SandboxSpec>, least: u32) -> Vec<SandboxId> {
        self.state.set_floors(&[(Arc::clone(spec), least)], self.now);
        self.come_up()
    }

    /// Lets everything come up that is prepared.
    fn come_up(&mut self) -> Vec<SandboxId> {
        let mut up = Vec::new();
        loop {
            let actions = self.state.take_actions();
            let prepared = actions.iter().filter_map(|action| match action {
                Action::Prepare(id, _) => Some(id.clone()),
                _ => None,
            });
            let prepared: Vec<_> = prepared.collect();
            if prepared.is_empty() {
                return up;
            }
            for id in prepared {
                self.state.prepared(&id, true);
                self.initialised(&id);
                up.push(id);
            }
        }
    }

    fn initialised(&mut self, id: &SandboxId) {
        assert!(!self.state.try_grant(id));
        self.state.came_up(id, self.now);
        assert!(self.state.offer(id, true));
    }

    fn floor(&self, spec: &SandboxSpec) -> FloorState {
        self.state.floor(&spec.key)
    }
}

#[test]
fn as_many_are_there_as_the_floor_wants_however_few_are_made_at_once() {
    let mut world = World::new(NONE_READY);
    let spec = world.spec("a", 100);
    world.state.set_floors(&[(Arc::clone(&spec), 6)], world.now);
    assert_eq!(world.floor(&spec), FloorState::default());
    let up = world.come_up();
    assert_eq!((up.len(), world.floor(&spec).initialised), (6, 6));
    assert!(up.iter().all(|id| world.state.phase(id) == Some(Phase::Idle)));
    assert_eq!(world.state.reserved_mb(), 600, "what they need is theirs while they stand still, too");
}

#[test]
fn a_call_takes_one_of_the_floor_first_and_the_rest_are_no_others() {
    let mut world = World::new(NONE_READY);
    let spec = world.spec("a", 100);
    let own = world.keep(&spec, 1).remove(0);
    assert_eq!(world.state.take_idle(&spec), Taken::Sandbox(own.clone()));
    world.state.wait(1, &spec, world.now);
    let actions = world.state.take_actions();
    let [Action::Prepare(other, _)] = &actions[..] else { panic!("{actions:?}") };
    assert!(world.state.prepared(other, true));
    assert!(matches!(&world.state.take_actions()[..], [Action::Assign(_, _, false)]), "it spills over");
    assert!(world.state.try_grant(other));
    world.state.offer(&own, true);
    world.state.offer(other, true);
    assert_eq!(world.state.take_idle(&spec), Taken::Sandbox(own));
    assert_eq!(world.state.take_idle(&spec), Taken::Sandbox(other.clone()));
}

#[test]
fn what_is_there_for_a_floor_makes_room_for_nobody() {
    let mut world = World::new(NONE_READY);
    let spec = world.spec("a", 300);
    world.keep(&spec, 2);
    let others = world.busy(1, "b");
    assert!(matches!(&world.wait(2, "c")[..], [Action::Refuse(2, 400)]));
    world.state.offer(&others, true);
    assert!(matches!(&world.wait(3, "c")[..], [Action::Stop(id)] if *id == others));
}

#[test]
fn idle_ones_of_others_go_for_a_floor_and_running_ones_do_not() {
    let mut world = World::new(NONE_READY);
    let (idle, _busy) = (world.busy(1, "b"), world.busy(2, "c"));
    world.state.offer(&idle, true);
    let spec = world.spec("a", 400);
    world.state.set_floors(&[(Arc::clone(&spec), 2)], world.now);
    assert_eq!(world.stopped(), std::slice::from_ref(&idle));
    assert_eq!(world.floor(&spec).shortfall, Some(Shortfall::NoMemory { needed_mb: 400, budget_mb: BUDGET }));
    world.state.gone(&idle);
    assert_eq!(world.come_up().len(), 1);
    assert_eq!(world.floor(&spec).initialised, 1);
}

#[test]
fn one_that_dies_is_replaced_after_a_pause() {
    let mut world = World::new(NONE_READY);
    let spec = world.spec("a", 100);
    let own = world.keep(&spec, 1).remove(0);
    world.state.stopping(&own, Shortfall::Stopped, world.now);
    world.state.gone(&own);
    world.state.fill(world.now);
    assert!(world.state.take_actions().is_empty(), "one that dies at once is not made without end");
    assert_eq!(world.floor(&spec).shortfall, Some(Shortfall::Stopped));
    world.now += Duration::from_secs(1);
    assert_eq!(world.keep(&spec, 1).len(), 1);
    assert_eq!(world.floor(&spec), FloorState { initialised: 1, shortfall: None });
}

#[test]
fn one_that_ends_after_its_call_is_replaced_at_once() {
    let mut world = World::new(NONE_READY);
    let spec = world.spec("a", 100);
    let own = world.keep(&spec, 1).remove(0);
    assert_eq!(world.state.take_idle(&spec), Taken::Sandbox(own.clone()));
    world.state.stopping(&own, Shortfall::Stopped, world.now);
    world.state.fill(world.now);
    assert_eq!(world.come_up().len(), 1);
}

#[test]
fn a_function_that_cannot_start_is_tried_less_and_less_often() {
    let mut world = World::new(NONE_READY);
    let spec = world.spec("a", 100);
    for pause in [1, 2, 4] {
        world.state.set_floors(&[(Arc::clone(&spec), 1)], world.now);
        let actions = world.state.take_actions();
        let [Action::Prepare(id, _)] = &actions[..] else { panic!("{actions:?}") };
        world.assigned(id);
        assert_eq!(world.state.stopping(id, Shortfall::Init, world.now), None);
        world.state.gone(id);
        assert_eq!(world.floor(&spec).shortfall, Some(Shortfall::Init));
        world.now += Duration::from_millis(pause * 1000 - 1);
        world.state.fill(world.now);
        assert!(world.state.take_actions().is_empty());
        world.now += Duration::from_millis(1);
    }
}

#[test]
fn a_call_that_counted_on_one_that_cannot_start_gets_its_own() {
    let mut world = World::new(NONE_READY);
    let spec = world.spec("a", 100);
    world.state.set_floors(&[(Arc::clone(&spec), 1)], world.now);
    let prepared = |actions: Vec<Action>| match &actions[..] {
        [Action::Prepare(id, _)] => id.clone(),
        _ => panic!("{actions:?}"),
    };
    let of_floor = prepared(world.state.take_actions());
    world.state.wait(1, &spec, world.now);
    world.assigned(&of_floor);
    assert_eq!(world.state.stopping(&of_floor, Shortfall::Init, world.now), None, "it waits on");
    let own = prepared(world.state.take_actions());
    assert!(world.state.prepared(&own, true));
    assert!(matches!(&world.state.take_actions()[..], [Action::Assign(_, _, false)]));
    assert_eq!(world.state.stopping(&own, Shortfall::Init, world.now), Some(1), "its own says how calls go");
    world.state.gone(&of_floor);
    world.state.gone(&own);
    assert_eq!((world.state.wants.len(), world.state.reserved_mb()), (0, 0));
}

#[test]
fn a_lower_floor_gives_back_what_stands_idle_and_leaves_calls_alone() {
    let mut world = World::new(NONE_READY);
    let spec = world.spec("a", 100);
    let own = world.keep(&spec, 3);
    let Taken::Sandbox(busy) = world.state.take_idle(&spec) else { panic!("none") };
    world.state.set_floors(&[(Arc::clone(&spec), 1)], world.now);
    let stopped = world.stopped();
    assert!(stopped.len() == 2 && !stopped.contains(&busy) && own.contains(&busy));
    world.state.set_floors(&[], world.now);
    assert!(world.stopped().is_empty());
    world.state.offer(&busy, true);
    world.state.measured(&busy, 10);
    for id in &stopped {
        world.state.gone(id);
    }
    assert_eq!(world.state.reserved_mb(), 10, "it is one like any other");
    assert_eq!(world.floor(&spec), FloorState::default());
}

#[test]
fn what_is_not_made_yet_is_not_made_when_the_floor_ends_but_for_who_waits() {
    let mut world = World::new(NONE_READY);
    let spec = world.spec("a", 100);
    world.state.set_floors(&[(Arc::clone(&spec), 2)], world.now);
    assert_eq!(world.state.take_actions().len(), 2);
    world.state.wait(1, &spec, world.now);
    assert!(world.state.take_actions().is_empty(), "one is on its way for it already");
    world.state.retire(&spec.key);
    assert_eq!(world.state.wants.len(), 1);
    world.state.give_up(1, &spec.key);
    assert!(world.state.wants.is_empty() && world.state.versions.is_empty());
}
