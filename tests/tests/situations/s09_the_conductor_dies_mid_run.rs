//! The conductor of a plan dies half-way: another instance of it goes on from where the log stands, and no step is given twice.

use serde_json::json;

use crate::role::{PLANNED, Role};
use crate::stage::{Stage, played};

async fn play(stage: Stage) {
    let bob = stage.join("bob").await;
    let _hands = (
        stage.start(Role::Hand, "hand-a", "one").await,
        stage.start(Role::Hand, "hand-b", "one").await,
    );
    let first = stage.start(Role::Conductor, "conductor", "first").await;
    bob.say("plan.made", "plan", json!({})).await;
    bob.until(|view| view.applied("task.done").len() >= 4).await;
    first.kill().await;
    let _second = stage.start(Role::Conductor, "conductor", "second").await;
    bob.until(|view| view.all("plan.finished").count() == 1).await;

    let agreed = stage.agreed().await;
    for ty in ["task.offered", "task.done", "task.verified"] {
        let by_task = agreed.applied_by_entity(ty);
        assert_eq!(by_task.len(), usize::try_from(PLANNED).unwrap(), "{ty}");
        assert!(by_task.values().all(|positions| positions.len() == 1), "{ty}: {by_task:?}");
        assert_eq!(agreed.all(ty).count(), by_task.len(), "{ty}: nothing was in vain");
    }
    assert_eq!(agreed.all("plan.finished").count(), 1);
    assert_eq!(agreed.space.ignored.total(), 0);
}

played!(play);
