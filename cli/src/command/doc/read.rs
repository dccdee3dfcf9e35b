//! `colony doc show` and `colony doc export`

use std::path::PathBuf;

use clap::ValueEnum;
use colony_core::DocumentName;
use colony_core::document::Path;

use super::{VERSION, Version, moment, past, show_version};
use crate::context::Context;
use crate::failure::Failure;
use crate::source::SourceArgs;

/// What to show.
#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// The document.
    name: DocumentName,
    /// A place in it (`/tasks/3/title`) [default: all of it].
    path: Option<Path>,
    /// As it stood then.
    #[arg(long, value_name = VERSION)]
    at: Option<Version>,
    #[command(flatten)]
    source: SourceArgs,
}

pub(super) async fn show(args: ShowArgs, context: &Context) -> Result<(), Failure> {
    let ShowArgs { name, path, at, source } = args;
    let bus = context.reading_bus(&source).await?;
    let past = past(&bus, &name, moment(&bus, at).await?).await?;
    let mut output = context.output();
    show_version(&mut output, &name, &past, path.as_ref())?;
    output.flush()
}

/// What to export.
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// The document.
    name: DocumentName,
    /// As what.
    #[arg(long, value_enum, default_value_t = Form::Json)]
    format: Form,
    /// The place of the text, for --format text.
    #[arg(long, default_value = "/text")]
    path: Path,
    /// Where to write it [default: stdout].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// As it stood then. Automerge bytes hold the whole history up to there.
    #[arg(long, value_name = VERSION)]
    at: Option<Version>,
    #[command(flatten)]
    source: SourceArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    /// One text of it.
    Text,
    /// Its content, without history.
    Json,
    /// All of it with its history, as Automerge saves it.
    Automerge,
}

pub(super) async fn export(args: ExportArgs, context: &Context) -> Result<(), Failure> {
    let ExportArgs { name, format, path, out, at, source } = args;
    let bus = context.reading_bus(&source).await?;
    let past = past(&bus, &name, moment(&bus, at).await?).await?;
    let bytes = match format {
        Form::Text => past.view()?.text(&path).map_err(Failure::View)?.into_bytes(),
        Form::Json => {
            let json = past.view()?.to_json().map_err(Failure::View)?;
            let mut text = serde_json::to_string_pretty(&json).unwrap_or_default();
            text.push('\n');
            text.into_bytes()
        }
        Form::Automerge => past.replica().save(),
    };
    match out {
        Some(file) => std::fs::write(&file, bytes).map_err(Failure::file(file, "written")),
        None => context.output().bytes(&bytes),
    }
}
