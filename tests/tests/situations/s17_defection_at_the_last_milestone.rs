//! A supplier delivers all but the last, is paid for it, and is never seen again: its stake makes up for it.

use std::time::Duration;

use colony_agents::protocol::contract::{Command, Contracts, Ending, Figures, Rejection};
use colony_agents::protocol::reputation::DeedKind;
use colony_core::Digest;
use serde_json::json;

use crate::stage::{Stage, played};
use crate::terms::{balances, begin, ending, terms, totals_are_conserved};
use crate::view::{agent, entity};

async fn play(stage: Stage) {
    let [ann, sam, zoe] = <[_; 3]>::try_from(stage.join_all(&["ann", "sam", "zoe"]).await).unwrap();
    let terms = terms(&stage, [Duration::from_secs(3_600), Duration::from_secs(3)], json!({}));
    begin(&stage, &ann, &sam, &terms).await;
    let delivery = json!({"milestone": 0, "hash": Digest::of(b"draft")});
    sam.say("milestone.submitted", "map", delivery).await;
    let (contract, checked) = (entity("map"), None);
    ann.tries::<Contracts>(Command::Verify { contract, milestone: 0, checked }).await.unwrap();
    sam.say("milestone.paid", "map", json!({"milestone": 0})).await;
    let paid = stage.agreed().await;
    assert_eq!(balances(&paid), (10, 110), "100 - 90 locked; 100 - 20 locked + 30 paid");
    // sam has its money, and tries to get its stake as well.
    let twice = sam.say("milestone.paid", "map", json!({"milestone": 0})).await;
    let early = sam.say("contract.settled", "map", json!({})).await;
    drop(sam);
    stage.pass(3_050).await;
    // Anybody may say that it is overdue; ann does not have to be there.
    zoe.say("contract.breached", "map", json!({"milestone": 1})).await;
    let again = ann.say("contract.breached", "map", json!({"milestone": 1})).await;

    let agreed = stage.agreed().await;
    assert!(!agreed.worked(twice) && !agreed.worked(early));
    assert!(matches!(
        agreed.reason(again),
        colony_agents::protocol::Rejection::Contract(Rejection::Phase { .. })
    ));
    // ann gets back her stake of 10 and the 50 for what never came; sam's stake of 20 is hers.
    let figures = Figures { paid: 30, returned: 60, transferred: 20, burned: 0 };
    assert_eq!(ending(&agreed), (Ending::Breached { milestone: 1 }, figures));
    assert_eq!(balances(&agreed), (90, 110));
    totals_are_conserved(&agreed);
    let broken = agreed.space.reputation.get(&agent("sam")).unwrap();
    assert_eq!(broken.counts.get(&DeedKind::Broken), Some(&1));
}

played!(play);
