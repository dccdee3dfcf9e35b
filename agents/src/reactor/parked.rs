//! Events set aside: which ones, why, and whose turn it is.

use std::collections::BTreeMap;

use colony_core::{EntityName, Position};
use serde::{Deserialize, Serialize};

/// Why an event was set aside.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ParkReason {
    /// The handler reported an error each time.
    Failed {
        /// What it said last.
        message: String,
    },
    /// The handler panicked.
    Panicked {
        /// With what.
        message: String,
    },
    /// The handler did not come to an end.
    TimedOut {
        /// How long it was waited for.
        after_ms: u64,
    },
    /// The reaction has more outputs than one unit may have, or more bytes.
    TooMuch {
        /// How many outputs.
        outputs: usize,
    },
    /// An output cannot be an entry, or is one that the log does not take.
    Refused {
        /// What is wrong with it.
        message: String,
    },
    /// The event is the answer to an answer, too often.
    TooManyHops {
        /// How often.
        hops: u32,
    },
    /// An earlier event of the same entity is set aside: order is kept.
    Behind {
        /// Where that stands.
        event: Position,
    },
}

impl std::fmt::Display for ParkReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed { message } => write!(f, "the handler failed: {message}"),
            Self::Panicked { message } => write!(f, "the handler panicked: {message}"),
            Self::TimedOut { after_ms } => write!(f, "the handler took more than {after_ms} ms"),
            Self::TooMuch { outputs } => {
                write!(f, "the reaction is too large for one unit: {outputs} outputs")
            }
            Self::Refused { message } => write!(f, "an output was refused: {message}"),
            Self::TooManyHops { hops } => write!(f, "{hops} reactions in a row led to it"),
            Self::Behind { event } => write!(f, "the event of its entity at {event} is set aside"),
        }
    }
}

/// An event that was set aside.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ParkedEvent {
    /// Where it stands.
    pub event: Position,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<EntityName>,
    /// Why it was set aside.
    pub reason: ParkReason,
    /// How often the handler was run for it, this time.
    pub attempts: u32,
    /// Whether it is to be tried again.
    #[serde(default)]
    pub due: bool,
}

/// The events of a lane that are set aside.
///
/// Events of one entity form a queue: an event whose entity has one here joins it, and only the first is ever tried. An event
/// without an entity is a queue of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Parked(BTreeMap<Position, ParkedEvent>);

impl Parked {
    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns them in the order of the log.
    pub fn iter(&self) -> impl Iterator<Item = &ParkedEvent> {
        self.0.values()
    }

    /// Returns the event at a position, if it is set aside.
    pub fn get(&self, event: Position) -> Option<&ParkedEvent> {
        self.0.get(&event)
    }

    /// Returns the last event of an entity that is set aside and stands before a position.
    pub fn ahead(&self, entity: Option<&EntityName>, event: Position) -> Option<Position> {
        let entity = entity?;
        let before = self.0.range(..event).rev();
        before
            .map(|(_, parked)| parked)
            .find(|p| p.entity.as_ref() == Some(entity))
            .map(|p| p.event)
    }

    /// Returns the events whose turn it is.
    pub fn due(&self) -> impl Iterator<Item = &ParkedEvent> {
        let first = |p: &&ParkedEvent| self.ahead(p.entity.as_ref(), p.event).is_none();
        self.0.values().filter(|parked| parked.due).filter(first)
    }

    /// Sets an event aside, or changes why it is.
    pub(super) fn park(&mut self, parked: ParkedEvent) {
        // What it was to wait for has been dealt with meanwhile.
        let waits = matches!(parked.reason, ParkReason::Behind { .. });
        let alone = waits && self.ahead(parked.entity.as_ref(), parked.event).is_none();
        let due = parked.due || alone;
        self.0.insert(parked.event, ParkedEvent { due, ..parked });
    }

    /// Lets an event be tried again when its turn comes.
    pub(super) fn retry(&mut self, event: Position) {
        if let Some(parked) = self.0.get_mut(&event) {
            parked.due = true;
        }
    }

    /// Takes an event out. The one that waited behind it is next.
    pub(super) fn resolve(&mut self, event: Position) {
        let Some(resolved) = self.0.remove(&event) else { return };
        let Some(entity) = resolved.entity else { return };
        let mut after = self.0.range_mut(event..).map(|(_, parked)| parked);
        if let Some(next) = after.find(|parked| parked.entity.as_ref() == Some(&entity))
            && matches!(next.reason, ParkReason::Behind { .. })
        {
            next.due = true;
        }
    }
}

impl FromIterator<ParkedEvent> for Parked {
    fn from_iter<T: IntoIterator<Item = ParkedEvent>>(events: T) -> Self {
        Self(events.into_iter().map(|parked| (parked.event, parked)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(event: u64, entity: &str) -> ParkedEvent {
        ParkedEvent {
            event: Position::new(event),
            entity: Some(entity.parse().unwrap()),
            reason: ParkReason::TimedOut { after_ms: 1 },
            attempts: 1,
            due: false,
        }
    }

    fn behind(event: u64, entity: &str, first: u64) -> ParkedEvent {
        let reason = ParkReason::Behind { event: Position::new(first) };
        ParkedEvent { reason, attempts: 0, ..failed(event, entity) }
    }

    fn due(parked: &Parked) -> Vec<u64> {
        parked.due().map(|parked| parked.event.get()).collect()
    }

    #[test]
    fn events_behind_one_follow_it_in_order_once_it_is_resolved() {
        let mut parked = Parked::default();
        parked.park(failed(1, "a"));
        parked.park(failed(2, "b"));
        parked.park(behind(3, "a", 1));
        parked.park(behind(4, "a", 1));
        assert_eq!(due(&parked), [] as [u64; 0]);
        parked.retry(Position::new(1));
        assert_eq!(due(&parked), [1]);
        parked.resolve(Position::new(1));
        assert_eq!(due(&parked), [3]);
        parked.resolve(Position::new(3));
        assert_eq!(due(&parked), [4]);
    }

    #[test]
    fn one_that_failed_again_waits_to_be_asked_for_again() {
        let mut parked = Parked::default();
        parked.park(failed(1, "a"));
        parked.park(behind(3, "a", 1));
        parked.retry(Position::new(1));
        parked.park(failed(1, "a"));
        assert_eq!(due(&parked), [] as [u64; 0]);
        assert_eq!(
            parked.ahead(Some(&"a".parse().unwrap()), Position::new(9)),
            Some(Position::new(3))
        );
    }

    #[test]
    fn what_waits_behind_nothing_is_due_at_once() {
        let mut parked = Parked::default();
        parked.park(behind(3, "a", 1));
        assert_eq!(due(&parked), [3]);
    }
}
