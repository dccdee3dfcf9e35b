//! Replay: states folded from the log, and the story behind an entry.
//!
//! Nothing here can append: a [`Fold`] takes entries and gives a state. Two readers that folded the same entries have
//! equal states.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::envelope::Entry;
use crate::position::Position;

mod checkpoint;
mod entities;
mod statistics;
mod story;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use entities::{Entities, EntityState, LastEvent};
pub use statistics::{Moment, Statistics, StatisticsState};
pub use story::{Branch, EntryKey, Step, Stories, Story, StoryNode};

/// A pure fold of the log into a state.
///
/// The state after an entry depends on the state before it and on the entry alone: no clock, no
/// randomness, nothing outside. Otherwise a state from a checkpoint differs from one folded anew.
pub trait Projection {
    /// What is folded. Serialised as JSON in checkpoints, so keys of maps must be text or numbers there.
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
#[derive(Debug, Clone)]
pub struct Fold<P: Projection> {
    projection: P,
    state: P::State,
    position: Position,
}

impl<P: Projection> Fold<P> {
    /// Begins before the first entry.
    pub fn new(projection: P) -> Self {
        let state = projection.initial();
        Self { projection, state, position: Position::ZERO }
    }

    /// Continues from a checkpoint of the log with this identity.
    ///
    /// # Errors
    /// [`CheckpointError`] for a checkpoint of another log, projection or version, or of another shape. It is a
    /// cache: the caller begins anew with [`Fold::new`].
    pub fn resume(
        projection: P,
        log: &str,
        checkpoint: &Checkpoint,
    ) -> Result<Self, CheckpointError> {
        let state = checkpoint.state_for(&projection, log)?;
        Ok(Self { projection, state, position: checkpoint.position() })
    }

    /// Takes the next entry. One at or before [`Fold::position`] was taken already and changes nothing.
    pub fn apply(&mut self, entry: &Entry) {
        if entry.position > self.position {
            self.projection.evolve(&mut self.state, entry);
            self.position = entry.position;
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

    /// Makes a checkpoint for the log with this identity.
    ///
    /// # Errors
    /// [`CheckpointError::State`] for a state that has no JSON form.
    pub fn checkpoint(&self, log: &str) -> Result<Checkpoint, CheckpointError> {
        Checkpoint::make(&self.projection, log, self.position, &self.state)
    }
}

#[cfg(test)]
mod tests;
