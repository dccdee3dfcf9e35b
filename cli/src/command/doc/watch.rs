//! `colony doc watch`

use colony_bus::Update;
use colony_bus::document::agent_of;
use colony_core::DocumentName;
use colony_core::document::{Patch, PatchAction};
use futures_util::StreamExt as _;
use serde_json::json;

use super::{exists, short, short_heads};
use crate::context::Context;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::{Format, Output, style};
use crate::show;

/// What to follow.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The document.
    name: DocumentName,
    /// Ends after so many updates, the first with what it holds now.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let Args { name, limit } = args;
    let interrupt = Interrupt::listen()?;
    let bus = tokio::select! {
        bus = context.bus() => bus?,
        () = interrupt.asked() => return Ok(()),
    };
    exists(&bus, &name).await?;
    let document = bus.document(&name).await?;
    context.announce(&bus, Some(name.to_string())).await;
    let mut updates = document.watch();
    let mut output = context.output();
    let mut left = limit.unwrap_or(u64::MAX);
    while left > 0 {
        let update = tokio::select! {
            update = updates.next() => update,
            () = interrupt.asked() => break,
        };
        let Some(update) = update else {
            // It ends by itself only where the document can no longer be followed: reading it tells why.
            document.read(|_| ())?;
            break;
        };
        print(&mut output, &name, &update)?;
        output.flush()?;
        left -= 1;
    }
    // Whoever is not told notices after a while.
    let _ = bus.presence().leave().await;
    output.flush()
}

fn print(output: &mut Output, name: &DocumentName, update: &Update) -> Result<(), Failure> {
    let Update { heads, position, patches, changes, .. } = update;
    match output.format() {
        Format::Json => output.json(&json!({
            "document": name,
            "position": position,
            "heads": heads,
            "patches": patches,
            "changes": changes,
        })),
        Format::Human => {
            let (dim, strong) = (style::DIM, style::STRONG);
            output.line(format!(
                "{dim}-- {name} at {position}, heads {}{dim:#}",
                short_heads(heads)
            ))?;
            for change in changes {
                let author = agent_of(&change.actor);
                let author = author.map_or(change.actor.to_string(), |author| author.to_string());
                output.line(format!(
                    "{strong}{author}{strong:#} {dim}{} {} operations, change {}{dim:#}",
                    change.time,
                    change.ops,
                    short(&change.hash)
                ))?;
            }
            patches.iter().try_for_each(|patch| output.line(format!("  {}", patch_line(patch))))
        }
    }
}

/// Returns a step from one version to another as a line.
pub(super) fn patch_line(patch: &Patch) -> String {
    let path = &patch.path;
    let quote = |value: &serde_json::Value| show::shorten(&value.to_string());
    match &patch.action {
        PatchAction::Put { value, conflict } => {
            let conflict = if *conflict { " (conflict)" } else { "" };
            format!("{path} = {}{conflict}", quote(&value.to_json()))
        }
        PatchAction::Insert { index, values } => {
            let values: Vec<String> = values.iter().map(|value| quote(&value.to_json())).collect();
            format!("{path}[{index}] + {}", values.join(", "))
        }
        PatchAction::SpliceText { index, text } => {
            format!("{path}[{index}] + {:?}", show::shorten(text))
        }
        PatchAction::Delete => format!("{path} deleted"),
        PatchAction::Remove { index, count } => format!("{path}[{index}] - {count}"),
        PatchAction::Increment { by } => format!("{path} {by:+}"),
        PatchAction::Conflict => format!("{path} has a conflict"),
        PatchAction::Mark { marks } => format!("{path} {} marks", marks.len()),
        _ => format!("{path} changed"),
    }
}
