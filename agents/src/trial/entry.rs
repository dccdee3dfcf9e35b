//! Entries of a trial's log.

use std::sync::Arc;

use colony_core::envelope::Envelope;
use colony_core::subject::{Address, Lane};
use colony_core::{AgentName, Digest, Entry, LaneName, Position, Timestamp};

use crate::ready::Say;

/// When a trial begins: 2026-01-01T00:00:00Z.
const BEGIN_NANOS: i64 = 1_767_225_600_000_000_000;

/// Returns the moment so many microseconds after the trial has begun.
pub(super) fn moment(micros: u64) -> Timestamp {
    Timestamp::from_nanos(BEGIN_NANOS.saturating_add_unsigned(micros.saturating_mul(1_000)))
}

/// Makes an entry of what an agent says; `None` if its names make none.
pub(super) fn entry(
    author: &AgentName,
    lane: &LaneName,
    say: Say,
    at: u64,
    micros: u64,
) -> Option<Arc<Entry>> {
    let position = Position::new(at);
    let (id, recorded) = (format!("e{at}").parse().ok()?, moment(micros));
    let event = say.into_draft().into_event(author.clone(), id, recorded.into());
    let lane = Lane { author: author.clone(), name: lane.clone() };
    let address = Address::Lane { lane, kind: colony_bus::kind_of(&event) };
    let digest = Digest::of(&at.to_be_bytes());
    let envelope = Envelope::from(event);
    Some(Arc::new(Entry { position, recorded, address, envelope, digest, signature: None }))
}
