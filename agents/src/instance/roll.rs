//! Which instances of the agent give signs of life.
//!
//! For preference only: words may be lost, and clocks and networks may stop.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use colony_bus::Bus;
use colony_bus::log::LiveMessage;
use colony_core::LaneName;
use colony_core::subject::{live_filter, live_subject};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::task::AbortOnDropHandle;

use super::status::LaneStatus;

mod news;

pub use news::{InstanceNews, InstanceWatch, PresentInstance};

/// Most instances of one agent that are remembered.
const INSTANCES: usize = 1_000;
/// Most lanes that an instance tells of: a word is to stay small.
const MAX_TOLD: usize = 64;
/// How long one listens before one believes to be alone.
const FIRST_LOOK: Duration = Duration::from_millis(100);

/// The instances that give signs of life, oneself among them.
pub(super) type Present = Arc<BTreeSet<LaneName>>;

/// How the lanes of this instance are doing, once they are open.
pub(super) type Lanes = Arc<OnceLock<Vec<watch::Receiver<LaneStatus>>>>;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Word {
    instance: LaneName,
    says: Says,
    /// For those who look on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lanes: Vec<LaneStatus>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Says {
    Here,
    Left,
    WhoElse,
}

/// Says that this instance is there, and listens to the others.
#[derive(Debug)]
pub(super) struct Roll {
    bus: Bus,
    lanes: Lanes,
    _task: AbortOnDropHandle<()>,
}

impl Roll {
    /// Begins, and waits a moment for the others' answers. Somebody silent for two thirds of `takeover` is gone.
    ///
    /// Tells each of so many lanes of its own, so that the order in which they wake is always the same.
    pub(super) async fn start(
        bus: Bus,
        takeover: Duration,
        lanes: u16,
    ) -> (Self, Vec<watch::Receiver<Present>>) {
        let me: Present = Arc::new([bus.instance().clone()].into());
        let (senders, receivers) = (0..lanes).map(|_| watch::channel(Arc::clone(&me))).unzip();
        let lanes = Lanes::default();
        let task = tokio::spawn(run(bus.clone(), takeover, senders, Arc::clone(&lanes)));
        tokio::time::sleep(FIRST_LOOK.min(takeover / 6)).await;
        (Self { bus, lanes, _task: AbortOnDropHandle::new(task) }, receivers)
    }

    /// Lets it tell from now on how the lanes are doing.
    pub(super) fn tell_of(&self, lanes: Vec<watch::Receiver<LaneStatus>>) {
        // Told once: by the instance that has just opened them.
        drop(self.lanes.set(lanes));
    }

    /// Says that this instance has gone.
    pub(super) async fn leave(&self) {
        say(&self.bus, Says::Left, &self.lanes).await;
    }
}

/// Returns who works first on something, of those present.
pub(super) fn preferred<'a>(present: &'a BTreeSet<LaneName>, what: &str) -> Option<&'a LaneName> {
    present.iter().max_by_key(|name| (crate::derived::weight(name.as_str(), what), *name))
}

fn topic(bus: &Bus) -> String {
    format!("reactions-{}", bus.agent())
}

async fn say(bus: &Bus, says: Says, lanes: &Lanes) {
    let lanes = lanes.get().map_or(&[][..], Vec::as_slice).iter().take(MAX_TOLD);
    let lanes = lanes.map(|lane| lane.borrow().clone()).collect();
    let word = Word { instance: bus.instance().clone(), says, lanes };
    let subject = live_subject(bus.space(), bus.agent(), bus.instance().as_str(), &topic(bus));
    let Ok(payload) = serde_json::to_vec(&word) else { return };
    let message = LiveMessage { subject, payload: Bytes::from(payload) };
    if let Err(error) = bus.live().send(message).await {
        tracing::debug!(%error, "cannot tell the other instances");
    }
}

async fn run(bus: Bus, takeover: Duration, lanes: Vec<watch::Sender<Present>>, told: Lanes) {
    let expiry = takeover * 2 / 3;
    let mut heard: BTreeMap<LaneName, Instant> = BTreeMap::new();
    let mut beat = tokio::time::interval(takeover / 6);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let Ok(mut words) = bus.live().listen(live_filter(bus.space(), &topic(&bus))).await else {
            beat.tick().await;
            continue;
        };
        say(&bus, Says::WhoElse, &told).await;
        loop {
            let now = Instant::now();
            heard.retain(|_, at| now.saturating_duration_since(*at) < expiry);
            let names: BTreeSet<_> = heard.keys().chain([bus.instance()]).cloned().collect();
            let names = Arc::new(names);
            for lane in &lanes {
                lane.send_if_modified(|known| {
                    let changed = *known != names;
                    *known = Arc::clone(&names);
                    changed
                });
            }
            let next = heard.values().min().map_or(now + expiry, |at| *at + expiry);
            tokio::select! {
                biased;
                word = words.next() => {
                    let Some(word) = word else { break };
                    let Some(Word { instance, says, lanes: _ }) = read(&bus, &word) else { continue };
                    match says {
                        Says::Left => drop(heard.remove(&instance)),
                        Says::Here | Says::WhoElse => {
                            if heard.len() < INSTANCES || heard.contains_key(&instance) {
                                heard.insert(instance, now);
                            }
                        }
                    }
                    if says == Says::WhoElse {
                        say(&bus, Says::Here, &told).await;
                    }
                }
                _ = beat.tick() => say(&bus, Says::Here, &told).await,
                () = tokio::time::sleep_until(next) => {}
            }
        }
    }
}

/// Reads a word of another instance, if it is what its subject says.
fn read(bus: &Bus, message: &LiveMessage) -> Option<Word> {
    let word: Word = serde_json::from_slice(&message.payload).ok()?;
    let subject = live_subject(bus.space(), bus.agent(), word.instance.as_str(), &topic(bus));
    (subject == message.subject && word.instance != *bus.instance()).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_one_goes_only_its_lanes_move() {
        let names: BTreeSet<LaneName> = (0..5).map(|n| format!("i{n}").parse().unwrap()).collect();
        let gone: LaneName = "i3".parse().unwrap();
        let rest: BTreeSet<_> = names.iter().filter(|name| **name != gone).cloned().collect();
        let mut moved = 0;
        for lane in 0..100 {
            let lane = lane.to_string();
            let (before, after) = (preferred(&names, &lane), preferred(&rest, &lane));
            assert!(before == after || before == Some(&gone));
            moved += usize::from(before != after);
        }
        assert!((5..40).contains(&moved), "{moved}");
    }
}
