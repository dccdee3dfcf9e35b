//! Events that have no effect, and why.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};

use colony_core::{AgentName, EntityName, EventType, Position};
use serde::{Deserialize, Serialize};

use super::coordination::Rejection;
use crate::protocol::limits::{MAX_IGNORED, MAX_IGNORED_BYTES};

/// An event that every reader ignores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignored {
    /// Where it stands.
    pub position: Position,
    /// Its author.
    pub author: AgentName,
    /// Its type.
    pub ty: EventType,
    /// What it is about.
    pub entity: Option<EntityName>,
    /// What stood against it.
    pub reason: Rejection,
}

/// The latest ignored events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IgnoredEvents {
    total: u64,
    /// How many bytes the reasons have together.
    bytes: u64,
    latest: VecDeque<Ignored>,
}

/// Counts what is written, and keeps none of it.
struct Length(u64);

impl fmt::Write for Length {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.saturating_add(text.len() as u64);
        Ok(())
    }
}

/// Returns how long a reason is, told in words. What others said is repeated in it, so it may be long.
fn length(reason: &Rejection) -> u64 {
    let mut length = Length(0);
    // Counting does not fail.
    let _ = write!(length, "{reason}");
    length.0
}

impl IgnoredEvents {
    pub(super) fn push(&mut self, ignored: Ignored) {
        self.total += 1;
        let bytes = length(&ignored.reason);
        if bytes > MAX_IGNORED_BYTES {
            return;
        }
        self.bytes += bytes;
        self.latest.push_back(ignored);
        while self.latest.len() > MAX_IGNORED || self.bytes > MAX_IGNORED_BYTES {
            let Some(oldest) = self.latest.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(length(&oldest.reason));
        }
    }

    /// Returns how many events were ignored since the log began.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Returns the latest of them, oldest first: at most [`MAX_IGNORED`] whose reasons have at most [`MAX_IGNORED_BYTES`].
    pub fn latest(&self) -> impl DoubleEndedIterator<Item = &Ignored> + ExactSizeIterator {
        self.latest.iter()
    }

    /// Returns what stood against the event at a position, if it was ignored and is still kept.
    pub fn reason(&self, position: Position) -> Option<&Rejection> {
        let at = self.latest.binary_search_by_key(&position, |ignored| ignored.position).ok()?;
        self.latest.get(at).map(|ignored| &ignored.reason)
    }
}
