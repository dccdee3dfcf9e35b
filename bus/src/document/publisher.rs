//! The task that sends what is edited here.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use colony_core::envelope::Envelope;
use colony_core::subject::Kind;
use colony_core::{EventId, Position};

use super::core::Core;
use super::snapshot;
use super::state::Outgoing;
use super::wire::{CHANGES, Heading, Reason, changes_value};
use crate::bus::now;
use crate::lane::{Batch, Receipt, WriteError};
use crate::log::{AppendError, Outcome, Wholeness};

/// Type of the entries that carry changes.
pub(super) const CHANGED: &str = "doc.changed";
/// Most bytes of changes in one entry, unless a single change is larger.
const ENTRY_BYTES: usize = 256 * 1024;
/// Most entries sent together.
const ENTRIES: usize = 64;
/// Most bytes sent together.
const BATCH_BYTES: usize = 1024 * 1024;
/// What a change costs in an entry beside its bytes.
const CHANGE_OVERHEAD: usize = 8;
/// Pause before sending again after a failure that may pass.
const PAUSE: Duration = Duration::from_millis(200);

/// Changes that travel as one entry, or as one set of pieces.
struct Group {
    reason: Reason,
    changes: Vec<Outgoing>,
    bytes: usize,
}

/// What to do next.
enum Next {
    Send(Vec<Group>),
    Wait,
    End,
}

/// Sends until the document is closed and everything is sent.
pub(super) async fn run(core: Arc<Core>) {
    let mut snapshots = snapshot::Taker::default();
    loop {
        match next(&core) {
            Next::Send(groups) => {
                if send(&core, groups).await {
                    snapshots.after_sending(&core).await;
                }
            }
            Next::Wait => core.work.notified().await,
            Next::End => return,
        }
    }
}

/// Takes from the queue what may travel together: whatever waits, within bounds. Neighbours with one reason share an
/// entry; a change that is too large for one travels alone, in pieces.
fn next(core: &Core) -> Next {
    let largest = core.bus.description().max_record_bytes;
    let entry_bytes = ENTRY_BYTES.min(largest / 2);
    let mut state = core.lock();
    if state.fault.is_some() || state.outgoing.is_empty() {
        return match state.closing {
            true => {
                if !state.outgoing.is_empty() {
                    let count = state.outgoing.len();
                    tracing::error!(document = %core.name, count, "edits could not be sent and are lost");
                }
                Next::End
            }
            false => Next::Wait,
        };
    }
    let mut groups: Vec<Group> = Vec::new();
    let mut total = 0;
    while let Some(front) = state.outgoing.front() {
        let bytes = front.bytes.len() + CHANGE_OVERHEAD;
        let large = bytes > entry_bytes;
        if !groups.is_empty() && (large || total + bytes > BATCH_BYTES) {
            break;
        }
        let fits = groups
            .last()
            .is_some_and(|last| last.reason == front.reason && last.bytes + bytes <= entry_bytes);
        if !fits && groups.len() == ENTRIES {
            break;
        }
        let Some(change) = state.outgoing.pop_front() else { break };
        total += bytes;
        match groups.last_mut() {
            Some(group) if fits => {
                group.bytes += bytes;
                group.changes.push(change);
            }
            Some(_) | None => {
                let reason = change.reason.clone();
                groups.push(Group { reason, changes: vec![change], bytes });
            }
        }
        if large {
            break;
        }
    }
    Next::Send(groups)
}

/// Appends groups and answers their edits. Returns whether they are durable; if not, they are in the queue again.
async fn send(core: &Core, groups: Vec<Group>) -> bool {
    let mut entries: Vec<(Kind, Envelope)> = Vec::new();
    // For each group, how many entries it has and which of them is the last.
    let mut ends: Vec<usize> = Vec::new();
    let mut ids: Vec<(EventId, usize)> = Vec::new();
    let mut whole = Wholeness::Ordered;
    for group in &groups {
        let heading = Heading {
            author: core.bus.agent(),
            document: &core.name,
            ty: CHANGED,
            content_type: CHANGES,
            time: now(),
            reason: group.reason.clone(),
        };
        let value = changes_value(group.changes.iter().map(|change| change.bytes.clone()));
        let Some(envelopes) = heading.envelopes(value, || core.bus.new_id()) else {
            let actual = group.bytes;
            let max = colony_core::limits::CHUNK_BYTES * colony_core::limits::MAX_CHUNKS as usize;
            fail(core, groups, AppendError::TooLarge { actual, max }.into());
            return false;
        };
        if envelopes.len() > 1 {
            whole = Wholeness::Atomic;
        }
        let last = envelopes.len().saturating_sub(1);
        for (index, envelope) in envelopes.into_iter().enumerate() {
            let changes = if index == last { group.changes.len() } else { 0 };
            ids.push((envelope.event.id.clone(), changes));
            entries.push((Kind::Document(core.name.clone()), envelope));
        }
        ends.push(entries.len() - 1);
    }
    {
        let mut state = core.lock();
        for (id, changes) in &ids {
            state.own.send(id.clone(), *changes);
        }
    }
    let batch = Batch { entries, wholeness: whole, heads: Vec::new() };
    match append(core, batch).await {
        Ok(receipts) => {
            succeed(core, groups, &ends, &ids, &receipts);
            true
        }
        Err(error) => {
            // They go out again under other ids; should these be stored after all, they come back as anybody's do.
            forget(core, &ids);
            let passes = may_pass(&error);
            tracing::warn!(document = %core.name, %error, "edits could not be sent");
            fail(core, groups, error);
            if passes {
                tokio::select! {
                    () = core.bus.log().reachable() => tokio::time::sleep(PAUSE).await,
                    () = tokio::time::sleep(PAUSE * 25) => {}
                }
                let mut state = core.lock();
                if !state.closing {
                    state.fault = None;
                }
            }
            false
        }
    }
}

fn forget(core: &Core, ids: &[(EventId, usize)]) {
    let mut state = core.lock();
    for (id, _) in ids {
        state.own.forget(id);
    }
}

async fn append(core: &Core, batch: Batch) -> Result<Vec<Receipt>, WriteError> {
    let writer = core.bus.writer().await?;
    loop {
        match writer.append(batch.clone()).await?.await {
            // Another instance wrote the lane. Changes hold whatever it wrote: they go after it.
            Err(WriteError::Append(AppendError::Conflict { .. })) => {
                tokio::task::yield_now().await;
            }
            result => return result,
        }
    }
}

/// Returns whether sending again may help. Changes may be sent any number of times.
pub(super) fn may_pass(error: &WriteError) -> bool {
    error.is_retryable() || error.outcome() == Outcome::Unknown
}

fn succeed(
    core: &Core,
    groups: Vec<Group>,
    ends: &[usize],
    ids: &[(EventId, usize)],
    receipts: &[Receipt],
) {
    let mut sent = 0;
    let entries = receipts.len() as u64;
    for (group, end) in groups.into_iter().zip(ends) {
        let position = receipts.get(*end).map_or(Position::ZERO, |receipt| receipt.position);
        for change in group.changes {
            sent += 1;
            if let Some(answer) = change.answer {
                // The editor may have dropped its ticket.
                drop(answer.send(Ok(position)));
            }
        }
    }
    let mut state = core.lock();
    for ((id, _), receipt) in ids.iter().zip(receipts) {
        state.own.acknowledge(id, receipt.position);
    }
    state.counters.entries_sent += entries;
    state.counters.changes_sent += sent;
    drop(state);
    core.sent.notify_one();
    core.durable.send_modify(|durable| *durable += sent);
}

/// Puts groups back to the front of the queue, their edits answered.
fn fail(core: &Core, groups: Vec<Group>, error: WriteError) {
    let mut back: VecDeque<Outgoing> = groups.into_iter().flat_map(|group| group.changes).collect();
    for change in &mut back {
        if let Some(answer) = change.answer.take() {
            drop(answer.send(Err(error.clone())));
        }
    }
    let mut state = core.lock();
    back.append(&mut state.outgoing);
    state.outgoing = back;
    state.fault = Some(error);
    drop(state);
    core.durable.send_modify(|_| {});
}
