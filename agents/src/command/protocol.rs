//! The lines that an agent and its command exchange. `docs/agent-protocol.md` explains them.

use std::collections::BTreeMap;

use colony_core::{DocumentName, EffectName, Position, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::reaction::DocumentOperation;

/// The version of the protocol, which every event's line names. A later one may add members and replies, never change what is there.
pub const PROTOCOL_VERSION: u32 = 1;
/// Most bytes that a command may write in answer to one event.
pub const MAX_ANSWER_BYTES: usize = 16 * 1_024 * 1_024;
/// Most events that it may emit in answer to one: more than any unit of the log takes.
pub const MAX_EMITTED: usize = 1_024;

/// An event, handed out.
#[derive(Debug, Serialize)]
pub(super) struct EventLine<'a> {
    pub(super) colony: u32,
    pub(super) position: Position,
    pub(super) attempt: u32,
    pub(super) replay: bool,
    pub(super) key: String,
    pub(super) now: Timestamp,
    pub(super) random: String,
    pub(super) effects: BTreeMap<EffectName, Box<RawValue>>,
    pub(super) event: &'a RawValue,
}

/// What a command that has asked for an effect is told.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Reply {
    /// Nothing is recorded: run it.
    Run(RunLine),
    /// This result counts.
    Recorded(RecordedLine),
    /// A document reads like this.
    Document(DocumentLine),
}

#[derive(Debug, Serialize)]
pub(super) struct RunLine {
    pub(super) name: EffectName,
    pub(super) key: String,
}

#[derive(Debug, Serialize)]
pub(super) struct RecordedLine {
    pub(super) name: EffectName,
    pub(super) result: Box<RawValue>,
}

#[derive(Debug, Serialize)]
pub(super) struct DocumentLine {
    pub(super) document: DocumentName,
    pub(super) value: serde_json::Value,
}

/// What a command says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    /// Something to say: a CloudEvents object.
    Emit(Box<RawValue>),
    /// It edits a document.
    Edit(Edits),
    /// It wants to read a document.
    Read(Reading),
    /// It wants the result of an effect.
    Ask(Named),
    /// It has run an effect.
    Record(Record),
    /// Something for those who look on.
    Log(String),
    /// It cannot react.
    Error(Said),
    /// It has reacted to the event at this position.
    Done(Position),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    pub(super) name: EffectName,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Edits {
    pub(super) document: DocumentName,
    pub(super) operations: Vec<DocumentOperation>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reading {
    pub(super) document: DocumentName,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) name: EffectName,
    pub(super) result: Box<RawValue>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    pub(super) message: String,
    #[serde(default)]
    pub(super) lasting: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_an_object_with_one_member() {
        let read = |line: &str| serde_json::from_str::<Answer>(line);
        assert!(matches!(read(r#"{"done":17}"#), Ok(Answer::Done(at)) if at.get() == 17));
        assert!(matches!(read(r#" {"log":"so"} "#), Ok(Answer::Log(text)) if text == "so"));
        assert!(matches!(read(r#"{"ask":{"name":"price"}}"#), Ok(Answer::Ask(_))));
        assert!(matches!(
            read(r#"{"error":{"message":"no"}}"#),
            Ok(Answer::Error(Said { lasting: false, .. }))
        ));
        let emit = read(r#"{"emit":{"type":"a.b","data":1.50}}"#);
        assert!(matches!(emit, Ok(Answer::Emit(json)) if json.get().contains("1.50")));
        for bad in ["", "hello", "17", "[]", "{}", r#"{"done":1,"log":"x"}"#, r#"{"shout":1}"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(read(r#"{"ask":{"name":"price","again":true}}"#).is_err());
    }
}
