//! Subjects: the one module that builds and parses them.
//!
//! ```text
//! colony.<space>.<author>.<lane>.event.<noun>.<verb>.<entity>
//! colony.<space>.<author>.<lane>.mail.<recipient>.<noun>.<verb>
//! colony.<space>.<author>.<lane>.doc.<document>
//! colony.<space>.<author>.<lane>.snapshot.<document>
//! colony.<space>.<author>.<lane>.effect.<name>
//! colony.<space>.<author>.<lane>.cursor
//! colony.<space>._._.head.<noun>.<entity>
//! ```
//!
//! A token holds ASCII letters, digits, `-` and `_` as they are and every other byte as `=XX` in
//! hexadecimal, so any name fits into one token and comes back unchanged. The token `_` alone stands
//! for "none"; a name that is just `_` is escaped.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use crate::limits::MAX_SUBJECT_BYTES;
use crate::name::{
    AgentName, DocumentName, EffectName, EntityName, EventType, LaneName, NameError, SpaceName,
};

mod recent;

pub use recent::RecentSubjects;

const ROOT: &str = "colony";
const NONE: &str = "_";

/// Where in a space's subject tree an entry stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// In a lane of an agent.
    Lane {
        /// Whose lane.
        lane: Lane,
        /// What kind of entry.
        kind: Kind,
    },
    /// The head of an entity: the subject that several authors share for conditional appends.
    Head {
        /// The noun of the events about the entity.
        noun: String,
        /// The entity.
        entity: EntityName,
    },
}

/// A lane: a sequence of entries of one author with one logical writer at a time.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Lane {
    /// The agent that writes it.
    pub author: AgentName,
    /// Its name among the agent's lanes.
    pub name: LaneName,
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.author, self.name)
    }
}

/// The kinds of entries in a lane.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A domain event.
    Event {
        /// Its type.
        ty: EventType,
        /// What it is about.
        entity: Option<EntityName>,
    },
    /// An event addressed to one agent.
    Mail {
        /// To whom.
        recipient: AgentName,
        /// Its type.
        ty: EventType,
    },
    /// Changes of a document.
    Document(DocumentName),
    /// A snapshot of a document: a cache.
    Snapshot(DocumentName),
    /// A recorded effect.
    Effect(EffectName),
    /// The lane's cursor, where no other entry carries it.
    Cursor,
}

/// A complete subject: a space and an address in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// The space.
    pub space: SpaceName,
    /// The place within it.
    pub address: Address,
}

/// Why a subject is not one of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectError {
    /// It does not have the shape of any kind of entry.
    #[error("{subject:?} is not a subject of a Colony space")]
    Shape {
        /// The subject.
        subject: String,
    },
    /// A token is not a name.
    #[error("{subject:?} holds a token that is no name")]
    Token {
        /// The subject.
        subject: String,
        /// What is wrong with the token.
        #[source]
        source: NameError,
    },
    /// It is longer than [`MAX_SUBJECT_BYTES`] once escaped.
    #[error(
        "the subject has {actual} bytes once escaped; at most {MAX_SUBJECT_BYTES} are allowed: use shorter names"
    )]
    TooLong {
        /// Its bytes.
        actual: usize,
    },
}

impl Subject {
    /// Reads a subject.
    ///
    /// # Errors
    /// [`SubjectError`] for anything [`Subject::encode`] would not have written.
    pub fn parse(subject: &str) -> Result<Self, SubjectError> {
        let shape = || SubjectError::Shape { subject: subject.to_owned() };
        let name = |source| SubjectError::Token { subject: subject.to_owned(), source };
        let mut tokens = subject.split('.');
        if tokens.next() != Some(ROOT) {
            return Err(shape());
        }
        let mut next = || tokens.next().and_then(unescape).ok_or_else(shape);
        let space = next()?.ok_or_else(shape)?.parse().map_err(name)?;
        let (author, lane) = (next()?, next()?);
        let kind = next()?.ok_or_else(shape)?;
        let address = match (author, lane) {
            (Some(author), Some(lane)) => {
                let mut required = || next()?.ok_or_else(shape);
                let kind = match kind.as_ref() {
                    "event" => {
                        let noun = required()?;
                        let ty = event_type(&noun, next()?.as_deref()).map_err(name)?;
                        let entity = next()?.map(|e| e.parse()).transpose().map_err(name)?;
                        Kind::Event { ty, entity }
                    }
                    "mail" => {
                        let recipient = required()?.parse().map_err(name)?;
                        let noun = required()?;
                        let ty = event_type(&noun, next()?.as_deref()).map_err(name)?;
                        Kind::Mail { recipient, ty }
                    }
                    "doc" => Kind::Document(required()?.parse().map_err(name)?),
                    "snapshot" => Kind::Snapshot(required()?.parse().map_err(name)?),
                    "effect" => Kind::Effect(required()?.parse().map_err(name)?),
                    "cursor" => Kind::Cursor,
                    _ => return Err(shape()),
                };
                let lane = Lane {
                    author: author.parse().map_err(name)?,
                    name: lane.parse().map_err(name)?,
                };
                Address::Lane { lane, kind }
            }
            (None, None) if kind == "head" => {
                let noun = next()?.ok_or_else(shape)?.into_owned();
                let entity = next()?.ok_or_else(shape)?.parse().map_err(name)?;
                Address::Head { noun, entity }
            }
            _ => return Err(shape()),
        };
        match tokens.next() {
            None => Ok(Self { space, address }),
            Some(_) => Err(shape()),
        }
    }

    /// Writes the subject as the server knows it.
    ///
    /// # Errors
    /// [`SubjectError::TooLong`].
    pub fn encode(&self) -> Result<String, SubjectError> {
        let mut out = branch(&self.space);
        match &self.address {
            Address::Lane { lane, kind } => {
                push(&mut out, lane.author.as_str());
                push(&mut out, lane.name.as_str());
                match kind {
                    Kind::Event { ty, entity } => {
                        out.push_str(".event");
                        push_type(&mut out, ty);
                        match entity {
                            Some(entity) => push(&mut out, entity.as_str()),
                            None => push_none(&mut out),
                        }
                    }
                    Kind::Mail { recipient, ty } => {
                        out.push_str(".mail");
                        push(&mut out, recipient.as_str());
                        push_type(&mut out, ty);
                    }
                    Kind::Document(name) => {
                        out.push_str(".doc");
                        push(&mut out, name.as_str());
                    }
                    Kind::Snapshot(name) => {
                        out.push_str(".snapshot");
                        push(&mut out, name.as_str());
                    }
                    Kind::Effect(name) => {
                        out.push_str(".effect");
                        push(&mut out, name.as_str());
                    }
                    Kind::Cursor => out.push_str(".cursor"),
                }
            }
            Address::Head { noun, entity } => {
                out.push_str("._._.head");
                push(&mut out, noun);
                push(&mut out, entity.as_str());
            }
        }
        match out.len() {
            length if length > MAX_SUBJECT_BYTES => Err(SubjectError::TooLong { actual: length }),
            _ => Ok(out),
        }
    }
}

/// Returns everything that a space stores, as a subject filter.
pub fn space_filter(space: &SpaceName) -> String {
    branch(space) + ".>"
}

/// Returns everything in a lane, as a subject filter.
///
/// Conditions on a lane rest on **every** writer sending this identical string (see
/// `docs/adr/0004-lane-condition.md`); nothing else may make one.
pub fn lane_filter(space: &SpaceName, lane: &Lane) -> String {
    let mut out = branch(space);
    push(&mut out, lane.author.as_str());
    push(&mut out, lane.name.as_str());
    out + ".>"
}

/// Returns everything in the lanes of one author, as a subject filter.
///
/// For reading only: a condition on it would not see those on a lane.
pub fn author_filter(space: &SpaceName, author: &AgentName) -> String {
    let mut out = branch(space);
    push(&mut out, author.as_str());
    out + ".>"
}

/// Returns everything in the lanes of one name, whoever their authors, as a subject filter.
///
/// For reading only: a condition on it would not see those on a lane.
pub fn lanes_filter(space: &SpaceName, name: &LaneName) -> String {
    let mut out = branch(space);
    out.push_str(".*");
    push(&mut out, name.as_str());
    out + ".>"
}

/// Returns the subject of a live, never stored message: `colony-live.<space>.<author>.<instance>.<topic>`.
pub fn live_subject(space: &SpaceName, author: &AgentName, instance: &str, topic: &str) -> String {
    let mut out = format!("{ROOT}-live.{space}");
    push(&mut out, author.as_str());
    push(&mut out, instance);
    push(&mut out, topic);
    out
}

/// Returns every live message of a space about a topic, as a subject filter.
pub fn live_filter(space: &SpaceName, topic: &str) -> String {
    let mut out = format!("{ROOT}-live.{space}.*.*");
    push(&mut out, topic);
    out
}

/// One token of a [`Pattern`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum Token<'a> {
    Any,
    None,
    Name(&'a str),
}

/// A pattern of subjects in the lanes of one author, or of all.
#[derive(Debug, Clone)]
pub(crate) struct Pattern<'a> {
    pub(crate) author: Option<&'a str>,
    pub(crate) kind: &'a str,
    pub(crate) rest: &'a [Token<'a>],
}

impl Pattern<'_> {
    pub(crate) fn encode(&self, space: &SpaceName) -> String {
        let mut out = branch(space);
        match self.author {
            Some(author) => push(&mut out, author),
            None => out.push_str(".*"),
        }
        out.push_str(".*.");
        out.push_str(self.kind);
        for token in self.rest {
            match token {
                Token::Any => out.push_str(".*"),
                Token::None => push_none(&mut out),
                Token::Name(name) => push(&mut out, name),
            }
        }
        out
    }
}

fn branch(space: &SpaceName) -> String {
    let mut out = String::with_capacity(96);
    out.push_str(ROOT);
    push(&mut out, space.as_str());
    out
}

fn push_none(out: &mut String) {
    out.push('.');
    out.push_str(NONE);
}

fn push_type(out: &mut String, ty: &EventType) {
    push(out, ty.noun());
    match ty.verb() {
        Some(verb) => push(out, verb),
        None => push_none(out),
    }
}

fn push(out: &mut String, name: &str) {
    out.push('.');
    if name == NONE {
        out.push_str("=5F");
        return;
    }
    if name.bytes().all(is_plain) {
        out.push_str(name);
        return;
    }
    for byte in name.bytes() {
        match byte {
            byte if is_plain(byte) => out.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => drop(write!(out, "={byte:02X}")),
        }
    }
}

/// Reads one token. The outer `None` is a token never written here, the inner one "none".
///
/// Most tokens are the name itself and are borrowed.
fn unescape(token: &str) -> Option<Option<Cow<'_, str>>> {
    if token == NONE {
        return Some(None);
    }
    if !token.is_empty() && token.bytes().all(is_plain) {
        return Some(Some(Cow::Borrowed(token)));
    }
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            byte if is_plain(byte) => bytes.push(byte),
            b'=' => {
                let digit = |b: u8| match b {
                    b'0'..=b'9' => Some(b - b'0'),
                    b'A'..=b'F' => Some(b - b'A' + 10),
                    _ => None,
                };
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                bytes.push(high << 4 | low);
            }
            _ => return None,
        }
    }
    let name = String::from_utf8(bytes).ok()?;
    // One name has one token: `=41` for `A` is refused.
    let mut canonical = String::with_capacity(token.len() + 1);
    push(&mut canonical, &name);
    let same = !name.is_empty() && canonical.get(1..) == Some(token);
    same.then_some(Some(Cow::Owned(name)))
}

const fn is_plain(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_')
}

fn event_type(noun: &str, verb: Option<&str>) -> Result<EventType, NameError> {
    match verb {
        Some(verb) => format!("{noun}.{verb}").parse(),
        None => noun.parse(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn subject(kind: Kind) -> Subject {
        Subject {
            space: "lab".parse().unwrap(),
            address: Address::Lane {
                lane: Lane { author: "ada".parse().unwrap(), name: "main".parse().unwrap() },
                kind,
            },
        }
    }

    #[test]
    fn subjects_read_as_the_design_writes_them() {
        let event = subject(Kind::Event {
            ty: "task.claimed".parse().unwrap(),
            entity: Some("42".parse().unwrap()),
        });
        assert_eq!(event.encode().unwrap(), "colony.lab.ada.main.event.task.claimed.42");
        let bare = subject(Kind::Event { ty: "ping".parse().unwrap(), entity: None });
        assert_eq!(bare.encode().unwrap(), "colony.lab.ada.main.event.ping._._");
        let document = subject(Kind::Document("notes/a.md".parse().unwrap()));
        assert_eq!(document.encode().unwrap(), "colony.lab.ada.main.doc.notes=2Fa=2Emd");
        for s in [event, bare, document] {
            assert_eq!(Subject::parse(&s.encode().unwrap()).unwrap(), s);
        }
    }

    #[test]
    fn a_foreign_subject_is_refused() {
        for text in [
            "",
            "colony",
            "colony.lab.a.b.event.x.y",
            "colony.lab.a.b.event.x.y.z.q",
            "colony.lab.a.b.event.x.y.=41",
            "colony.lab._._.doc.x",
            "colony.lab.a.b.head.x.y",
            "other.lab.a.b.cursor",
            "colony.lab.a.b.event.x.y.*",
            "colony.lab.a..cursor",
        ] {
            assert!(Subject::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_name_survives_a_subject(noun in "\\PC{1,20}", verb in "[^.\\p{C}]{1,9}", entity in "\\PC{1,30}") {
            if let (Ok(ty), Ok(entity)) = (format!("{noun}.{verb}").parse(), entity.parse()) {
                let s = subject(Kind::Event { ty, entity: Some(entity) });
                prop_assert_eq!(Subject::parse(&s.encode().unwrap()).unwrap(), s);
            }
        }

        #[test]
        fn no_bytes_make_the_parser_panic(text in "\\PC{0,80}") {
            let _ = Subject::parse(&text);
            let _ = Subject::parse(&format!("colony.lab.a.b.{text}"));
        }
    }
}
