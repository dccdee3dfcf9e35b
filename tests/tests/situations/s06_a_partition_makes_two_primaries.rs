//! The first instance is cut off and another one works in its place; then it comes back, and both believe to be the one.

use colony_agents::protocol::reunion;
use colony_core::{Lane, Position};

use crate::role::Role;
use crate::s05_both_instances_get_the_message::{answers, ask};
use crate::stage::{Stage, played};

async fn play(stage: Stage) {
    let bob = stage.join("bob").await;
    let left = stage.start(Role::Desk, "desk", "left").await;
    for number in 0..10 {
        ask(&bob, &format!("before-{number}")).await;
    }
    let parted = bob.until(|view| answers(view).len() == 10).await.entries.last().unwrap().position;
    let right = stage.start(Role::Desk, "desk", "right").await;
    left.part();
    for number in 0..10 {
        ask(&bob, &format!("during-{number}")).await;
    }
    bob.until(|view| answers(view).len() == 20).await;
    // The wire is whole again: what the left one said into the dark arrives now, where it is not lost. And the right one is paused.
    left.rejoin();
    right.pause();
    for number in 0..10 {
        ask(&bob, &format!("after-{number}")).await;
    }
    bob.until(|view| answers(view).len() == 30).await;
    // It comes back from longer than every time-out, and believes still to be the first.
    right.resume();
    ask(&bob, "last").await;
    bob.until(|view| answers(view).contains_key("last")).await;

    let agreed = stage.agreed().await;
    let answered = answers(&agreed);
    assert_eq!(answered.len(), 31);
    assert!(answered.values().all(|times| *times == 1), "{answered:?}");
    // The report of the two sides: all that the agent said since is in one sequence, whoever said it.
    let side_of = |lane: &Lane| (lane.author.as_str() == "desk").then(|| "desk".to_owned());
    let report = reunion::report(&agreed.entries, parted, Position::MAX, side_of);
    let answers_since =
        agreed.all("request.answered").filter(|entry| entry.position > parted).count();
    let desk = &report.sides["desk"];
    assert_eq!(desk.types[&"request.answered".parse().unwrap()], answers_since as u64);
    assert!(desk.ignored.is_empty());
    let effects = agreed
        .all("request.answered")
        .map(|entry| entry.event().cause.clone().unwrap().position.unwrap());
    let events = agreed.all("request.made").map(|entry| entry.position);
    assert!(reunion::audit(events, effects).is_clean());
}

played!(play);
