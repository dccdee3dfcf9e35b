//! Where a memory log's time comes from.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use colony_core::Timestamp;

/// 2000-01-01T00:00:00Z.
const COUNTING_START_NANOS: i64 = 946_684_800_000_000_000;
const COUNTING_STEP_NANOS: i64 = 1_000_000;

/// Tells a [`MemoryLog`](super::MemoryLog) when it stores a record.
///
/// The default is [`MemoryClock::counting`]. Whatever the clock says, a log's times never go back: a record gets at
/// least the time of the one before.
#[derive(Clone, Default)]
pub struct MemoryClock(Source);

#[derive(Clone, Default)]
enum Source {
    #[default]
    Counting,
    Manual(ManualClock),
    Function(Arc<dyn Fn() -> Timestamp + Send + Sync>),
}

impl MemoryClock {
    /// Makes a clock that stands 1 ms past the record before, and at 2000-01-01T00:00:00Z for the first one.
    ///
    /// Reads nothing from outside: the same appends give the same records.
    pub fn counting() -> Self {
        Self(Source::Counting)
    }

    /// Makes a clock that moves only when it is told to.
    pub fn manual(clock: ManualClock) -> Self {
        Self(Source::Manual(clock))
    }

    /// Makes a clock that asks a function. It is called with the log locked, so it must not use the log.
    pub fn function(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Source::Function(Arc::new(now)))
    }

    /// Makes a clock that reads the time of day: for forks that people work in.
    pub fn system() -> Self {
        Self::function(|| SystemTime::now().into())
    }

    /// Returns the time of the next record.
    pub(super) fn next(&self, last: Option<Timestamp>) -> Timestamp {
        let now = match (&self.0, last) {
            (Source::Counting, None) => Timestamp::from_nanos(COUNTING_START_NANOS),
            (Source::Counting, Some(last)) => {
                Timestamp::from_nanos(last.as_nanos().saturating_add(COUNTING_STEP_NANOS))
            }
            (Source::Manual(clock), _) => clock.now(),
            (Source::Function(now), _) => now(),
        };
        last.map_or(now, |last| last.max(now))
    }
}

impl fmt::Debug for MemoryClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Source::Counting => "MemoryClock::counting",
            Source::Manual(_) => "MemoryClock::manual",
            Source::Function(_) => "MemoryClock::function",
        })
    }
}

/// A clock that a test moves. Clones are the same clock.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// Makes a clock that stands at a moment.
    pub fn starting_at(time: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(time.as_nanos())))
    }

    /// Returns where it stands.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.0.load(Ordering::SeqCst))
    }

    /// Moves it to a moment, which may lie in the past.
    pub fn set(&self, time: Timestamp) {
        self.0.store(time.as_nanos(), Ordering::SeqCst);
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        let nanos = i64::try_from(by.as_nanos()).unwrap_or(i64::MAX);
        self.0.fetch_add(nanos, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_goes_back() {
        let manual = ManualClock::starting_at(Timestamp::from_nanos(100));
        let clock = MemoryClock::manual(manual.clone());
        assert_eq!(clock.next(None).as_nanos(), 100);
        manual.set(Timestamp::from_nanos(50));
        assert_eq!(clock.next(Some(Timestamp::from_nanos(100))).as_nanos(), 100);
        manual.advance(Duration::from_nanos(70));
        assert_eq!(clock.next(Some(Timestamp::from_nanos(100))).as_nanos(), 120);
    }

    #[test]
    fn the_counting_clock_goes_on_from_the_last_record() {
        let clock = MemoryClock::default();
        assert_eq!(clock.next(None).to_string(), "2000-01-01T00:00:00Z");
        assert_eq!(clock.next(Some(Timestamp::from_nanos(5))).as_nanos(), 1_000_005);
    }
}
