//! The task that says that we are here, listens to the others, and answers who asks.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::{Instant, MissedTickBehavior};

use super::{HEARTBEAT, Message, Room, Says, lock};
use crate::log::LiveMessages;

/// Answers are spread over this time, so that a crowd does not answer in one instant.
const SPREAD: Duration = Duration::from_millis(50);
/// Pause before listening again after it failed.
const PAUSE: Duration = Duration::from_millis(500);

pub(super) async fn run(room: Arc<Room>) {
    loop {
        match room.live.listen(room.filter()).await {
            Ok(messages) => converse(&room, messages).await,
            Err(error) => tracing::debug!(%error, "cannot listen for presence yet"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn converse(room: &Room, mut messages: LiveMessages) {
    say(room, Says::Ask).await;
    let mut heartbeat = tokio::time::interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut answer_at: Option<Instant> = None;
    loop {
        let answer = async {
            match answer_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            message = messages.next() => {
                let Some(message) = message else { return };
                let Some(message) = room.read(&message) else { continue };
                if hear(room, message) && answer_at.is_none() {
                    let spread = SPREAD.mul_f64(rand::random::<f64>());
                    answer_at = Some(Instant::now() + spread);
                }
            }
            _ = heartbeat.tick() => say_here(room, Says::Probe).await,
            () = answer => {
                answer_at = None;
                say_here(room, Says::Probe).await;
            }
        }
    }
}

/// Takes in a message; returns whether it asks for an answer.
fn hear(room: &Room, message: Message) -> bool {
    let Message { agent, instance, says } = message;
    let mine = agent == room.agent && instance == room.instance;
    let now = Instant::now();
    let asks = {
        let mut view = lock(&room.view);
        view.hear(now);
        let who = (agent, instance);
        match says {
            Says::Here(status) => {
                view.here(who, status, now);
                false
            }
            Says::Left => {
                view.left(&who);
                false
            }
            Says::Ask => !mine,
            Says::Probe => false,
        }
    };
    room.changes.send_modify(|count| *count = count.wrapping_add(1));
    asks
}

/// Says how we are; or, where we have announced nothing, the alternative.
async fn say_here(room: &Room, otherwise: Says) {
    let mine = lock(&room.mine).clone();
    say(room, mine.map_or(otherwise, Says::Here)).await;
}

async fn say(room: &Room, says: Says) {
    if let Err(error) = room.send(says).await {
        tracing::debug!(%error, "presence could not be told");
    }
}
