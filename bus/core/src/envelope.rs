//! The envelope: an entry's content, sealed into bytes and opened again.
//!
//! The only module that names the wire types of `colony-proto`.

use std::collections::BTreeMap;

use bytes::Bytes;
use colony_proto::v1;
use prost::Message as _;

use crate::cloudevents;
use crate::digest::{Digest, DigestError};
use crate::event::{Cause, Data, Event, EventTime, Seen, Trace};
use crate::limits::{MAX_CHUNKS, MAX_EXTENSION_BYTES, MAX_EXTENSIONS};
use crate::name::NameError;
use crate::position::Position;
use crate::signature::{PublicKey, SignatureError, Signer, Verifier};
use crate::subject::{Address, Kind, RecentSubjects, Subject, SubjectError};
use crate::timestamp::Timestamp;

mod unknown;
mod wire;

/// What an entry carries: an event, its place in its lane, and what the bus needs beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The event. For entries of a document, `entity` is the document.
    pub event: Event,
    /// The entry's place in its lane; `None` outside any lane.
    pub link: Option<Link>,
    /// The position up to which the lane has reacted.
    pub cursor: Option<Position>,
    /// Which piece of a larger value the data is.
    pub part: Option<Part>,
    /// Fields that this version does not know, as they stood on the wire.
    pub unknown: Bytes,
}

impl From<Event> for Envelope {
    fn from(event: Event) -> Self {
        Self { event, link: None, cursor: None, part: None, unknown: Bytes::new() }
    }
}

/// The place of an entry in its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Counted from 1.
    pub number: u64,
    /// Digest of the entry before it; `None` for the first.
    pub previous: Option<Digest>,
}

/// A piece of a value too large for one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// From 0.
    pub index: u32,
    /// How many pieces there are.
    pub count: u32,
    /// Digest of the whole value.
    pub digest: Digest,
}

/// One entry of a log, opened: where it stands, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands.
    pub position: Position,
    /// When the server stored it, by the server's clock.
    pub recorded: Timestamp,
    /// Its place in the subject tree.
    pub address: Address,
    /// What it carries.
    pub envelope: Envelope,
    /// The digest that lanes chain and signatures sign.
    pub digest: Digest,
    /// The key that signed it, and the signature.
    pub signature: Option<(PublicKey, Bytes)>,
}

impl Entry {
    /// Returns the event.
    pub fn event(&self) -> &Event {
        &self.envelope.event
    }

    /// Returns the kind of entry; `None` for the head of an entity.
    pub fn kind(&self) -> Option<&Kind> {
        match &self.address {
            Address::Lane { kind, .. } => Some(kind),
            Address::Head { .. } => None,
        }
    }
}

/// An entry made ready to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedEntry {
    /// The subject to append under.
    pub subject: String,
    /// The bytes of the message.
    pub payload: Bytes,
    /// The digest that the lane's next entry names.
    pub digest: Digest,
}

/// Why an envelope cannot be sealed. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The names make no subject.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// The event says something else than the place it is to stand in.
    #[error("the event's {field} does not agree with where it is to be stored")]
    Mismatch {
        /// Which attribute.
        field: &'static str,
    },
    /// Too many extension attributes, or one that is too large, no JSON or ill named.
    #[error(
        "extension attributes: at most {MAX_EXTENSIONS}, each at most {MAX_EXTENSION_BYTES} bytes of JSON \
         on one line, under a name of lowercase letters and digits that CloudEvents and Colony do not use"
    )]
    Extensions,
    /// An attribute has a value that no reader would accept.
    #[error("the event's {field} is impossible")]
    Field {
        /// Which attribute.
        field: &'static str,
    },
    /// The key cannot sign.
    #[error("the entry could not be signed")]
    Key(#[from] crate::signature::KeyError),
}

/// Why bytes are no entry. Nothing was changed; other entries are not affected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The subject is not one of ours.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// The bytes are not a sealed envelope.
    #[error("the bytes are not a sealed envelope")]
    Bytes(#[source] prost::DecodeError),
    /// The body says something else than the subject it is stored under.
    #[error("the entry's {field} does not agree with the subject it is stored under")]
    Mismatch {
        /// Which attribute.
        field: &'static str,
    },
    /// An attribute is no name.
    #[error("the entry holds an attribute that is no name")]
    Name(#[from] NameError),
    /// An attribute that must be there is missing or impossible.
    #[error("the entry's {field} is missing or impossible")]
    Field {
        /// Which attribute.
        field: &'static str,
    },
    /// A digest does not have 32 bytes.
    #[error("the entry holds a malformed digest")]
    Digest(#[from] DigestError),
    /// The signature does not satisfy the policy.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

/// Seals an envelope for a place in a space.
///
/// # Errors
/// [`SealError`] if the envelope and the place disagree or break a limit.
pub fn seal(
    subject: &Subject,
    envelope: &Envelope,
    signer: Option<&Signer>,
) -> Result<SealedEntry, SealError> {
    seal_with(subject, envelope, envelope.link, envelope.cursor, signer)
}

/// Seals an envelope as [`seal`] does, at a place in its lane, and with a cursor if there is one.
///
/// # Errors
/// [`SealError`] if the envelope and the place disagree or break a limit.
pub fn seal_at(
    link: Link,
    cursor: Option<Position>,
    subject: &Subject,
    envelope: &Envelope,
    signer: Option<&Signer>,
) -> Result<SealedEntry, SealError> {
    seal_with(subject, envelope, Some(link), cursor.or(envelope.cursor), signer)
}

fn seal_with(
    subject: &Subject,
    envelope: &Envelope,
    link: Option<Link>,
    cursor: Option<Position>,
    signer: Option<&Signer>,
) -> Result<SealedEntry, SealError> {
    let mismatch = |field| SealError::Mismatch { field };
    agree(&subject.address, &envelope.event, link).map_err(mismatch)?;
    check(envelope, link)?;
    let text = subject.encode()?;
    let body = wire::body(envelope, link, cursor);
    let digest = Digest::of_entry(&text, &body);
    let payload = match signer {
        Some(signer) => wire::sealed(&body, &signer.sign(&digest)?, signer.public().as_str()),
        None => wire::sealed(&body, &[], ""),
    };
    Ok(SealedEntry { subject: text, payload: payload.into(), digest })
}

/// Opens a stored message.
///
/// # Errors
/// [`OpenError`]; any bytes are safe to give.
pub fn open(
    position: Position,
    recorded: Timestamp,
    subject: &str,
    payload: Bytes,
    verifier: &Verifier,
) -> Result<Entry, OpenError> {
    let Subject { space: _, address } = Subject::parse(subject)?;
    open_under(address, position, recorded, subject, payload, verifier)
}

/// Opens the next of many stored messages, as [`open`] does.
///
/// # Errors
/// [`OpenError`]; any bytes are safe to give.
pub fn open_next(
    recent: &mut RecentSubjects,
    position: Position,
    recorded: Timestamp,
    subject: &str,
    payload: Bytes,
    verifier: &Verifier,
) -> Result<Entry, OpenError> {
    let address = recent.address(subject)?;
    open_under(address, position, recorded, subject, payload, verifier)
}

fn open_under(
    address: Address,
    position: Position,
    recorded: Timestamp,
    subject: &str,
    payload: Bytes,
    verifier: &Verifier,
) -> Result<Entry, OpenError> {
    let v1::Sealed { body, signature, signer } =
        v1::Sealed::decode(payload).map_err(OpenError::Bytes)?;
    let digest = Digest::of_entry(subject, &body);
    let unknown = unknown::fields(&body, UNKNOWN_ABOVE).map_err(OpenError::Bytes)?;
    let wire = v1::Envelope::decode(body).map_err(OpenError::Bytes)?;
    let envelope = decode(wire, unknown, &address)?;
    agree(&address, &envelope.event, envelope.link)
        .map_err(|field| OpenError::Mismatch { field })?;
    let signature = if signature.is_empty() && signer.is_empty() {
        None
    } else {
        let key = std::str::from_utf8(&signer).ok().and_then(|key| key.parse().ok());
        Some((key.ok_or(OpenError::Field { field: "signer" })?, signature))
    };
    verifier.check(
        &envelope.event.author,
        &digest,
        signature.as_ref().map(|(key, bytes)| (key, bytes.as_ref())),
    )?;
    Ok(Entry { position, recorded, address, envelope, digest, signature })
}

/// The highest field number of `colony.v1.Envelope`.
const UNKNOWN_ABOVE: u32 = 21;

/// Returns whether bytes are fields that this version does not know, and nothing else.
pub(crate) fn is_unknown_fields(bytes: &Bytes) -> bool {
    unknown::fields(bytes, UNKNOWN_ABOVE).is_ok_and(|fields| fields == bytes)
}

/// Refuses what [`open`] would refuse or read as another value: an entry that nobody can read must not
/// reach the log.
fn check(envelope: &Envelope, link: Option<Link>) -> Result<(), SealError> {
    let Envelope { event, link: _, cursor: _, part, unknown } = envelope;
    let possible = |ok: bool, field| if ok { Ok(()) } else { Err(SealError::Field { field }) };
    possible(event.time.as_ref().is_none_or(is_told_right), "time")?;
    possible(link.is_none_or(|link| link.number != 0), "lane number")?;
    possible(part.is_none_or(|part| is_possible(&part)), "part")?;
    possible(is_unknown_fields(unknown), "unknown fields")?;
    let sound = |(name, json): (&String, &String)| {
        cloudevents::check_extension(name, json).is_ok() && !cloudevents::is_reserved(name, event)
    };
    if event.extensions.len() > MAX_EXTENSIONS || !event.extensions.iter().all(sound) {
        return Err(SealError::Extensions);
    }
    Ok(())
}

/// Returns whether the text of a moment, where there is one, names that moment in another way than we would.
fn is_told_right(time: &EventTime) -> bool {
    time.text.as_deref().is_none_or(|text| cloudevents::event_time(text).as_ref() == Some(time))
}

fn is_possible(part: &Part) -> bool {
    part.index < part.count && part.count <= MAX_CHUNKS
}

fn agree(address: &Address, event: &Event, link: Option<Link>) -> Result<(), &'static str> {
    let same = |ok: bool, field| if ok { Ok(()) } else { Err(field) };
    let entity = event.entity.as_ref().map(crate::name::EntityName::as_str);
    match address {
        Address::Lane { lane, kind } => {
            same(event.author == lane.author, "author")?;
            match kind {
                Kind::Event { ty, entity } => {
                    same(event.ty == *ty, "type")?;
                    same(event.entity == *entity, "entity")?;
                    same(event.recipient.is_none(), "recipient")
                }
                Kind::Mail { recipient, ty } => {
                    same(event.ty == *ty, "type")?;
                    same(event.recipient.as_ref() == Some(recipient), "recipient")
                }
                Kind::Document(name) | Kind::Snapshot(name) => {
                    same(entity == Some(name.as_str()), "document")
                }
                Kind::Effect(name) => same(entity == Some(name.as_str()), "effect"),
                Kind::Cursor => Ok(()),
            }
        }
        Address::Head { noun, entity: about } => {
            same(link.is_none(), "lane number")?;
            same(event.ty.noun() == noun, "type")?;
            same(entity == Some(about.as_str()), "entity")
        }
    }
}

/// Names that stand in the subject as well are shared with it instead of copied.
fn decode(wire: v1::Envelope, unknown: Bytes, address: &Address) -> Result<Envelope, OpenError> {
    let (lane_author, known_type, known_entity) = match address {
        Address::Lane { lane, kind } => match kind {
            Kind::Event { ty, entity } => (Some(&lane.author), Some(ty), entity.as_ref()),
            Kind::Mail { recipient: _, ty } => (Some(&lane.author), Some(ty), None),
            Kind::Document(_) | Kind::Snapshot(_) | Kind::Effect(_) | Kind::Cursor => {
                (Some(&lane.author), None, None)
            }
        },
        Address::Head { noun: _, entity } => (None, None, Some(entity)),
    };
    let v1::Envelope {
        id,
        r#type,
        author,
        entity,
        time,
        data,
        data_form,
        lane_number,
        lane_previous,
        cause,
        correlation,
        cursor,
        seen,
        part,
        traceparent,
        tracestate,
        version,
        content_type,
        extensions,
        time_text,
        recipient,
    } = wire;
    let optional = |text: String| if text.is_empty() { None } else { Some(text) };
    let content_type = optional(content_type);
    let utf8 = |data: Bytes| {
        String::from_utf8(data.into()).map_err(|_| OpenError::Field { field: "data" })
    };
    let data = match v1::DataForm::try_from(data_form) {
        Ok(v1::DataForm::Unspecified) => Data::None,
        Ok(v1::DataForm::Json) => Data::Json { text: utf8(data)?, content_type },
        Ok(v1::DataForm::Text) => Data::Text { text: utf8(data)?, content_type },
        Ok(v1::DataForm::Binary) => Data::Binary { bytes: data, content_type },
        Err(_) => return Err(OpenError::Field { field: "data form" }),
    };
    let time_text = optional(time_text);
    let time = match (time, time_text) {
        (0, None) => None,
        (nanos, text) => {
            let at = Timestamp::from_nanos(nanos);
            let time = EventTime { at, text: text.filter(|text| *text != at.to_string()) };
            if !is_told_right(&time) {
                return Err(OpenError::Field { field: "time" });
            }
            Some(time)
        }
    };
    let link = match lane_number {
        0 => None,
        number => {
            let previous = match lane_previous.is_empty() {
                true => None,
                false => Some(Digest::try_from(lane_previous.as_ref())?),
            };
            Some(Link { number, previous })
        }
    };
    let cause = match cause {
        None => None,
        Some(v1::Cause { id, position, author }) => Some(Cause {
            author: author.parse()?,
            id: id.parse()?,
            position: (position != 0).then(|| Position::new(position)),
        }),
    };
    let seen = seen
        .into_iter()
        .map(|v1::Seen { document, heads }| {
            let heads = heads
                .iter()
                .map(|h| {
                    <[u8; 32]>::try_from(h.as_ref()).map_err(|_| OpenError::Digest(DigestError))
                })
                .collect::<Result<_, _>>()?;
            Ok::<_, OpenError>(Seen { document: document.parse()?, heads })
        })
        .collect::<Result<_, _>>()?;
    let part = match part {
        None => None,
        Some(v1::Part { index, count, digest }) => {
            let part = Part { index, count, digest: Digest::try_from(digest.as_ref())? };
            if !is_possible(&part) {
                return Err(OpenError::Field { field: "part" });
            }
            Some(part)
        }
    };
    let count = extensions.len();
    let sound = |e: &v1::Extension| cloudevents::check_extension(&e.name, &e.json).is_ok();
    let sound = count <= MAX_EXTENSIONS && extensions.iter().all(sound);
    let extensions: BTreeMap<_, _> =
        extensions.into_iter().map(|v1::Extension { name, json }| (name, json)).collect();
    if !sound || extensions.len() != count {
        return Err(OpenError::Field { field: "extensions" });
    }
    let event = Event {
        id: id.parse()?,
        ty: match known_type {
            Some(known) if known.as_str() == r#type => known.clone(),
            Some(_) | None => r#type.parse()?,
        },
        version: if version == 0 { 1 } else { version },
        author: match lane_author {
            Some(known) if known.as_str() == author => known.clone(),
            Some(_) | None => author.parse()?,
        },
        entity: match known_entity {
            Some(known) if known.as_str() == entity => Some(known.clone()),
            Some(_) | None => optional(entity).map(|e| e.parse()).transpose()?,
        },
        recipient: optional(recipient).map(|r| r.parse()).transpose()?,
        time,
        data,
        cause,
        correlation: optional(correlation).map(|c| c.parse()).transpose()?,
        seen,
        trace: optional(traceparent).map(|parent| Trace { parent, state: optional(tracestate) }),
        extensions,
    };
    Ok(Envelope {
        event,
        link,
        cursor: (cursor != 0).then(|| Position::new(cursor)),
        part,
        unknown,
    })
}

/// Encodes the changes of a document for an entry's data.
pub fn encode_changes(changes: impl IntoIterator<Item = Bytes>) -> Bytes {
    v1::Changes { changes: changes.into_iter().collect() }.encode_to_vec().into()
}

/// Decodes the changes of a document.
///
/// # Errors
/// [`OpenError::Bytes`].
pub fn decode_changes(data: Bytes) -> Result<Vec<Bytes>, OpenError> {
    let v1::Changes { changes } = v1::Changes::decode(data).map_err(OpenError::Bytes)?;
    Ok(changes)
}

/// A snapshot of a document, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotRecord {
    /// Every change at or before this position is in it.
    pub position: Position,
    /// The document's heads.
    pub heads: Vec<[u8; 32]>,
    /// Identity of the log it was made from.
    pub log: String,
    /// The saved document.
    pub document: Bytes,
}

impl SnapshotRecord {
    /// Encodes the snapshot for an entry's data.
    pub fn encode(self) -> Bytes {
        let Self { position, heads, log, document } = self;
        let heads = heads.iter().map(|h| Bytes::copy_from_slice(h)).collect();
        v1::Snapshot { position: position.get(), heads, log, document }.encode_to_vec().into()
    }

    /// Decodes a snapshot.
    ///
    /// # Errors
    /// [`OpenError::Bytes`] or [`OpenError::Digest`].
    pub fn decode(data: Bytes) -> Result<Self, OpenError> {
        let v1::Snapshot { position, heads, log, document } =
            v1::Snapshot::decode(data).map_err(OpenError::Bytes)?;
        let heads = heads
            .iter()
            .map(|h| <[u8; 32]>::try_from(h.as_ref()).map_err(|_| OpenError::Digest(DigestError)))
            .collect::<Result<_, _>>()?;
        Ok(Self { position: Position::new(position), heads, log, document })
    }
}

#[cfg(test)]
mod tests;
