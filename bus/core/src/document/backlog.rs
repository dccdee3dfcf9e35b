//! Changes that have arrived and are not applied yet.

use std::collections::BTreeMap;

use super::change::Change;
use super::heads::{ChangeHash, Heads};

/// Changes that are kept out of a replica for now: to be applied together later, or when an edit is to be made on a
/// version that has some of them and not others.
///
/// It has no limit of its own; see [`Backlog::bytes`].
///
/// A writer that repeats recorded edits takes from its backlog exactly what the next edit was made upon. Its replica
/// then always stands at that version, where edits are cheapest and merge as they once did:
///
/// ```
/// # use colony_core::document::{ApplyError, Backlog, Heads, Replica};
/// fn advance(replica: &mut Replica, backlog: &mut Backlog, version: &Heads) -> Result<(), ApplyError> {
///     replica.apply(backlog.take(version)).map(|_| ())
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Backlog {
    changes: BTreeMap<ChangeHash, Change>,
    bytes: usize,
}

impl Backlog {
    /// Adds a change; one that is there already is not added again.
    pub fn push(&mut self, change: Change) {
        let size = change.0.raw_bytes().len();
        if self.changes.insert(change.hash(), change).is_none() {
            self.bytes += size;
        }
    }

    /// Takes out the changes of a version, each after those it depends on; what the backlog does not have is passed
    /// over.
    pub fn take(&mut self, version: &Heads) -> Vec<Change> {
        let mut wanted: Vec<_> = version.iter().collect();
        let mut taken = Vec::new();
        while let Some(hash) = wanted.pop() {
            if let Some(change) = self.changes.remove(&hash) {
                wanted.extend(change.dependencies());
                taken.push(change);
            }
        }
        self.hand_out(taken)
    }

    /// Takes out all changes, each after those it depends on.
    pub fn take_all(&mut self) -> Vec<Change> {
        let taken = std::mem::take(&mut self.changes).into_values().collect();
        self.hand_out(taken)
    }

    fn hand_out(&mut self, mut taken: Vec<Change>) -> Vec<Change> {
        let size: usize = taken.iter().map(|change| change.0.raw_bytes().len()).sum();
        self.bytes = self.bytes.saturating_sub(size);
        // The numbers of operations rise along dependencies.
        taken.sort_by_cached_key(|change| (change.0.start_op(), change.hash()));
        taken
    }

    /// Returns how many changes there are.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Returns the size of all changes in bytes, not compressed.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
