//! An agent says that it is done and is not: those entitled find out, and the task is open again.

use colony_agents::protocol::Millis;
use colony_agents::protocol::reputation::DeedKind;
use colony_agents::protocol::task::{Command, Phase, Rejection, Tasks};
use serde_json::json;

use crate::stage::{Stage, played};
use crate::view::{agent, entity};

async fn play(stage: Stage) {
    let ann = stage.join("ann").await;
    let [mal, bob] = <[_; 2]>::try_from(stage.join_all(&["mal", "bob"]).await).unwrap();
    let [v1, v2] = <[_; 2]>::try_from(stage.join_all(&["v1", "v2"]).await).unwrap();
    let offer = json!({"what": "paint", "verifiers": ["mal", "v1", "v2"], "quorum": 2});
    ann.say("task.offered", "fence", offer).await;
    let claim = || Command::Claim(entity("fence"), Millis::from_secs(3_600));
    let fence = mal.tries::<Tasks>(claim()).await.unwrap();
    let done = mal.say("task.done", "fence", json!({"fence": fence})).await;
    // mal is among the verifiers, and finds itself very good; so does one that is not.
    let own = mal.say("task.verified", "fence", json!({"delivery": done})).await;
    let stranger = ann.say("task.verified", "fence", json!({"delivery": done})).await;
    v1.say("task.rejected", "fence", json!({"delivery": done, "reason": "not a drop"})).await;

    let seen = stage.agreed().await;
    seen.ignores(own, Rejection::OwnWork);
    seen.ignores(stranger, Rejection::NotVerifier { agent: agent("ann") });
    // Two of three must agree, one of whom is mal itself: after one refusal nobody can make up two.
    assert!(matches!(seen.task("fence").phase, Phase::Free { .. }), "{:?}", seen.task("fence"));
    assert_eq!(seen.task("fence").round, 2);

    let fence = bob.tries::<Tasks>(claim()).await.unwrap();
    let again = bob.say("task.done", "fence", json!({"fence": fence})).await;
    // A verdict about what mal delivered says nothing about what bob did.
    let old = v2.say("task.rejected", "fence", json!({"delivery": done, "reason": "bare"})).await;
    for verifier in [&v1, &v2] {
        verifier.say("task.verified", "fence", json!({"delivery": again})).await;
    }
    let agreed = stage.agreed().await;
    agreed.ignores(old, Rejection::OtherDelivery { given: done, actual: again });
    let Phase::Verified(delivery) = &agreed.task("fence").phase else { panic!("not verified") };
    assert_eq!((delivery.by.as_str(), delivery.at), ("bob", again));
    let deeds = |who: &str, kind| {
        let record = agreed.space.reputation.get(&agent(who));
        record.and_then(|record| record.counts.get(&kind).copied()).unwrap_or(0)
    };
    assert_eq!((deeds("mal", DeedKind::Rejected), deeds("mal", DeedKind::Verified)), (1, 0));
    assert_eq!((deeds("bob", DeedKind::Rejected), deeds("bob", DeedKind::Verified)), (0, 1));
}

played!(play);
