//! Three instances of one agent run a job each second; one dies. Each tick comes once, and each runs the job once.

use std::collections::BTreeSet;

use colony_core::EventId;
use serde_json::Value;

use crate::role::Role;
use crate::stage::{Stage, played};

async fn play(stage: Stage) {
    let bob = stage.join("bob").await;
    let mut instances = Vec::new();
    for name in ["one", "two", "three"] {
        instances.push(stage.start(Role::Ticker, "ticker", name).await);
    }
    bob.until(|view| view.all("job.ran").count() >= 2).await;
    instances.remove(0).kill().await;
    bob.until(|view| view.all("job.ran").count() >= 4).await;

    let agreed = stage.agreed().await;
    let ticks: Vec<_> = agreed.all("schedule.ticked").collect();
    let moments: BTreeSet<String> =
        ticks.iter().map(|tick| tick.event().time.as_ref().unwrap().at.to_string()).collect();
    assert_eq!(moments.len(), ticks.len(), "one tick for each moment");
    let ids: BTreeSet<&EventId> = ticks.iter().map(|tick| &tick.event().id).collect();
    assert_eq!(ids.len(), ticks.len());
    let ran: Vec<u64> = agreed
        .all("job.ran")
        .map(|entry| entry.event().data.to_value::<Value>().unwrap()["tick"].as_u64().unwrap())
        .collect();
    let ticked: Vec<u64> = ticks.iter().map(|tick| tick.position.get()).collect();
    // The last tick may not have been answered yet.
    assert_eq!(ran, ticked[..ran.len()]);
    assert!(ticked.len() - ran.len() <= 1 && ran.len() >= 4);
}

played!(play);
