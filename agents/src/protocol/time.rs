//! Time as the log tells it: nobody's clock decides anything.

use colony_core::Timestamp;
use serde::{Deserialize, Serialize};

/// A length of time in milliseconds. Fields that hold one end in `_ms`.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Millis(u64);

impl Millis {
    /// Makes a length of milliseconds.
    pub const fn new(millis: u64) -> Self {
        Self(millis)
    }

    /// Makes a length of seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000))
    }

    /// Returns the milliseconds.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns whether the length is zero.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Returns how much later `until` is than `from`; zero where it is earlier.
    pub fn between(from: Timestamp, until: Timestamp) -> Self {
        let nanos = i128::from(until.as_nanos()) - i128::from(from.as_nanos());
        Self(u64::try_from(nanos / 1_000_000).unwrap_or(0))
    }

    /// Returns the moment this long after another, or the last moment there is.
    pub fn after(self, from: Timestamp) -> Timestamp {
        let nanos = i128::from(from.as_nanos()) + i128::from(self.0) * 1_000_000;
        Timestamp::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
    }
}

/// The log's own time: the running maximum of the moments at which the server recorded coordination events.
///
/// It never goes back, also where another server with a slower clock takes over. A deadline has passed at an entry
/// when the log time there is later; so every reader, whenever it reads, computes the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogTime(Timestamp);

impl Default for LogTime {
    fn default() -> Self {
        Self(Timestamp::from_nanos(0))
    }
}

impl LogTime {
    /// Returns the log time after an entry recorded at a moment.
    #[must_use]
    pub fn advanced(self, recorded: Timestamp) -> Self {
        Self(self.0.max(recorded))
    }

    /// Returns the moment.
    pub const fn moment(self) -> Timestamp {
        self.0
    }

    /// Returns whether a deadline has passed: it lies before this moment.
    pub fn is_past(self, deadline: Timestamp) -> bool {
        self.0 > deadline
    }

    /// Returns the moment a while after this one.
    pub fn plus(self, length: Millis) -> Timestamp {
        length.after(self.0)
    }

    /// Returns how long ago a moment was; zero where it is still to come.
    pub fn since(self, moment: Timestamp) -> Millis {
        Millis::between(moment, self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_time_never_goes_back() {
        let early = Timestamp::from_nanos(5);
        let late = Timestamp::from_nanos(9);
        let time = LogTime::default().advanced(late).advanced(early);
        assert_eq!(time.moment(), late);
        assert!(time.is_past(early));
        assert!(!time.is_past(late), "a deadline itself is still in time");
    }

    #[test]
    fn lengths_saturate_at_both_ends() {
        let last = Timestamp::from_nanos(i64::MAX);
        assert_eq!(Millis::new(u64::MAX).after(last), last);
        assert_eq!(Millis::between(last, Timestamp::from_nanos(i64::MIN)), Millis::new(0));
        assert_eq!(Millis::from_secs(2).after(Timestamp::from_nanos(1)).as_nanos(), 2_000_000_001);
    }
}
