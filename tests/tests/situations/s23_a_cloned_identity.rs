//! Two processes are one agent and one instance, name and key alike: a machine was copied. The lane stays whole, and no task is done twice.

use serde_json::json;

use colony_core::Address;
use colony_core::Digest;

use crate::role::Role;
use crate::stage::{Stage, played};

const TASKS: usize = 12;

async fn play(stage: Stage) {
    let ann = stage.join("ann").await;
    for number in 0..TASKS {
        let offer = json!({"what": "a step", "claim_ms": 400});
        ann.say("task.offered", &format!("t{number:02}"), offer).await;
    }
    let _clones = (
        stage.start(Role::Clone, "bob", "main").await,
        stage.start(Role::Clone, "bob", "main").await,
    );
    ann.until(|view| view.applied("task.done").len() == TASKS).await;

    let agreed = stage.agreed().await;
    let done = agreed.applied_by_entity("task.done");
    assert_eq!(done.len(), TASKS);
    assert!(done.values().all(|positions| positions.len() == 1), "{done:?}");
    // Both wrote one lane, each append on the condition that it knew the last: one chain, without a fork.
    let (mut number, mut last): (u64, Option<Digest>) = (0, None);
    for entry in &agreed.entries {
        let Address::Lane { lane, .. } = &entry.address else { continue };
        if (lane.author.as_str(), lane.name.as_str()) != ("bob", "main") {
            continue;
        }
        let link = entry.envelope.link.unwrap();
        assert_eq!((link.number, link.previous), (number + 1, last), "at {}", entry.position);
        (number, last) = (link.number, Some(entry.digest));
    }
    assert!(number >= 2 * TASKS as u64, "each task was claimed and done in it");
}

played!(play);
