use std::collections::BTreeMap;

use colony_bus::lane::{LaneEnd, Receipt};
use colony_core::lane::LaneHead;
use colony_core::{Digest, EntityName, Position};
use proptest::prelude::*;

use super::*;

/// A log of lanes that keeps the lane condition and nothing else.
#[derive(Debug, Default)]
struct Log {
    tail: u64,
    lanes: BTreeMap<u64, Vec<LaneStep>>,
    outputs: Vec<u64>,
    openings: usize,
}

impl Log {
    fn append(&mut self, unit: &UnitToAppend<u64>) -> Option<Vec<Receipt>> {
        let lane = self.lanes.entry(unit.lane).or_default();
        let last = lane.last().map_or(Position::ZERO, |step| step.end.last);
        if last != unit.end.last {
            return None;
        }
        let mut receipts = Vec::new();
        for (number, entry) in (unit.end.head.number() + 1..).zip(unit.entries.iter()) {
            self.tail += 1;
            let position = Position::new(self.tail);
            let digest = Digest::of(&self.tail.to_be_bytes());
            let receipt = Receipt { position, number, digest };
            let (end, note) = (LaneEnd::after(&receipt), Some(entry.body.note()));
            lane.push(LaneStep { end, cursor: entry.cursor, note });
            receipts.push(receipt);
            match &entry.body {
                Body::Output(output) => self.outputs.push(*output),
                Body::Note(Note::Opened(_)) => self.openings += 1,
                Body::Effect(..) | Body::Note(_) => {}
            }
        }
        Some(receipts)
    }

    fn catch_up(&self, reactor: &mut Reactor<u64>) {
        loop {
            let view = reactor.view();
            let (lane, after) = match view.phase() {
                Phase::Closed => (view.number() + 1, Position::ZERO),
                Phase::Empty | Phase::Open => (view.number(), view.end().last),
            };
            let steps = self.lanes.get(&lane).into_iter().flatten();
            let steps: Vec<_> = steps.filter(|step| step.end.last > after).cloned().collect();
            let through = steps.is_empty();
            steps.into_iter().for_each(|step| reactor.read(step));
            if through || reactor.view().phase() != Phase::Closed {
                return reactor.caught_up();
            }
        }
    }
}

fn limits() -> Limits {
    Limits { unit_entries: 4, waiting_entries: 6, lane_entries: 5 }
}

fn reactor() -> Reactor<u64> {
    Reactor::new(LaneView::before(1), 1, Position::ZERO, limits())
}

fn at(event: u64) -> Position {
    // Events stand far behind what the lanes append, so that the two do not mix.
    Position::new(1_000_000 + event)
}

fn failed(event: u64, entity: Option<&EntityName>) -> ParkedEvent {
    let reason = ParkReason::TimedOut { after_ms: 1 };
    ParkedEvent { event: at(event), entity: entity.cloned(), reason, attempts: 1, due: false }
}

fn commit(log: &mut Log, reactor: &mut Reactor<u64>) {
    let mut foretold: Option<Vec<_>> = None;
    for _ in 0..100 {
        if reactor.is_behind() {
            log.catch_up(reactor);
        }
        let Some(unit) = reactor.unit() else { return };
        if let Some(foretold) = foretold.take() {
            assert_eq!(*unit.entries, *foretold);
        }
        match log.append(&unit) {
            Some(receipts) => {
                foretold = reactor.next_unit();
                reactor.stored(&receipts);
            }
            None => reactor.unsure(),
        }
    }
    panic!("it does not come to an end");
}

#[test]
fn a_full_lane_is_closed_and_the_next_one_opened_along_with_work() {
    let (mut log, mut reactor) = (Log::default(), reactor());
    commit(&mut log, &mut reactor);
    for event in 1..=5 {
        assert!(reactor.react(at(event), None, vec![event], None));
    }
    let mut units = Vec::new();
    while let Some(unit) = reactor.unit() {
        reactor.stored(&log.append(&unit).unwrap());
        units.push((unit.lane, unit.entries.len()));
    }
    assert_eq!(units, [(1, 4), (2, 3)]);
    assert_eq!(log.outputs, [1, 2, 3, 4, 5]);
    let closed = &log.lanes[&1].last().unwrap().note;
    assert_eq!(*closed, Some(Note::Closed(Closing { next: 2 })));
    assert_eq!(log.openings, 2);
}

#[test]
fn the_next_unit_is_foretold_once_nothing_more_fits_into_it() {
    let limits = Limits { waiting_entries: 20, lane_entries: 20, ..limits() };
    let mut reactor = Reactor::new(LaneView::before(1), 1, Position::ZERO, limits);
    let mut log = Log::default();
    commit(&mut log, &mut reactor);
    assert!(reactor.react(at(1), None, vec![1], None));
    let first = reactor.unit().unwrap();
    for event in 2..=5 {
        assert!(reactor.react(at(event), None, vec![event], None));
        assert_eq!(reactor.next_unit(), None);
    }
    assert!(reactor.react(at(6), None, vec![6], None));
    let foretold = reactor.next_unit().unwrap();
    reactor.stored(&log.append(&first).unwrap());
    assert_eq!(*reactor.unit().unwrap().entries, *foretold);
    assert_eq!(foretold.len(), 4);
}

#[test]
fn what_is_refused_along_with_a_lane_s_end_is_tried_alone_first() {
    let (mut log, mut reactor) = (Log::default(), reactor());
    commit(&mut log, &mut reactor);
    assert!(reactor.react(at(1), None, vec![1, 2, 3], None));
    assert_eq!(reactor.unit().unwrap().entries.len(), 4);
    let reason = || ParkReason::Refused { message: "too large".to_owned() };
    assert!(reactor.refused(reason()));
    assert_eq!(reactor.unit().unwrap().entries.len(), 3);
    assert!(reactor.refused(reason()));
    commit(&mut log, &mut reactor);
    assert_eq!(log.outputs, [0; 0]);
    assert_eq!(reactor.view().parked().iter().count(), 1);
}

#[test]
fn a_unit_stored_without_an_answer_is_not_stored_again() {
    let (mut log, mut reactor) = (Log::default(), reactor());
    commit(&mut log, &mut reactor);
    assert!(reactor.react(at(1), None, vec![10, 11], None));
    let unit = reactor.unit().unwrap();
    log.append(&unit).unwrap();
    reactor.unsure();
    commit(&mut log, &mut reactor);
    assert_eq!(log.outputs, [10, 11]);
    assert!(reactor.is_settled());
}

#[test]
fn a_copy_that_arrives_after_its_repetition_is_refused() {
    let (mut log, mut reactor) = (Log::default(), reactor());
    commit(&mut log, &mut reactor);
    assert!(reactor.react(at(1), None, vec![10], None));
    let late = reactor.unit().unwrap();
    reactor.unsure();
    commit(&mut log, &mut reactor);
    assert_eq!(log.append(&late), None);
    assert_eq!(log.outputs, [10]);
}

#[test]
fn what_the_winner_has_not_reacted_to_is_appended_after_it() {
    let (mut log, mut one, mut other) = (Log::default(), reactor(), reactor());
    commit(&mut log, &mut one);
    commit(&mut log, &mut other);
    for reactor in [&mut one, &mut other] {
        assert!(reactor.react(at(1), None, vec![10], None));
    }
    assert!(other.react(at(2), None, vec![20], None));
    commit(&mut log, &mut one);
    commit(&mut log, &mut other);
    assert_eq!(log.outputs, [10, 20]);
    assert_eq!(other.view().cursor(), at(2));
}

#[test]
fn a_change_of_a_document_made_without_knowing_the_lanes_last_one_is_made_again() {
    let (mut log, mut reactor) = (Log::default(), reactor());
    commit(&mut log, &mut reactor);
    let grounds = Some(reactor.changed());
    assert!(reactor.react(at(1), None, vec![10], grounds));
    assert!(reactor.holds(at(1)));
    // Another instance has changed one meanwhile, in the reaction to an event that had been set aside.
    let unit = reactor.unit().unwrap();
    reactor.unsure();
    let last = Position::new(unit.end.last.get() + 1);
    let end = LaneEnd { last, ..unit.end };
    let (cursor, note) = (Position::ZERO, Some(Note::Changes));
    reactor.read(LaneStep { end, cursor, note });
    reactor.caught_up();
    assert!(!reactor.holds(at(1)) && !reactor.deals_with(at(1)));
    assert!(reactor.wants(at(1)) && reactor.reacted() < at(1));
    assert!(!reactor.react(at(1), None, vec![10], grounds), "the grounds are as old as before");
    assert!(reactor.react(at(1), None, vec![11], Some(last)));
}

#[test]
fn outputs_for_an_entity_are_not_stored_once_an_earlier_event_of_it_is_set_aside() {
    let entity: EntityName = "a".parse().unwrap();
    let (mut log, mut one, mut other) = (Log::default(), reactor(), reactor());
    commit(&mut log, &mut one);
    commit(&mut log, &mut other);
    assert!(one.react(at(1), Some(&entity), vec![10], None));
    assert!(one.react(at(2), Some(&entity), vec![20], None));
    assert!(one.react(at(3), None, vec![30], None));
    other.park(failed(1, Some(&entity)));
    commit(&mut log, &mut other);
    commit(&mut log, &mut one);
    assert_eq!(log.outputs, [30]);
    let parked: Vec<_> = one.view().parked().iter().map(|parked| parked.event).collect();
    assert_eq!(parked, [at(1), at(2)]);
}

#[test]
fn a_view_of_the_last_lane_alone_equals_one_of_all() {
    let entity: EntityName = "a".parse().unwrap();
    let (mut log, mut reactor) = (Log::default(), reactor());
    for event in 1..30 {
        match event {
            7 => reactor.park(failed(7, Some(&entity))),
            9 => {
                let note = EffectNote { id: "effect".parse().unwrap(), event: at(7) };
                assert!(reactor.record(note, 0));
            }
            _ => assert!(reactor.react(at(event), None, vec![event], None)),
        }
        commit(&mut log, &mut reactor);
    }
    let last = *log.lanes.keys().last().unwrap();
    assert!(last > 4, "{last}");
    let fresh = LaneView::before(last);
    let mut fresh: Reactor<u64> = Reactor::new(fresh, 1, Position::ZERO, limits());
    log.catch_up(&mut fresh);
    assert_eq!(fresh.view(), reactor.view());
    assert_eq!(fresh.view().effects(), 1);
    assert!(log.lanes.values().all(|lane| lane.len() <= 9));
}

#[test]
fn what_cannot_be_stored_is_set_aside_and_the_rest_goes_on() {
    let (mut log, mut reactor) = (Log::default(), reactor());
    commit(&mut log, &mut reactor);
    for event in 1..=3 {
        assert!(reactor.react(at(event), None, vec![event], None));
    }
    // The log never takes what holds a 2.
    let reason = ParkReason::Refused { message: "too large".to_owned() };
    for _ in 0..20 {
        let Some(unit) = reactor.unit() else { break };
        if unit.entries.iter().any(|entry| entry.body == Body::Output(2)) {
            assert!(reactor.refused(reason.clone()));
        } else {
            reactor.stored(&log.append(&unit).unwrap());
        }
    }
    assert_eq!(log.outputs, [1, 3]);
    assert!(reactor.view().parked().get(at(2)).is_some());
    assert_eq!(reactor.view().cursor(), at(3));
}

/// What may happen to one of several instances.
#[derive(Debug, Clone)]
enum Step {
    Handle,
    Fail,
    Append { stored: bool, told: bool, late: bool },
    Late,
    CatchUp,
    Crash,
    Retry(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Handle),
        1 => Just(Step::Fail),
        6 => (prop::bool::weighted(0.8), prop::bool::weighted(0.8), any::<bool>())
            .prop_map(|(stored, told, late)| Step::Append { stored, told, late }),
        2 => Just(Step::Late),
        2 => Just(Step::CatchUp),
        1 => Just(Step::Crash),
        1 => (0..4usize).prop_map(Step::Retry),
    ]
}

const EVENTS: u64 = 12;

fn entity(event: u64) -> Option<EntityName> {
    (!event.is_multiple_of(4)).then(|| format!("e{}", event % 4).parse().unwrap())
}

/// Handles the next event, or one that is due. Events divisible by five have no outputs.
fn handle(reactor: &mut Reactor<u64>, fails: bool) {
    if reactor.is_behind() || !reactor.has_room() {
        return;
    }
    let outputs =
        |event: u64| if event.is_multiple_of(5) { vec![] } else { vec![event * 2, event * 2 + 1] };
    if let Some(due) = reactor.due().cloned() {
        let event = due.event.get() - at(0).get();
        match fails {
            true => reactor.park(ParkedEvent { due: false, ..due }),
            false => assert!(reactor.resume(due.event, reactor.reacted(), outputs(event), None)),
        }
        return;
    }
    let event = (1..=EVENTS).find(|event| at(*event) > reactor.reacted());
    let Some(event) = event else { return };
    let entity = entity(event);
    if reactor.judge(at(event), entity.as_ref()) == Verdict::React {
        match fails {
            true => reactor.park(failed(event, entity.as_ref())),
            false => assert!(reactor.react(at(event), entity.as_ref(), outputs(event), None)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn in_every_interleaving_each_event_has_its_outputs_once_and_in_order_per_entity(
        steps in prop::collection::vec((0..3usize, step()), 0..200)
    ) {
        let mut log = Log::default();
        let mut instances: Vec<_> = (0..3).map(|_| reactor()).collect();
        let mut late: Vec<UnitToAppend<u64>> = Vec::new();
        for (who, step) in steps {
            let instance = &mut instances[who];
            match step {
                Step::Handle => handle(instance, false),
                Step::Fail => handle(instance, true),
                Step::Append { stored, told, late: arrives } => {
                    if let Some(unit) = instance.unit() {
                        let receipts = if stored { log.append(&unit) } else { None };
                        if !stored && arrives {
                            late.push(unit);
                        }
                        match receipts.filter(|_| told) {
                            Some(receipts) => instance.stored(&receipts),
                            None => instance.unsure(),
                        }
                    }
                }
                Step::Late => if let Some(unit) = late.pop() {
                    log.append(&unit);
                },
                Step::CatchUp => if !instance.is_behind() {
                    instance.suspect();
                } else {
                    log.catch_up(instance);
                },
                Step::Crash => {
                    // What was on its way may still arrive.
                    late.extend(instance.unit());
                    let first = log.lanes.iter().rfind(|(_, lane)| !lane.is_empty());
                    let view = LaneView::before(first.map_or(1, |(number, _)| *number));
                    *instance = Reactor::new(view, 1, Position::ZERO, limits());
                }
                Step::Retry(index) => {
                    ask_again(&mut log, instance, index);
                }
            }
        }
        // In the end everything arrives or is lost, and one of them goes on alone, with everything retried.
        for unit in late {
            log.append(&unit);
        }
        let instance = &mut instances[0];
        let _ = instance.unit();
        instance.unsure();
        for _ in 0..200 {
            commit(&mut log, instance);
            while ask_again(&mut log, instance, 0) {}
            commit(&mut log, instance);
            handle(instance, false);
        }
        prop_assert!(instance.view().parked().is_empty());
        let mut expected: Vec<u64> = (1..=EVENTS).filter(|e| e % 5 != 0).flat_map(|e| [e * 2, e * 2 + 1]).collect();
        for of in 0..4 {
            let one = |outputs: &[u64]| -> Vec<u64> {
                outputs.iter().copied().filter(|o| (o / 2) % 4 == of).collect()
            };
            if of != 0 {
                prop_assert_eq!(one(&log.outputs), one(&expected));
            }
        }
        let mut outputs = log.outputs.clone();
        outputs.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(outputs, expected);
        prop_assert_eq!(log.openings, log.lanes.values().filter(|lane| !lane.is_empty()).count());
        let numbers = |lane: &Vec<LaneStep>| lane.iter().map(|s| s.end.head.number()).collect::<Vec<_>>();
        for lane in log.lanes.values() {
            prop_assert_eq!(numbers(lane), (1..=lane.len() as u64).collect::<Vec<_>>());
        }
    }
}

/// Asks for an event set aside to be tried again, as an instance at a terminal does. Returns whether there was one to ask for.
fn ask_again(log: &mut Log, instance: &mut Reactor<u64>, index: usize) -> bool {
    if instance.is_behind() {
        log.catch_up(instance);
    }
    let waits = |parked: &&ParkedEvent| !parked.due;
    let Some(event) = instance.view().parked().iter().filter(waits).nth(index).map(|p| p.event)
    else {
        return false;
    };
    if instance.view().phase() != Phase::Open {
        return false;
    }
    let body = Body::Note(Note::Retried(EventNote { event }));
    let entries = vec![NewEntry { cursor: instance.view().cursor(), body }].into();
    let unit = UnitToAppend { lane: instance.view().number(), end: instance.view().end(), entries };
    let stored = log.append(&unit).is_some();
    instance.suspect();
    if instance.is_behind() {
        log.catch_up(instance);
    }
    stored
}

#[test]
fn a_lane_end_is_what_its_last_entry_says() {
    let receipt = Receipt { position: Position::new(7), number: 3, digest: Digest::of(b"x") };
    let end = LaneEnd::after(&receipt);
    assert_eq!((end.last, end.head.number()), (Position::new(7), 3));
    assert_eq!(LaneEnd::EMPTY.head, LaneHead::EMPTY);
}
