//! Replay: states folded from the log, and the story behind an entry.
//!
//! Nothing here can append: a [`Fold`] takes entries and gives a state. Two readers that folded the same entries have
//! equal states.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::digest::Digest;
use crate::envelope::Entry;
use crate::filter::EntryKind;
use crate::lane::LaneChecker;
use crate::position::Position;

mod checkpoint;
mod entities;
mod overview;
mod statistics;
mod story;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use entities::{Entities, EntityState, EntityTable, LastEvent};
pub use overview::{DocumentState, Overview, OverviewState};
pub use statistics::{Moment, Statistics, StatisticsState};
pub use story::{Branch, EntryKey, Step, Stories, Story, StoryNode};

/// A pure fold of the log into a state.
///
/// The state after an entry depends on the state before it and on the entry alone: no clock, no
/// randomness, nothing outside. Otherwise a state from a checkpoint differs from one folded anew.
pub trait Projection {
    /// What is folded. Checkpoints hold it as MessagePack, which knows every shape that serde does.
    type State: Serialize + DeserializeOwned;

    /// Returns the name that its checkpoints carry.
    fn name(&self) -> &str;

    /// Returns the version of the fold and its state: a checkpoint of another version is not believed.
    fn version(&self) -> u32;

    /// Returns the state before the first entry.
    fn initial(&self) -> Self::State;

    /// Takes one entry into the state. Total: an entry that means nothing here changes nothing.
    fn evolve(&self, state: &mut Self::State, entry: &Entry);
}

/// A projection, its state, and how far it has come.
///
/// Leaves out what is void ([`Verdict::Void`](crate::lane::Verdict::Void)), and remembers the ends of lanes for that:
/// so a fold that goes on from a checkpoint leaves out what one from the beginning does.
#[derive(Debug, Clone)]
pub struct Fold<P: Projection> {
    projection: P,
    state: P::State,
    lanes: LaneChecker,
    position: Position,
    last: Option<Digest>,
    unreadable: u64,
}

impl<P: Projection> Fold<P> {
    /// Begins before the first entry.
    pub fn new(projection: P) -> Self {
        let state = projection.initial();
        let lanes = LaneChecker::new();
        Self { projection, state, lanes, position: Position::ZERO, last: None, unreadable: 0 }
    }

    /// Continues from a checkpoint of the log with this identity.
    ///
    /// A log that lost its end goes on with other entries under the same identity: that the entry at the
    /// checkpoint's position is still [`Checkpoint::entry`] is for the caller to see.
    ///
    /// # Errors
    /// [`CheckpointError`] for a checkpoint of another log, projection or version, or of another shape. It is a
    /// cache: the caller begins anew with [`Fold::new`].
    pub fn resume(
        projection: P,
        log: &str,
        checkpoint: &Checkpoint,
    ) -> Result<Self, CheckpointError> {
        let (lanes, state) = checkpoint.content_for(&projection, log)?;
        let (position, last) = (checkpoint.position(), Some(checkpoint.entry()));
        Ok(Self { projection, state, lanes, position, last, unreadable: checkpoint.unreadable() })
    }

    /// Takes the next entry. One at or before [`Fold::position`] was taken already and changes nothing; a document's
    /// snapshot, which may be deleted at any time, is passed.
    pub fn apply(&mut self, entry: &Entry) {
        if entry.position <= self.position {
            return;
        }
        self.position = entry.position;
        if EntryKind::of(&entry.address) == EntryKind::Snapshot {
            self.last = None;
            return;
        }
        self.last = Some(entry.digest);
        if !self.lanes.is_void(entry) {
            self.projection.evolve(&mut self.state, entry);
        }
    }

    /// Passes a position where something stands that is not an entry.
    pub fn pass_unreadable(&mut self, position: Position) {
        if position > self.position {
            self.position = position;
            self.last = None;
            self.unreadable += 1;
        }
    }

    /// Returns the state.
    pub fn state(&self) -> &P::State {
        &self.state
    }

    /// Returns the state and drops the rest.
    pub fn into_state(self) -> P::State {
        self.state
    }

    /// Returns where the last entry taken stands; the log is read on after it.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Returns the digest of the entry at [`Fold::position`]; `None` where nothing stands there that stays.
    pub fn last(&self) -> Option<Digest> {
        self.last
    }

    /// Returns how many positions were passed whose content is not an entry.
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// Makes a checkpoint for the log with this identity.
    ///
    /// # Errors
    /// [`CheckpointError::NoEntry`] where [`Fold::last`] is none: there is nothing to know the log by. [`CheckpointError::Write`] for a state that cannot be written.
    pub fn checkpoint(&self, log: &str) -> Result<Checkpoint, CheckpointError> {
        Checkpoint::make(self, log)
    }
}

#[cfg(test)]
mod tests;
