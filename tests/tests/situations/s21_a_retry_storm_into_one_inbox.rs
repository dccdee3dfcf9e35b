//! Impatient senders repeat their requests into one inbox, over and over: each is answered once, and nobody else is kept waiting for good.

use futures_util::future::join_all;

use crate::role::Role;
use crate::s05_both_instances_get_the_message::{answers, ask};
use crate::stage::{Stage, played};

const SENDERS: [&str; 4] = ["s1", "s2", "s3", "s4"];
const REQUESTS: usize = 3;
const REPEATS: usize = 25;

async fn play(stage: Stage) {
    let senders = stage.join_all(&SENDERS).await;
    let calm = stage.join("calm").await;
    let _desks = (
        stage.start(Role::Desk, "desk", "one").await,
        stage.start(Role::Desk, "desk", "other").await,
    );
    let storm = join_all(senders.iter().map(|sender| async move {
        for repeat in 0..REPEATS {
            for request in 0..REQUESTS {
                // The same request under a new id, as a program does that knows no better.
                ask(sender, &format!("{}-{request}", sender.bus.agent())).await;
            }
            if repeat == REPEATS / 2 {
                tokio::task::yield_now().await;
            }
        }
    }));
    tokio::join!(storm, ask(&calm, "calm"));
    ask(&calm, "last").await;
    calm.until(|view| answers(view).contains_key("last")).await;

    let agreed = stage.agreed().await;
    assert_eq!(agreed.all("request.made").count(), SENDERS.len() * REQUESTS * REPEATS + 2);
    let answered = answers(&agreed);
    assert_eq!(answered.len(), SENDERS.len() * REQUESTS + 2);
    assert!(answered.values().all(|times| *times == 1), "{answered:?}");
}

played!(play);
