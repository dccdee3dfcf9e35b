//! The scribe: follows all events and keeps a shared summary of them.

use std::time::Duration;

use colony_agents::summary::Summary;
use colony_bus::document::EditOptions;
use colony_bus::{Bus, Cut, Delivery};
use colony_core::document::{Path, Value};
use colony_core::{Entry, Filter, Position};
use futures_util::StreamExt as _;
use serde_json::json;

use super::{DemoError, SUMMARY, constant, event_type, name, options};
use crate::context::Context;
use crate::failure::Failure;

/// How long news are gathered before they are written down.
const GATHER: Duration = Duration::from_millis(50);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(super) async fn run(_: Args, context: &Context) -> Result<(), Failure> {
    let mut options = options("scribe", &context.global.server);
    options.instance = Some(constant("desk"));
    let bus = Bus::connect(options).await?;
    let document = bus.document(&name(SUMMARY)).await.map_err(DemoError::Document)?;
    // What an earlier life wrote down: the summary, and how far it had read. Both changed in one edit, so they agree.
    let (mut summary, position) = recall(&bus).await?;
    let mut events = bus.subscribe(Filter::events(), Cut::Position(position)).await?;
    let mut unwritten: Option<Entry> = None;
    loop {
        let next = match &unwritten {
            None => events.next().await,
            Some(_) => tokio::time::timeout(GATHER, events.next()).await.unwrap_or(None),
        };
        match next {
            Some(Ok(Delivery::Entry(entry))) => {
                summary.evolve(&entry);
                unwritten = Some(*entry);
                // Under a flood, write down what there is from time to time.
                if !summary.events.is_multiple_of(200) {
                    continue;
                }
            }
            Some(Ok(Delivery::CaughtUp)) => {}
            Some(Err(error)) => return Err(error.into()),
            None if unwritten.is_none() => return Ok(()),
            None => {}
        }
        let Some(entry) = unwritten.take() else { continue };
        let busiest: serde_json::Map<_, _> = summary
            .busiest(5)
            .into_iter()
            .map(|(author, count)| (author.to_owned(), count.into()))
            .collect();
        let written = json!({
            "state": serde_json::to_string(&summary).unwrap_or_default(),
            "position": entry.position.get(),
            "events": summary.events,
            "authors": summary.authors.len(),
            "busiest": busiest,
            "latest": summary.latest,
        });
        let edited = document
            .edit_with(EditOptions::because_of(&entry), |edit| {
                edit.put_json(&constant::<Path>("/summary"), written)
            })
            .await
            .map_err(DemoError::Document)?;
        edited.durable.await?;
        if entry.event().ty == event_type("session.ended") {
            document.flush().await.map_err(DemoError::Document)?;
            return Ok(());
        }
    }
}

/// Reads from the document what an earlier life knew.
async fn recall(bus: &Bus) -> Result<(Summary, Position), Failure> {
    let document = bus.document(&name(SUMMARY)).await.map_err(DemoError::Document)?;
    let recalled = document.read(|replica| {
        let view = replica.view();
        let value = |path: &str| view.value(&constant::<Path>(path)).ok().flatten();
        let state = match value("/summary/state")? {
            Value::Str(state) => serde_json::from_str(&state).ok()?,
            _ => return None,
        };
        let position = value("/summary/position")?.to_json().as_u64()?;
        Some((state, Position::new(position)))
    });
    Ok(recalled.map_err(DemoError::Document)?.unwrap_or_default())
}
