//! Readers that keep what they saw.

use std::time::Duration;

use colony_bus::{Bus, Cut, Delivery};
use colony_core::{Filter, Position};
use futures_util::StreamExt as _;
use tokio::task::JoinHandle;

use super::Progress;

/// Follows a space from its beginning in a task.
#[derive(Debug)]
pub struct Follower {
    /// How many entries it has seen.
    pub seen: Progress,
    until: tokio::sync::watch::Sender<Option<Position>>,
    task: JoinHandle<Vec<(Position, String)>>,
}

impl Follower {
    /// Begins to follow, pausing after each entry.
    pub async fn start(bus: &Bus, pause: Duration) -> Self {
        let begin = Cut::Position(Position::ZERO);
        let mut subscription = bus.subscribe(Filter::all(), begin).await.expect("it can follow");
        let seen = Progress::new();
        let counted = seen.clone();
        let (until, mut end) = tokio::sync::watch::channel(None::<Position>);
        let task = tokio::spawn(async move {
            let mut found = Vec::new();
            let mut caught_up = 0;
            let mut last = Position::ZERO;
            loop {
                if end.borrow_and_update().is_some_and(|end| last >= end) {
                    assert_eq!(caught_up, 1, "CaughtUp comes once");
                    return found;
                }
                let delivery = tokio::select! {
                    delivery = subscription.next() => delivery,
                    _ = end.changed() => continue,
                };
                match delivery.expect("a subscription does not end").expect("nor fail") {
                    Delivery::CaughtUp => caught_up += 1,
                    Delivery::Entry(entry) => {
                        assert!(entry.position > last, "{} after {last}", entry.position);
                        last = entry.position;
                        found.push((last, entry.event().id.to_string()));
                        counted.step();
                        if !pause.is_zero() && end.borrow().is_none() {
                            tokio::time::sleep(pause).await;
                        }
                    }
                }
            }
        });
        Self { seen, until, task }
    }

    /// Reads on to a position, without pauses, and returns everything seen.
    pub async fn finish(self, until: Position) -> Vec<(Position, String)> {
        self.until.send_replace(Some(until));
        self.task.await.expect("the follower did not fail")
    }
}

/// Subscribes after a position, takes up to `count` entries, and drops the subscription; `live` counts only entries
/// after [`Delivery::CaughtUp`]. Ends early at `CaughtUp` when `count` is 0, and at `end`.
pub async fn continue_after(
    bus: &Bus,
    after: Position,
    count: u64,
    live: bool,
    end: Option<Position>,
) -> Vec<(Position, String)> {
    let begin = Cut::Position(after);
    let mut subscription = bus.subscribe(Filter::all(), begin).await.expect("it can follow");
    let (mut found, mut counted, mut caught_up) = (Vec::new(), 0, false);
    let mut last = after;
    loop {
        let reached = counted >= count && (caught_up || !live);
        if reached && end.is_none() || end.is_some_and(|end| last >= end) {
            return found;
        }
        match subscription.next().await.expect("a subscription does not end").expect("nor fail") {
            Delivery::CaughtUp => {
                assert!(!caught_up, "CaughtUp comes once");
                caught_up = true;
            }
            Delivery::Entry(entry) => {
                assert!(entry.position > last, "{} after {last}", entry.position);
                last = entry.position;
                found.push((last, entry.event().id.to_string()));
                counted += u64::from(caught_up || !live);
            }
        }
    }
}
