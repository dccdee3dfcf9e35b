//! More agents want a shared budget than it has room for, all at once: it is never exceeded, and each knows what it got.

use colony_agents::protocol::quota::{Command, Quotas, Rejection};
use futures_util::future::join_all;
use serde_json::json;

use crate::stage::{Stage, played};
use crate::view::{View, entity};

async fn play(stage: Stage) {
    let ann = stage.join("ann").await;
    ann.say("quota.defined", "calls", json!({"amount": 10, "period_ms": 86_400_000})).await;
    let callers = stage.join_all(&["c1", "c2", "c3", "c4", "c5", "c6", "c7"]).await;
    let seen = ann.look().await;
    let take = |amount| Command::Take(entity("calls"), amount);
    let taken = callers.iter().map(|caller| caller.acts::<Quotas>(&seen, take(3)));
    let mut taken: Vec<_> = join_all(taken).await.into_iter().map(Result::unwrap).collect();
    taken.sort();

    let agreed = stage.agreed().await;
    let quota = agreed.space.quotas.get(&entity("calls")).unwrap();
    // Seven want 21. Three times 3 fit into 10, in the order of the log.
    assert_eq!(quota.taken, 9);
    for (place, position) in taken.iter().enumerate() {
        assert_eq!(quota.reservation(*position).is_some(), place < 3, "the one at {position}");
        assert_eq!(quota.refusal(*position).is_some(), place >= 3, "the one at {position}");
    }
    assert!(asked(&agreed) > quota.said.amount, "whoever grants all that is asked exceeds it");

    // One that got some returns what it did not use, once; one that got nothing cannot.
    let winner = agreed.entries.iter().find(|entry| entry.position == taken[0]).unwrap();
    let winner = callers.iter().find(|c| *c.bus.agent() == winner.event().author).unwrap();
    let loser = agreed.entries.iter().find(|entry| entry.position == taken[3]).unwrap();
    let loser = callers.iter().find(|c| *c.bus.agent() == loser.event().author).unwrap();
    let back = |at: colony_core::Position| json!({"reservation": at, "used": 1});
    winner.say("quota.returned", "calls", back(taken[0])).await;
    let again = winner.say("quota.returned", "calls", back(taken[0])).await;
    let nothing = loser.say("quota.returned", "calls", back(taken[3])).await;
    let agreed = stage.agreed().await;
    for (position, caller, reservation) in [(again, winner, taken[0]), (nothing, loser, taken[3])] {
        let agent = caller.bus.agent().clone();
        agreed.ignores(position, Rejection::NoReservation { agent, reservation });
    }
    assert_eq!(agreed.space.quotas.get(&entity("calls")).unwrap().taken, 7);
    let too_much = loser.tries::<Quotas>(take(11)).await;
    assert_eq!(too_much, Err(Rejection::TooMuch { asked: 11, amount: 10 }.into()));
}

fn asked(view: &View) -> u64 {
    let asked = |entry: &&colony_core::Entry| {
        let data: serde_json::Value = entry.event().data.to_value().unwrap();
        data["amount"].as_u64().unwrap()
    };
    view.all("quota.taken").map(|entry| asked(&entry)).sum()
}

played!(play);
