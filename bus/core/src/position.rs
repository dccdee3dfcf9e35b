//! Where an entry stands in the log.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

/// The place of an entry in its space's log: the stream sequence. The first entry has position 1.
///
/// As a ruler: `Position::ZERO` lies before the first entry. A **cut** at `p` holds every entry at
/// or before `p`; reading **after** `p` begins with the first entry past it.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct Position(u64);

impl Position {
    /// Before the first entry.
    pub const ZERO: Position = Position(0);
    /// After every entry there will ever be.
    pub const MAX: Position = Position(u64::MAX);

    /// Makes a position of a stream sequence.
    pub const fn new(sequence: u64) -> Self {
        Self(sequence)
    }

    /// Returns the stream sequence.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the position right after this one.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Returns the position right before this one, or [`Position::ZERO`].
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Position {
    type Err = ParseIntError;
    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(Self)
    }
}
