//! Whether a line is an event that the log will take.

use colony_bus::Bus;
use colony_core::cloudevents;
use colony_core::envelope::{Envelope, Link, SealError, seal};
use colony_core::lane::LaneHead;
use colony_core::subject::{Address, Kind, Lane, Subject};
use colony_core::{CloudEventError, Event, LaneName, SpaceName};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::source::{Line, MAX_LINE_BYTES, Text};

/// Bytes that an entry may have beyond its line of JSON: names escaped in its subject, its place in the lane, a signature.
const OVERHEAD_BYTES: usize = 8 * 1_024;
/// Bytes of a signature with its key, and of the place in a lane.
const SEAL_BYTES: usize = 512;

/// Tells events apart by author and id, in few bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 16]);

impl Key {
    pub(super) fn of(event: &Event) -> Self {
        let mut hash = Sha256::new();
        // A name holds no control character, so the two cannot run into each other.
        hash.update(event.author.as_str());
        hash.update([0]);
        hash.update(event.id.as_str());
        let mut key = [0; 16];
        for (to, from) in key.iter_mut().zip(hash.finalize()) {
            *to = from;
        }
        Self(key)
    }
}

/// Why a line is not imported.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error("the line has more than {MAX_LINE_BYTES} bytes")]
    TooLong,
    #[error("the line is not UTF-8")]
    Utf8(#[from] std::str::Utf8Error),
    #[error(transparent)]
    CloudEvent(#[from] CloudEventError),
    #[error("it is an entry of kind {kind}, not an event: whole logs travel with `colony capture`")]
    Kind { kind: String },
    #[error("it cannot stand in the log")]
    Seal(#[from] SealError),
    #[error("it would be an entry of {actual} bytes, the server accepts {max}")]
    TooLarge { actual: usize, max: usize },
}

impl LineError {
    /// Returns the whole reason on one line.
    pub(super) fn describe(&self) -> String {
        use std::error::Error as _;
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

/// Checks lines against the limits of a log.
pub(super) struct Checker {
    space: SpaceName,
    lane: LaneName,
    max_record_bytes: usize,
}

#[derive(Deserialize)]
struct Standing {
    colonykind: Option<String>,
}

impl Checker {
    pub(super) fn new(bus: &Bus) -> Self {
        Self {
            space: bus.space().clone(),
            lane: bus.instance().clone(),
            max_record_bytes: bus.description().max_record_bytes,
        }
    }

    /// Returns the event of a line; `None` for a blank one.
    pub(super) fn check(&self, line: &Line) -> Result<Option<Event>, LineError> {
        let bytes = match &line.text {
            Text::Bytes(bytes) => bytes,
            Text::TooLong => return Err(LineError::TooLong),
        };
        let text = std::str::from_utf8(bytes)?.trim_ascii();
        if text.is_empty() {
            return Ok(None);
        }
        let event = cloudevents::from_json(text)?.event;
        if text.contains("\"colonykind\"") {
            let standing: Standing = serde_json::from_str(text).map_err(CloudEventError::from)?;
            if let Some(kind) =
                standing.colonykind.filter(|kind| !matches!(kind.as_str(), "event" | "mail"))
            {
                return Err(LineError::Kind { kind });
            }
        }
        self.check_place(&event, text.len())?;
        Ok(Some(event))
    }

    /// Checks that the log has a place for the event, and room for its size.
    fn check_place(&self, event: &Event, line_bytes: usize) -> Result<(), LineError> {
        let kind = match &event.recipient {
            Some(recipient) => Kind::Mail { recipient: recipient.clone(), ty: event.ty.clone() },
            None => Kind::Event { ty: event.ty.clone(), entity: event.entity.clone() },
        };
        let lane = Lane { author: event.author.clone(), name: self.lane.clone() };
        let address = Address::Lane { lane, kind };
        let subject = Subject { space: self.space.clone(), address };
        if line_bytes + OVERHEAD_BYTES <= self.max_record_bytes {
            subject.encode().map_err(SealError::from)?;
            return Ok(());
        }
        let link: Link = LaneHead::EMPTY.next();
        let envelope = Envelope { link: Some(link), ..Envelope::from(event.clone()) };
        let sealed = seal(&subject, &envelope, None)?;
        let actual = sealed.subject.len() + sealed.payload.len() + SEAL_BYTES;
        let max = self.max_record_bytes;
        if actual > max { Err(LineError::TooLarge { actual, max }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checker(max_record_bytes: usize) -> Checker {
        Checker { space: "lab".parse().unwrap(), lane: "import".parse().unwrap(), max_record_bytes }
    }

    fn line(text: &str) -> Line {
        Line { number: 1, text: Text::Bytes(text.as_bytes().to_vec()) }
    }

    const GOOD: &str = r#"{"specversion":"1.0","id":"1","source":"ada","type":"task.done"}"#;

    #[test]
    fn a_blank_line_is_no_event_and_no_error() {
        assert!(checker(1 << 20).check(&line(" \r\n")).unwrap().is_none());
        assert!(checker(1 << 20).check(&line(GOOD)).unwrap().is_some());
    }

    #[test]
    fn an_event_that_the_server_would_refuse_is_found_before_anything_is_stored() {
        let big = GOOD.replace("}", &format!(r#","data":"{}"}}"#, "x".repeat(20_000)));
        assert!(checker(64 * 1024).check(&line(&big)).is_ok());
        let refused = checker(16 * 1024).check(&line(&big));
        assert!(matches!(refused, Err(LineError::TooLarge { .. })));
    }

    #[test]
    fn a_document_change_is_not_taken_for_an_event() {
        let change = GOOD.replace("}", r#","colonykind":"doc"}"#);
        assert!(matches!(checker(1 << 20).check(&line(&change)), Err(LineError::Kind { .. })));
    }

    #[test]
    fn the_key_tells_author_and_id_apart() {
        let event = |author: &str, id: &str| {
            let text = GOOD.replace("ada", author).replace("\"1\"", &format!("{id:?}"));
            Key::of(&checker(1 << 20).check(&line(&text)).unwrap().unwrap())
        };
        assert_eq!(event("ada", "7"), event("ada", "7"));
        assert_ne!(event("ada1", "7"), event("ada", "17"));
    }
}
