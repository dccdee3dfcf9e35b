//! `colony at`

use std::collections::BTreeMap;

use colony_bus::{Bus, Cut, DocumentSummary, EntryError, Moment, Query};
use colony_core::document::Heads;
use colony_core::replay::{Entities, EntityState, Fold, Statistics, StatisticsState};
use colony_core::{DocumentName, EntityName, Position};
use futures_util::StreamExt as _;
use serde::Serialize;

use crate::command::doc;
use crate::context::Context;
use crate::failure::{Failure, NotFound};
use crate::output::{Format, Output, style};
use crate::point::{self, POINT};
use crate::progress;
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
}

#[derive(Debug, Serialize)]
struct Standing {
    space: String,
    position: Position,
    statistics: StatisticsState,
    entities: BTreeMap<EntityName, EntityState>,
    documents: Vec<DocumentStanding>,
}

#[derive(Debug, Serialize)]
struct DocumentStanding {
    #[serde(flatten)]
    summary: DocumentSummary,
    heads: Heads,
    changes: u64,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let Args { cut, document, entities, source } = args;
    let bus = context.reading_bus(&source).await?;
    let mut output = context.output();
    let position = resolve(&bus, cut).await?;
    if let Some(name) = document {
        let past = doc::past(&bus, &name, Moment::Cut(Cut::Position(position))).await?;
        doc::show_version(&mut output, &name, &past, None)?;
        return output.flush();
    }
    let standing = fold(&bus, position, context).await?;
    match output.format() {
        Format::Json => output.json(&standing)?,
        Format::Human => describe(&mut output, &standing, entities)?,
    }
    output.flush()
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

async fn fold(bus: &Bus, position: Position, context: &Context) -> Result<Standing, Failure> {
    let mut statistics = Fold::new(Statistics);
    let mut entities = Fold::new(Entities);
    let cut = Cut::Position(position);
    let bar = progress::count(Some(position.get()), context.global.json, "folding");
    if position > Position::ZERO {
        let mut entries = bus.read(Query { until: Some(cut), ..Query::default() }).await?;
        while let Some(entry) = entries.next().await {
            match entry {
                Ok(entry) => {
                    bar.set_position(entry.position.get());
                    statistics.apply(&entry);
                    entities.apply(&entry);
                }
                Err(EntryError::Unreadable { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    bar.finish_and_clear();
    let mut documents = Vec::new();
    if position > Position::ZERO {
        for summary in bus.documents(Some(cut)).await? {
            let past = bus.document_at(&summary.name, Moment::Cut(cut)).await?;
            let (heads, changes) = (past.heads().clone(), past.replica().change_count());
            documents.push(DocumentStanding { summary, heads, changes });
        }
    }
    Ok(Standing {
        space: bus.space().to_string(),
        position,
        statistics: statistics.into_state(),
        entities: entities.into_state(),
        documents,
    })
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
        let mut newest: Vec<_> = entities.iter().collect();
        newest.sort_by_key(|(_, state)| std::cmp::Reverse(state.last.moment.position));
        let mut table = show::table(&["ENTITY", "EVENTS", "LAST EVENT", "BY", "POSITION"]);
        for (name, state) in newest.iter().take(most) {
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
        for DocumentStanding { summary, heads, changes } in documents {
            table.add_row([
                summary.name.to_string(),
                changes.to_string(),
                summary.bytes.to_string(),
                summary.author.to_string(),
                summary.position.to_string(),
                doc::short_heads(heads),
            ]);
        }
        output.line(format!("\n{table}"))?;
    }
    Ok(())
}
