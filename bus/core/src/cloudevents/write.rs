//! From an envelope to a CloudEvents object.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;
use serde::de::IgnoredAny;

use super::CloudEventError;
use super::attribute as name;
use super::whitespace::{compact, is_one_line};
use crate::envelope::{Entry, Envelope, Link, Part};
use crate::event::{Cause, Data, Event, EventTime, Seen, Trace};
use crate::filter::EntryKind;
use crate::subject::Address;

#[derive(Serialize)]
struct SeenJson<'a> {
    document: &'a str,
    heads: Vec<String>,
}

pub(super) fn envelope(
    envelope: &Envelope,
    standing: Option<&Entry>,
) -> Result<String, CloudEventError> {
    let Envelope { event, link, cursor, part, unknown } = envelope;
    let Event {
        id,
        ty,
        version,
        author,
        entity,
        recipient,
        time,
        data,
        cause,
        correlation,
        seen,
        trace,
        extensions,
    } = event;
    let mut out = Object::new(data.len() + 512);
    out.text(name::SPECVERSION, "1.0");
    out.text(name::ID, id.as_str());
    out.text(name::TYPE, ty.as_str());
    out.text(name::SOURCE, author.as_str());
    if let Some(entity) = entity {
        out.text(name::SUBJECT, entity.as_str());
    }
    if let Some(EventTime { at, text }) = time {
        match text {
            Some(text) => out.text(name::TIME, text),
            None => out.text(name::TIME, &at.to_string()),
        }
    }
    if let Some(content_type) = content_type(data) {
        out.text(name::CONTENT_TYPE, content_type);
    }
    for (attribute, json) in extensions {
        super::check_extension(attribute, json)?;
        if super::is_reserved(attribute, event) {
            return Err(CloudEventError::Reserved { attribute: attribute.clone() });
        }
        out.raw(attribute, json);
    }
    if let Some(Trace { parent, state }) = trace {
        out.text(name::TRACE_PARENT, parent);
        if let Some(state) = state {
            out.text(name::TRACE_STATE, state);
        }
    }
    if *version != 1 {
        out.raw(name::VERSION, &version.to_string());
    }
    if let Some(recipient) = recipient {
        out.text(name::RECIPIENT, recipient.as_str());
    }
    if let Some(Cause { author, id, position }) = cause {
        out.text(name::CAUSE_ID, id.as_str());
        out.text(name::CAUSE_AUTHOR, author.as_str());
        if let Some(position) = position {
            out.text(name::CAUSE_POSITION, &position.to_string());
        }
    }
    if let Some(correlation) = correlation {
        out.text(name::CORRELATION, correlation.as_str());
    }
    if !seen.is_empty() {
        let seen: Vec<SeenJson<'_>> = seen
            .iter()
            .map(|Seen { document, heads }| SeenJson {
                document: document.as_str(),
                heads: heads.iter().map(hex).collect(),
            })
            .collect();
        out.text(name::SEEN, &serde_json::to_string(&seen)?);
    }
    if let Some(Link { number, previous }) = link {
        out.text(name::NUMBER, &number.to_string());
        if let Some(previous) = previous {
            out.text(name::PREVIOUS, &previous.to_string());
        }
    }
    if let Some(cursor) = cursor {
        out.text(name::CURSOR, &cursor.to_string());
    }
    if let Some(Part { index, count, digest }) = part {
        out.text(name::PART, &format!("{index}/{count}/{digest}"));
    }
    if !unknown.is_empty() {
        out.text(name::UNKNOWN, &BASE64.encode(unknown));
    }
    if let Some(entry) = standing {
        write_standing(&mut out, entry);
    }
    write_data(&mut out, data)?;
    Ok(out.finish())
}

fn content_type(data: &Data) -> Option<&str> {
    match data {
        Data::None => None,
        Data::Json { content_type, .. }
        | Data::Text { content_type, .. }
        | Data::Binary { content_type, .. } => content_type.as_deref(),
    }
}

fn write_standing(out: &mut Object, entry: &Entry) {
    let Entry { position, recorded, address, envelope: _, digest, signature } = entry;
    out.text(name::POSITION, &position.to_string());
    out.text(name::RECORDED, &recorded.to_string());
    out.text(name::KIND, EntryKind::of(address).token());
    if let Address::Lane { lane, .. } = address {
        out.text(name::LANE, lane.name.as_str());
    }
    out.text(name::DIGEST, &digest.to_string());
    if let Some((signer, signature)) = signature {
        out.text(name::SIGNER, signer.as_str());
        out.text(name::SIGNATURE, &BASE64.encode(signature));
    }
}

fn write_data(out: &mut Object, data: &Data) -> Result<(), CloudEventError> {
    match data {
        Data::None => {}
        Data::Json { text, content_type } => {
            // Whatever else it were would break out of the object or the line.
            serde_json::from_str::<IgnoredAny>(text).map_err(|_| CloudEventError::Value {
                attribute: name::DATA.to_owned(),
                expected: "JSON",
            })?;
            let is_string = text.trim_ascii_start().starts_with('"');
            if is_string && !name::is_json(content_type.as_deref()) {
                out.text(name::FORM, "json");
            }
            if is_one_line(text) {
                out.raw(name::DATA, text);
            } else {
                out.text(name::DATA_TEXT, text);
                out.raw(name::DATA, &compact(text));
            }
        }
        Data::Text { text, content_type } => {
            if name::is_json(content_type.as_deref()) {
                out.text(name::FORM, "text");
            }
            out.text(name::DATA, text);
        }
        Data::Binary { bytes, content_type: _ } => {
            out.text(name::DATA_BASE64, &BASE64.encode(bytes));
        }
    }
    Ok(())
}

fn hex(bytes: &[u8; 32]) -> String {
    crate::Digest::try_from(bytes.as_slice()).map(|d| d.to_string()).unwrap_or_default()
}

/// A JSON object under construction.
struct Object {
    json: String,
}

impl Object {
    fn new(capacity: usize) -> Self {
        let mut json = String::with_capacity(capacity);
        json.push('{');
        Self { json }
    }

    /// Adds a member whose name needs no escapes and whose value is JSON already.
    fn raw(&mut self, name: &str, json: &str) {
        self.name(name);
        self.json.push_str(json);
    }

    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.json.push_str(&serde_json::Value::from(value).to_string());
    }

    fn name(&mut self, name: &str) {
        if self.json.len() > 1 {
            self.json.push(',');
        }
        self.json.push('"');
        self.json.push_str(name);
        self.json.push_str("\":");
    }

    fn finish(mut self) -> String {
        self.json.push('}');
        self.json
    }
}
