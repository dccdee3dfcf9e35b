//! Taking remote changes into a text that has a history: through a replica, from the bytes of entries on; and with the
//! document library alone, from decoded changes on.

use std::time::Instant;

use automerge::transaction::Transactable as _;
use automerge::{ActorId, Automerge, Change as RawChange, ObjType, ROOT, ReadDoc as _};
use colony_core::document::{Change, Replica};
use colony_core::envelope::{decode_changes, encode_changes};

use super::server::Servers;
use super::{Effort, Row, median, raw};
use crate::failure::Failure;

/// Changes of a backlog.
const BACKLOG: usize = 5_000;
/// Changes that travel in one entry.
const ENTRY: usize = 64;

pub(super) fn measure(_: &Servers, effort: Effort) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    let histories = [
        ("apply_backlog_history_1000", 1_000),
        ("apply_backlog_history_20000", 20_000),
        ("apply_backlog_history_100000", 100_000),
    ];
    let backlog = effort.of(BACKLOG);
    for (name, history) in histories {
        let (base, changes) = typed(history, backlog)?;
        let entries: Vec<_> = changes
            .chunks(ENTRY)
            .map(|chunk| encode_changes(chunk.iter().map(|c| c.raw_bytes().to_vec().into())))
            .collect();
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..effort.rounds {
            #[expect(clippy::unwrap_used, reason = "a constant that is an actor")]
            let mut replica = Replica::load("0a".parse().unwrap(), &base).map_err(raw)?;
            let start = Instant::now();
            let mut decoded = Vec::with_capacity(backlog);
            for entry in &entries {
                for bytes in decode_changes(entry.clone()).map_err(raw)? {
                    decoded.push(Change::decode(&bytes).map_err(raw)?);
                }
            }
            replica.apply(decoded).map_err(raw)?;
            ours.push(backlog as f64 / start.elapsed().as_secs_f64());

            let mut document = Automerge::load(&base).map_err(raw)?;
            let given = changes.clone();
            let start = Instant::now();
            document.apply_changes(given).map_err(raw)?;
            theirs.push(backlog as f64 / start.elapsed().as_secs_f64());
        }
        let raw = Some(median(&mut theirs));
        rows.push(Row::local(name, "changes/s", median(&mut ours), raw));
    }
    Ok(rows)
}

/// Types `history` characters, then a backlog by somebody else; one change each. Returns the saved document before the
/// backlog, and the backlog.
fn typed(history: usize, backlog: usize) -> Result<(Vec<u8>, Vec<RawChange>), Failure> {
    let mut document = Automerge::new().with_actor(ActorId::from(&[1_u8; 16][..]));
    let mut transaction = document.transaction();
    let text = transaction.put_object(ROOT, "text", ObjType::Text).map_err(raw)?;
    transaction.commit();
    let type_one = |document: &mut Automerge, number: usize| {
        let length = document.length(&text);
        // Mostly onwards, sometimes elsewhere: as people type.
        let place = if number.is_multiple_of(50) { number * 37 % (length + 1) } else { length };
        let mut transaction = document.transaction();
        transaction.splice_text(&text, place, 0, "x").map_err(raw)?;
        transaction.commit();
        Ok::<_, Failure>(())
    };
    for number in 0..history {
        type_one(&mut document, number)?;
    }
    let base = document.save();
    let before = document.get_heads();
    document.set_actor(ActorId::from(&[2_u8; 16][..]));
    for number in 0..backlog {
        type_one(&mut document, number)?;
    }
    let changes = document.get_changes(&before).into_iter().cloned().collect();
    Ok((base, changes))
}
