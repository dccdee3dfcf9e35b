//! CloudEvents 1.0 JSON: how an envelope looks to people and to other tools.
//!
//! `docs/cloudevents.md` holds the mapping as a table. It loses nothing in either direction: an [`Envelope`]
//! written and read again is equal to the byte of its body, and a CloudEvents object read and written again is
//! equal as JSON, its `data` to the byte.

use crate::envelope::{Entry, Envelope};
use crate::name::NameError;

mod attribute;
mod read;
mod time;
mod whitespace;
mod write;

pub(crate) use attribute::{check_extension, is_reserved};
pub(crate) use time::event_time;

/// Why a text is no CloudEvents object, or an envelope has no CloudEvents form.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloudEventError {
    /// The text is not one JSON object.
    #[error("the text is not one JSON object")]
    Json(#[from] serde_json::Error),
    /// A required attribute is not there.
    #[error("the attribute {attribute} is missing")]
    Missing {
        /// Which attribute.
        attribute: &'static str,
    },
    /// An attribute stands twice in one object.
    #[error("the attribute {attribute:?} stands twice")]
    Duplicate {
        /// Which attribute.
        attribute: String,
    },
    /// An attribute has a JSON type that it must not have.
    #[error("the attribute {attribute} is {actual}; it must be {expected}")]
    WrongType {
        /// Which attribute.
        attribute: String,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        actual: &'static str,
    },
    /// An attribute has the right type and a value that it must not have.
    #[error("the value of {attribute} must be {expected}")]
    Value {
        /// Which attribute.
        attribute: String,
        /// What it must be.
        expected: &'static str,
    },
    /// An attribute is to be a name of ours and is none.
    #[error("the value of {attribute} is refused")]
    Name {
        /// Which attribute.
        attribute: &'static str,
        /// What is wrong with the name.
        #[source]
        source: NameError,
    },
    /// An attribute's own name is not lowercase ASCII letters and digits.
    #[error(
        "{attribute:?} is not the name of an attribute: 1 to 255 lowercase ASCII letters and digits"
    )]
    AttributeName {
        /// The name.
        attribute: String,
    },
    /// `data` and `data_base64` are both there.
    #[error("data and data_base64 exclude each other, and both are there")]
    BothData,
    /// An attribute that only has a meaning beside another stands alone.
    #[error("the attribute {attribute} needs {needs}, which is missing")]
    Alone {
        /// Which attribute.
        attribute: &'static str,
        /// The attribute it needs.
        needs: &'static str,
    },
    /// There are more extension attributes than one event may have.
    #[error("{actual} extension attributes; at most {max} are allowed")]
    TooMany {
        /// How many there are.
        actual: usize,
        /// How many there may be.
        max: usize,
    },
    /// An extension attribute is too large.
    #[error("the attribute {attribute} has {actual} bytes of JSON; at most {max} are allowed")]
    TooLarge {
        /// Which attribute.
        attribute: String,
        /// Bytes it has.
        actual: usize,
        /// Bytes it may have.
        max: usize,
    },
    /// An envelope has an extension under a name that the mapping itself uses.
    #[error("{attribute} is no name for an extension: the mapping uses it itself")]
    Reserved {
        /// Which attribute.
        attribute: String,
    },
}

impl CloudEventError {
    /// Returns the attribute that is at fault, where it is one.
    pub fn attribute(&self) -> Option<&str> {
        match self {
            Self::Json(_) | Self::TooMany { .. } => None,
            Self::BothData => Some("data_base64"),
            Self::Missing { attribute }
            | Self::Name { attribute, .. }
            | Self::Alone { attribute, .. } => Some(attribute),
            Self::Duplicate { attribute }
            | Self::WrongType { attribute, .. }
            | Self::Value { attribute, .. }
            | Self::AttributeName { attribute }
            | Self::TooLarge { attribute, .. }
            | Self::Reserved { attribute } => Some(attribute),
        }
    }
}

/// Writes an envelope as one line of CloudEvents JSON, without a line break at its end.
///
/// # Errors
/// [`CloudEventError::Value`] for JSON data or an extension that is not JSON, [`CloudEventError::AttributeName`]
/// and [`CloudEventError::Reserved`] for the name of an extension. An envelope read by [`from_json`] always has
/// a CloudEvents form.
pub fn to_json(envelope: &Envelope) -> Result<String, CloudEventError> {
    write::envelope(envelope, None)
}

/// Writes an entry as one line of CloudEvents JSON: its envelope, and where it stands in the log.
///
/// Where it stands (position, time of recording, lane, kind, digest, signature) is for readers;
/// [`from_json`] leaves it out.
///
/// # Errors
/// As [`to_json`].
pub fn entry_to_json(entry: &Entry) -> Result<String, CloudEventError> {
    write::envelope(&entry.envelope, Some(entry))
}

/// Reads a CloudEvents 1.0 JSON object.
///
/// Attributes that are `null` count as absent, as CloudEvents has it; `"data": null` is data.
///
/// # Errors
/// Every variant of [`CloudEventError`] but [`CloudEventError::Reserved`]. Any text is safe to give.
pub fn from_json(text: &str) -> Result<Envelope, CloudEventError> {
    read::envelope(text)
}

#[cfg(test)]
pub(crate) mod tests;
