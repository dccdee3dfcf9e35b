//! Writing an envelope as the Protobuf message `colony.v1.Envelope`, field by field: made into that message first, each name and each
//! text would be copied on its own.
//!
//! Writes the very bytes that the generated code does: fields in the order of their numbers, none that has its default.

use bytes::BufMut as _;
use colony_proto::v1;
use prost::encoding::{WireType, encode_key, encode_varint};

use super::{Envelope, Link, Part};
use crate::event::{Cause, Data, Event, EventTime, Seen};
use crate::position::Position;

/// Room for what nearly every envelope has beside its data.
const USUAL_BYTES: usize = 320;

/// Writes an envelope with a place in a lane and a cursor.
pub(super) fn body(envelope: &Envelope, link: Option<Link>, cursor: Option<Position>) -> Vec<u8> {
    let Envelope { event, link: _, cursor: _, part, unknown } = envelope;
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
    let (form, data, content_type) = match data {
        Data::None => (v1::DataForm::Unspecified, &[][..], &None),
        Data::Json { text, content_type } => (v1::DataForm::Json, text.as_bytes(), content_type),
        Data::Text { text, content_type } => (v1::DataForm::Text, text.as_bytes(), content_type),
        Data::Binary { bytes, content_type } => {
            (v1::DataForm::Binary, bytes.as_ref(), content_type)
        }
    };
    // 0 is absent on the wire, so 1970 itself needs its text.
    let beginning = match time {
        Some(EventTime { at, text: None }) if at.as_nanos() == 0 => Some(at.to_string()),
        Some(_) | None => None,
    };
    let time_text = time.as_ref().and_then(|time| time.text.as_ref()).or(beginning.as_ref());
    let mut out = Vec::with_capacity(USUAL_BYTES + data.len() + unknown.len());
    let to = &mut out;
    text(to, 1, id.as_str());
    text(to, 2, ty.as_str());
    text(to, 3, author.as_str());
    optional(to, 4, entity.as_ref().map(|entity| entity.as_str()));
    if let Some(time) = time.as_ref().filter(|time| time.at.as_nanos() != 0) {
        encode_key(5, WireType::SixtyFourBit, to);
        to.put_i64_le(time.at.as_nanos());
    }
    bytes(to, 6, data);
    number(to, 7, u64::try_from(i32::from(form)).unwrap_or_default());
    if let Some(Link { number: place, previous }) = &link {
        number(to, 8, *place);
        bytes(to, 9, previous.as_ref().map_or(&[], |digest| digest.as_bytes()));
    }
    if let Some(Cause { author, id, position }) = cause {
        message(to, 10, |to| {
            text(to, 1, id.as_str());
            number(to, 2, position.map_or(0, Position::get));
            text(to, 3, author.as_str());
        });
    }
    optional(to, 11, correlation.as_ref().map(|correlation| correlation.as_str()));
    number(to, 12, cursor.map_or(0, Position::get));
    for Seen { document, heads } in seen {
        message(to, 13, |to| {
            text(to, 1, document.as_str());
            heads.iter().for_each(|head| delimited(to, 2, head));
        });
    }
    if let Some(Part { index, count, digest }) = part {
        message(to, 14, |to| {
            number(to, 1, u64::from(*index));
            number(to, 2, u64::from(*count));
            bytes(to, 3, digest.as_bytes());
        });
    }
    optional(to, 15, trace.as_ref().map(|trace| trace.parent.as_str()));
    optional(to, 16, trace.as_ref().and_then(|trace| trace.state.as_deref()));
    number(to, 17, if *version == 1 { 0 } else { u64::from(*version) });
    optional(to, 18, content_type.as_deref());
    for (name, json) in extensions {
        message(to, 19, |to| {
            text(to, 1, name);
            text(to, 2, json);
        });
    }
    optional(to, 20, time_text.map(String::as_str));
    optional(to, 21, recipient.as_ref().map(|recipient| recipient.as_str()));
    to.extend_from_slice(unknown);
    out
}

/// Writes the message `colony.v1.Sealed`.
pub(super) fn sealed(body: &[u8], signature: &[u8], signer: &str) -> Vec<u8> {
    const OVERHEAD: usize = 32;
    let mut out = Vec::with_capacity(OVERHEAD + body.len() + signature.len() + signer.len());
    bytes(&mut out, 1, body);
    bytes(&mut out, 2, signature);
    text(&mut out, 3, signer);
    out
}

fn number(to: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        encode_key(field, WireType::Varint, to);
        encode_varint(value, to);
    }
}

fn optional(to: &mut Vec<u8>, field: u32, value: Option<&str>) {
    text(to, field, value.unwrap_or_default());
}

fn text(to: &mut Vec<u8>, field: u32, value: &str) {
    bytes(to, field, value.as_bytes());
}

fn bytes(to: &mut Vec<u8>, field: u32, value: &[u8]) {
    if !value.is_empty() {
        delimited(to, field, value);
    }
}

fn delimited(to: &mut Vec<u8>, field: u32, value: &[u8]) {
    encode_key(field, WireType::LengthDelimited, to);
    encode_varint(value.len() as u64, to);
    to.extend_from_slice(value);
}

/// Writes a message in a message. Its length stands before it and is known after it.
fn message(to: &mut Vec<u8>, field: u32, write: impl FnOnce(&mut Vec<u8>)) {
    encode_key(field, WireType::LengthDelimited, to);
    let begin = to.len();
    write(to);
    let (length, mut bytes) = (to.len() - begin, [0; 10]);
    let left = {
        let mut rest = &mut bytes[..];
        encode_varint(length as u64, &mut rest);
        rest.len()
    };
    to.splice(begin..begin, bytes.into_iter().take(10 - left));
}
