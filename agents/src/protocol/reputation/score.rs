//! Deeds, how they fade, and the score they make.

use colony_core::{AgentName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::protocol::time::{LogTime, Millis};

/// Something that an event proves about an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// The agent.
    pub agent: AgentName,
    /// What it did.
    pub kind: DeedKind,
    /// The other side, whose word or whose contract proves it.
    pub with: AgentName,
}

/// What agents do that others remember.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeedKind {
    /// Kept a promise: a contract fulfilled.
    Kept,
    /// Delivered work that was found good.
    Verified,
    /// Delivered work that was found good, after its deadline.
    Late,
    /// Delivered work that was found wanting.
    Rejected,
    /// Fell silent, or broke a contract.
    Broken,
    /// Lost a dispute.
    Disputed,
}

impl DeedKind {
    /// Returns what the deed adds to the good and to the bad side, in points.
    const fn weight(self) -> (u32, u32) {
        match self {
            Self::Kept => (2, 0),
            Self::Verified => (1, 0),
            Self::Late => (1, 1),
            Self::Rejected => (0, 1),
            Self::Broken => (0, 2),
            Self::Disputed => (0, 3),
        }
    }
}

impl DeedKind {
    /// Returns what the `nth` deed with the same other agent adds to the good and to the bad side.
    fn units(self, nth: u32) -> (u64, u64) {
        let (good, bad) = self.weight();
        (u64::from(good) * POINT / u64::from(nth.max(1)), u64::from(bad) * POINT)
    }

    /// Returns whether the deed speaks for the agent.
    pub const fn is_good(self) -> bool {
        self.weight().0 > 0
    }
}

/// How long it takes until a deed counts half.
pub const HALF_LIFE: Millis = Millis::from_secs(30 * 24 * 60 * 60);

/// The points of good deeds at which a spotless agent has half of the full score.
const HALFWAY: u64 = 4;

/// One point, in the unit that is folded: fine enough to fade within a second, whole so that every machine computes the same.
const POINT: u64 = 1 << 32;

/// A sum of points that fades: it halves with each [`HALF_LIFE`], and falls evenly in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Points {
    units: u64,
    at: Timestamp,
}

impl Points {
    fn none(at: Timestamp) -> Self {
        Self { units: 0, at }
    }

    /// Returns what is left at a moment, in 2^-32 points.
    fn left(self, now: Timestamp) -> u64 {
        let age = Millis::between(self.at, now).get();
        let (halvings, rest) = (age / HALF_LIFE.get(), age % HALF_LIFE.get());
        let Some(units) = u32::try_from(halvings).ok().and_then(|n| self.units.checked_shr(n))
        else {
            return 0;
        };
        let faded = u128::from(units / 2) * u128::from(rest) / u128::from(HALF_LIFE.get());
        units.saturating_sub(u64::try_from(faded).unwrap_or(u64::MAX))
    }

    fn add(&mut self, units: u64, now: Timestamp) {
        *self = Self { units: self.left(now).saturating_add(units), at: now };
    }

    /// Takes away what is left of points that were added at `since`.
    fn take(&mut self, units: u64, since: Timestamp, now: Timestamp) {
        let gone = Self { units, at: since }.left(now);
        *self = Self { units: self.left(now).saturating_sub(gone), at: now };
    }
}

/// The good and the bad side of an agent's deeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    good: Points,
    bad: Points,
}

impl Tally {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { good: Points::none(now), bad: Points::none(now) }
    }

    /// Counts a deed. The good side of the `nth` with the same other agent, from 1, counts one nth: friends that
    /// praise each other again and again get little by it.
    pub(super) fn count(&mut self, kind: DeedKind, nth: u32, now: Timestamp) {
        let (good, bad) = kind.units(nth);
        self.good.add(good, now);
        self.bad.add(bad, now);
    }

    pub(super) fn reverse(&mut self, kind: DeedKind, nth: u32, since: Timestamp, now: Timestamp) {
        let (good, bad) = kind.units(nth);
        self.good.take(good, since, now);
        self.bad.take(bad, since, now);
    }

    /// Returns the score, 0 to 1000: `1000 · good / (good + 2 · bad + 4)`.
    pub fn score(&self, time: LogTime) -> u32 {
        let now = time.moment();
        let good = u128::from(self.good.left(now));
        let bad = u128::from(self.bad.left(now));
        let whole = good + 2 * bad + u128::from(HALFWAY * POINT);
        u32::try_from(1_000 * good / whole).unwrap_or(1_000)
    }
}
