//! Opening a document cold: through the bus from a snapshot and what came after it, and with the document library alone
//! from the same bytes.

use std::time::Instant;

use automerge::Automerge;
use colony_agents::recording::Recording;
use colony_core::document::Value;

use super::server::{Servers, space};
use super::{BenchError, Effort, Row, median, raw, visible};
use crate::failure::Failure;

/// Changes after the snapshot.
const TAIL: usize = 500;

pub(super) async fn measure(
    servers: &Servers,
    effort: Effort,
    recording: &Recording,
) -> Result<Vec<Row>, Failure> {
    let server = &servers.usual;
    let space = space("cold_open", 0);
    let writer = server.bus(&space, "writer").await?;
    let document = writer.document(&visible::name()).await.map_err(BenchError::Document)?;
    let start = recording.start.clone();
    let made = document.edit(|edit| edit.set(&visible::text(), Value::Text(start))).await;
    made.map_err(BenchError::Document)?.durable.await?;
    visible::type_all(&document, recording).await?;
    document.snapshot().await.map_err(BenchError::Document)?;
    let bytes = document.read(|replica| replica.save()).map_err(BenchError::Document)?;
    let before = document.heads();
    for number in 0..TAIL {
        visible::type_one(&document, number).await?;
    }
    document.flush().await.map_err(BenchError::Document)?;
    let changes = document.read(|replica| replica.changes_since(&before));
    let changes: Vec<_> = changes
        .map_err(BenchError::Document)?
        .iter()
        .map(|change| automerge::Change::from_bytes(change.encode().to_vec()).map_err(raw))
        .collect::<Result<_, _>>()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        let reader = server.bus(&space, "reader").await?;
        let start = Instant::now();
        let opened = reader.document(&visible::name()).await.map_err(BenchError::Document)?;
        ours.push(start.elapsed().as_secs_f64() * 1e3);
        if opened.heads() != document.heads() {
            return Err(BenchError::Process("the document opened is another".to_owned()).into());
        }

        let given = changes.clone();
        let start = Instant::now();
        let mut loaded = Automerge::load(&bytes).map_err(raw)?;
        loaded.apply_changes(given).map_err(raw)?;
        theirs.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let raw = Some(median(&mut theirs));
    let ours = median(&mut ours);
    Ok(vec![Row::new("cold_open", "ms", ours, raw, writer.description())])
}
