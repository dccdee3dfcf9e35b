//! Entries as lines for people, and as JSON.

use colony_core::cloudevents::{entry_to_json, to_json};
use colony_core::envelope::Envelope;
use colony_core::{Data, Entry, EntryKind, Event, Timestamp};
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use crate::failure::Failure;
use crate::output::{Format, Output, style};

/// Most characters of data shown on a line.
const MAX_DATA_CHARS: usize = 120;

/// Writes an entry: a line for people, or a CloudEvent.
pub(crate) fn entry(output: &mut Output, entry: &Entry) -> Result<(), Failure> {
    match output.format() {
        Format::Human => output.line(entry_line(entry)),
        Format::Json => match entry_to_json(entry) {
            Ok(line) => output.line(line),
            Err(error) => output.warn(&format!("position {} is left out: {error}", entry.position)),
        },
    }
}

/// Returns an event as a CloudEvents object, for comparing; `null` where it has no such form.
pub(crate) fn event_value(event: &Event) -> Value {
    let text = to_json(&Envelope::from(event.clone())).ok();
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// Returns an entry as a line: position, time, author, what, and the beginning of its data.
pub(crate) fn entry_line(entry: &Entry) -> String {
    let (dim, name, strong) = (style::DIM, style::NAME, style::STRONG);
    let event = entry.event();
    let time = time(event.time.as_ref().map_or(entry.recorded, |time| time.at));
    let kind = match EntryKind::of(&entry.address) {
        EntryKind::Event => String::new(),
        kind => format!("{} ", kind.token()),
    };
    let mut line = format!(
        "{dim}{:>7}{dim:#}  {dim}{time:<24}{dim:#}  {name}{:<14}{name:#}  {kind}{strong}{}{strong:#}",
        entry.position,
        event.author.as_str(),
        event.ty,
    );
    if let Some(entity) = &event.entity {
        line.push_str(&format!(" {entity}"));
    }
    if let Some(recipient) = &event.recipient {
        line.push_str(&format!(" to {recipient}"));
    }
    if let Some(data) = data_line(&event.data) {
        line.push_str(&format!("  {dim}{data}{dim:#}"));
    }
    line
}

/// Returns a moment in whole milliseconds: finer is noise to people.
pub(crate) fn time(time: Timestamp) -> String {
    const MILLISECOND: i64 = 1_000_000;
    Timestamp::from_nanos(time.as_nanos().div_euclid(MILLISECOND) * MILLISECOND).to_string()
}

/// Returns the beginning of what is said, safe for a terminal; `None` where nothing is.
pub(crate) fn data_line(data: &Data) -> Option<String> {
    match data {
        Data::None => None,
        Data::Json { text, .. } | Data::Text { text, .. } => Some(shorten(text)),
        Data::Binary { bytes, .. } => Some(format!("{} bytes", bytes.len())),
    }
}

/// Returns the beginning of a text on one line, without characters that control a terminal.
pub(crate) fn shorten(text: &str) -> String {
    let mut chars = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut short: String = chars.by_ref().take(MAX_DATA_CHARS).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}

/// Returns text without characters that control a terminal; line ends and tabs stay.
pub(crate) fn safe(text: &str) -> String {
    let keep = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    text.chars().map(|c| if keep(c) { c } else { '\u{fffd}' }).collect()
}

/// Makes a table with a heading.
pub(crate) fn table(heading: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(heading.iter().copied());
    table
}
