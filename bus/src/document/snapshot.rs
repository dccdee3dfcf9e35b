//! Snapshots: a cache for opening quickly, never believed unseen.
//!
//! A snapshot is stored outside the lanes' hash chains, because anybody may delete one at any time. It is appended when
//! every change in it is durable, so it holds nothing that stands after it in the log.

use std::collections::VecDeque;
use std::sync::Arc;

use colony_core::document::{ActorId, Change, ChangeHash, Heads, Replica};
use colony_core::envelope::{SnapshotRecord, seal};
use colony_core::subject::{Address, Kind, Lane, Subject};
use colony_core::{
    DocumentName, Entry, EntryKind, Envelope, Filter, LaneName, Position, SpaceName,
};
use futures_util::StreamExt as _;

use super::core::Core;
use super::error::DocumentError;
use super::wire::{Brought, Heading, Reason, SNAPSHOT, Unpacker};
use crate::bus::{Bus, now};
use crate::lane::WriteError;
use crate::log::{NewRecord, Unit, Wholeness};
use crate::query::{Cut, EntryError, Query};

/// The lane of an agent that its snapshots are in.
const LANE: &str = "snapshots";
/// Type of the entries that carry a snapshot.
const TAKEN: &str = "document.saved";
/// Fewest new changes that are worth a snapshot.
const FEWEST: u64 = 2_000;
/// How many of the newest snapshots are tried before the whole history is read.
const TRIED: usize = 3;

/// A snapshot made and not appended yet.
struct Made {
    record: SnapshotRecord,
    changes: u64,
    /// Everything put on its way up to this number has to be durable first.
    number: u64,
}

fn make(core: &Core) -> Result<Made, DocumentError> {
    let mut state = core.lock();
    state.apply_all();
    if let Some(end) = &state.end {
        return Err(end.error());
    }
    if state.held_changes() > 0 {
        return Err(DocumentError::Held);
    }
    let heads = state.replica.heads();
    let record = SnapshotRecord {
        position: state.last_entry,
        heads: heads.iter().map(|hash| *hash.as_bytes()).collect(),
        log: core.bus.description().identity.clone(),
        document: state.replica.save().into(),
    };
    Ok(Made { record, changes: state.replica.change_count(), number: state.enqueued })
}

async fn make_aside(core: &Arc<Core>) -> Result<Made, DocumentError> {
    let core = Arc::clone(core);
    let made = tokio::task::spawn_blocking(move || make(&core)).await;
    made.unwrap_or(Err(DocumentError::Broken))
}

/// Takes a snapshot of what the replica holds now, once that is durable.
pub(super) async fn take(core: &Arc<Core>) -> Result<Position, DocumentError> {
    let made = make_aside(core).await?;
    super::wait_durable(core, made.number).await?;
    append(core, made).await
}

async fn append(core: &Core, made: Made) -> Result<Position, DocumentError> {
    let Made { record, changes, number: _ } = made;
    let bytes = record.document.len();
    let heading = Heading {
        author: core.bus.agent(),
        document: &core.name,
        ty: TAKEN,
        content_type: SNAPSHOT,
        time: now(),
        reason: Reason::default(),
    };
    let envelopes = heading
        .envelopes(record.encode(), || core.bus.new_id())
        .ok_or(DocumentError::TooLarge { bytes })?;
    let records: Result<Vec<_>, WriteError> =
        envelopes.into_iter().map(|envelope| sealed(core, envelope)).collect();
    let records = records?;
    let wholeness = if records.len() > 1 { Wholeness::Atomic } else { Wholeness::Ordered };
    let unit = Unit { records, wholeness, conditions: Vec::new() };
    let ticket = core.bus.log().append(unit).await.map_err(WriteError::from)?;
    let positions = ticket.await.map_err(WriteError::from)?;
    let position = positions.last().copied().unwrap_or_default();
    let mut state = core.lock();
    state.snapshot_changes = changes;
    state.snapshot_position = position;
    Ok(position)
}

fn sealed(core: &Core, envelope: Envelope) -> Result<NewRecord, WriteError> {
    let lane = Lane { author: core.bus.agent().clone(), name: lane_name() };
    let address = Address::Lane { lane, kind: Kind::Snapshot(core.name.clone()) };
    let subject = Subject { space: core.bus.space().clone(), address };
    let sealed = seal(&subject, &envelope, core.bus.signer())?;
    Ok(NewRecord { subject: sealed.subject, payload: sealed.payload })
}

fn lane_name() -> LaneName {
    #[expect(clippy::unwrap_used, reason = "the constant is a name")]
    LANE.parse().unwrap()
}

/// Takes snapshots by itself, as the document grows: about as often as its size doubles, so that all of them together
/// stay in proportion to the newest.
#[derive(Default)]
pub(super) struct Taker {
    made: Option<Made>,
}

impl Taker {
    /// To be called when something was sent.
    pub(super) async fn after_sending(&mut self, core: &Arc<Core>) {
        if self.made.is_none() && is_due(core) {
            match elsewhere(core).await {
                true => {}
                false => self.made = make_aside(core).await.ok(),
            }
        }
        let durable = *core.durable.borrow();
        if let Some(made) = self.made.take_if(|made| made.number <= durable)
            && let Err(error) = append(core, made).await
        {
            tracing::warn!(document = %core.name, %error, "no snapshot was taken");
            let mut state = core.lock();
            state.snapshot_changes = state.replica.change_count();
        }
    }
}

fn is_due(core: &Core) -> bool {
    let state = core.lock();
    if state.is_held() {
        return false;
    }
    let new = state.replica.change_count().saturating_sub(state.snapshot_changes);
    new > FEWEST.max(state.snapshot_changes / 2)
}

/// Finds out whether somebody else has just taken one.
async fn elsewhere(core: &Core) -> bool {
    let known = core.lock().snapshot_position;
    let newest = last(&core.bus, &core.name).await;
    let Some((newest, _)) = newest.filter(|(position, _)| *position > known) else { return false };
    let mut state = core.lock();
    state.snapshot_position = newest;
    state.snapshot_changes = state.replica.change_count();
    true
}

/// A snapshot as the log has it.
pub(super) struct Stored {
    /// Where its last piece stands.
    pub(super) entry: Position,
    record: SnapshotRecord,
}

fn filter(name: &DocumentName) -> Filter {
    Filter {
        kinds: [EntryKind::Snapshot].into(),
        documents: [name.clone()].into(),
        ..Filter::default()
    }
}

fn subjects(space: &SpaceName, name: &DocumentName) -> Vec<String> {
    filter(name).subjects(space)
}

/// Returns where the last entry of a snapshot stands, and how many pieces it is one of; `None` pieces if it cannot be
/// read.
async fn last(bus: &Bus, name: &DocumentName) -> Option<(Position, Option<u32>)> {
    let subjects = subjects(bus.space(), name);
    let record = bus.log().last(subjects.first()?).await.ok()??;
    let position = record.position;
    let pieces = |entry: Entry| entry.envelope.part.map_or(1, |part| part.count);
    Some((position, bus.open_record(record).ok().map(pieces)))
}

/// Reads the snapshots that stand after `after` and at or before `until`; the newest last, at most [`TRIED`].
async fn read(
    bus: &Bus,
    name: &DocumentName,
    after: Position,
    until: Position,
) -> Result<VecDeque<Stored>, DocumentError> {
    let query = Query {
        filter: filter(name),
        after: Some(Cut::Position(after)),
        until: Some(Cut::Position(until)),
        ..Query::default()
    };
    let mut entries = bus.read(query).await?;
    let mut unpacker = Unpacker::new();
    let mut found = VecDeque::new();
    while let Some(entry) = entries.next().await {
        let entry = match entry {
            Ok(entry) => entry,
            Err(EntryError::Read(error)) => return Err(error.into()),
            Err(EntryError::Unreadable { .. }) => continue,
        };
        let position = entry.position;
        let Ok(Some(value)) = unpacker.value(entry) else { continue };
        if let Ok(record) = SnapshotRecord::decode(value) {
            found.push_back(Stored { entry: position, record });
            if found.len() > TRIED {
                found.pop_front();
            }
        }
    }
    Ok(found)
}

/// Loads the newest snapshot that holds, of those stored at or before `until`. `None` if there is none.
pub(super) async fn newest(
    bus: &Bus,
    name: &DocumentName,
    until: Position,
    actor: &ActorId,
) -> Result<Option<(Replica, Position, Position)>, DocumentError> {
    let Some((last, pieces)) = last(bus, name).await else { return Ok(None) };
    let mut tried = None;
    if let Some(pieces) = pieces.filter(|_| last <= until) {
        // Pieces are appended as one unit: they stand next to each other.
        let after = Position::new(last.get().saturating_sub(u64::from(pieces)));
        for stored in read(bus, name, after, last).await? {
            tried = Some(stored.entry);
            if let Some(loaded) = load(bus, name, stored, actor).await {
                return Ok(Some(loaded));
            }
        }
    }
    for stored in read(bus, name, Position::ZERO, until).await?.into_iter().rev() {
        if Some(stored.entry) != tried
            && let Some(loaded) = load(bus, name, stored, actor).await
        {
            return Ok(Some(loaded));
        }
    }
    Ok(None)
}

/// Loads a snapshot; `None` if it is not what it says, or was made from another log.
async fn load(
    bus: &Bus,
    name: &DocumentName,
    stored: Stored,
    actor: &ActorId,
) -> Option<(Replica, Position, Position)> {
    let Stored { entry, record } = stored;
    let SnapshotRecord { position, heads, log, document } = record;
    let refused = |why: &'static str| {
        tracing::warn!(document = %name, position = %entry, why, "a snapshot is not believed");
    };
    if log != bus.description().identity {
        refused("it was made from another log");
        return None;
    }
    if position >= entry {
        refused("it claims to know what came after it");
        return None;
    }
    let actor = actor.clone();
    let loading = tokio::task::spawn_blocking(move || Replica::load(actor, &document));
    let Ok(Ok(replica)) = loading.await else {
        refused("it cannot be opened");
        return None;
    };
    let heads: Heads = heads.into_iter().map(ChangeHash::from_bytes).collect();
    if replica.heads() != heads {
        refused("its heads are not those that it names");
        return None;
    }
    if !holds(bus, name, &replica, position).await {
        refused("it does not hold what stands where it claims to be");
        return None;
    }
    Some((replica, position, entry))
}

/// Checks that an entry of the document stands at a snapshot's position, and that its changes are in the snapshot.
async fn holds(bus: &Bus, name: &DocumentName, replica: &Replica, position: Position) -> bool {
    if position == Position::ZERO {
        return true;
    }
    let Ok(Some(entry)) = bus.get(position).await else { return false };
    if entry.kind() != Some(&Kind::Document(name.clone())) {
        return false;
    }
    if let Some(part) = entry.envelope.part {
        return part.index + 1 == part.count;
    }
    match Unpacker::new().unpack(entry) {
        Brought::Changes(changes) => {
            changes.iter().map(Change::hash).all(|hash| replica.contains(&hash))
        }
        Brought::Piece | Brought::Malformed => true,
    }
}
