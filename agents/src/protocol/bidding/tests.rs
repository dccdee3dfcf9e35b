//! What holds for bids.

use colony_core::Position;
use serde_json::{Value, json};

use super::*;
use crate::protocol::task::{self, Phase};
use crate::protocol::testing::{Told, agent, at, entity, given, t};

fn auction(terms: &Value) -> Told {
    let offer = json!({"what": "dig", "claim_ms": 10_000, "mode": {"bid": terms}});
    given().says("ann", "task.offered", "pit", offer).works()
}

fn open() -> Told {
    auction(&json!({"until": t(30)}))
}

fn bid(price: u64, finish: i64) -> Value {
    json!({"price": price, "finish": t(finish)})
}

fn owner(told: &Told) -> Option<String> {
    let task = told.state.tasks.get(&entity("pit")).unwrap();
    task.hold().map(|hold| hold.owner.to_string())
}

#[test]
fn the_lowest_price_wins_and_ties_go_to_the_lowest_position() {
    let told = open()
        .says("bob", "task.bid", "pit", bid(7, 90))
        .says("cid", "task.bid", "pit", bid(5, 90))
        .says("dee", "task.bid", "pit", bid(5, 60))
        .at(31)
        .says("eve", "task.closed", "pit", json!({}))
        .works();
    assert_eq!(owner(&told).as_deref(), Some("cid"));
}

#[test]
fn the_earliest_finish_wins_where_that_is_the_rule() {
    let told = auction(&json!({"until": t(30), "award": "earliest-finish"}))
        .says("bob", "task.bid", "pit", bid(5, 90))
        .says("cid", "task.bid", "pit", bid(50, 60))
        .at(31)
        .says("bob", "task.closed", "pit", json!({}));
    assert_eq!(owner(&told).as_deref(), Some("cid"));
}

#[test]
fn a_good_name_is_worth_its_weight() {
    let rule = json!({"weighted": {"price": 10, "reputation": 1}});
    let mut told = auction(&json!({"until": t(30), "award": rule}));
    // cid has delivered five times to different agents; its score is above 500.
    for (index, customer) in ["c1", "c2", "c3", "c4", "c5"].into_iter().enumerate() {
        let (name, first) = (format!("job{index}"), told.entries.len() + 1);
        told = told
            .says(customer, "task.offered", &name, json!({"what": "x"}))
            .says("cid", "task.claimed", &name, json!({"until": t(20)}))
            .says("cid", "task.done", &name, json!({"fence": first + 1}))
            .says(customer, "task.verified", &name, json!({"delivery": first + 2}))
            .works();
    }
    let told = told
        .says("bob", "task.bid", "pit", bid(50, 90))
        .says("cid", "task.bid", "pit", bid(100, 90))
        .at(31)
        .says("bob", "task.closed", "pit", json!({}));
    assert_eq!(owner(&told).as_deref(), Some("cid"), "1000 + 1000 - 555 against 500 + 1000");
}

#[test]
fn the_window_closes_by_log_time_for_bids_and_for_closing_alike() {
    open()
        .at(30)
        .says("bob", "task.closed", "pit", json!({}))
        .fails(task::Rejection::from(Rejection::Open { until: at(30), now: at(30) }))
        .says("bob", "task.bid", "pit", bid(1, 90))
        .works()
        .at(31)
        .says("cid", "task.bid", "pit", bid(0, 90))
        .fails(task::Rejection::from(Rejection::Over { until: at(30), now: at(31) }));
}

#[test]
fn a_full_window_is_over_at_once() {
    let told = auction(&json!({"until": t(30), "at_most": 2}))
        .says("bob", "task.bid", "pit", bid(9, 90))
        .says("cid", "task.bid", "pit", bid(8, 90))
        .says("dee", "task.bid", "pit", bid(1, 90))
        .fails(task::Rejection::from(Rejection::Full { at_most: 2 }))
        .says("eve", "task.closed", "pit", json!({}))
        .works();
    assert_eq!(owner(&told).as_deref(), Some("cid"));
}

#[test]
fn the_last_bid_of_an_agent_counts_at_its_own_place() {
    let told = open()
        .says("bob", "task.bid", "pit", bid(5, 90))
        .says("cid", "task.bid", "pit", bid(4, 90))
        .says("bob", "task.bid", "pit", bid(4, 90))
        .at(31)
        .says("eve", "task.closed", "pit", json!({}));
    assert_eq!(owner(&told).as_deref(), Some("cid"));
}

#[test]
fn a_winner_that_stays_silent_lapses_and_the_next_bid_holds() {
    let told = open()
        .says("bob", "task.bid", "pit", bid(1, 90))
        .says("cid", "task.bid", "pit", bid(2, 90))
        .at(31)
        .says("ann", "task.closed", "pit", json!({}))
        .at(42)
        .says("ann", "task.lapsed", "pit", json!({"fence": 4}))
        .works();
    assert_eq!(owner(&told).as_deref(), Some("cid"));
    let told = told.says("cid", "task.done", "pit", json!({"fence": 4}));
    let told = told.fails(task::Rejection::Fence {
        given: Position::new(4),
        fence: Position::new(5),
        owner: agent("cid"),
    });
    let told = told.at(60).says("bob", "task.lapsed", "pit", json!({"fence": 5})).works();
    let phase = &told.state.tasks.get(&entity("pit")).unwrap().phase;
    assert_eq!(*phase, Phase::Unawarded { since: at(60) });
    let again = json!({"what": "dig", "mode": {"bid": {"until": t(90)}}});
    told.says("ann", "task.offered", "pit", again).works();
}

#[test]
fn nobody_claims_what_is_awarded_by_bids() {
    open()
        .says("bob", "task.claimed", "pit", json!({"until": t(99)}))
        .fails(task::Rejection::ByBids);
}

fn sealed() -> Told {
    auction(&json!({"until": t(30), "sealed_until": t(60)}))
}

fn commit(bidder: &str, price: u64, nonce: &str) -> Value {
    let (task, bidder) = (entity("pit"), agent(bidder));
    let offering = Offering { price, finish: at(90) };
    let commitment = Commitment { task: &task, bidder: &bidder, offering: &offering, nonce };
    json!({"commitment": commitment.digest()})
}

fn reveal(price: u64, nonce: &str) -> Value {
    json!({"price": price, "finish": t(90), "nonce": nonce})
}

#[test]
fn sealed_bids_are_compared_once_revealed_and_the_rest_is_void() {
    let told = sealed()
        .says("bob", "task.bid", "pit", commit("bob", 3, "b"))
        .says("cid", "task.bid", "pit", commit("cid", 1, "c"))
        .says("dee", "task.bid", "pit", commit("dee", 2, "d"))
        .at(31)
        .says("bob", "task.bid_revealed", "pit", reveal(3, "b"))
        .says("dee", "task.bid_revealed", "pit", reveal(2, "d"))
        .works()
        .says("eve", "task.closed", "pit", json!({}))
        .fails(task::Rejection::from(Rejection::Open { until: at(60), now: at(31) }))
        .at(61)
        .says("eve", "task.closed", "pit", json!({}))
        .works();
    assert_eq!(owner(&told).as_deref(), Some("dee"));
}

#[test]
fn a_sealed_bid_cannot_be_changed_copied_or_opened_early() {
    let told = sealed()
        .says("bob", "task.bid", "pit", commit("bob", 3, "b"))
        .says("mal", "task.bid", "pit", commit("bob", 3, "b"))
        .says("bob", "task.bid_revealed", "pit", reveal(3, "b"))
        .fails(task::Rejection::from(Rejection::Open { until: at(30), now: at(0) }))
        .says("cid", "task.bid", "pit", bid(1, 90))
        .fails(task::Rejection::from(Rejection::Kind { sealed: true }))
        .at(31)
        .says("bob", "task.bid_revealed", "pit", reveal(2, "b"));
    assert!(format!("{:?}", told.last).contains("Commitment"), "{:?}", told.last);
    let told = told.says("mal", "task.bid_revealed", "pit", reveal(3, "b"));
    assert!(format!("{:?}", told.last).contains("Commitment"), "a copied bid cannot be revealed");
}

#[test]
fn the_commitment_is_the_digest_of_documented_lines() {
    let text = format!("colony.bid.v1\npit\nbob\n3\n{}\nb\n", at(90).as_nanos());
    let expected = colony_core::Digest::of(text.as_bytes());
    assert_eq!(commit("bob", 3, "b"), json!({"commitment": expected}));
    assert_eq!(
        expected.to_string(),
        "4c26626373e6bf90d564a2b858569a63c51ebd385a715ef91e014853f6283ae7"
    );
}

#[test]
fn a_thousand_bidders_need_no_auctioneer() {
    let mut told = open();
    for index in 0..1_000_u64 {
        told.say(&format!("b{index}"), "task.bid", "pit", &bid(1_000 - index % 997, 90));
    }
    let told = told.at(31).says("ann", "task.closed", "pit", json!({})).works();
    assert_eq!(owner(&told).as_deref(), Some("b996"));
}
