//! How much of the time applying may take.

use std::time::{Duration, Instant};

/// After applying, rest this many times as long, so that it takes no more than half of the time.
const REST: u32 = 1;
/// Longest rest: nobody's change is kept back for longer, however dear applying is.
const LONGEST_REST: Duration = Duration::from_millis(100);
/// Rest that can be saved up while nothing comes in.
const SAVED: Duration = Duration::from_millis(50);

/// Says when to apply what others changed: at once while that takes little of the time, else after a rest.
///
/// So when applying is cheap each change is visible at once, and when it is dear changes gather and share one call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    /// From when on applying is allowed.
    free_at: Instant,
}

impl Budget {
    pub(super) fn new(now: Instant) -> Self {
        Self { free_at: now }
    }

    /// Returns how long to wait before applying; zero for "at once".
    pub(super) fn wait(&self, now: Instant) -> Duration {
        self.free_at.saturating_duration_since(now)
    }

    /// Notes time spent.
    pub(super) fn spend(&mut self, now: Instant, spent: Duration) {
        let earliest = now.checked_sub(SAVED).unwrap_or(now);
        self.free_at = (self.free_at.max(earliest) + spent * REST).min(now + LONGEST_REST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cheap_applies_happen_at_once_and_dear_ones_gather() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        let ms = Duration::from_millis;
        let mut now = start + ms(1_000);
        for _ in 0..1_000 {
            assert_eq!(budget.wait(now), Duration::ZERO);
            budget.spend(now, ms(1));
            now += ms(10);
        }
        budget.spend(now, ms(100));
        assert!(budget.wait(now) >= ms(50));
        assert_eq!(budget.wait(now + ms(50)), Duration::ZERO);
        budget.spend(now, ms(10_000));
        assert_eq!(budget.wait(now), LONGEST_REST);
    }
}
