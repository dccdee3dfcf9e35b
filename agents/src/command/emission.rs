//! From a CloudEvents object that a command emits to a draft.

use std::collections::BTreeMap;

use colony_bus::Draft;
use colony_core::cloudevents::{self, CloudEventError};
use colony_core::envelope::Envelope;
use colony_core::{AgentName, Event};
use serde_json::value::RawValue;

/// Attributes that are the runtime's: what stands there is left out, so that a copy of the event given may be sent back changed.
const LEFT_OUT: [&str; 1] = ["colonyhops"];

/// Why an object is no event that a reaction may emit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmissionError {
    /// It is no JSON object.
    #[error("it is not one JSON object")]
    Json(#[from] serde_json::Error),
    /// It is no CloudEvents object.
    #[error(transparent)]
    CloudEvent(#[from] CloudEventError),
    /// It names another author.
    #[error("its source is {actual}: an agent speaks in its own name, {expected}, only")]
    Author {
        /// The agent.
        expected: AgentName,
        /// The author named.
        actual: AgentName,
    },
    /// It has an attribute that an event of a reaction cannot have.
    #[error("the attribute {attribute} cannot be emitted: put it into the data")]
    Extension {
        /// The attribute.
        attribute: String,
    },
}

/// Reads an object. `specversion`, `id` and `source` may be missing; cause, story and trace are the runtime's to tell.
pub(super) fn draft(agent: &AgentName, json: &RawValue) -> Result<Draft, EmissionError> {
    let mut members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(json.get())?;
    let has_id = members.contains_key("id");
    for (name, value) in [("specversion", "1.0"), ("id", "none"), ("source", agent.as_str())] {
        if !members.contains_key(name) {
            members.insert(name.to_owned(), serde_json::value::to_raw_value(value)?);
        }
    }
    let envelope = cloudevents::from_json(&serde_json::to_string(&members)?)?;
    let Envelope { event, link: _, cursor: _, part: _, unknown: _ } = envelope;
    let Event {
        id,
        ty,
        version,
        author,
        entity,
        recipient,
        time,
        data,
        cause: _,
        correlation: _,
        seen,
        trace: _,
        extensions,
    } = event;
    if author != *agent {
        return Err(EmissionError::Author { expected: agent.clone(), actual: author });
    }
    if let Some(attribute) = extensions.into_keys().find(|name| !LEFT_OUT.contains(&name.as_str()))
    {
        return Err(EmissionError::Extension { attribute });
    }
    let mut draft = Draft::new(ty).version(version).data(data);
    if has_id {
        draft = draft.id(id);
    }
    if let Some(entity) = entity {
        draft = draft.about(entity);
    }
    if let Some(recipient) = recipient {
        draft = draft.to(recipient);
    }
    if let Some(time) = time {
        draft = draft.happened(time);
    }
    Ok(seen.into_iter().fold(draft, Draft::having_seen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use colony_core::{Data, Timestamp};

    fn event(json: &str) -> Result<Event, EmissionError> {
        let agent: AgentName = "ada".parse().unwrap();
        let json = RawValue::from_string(json.to_owned()).unwrap();
        let made = "made".parse().unwrap();
        Ok(draft(&agent, &json)?.into_event(agent, made, Timestamp::from_nanos(0).into()))
    }

    #[test]
    fn a_type_is_enough_and_data_is_kept_to_the_byte() {
        let short = event(r#"{"type":"word.counted","subject":"a","data":{"n": 1.50}}"#).unwrap();
        assert_eq!((short.id.as_str(), short.author.as_str()), ("made", "ada"));
        assert_eq!(short.entity.unwrap().as_str(), "a");
        assert!(matches!(short.data, Data::Json { text, .. } if text == r#"{"n": 1.50}"#));
        let mail = event(r#"{"type":"a.b","id":"7","colonyrecipient":"ben"}"#).unwrap();
        assert_eq!((mail.id.as_str(), mail.recipient.unwrap().as_str()), ("7", "ben"));
    }

    #[test]
    fn what_an_agent_may_not_say_is_refused() {
        assert!(matches!(event("[]"), Err(EmissionError::Json(_))));
        assert!(matches!(event("{}"), Err(EmissionError::CloudEvent(_))));
        let forged = event(r#"{"type":"a.b","source":"ben"}"#);
        assert!(matches!(forged, Err(EmissionError::Author { .. })));
        let extended = event(r#"{"type":"a.b","mood":"good"}"#);
        assert!(
            matches!(extended, Err(EmissionError::Extension { attribute }) if attribute == "mood")
        );
        assert!(
            event(r#"{"type":"a.b","colonyhops":3,"colonycauseid":"1","colonycauseauthor":"b"}"#)
                .is_ok()
        );
    }
}
