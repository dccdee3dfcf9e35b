//! Both instances of an agent get every message, and both believe that it is theirs: each is answered once.

use std::collections::BTreeMap;

use colony_core::Position;

use crate::player::Player;
use crate::role::{Request, Role};
use crate::stage::{Stage, played};
use crate::view::View;

const REQUESTS: usize = 40;

/// Sends a request to the desk.
pub(crate) async fn ask(player: &Player, request: &str) {
    let mail = colony_bus::Draft::new("request.made".parse().unwrap())
        .to("desk".parse().unwrap())
        .json(&Request { request: request.to_owned() })
        .unwrap();
    player.bus.publish(mail).await.unwrap().await.unwrap();
}

/// Returns how often each request was answered.
pub(crate) fn answers(view: &View) -> BTreeMap<String, usize> {
    let mut answers = BTreeMap::new();
    for entry in view.all("request.answered") {
        let Request { request } = entry.event().data.to_value().unwrap();
        *answers.entry(request).or_default() += 1;
    }
    answers
}

async fn play(stage: Stage) {
    let bob = stage.join("bob").await;
    let _one = stage.start(Role::Desk, "desk", "one").await;
    let _other = stage.start(Role::Desk, "desk", "other").await;
    for number in 0..REQUESTS {
        ask(&bob, &format!("r{number}")).await;
    }
    bob.until(|view| answers(view).len() == REQUESTS).await;
    // What an instance may still say stands after the answer: so the lane's next answer is waited for as well.
    ask(&bob, "last").await;
    bob.until(|view| answers(view).contains_key("last")).await;

    let agreed = stage.agreed().await;
    let answered = answers(&agreed);
    assert_eq!(answered.len(), REQUESTS + 1);
    assert!(answered.values().all(|times| *times == 1), "{answered:?}");
    // In the order in which they were asked, each because of its request, each by the one agent.
    let causes: Vec<Option<Position>> = agreed
        .all("request.answered")
        .map(|entry| entry.event().cause.as_ref()?.position)
        .collect();
    assert!(causes.is_sorted() && causes.iter().all(Option::is_some));
    let asked: Vec<_> = agreed.all("request.made").map(|entry| Some(entry.position)).collect();
    assert_eq!(causes, asked);
}

played!(play);
