//! An owner falls silent: it is replaced once its claim has run out, and what it says later has no effect.

use colony_agents::protocol::Millis;
use colony_agents::protocol::reputation::DeedKind;
use colony_agents::protocol::task::{Command, Rejection, Tasks};
use colony_core::Timestamp;
use serde_json::json;

use crate::stage::{Stage, played};
use crate::view::{View, agent, entity};

async fn play(stage: Stage) {
    let ann = stage.join("ann").await;
    let bob = stage.join_wired("bob").await;
    let cid = stage.join("cid").await;
    // Whatever a claim asks for, more than 400 ms of silence are not allowed here.
    let offer =
        json!({"what": "paint the fence", "claim_ms": 400, "deadline": stage.ahead(3_600_000)});
    ann.say("task.offered", "fence", offer).await;
    let claim = || Command::Claim(entity("fence"), Millis::from_secs(3_600));
    let old = bob.tries::<Tasks>(claim()).await.unwrap();
    let seen = stage.join("eve").await.look().await;
    let until = seen.task("fence").hold().unwrap().until;

    bob.wire.stall();
    let late = json!({"fence": old, "result": "red"});
    let (late, new) = tokio::join!(bob.say("task.done", "fence", late), async {
        // Nothing but the time of the log makes it lapse.
        while stage.now() <= until {
            stage.pass(20).await;
        }
        let new = cid.tries::<Tasks>(claim()).await.unwrap();
        bob.wire.heal();
        new
    });
    let agreed = stage.agreed().await;
    let not_owner = Rejection::NotOwner { owner: agent("cid"), fence: new };
    let not_yet_lapsed_again = agreed.holder("fence") == Some(("cid", new));
    assert!(not_yet_lapsed_again && agreed.task("fence").round == 2);
    agreed.ignores(late, not_owner);
    assert_eq!(without_fences(&agreed), Some("red".to_owned()), "fences make the difference");
    let broken = |who: &str| {
        let record = agreed.space.reputation.get(&agent(who));
        record.and_then(|record| record.counts.get(&DeedKind::Broken).copied())
    };
    assert_eq!((broken("bob"), broken("cid")), (Some(1), None));

    let lapsed = &agreed.applied("task.lapsed")[0];
    let deadline: Timestamp = agreed.task("fence").offer.said.deadline.unwrap();
    assert!(until < lapsed.recorded && lapsed.recorded < deadline, "noticed before the deadline");
}

/// What a reader would take for the result that looks at no fence: the word of somebody who once held the task.
fn without_fences(view: &View) -> Option<String> {
    let done = view.all("task.done").next()?;
    let claimed = view.all("task.claimed").any(|claim| claim.event().author == done.event().author);
    let data: serde_json::Value = done.event().data.to_value().unwrap();
    claimed.then(|| data["result"].as_str().unwrap().to_owned())
}

played!(play);
