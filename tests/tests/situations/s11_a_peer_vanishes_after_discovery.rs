//! Agents come and go; one is found, given work, and never heard of again: the work finds another.

use std::collections::BTreeSet;

use colony_agents::protocol::Millis;
use colony_agents::protocol::directory::{Liveness, Sight};
use colony_agents::protocol::task::{Command, Rejection, Tasks};
use serde_json::json;

use crate::stage::{Stage, played};
use crate::view::{agent, entity};

async fn play(stage: Stage) {
    let ann = stage.join("ann").await;
    let mut here = BTreeSet::new();
    for number in 0..12 {
        let name = format!("p{number:02}");
        let peer = stage.join(&name).await;
        let skill = if number % 3 == 0 { "paint" } else { "dig" };
        peer.say("agent.announced", &name, json!({"skills": [skill]})).await;
        match number % 4 {
            1 => drop(peer.say("agent.retired", &name, json!({})).await),
            _ if skill == "paint" => drop(here.insert(name)),
            _ => {}
        }
    }
    // ann finds those who can paint and have not left: of p00, p03, p06 and p09 the last has.
    let seen = ann.look().await;
    let skills = ["paint".to_owned()];
    let found: Vec<_> =
        seen.space.directory.with_skills(&skills).map(|(a, _)| a.as_str()).collect();
    assert_eq!(found, ["p00", "p03", "p06"]);
    assert_eq!(found, here.iter().map(String::as_str).collect::<Vec<_>>());

    // p00 is given the work, and has vanished: its process ended when it had announced itself.
    let offer = json!({"what": "paint", "skills": ["paint"], "claim_ms": 300, "mode": {"assigned": {"to": "p00"}}});
    let given = ann.say("task.offered", "fence", offer).await;
    assert_eq!(ann.look().await.holder("fence"), Some(("p00", given)));
    stage.pass(350).await;
    let [digger, painter] = <[_; 2]>::try_from(stage.join_all(&["p02", "p03"]).await).unwrap();
    let claim = || Command::Claim(entity("fence"), Millis::from_secs(3_600));
    let unskilled = Rejection::Skill { skill: "paint".into(), agent: agent("p02") };
    assert_eq!(digger.tries::<Tasks>(claim()).await, Err(unskilled.into()));
    let taken = painter.tries::<Tasks>(claim()).await.unwrap();
    painter.say("task.done", "fence", json!({"fence": taken})).await;

    let agreed = stage.agreed().await;
    assert_eq!(agreed.task("fence").delivery().unwrap().by, agent("p03"));
    // What can be said of p00: nothing by who is cut off itself, that it is gone by who is not.
    let sight = |connected| Sight {
        now: stage.now(),
        connected,
        unreachable_after: Millis::from_secs(3),
        gone_after: Millis::from_secs(10),
        quiet_after: Millis::from_secs(60),
    };
    let liveness =
        |name, connected| Liveness::of(&agent(name), &agreed.space, None, &sight(connected));
    assert_eq!(liveness("p00", true), Liveness::Gone);
    assert_eq!(liveness("p00", false), Liveness::Stale);
    assert_eq!(liveness("p09", false), Liveness::Retired);
}

played!(play);
