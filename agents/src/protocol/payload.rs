//! What events say: typed payloads, read from and written as JSON.

use colony_core::Data;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The events of one protocol. Made by `payloads!`, which keeps types and payloads together.
pub trait Payload: Sized {
    /// The event types, as they stand in the log.
    const TYPES: &'static [&'static str];

    /// Reads the payload of an event of this type; `None` if the type is of no concern here.
    ///
    /// Fields that are not known are passed over, so that a later version may say more.
    fn read(ty: &str, data: &Data) -> Option<Result<Self, Malformed>>;

    /// Returns the event type.
    fn ty(&self) -> &'static str;

    /// Writes the payload.
    fn data(&self) -> Data;
}

/// The version of payloads that this reader knows. Additions need no new version; a change of meaning does.
pub const PAYLOAD_VERSION: u32 = 1;

/// Why an event of a protocol cannot be read. Every reader of this version ignores it alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// It names no entity.
    #[error("the event names no entity: what it is about")]
    NoEntity,
    /// It is one piece of a larger value.
    #[error("the event is one piece of a larger value; what a protocol says fits into one entry")]
    InPieces,
    /// Its payload has a version whose meaning is not known here.
    #[error("the payload has version {found}; this reader knows {PAYLOAD_VERSION}")]
    Version {
        /// The version.
        found: u32,
    },
    /// Its payload lacks a field, or has one of another kind.
    #[error("the payload cannot be read: {problem}")]
    Payload {
        /// What the reader of JSON says.
        problem: String,
    },
}

/// Reads a payload; no data at all reads as an object without fields.
pub(crate) fn read<T: DeserializeOwned>(data: &Data) -> Result<T, Malformed> {
    let text = match data {
        Data::Json { text, .. } => text.as_str(),
        Data::None => "{}",
        Data::Text { .. } | Data::Binary { .. } => {
            return Err(Malformed::Payload { problem: "it is not JSON".to_owned() });
        }
    };
    serde_json::from_str(text).map_err(|error| Malformed::Payload { problem: error.to_string() })
}

/// Writes a payload.
pub(crate) fn write<T: Serialize>(payload: &T) -> Data {
    #[expect(clippy::expect_used, reason = "payloads are structs whose maps have text as keys")]
    Data::json(payload).expect("a payload has a JSON form")
}

/// Makes the enum of a protocol's events, and its [`Payload`].
macro_rules! payloads {
    ($(#[$doc:meta])* $name:ident { $($ty:literal => $variant:ident($payload:ty)),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub enum $name {
            $(#[doc = concat!("`", $ty, "`")] $variant($payload)),+
        }

        impl $crate::protocol::payload::Payload for $name {
            const TYPES: &'static [&'static str] = &[$($ty),+];

            fn read(
                ty: &str,
                data: &colony_core::Data,
            ) -> Option<Result<Self, $crate::protocol::payload::Malformed>> {
                match ty {
                    $($ty => Some($crate::protocol::payload::read(data).map(Self::$variant)),)+
                    _ => None,
                }
            }

            fn ty(&self) -> &'static str {
                match self { $(Self::$variant(_) => $ty),+ }
            }

            fn data(&self) -> colony_core::Data {
                match self { $(Self::$variant(payload) => $crate::protocol::payload::write(payload)),+ }
            }
        }
    };
}
pub(crate) use payloads;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    struct Note {
        text: Option<String>,
    }

    #[test]
    fn unknown_fields_are_passed_over_and_no_data_is_an_empty_object() {
        let data = Data::json_text(r#"{"text":"a","later":[1]}"#).unwrap();
        assert_eq!(read::<Note>(&data).unwrap().text.as_deref(), Some("a"));
        assert!(read::<Note>(&Data::None).unwrap().text.is_none());
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        let text = Data::Text { text: "hello".into(), content_type: None };
        assert!(matches!(read::<Note>(&text), Err(Malformed::Payload { .. })));
        let list = Data::json_text("[1,2]").unwrap();
        assert!(matches!(read::<Note>(&list), Err(Malformed::Payload { .. })));
    }
}
