//! Names: of spaces, agents, lanes, entities, documents, effects.
//!
//! A name is UTF-8 text without control characters. It may hold dots, slashes and blanks; [`subject`](crate::subject)
//! escapes it into one subject token and back.

use std::fmt;
use std::str::FromStr;

use crate::limits::{MAX_EVENT_ID_BYTES, MAX_NAME_BYTES, MAX_SPACE_NAME_BYTES};

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The text is empty.
    #[error("{what} is empty")]
    Empty {
        /// What was to be named.
        what: &'static str,
    },
    /// The text is longer than the limit.
    #[error("{what} has {actual} bytes; at most {max} are allowed")]
    TooLong {
        /// What was to be named.
        what: &'static str,
        /// Bytes of the text.
        actual: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// A character is not allowed.
    #[error("{what} {name:?} holds the character {found:?}, which is not allowed there")]
    Character {
        /// What was to be named.
        what: &'static str,
        /// The whole text.
        name: String,
        /// The first character refused.
        found: char,
    },
}

fn check(
    what: &'static str,
    text: &str,
    max: usize,
    allowed: fn(char) -> bool,
) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty { what });
    }
    if text.len() > max {
        return Err(NameError::TooLong { what, actual: text.len(), max });
    }
    // Nearly every name is plain, and a plain character is allowed everywhere.
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        return Ok(());
    }
    match text.chars().find(|c| !allowed(*c)) {
        Some(found) => Err(NameError::Character { what, name: text.to_owned(), found }),
        None => Ok(()),
    }
}

fn printable(c: char) -> bool {
    !c.is_control()
}

fn plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

/// Writes a name as text, and reads it through its check; neither copies the text on the way.
macro_rules! text_serde {
    ($type:ident, $what:literal) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($what)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $max:expr, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(std::sync::Arc<str>);

        text_serde!($type, $what);

        impl $type {
            /// Returns the name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                check($what, text, $max, $allowed)?;
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

name!(
    /// Names one isolated bus: ASCII letters, digits, `-` and `_`, at most [`MAX_SPACE_NAME_BYTES`].
    SpaceName, "the space's name", MAX_SPACE_NAME_BYTES, plain
);
name!(
    /// Names an agent: an identity, of which several instances may run. CloudEvents `source`.
    AgentName, "the agent's name", MAX_NAME_BYTES, printable
);
name!(
    /// Names a lane of an agent.
    LaneName, "the lane's name", MAX_NAME_BYTES, printable
);
name!(
    /// Names what an event is about. CloudEvents `subject`.
    EntityName, "the entity's name", MAX_NAME_BYTES, printable
);
name!(
    /// Names a shared document.
    DocumentName, "the document's name", MAX_NAME_BYTES, printable
);
name!(
    /// Names a recorded effect within a reaction.
    EffectName, "the effect's name", MAX_NAME_BYTES, printable
);
name!(
    /// Identifies an event within its author. CloudEvents `id`.
    EventId, "the event's id", MAX_EVENT_ID_BYTES, printable
);

/// The type of an event: `noun.verb`, past tense by convention (`task.claimed`). CloudEvents `type`.
///
/// The verb is what follows the last dot; a type without a dot is all noun.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventType {
    text: std::sync::Arc<str>,
    noun_bytes: usize,
}

text_serde!(EventType, "the event's type");

impl EventType {
    /// Returns the whole type.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns what stands before the last dot, or the whole type where there is none.
    pub fn noun(&self) -> &str {
        self.text.get(..self.noun_bytes).unwrap_or_default()
    }

    /// Returns what stands after the last dot.
    pub fn verb(&self) -> Option<&str> {
        self.text.get(self.noun_bytes + 1..)
    }
}

impl FromStr for EventType {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        const WHAT: &str = "the event's type";
        check(WHAT, text, MAX_NAME_BYTES, printable)?;
        let noun_bytes = text.rfind('.').unwrap_or(text.len());
        if noun_bytes == 0 || noun_bytes + 1 == text.len() {
            return Err(NameError::Character { what: WHAT, name: text.to_owned(), found: '.' });
        }
        Ok(Self { text: text.into(), noun_bytes })
    }
}

impl TryFrom<String> for EventType {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<EventType> for String {
    fn from(name: EventType) -> String {
        name.text.as_ref().to_owned()
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_splits_at_its_last_dot() {
        let ty: EventType = "com.github.push.opened".parse().unwrap();
        assert_eq!((ty.noun(), ty.verb()), ("com.github.push", Some("opened")));
        let bare: EventType = "ping".parse().unwrap();
        assert_eq!((bare.noun(), bare.verb()), ("ping", None));
        assert!("task.".parse::<EventType>().is_err());
        assert!(".done".parse::<EventType>().is_err());
    }

    #[test]
    fn names_say_what_is_wrong_with_them() {
        assert_eq!("".parse::<AgentName>(), Err(NameError::Empty { what: "the agent's name" }));
        assert!(matches!("a b".parse::<SpaceName>(), Err(NameError::Character { found: ' ', .. })));
        assert!(matches!("a\nb".parse::<EntityName>(), Err(NameError::Character { .. })));
        assert!(matches!("x".repeat(256).parse::<LaneName>(), Err(NameError::TooLong { .. })));
        assert_eq!("src/main.rs".parse::<EntityName>().unwrap().as_str(), "src/main.rs");
    }
}
