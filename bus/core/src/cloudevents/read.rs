//! From a CloudEvents object to an envelope.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZero;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::CloudEventError;
use super::attribute as name;
use super::whitespace::{compact, is_one_line};
use crate::digest::Digest;
use crate::envelope::{Envelope, Link, Part, is_unknown_fields};
use crate::event::{Cause, Data, Event, Seen, Trace};
use crate::limits::{MAX_CHUNKS, MAX_EXTENSIONS};
use crate::name::NameError;
use crate::position::Position;

type Result<T> = std::result::Result<T, CloudEventError>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeenJson {
    document: String,
    heads: Vec<Digest>,
}

pub(super) fn envelope(text: &str) -> Result<Envelope> {
    let mut members = Members::parse(text)?;
    if members.text(name::SPECVERSION)?.ok_or(missing(name::SPECVERSION))? != "1.0" {
        return Err(value(name::SPECVERSION, "\"1.0\""));
    }
    let id = members.name(name::ID)?.ok_or(missing(name::ID))?;
    let ty = members.name(name::TYPE)?.ok_or(missing(name::TYPE))?;
    let author = members.name(name::SOURCE)?.ok_or(missing(name::SOURCE))?;
    let entity = members.name(name::SUBJECT)?;
    let time = match members.text(name::TIME)? {
        Some(text) => Some(super::event_time(&text).ok_or_else(|| {
            value(name::TIME, "a date and time in RFC 3339, between the years 1678 and 2262")
        })?),
        None => None,
    };
    let data = data(&mut members)?;
    let version = match members.number::<NonZero<u32>>(name::VERSION)? {
        Some(version) => version.get(),
        None => 1,
    };
    let recipient = members.name(name::RECIPIENT)?;
    let cause = cause(&mut members)?;
    let correlation = members.name(name::CORRELATION)?;
    let seen = seen(&mut members)?;
    let trace = trace(&mut members)?;
    let link = link(&mut members)?;
    let cursor = members.position(name::CURSOR)?;
    let part = part(&mut members)?;
    let unknown = unknown(&mut members)?;
    for attribute in name::STANDING {
        members.take(attribute);
    }
    let extensions = members.extensions()?;
    let event = Event {
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
    };
    Ok(Envelope { event, link, cursor, part, unknown })
}

fn data(members: &mut Members<'_>) -> Result<Data> {
    // `null` is a value here, and only here.
    let json = members.0.remove(name::DATA);
    let base64 = members.text(name::DATA_BASE64)?;
    let form = members.text(name::FORM)?;
    let exact = members.text(name::DATA_TEXT)?;
    let content_type = match (&json, &base64) {
        (None, None) => None,
        (Some(_), Some(_)) => return Err(CloudEventError::BothData),
        _ => members.text(name::CONTENT_TYPE)?,
    };
    if content_type.as_deref() == Some("") {
        return Err(value(name::CONTENT_TYPE, "a media type"));
    }
    let Some(json) = json.map(RawValue::get) else {
        if form.is_some() {
            return Err(CloudEventError::Alone { attribute: name::FORM, needs: name::DATA });
        }
        if exact.is_some() {
            return Err(CloudEventError::Alone { attribute: name::DATA_TEXT, needs: name::DATA });
        }
        return match base64 {
            None => Ok(Data::None),
            Some(base64) => {
                Ok(Data::Binary { bytes: decode_base64(name::DATA_BASE64, &base64)?, content_type })
            }
        };
    };
    let as_text = match form.as_deref() {
        None => json.starts_with('"') && !name::is_json(content_type.as_deref()),
        Some("json") => false,
        Some("text") => true,
        Some(_) => return Err(value(name::FORM, "\"json\" or \"text\"")),
    };
    if as_text {
        if exact.is_some() {
            return Err(value(name::DATA_TEXT, "absent where data is text"));
        }
        return Ok(Data::Text { text: string(name::DATA, json)?, content_type });
    }
    let text = match exact {
        None => json.to_owned(),
        Some(exact) if compact(&exact) == compact(json) => exact,
        Some(_) => return Err(value(name::DATA_TEXT, "data, but for whitespace")),
    };
    Ok(Data::Json { text, content_type })
}

fn cause(members: &mut Members<'_>) -> Result<Option<Cause>> {
    let id = members.name(name::CAUSE_ID)?;
    let author = members.name(name::CAUSE_AUTHOR)?;
    let position = members.position(name::CAUSE_POSITION)?;
    let alone = |attribute, needs| Err(CloudEventError::Alone { attribute, needs });
    match (id, author) {
        (Some(id), Some(author)) => Ok(Some(Cause { author, id, position })),
        (Some(_), None) => alone(name::CAUSE_ID, name::CAUSE_AUTHOR),
        (None, Some(_)) => alone(name::CAUSE_AUTHOR, name::CAUSE_ID),
        (None, None) if position.is_some() => alone(name::CAUSE_POSITION, name::CAUSE_ID),
        (None, None) => Ok(None),
    }
}

fn seen(members: &mut Members<'_>) -> Result<Vec<Seen>> {
    const EXPECTED: &str = "a JSON array of {\"document\", \"heads\"} in a string";
    let Some(text) = members.text(name::SEEN)? else { return Ok(Vec::new()) };
    let list: Vec<SeenJson> =
        serde_json::from_str(&text).map_err(|_| value(name::SEEN, EXPECTED))?;
    if list.is_empty() {
        return Err(value(name::SEEN, "absent where no document was seen"));
    }
    list.into_iter()
        .map(|SeenJson { document, heads }| {
            Ok(Seen {
                document: parse(name::SEEN, &document)?,
                heads: heads.iter().map(|head| *head.as_bytes()).collect(),
            })
        })
        .collect()
}

/// Reads the trace context. A `tracestate` without `traceparent` stays, and becomes an extension.
fn trace(members: &mut Members<'_>) -> Result<Option<Trace>> {
    let Some(parent) = members.text(name::TRACE_PARENT)? else { return Ok(None) };
    let state = members.text(name::TRACE_STATE)?;
    if parent.is_empty() {
        return Err(value(name::TRACE_PARENT, "a W3C trace context"));
    }
    if state.as_deref() == Some("") {
        return Err(value(name::TRACE_STATE, "a W3C trace state"));
    }
    Ok(Some(Trace { parent, state }))
}

fn link(members: &mut Members<'_>) -> Result<Option<Link>> {
    let number = members.number::<NonZero<u64>>(name::NUMBER)?;
    let previous = match members.text(name::PREVIOUS)? {
        Some(text) => {
            Some(text.parse().map_err(|_| value(name::PREVIOUS, "64 hexadecimal digits"))?)
        }
        None => None,
    };
    match number {
        Some(number) => Ok(Some(Link { number: number.get(), previous })),
        None if previous.is_some() => {
            Err(CloudEventError::Alone { attribute: name::PREVIOUS, needs: name::NUMBER })
        }
        None => Ok(None),
    }
}

fn part(members: &mut Members<'_>) -> Result<Option<Part>> {
    let Some(text) = members.text(name::PART)? else { return Ok(None) };
    let mut pieces = text.splitn(3, '/');
    let mut next = || pieces.next().unwrap_or_default();
    let part = match (next().parse(), next().parse(), next().parse()) {
        (Ok(index), Ok(count), Ok(digest)) if index < count && count <= MAX_CHUNKS => {
            Part { index, count, digest }
        }
        _ => return Err(value(name::PART, "index/count/digest, with the index below the count")),
    };
    Ok(Some(part))
}

fn unknown(members: &mut Members<'_>) -> Result<Bytes> {
    let Some(text) = members.text(name::UNKNOWN)? else { return Ok(Bytes::new()) };
    let bytes = decode_base64(name::UNKNOWN, &text)?;
    // Fields that this version knows would override what the other attributes say.
    if bytes.is_empty() || !is_unknown_fields(&bytes) {
        return Err(value(name::UNKNOWN, "protobuf fields that this version does not know"));
    }
    Ok(bytes)
}

fn decode_base64(attribute: &str, text: &str) -> Result<Bytes> {
    match BASE64.decode(text) {
        Ok(bytes) => Ok(bytes.into()),
        Err(_) => Err(value(attribute, "base64 with padding (RFC 4648, section 4)")),
    }
}

fn missing(attribute: &'static str) -> CloudEventError {
    CloudEventError::Missing { attribute }
}

fn value(attribute: &str, expected: &'static str) -> CloudEventError {
    CloudEventError::Value { attribute: attribute.to_owned(), expected }
}

fn parse<T: FromStr<Err = NameError>>(attribute: &'static str, text: &str) -> Result<T> {
    text.parse().map_err(|source| CloudEventError::Name { attribute, source })
}

fn wrong_type(attribute: &str, json: &str, expected: &'static str) -> CloudEventError {
    let actual = match json.as_bytes().first() {
        Some(b'"') => "a string",
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        Some(_) | None => "a number",
    };
    CloudEventError::WrongType { attribute: attribute.to_owned(), expected, actual }
}

fn string(attribute: &str, json: &str) -> Result<String> {
    if !json.starts_with('"') {
        return Err(wrong_type(attribute, json, "a string"));
    }
    serde_json::from_str(json).map_err(|_| value(attribute, "Unicode text"))
}

/// The members of the object that are not read yet.
struct Members<'a>(BTreeMap<String, &'a RawValue>);

/// The members of the object, in order, doubles included.
struct Pairs<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Vec<(String, &'de RawValue)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a CloudEvents object")
            }
            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(pairs)
            }
        }
        deserializer.deserialize_map(Object).map(Self)
    }
}

impl<'a> Members<'a> {
    fn parse(text: &'a str) -> Result<Self> {
        let Pairs(pairs) = serde_json::from_str(text)?;
        let mut members = BTreeMap::new();
        for (attribute, value) in pairs {
            if members.contains_key(&attribute) {
                return Err(CloudEventError::Duplicate { attribute });
            }
            members.insert(attribute, value);
        }
        Ok(Self(members))
    }

    /// Takes an attribute; `null` means that it is absent.
    fn take(&mut self, attribute: &str) -> Option<&'a str> {
        self.0.remove(attribute).map(RawValue::get).filter(|json| *json != "null")
    }

    fn text(&mut self, attribute: &str) -> Result<Option<String>> {
        self.take(attribute).map(|json| string(attribute, json)).transpose()
    }

    fn name<T: FromStr<Err = NameError>>(&mut self, attribute: &'static str) -> Result<Option<T>> {
        self.text(attribute)?.map(|text| parse(attribute, &text)).transpose()
    }

    /// Takes a whole number, which may stand as a number or, as CloudEvents has no large ones, as a string.
    fn number<T: FromStr>(&mut self, attribute: &str) -> Result<Option<T>> {
        let Some(json) = self.take(attribute) else { return Ok(None) };
        let text = match json.as_bytes().first() {
            Some(b'"') => string(attribute, json)?,
            Some(b'-' | b'0'..=b'9') => json.to_owned(),
            _ => return Err(wrong_type(attribute, json, "a whole number, or one in a string")),
        };
        text.parse().map(Some).map_err(|_| value(attribute, "a whole number from 1"))
    }

    fn position(&mut self, attribute: &str) -> Result<Option<Position>> {
        Ok(self.number::<NonZero<u64>>(attribute)?.map(|number| Position::new(number.get())))
    }

    /// Returns what is left as extensions.
    fn extensions(self) -> Result<BTreeMap<String, String>> {
        let mut extensions = BTreeMap::new();
        for (attribute, json) in self.0 {
            let json = match json.get() {
                "null" => continue,
                json if is_one_line(json) => json.to_owned(),
                json => compact(json),
            };
            super::check_extension(&attribute, &json)?;
            if name::TEXT_EXTENSIONS.contains(&attribute.as_str())
                && string(&attribute, &json)?.is_empty()
            {
                return Err(value(&attribute, "not empty"));
            }
            extensions.insert(attribute, json);
        }
        match extensions.len() {
            actual if actual > MAX_EXTENSIONS => {
                Err(CloudEventError::TooMany { actual, max: MAX_EXTENSIONS })
            }
            _ => Ok(extensions),
        }
    }
}
