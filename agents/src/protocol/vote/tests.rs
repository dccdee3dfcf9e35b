//! What holds for votes.

use colony_core::Position;
use colony_core::signature::Signer;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::protocol::Signature;
use crate::protocol::testing::{Told, agent, at, entity, given, laws_hold, signer, t};

fn call(more: &Value) -> Value {
    let mut call = json!({"question": "ship?", "voters": {"v1": null, "v2": null, "v3": null}, "until": t(60)});
    call.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    call
}

fn called(more: Value) -> Told {
    given().says("ann", "vote.called", "ship", call(&more)).works()
}

fn cast(told: Told, who: &str, choice: &str) -> Told {
    told.says(who, "vote.cast", "ship", json!({"choice": choice}))
}

fn decided(told: &Told, seconds: i64) -> Option<String> {
    let vote = told.state.votes.get(&entity("ship")).unwrap();
    vote.result(told.state.time().advanced(at(seconds))).decided().map(str::to_owned)
}

#[test]
fn more_than_half_of_all_who_may_vote_decide() {
    let told = cast(called(json!({})), "v1", "yes");
    assert_eq!(decided(&told, 0), None);
    let told = cast(told, "v2", "yes").works();
    assert_eq!(decided(&told, 0).as_deref(), Some("yes"), "nothing can stop it any more");
    let silent = cast(called(json!({})), "v1", "yes");
    assert_eq!(decided(&silent, 61), None, "one of three is no majority");
}

#[test]
fn a_byzantine_voter_votes_once_and_strangers_not_at_all() {
    let voted = Rejection::Voted { agent: agent("v1"), choice: "yes".into(), at: Position::new(2) };
    let told = cast(cast(called(json!({})), "v1", "yes"), "v1", "no").fails(voted);
    let told = cast(told, "mal", "no").fails(Rejection::NotVoter { agent: agent("mal") });
    let told = cast(told, "v2", "maybe").fails(Rejection::NoOption { choice: "maybe".into() });
    assert_eq!(told.state.votes.get(&entity("ship")).unwrap().ballots.len(), 1);
}

#[test]
fn where_the_last_vote_counts_nothing_is_settled_before_the_end() {
    let told = called(json!({"counts": "last"}));
    let told = cast(cast(cast(told, "v1", "yes"), "v2", "yes"), "v1", "no").works();
    let told = cast(told, "v3", "no");
    assert_eq!(decided(&told, 60), None);
    assert_eq!(decided(&told, 61).as_deref(), Some("no"));
    cast(told.at(61), "v2", "no").fails(Rejection::Over { until: at(60), now: at(61) });
}

#[test]
fn k_of_n_and_weights_decide_as_called() {
    let told = cast(called(json!({"rule": {"at-least": 1}})), "v3", "no");
    assert_eq!(decided(&told, 0).as_deref(), Some("no"));
    let told = cast(called(json!({"rule": {"weighted": {"v1": 5}}})), "v1", "yes");
    assert_eq!(decided(&told, 0).as_deref(), Some("yes"), "5 of 7");
}

#[test]
fn reputations_are_weighed_where_the_vote_is_called() {
    let told = given()
        .says("v4", "task.offered", "x", json!({"what": "x"}))
        .says("v1", "task.claimed", "x", json!({"until": t(20)}))
        .says("v1", "task.done", "x", json!({"fence": 2}))
        .says("v4", "task.verified", "x", json!({"delivery": 3}))
        .says("ann", "vote.called", "ship", call(&json!({"rule": "by-reputation"})));
    let vote = told.state.votes.get(&entity("ship")).unwrap();
    assert_eq!(vote.weights[&agent("v1")], 200);
    assert_eq!(vote.weights[&agent("v2")], 0);
    assert_eq!(decided(&cast(told.clone(), "v1", "yes"), 0).as_deref(), Some("yes"));
    let told = cast(cast(told, "v2", "no"), "v3", "no");
    assert_eq!(decided(&told, 61), None, "newcomers weigh nothing, however many they are");
}

#[test]
fn calls_that_contradict_themselves_are_ignored() {
    for (field, more) in [
        ("voters", json!({"voters": {}})),
        ("until", json!({"until": t(0)})),
        ("options", json!({"options": ["only"]})),
        ("rule", json!({"rule": {"at-least": 4}})),
    ] {
        given()
            .says("ann", "vote.called", "ship", call(&more))
            .fails(Rejection::Call { field: field.into() });
    }
    let at = Position::new(1);
    called(json!({}))
        .says("bob", "vote.called", "ship", call(&json!({})))
        .fails(Rejection::Called { by: agent("ann"), at });
}

fn signed(signer: &Signer, voter: &str, choice: &str) -> Value {
    let (vote, voter) = (entity("ship"), agent(voter));
    let choice = SignedChoice { vote: &vote, called: Position::new(1), voter: &voter, choice };
    let signature = Signature::make(signer, &choice.digest()).unwrap();
    json!({"choice": choice.choice, "signature": signature})
}

#[test]
fn where_keys_are_named_a_vote_without_its_signature_does_not_count() {
    let (one, two) = (signer(1), signer(2));
    let voters = json!({"v1": one.public(), "v2": null});
    let told = called(json!({"voters": voters}));
    let missing = Rejection::Signature { agent: agent("v1") };
    let told = cast(told, "v1", "yes").fails(missing.clone());
    let told =
        told.says("v1", "vote.cast", "ship", signed(&two, "v1", "yes")).fails(missing.clone());
    let mut moved = signed(&one, "v1", "yes");
    moved["choice"] = json!("no");
    let told = told.says("v1", "vote.cast", "ship", moved).fails(missing);
    told.says("v1", "vote.cast", "ship", signed(&one, "v1", "yes")).works();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_reader_counts_alike_and_one_vote_each(
        steps in prop::collection::vec(any::<(u8, u8, u8)>(), 0..40),
        last in any::<bool>(),
        cut in 0_usize..40,
    ) {
        let counts = if last { "last" } else { "first" };
        let mut told = called(json!({"counts": counts}));
        for (who, choice, pause) in steps {
            let now = told.entries.len() as i64 + i64::from(pause % 4);
            told = told.at(now);
            let who = ["v1", "v2", "v3", "mal"][usize::from(who % 4)];
            let choice = ["yes", "no", "maybe"][usize::from(choice % 3)];
            told.say(who, "vote.cast", "ship", &json!({"choice": choice}));
            let vote = told.state.votes.get(&entity("ship")).unwrap();
            prop_assert!(vote.ballots.len() <= 3);
        }
        laws_hold(&told.entries, cut);
    }
}
