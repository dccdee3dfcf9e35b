//! Standing by for another instance.
//!
//! An agent that has a state follows the log all the time, so as to know what it must when it takes over. One that has none need not:
//! where more events wait than its instance keeps, it stops listening and only looks how far the other instance has come. It listens
//! again, from there, when it is to work itself or when the other one stands still; what to do then is decided as ever.

use colony_core::Position;
use tokio::time::{Duration, Instant};

use super::LaneTask;

/// How long the instance that works may seem to stand still before one that stands by listens again.
const STANDSTILL: Duration = Duration::from_secs(2);

impl LaneTask {
    /// Stops listening while an instance works that has more to do than this one keeps, and begins again.
    pub(super) fn mind_listening(&mut self, now: Instant) {
        if let Some(since) = self.aside {
            if self.is_first() || now.saturating_duration_since(since) >= STANDSTILL {
                self.aside = None;
            }
            return;
        }
        let idle = self.current.is_none() && self.reactor.is_settled() && self.stop_at.is_none();
        let keeps = self.context.options.standby_events.max(1);
        if idle && self.mind.knows_nothing() && self.queue.len() >= keeps && !self.is_first() {
            // All before the first one that waits is dealt with.
            let first = self.queue.front().map_or(self.delivered, |entry| entry.position);
            self.delivered = Position::new(first.get().saturating_sub(1));
            self.queue.clear();
            self.aside = Some(now);
        }
    }

    /// Notes how far the lane was seen to have come.
    pub(super) fn saw(&mut self, lane: u64, cursor: Position) {
        let further = cursor > self.glimpsed.1;
        self.glimpsed = (lane, self.glimpsed.1.max(cursor));
        if self.aside.is_some() {
            self.delivered = self.delivered.max(self.glimpsed.1);
            if further {
                self.aside = Some(Instant::now());
            }
        }
    }
}
