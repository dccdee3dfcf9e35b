//! Entries of ours that have not come back from the log.
//!
//! They stand in the log in the order in which they were sent, so they come back in that order. One that was
//! acknowledged and is overtaken by a later one is not in the log any more.

use std::collections::BTreeMap;

use colony_core::{EventId, Position};

/// What was sent and has not come back.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// In the order sent.
    sent: BTreeMap<u64, Sent>,
    numbers: BTreeMap<EventId, u64>,
    next: u64,
}

#[derive(Debug)]
struct Sent {
    id: EventId,
    changes: usize,
    /// Where it stands, once it is acknowledged.
    position: Option<Position>,
}

/// An entry that came back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Returned {
    /// How many changes it carries.
    pub(super) changes: usize,
    /// Whether an entry that was acknowledged should have come before it and did not.
    pub(super) overtook: bool,
}

impl Own {
    /// Notes an entry about to be sent.
    pub(super) fn send(&mut self, id: EventId, changes: usize) {
        self.numbers.insert(id.clone(), self.next);
        self.sent.insert(self.next, Sent { id, changes, position: None });
        self.next += 1;
    }

    /// Notes where an entry stands; it may have come back before.
    pub(super) fn acknowledge(&mut self, id: &EventId, position: Position) {
        let number = self.numbers.get(id);
        if let Some(sent) = number.and_then(|number| self.sent.get_mut(number)) {
            sent.position = Some(position);
        }
    }

    /// Takes out an entry that came back; `None` for one that we do not wait for.
    pub(super) fn take(&mut self, id: &EventId) -> Option<Returned> {
        let number = self.numbers.remove(id)?;
        let Sent { changes, .. } = self.sent.remove(&number)?;
        let overtook = self.sent.range(..number).any(|(_, sent)| sent.position.is_some());
        Some(Returned { changes, overtook })
    }

    /// Waits for an entry no longer.
    pub(super) fn forget(&mut self, id: &EventId) {
        if let Some(number) = self.numbers.remove(id) {
            self.sent.remove(&number);
        }
    }

    /// Returns the last entry that was acknowledged, and where it stands.
    pub(super) fn last_acknowledged(&self) -> Option<(&EventId, Position)> {
        self.sent.values().rev().find_map(|sent| Some((&sent.id, sent.position?)))
    }

    /// Waits for nothing any more.
    pub(super) fn clear(&mut self) {
        self.sent.clear();
        self.numbers.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> EventId {
        text.parse().unwrap()
    }

    fn returned(overtook: bool) -> Option<Returned> {
        Some(Returned { changes: 1, overtook })
    }

    #[test]
    fn an_entry_that_comes_back_before_an_acknowledged_one_tells_of_a_loss() {
        let mut own = Own::default();
        for name in ["a", "b", "c", "d"] {
            own.send(id(name), 1);
        }
        own.acknowledge(&id("a"), Position::new(7));
        own.acknowledge(&id("b"), Position::new(8));
        assert_eq!(own.last_acknowledged(), Some((&id("b"), Position::new(8))));
        assert_eq!(own.take(&id("a")), returned(false), "in turn");
        assert_eq!(own.take(&id("c")), returned(true), "b is missing");
        assert_eq!(own.take(&id("other")), None, "not ours");
        own.clear();
        assert_eq!((own.take(&id("b")), own.last_acknowledged()), (None, None));
    }

    #[test]
    fn what_was_not_acknowledged_may_be_overtaken() {
        let mut own = Own::default();
        own.send(id("a"), 1);
        own.send(id("b"), 1);
        assert_eq!(own.take(&id("b")), returned(false));
        own.send(id("c"), 1);
        own.acknowledge(&id("b"), Position::new(3));
        assert_eq!(own.last_acknowledged(), None, "b came back before");
        own.forget(&id("a"));
        assert_eq!(own.take(&id("a")), None);
        assert_eq!(own.take(&id("c")), returned(false));
    }
}
