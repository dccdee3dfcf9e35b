//! Comparing a replica with the log, and mending either from the other.

use std::collections::BTreeSet;

use colony_core::document::{Change, ChangeHash};
use colony_core::{DocumentName, Filter, Position};
use futures_util::StreamExt as _;

use super::core::Core;
use super::error::DocumentError;
use super::follower::Follower;
use super::state::{Arrived, Outgoing};
use super::wire::{Brought, Reason, Unpacker};
use crate::bus::Bus;
use crate::query::{Cut, EntryError, Query};

/// What comparing a replica with the log found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// Changes that the replica has and the log does not, those that wait to be sent not counted.
    pub lost: Vec<ChangeHash>,
    /// Changes that the log has and the replica does not.
    pub lacking: Vec<ChangeHash>,
}

impl Check {
    /// Returns whether both have the same.
    pub fn is_equal(&self) -> bool {
        self.lost.is_empty() && self.lacking.is_empty()
    }
}

/// Reads a document's changes from the log, entry by entry.
pub(super) async fn read_changes(
    bus: &Bus,
    name: &DocumentName,
    after: Position,
    until: Position,
    mut each: impl FnMut(Position, Vec<Change>),
) -> Result<(), DocumentError> {
    let query = Query {
        filter: Filter::document(name.clone()),
        after: Some(Cut::Position(after)),
        until: Some(Cut::Position(until)),
        ..Query::default()
    };
    let mut entries = bus.read(query).await?;
    let mut unpacker = Unpacker::new();
    while let Some(entry) = entries.next().await {
        match entry {
            Ok(entry) => {
                let position = entry.position;
                if let Brought::Changes(changes) = unpacker.unpack(entry) {
                    each(position, changes);
                }
            }
            Err(EntryError::Read(error)) => return Err(error.into()),
            Err(error @ EntryError::Unreadable { .. }) => {
                tracing::warn!(document = %name, %error, "left out");
            }
        }
    }
    Ok(())
}

/// Compares the replica with the log, and takes from the log what the replica lacks.
pub(super) async fn check(core: &Core) -> Result<Check, DocumentError> {
    let number = core.lock().enqueued;
    if let Err(error) = super::wait_durable(core, number).await {
        tracing::debug!(document = %core.name, %error, "checking with edits not sent");
    }
    let before: BTreeSet<ChangeHash> = {
        let mut state = core.lock();
        state.apply_all();
        let unsent: BTreeSet<ChangeHash> = unsent(&state.outgoing);
        let hashes = state.replica.history().map(|info| info.hash);
        hashes.filter(|hash| !unsent.contains(hash)).collect()
    };
    let mut stored = BTreeSet::new();
    let mut lacking = Vec::new();
    read_changes(&core.bus, &core.name, Position::ZERO, Position::MAX, |_, changes| {
        let mut state = core.lock();
        let position = state.last_entry;
        stored.extend(changes.iter().map(Change::hash));
        let new: Vec<_> = changes.into_iter().filter(|change| !state.has(&change.hash())).collect();
        lacking.extend(new.iter().map(Change::hash));
        if !new.is_empty() {
            state.arrive(Arrived { position, changes: new, bytes: 0, own: 0, whole: true });
            if state.is_full() {
                state.apply_all();
            }
        }
    })
    .await?;
    core.lock().apply_all();
    let lost = before.difference(&stored).copied().collect();
    Ok(Check { lost, lacking })
}

/// What stands where an entry of ours was acknowledged.
pub(super) enum Found {
    /// The entry; or nothing is to be looked for, or the log does not answer.
    There,
    /// Nothing.
    Nothing,
    /// Another entry: the log has lost its end, and gone on.
    Other,
}

/// Looks in the log for the last entry of ours that was acknowledged and has not come back.
pub(super) async fn find_own(core: &Core) -> Found {
    let last = core.lock().own.last_acknowledged().map(|(id, position)| (id.clone(), position));
    let Some((id, position)) = last else { return Found::There };
    match core.bus.get(position).await {
        Ok(Some(entry)) if entry.event().id == id && entry.event().author == *core.bus.agent() => {
            Found::There
        }
        Ok(Some(_)) | Err(EntryError::Unreadable { .. }) => Found::Other,
        Ok(None) => Found::Nothing,
        Err(EntryError::Read(error)) => {
            tracing::debug!(document = %core.name, %error, "the log cannot be asked");
            Found::There
        }
    }
}

/// Puts back what the replica has and the log has lost. Returns how many changes.
pub(super) async fn put_back(core: &Core) -> Result<usize, DocumentError> {
    let Check { lost, .. } = check(core).await?;
    if lost.is_empty() {
        return Ok(0);
    }
    let lost: BTreeSet<_> = lost.into_iter().collect();
    let mut state = core.lock();
    let state = &mut *state;
    // In the order of the replica's history, so that what others wait for comes first.
    let order: Vec<_> = state.replica.history().map(|info| info.hash).collect();
    for hash in order.into_iter().filter(|hash| lost.contains(hash)) {
        let Some(change) = state.replica.change(&hash) else { continue };
        let bytes = change.encode();
        state.send(Outgoing { bytes, reason: Reason::default(), answer: None, _room: None });
    }
    state.fault = None;
    core.work.notify_one();
    Ok(lost.len())
}

fn unsent<'a>(outgoing: impl IntoIterator<Item = &'a Outgoing>) -> BTreeSet<ChangeHash> {
    let decoded = outgoing.into_iter().filter_map(|change| Change::decode(&change.bytes).ok());
    decoded.map(|change| change.hash()).collect()
}

/// Reads the history again after a quiet time in which missing changes did not come, once for each set of them.
pub(super) async fn ask_for_missing(follower: &mut Follower) {
    let core = &follower.core;
    let (missing, reread) = {
        let mut state = core.lock();
        (state.replica.missing(), std::mem::take(&mut state.reread))
    };
    if !reread && missing == follower.asked {
        return;
    }
    if let Err(error) = check(core).await {
        tracing::warn!(document = %core.name, %error, "missing changes could not be asked for");
        core.lock().reread |= reread;
        return;
    }
    let still = core.lock().replica.missing();
    if !still.is_empty() {
        tracing::warn!(
            document = %core.name, count = still.len(), "changes that others depend on are not in the log"
        );
    }
    follower.asked = still;
}
