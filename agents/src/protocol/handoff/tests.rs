//! What holds for handoffs.

use colony_core::Position;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::protocol::testing::{Told, agent, at, entity, given, laws_hold, t};

fn offer(more: &Value) -> Value {
    let mut offer = json!({
        "what": "port the parser",
        "why": {
            "decisions": [{"what": "Recursive descent", "because": "errors", "instead_of": ["a generator"]}],
            "assumptions": ["input is UTF-8"],
            "caveats": ["line 80 is slow"],
        },
    });
    offer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    offer
}

fn offered(more: Value) -> Told {
    given().says("ann", "handoff.offered", "h1", offer(&more)).works()
}

fn accepted(more: Value) -> Told {
    offered(more).says("bob", "handoff.accepted", "h1", json!({})).works()
}

fn phase(told: &Told, name: &str) -> Phase {
    told.state.handoffs.get(&entity(name)).unwrap().phase.clone()
}

#[test]
fn the_first_to_accept_has_it() {
    accepted(json!({}))
        .says("cid", "handoff.accepted", "h1", json!({}))
        .fails(Rejection::Accepted { by: agent("bob"), fence: Position::new(2) });
}

#[test]
fn what_is_offered_to_one_is_open_to_all_once_time_has_passed_or_it_declines() {
    let only = Rejection::OnlyFor { only: agent("bob"), until: Some(at(30)) };
    let told = offered(json!({"to": "bob", "until": t(30)}))
        .says("cid", "handoff.accepted", "h1", json!({}))
        .fails(only);
    told.clone().at(31).says("cid", "handoff.accepted", "h1", json!({})).works();
    told.says("bob", "handoff.declined", "h1", json!({"reason": "busy"}))
        .works()
        .says("cid", "handoff.accepted", "h1", json!({}))
        .works();
}

#[test]
fn the_giver_may_die_at_any_step_and_nothing_is_lost() {
    // ann says nothing after its offer; bob takes the work on, dies, and cid completes it.
    let told = offered(json!({"to": "bob", "until": t(30)}))
        .says("bob", "handoff.accepted", "h1", json!({"until": t(60)}))
        .at(61)
        .says("cid", "handoff.accepted", "h1", json!({}))
        .works()
        .says("bob", "handoff.completed", "h1", json!({"fence": 2}))
        .fails(Rejection::Accepted { by: agent("cid"), fence: Position::new(3) })
        .says("cid", "handoff.completed", "h1", json!({"fence": 3}))
        .works();
    let done = Phase::Completed { by: agent("cid"), at: Position::new(5), result: None };
    assert_eq!(phase(&told, "h1"), done);
}

#[test]
fn an_old_fence_of_the_same_agent_has_no_effect() {
    offered(json!({}))
        .says("bob", "handoff.accepted", "h1", json!({"until": t(10)}))
        .at(11)
        .says("bob", "handoff.accepted", "h1", json!({}))
        .works()
        .says("bob", "handoff.completed", "h1", json!({"fence": 2}))
        .fails(Rejection::Fence {
            given: Position::new(2),
            fence: Position::new(3),
            by: agent("bob"),
        });
}

#[test]
fn a_result_that_does_not_fit_the_schema_does_not_complete() {
    let schema = json!({"type": "object", "required": ["files"]});
    let told = accepted(json!({"schema": schema}))
        .says("bob", "handoff.completed", "h1", json!({"fence": 2}))
        .fails(Rejection::NoResult)
        .says("bob", "handoff.completed", "h1", json!({"fence": 2, "result": {"done": true}}));
    assert!(format!("{:?}", told.last).contains("Violation"), "{:?}", told.last);
    let result = json!({"fence": 2, "result": {"files": 3}});
    told.says("bob", "handoff.completed", "h1", result).works();
}

#[test]
fn an_offer_with_a_schema_that_is_none_is_ignored() {
    let told = given().says("ann", "handoff.offered", "h1", offer(&json!({"schema": {"type": 7}})));
    assert!(format!("{:?}", told.last).contains("Schema"), "{:?}", told.last);
}

#[test]
fn questions_are_answered_by_anyone_who_knows_also_when_the_asker_has_moved_on() {
    let told = accepted(json!({}))
        .says("bob", "clarification.asked", "q1", json!({"handoff": "h1", "question": "tabs?"}))
        .says("bob", "agent.announced", "bob", json!({}))
        .says("bob", "agent.retired", "bob", json!({}))
        .says("eve", "clarification.answered", "q1", json!({"answer": "spaces"}))
        .works();
    let h1 = entity("h1");
    let questions: Vec<_> = told.state.handoffs.questions_about(&h1).collect();
    assert_eq!(questions[0].1.answers[0].by, agent("eve"));
    assert_eq!(told.state.handoffs.open_questions().count(), 0);
    told.says("eve", "clarification.answered", "q9", json!({"answer": "?"}))
        .fails(Rejection::Unknown { name: entity("q9") });
}

fn hop(told: Told, by: &str, name: &str, continues: &str, why: &Value) -> Told {
    let offer = json!({"what": "port", "continues": continues, "why": why});
    told.says(by, "handoff.offered", name, offer).works()
}

#[test]
fn only_who_has_it_passes_it_on_and_a_chain_never_forks() {
    let told = accepted(json!({}));
    let offer = json!({"what": "port", "continues": "h1"});
    let told = told
        .says("cid", "handoff.offered", "h2", offer.clone())
        .fails(Rejection::Accepted { by: agent("bob"), fence: Position::new(2) })
        .says("bob", "handoff.offered", "h2", offer.clone())
        .works();
    assert_eq!(phase(&told, "h1"), Phase::PassedOn { by: agent("bob"), to: entity("h2") });
    told.says("bob", "handoff.offered", "h3", offer)
        .fails(Rejection::PassedOn { by: agent("bob"), to: entity("h2") });
}

#[test]
fn retention_counts_the_reasons_that_survive_each_hop_and_names_who_dropped_which() {
    let told = hop(
        accepted(json!({})),
        "bob",
        "h2",
        "h1",
        &json!({"decisions": [{"what": "recursive descent."}], "assumptions": ["Input is UTF-8!"]}),
    );
    let told = told.says("cid", "handoff.accepted", "h2", json!({}));
    let told = hop(told, "cid", "h3", "h2", &json!({"caveats": ["Input is utf 8", "hurry"]}));
    let h3 = entity("h3");
    let hops = told.state.handoffs.hops(&h3);
    assert_eq!(hops.iter().map(|hop| hop.by.as_str()).collect::<Vec<_>>(), ["ann", "bob", "cid"]);
    let kept = told.state.handoffs.retention(&h3).unwrap();
    assert_eq!((kept.hops, kept.given, kept.told.as_slice()), (3, 4, [4, 2, 1].as_slice()));
    let lost: Vec<_> = kept.lost.iter().map(|(reason, hop)| (reason.as_str(), *hop)).collect();
    assert_eq!(lost, [("a generator", 1), ("line 80 is slow", 1), ("recursive descent", 2)]);
    assert_eq!(kept.added, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_reader_has_the_same_handoffs(
        steps in prop::collection::vec(any::<(u8, u8, u8, u8)>(), 0..50),
        cut in 0_usize..50,
    ) {
        let mut told = given();
        for (who, what, which, more) in steps {
            let now = told.entries.len() as i64 * 5;
            told = told.at(now);
            let who = ["ann", "bob", "cid"][usize::from(who % 3)];
            let name = ["h1", "h2", "h3"][usize::from(which % 3)];
            let before = ["h1", "h2", "h3"][usize::from(more % 3)];
            let fence = told.entries.len() as u64 - u64::from(more % 4).min(told.entries.len() as u64);
            let (ty, data) = match what % 7 {
                0 => ("handoff.offered", offer(&json!({"to": "bob", "until": t(now + 9)}))),
                1 => ("handoff.offered", offer(&json!({"continues": before}))),
                2 => ("handoff.accepted", json!({"until": t(now + 7)})),
                3 => ("handoff.declined", json!({})),
                4 => ("handoff.completed", json!({"fence": fence, "result": [more]})),
                5 => ("clarification.asked", json!({"handoff": before, "question": "?"})),
                _ => ("clarification.answered", json!({"answer": "!"})),
            };
            told.say(who, ty, name, &data);
        }
        laws_hold(&told.entries, cut);
    }
}
