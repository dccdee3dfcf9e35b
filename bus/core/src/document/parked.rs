//! Changes that arrived before those they depend on.

use std::collections::{BTreeMap, BTreeSet};

use super::change::Change;
use super::error::ApplyError;
use super::heads::ChangeHash;

/// How many changes of one document may wait for others.
pub const MAX_PARKED_CHANGES: usize = 65_536;
/// How many bytes of changes of one document may wait for others.
pub const MAX_PARKED_BYTES: usize = 64 * 1024 * 1024;

/// The changes that wait, and what for.
#[derive(Clone, Debug, Default)]
pub(super) struct Parked {
    changes: BTreeMap<ChangeHash, Waiting>,
    /// Who waits for a change that is not here.
    dependents: BTreeMap<ChangeHash, Vec<ChangeHash>>,
    bytes: usize,
}

#[derive(Clone, Debug)]
struct Waiting {
    change: Change,
    missing: usize,
}

impl Parked {
    pub(super) fn contains(&self, hash: &ChangeHash) -> bool {
        self.changes.contains_key(hash)
    }

    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }

    pub(super) fn hashes(&self) -> impl Iterator<Item = ChangeHash> + '_ {
        self.changes.keys().copied()
    }

    /// The changes that are waited for and are not here either.
    pub(super) fn missing(&self) -> impl Iterator<Item = ChangeHash> + '_ {
        self.dependents.keys().filter(|hash| !self.contains(hash)).copied()
    }

    pub(super) fn park(
        &mut self,
        change: Change,
        missing: BTreeSet<ChangeHash>,
    ) -> Result<(), ApplyError> {
        let count = self.changes.len() + 1;
        let bytes = self.bytes + change.0.raw_bytes().len();
        if count > MAX_PARKED_CHANGES || bytes > MAX_PARKED_BYTES {
            return Err(ApplyError::TooManyParked { count, bytes });
        }
        self.bytes = bytes;
        let hash = change.hash();
        let waiting = Waiting { change, missing: missing.len() };
        for dependency in missing {
            self.dependents.entry(dependency).or_default().push(hash);
        }
        self.changes.insert(hash, waiting);
        Ok(())
    }

    /// Hands out the changes that waited for this one only.
    pub(super) fn release(&mut self, arrived: &ChangeHash) -> Vec<Change> {
        let mut ready = Vec::new();
        for hash in self.dependents.remove(arrived).unwrap_or_default() {
            let Some(waiting) = self.changes.get_mut(&hash) else { continue };
            waiting.missing = waiting.missing.saturating_sub(1);
            if waiting.missing == 0
                && let Some(waiting) = self.changes.remove(&hash)
            {
                self.bytes = self.bytes.saturating_sub(waiting.change.0.raw_bytes().len());
                ready.push(waiting.change);
            }
        }
        ready
    }

    /// Forgets all that waited for a change that was refused: it can never be applied.
    pub(super) fn abandon(&mut self, refused: &ChangeHash) -> Vec<ChangeHash> {
        let Some(mut doomed) = self.dependents.remove(refused) else { return Vec::new() };
        let mut abandoned = Vec::new();
        while let Some(hash) = doomed.pop() {
            if let Some(waiting) = self.changes.remove(&hash) {
                abandoned.push(hash);
                self.bytes = self.bytes.saturating_sub(waiting.change.0.raw_bytes().len());
                doomed.extend(self.dependents.remove(&hash).unwrap_or_default());
            }
        }
        let changes = &self.changes;
        self.dependents.retain(|_, waiting| {
            waiting.retain(|hash| changes.contains_key(hash));
            !waiting.is_empty()
        });
        abandoned
    }
}
