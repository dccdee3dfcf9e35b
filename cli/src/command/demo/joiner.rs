//! The late joiner: opens everything at the end.

use std::time::Instant;

use colony_bus::{Bus, Query};
use colony_core::{Digest, Filter};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};

use super::{DemoError, STORY, SUMMARY, name, options, text_path};
use crate::context::Context;
use crate::failure::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// What somebody finds who comes late.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Found {
    /// SHA-256 of the story's text.
    pub(super) text_sha256: String,
    /// Events in the log.
    pub(super) events: usize,
    /// The summary document, as JSON.
    pub(super) summary: serde_json::Value,
    /// How long it took to open both documents and to read all events, in milliseconds.
    pub(super) elapsed_ms: u64,
}

pub(super) async fn run(_: Args, context: &Context) -> Result<(), Failure> {
    let start = Instant::now();
    let bus = Bus::connect(options("joiner", &context.global.server)).await?;
    let story = bus.document(&name(STORY)).await.map_err(DemoError::Document)?;
    let text = story.read(|replica| replica.view().text(&text_path()));
    let text = text.map_err(DemoError::Document)?.map_err(DemoError::Text)?;
    let summary = bus.document(&name(SUMMARY)).await.map_err(DemoError::Document)?;
    let summary = summary.read(|replica| replica.view().to_json());
    let summary = summary.map_err(DemoError::Document)?.map_err(DemoError::Text)?;
    let mut entries = bus.read(Query { filter: Filter::events(), ..Query::default() }).await?;
    let mut events = 0;
    while let Some(entry) = entries.next().await {
        entry?;
        events += 1;
    }
    let text_sha256 = Digest::of(text.as_bytes()).to_string();
    let elapsed_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut output = context.output();
    output.json(&Found { text_sha256, events, summary, elapsed_ms })?;
    output.flush()
}
