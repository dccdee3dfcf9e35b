//! What holds for reputations.

use colony_core::Position;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::protocol::rules::{Context, Plan, Protocol as _};
use crate::protocol::testing::{Told, agent, at, given, laws_hold, t};

const MONTH: i64 = 30 * 24 * 60 * 60;

/// A task from `from` to `who`, done and found good: four entries.
fn good(mut told: Told, from: &str, who: &str) -> Told {
    let first = told.entries.len() + 1;
    let name = format!("t{first}");
    told = told.says(from, "task.offered", &name, json!({"what": "x"}));
    told = told.says(who, "task.claimed", &name, json!({"until": t(MONTH * 100)}));
    told = told.says(who, "task.done", &name, json!({"fence": first + 1}));
    told.says(from, "task.verified", &name, json!({"delivery": first + 2})).works()
}

/// A task that is claimed and falls silent.
fn broken(mut told: Told, who: &str, now: i64) -> Told {
    let first = told.entries.len() + 1;
    let name = format!("t{first}");
    told = told.at(now).says("ann", "task.offered", &name, json!({"what": "x"}));
    told = told.says(who, "task.claimed", &name, json!({"until": t(now + 1)}));
    told.at(now + 2).says("ann", "task.lapsed", &name, json!({"fence": first + 1})).works()
}

fn score(told: &Told, who: &str, seconds: i64) -> u32 {
    told.state.reputation.score(&agent(who), told.state.time().advanced(at(seconds)))
}

#[test]
fn a_newcomer_has_nothing_good_deeds_add_and_bad_ones_weigh_more() {
    let told = good(given(), "ann", "bob");
    assert_eq!((score(&told, "bob", 0), score(&told, "cid", 0)), (200, 0), "1 of 1 + 4");
    let told = good(good(good(told, "c1", "bob"), "c2", "bob"), "c3", "bob");
    assert_eq!(score(&told, "bob", 0), 500, "4 of 4 + 4");
    let told = broken(told, "bob", 0);
    assert_eq!(score(&told, "bob", 2), 333, "4 of 4 + 2 * 2 + 4");
}

#[test]
fn deeds_fade_by_half_in_a_month() {
    let told = good(good(good(good(given(), "a", "bob"), "b", "bob"), "c", "bob"), "d", "bob");
    assert_eq!(score(&told, "bob", 0), 500);
    assert_eq!(score(&told, "bob", MONTH / 2), 428, "3 of 3 + 4");
    assert_eq!(score(&told, "bob", MONTH), 333, "2 of 2 + 4");
    assert_eq!(score(&told, "bob", MONTH * 100), 0);
}

#[test]
fn friends_that_praise_each_other_again_and_again_get_little_by_it() {
    let mut told = given();
    for _ in 0..20 {
        told = good(told, "ann", "bob");
    }
    assert_eq!(score(&told, "bob", 0), 473, "1 + 1/2 + ... + 1/20 = 3.6 points, not 20");
}

#[test]
fn a_voucher_lends_points_and_loses_them_with_its_word() {
    let told = good(given(), "ann", "bob");
    let vouch = json!({"points": 150, "until": t(1_000)});
    let told = told.says("bob", "reputation.vouched", "cid", vouch).works();
    assert_eq!((score(&told, "cid", 0), score(&told, "bob", 0)), (150, 200));
    let lapsed = broken(told.clone(), "cid", 10);
    assert_eq!(
        (score(&lapsed, "cid", 12), score(&lapsed, "bob", 12)),
        (0, 49),
        "but for twelve seconds of fading"
    );
    assert_eq!(score(&told, "cid", 1_001), 0, "a vouch expires");
    let told = told.says("bob", "reputation.withdrawn", "cid", json!({})).works();
    assert_eq!(score(&told, "cid", 0), 0);
}

#[test]
fn a_ring_of_newcomers_vouching_for_each_other_gains_nothing() {
    let none = |agent| Rejection::Points { agent, free: 0, points: 1 };
    let until = t(1_000);
    let told = given();
    let told = told.says("s1", "reputation.vouched", "s2", json!({"points": 1, "until": until}));
    let told = told.fails(none(agent("s1")));
    // Nor does lent reputation count as earned.
    let told = good(told, "ann", "bob");
    told.says("bob", "reputation.vouched", "s1", json!({"points": 200, "until": until}))
        .works()
        .says("s1", "reputation.vouched", "s2", json!({"points": 1, "until": until}))
        .fails(none(agent("s1")))
        .says("bob", "reputation.vouched", "bob", json!({"points": 1, "until": until}))
        .fails(Rejection::Oneself);
}

#[test]
fn vouches_are_limited_in_number_and_by_what_is_earned() {
    let mut told = good(given(), "ann", "bob");
    let vouch = |points: u32| json!({"points": points, "until": t(1_000)});
    told = told.says("bob", "reputation.vouched", "c1", vouch(150)).works();
    let short = Rejection::Points { agent: agent("bob"), free: 50, points: 60 };
    told = told.says("bob", "reputation.vouched", "c2", vouch(60)).fails(short);
    told = told.says("bob", "reputation.vouched", "c2", vouch(10));
    told = told.says("bob", "reputation.vouched", "c3", vouch(10)).works();
    told.says("bob", "reputation.vouched", "c4", vouch(1)).fails(Rejection::Limit { limit: 3 });
}

#[test]
fn an_administrator_reverses_a_deed_once() {
    let told =
        given().says("root", "space.chartered", "space", json!({"administrators": ["root"]}));
    let told = broken(good(told, "ann", "bob"), "bob", 0);
    let deed = json!({"deed": told.entries.len(), "reason": "the network was down"});
    let at = Position::new(told.entries.len() as u64);
    assert_eq!(score(&told, "bob", 2), 111);
    let told = told
        .says("bob", "reputation.reversed", "bob", deed.clone())
        .fails(Rejection::NotAdministrator { agent: agent("bob") })
        .says("root", "reputation.reversed", "bob", deed.clone())
        .works();
    assert_eq!(score(&told, "bob", 2), 199, "but for two seconds of fading");
    told.says("root", "reputation.reversed", "bob", deed)
        .fails(Rejection::NoDeed { agent: agent("bob"), deed: at });
}

#[test]
fn however_many_agents_there_are_few_are_looked_at_to_judge_a_vouch() {
    let mut told = good(given(), "ann", "bob");
    for number in 0..500 {
        told = good(told, "ann", &format!("w{number}"));
    }
    let vouch = |until: i64| json!({"points": 1, "until": t(until)});
    for number in 0..50 {
        // One after the other: each vouch has ended before the next.
        told = told.at(number * 10).says(
            "bob",
            "reputation.vouched",
            &format!("w{number}"),
            vouch(number * 10 + 5),
        );
        told = told.works();
    }
    let author = agent("bob");
    let context = Context {
        author: &author,
        position: Position::new(99_999),
        time: told.state.time(),
        space: &told.state,
    };
    let said = Vouched { points: 1, until: at(9_999) };
    let plan = Plan::one(crate::protocol::testing::entity("w60"), ReputationEvent::Vouched(said));
    let excerpt = Reputation::excerpt(&told.state.reputation, &plan, &context);
    let names: Vec<_> = excerpt.iter().map(|(agent, _)| agent.as_str()).collect();
    assert_eq!(
        names,
        ["bob", "w49", "w60"],
        "who speaks, for whom it answers last, and whom it is about"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_reader_has_the_same_reputations_within_bounds(
        steps in prop::collection::vec(any::<(u8, u8, u8, u16)>(), 0..40),
        cut in 0_usize..40,
    ) {
        let mut told = given();
        let mut now = 0;
        for (what, one, two, pause) in steps {
            now += i64::from(pause) * 60;
            told = told.at(now);
            let one = ["ann", "bob", "cid"][usize::from(one % 3)];
            let two = ["bob", "cid", "dee"][usize::from(two % 3)];
            told = match what % 4 {
                0 | 1 if one != two => good(told, one, two),
                2 if one != "ann" => broken(told, one, now),
                _ => told.says(one, "reputation.vouched", two, json!({"points": 50, "until": t(now + 90_000)})),
            };
            for (agent, _) in told.state.reputation.iter() {
                prop_assert!(told.state.reputation.score(agent, told.state.time()) <= 1_000);
            }
        }
        laws_hold(&told.entries, cut);
    }
}
