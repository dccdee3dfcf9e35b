//! `colony at`

use std::collections::BTreeMap;

use colony_bus::{Bus, Checkpoints, Cut, Moment};
use colony_core::document::Heads;
use colony_core::replay::{DocumentState, EntityTable, Overview, OverviewState, StatisticsState};
use colony_core::{AgentName, DocumentName, Position, Timestamp};
use serde::Serialize;

use crate::cache::{self, CacheArgs};
use crate::command::doc;
use crate::context::Context;
use crate::failure::{Failure, NotFound};
use crate::output::{Format, Output, style};
use crate::point::{self, POINT};
use crate::show;
use crate::source::SourceArgs;

/// Shows everything as it stood at a point: counts, entities, documents. Changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  colony at 1500
  colony at 10m --document notes
  colony at 2026-01-31T12:00:00Z --json --capture incident.capture")]
pub(crate) struct Args {
    /// The point: everything at or before it.
    #[arg(value_name = POINT, value_parser = point::parse)]
    cut: Cut,
    /// Shows this document as it stood.
    #[arg(long, value_name = "NAME")]
    document: Option<DocumentName>,
    /// Most entities shown; `--json` shows all.
    #[arg(long, value_name = "N", default_value_t = 20)]
    entities: usize,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    cache: CacheArgs,
}

/// Everything as it stood at a cut.
#[derive(Debug, Serialize)]
pub(crate) struct Standing {
    space: String,
    position: Position,
    statistics: StatisticsState,
    entities: EntityTable,
    documents: Vec<DocumentStanding>,
}

#[derive(Debug, Serialize)]
struct DocumentStanding {
    name: DocumentName,
    position: Position,
    time: Timestamp,
    author: AgentName,
    entries: u64,
    bytes: u64,
    heads: Heads,
    changes: u64,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let Args { cut, document, entities, source, cache } = args;
    let bus = context.reading_bus(&source).await?;
    let mut output = context.output();
    let position = resolve(&bus, cut).await?;
    if let Some(name) = document {
        let past = doc::past(&bus, &name, Moment::Cut(Cut::Position(position))).await?;
        doc::show_version(&mut output, &name, &past, None)?;
        return output.flush();
    }
    let checkpoints = cache.checkpoints(&source);
    let standing = standing(&bus, position, &checkpoints, context).await?;
    match output.format() {
        Format::Json => output.json(&standing)?,
        Format::Human => describe(&mut output, &standing, entities)?,
    }
    cache::warn(&checkpoints, &mut output)?;
    output.flush()
}

/// Returns how everything stood at a position.
pub(crate) async fn standing(
    bus: &Bus,
    position: Position,
    checkpoints: &Checkpoints,
    context: &Context,
) -> Result<Standing, Failure> {
    let fold = cache::fold(bus, Overview, position, checkpoints, context, "folding").await?;
    let OverviewState { statistics, entities, documents: written } = fold.into_state();
    let documents = documents(bus, position, written).await?;
    let space = bus.space().to_string();
    Ok(Standing { space, position, statistics, entities, documents })
}

/// Returns the position of a cut that the log has reached.
pub(crate) async fn resolve(bus: &Bus, cut: Cut) -> Result<Position, Failure> {
    let (position, tail) = (bus.resolve(cut).await?, bus.tail().await?);
    if position > tail {
        let space = bus.space().to_string();
        return Err(NotFound::Cut { position, space, tail }.into());
    }
    Ok(position)
}

async fn documents(
    bus: &Bus,
    position: Position,
    known: BTreeMap<DocumentName, DocumentState>,
) -> Result<Vec<DocumentStanding>, Failure> {
    let moment = Moment::Cut(Cut::Position(position));
    let mut documents = Vec::new();
    for (name, DocumentState { entries, bytes, last, author }) in known {
        let past = bus.document_at(&name, moment.clone()).await?;
        let (heads, changes) = (past.heads().clone(), past.replica().change_count());
        let (position, time) = (last.position, last.recorded);
        documents.push(DocumentStanding {
            name,
            position,
            time,
            author,
            entries,
            bytes,
            heads,
            changes,
        });
    }
    Ok(documents)
}

fn describe(output: &mut Output, standing: &Standing, most: usize) -> Result<(), Failure> {
    let Standing { space, position, statistics, entities, documents } = standing;
    let (strong, dim) = (style::STRONG, style::DIM);
    let when =
        statistics.last.as_ref().map_or(String::new(), |m| format!(", {}", show::time(m.recorded)));
    output.line(format!("{strong}{space} at {position}{strong:#}{when}"))?;
    output.line(format!(
        "{} entries, {} authors, {} bytes of data",
        statistics.entries,
        statistics.authors.len(),
        statistics.data_bytes
    ))?;
    if !statistics.types.is_empty() {
        let mut table = show::table(&["EVENTS", "COUNT"]);
        for (ty, count) in &statistics.types {
            table.add_row([ty.to_string(), count.to_string()]);
        }
        output.line(format!("\n{table}"))?;
    }
    if !entities.is_empty() {
        let mut table = show::table(&["ENTITY", "EVENTS", "LAST EVENT", "BY", "POSITION"]);
        for (name, state) in entities.newest(most) {
            table.add_row([
                name.to_string(),
                state.events.to_string(),
                state.last.ty.to_string(),
                state.last.author.to_string(),
                state.last.moment.position.to_string(),
            ]);
        }
        output.line(format!("\n{table}"))?;
        if let Some(rest) = entities.len().checked_sub(most).filter(|rest| *rest > 0) {
            output.line(format!("{dim}and {rest} more entities (--entities N){dim:#}"))?;
        }
    }
    if !documents.is_empty() {
        let mut table =
            show::table(&["DOCUMENT", "CHANGES", "BYTES", "LAST BY", "POSITION", "HEADS"]);
        for document in documents {
            table.add_row([
                document.name.to_string(),
                document.changes.to_string(),
                document.bytes.to_string(),
                document.author.to_string(),
                document.position.to_string(),
                doc::short_heads(&document.heads),
            ]);
        }
        output.line(format!("\n{table}"))?;
    }
    Ok(())
}
