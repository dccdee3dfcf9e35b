//! What a role wants done.

use colony_bus::Draft as BusDraft;
use colony_core::{Data, EntityName, Position};

use super::work::Work;
use crate::protocol::Draft;

/// Something that an agent does.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// It says something.
    Say(Say),
    /// It works on a task that it holds. The end is told to it as [`News::Worked`](super::News::Worked).
    Work {
        /// The task.
        task: EntityName,
        /// The fence under which it is held.
        fence: Position,
        /// What is to be done.
        work: Work,
    },
}

/// Something that an agent says, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Say {
    /// What.
    pub draft: Draft,
    /// Why, in words; stored beside the payload as `why`, which protocols pass over. Empty for no reason.
    pub why: String,
}

impl Say {
    /// Returns what to publish.
    pub fn into_draft(self) -> BusDraft {
        let Self { draft: Draft { ty, entity, recipient, data }, why } = self;
        let draft = BusDraft::new(ty).about(entity).data(with_reason(data, &why));
        match recipient {
            Some(recipient) => draft.to(recipient),
            None => draft,
        }
    }
}

/// Adds the reason to a payload that is an object and has none.
fn with_reason(data: Data, why: &str) -> Data {
    let Data::Json { text, content_type } = data else { return data };
    let reasoned = (!why.is_empty()).then(|| {
        let fields = text.trim_end().strip_suffix('}')?;
        let comma = if fields.trim_end().ends_with('{') { "" } else { "," };
        let has_one = fields.contains("\"why\":");
        (!has_one).then(|| format!("{fields}{comma}\"why\":{}}}", serde_json::Value::from(why)))
    });
    Data::Json { text: reasoned.flatten().unwrap_or(text), content_type }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_stands_beside_the_payload() {
        let told = |text: &str, why: &str| {
            let data = Data::Json { text: text.to_owned(), content_type: None };
            match with_reason(data, why) {
                Data::Json { text, .. } => text,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(
            told(r#"{"fence":3}"#, "first \"in\" line"),
            r#"{"fence":3,"why":"first \"in\" line"}"#
        );
        assert_eq!(told("{}", "why not"), r#"{"why":"why not"}"#);
        assert_eq!(told(r#"{"fence":3}"#, ""), r#"{"fence":3}"#);
        assert_eq!(told(r#"{"why":{}}"#, "x"), r#"{"why":{}}"#, "a payload's own field stays");
    }
}
