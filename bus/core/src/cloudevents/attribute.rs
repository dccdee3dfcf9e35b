//! The names of attributes, and what extensions must satisfy.

use serde::de::IgnoredAny;

use super::CloudEventError;
use crate::event::{Data, Event};
use crate::limits::{MAX_EXTENSION_BYTES, MAX_NAME_BYTES};

pub(super) const SPECVERSION: &str = "specversion";
pub(super) const ID: &str = "id";
pub(super) const TYPE: &str = "type";
pub(super) const SOURCE: &str = "source";
pub(super) const SUBJECT: &str = "subject";
pub(super) const TIME: &str = "time";
pub(super) const CONTENT_TYPE: &str = "datacontenttype";
const SCHEMA: &str = "dataschema";
pub(super) const DATA: &str = "data";
pub(super) const DATA_BASE64: &str = "data_base64";
pub(super) const TRACE_PARENT: &str = "traceparent";
pub(super) const TRACE_STATE: &str = "tracestate";

pub(super) const VERSION: &str = "colonyversion";
pub(super) const RECIPIENT: &str = "colonyrecipient";
pub(super) const CAUSE_ID: &str = "colonycauseid";
pub(super) const CAUSE_AUTHOR: &str = "colonycauseauthor";
pub(super) const CAUSE_POSITION: &str = "colonycauseposition";
pub(super) const CORRELATION: &str = "colonycorrelation";
pub(super) const SEEN: &str = "colonyseen";
pub(super) const NUMBER: &str = "colonynumber";
pub(super) const PREVIOUS: &str = "colonyprevious";
pub(super) const CURSOR: &str = "colonycursor";
pub(super) const PART: &str = "colonypart";
pub(super) const UNKNOWN: &str = "colonyunknown";
pub(super) const FORM: &str = "colonydata";
pub(super) const DATA_TEXT: &str = "colonydatatext";

pub(super) const POSITION: &str = "colonyposition";
pub(super) const RECORDED: &str = "colonyrecorded";
pub(super) const KIND: &str = "colonykind";
pub(super) const LANE: &str = "colonylane";
pub(super) const DIGEST: &str = "colonydigest";
pub(super) const SIGNATURE: &str = "colonysignature";
pub(super) const SIGNER: &str = "colonysigner";

/// Where an entry stands: written for readers, left out on reading.
pub(super) const STANDING: [&str; 7] = [POSITION, RECORDED, KIND, LANE, DIGEST, SIGNATURE, SIGNER];

/// Attributes without a field of their own that CloudEvents knows as text.
pub(super) const TEXT_EXTENSIONS: [&str; 3] = [SCHEMA, CONTENT_TYPE, TRACE_STATE];

const ENVELOPE: [&str; 23] = [
    SPECVERSION,
    ID,
    TYPE,
    SOURCE,
    SUBJECT,
    TIME,
    DATA,
    DATA_BASE64,
    TRACE_PARENT,
    VERSION,
    RECIPIENT,
    CAUSE_ID,
    CAUSE_AUTHOR,
    CAUSE_POSITION,
    CORRELATION,
    SEEN,
    NUMBER,
    PREVIOUS,
    CURSOR,
    PART,
    UNKNOWN,
    FORM,
    DATA_TEXT,
];

/// Returns whether an event must not have an extension of this name, because its CloudEvents form has
/// the attribute from elsewhere.
///
/// `datacontenttype` of an event without data and `tracestate` without `traceparent` have no field of their
/// own and are extensions.
pub(crate) fn is_reserved(name: &str, event: &Event) -> bool {
    match name {
        CONTENT_TYPE => !matches!(event.data, Data::None),
        TRACE_STATE => event.trace.is_some(),
        name => ENVELOPE.contains(&name) || STANDING.contains(&name),
    }
}

/// Checks the name and the value of an extension: the value is JSON without line breaks, and not `null`.
pub(crate) fn check_extension(name: &str, json: &str) -> Result<(), CloudEventError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(plain) {
        return Err(CloudEventError::AttributeName { attribute: name.to_owned() });
    }
    if json.len() > MAX_EXTENSION_BYTES {
        return Err(CloudEventError::TooLarge {
            attribute: name.to_owned(),
            actual: json.len(),
            max: MAX_EXTENSION_BYTES,
        });
    }
    let one_line = !json.contains(['\n', '\r']) && json.trim_ascii().len() == json.len();
    if !one_line || json == "null" || serde_json::from_str::<IgnoredAny>(json).is_err() {
        return Err(CloudEventError::Value {
            attribute: name.to_owned(),
            expected: "JSON on one line, and not null",
        });
    }
    Ok(())
}

/// Returns whether a media type says that data is JSON. Absent means that it is.
pub(super) fn is_json(content_type: Option<&str>) -> bool {
    let Some(content_type) = content_type else { return true };
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let Some((_, subtype)) = essence.split_once('/') else { return false };
    let subtype = subtype.to_ascii_lowercase();
    subtype == "json" || subtype.ends_with("+json")
}
