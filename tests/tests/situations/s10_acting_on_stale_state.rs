//! An agent acts on what was true a while ago: the log tells it, and so does the condition it may set.

use colony_agents::protocol::Millis;
use colony_agents::protocol::task::{Command, Rejection, Tasks};
use colony_bus::log::{AppendError, Outcome};
use colony_bus::{Draft, WriteError};
use colony_core::Position;
use serde_json::json;

use crate::stage::{Stage, played};
use crate::view::{agent, entity};

async fn play(stage: Stage) {
    let ann = stage.join("ann").await;
    let [bob, cid] = <[_; 2]>::try_from(stage.join_all(&["bob", "cid"]).await).unwrap();
    ann.say("task.offered", "fence", json!({"what": "paint the fence"})).await;
    // bob looks, and thinks for a long time. Meanwhile cid claims, gives up, and claims again.
    let stale = bob.look().await;
    let claim = || Command::Claim(entity("fence"), Millis::from_secs(3_600));
    let first = cid.tries::<Tasks>(claim()).await.unwrap();
    cid.say("task.released", "fence", json!({"fence": first, "reason": "no paint"})).await;
    let second = cid.tries::<Tasks>(claim()).await.unwrap();

    // By what bob knows nothing stands against its claim. By what everybody knows cid holds the task.
    let claimed = bob.acts::<Tasks>(&stale, claim()).await.unwrap();
    // And cid, from before it gave up, says that it is done.
    let done = cid.say("task.done", "fence", json!({"fence": first})).await;
    // By what it knows now, bob would not even have tried.
    let held = Rejection::Held { owner: agent("cid"), round: 2, fence: second };
    assert_eq!(bob.tries::<Tasks>(claim()).await, Err(held.clone().into()));
    let agreed = stage.agreed().await;
    agreed.ignores(claimed, held);
    let fence = Rejection::Fence { given: first, fence: second, owner: agent("cid") };
    agreed.ignores(done, fence);
    assert_eq!(agreed.holder("fence"), Some(("cid", second)));

    // Whoever must not be overtaken sets a condition, and the log refuses what is stale.
    let note = |text: &str| Draft::new("price.set".parse().unwrap()).json(&text).unwrap();
    cid.bus.publish_if(note("7"), entity("paint"), Position::ZERO).await.unwrap();
    let stale = bob.bus.publish_if(note("5"), entity("paint"), Position::ZERO).await.unwrap_err();
    assert_eq!(stale.outcome(), Outcome::NotApplied);
    assert!(matches!(stale, WriteError::Append(AppendError::Conflict { .. })), "{stale:?}");
    let agreed = stage.agreed().await;
    let prices: Vec<_> = agreed
        .all("price.set")
        .filter(|entry| entry.kind().is_some())
        .map(|entry| entry.event().author.as_str())
        .collect();
    assert_eq!(prices, ["cid"]);
}

played!(play);
