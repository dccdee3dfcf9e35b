//! `colony doc history`, `colony doc diff` and `colony doc blame`

use colony_bus::Moment;
use colony_bus::document::agent_of;
use colony_core::DocumentName;
use colony_core::document::{ActorId, Kind, Origin, Path};
use serde_json::json;

use super::watch::patch_line;
use super::{VERSION, Version, moment, newest, past, short};
use crate::carriers;
use crate::context::Context;
use crate::failure::{Failure, NotFound};
use crate::output::Format;
use crate::show;
use crate::source::SourceArgs;

/// Whose history to list.
#[derive(Debug, clap::Args)]
pub(crate) struct HistoryArgs {
    /// The document.
    name: DocumentName,
    /// At most so many.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Newest first.
    #[arg(long)]
    reverse: bool,
    #[command(flatten)]
    source: SourceArgs,
}

pub(super) async fn history(args: HistoryArgs, context: &Context) -> Result<(), Failure> {
    let HistoryArgs { name, limit, reverse, source } = args;
    let bus = context.reading_bus(&source).await?;
    let past = past(&bus, &name, newest()).await?;
    let carriers = carriers::of(&bus, &name).await?;
    let mut changes: Vec<_> = past.replica().history().collect();
    if reverse {
        changes.reverse();
    }
    changes.truncate(limit.unwrap_or(usize::MAX));
    let mut output = context.output();
    let mut table =
        show::table(&["POSITION", "CHANGE", "BY", "TIME", "OPERATIONS", "BYTES", "WHY"]);
    for change in changes {
        let position = carriers.get(&change.hash).map(|carrier| carrier.position);
        match output.format() {
            Format::Json => output.json(&json!({
                "document": name,
                "position": position,
                "change": change.hash,
                "author": agent_of(&change.actor),
                "actor": change.actor,
                "sequence": change.seq,
                "time": change.time.to_string(),
                "message": change.message,
                "depends_on": change.deps,
                "operations": change.ops,
                "bytes": change.bytes,
            }))?,
            Format::Human => {
                table.add_row([
                    position.map_or("-".to_owned(), |position| position.to_string()),
                    short(&change.hash),
                    author(&change.actor),
                    change.time.to_string(),
                    change.ops.to_string(),
                    change.bytes.to_string(),
                    show::shorten(change.message.as_deref().unwrap_or_default()),
                ]);
            }
        }
    }
    if output.format() == Format::Human {
        output.line(table)?;
    }
    output.flush()
}

/// Which versions to compare.
#[derive(Debug, clap::Args)]
pub(crate) struct DiffArgs {
    /// The document.
    name: DocumentName,
    /// The older version.
    #[arg(value_name = VERSION)]
    from: Version,
    /// The newer version [default: the newest].
    #[arg(value_name = VERSION)]
    to: Option<Version>,
    #[command(flatten)]
    source: SourceArgs,
}

pub(super) async fn diff(args: DiffArgs, context: &Context) -> Result<(), Failure> {
    let DiffArgs { name, from, to, source } = args;
    let bus = context.reading_bus(&source).await?;
    // The newest replica knows every version.
    let all = past(&bus, &name, newest()).await?;
    let heads = async |version| -> Result<_, Failure> {
        match moment(&bus, version).await? {
            Moment::Heads(heads) => Ok(heads),
            // Nothing is a version, too: everything came after it.
            cut => Ok(bus.document_at(&name, cut).await?.heads().clone()),
        }
    };
    let (from, to) = (heads(Some(from)).await?, heads(to).await?);
    let patches = all.replica().diff(&from, &to).map_err(Failure::View)?;
    let mut output = context.output();
    match output.format() {
        Format::Json => output.json(&json!({
            "document": name,
            "from": from,
            "to": to,
            "patches": patches,
        }))?,
        Format::Human => {
            for patch in &patches {
                output.line(patch_line(patch))?;
            }
        }
    }
    output.flush()
}

/// What to ask about.
#[derive(Debug, clap::Args)]
pub(crate) struct BlameArgs {
    /// The document.
    name: DocumentName,
    /// The place: a text by the character, anything else by the field [default: the fields at the root].
    #[arg(default_value = "")]
    path: Path,
    /// As it stood then.
    #[arg(long, value_name = VERSION)]
    at: Option<Version>,
    #[command(flatten)]
    source: SourceArgs,
}

/// Who wrote one piece.
struct Row {
    path: Path,
    /// First position and length, of a piece of a text.
    span: Option<(usize, usize)>,
    what: String,
    origin: Origin,
}

pub(super) async fn blame(args: BlameArgs, context: &Context) -> Result<(), Failure> {
    let BlameArgs { name, path, at, source } = args;
    let bus = context.reading_bus(&source).await?;
    let past = past(&bus, &name, moment(&bus, at).await?).await?;
    let view = past.view()?;
    let Some(value) = view.value(&path).map_err(Failure::View)? else {
        return Err(NotFound::Place { path: path.to_string(), document: name.to_string() }.into());
    };
    let mut rows = Vec::new();
    if value.kind() == Kind::Text {
        let text: Vec<char> = view.text(&path).map_err(Failure::View)?.chars().collect();
        for span in view.blame_text(&path).map_err(Failure::View)? {
            let written = text.iter().skip(span.start).take(span.len).collect();
            let (path, span, origin) = (path.clone(), Some((span.start, span.len)), span.origin);
            rows.push(Row { path, span, what: written, origin });
        }
    } else {
        for field in view.blame_field(&path).map_err(Failure::View)? {
            let value = view.value(&field.path).map_err(Failure::View)?;
            let value = value.map_or(String::new(), |value| value.to_json().to_string());
            rows.push(Row { path: field.path, span: None, what: value, origin: field.origin });
        }
    }
    let mut output = context.output();
    let mut table = show::table(&["PLACE", "BY", "TIME", "CHANGE", "WHAT"]);
    for Row { path, span, what, origin } in rows {
        match output.format() {
            Format::Json => output.json(&json!({
                "document": name,
                "path": path,
                "start": span.map(|(start, _)| start),
                "length": span.map(|(_, length)| length),
                "what": what,
                "author": agent_of(&origin.actor),
                "actor": origin.actor,
                "change": origin.change,
                "time": origin.time.to_string(),
                "message": origin.message,
            }))?,
            Format::Human => {
                let place = match span {
                    Some((start, length)) => format!("{path}[{start}..{}]", start + length),
                    None => path.to_string(),
                };
                table.add_row([
                    place,
                    author(&origin.actor),
                    origin.time.to_string(),
                    short(&origin.change),
                    show::shorten(&what),
                ]);
            }
        }
    }
    if output.format() == Format::Human {
        output.line(table)?;
    }
    output.flush()
}

fn author(actor: &ActorId) -> String {
    agent_of(actor).map_or_else(|| actor.to_string(), |author| author.to_string())
}
