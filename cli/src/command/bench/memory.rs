//! What an open document weighs, each in a process of its own.

use std::path::{Path, PathBuf};

use colony_agents::recording::Recording;
use colony_core::document::{Replica, Value};
use serde::{Deserialize, Serialize};

use super::server::Servers;
use super::{Row, raw, visible};
use crate::context::Context;
use crate::failure::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The saved document.
    #[arg(long)]
    file: PathBuf,
    /// Whether the document library alone holds it.
    #[arg(long)]
    raw: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Weight {
    resident_bytes: f64,
}

pub(super) async fn part(args: Args, context: &Context) -> Result<(), Failure> {
    let bytes = std::fs::read(&args.file).map_err(Failure::file(&args.file, "read"))?;
    let before = resident();
    let weight = if args.raw {
        let held = automerge::Automerge::load(&bytes).map_err(raw)?;
        let weight = resident() - before;
        drop(held);
        weight
    } else {
        #[expect(clippy::unwrap_used, reason = "a constant that is an actor")]
        let held = Replica::load("0a".parse().unwrap(), &bytes).map_err(raw)?;
        let weight = resident() - before;
        drop(held);
        weight
    };
    let mut output = context.output();
    output.json(&Weight { resident_bytes: weight })?;
    output.flush()
}

pub(super) async fn measure(
    _: &Servers,
    _: Option<&Path>,
    recording: &Recording,
) -> Result<Vec<Row>, Failure> {
    #[expect(clippy::unwrap_used, reason = "a constant that is an actor")]
    let mut replica = Replica::new("0b".parse().unwrap());
    let now = jiff::Timestamp::UNIX_EPOCH;
    let text = visible::text();
    let start = recording.start.clone();
    replica.edit(now, None, |edit| edit.set(&text, Value::Text(start))).map_err(raw)?;
    for transaction in &recording.transactions {
        for patch in &transaction.patches {
            let typed =
                replica.edit(now, None, |edit| edit.splice_text(&text, patch.0, patch.1, &patch.2));
            typed.map_err(raw)?;
        }
    }
    let file = tempfile::NamedTempFile::new();
    let file = file.map_err(Failure::file(std::env::temp_dir(), "written"))?;
    std::fs::write(file.path(), replica.save()).map_err(Failure::file(file.path(), "written"))?;
    let path = file.path().to_string_lossy().into_owned();
    let ours: Weight = visible::spawn(&["holder", "--file", &path]).await?;
    let alone: Weight = visible::spawn(&["holder", "--raw", "--file", &path]).await?;
    let megabytes = |weight: Weight| weight.resident_bytes / 1e6;
    Ok(vec![Row::local("open_document_memory", "MB", megabytes(ours), Some(megabytes(alone)))])
}

/// Returns the memory of this process, in bytes; 0 where the system does not tell.
pub(super) fn resident() -> f64 {
    const PAGE_BYTES: f64 = 4096.0;
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident = pages.split_whitespace().nth(1).and_then(|pages| pages.parse::<f64>().ok());
    resident.unwrap_or(0.0) * PAGE_BYTES
}
