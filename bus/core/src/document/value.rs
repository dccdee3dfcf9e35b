//! What stands in a document.

use std::collections::BTreeMap;
use std::fmt;

use automerge as am;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// A value read from a document or to be written into one.
///
/// [`Value::Str`] is replaced as a whole by whoever writes last; [`Value::Text`] is shared, edited by the character and
/// merged. A [`Value::Counter`] adds up concurrent increments. Serialises as its JSON form, see [`Value::to_json`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Nothing, written down.
    Null,
    /// True or false.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// An unsigned integer, as other writers may store them.
    Uint(u64),
    /// A floating point number.
    Float(f64),
    /// A string that is replaced as a whole.
    Str(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A number that concurrent increments add up on.
    Counter(i64),
    /// A moment, in whole milliseconds.
    Timestamp(Timestamp),
    /// A text that several writers edit by the character.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// A map.
    Map(BTreeMap<String, Value>),
    /// A value of a kind that a newer library wrote; kept as it is.
    Unknown {
        /// The kind's number.
        kind: u8,
        /// The encoded value.
        bytes: Vec<u8>,
    },
}

impl Value {
    /// Returns the JSON form: text as a string, a counter as a number, bytes as base64, a timestamp as RFC 3339.
    ///
    /// A number that JSON lacks (not finite) becomes null.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Int(value) | Self::Counter(value) => Json::from(*value),
            Self::Uint(value) => Json::from(*value),
            Self::Float(value) => Json::from(*value),
            Self::Str(value) | Self::Text(value) => Json::from(value.as_str()),
            Self::Bytes(bytes) | Self::Unknown { kind: _, bytes } => {
                Json::from(STANDARD.encode(bytes))
            }
            Self::Timestamp(value) => Json::from(value.to_string()),
            Self::List(values) => Json::Array(values.iter().map(Self::to_json).collect()),
            Self::Map(values) => Json::Object(
                values.iter().map(|(key, value)| (key.clone(), value.to_json())).collect(),
            ),
        }
    }

    /// Returns the kind of the value.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::List(_) => Kind::List,
            Self::Map(_) => Kind::Map,
            Self::Counter(_) => Kind::Counter,
            Self::Null
            | Self::Bool(_)
            | Self::Int(_)
            | Self::Uint(_)
            | Self::Float(_)
            | Self::Str(_)
            | Self::Bytes(_)
            | Self::Timestamp(_)
            | Self::Unknown { .. } => Kind::Scalar,
        }
    }

    pub(super) fn from_scalar(scalar: &am::ScalarValue) -> Self {
        match scalar {
            am::ScalarValue::Null => Self::Null,
            am::ScalarValue::Boolean(value) => Self::Bool(*value),
            am::ScalarValue::Int(value) => Self::Int(*value),
            am::ScalarValue::Uint(value) => Self::Uint(*value),
            am::ScalarValue::F64(value) => Self::Float(*value),
            am::ScalarValue::Str(value) => Self::Str(value.to_string()),
            am::ScalarValue::Bytes(value) => Self::Bytes(value.clone()),
            am::ScalarValue::Counter(value) => Self::Counter(value.into()),
            am::ScalarValue::Timestamp(millis) => match Timestamp::from_millisecond(*millis) {
                Ok(value) => Self::Timestamp(value),
                // Beyond the year 9999 a moment has no RFC 3339 form; the number is the honest rest.
                Err(_) => Self::Int(*millis),
            },
            am::ScalarValue::Unknown { type_code, bytes } => {
                Self::Unknown { kind: *type_code, bytes: bytes.clone() }
            }
        }
    }

    /// Splits the value into what the library stores in one operation and what needs an object with content.
    pub(super) fn into_node(self) -> Node {
        match self {
            Self::Null => Node::Scalar(am::ScalarValue::Null),
            Self::Bool(value) => Node::Scalar(value.into()),
            Self::Int(value) => Node::Scalar(value.into()),
            Self::Uint(value) => Node::Scalar(value.into()),
            Self::Float(value) => Node::Scalar(value.into()),
            Self::Str(value) => Node::Scalar(am::ScalarValue::Str(value.into())),
            Self::Bytes(value) => Node::Scalar(am::ScalarValue::Bytes(value)),
            Self::Counter(value) => Node::Scalar(am::ScalarValue::counter(value)),
            Self::Timestamp(value) => {
                Node::Scalar(am::ScalarValue::Timestamp(value.as_millisecond()))
            }
            Self::Unknown { kind, bytes } => {
                Node::Scalar(am::ScalarValue::Unknown { type_code: kind, bytes })
            }
            Self::Text(value) => Node::Text(value),
            Self::List(values) => Node::List(values),
            Self::Map(values) => Node::Map(values),
        }
    }
}

/// A value as the library stores it.
pub(super) enum Node {
    Scalar(am::ScalarValue),
    Text(String),
    List(Vec<Value>),
    Map(BTreeMap<String, Value>),
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

/// JSON as a document holds it: strings are [`Value::Str`], integers that fit are [`Value::Int`].
impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Self {
        use serde_json::Value as Json;
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(value),
            Json::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(value), _) => Self::Int(value),
                (None, Some(value)) => Self::Uint(value),
                (None, None) => number.as_f64().map_or(Self::Null, Self::Float),
            },
            Json::String(value) => Self::Str(value),
            Json::Array(values) => Self::List(values.into_iter().map(Self::from).collect()),
            Json::Object(values) => {
                Self::Map(values.into_iter().map(|(key, value)| (key, value.into())).collect())
            }
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Str(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Str(value)
    }
}

impl From<Timestamp> for Value {
    fn from(value: Timestamp) -> Self {
        Self::Timestamp(value)
    }
}

/// The kinds of value that different calls are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A map.
    Map,
    /// A list.
    List,
    /// A shared text.
    Text,
    /// A list or a text.
    Sequence,
    /// A counter.
    Counter,
    /// Any other single value.
    Scalar,
}

impl Kind {
    pub(super) fn of(value: &am::Value<'_>) -> Self {
        match value {
            am::Value::Object(kind) => Self::of_object(*kind),
            am::Value::Scalar(scalar) if scalar.is_counter() => Self::Counter,
            am::Value::Scalar(_) => Self::Scalar,
        }
    }

    pub(super) fn of_object(kind: am::ObjType) -> Self {
        match kind {
            am::ObjType::Map | am::ObjType::Table => Self::Map,
            am::ObjType::List => Self::List,
            am::ObjType::Text => Self::Text,
        }
    }

    /// Says whether something of kind `actual` will do.
    pub(super) fn admits(self, actual: Self) -> bool {
        self == actual || (self == Self::Sequence && matches!(actual, Self::List | Self::Text))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Map => "a map",
            Self::List => "a list",
            Self::Text => "a text",
            Self::Sequence => "a list or a text",
            Self::Counter => "a counter",
            Self::Scalar => "a single value",
        })
    }
}
