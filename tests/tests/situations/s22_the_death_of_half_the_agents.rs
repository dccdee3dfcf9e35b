//! Half of all agents die in the same moment, each with a task in its hands: the others finish everything, each task once.

use serde_json::json;

use crate::role::Role;
use crate::stage::{Stage, played};

const TASKS: usize = 16;
const DYING: [&str; 3] = ["d1", "d2", "d3"];
const LIVING: [&str; 3] = ["w1", "w2", "w3"];

async fn play(stage: Stage) {
    let ann = stage.join("ann").await;
    for number in 0..TASKS {
        // Whoever holds one is missed after 400 ms.
        let offer = json!({"what": "a step", "claim_ms": 400});
        ann.say("task.offered", &format!("t{number:02}"), offer).await;
    }
    let mut dying = Vec::new();
    for name in DYING {
        dying.push(stage.start(Role::Sleeper, name, "one").await);
    }
    let held = ann
        .until(|view| {
            DYING.iter().all(|name| {
                view.all("task.claimed").any(|claim| {
                    claim.event().author.as_str() == *name && view.worked(claim.position)
                })
            })
        })
        .await;
    for process in dying {
        process.kill().await;
    }
    let mut living = Vec::new();
    for name in LIVING {
        living.push(stage.start(Role::Worker, name, "one").await);
    }
    ann.until(|view| view.applied("task.done").len() == TASKS).await;

    let agreed = stage.agreed().await;
    let done = agreed.applied_by_entity("task.done");
    assert_eq!(done.len(), TASKS, "no task is lost");
    assert!(done.values().all(|positions| positions.len() == 1), "no task is done twice: {done:?}");
    let workers: Vec<_> =
        agreed.applied("task.done").iter().map(|done| done.event().author.to_string()).collect();
    assert!(workers.iter().all(|worker| LIVING.contains(&worker.as_str())));
    // What the dead held was taken from them, and by nobody before its time.
    let last_claims = held.applied("task.claimed");
    assert!(last_claims.len() >= DYING.len());
    assert!(agreed.applied("task.lapsed").len() >= DYING.len());
    for (_, task) in agreed.space.tasks.iter() {
        let delivery = task.delivery().unwrap();
        let claim = agreed.entries.iter().find(|entry| entry.position == delivery.fence).unwrap();
        assert_eq!(claim.event().author, delivery.by, "done under the worker's own fence");
    }
}

played!(play);
