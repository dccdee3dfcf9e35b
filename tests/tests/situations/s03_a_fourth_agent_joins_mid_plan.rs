//! Three agents are in the middle of a plan when a fourth one joins: it knows at once what is free and what is not.

use colony_agents::protocol::Millis;
use colony_agents::protocol::task::{Column, Command, Rejection, Tasks};
use serde_json::json;

use crate::stage::{Stage, played};
use crate::view::entity;

async fn play(stage: Stage) {
    let ann = stage.join("ann").await;
    let workers = stage.join_all(&["w1", "w2", "w3"]).await;
    for (task, after) in [
        ("dig", json!([])),
        ("pour", json!(["dig"])),
        ("build", json!(["pour"])),
        ("plant", json!(["dig"])),
    ] {
        ann.say("task.offered", task, json!({"what": task, "after": after})).await;
    }
    let hour = Millis::from_secs(3_600);
    let dig = workers[0].tries::<Tasks>(Command::Claim(entity("dig"), hour)).await.unwrap();
    let early = workers[1].tries::<Tasks>(Command::Claim(entity("pour"), hour)).await;
    assert_eq!(early, Err(Rejection::After { on: entity("dig") }.into()));
    workers[0].say("task.done", "dig", json!({"fence": dig})).await;
    let pour = workers[1].tries::<Tasks>(Command::Claim(entity("pour"), hour)).await.unwrap();

    // The fourth one has never been here. One read, and nobody was asked.
    let dee = stage.join("dee").await;
    let seen = dee.look().await;
    assert_eq!(seen.space, workers[2].look().await.space);
    let board = seen.space.tasks.board(seen.space.time());
    let column = |column| board.column(column).map(|card| card.task.as_str()).collect::<Vec<_>>();
    assert_eq!(column(Column::Done), ["dig"]);
    assert_eq!(column(Column::Doing), ["pour"]);
    assert_eq!(column(Column::Waiting), ["build"]);
    assert_eq!(column(Column::Free), ["plant"]);
    let taken = dee.acts::<Tasks>(&seen, Command::Claim(entity("pour"), hour)).await;
    let held = Rejection::Held { owner: "w2".parse().unwrap(), round: 1, fence: pour };
    assert_eq!(taken, Err(held.into()));
    let plant = dee.acts::<Tasks>(&seen, Command::Claim(entity("plant"), hour)).await.unwrap();

    let agreed = stage.agreed().await;
    assert_eq!(agreed.holder("plant"), Some(("dee", plant)));
    assert_eq!(agreed.holder("pour"), Some(("w2", pour)));
    assert_eq!(agreed.space.ignored.total(), 0, "nobody got in anybody's way");
}

played!(play);
