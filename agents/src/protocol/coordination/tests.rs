//! What holds for the fold of all protocols.

use std::collections::BTreeSet;

use colony_core::{Address, Digest, EventType};
use serde_json::json;

use super::*;
use crate::protocol::limits::MAX_IGNORED;
use crate::protocol::testing::{agent, at, entity, entry, given, t};

#[test]
fn every_type_belongs_to_one_protocol_and_is_a_type() {
    let all: Vec<_> = types().collect();
    let distinct: BTreeSet<_> = all.iter().collect();
    assert_eq!(all.len(), distinct.len());
    assert_eq!(Coordination::filter().types.len(), all.len());
    for ty in all {
        let parsed: EventType = ty.parse().unwrap();
        let entry = entry(1, at(0), "ann", ty, "x", &json!({}));
        let outcome = CoordinationState::default().evolve(&entry);
        assert_ne!(outcome, Outcome::Unrelated, "{ty} has noun {} and no reader", parsed.noun());
    }
}

#[test]
fn a_type_that_no_protocol_knows_is_of_no_concern_and_moves_no_time() {
    let told = given().at(100).says("ann", "task.renamed", "x", json!({}));
    assert_eq!(told.last, Outcome::Unrelated);
    assert_eq!(told.state, CoordinationState::default());
}

#[test]
fn malformed_payloads_are_ignored_with_the_reason_and_unknown_fields_are_not() {
    let told = given().says("ann", "task.offered", "x", json!({"why": 1}));
    let Outcome::Ignored(Rejection::Malformed(Malformed::Payload { problem })) = &told.last else {
        panic!("{:?}", told.last)
    };
    assert!(problem.contains("what"), "{problem}");
    told.says("ann", "task.offered", "x", json!({"what": "x", "later": {"deep": [1]}})).works();
}

#[test]
fn an_event_without_entity_in_pieces_or_of_a_later_version_is_ignored() {
    let offered = || entry(1, at(0), "ann", "task.offered", "x", &json!({"what": "x"}));
    let mut without = offered();
    without.envelope.event.entity = None;
    let mut piece = offered();
    let digest = Digest::of(b"whole");
    piece.envelope.part = Some(colony_core::envelope::Part { index: 0, count: 2, digest });
    let mut later = offered();
    later.envelope.event.version = 2;
    for (entry, why) in [
        (without, Malformed::NoEntity),
        (piece, Malformed::InPieces),
        (later, Malformed::Version { found: 2 }),
    ] {
        let outcome = CoordinationState::default().evolve(&entry);
        assert_eq!(outcome, Outcome::Ignored(why.into()));
    }
}

#[test]
fn heads_of_entities_say_nothing_since_anybody_may_write_them() {
    let mut head = entry(1, at(0), "ann", "task.offered", "x", &json!({"what": "x"}));
    head.address = Address::Head { noun: "task".to_owned(), entity: entity("x") };
    assert_eq!(CoordinationState::default().evolve(&head), Outcome::Unrelated);
}

#[test]
fn the_latest_ignored_events_are_kept_and_all_are_counted() {
    let mut told = given();
    for _ in 0..MAX_IGNORED + 10 {
        told.say("mal", "task.claimed", "x", &json!({"until": t(60)}));
    }
    let ignored = &told.state.ignored;
    assert_eq!(ignored.total(), 266);
    assert_eq!(ignored.latest().len(), MAX_IGNORED);
    assert_eq!(ignored.latest().next().unwrap().position, Position::new(11));
    assert_eq!(ignored.reason(Position::new(10)), None);
    let reason = Rejection::from(crate::protocol::task::Rejection::Unknown);
    assert_eq!(ignored.reason(Position::new(266)), Some(&reason));
}

#[test]
fn a_flood_of_ignored_events_with_long_reasons_is_counted_and_does_not_fill_the_state() {
    let long = "x".repeat(100_000);
    let mut told = given().says("ann", "task.offered", "x", json!({"what": "x", "skills": [long]}));
    // Each reason repeats the skill that is missing, which is not in the event itself.
    for _ in 0..20 {
        told.say("mal", "task.claimed", "x", &json!({"until": t(60)}));
    }
    let ignored = &told.state.ignored;
    assert_eq!((ignored.total(), ignored.latest().len()), (20, 2));
    assert_eq!(ignored.latest().next_back().unwrap().position, Position::new(21));
    let huge = json!({"what": "x", "mode": "y".repeat(300_000)});
    let told = told.says("mal", "task.offered", "y", huge);
    let ignored = &told.state.ignored;
    assert_eq!((ignored.total(), ignored.latest().len()), (21, 2), "only counted");
    assert!(serde_json::to_string(ignored).unwrap().len() < 300_000);
}

#[test]
fn a_belief_about_the_time_decides_nothing() {
    let told = given().says("ann", "task.offered", "x", json!({"what": "x"})).says(
        "bob",
        "task.claimed",
        "x",
        json!({"until": t(60)}),
    );
    // cid's clock is an hour ahead: its decision is made, and everybody ignores the event.
    let lapse = crate::protocol::task::Command::Lapse(entity("x"));
    let cid = agent("cid");
    assert!(told.state.decide::<Tasks>(lapse.clone(), &cid, Some(at(3_600))).is_ok());
    assert!(told.state.decide::<Tasks>(lapse, &cid, None).is_err());
    let told = told.says("cid", "task.lapsed", "x", json!({"fence": 2}));
    assert!(matches!(told.last, Outcome::Ignored(_)));
}
