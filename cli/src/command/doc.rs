//! `colony doc`: shared documents.

use std::str::FromStr;

use clap::Subcommand;
use colony_bus::{Bus, Cut, Moment, Past};
use colony_core::document::{ChangeHash, Heads, Path, Value};
use colony_core::{DocumentName, Position};
use serde_json::json;

use crate::command::at;
use crate::context::Context;
use crate::failure::{Failure, NotFound};
use crate::output::{Format, Output};
use crate::point;
use crate::show;

mod edit;
mod history;
mod list;
mod read;
mod watch;
mod write;

/// Shared documents: everyone edits, edits merge, and history is kept.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Begins a document.
    New(write::NewArgs),
    /// Lists the documents of the space.
    List(list::Args),
    /// Prints a document, or what stands at a place in it.
    Show(read::ShowArgs),
    /// Sets, adds to or deletes what stands at a place.
    Set(write::SetArgs),
    /// Edits a text in your editor, or makes it equal to a file. What others write meanwhile is kept.
    Edit(edit::Args),
    /// Follows a document: what it holds, then what changes, until Ctrl-C.
    Watch(watch::Args),
    /// Lists the changes of a document.
    History(history::HistoryArgs),
    /// Tells what differs between two versions.
    Diff(history::DiffArgs),
    /// Tells who wrote what.
    Blame(history::BlameArgs),
    /// Writes a document as text, JSON or Automerge bytes.
    Export(read::ExportArgs),
}

pub(crate) async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::New(args) => write::new(args, context).await,
        Command::List(args) => list::run(args, context).await,
        Command::Show(args) => read::show(args, context).await,
        Command::Set(args) => write::set(args, context).await,
        Command::Edit(args) => edit::run(args, context).await,
        Command::Watch(args) => watch::run(args, context).await,
        Command::History(args) => history::history(args, context).await,
        Command::Diff(args) => history::diff(args, context).await,
        Command::Blame(args) => history::blame(args, context).await,
        Command::Export(args) => read::export(args, context).await,
    }
}

/// A version of a document, as people write it: a point in the log, or heads.
#[derive(Debug, Clone)]
pub(crate) struct Version(Moment);

/// What a version looks like, for `--help`.
pub(crate) const VERSION: &str = "POSITION|TIME|HEADS";

/// A text is no version.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "neither a position, nor a time, nor how long ago, nor heads (64 hexadecimal digits, several joined by commas)"
)]
pub(crate) struct VersionError;

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        // First, because a hash may consist of digits alone.
        match text.parse::<Heads>() {
            Ok(heads) if !heads.is_empty() => Ok(Self(Moment::Heads(heads))),
            Ok(_) | Err(_) => {
                point::parse(text).map(|cut| Self(Moment::Cut(cut))).map_err(|_| VersionError)
            }
        }
    }
}

/// Returns the newest version.
pub(crate) fn newest() -> Moment {
    Moment::Cut(Cut::Position(Position::MAX))
}

/// Returns the version asked for, checked against the log; the newest without one.
async fn moment(bus: &Bus, version: Option<Version>) -> Result<Moment, Failure> {
    match version {
        None => Ok(newest()),
        Some(Version(Moment::Cut(cut))) => {
            Ok(Moment::Cut(Cut::Position(at::resolve(bus, cut).await?)))
        }
        Some(Version(heads @ Moment::Heads(_))) => Ok(heads),
    }
}

/// Reads a document as it stood, from the log alone; an error if it did not exist then.
pub(crate) async fn past(bus: &Bus, name: &DocumentName, moment: Moment) -> Result<Past, Failure> {
    exists(bus, name).await?;
    let past = bus.document_at(name, moment).await?;
    if past.heads().is_empty() {
        let (name, position) = (name.to_string(), past.position());
        return Err(NotFound::DocumentThen { name, position }.into());
    }
    Ok(past)
}

/// Fails if nothing was ever written to the document.
async fn exists(bus: &Bus, name: &DocumentName) -> Result<(), Failure> {
    if bus.document_exists(name).await? {
        return Ok(());
    }
    Err(NotFound::Document { name: name.to_string(), space: bus.space().to_string() }.into())
}

/// Prints a version: as JSON with where it stands, or its content for people.
pub(crate) fn show_version(
    output: &mut Output,
    name: &DocumentName,
    past: &Past,
    path: Option<&Path>,
) -> Result<(), Failure> {
    let path = path.cloned().unwrap_or_default();
    let view = past.view()?;
    let value = view.value(&path).map_err(Failure::View)?;
    let Some(value) = value else {
        let (path, document) = (path.to_string(), name.to_string());
        return Err(NotFound::Place { path, document }.into());
    };
    match output.format() {
        Format::Json => output.json(&json!({
            "document": name,
            "path": path,
            "position": past.position(),
            "heads": past.heads(),
            "value": value.to_json(),
        })),
        Format::Human => match &value {
            Value::Text(text) | Value::Str(text) => output.line(show::safe(text)),
            value => {
                let pretty = serde_json::to_string_pretty(&value.to_json());
                output.line(show::safe(&pretty.unwrap_or_default()))
            }
        },
    }
}

/// Returns the beginning of a hash.
pub(crate) fn short(hash: &ChangeHash) -> String {
    hash.to_string().chars().take(12).collect()
}

/// Returns the beginnings of the hashes of a version.
pub(crate) fn short_heads(heads: &Heads) -> String {
    heads.iter().map(|hash| short(&hash)).collect::<Vec<_>>().join(",")
}
