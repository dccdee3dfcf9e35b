//! Events: immutable facts, as the domain sees them.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::name::{AgentName, DocumentName, EntityName, EventId, EventType};
use crate::position::Position;
use crate::timestamp::Timestamp;

/// An immutable fact: who says that what happened to which entity, when, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Unique within the author. CloudEvents `id`.
    pub id: EventId,
    /// `noun.verb`, past tense. CloudEvents `type`.
    pub ty: EventType,
    /// Version of the schema of `data`, for upcasting; 1 unless told.
    pub version: u32,
    /// The agent that says so. CloudEvents `source`.
    pub author: AgentName,
    /// What it is about. CloudEvents `subject`.
    pub entity: Option<EntityName>,
    /// The one agent it is addressed to; `None` for an event to all.
    pub recipient: Option<AgentName>,
    /// When it happened, by the author's clock. CloudEvents `time`.
    pub time: Option<EventTime>,
    /// What is said.
    pub data: Data,
    /// The entry that this one reacts to.
    pub cause: Option<Cause>,
    /// The id of the event that began the story.
    pub correlation: Option<EventId>,
    /// The documents the author had seen, and how far.
    pub seen: Vec<Seen>,
    /// W3C trace context.
    pub trace: Option<Trace>,
    /// Further CloudEvents attributes: name to JSON text.
    pub extensions: BTreeMap<String, String>,
}

impl Event {
    /// Makes an event that says nothing beyond its type.
    pub fn new(author: AgentName, id: EventId, ty: EventType) -> Self {
        Self {
            id,
            ty,
            version: 1,
            author,
            entity: None,
            recipient: None,
            time: None,
            data: Data::None,
            cause: None,
            correlation: None,
            seen: Vec::new(),
            trace: None,
            extensions: BTreeMap::new(),
        }
    }
}

/// When an event happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventTime {
    /// The moment.
    pub at: Timestamp,
    /// The moment as its author wrote it, where that is not how we would (another offset, say).
    pub text: Option<String>,
}

impl From<Timestamp> for EventTime {
    fn from(at: Timestamp) -> Self {
        Self { at, text: None }
    }
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Data {
    /// Nothing.
    #[default]
    None,
    /// JSON text, kept to the byte.
    Json {
        /// The text. Always valid JSON.
        text: String,
        /// Its media type; absent means `application/json`.
        content_type: Option<String>,
    },
    /// Text.
    Text {
        /// The text.
        text: String,
        /// Its media type.
        content_type: Option<String>,
    },
    /// Bytes.
    Binary {
        /// The bytes.
        bytes: Bytes,
        /// Their media type.
        content_type: Option<String>,
    },
}

impl Data {
    /// Makes JSON data of a value.
    ///
    /// # Errors
    /// What serde reports of a value that has no JSON form.
    pub fn json<T: serde::Serialize>(value: &T) -> Result<Self, serde_json::Error> {
        Ok(Self::Json { text: serde_json::to_string(value)?, content_type: None })
    }

    /// Makes JSON data of text, if it is JSON.
    ///
    /// # Errors
    /// Where the text stops being JSON.
    pub fn json_text(text: impl Into<String>) -> Result<Self, serde_json::Error> {
        let text = text.into();
        serde_json::from_str::<serde::de::IgnoredAny>(&text)?;
        Ok(Self::Json { text, content_type: None })
    }

    /// Reads JSON data as a value.
    ///
    /// # Errors
    /// What serde reports; data that is not JSON reads as `null`.
    pub fn to_value<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        match self {
            Self::Json { text, .. } => serde_json::from_str(text),
            Self::Text { text, .. } => {
                serde_json::from_value(serde_json::Value::String(text.clone()))
            }
            Self::None | Self::Binary { .. } => serde_json::from_value(serde_json::Value::Null),
        }
    }

    /// Returns how many bytes are said.
    pub fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Json { text, .. } | Self::Text { text, .. } => text.len(),
            Self::Binary { bytes, .. } => bytes.len(),
        }
    }

    /// Returns whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The entry that another reacts to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Cause {
    /// Its author: ids are unique within one author only.
    pub author: AgentName,
    /// Its id.
    pub id: EventId,
    /// Where it stands, if that was known.
    pub position: Option<Position>,
}

/// How far an author had seen a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The document.
    pub document: DocumentName,
    /// Its heads then: change hashes of 32 bytes, ascending.
    pub heads: Vec<[u8; 32]>,
}

/// W3C trace context, as its two headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The `traceparent` header.
    pub parent: String,
    /// The `tracestate` header.
    pub state: Option<String>,
}
