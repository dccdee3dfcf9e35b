//! A replica and what is on its way to and from it. Behind one lock, never held across an await.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use colony_core::Position;
use colony_core::document::{
    Applied, ApplyError, Backlog, Change, ChangeHash, Edit, EditError, Heads, Overlap, Patch,
    Replica,
};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::budget::Budget;
use super::error::DocumentError;
use super::own::Own;
use super::recent::{Recent, Step};
use super::wire::Reason;
use crate::lane::WriteError;
use crate::log::ReadError;

/// Most changes that wait to be applied; more wait in the log.
pub(super) const MAX_ARRIVED: usize = 16_384;
/// Most bytes of changes that wait to be applied.
const MAX_ARRIVED_BYTES: usize = 16 * 1024 * 1024;
/// Shortest time between two searches for overlaps.
const OVERLAPS_EVERY: Duration = Duration::from_secs(1);
/// Most changes that are searched for overlaps at once.
const OVERLAPS_OF: usize = 256;

/// What an entry of the log brought.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) position: Position,
    pub(super) changes: Vec<Change>,
    pub(super) bytes: usize,
    /// How many changes of our own came back with it.
    pub(super) own: usize,
    /// Whether nothing that stands at or before the position is still incomplete.
    pub(super) whole: bool,
}

/// A change on its way to the log.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) bytes: Bytes,
    pub(super) reason: Reason,
    /// Resolves the edit's ticket. Gone once it was answered.
    pub(super) answer: Option<oneshot::Sender<Result<Position, WriteError>>>,
    pub(super) _room: Option<OwnedSemaphorePermit>,
}

/// Why a replica does not go on.
#[derive(Debug, Clone)]
pub(super) enum End {
    /// A change broke it.
    Broken,
    /// The log cannot be followed.
    Unfollowed(Option<ReadError>),
}

impl End {
    pub(super) fn error(&self) -> DocumentError {
        match self {
            Self::Broken => DocumentError::Broken,
            Self::Unfollowed(source) => DocumentError::Unfollowed(source.clone()),
        }
    }
}

#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counters {
    pub(super) batches: u64,
    pub(super) applying: Duration,
    pub(super) remote: u64,
    pub(super) refused: u64,
    pub(super) malformed: u64,
    pub(super) entries_sent: u64,
    pub(super) changes_sent: u64,
    pub(super) overlaps: u64,
    pub(super) overlaps_unsearched: u64,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) replica: Replica,
    arrived: VecDeque<Arrived>,
    arrived_changes: usize,
    arrived_bytes: usize,
    /// Kept out of the replica until an edit or [`advance`](State::advance) asks for them; `None` where all goes in.
    held: Option<(Backlog, BTreeSet<ChangeHash>)>,
    /// Everything at or before this position is in the replica, or held.
    pub(super) position: Position,
    /// Where the last entry of the document stands whose changes are in the replica, or held.
    pub(super) last_entry: Position,
    pub(super) budget: Budget,
    pub(super) outgoing: VecDeque<Outgoing>,
    /// How many changes were ever put on their way.
    pub(super) enqueued: u64,
    /// Entries of ours that have not come back.
    pub(super) own: Own,
    /// How many changes of ours have not come back.
    pub(super) unechoed: usize,
    pub(super) closing: bool,
    /// Why nothing is sent at present.
    pub(super) fault: Option<WriteError>,
    pub(super) end: Option<End>,
    /// Changes arrived that could not be kept: the history has to be read again.
    pub(super) reread: bool,
    pub(super) counters: Counters,
    pub(super) recent: Recent,
    pub(super) watchers: usize,
    pub(super) patch_watchers: usize,
    /// Something happened that those who wait were not told of.
    pub(super) untold: bool,
    /// Changes of others that stand before some of ours in the log, to be searched for overlaps.
    unsearched: Vec<ChangeHash>,
    searched: Option<Instant>,
    /// How many changes the last snapshot known holds.
    pub(super) snapshot_changes: u64,
    /// Where the last snapshot known stands.
    pub(super) snapshot_position: Position,
}

impl State {
    pub(super) fn new(replica: Replica, position: Position, held: bool) -> Self {
        let snapshot_changes = replica.change_count();
        Self {
            replica,
            arrived: VecDeque::new(),
            arrived_changes: 0,
            arrived_bytes: 0,
            held: held.then(Default::default),
            position,
            last_entry: position,
            budget: Budget::new(Instant::now()),
            outgoing: VecDeque::new(),
            enqueued: 0,
            own: Own::default(),
            unechoed: 0,
            closing: false,
            fault: None,
            end: None,
            reread: false,
            counters: Counters::default(),
            recent: Recent::default(),
            watchers: 0,
            patch_watchers: 0,
            untold: false,
            unsearched: Vec::new(),
            searched: None,
            snapshot_changes,
            snapshot_position: Position::ZERO,
        }
    }

    /// Queues what an entry brought.
    pub(super) fn arrive(&mut self, arrived: Arrived) {
        self.arrived_changes += arrived.changes.len();
        self.arrived_bytes += arrived.bytes;
        self.arrived.push_back(arrived);
    }

    /// Returns whether so much waits that nothing more may be read.
    pub(super) fn is_full(&self) -> bool {
        self.arrived_changes >= MAX_ARRIVED || self.arrived_bytes >= MAX_ARRIVED_BYTES
    }

    pub(super) fn has_arrived(&self) -> bool {
        !self.arrived.is_empty()
    }

    pub(super) fn arrived_changes(&self) -> usize {
        self.arrived_changes
    }

    pub(super) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    pub(super) fn held_changes(&self) -> usize {
        self.held.as_ref().map_or(0, |(backlog, _)| backlog.len())
    }

    /// Returns whether a change is in the replica, or held for it.
    pub(super) fn has(&self, hash: &ChangeHash) -> bool {
        self.replica.contains(hash)
            || self.held.as_ref().is_some_and(|(_, hashes)| hashes.contains(hash))
    }

    /// Applies what has arrived, together, up to about `limit` changes.
    pub(super) fn apply(&mut self, limit: usize) {
        let mut changes = Vec::new();
        while let Some(next) = self.arrived.front() {
            if !changes.is_empty() && changes.len() + next.changes.len() > limit {
                break;
            }
            let Some(next) = self.arrived.pop_front() else { break };
            self.untold = true;
            self.arrived_changes -= next.changes.len();
            self.arrived_bytes -= next.bytes;
            if self.unechoed > 0 {
                self.remember(&next.changes);
            }
            self.unechoed = self.unechoed.saturating_sub(next.own);
            if next.whole {
                self.position = self.position.max(next.position);
                self.last_entry = self.last_entry.max(next.position);
            }
            changes.extend(next.changes);
        }
        if changes.is_empty() {
            return;
        }
        match &mut self.held {
            None => self.take(changes),
            Some((backlog, hashes)) => {
                for change in changes {
                    if !self.replica.contains(&change.hash()) {
                        hashes.insert(change.hash());
                        backlog.push(change);
                    }
                }
            }
        }
    }

    /// Remembers changes that are to be searched for overlaps; ours that have not come back stand after them.
    fn remember(&mut self, changes: &[Change]) {
        let room = OVERLAPS_OF.saturating_sub(self.unsearched.len());
        self.unsearched.extend(changes.iter().take(room).map(Change::hash));
        self.counters.overlaps_unsearched += changes.len().saturating_sub(room) as u64;
    }

    /// Applies everything that has arrived.
    pub(super) fn apply_all(&mut self) {
        while self.has_arrived() {
            self.apply(MAX_ARRIVED);
        }
    }

    /// Takes from what is held that which a version needs; everything, if `None`.
    pub(super) fn advance(&mut self, version: Option<&Heads>) {
        self.apply_all();
        let Some((backlog, hashes)) = &mut self.held else { return };
        let taken = match version {
            Some(version) => backlog.take(version),
            None => backlog.take_all(),
        };
        for change in &taken {
            hashes.remove(&change.hash());
        }
        if !taken.is_empty() {
            self.take(taken);
        }
    }

    fn take(&mut self, changes: Vec<Change>) {
        let given = changes.len() as u64;
        let begun = Instant::now();
        let outcome = if self.patch_watchers > 0 {
            self.replica.apply_watched(changes).map(|(applied, patches)| (applied, Some(patches)))
        } else {
            self.replica.apply(changes).map(|applied| (applied, None))
        };
        let now = Instant::now();
        let spent = now - begun;
        self.budget.spend(now, spent);
        self.counters.applying += spent;
        self.counters.batches += 1;
        self.counters.remote += given;
        match outcome {
            Ok((Applied { applied, refused, .. }, patches)) => {
                for (hash, refusal) in &refused {
                    tracing::warn!(%hash, %refusal, "a change does not belong to the document");
                }
                self.counters.refused += refused.len() as u64;
                self.note(applied, patches);
            }
            Err(ApplyError::Poisoned) => self.end = Some(End::Broken),
            Err(error) => {
                tracing::warn!(%error, "changes could not be kept; the history will be read again");
                self.reread = true;
                // What was applied before is not told.
                self.recent.clear();
            }
        }
        self.untold = true;
    }

    /// Remembers a step for those who watch.
    fn note(&mut self, changes: Vec<ChangeHash>, patches: Option<Vec<Patch>>) {
        if self.watchers == 0 {
            self.recent.clear();
        } else if !changes.is_empty() {
            self.recent.push(Step { changes, patches });
        }
    }

    /// Edits the replica.
    pub(super) fn edit<T>(
        &mut self,
        at: Option<&Heads>,
        time: jiff::Timestamp,
        message: Option<&str>,
        edit: impl FnOnce(&mut Edit<'_>) -> Result<T, EditError>,
    ) -> Result<(T, Option<Change>), DocumentError> {
        if let Some(end) = &self.end {
            return Err(end.error());
        }
        if let Some(heads) = at {
            self.apply_all();
            self.advance(Some(heads));
        }
        let (value, change) = self.replica.try_edit(at, time, message, edit)?;
        if let Some(change) = &change {
            self.note(vec![change.hash()], None);
            self.untold = true;
        }
        Ok((value, change))
    }

    /// Puts a change on its way to the log.
    pub(super) fn send(&mut self, outgoing: Outgoing) {
        self.enqueued += 1;
        self.unechoed += 1;
        self.outgoing.push_back(outgoing);
    }

    /// Waits no longer for entries of ours to come back: the log lost some.
    pub(super) fn forget_own(&mut self) {
        self.own.clear();
        self.unechoed = self.outgoing.len();
    }

    /// Searches what was applied for overlaps with edits of ours that stand after it in the log. At most once in
    /// [`OVERLAPS_EVERY`].
    pub(super) fn overlaps(&mut self) -> Vec<Overlap> {
        let now = Instant::now();
        let recently = self.searched.is_some_and(|last| now - last < OVERLAPS_EVERY);
        if self.unsearched.is_empty() || recently {
            return Vec::new();
        }
        self.searched = Some(now);
        let mut changes = std::mem::take(&mut self.unsearched);
        changes.retain(|hash| self.replica.contains(hash));
        let me = self.replica.actor();
        let found = self.replica.overlaps(&changes).unwrap_or_default();
        let mine: Vec<_> = found
            .into_iter()
            .filter(|overlap| overlap.one.actor == *me || overlap.other.actor == *me)
            .collect();
        self.counters.overlaps += mine.len() as u64;
        mine
    }
}
