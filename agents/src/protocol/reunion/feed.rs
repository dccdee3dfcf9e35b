//! Whether a subscriber saw each event once, and in order.

use std::collections::BTreeMap;

use colony_core::Position;
use serde::{Deserialize, Serialize};

/// What a subscriber's effects say about its feed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedAudit {
    /// Events that left no effect, ascending.
    pub missing: Vec<Position>,
    /// Events that left more than one, ascending, with how many.
    pub doubled: Vec<(Position, u64)>,
    /// Effects of events that were not in the feed, ascending.
    pub strange: Vec<Position>,
    /// Effects that stand after the effect of a later event, each with that event.
    pub out_of_order: Vec<(Position, Position)>,
}

impl FeedAudit {
    /// Returns whether each event was seen once, in order.
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

/// Compares the events of a feed with the effects that a subscriber had of them, each named by the event's position.
///
/// `effects` come in the order in which they happened; `events` in any order.
pub fn audit(
    events: impl IntoIterator<Item = Position>,
    effects: impl IntoIterator<Item = Position>,
) -> FeedAudit {
    let mut seen: BTreeMap<Position, u64> = events.into_iter().map(|event| (event, 0)).collect();
    let mut audit = FeedAudit::default();
    let mut highest = Position::ZERO;
    for effect in effects {
        match seen.get_mut(&effect) {
            Some(times) => *times += 1,
            None => audit.strange.push(effect),
        }
        if effect < highest {
            audit.out_of_order.push((effect, highest));
        }
        highest = highest.max(effect);
    }
    audit.strange.sort_unstable();
    for (event, times) in seen {
        match times {
            0 => audit.missing.push(event),
            1 => {}
            times => audit.doubled.push((event, times)),
        }
    }
    audit
}
