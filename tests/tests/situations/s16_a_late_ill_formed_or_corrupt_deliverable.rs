//! A deliverable comes in the wrong format, corrupt, and late; and good work is called bad. Rules decide first, arbitrators then.

use std::time::Duration;

use colony_agents::protocol::contract::{
    Command, Contracts, Ending, Figures, MilestoneState, Rejection, SideFound,
};
use colony_core::Digest;
use serde_json::{Value, json};

use crate::player::Player;
use crate::stage::{Stage, played};
use crate::terms::{balances, begin, ending, terms, totals_are_conserved};
use crate::view::entity;

fn delivery(milestone: u32, result: &Value, hash_of: &str) -> Value {
    json!({"milestone": milestone, "hash": Digest::of(hash_of.as_bytes()), "result": result})
}

async fn play(stage: Stage) {
    let [ann, sam] = <[_; 2]>::try_from(stage.join_all(&["ann", "sam"]).await).unwrap();
    let schema = json!({"deliverable": {"what": "a map", "schema": {"type": "object", "required": ["roads"]}}});
    let terms = terms(&stage, [Duration::from_secs(3_600), Duration::from_secs(4)], schema);
    begin(&stage, &ann, &sam, &terms).await;
    let good = json!({"roads": 3});
    let none = sam
        .say("milestone.submitted", "map", json!({"milestone": 0, "hash": Digest::of(b"x")}))
        .await;
    let ill = sam.say("milestone.submitted", "map", delivery(0, &json!([1]), "[1]")).await;
    let corrupt = sam.say("milestone.submitted", "map", delivery(0, &good, "{\"roads\":4}")).await;
    let fine = sam.say("milestone.submitted", "map", delivery(0, &good, "{\"roads\":3}")).await;
    let seen = stage.agreed().await;
    seen.ignores(none, Rejection::NoResult);
    let why = format!("{:?}", seen.reason(ill));
    assert!(why.contains("Violation"), "{why}");
    let (expected, actual) = (Digest::of(b"{\"roads\":3}"), Digest::of(b"{\"roads\":4}"));
    seen.ignores(corrupt, Rejection::Hash { expected, actual });
    assert!(seen.worked(fine));

    // ann calls good work bad. Two of three arbitrators find for sam; the third lies.
    let (contract, reason) = (entity("map"), "I do not like it".to_owned());
    ann.tries::<Contracts>(Command::Fail { contract, milestone: 0, reason }).await.unwrap();
    let (contract, claim) = (entity("map"), "it is fine".to_owned());
    sam.tries::<Contracts>(Command::Dispute { contract, milestone: 0, claim }).await.unwrap();
    let finds =
        [("a1", SideFound::Customer), ("a2", SideFound::Supplier), ("a3", SideFound::Supplier)];
    for (name, right) in finds {
        let (contract, reason) = (entity("map"), String::new());
        let arbitrator = stage.join(name).await;
        let found = Command::Arbitrate { contract, right, reason };
        arbitrator.tries::<Contracts>(found).await.unwrap();
    }
    let seen = stage.agreed().await;
    let work = &seen.space.contracts.get(&entity("map")).unwrap().work;
    assert_eq!(work[0].state, MilestoneState::Verified);
    // Both began with 100; ann locked 90, sam 20; ann's stake of 10 is sam's now.
    assert_eq!(balances(&seen), (10, 90));

    // The second milestone comes late, which nobody has to judge. While the dispute was open no clock ran, so it is due later.
    stage.pass(4_000).await;
    while !breached(&stage, &sam).await {
        stage.pass(100).await;
    }
    let late = sam.say("milestone.submitted", "map", delivery(1, &good, "{\"roads\":3}")).await;
    let agreed = stage.agreed().await;
    assert!(!agreed.worked(late));
    // 30 for the first milestone; sam's stake of 20 goes to ann, the 50 that were not earned go back.
    let figures = Figures { paid: 30, returned: 50, transferred: 30, burned: 0 };
    assert_eq!(ending(&agreed), (Ending::Breached { milestone: 1 }, figures));
    assert_eq!(balances(&agreed), (80, 120));
    totals_are_conserved(&agreed);
}

/// Says that the second milestone is overdue, if it is.
async fn breached(stage: &Stage, sam: &Player) -> bool {
    let breach = Command::Breach(entity("map"), 1);
    match sam.tries::<Contracts>(breach).await {
        Ok(position) => stage.agreed().await.worked(position),
        Err(_) => false,
    }
}

played!(play);
