//! `colony doc new` and `colony doc set`

use clap::ValueEnum;
use colony_bus::{Bus, EditOptions, Edited};
use colony_core::document::{ChangeHash, Path, Value};
use colony_core::{DocumentName, Position};
use serde_json::json;

use super::{exists, short};
use crate::context::Context;
use crate::failure::{Failure, InputError, NotFound};
use crate::output::{Format, style};

/// The text that a new document begins with.
const TEXT: &str = "text";

/// How to begin a document.
#[derive(Debug, clap::Args)]
pub(crate) struct NewArgs {
    /// The document.
    name: DocumentName,
    /// Begins with these fields, a JSON object, instead of an empty text at `/text`.
    #[arg(long, value_name = "JSON", conflicts_with = "text")]
    data: Option<String>,
    /// Begins with this text at `/text`.
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Position of the entry that is the reason.
    #[arg(long, value_name = "POSITION")]
    cause: Option<Position>,
}

pub(super) async fn new(args: NewArgs, context: &Context) -> Result<(), Failure> {
    let NewArgs { name, data, text, cause } = args;
    let fields = match data {
        Some(data) => match parse(&data)? {
            serde_json::Value::Object(fields) => Some(fields),
            _ => return Err(InputError::NotAnObject { value: data }.into()),
        },
        None => None,
    };
    let bus = context.bus().await?;
    if bus.document_exists(&name).await? {
        return Err(NotFound::DocumentExists { name: name.to_string() }.into());
    }
    let options = options(&bus, cause).await?;
    let document = bus.document(&name).await?;
    let edited = document.edit_with(options, |edit| match fields {
        Some(fields) => fields
            .into_iter()
            .try_for_each(|(key, value)| edit.put_json(&Path::root().join(key), value)),
        None => edit.set(&Path::root().join(TEXT), Value::Text(text.unwrap_or_default())),
    });
    report(context, &name, edited.await?).await
}

/// What to change.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  colony doc set notes /title '\"Plan\"'
  colony doc set notes /body 'shared text' --as text
  colony doc set notes /votes 1 --as add
  colony doc set notes /draft --delete")]
pub(crate) struct SetArgs {
    /// The document.
    name: DocumentName,
    /// The place (`/tasks/3/title`).
    path: Path,
    /// What to put there: JSON, unless --as says otherwise.
    #[arg(value_name = "VALUE", required_unless_present = "delete", allow_hyphen_values = true)]
    value: Option<String>,
    /// What the value is.
    #[arg(long = "as", value_enum, default_value_t = Kind::Json, value_name = "KIND")]
    kind: Kind,
    /// Deletes what stands there.
    #[arg(long, conflicts_with_all = ["value", "kind"])]
    delete: bool,
    /// Position of the entry that is the reason.
    #[arg(long, value_name = "POSITION")]
    cause: Option<Position>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// JSON; a string in it is replaced as a whole.
    Json,
    /// A text that several may edit by the character.
    Text,
    /// A whole number that additions add up on.
    Counter,
    /// A whole number to add to the counter that stands there.
    Add,
}

enum Change {
    Json(serde_json::Value),
    Value(Value),
    Add(i64),
    Delete,
}

pub(super) async fn set(args: SetArgs, context: &Context) -> Result<(), Failure> {
    let SetArgs { name, path, value, kind, delete: _, cause } = args;
    let change = match value {
        None => Change::Delete,
        Some(value) => match kind {
            Kind::Json => Change::Json(parse(&value)?),
            Kind::Text => Change::Value(Value::Text(value)),
            Kind::Counter => Change::Value(Value::Counter(number(&value)?)),
            Kind::Add => Change::Add(number(&value)?),
        },
    };
    let bus = context.bus().await?;
    exists(&bus, &name).await?;
    let options = options(&bus, cause).await?;
    let document = bus.document(&name).await?;
    let edited = document.edit_with(options, |edit| match change {
        Change::Json(json) => edit.put_json(&path, json),
        Change::Value(value) => edit.set(&path, value),
        Change::Add(by) => edit.increment(&path, by),
        Change::Delete => edit.delete(&path),
    });
    report(context, &name, edited.await?).await
}

fn parse(text: &str) -> Result<serde_json::Value, Failure> {
    let value = serde_json::from_str(text);
    Ok(value.map_err(|source| InputError::Value { value: text.to_owned(), source })?)
}

fn number(text: &str) -> Result<i64, Failure> {
    Ok(text.parse().map_err(|source| InputError::Number { value: text.to_owned(), source })?)
}

/// Makes an edit a reaction to an entry.
pub(super) async fn options(bus: &Bus, cause: Option<Position>) -> Result<EditOptions, Failure> {
    let Some(position) = cause else { return Ok(EditOptions::default()) };
    match bus.get(position).await? {
        Some(entry) => Ok(EditOptions::because_of(&entry)),
        None => {
            let (space, tail) = (bus.space().to_string(), bus.tail().await?);
            Err(NotFound::Position { position, space, tail }.into())
        }
    }
}

/// Waits until an edit is durable, and tells so.
pub(super) async fn report(
    context: &Context,
    name: &DocumentName,
    edited: Edited<()>,
) -> Result<(), Failure> {
    let Edited { value: (), change, durable } = edited;
    let position = durable.await?;
    let mut output = context.output();
    match output.format() {
        Format::Json => output.json(&json!({
            "document": name,
            "changed": change.is_some(),
            "change": change,
            "position": change.map(|_| position),
        }))?,
        Format::Human => {
            let strong = style::STRONG;
            output.line(describe(name, change, format!("{strong}{position}{strong:#}")))?;
        }
    }
    output.flush()
}

fn describe(name: &DocumentName, change: Option<ChangeHash>, position: String) -> String {
    match change {
        Some(change) => {
            format!("changed {name} at position {position} (change {})", short(&change))
        }
        None => format!("{name} is like that already; nothing was changed"),
    }
}
