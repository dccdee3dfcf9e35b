//! The rule of commitment and takeover, checked in every order in which things can happen.
//!
//! The model drives the [`Reactor`] itself. Three instances, all of which believe to be first, react to three events of one
//! entity; one asks outside before it answers. Every append may be stored or lost, answered or not, and arrive late; an
//! instance may die at any point and begin anew.

use colony_agents::reactor::{
    Body, EffectFate, EffectNote, LaneStep, LaneView, Limits, NewEntry, Phase, Reactor,
    UnitToAppend, Verdict,
};
use colony_bus::lane::{LaneEnd, Receipt};
use colony_core::{Digest, EntityName, EventId, Position};
use stateright::{Checker as _, Model, Property};

/// How far a run may go wrong: the states would be without end otherwise.
#[derive(Debug, Clone)]
struct Rule {
    instances: usize,
    events: u64,
    /// Appends without a true answer, and deaths, in one run.
    troubles: u8,
    /// Whether the log looks at conditions.
    conditions: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    /// The lane: positions are counted from 1, far before those of the events.
    lane: Vec<LaneStep>,
    outputs: Vec<u64>,
    effects: u8,
    instances: Vec<Instance>,
    late: Vec<UnitToAppend<u64>>,
    troubles: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Instance {
    reactor: Reactor<u64>,
    /// The unit on its way.
    flight: Option<UnitToAppend<u64>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Handle(usize),
    Send(usize),
    Answered(usize),
    Unanswered { who: usize, stored: bool, late: bool },
    Late(usize),
    Read(usize),
    Die(usize),
}

fn at(event: u64) -> Position {
    Position::new(1_000 + event)
}

fn entity() -> EntityName {
    "e".parse().unwrap()
}

fn effect(event: u64) -> EventId {
    format!("effect-{event}").parse().unwrap()
}

impl Rule {
    fn fresh(&self) -> Instance {
        let limits = Limits { unit_entries: 4, waiting_entries: 4, lane_entries: 1_000 };
        let reactor = Reactor::new(LaneView::before(1), 1, at(0), limits);
        Instance { reactor, flight: None }
    }

    /// Stores a unit, if its condition holds or nobody looks at it.
    fn store(&self, world: &mut World, unit: &UnitToAppend<u64>) -> Option<Vec<Receipt>> {
        let last = world.lane.last().map_or(Position::ZERO, |step| step.end.last);
        if self.conditions && last != unit.end.last {
            return None;
        }
        let mut receipts = Vec::new();
        for NewEntry { cursor, body } in unit.entries.iter() {
            let number = world.lane.len() as u64 + 1;
            let digest = Digest::of(&number.to_be_bytes());
            let receipt = Receipt { position: Position::new(number), number, digest };
            match body {
                Body::Output(output) => world.outputs.push(*output),
                Body::Effect(..) => world.effects += 1,
                Body::Note(_) => {}
            }
            let note = match body {
                Body::Output(_) => colony_agents::reactor::Note::Output,
                Body::Effect(note, _) => colony_agents::reactor::Note::Effect(note.clone()),
                Body::Note(note) => note.clone(),
            };
            world.lane.push(LaneStep {
                end: LaneEnd::after(&receipt),
                cursor: *cursor,
                note: Some(note),
            });
            receipts.push(receipt);
        }
        Some(receipts)
    }

    /// The second event is answered after asking outside; the third has no answer.
    fn handle(&self, reactor: &mut Reactor<u64>) -> bool {
        let Some(event) = (1..=self.events).find(|event| at(*event) > reactor.reacted()) else {
            return false;
        };
        if reactor.is_behind() || !reactor.has_room() {
            return false;
        }
        if event == 2 && !matches!(reactor.effect(&effect(event)), EffectFate::Recorded(_)) {
            let pending = reactor.effect(&effect(event)) == EffectFate::Pending;
            let note = EffectNote { id: effect(event), event: at(event) };
            return !pending && reactor.record(note, event);
        }
        if reactor.judge(at(event), Some(&entity())) != Verdict::React {
            return false;
        }
        let outputs = match event {
            1 => vec![10, 11],
            2 => vec![20],
            _ => vec![30 + event],
        };
        assert!(reactor.react(at(event), Some(&entity()), outputs, None));
        true
    }

    fn expected(&self) -> Vec<u64> {
        [10, 11, 20].into_iter().chain((3..=self.events).map(|event| 30 + event)).collect()
    }
}

impl Model for Rule {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let instances = (0..self.instances).map(|_| self.fresh()).collect();
        let (lane, outputs, late) = (Vec::new(), Vec::new(), Vec::new());
        vec![World { lane, outputs, effects: 0, instances, late, troubles: 0 }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        for (who, instance) in world.instances.iter().enumerate() {
            match &instance.flight {
                None if instance.reactor.is_behind() => steps.push(Step::Read(who)),
                None => steps.extend([Step::Handle(who), Step::Send(who)]),
                Some(_) => {
                    steps.extend([Step::Handle(who), Step::Answered(who)]);
                    if world.troubles < self.troubles {
                        steps.push(Step::Unanswered { who, stored: true, late: false });
                        steps.push(Step::Unanswered { who, stored: false, late: true });
                        steps.push(Step::Unanswered { who, stored: false, late: false });
                    }
                }
            }
            if world.troubles < self.troubles {
                steps.push(Step::Die(who));
            }
        }
        steps.extend((0..world.late.len()).map(Step::Late));
    }

    fn next_state(&self, last: &World, step: Step) -> Option<World> {
        let mut world = last.clone();
        match step {
            Step::Handle(who) => {
                if !self.handle(&mut world.instances[who].reactor) {
                    return None;
                }
            }
            Step::Send(who) => {
                let unit = world.instances[who].reactor.unit()?;
                world.instances[who].flight = Some(unit);
            }
            Step::Answered(who) => {
                let unit = world.instances[who].flight.take()?;
                match self.store(&mut world, &unit) {
                    Some(receipts) => world.instances[who].reactor.stored(&receipts),
                    None => world.instances[who].reactor.unsure(),
                }
            }
            Step::Unanswered { who, stored, late } => {
                world.troubles += 1;
                let unit = world.instances[who].flight.take()?;
                if stored {
                    self.store(&mut world, &unit);
                }
                if late {
                    world.late.push(unit);
                }
                world.instances[who].reactor.unsure();
            }
            Step::Late(index) => {
                let unit = world.late.remove(index);
                self.store(&mut world, &unit);
            }
            Step::Read(who) => {
                let reactor = &mut world.instances[who].reactor;
                let known = match reactor.view().phase() {
                    Phase::Empty | Phase::Open => reactor.view().end().last,
                    Phase::Closed => return None,
                };
                let past = world.lane.iter().filter(|step| step.end.last > known);
                past.for_each(|step| reactor.read(step.clone()));
                reactor.caught_up();
            }
            Step::Die(who) => {
                world.troubles += 1;
                let died = std::mem::replace(&mut world.instances[who], self.fresh());
                // What it had sent may arrive, now or late.
                world.late.extend(died.flight);
            }
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("each output stands once, in order", |rule: &Rule, world: &World| {
                rule.expected().starts_with(&world.outputs)
            }),
            Property::always("an effect is recorded once", |_, world: &World| world.effects <= 1),
            Property::always("a cursor never goes back", |_, world: &World| {
                world.lane.is_sorted_by_key(|step| step.cursor)
            }),
            Property::sometimes("everything is answered", |rule: &Rule, world: &World| {
                rule.expected() == world.outputs
            }),
            Property::sometimes("a takeover after a death", |rule: &Rule, world: &World| {
                world.troubles > 0 && rule.expected() == world.outputs
            }),
        ]
    }
}

fn check(rule: Rule) -> impl stateright::Checker<Rule> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    rule.checker().threads(threads).spawn_bfs().join()
}

#[test]
fn no_order_of_steps_breaks_the_rule() {
    let rule = Rule { instances: 3, events: 3, troubles: 1, conditions: true };
    let checked = check(rule);
    println!("{} states", checked.unique_state_count());
    checked.assert_properties();
    let rule = Rule { instances: 2, events: 3, troubles: 2, conditions: true };
    let checked = check(rule);
    println!("{} states with two troubles", checked.unique_state_count());
    checked.assert_properties();
}

#[test]
fn without_conditions_the_checker_finds_an_output_that_stands_twice() {
    let rule = Rule { instances: 2, events: 1, troubles: 1, conditions: false };
    let checked = check(rule);
    let found = checked.discovery("each output stands once, in order");
    println!("{:?}", found.expect("the checker can fail").into_actions());
}
