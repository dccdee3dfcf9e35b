//! Events as Rust types, through versions of their schema.

use colony_bus::Draft;
use colony_core::{Event, EventType};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The data of a type of event.
///
/// ```
/// use colony_agents::typed::{EventSchema, draft, read};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Offered { what: String, hours: u32 }
///
/// impl EventSchema for Offered {
///     const TYPE: &'static str = "task.offered";
///     const VERSION: u32 = 2;
///     /// Version 1 had no hours.
///     fn upcast(from: u32, mut data: serde_json::Value) -> Option<serde_json::Value> {
///         if from == 1 {
///             data.as_object_mut()?.insert("hours".into(), 1.into());
///         }
///         Some(data)
///     }
/// }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use colony_core::Event;
/// let draft = draft(&Offered { what: "sweep".into(), hours: 2 })?;
/// let event = draft.into_event("ada".parse()?, "1".parse()?, "2026-01-31T12:00:00Z".parse::<colony_core::Timestamp>()?.into());
/// let offered: Option<Offered> = read(&event)?;
/// assert_eq!(offered.map(|o| o.hours), Some(2));
/// # Ok(())
/// # }
/// ```
pub trait EventSchema: Serialize + DeserializeOwned {
    /// The type of the event.
    const TYPE: &'static str;
    /// The version of the schema that this type is. Counted from 1.
    const VERSION: u32 = 1;

    /// Turns data of a version into data of the next one; `None` if it makes no sense. Called for each version in turn.
    fn upcast(from: u32, data: Value) -> Option<Value> {
        let _ = from;
        Some(data)
    }
}

/// Why an event cannot be read as a type, or a value be an event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The event is of a later version than this program knows.
    #[error("{ty} of version {actual}; only versions up to {known} are known here")]
    Newer {
        /// The type.
        ty: &'static str,
        /// The event's version.
        actual: u32,
        /// The version known.
        known: u32,
    },
    /// Data of an earlier version makes no sense.
    #[error("{ty} of version {from} cannot be read as version {}", from + 1)]
    Upcast {
        /// The type.
        ty: &'static str,
        /// The version.
        from: u32,
    },
    /// The data is not what the type asks for.
    #[error("{ty} has other data than its type")]
    Data {
        /// The type.
        ty: &'static str,
        /// What serde reports.
        #[source]
        source: serde_json::Error,
    },
    /// The type's name is no name of a type.
    #[error("{ty:?} is no type of an event")]
    Type {
        /// The name.
        ty: &'static str,
        /// What is wrong with it.
        #[source]
        source: colony_core::name::NameError,
    },
}

/// Reads an event as a type; `None` if it is of another one.
///
/// # Errors
/// [`SchemaError`] for an event of this type that cannot be read.
pub fn read<E: EventSchema>(event: &Event) -> Result<Option<E>, SchemaError> {
    let ty = E::TYPE;
    if event.ty.as_str() != ty {
        return Ok(None);
    }
    if event.version > E::VERSION {
        return Err(SchemaError::Newer { ty, actual: event.version, known: E::VERSION });
    }
    let data = |source| SchemaError::Data { ty, source };
    if event.version == E::VERSION {
        return event.data.to_value().map(Some).map_err(data);
    }
    let mut value: Value = event.data.to_value().map_err(data)?;
    for from in event.version..E::VERSION {
        value = E::upcast(from, value).ok_or(SchemaError::Upcast { ty, from })?;
    }
    serde_json::from_value(value).map(Some).map_err(data)
}

/// Begins an event that says a value.
///
/// # Errors
/// [`SchemaError::Type`] and [`SchemaError::Data`].
pub fn draft<E: EventSchema>(value: &E) -> Result<Draft, SchemaError> {
    let ty: EventType =
        E::TYPE.parse().map_err(|source| SchemaError::Type { ty: E::TYPE, source })?;
    let draft = Draft::new(ty).version(E::VERSION).json(value);
    draft.map_err(|source| SchemaError::Data { ty: E::TYPE, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use colony_core::Data;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Moved {
        to: Vec<u32>,
    }

    impl EventSchema for Moved {
        const TYPE: &'static str = "piece.moved";
        const VERSION: u32 = 3;

        fn upcast(from: u32, data: Value) -> Option<Value> {
            match from {
                // A number became text, then a list.
                1 => Some(Value::String(data.as_u64()?.to_string())),
                _ => {
                    let to: u32 = data.as_str()?.parse().ok()?;
                    Some(serde_json::json!({ "to": [to] }))
                }
            }
        }
    }

    fn moved(version: u32, data: Value) -> Event {
        let ty = "piece.moved".parse().unwrap();
        let mut event = Event::new("ada".parse().unwrap(), "1".parse().unwrap(), ty);
        event.version = version;
        event.data = Data::json(&data).unwrap();
        event
    }

    #[test]
    fn data_of_every_earlier_version_is_read_as_the_latest() {
        for event in
            [moved(1, 7.into()), moved(2, "7".into()), moved(3, serde_json::json!({ "to": [7] }))]
        {
            assert_eq!(read::<Moved>(&event).unwrap(), Some(Moved { to: vec![7] }));
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_another_type_is_none() {
        assert!(matches!(
            read::<Moved>(&moved(4, 7.into())),
            Err(SchemaError::Newer { actual: 4, known: 3, .. })
        ));
        assert!(matches!(
            read::<Moved>(&moved(1, "x".into())),
            Err(SchemaError::Upcast { from: 1, .. })
        ));
        assert!(matches!(read::<Moved>(&moved(3, 7.into())), Err(SchemaError::Data { .. })));
        let mut other = moved(1, 7.into());
        other.ty = "piece.taken".parse().unwrap();
        assert_eq!(read::<Moved>(&other).unwrap(), None);
    }
}
