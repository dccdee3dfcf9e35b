//! A claim is stuck on its way while the work is done: it arrives late and changes nothing.

use colony_agents::protocol::Millis;
use colony_agents::protocol::task::{Command, Rejection, Tasks};
use serde_json::json;

use crate::stage::{Stage, played};
use crate::view::{agent, entity};

async fn play(stage: Stage) {
    let ann = stage.join("ann").await;
    let bob = stage.join_wired("bob").await;
    let cid = stage.join("cid").await;
    ann.say("task.offered", "fence", json!({"what": "paint the fence"})).await;
    let offered = ann.say("task.offered", "gate", json!({"what": "paint the gate"})).await;
    // bob writes once, so that its lane is open, and sees two free tasks.
    bob.say("agent.announced", "bob", json!({})).await;
    let seen = bob.until(|view| view.entries.last().unwrap().position >= offered).await;

    bob.wire.stall();
    let hour = || Millis::from_secs(3_600);
    let (fence, gate, (won, done)) = tokio::join!(
        bob.acts::<Tasks>(&seen, Command::Claim(entity("fence"), hour())),
        // This one is not meant to last as long as it is on its way.
        bob.acts::<Tasks>(&seen, Command::Claim(entity("gate"), Millis::new(1))),
        async {
            let won = cid.tries::<Tasks>(Command::Claim(entity("fence"), hour())).await.unwrap();
            let finish = Command::Finish {
                task: entity("fence"),
                fence: Some(won),
                result: Some(serde_json::from_value(json!("green")).unwrap()),
                evidence: Vec::new(),
            };
            let done = cid.tries::<Tasks>(finish).await.unwrap();
            stage.pass(50).await;
            // Something is recorded later than the short claim would have lasted.
            ann.say("agent.announced", "ann", json!({})).await;
            bob.wire.heal();
            (won, done)
        }
    );
    let (fence, gate) = (fence.unwrap(), gate.unwrap());
    assert!(fence > done && gate > done, "bob's claims arrive after the work is done");

    let agreed = stage.agreed().await;
    agreed.ignores(fence, Rejection::Delivered { by: agent("cid"), at: done });
    let colony_agents::protocol::Rejection::Task(Rejection::Past { .. }) = agreed.reason(gate)
    else {
        panic!("{:?}", agreed.reason(gate))
    };
    let delivery = agreed.task("fence").delivery().unwrap();
    assert_eq!((delivery.by.as_str(), delivery.fence), ("cid", won));
    assert_eq!(agreed.holder("gate"), None, "a claim that has run out takes nothing");
}

played!(play);
