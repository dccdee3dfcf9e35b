//! Names of changes, versions and writers.

use std::fmt;
use std::str::FromStr;

use automerge as am;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The SHA-256 hash that names one change.
///
/// Written as 64 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeHash([u8; ChangeHash::BYTES]);

impl ChangeHash {
    /// The length of a hash in bytes.
    pub const BYTES: usize = 32;

    /// Wraps the bytes of a hash that was computed elsewhere.
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes of the hash.
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    pub(super) fn from_am(hash: am::ChangeHash) -> Self {
        Self(hash.0)
    }

    pub(super) fn to_am(self) -> am::ChangeHash {
        am::ChangeHash(self.0)
    }
}

impl fmt::Display for ChangeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for ChangeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChangeHash({self})")
    }
}

impl FromStr for ChangeHash {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let bytes = parse_hex(text)?;
        let actual = bytes.len();
        bytes.try_into().map(Self).map_err(|_| NameError::Length { expected: Self::BYTES, actual })
    }
}

/// A version of a document: the changes that no other change of it depends on.
///
/// A sorted set, so two replicas with equal histories have equal heads. The empty set is the version before the
/// first change. Written as the hashes joined by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Heads(Vec<ChangeHash>);

impl Heads {
    /// The version before the first change.
    pub const fn empty() -> Self {
        Self(Vec::new())
    }

    /// Returns the hashes in ascending order.
    pub fn as_slice(&self) -> &[ChangeHash] {
        &self.0
    }

    /// Iterates over the hashes in ascending order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = ChangeHash> + '_ {
        self.0.iter().copied()
    }

    /// Says whether this is the version before the first change.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns how many heads there are: more than one while concurrent changes are not yet merged by a later one.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn to_am(&self) -> Vec<am::ChangeHash> {
        self.iter().map(ChangeHash::to_am).collect()
    }

    pub(super) fn from_am(hashes: impl IntoIterator<Item = am::ChangeHash>) -> Self {
        hashes.into_iter().map(ChangeHash::from_am).collect()
    }
}

impl FromIterator<ChangeHash> for Heads {
    fn from_iter<I: IntoIterator<Item = ChangeHash>>(hashes: I) -> Self {
        let mut hashes: Vec<_> = hashes.into_iter().collect();
        hashes.sort_unstable();
        hashes.dedup();
        Self(hashes)
    }
}

impl From<ChangeHash> for Heads {
    fn from(hash: ChangeHash) -> Self {
        Self(vec![hash])
    }
}

impl fmt::Display for Heads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, hash) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{hash}")?;
        }
        Ok(())
    }
}

impl FromStr for Heads {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Ok(Self::empty());
        }
        text.split(',').map(str::parse).collect()
    }
}

impl Serialize for Heads {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Heads {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<ChangeHash>::deserialize(deserializer).map(|hashes| hashes.into_iter().collect())
    }
}

/// What Automerge puts before an actor's bytes when that actor edits a version that lacks its own latest change.
const DERIVED_PREFIX: [u8; 4] = [0x13, 0xb2, 0x23, 0x09];

/// Who writes changes: one running instance of an agent, on one document.
///
/// Two writers must never share an actor: changes of one actor are numbered, and the second change to claim a number
/// is refused everywhere. Written as lowercase hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActorId(Vec<u8>);

impl ActorId {
    /// The greatest length of an actor in bytes.
    pub const MAX_BYTES: usize = 64;

    /// Wraps an actor's bytes; 16 random or hashed bytes are the usual choice.
    ///
    /// # Errors
    ///
    /// [`NameError::Length`] when there are none or more than [`ActorId::MAX_BYTES`];
    /// [`NameError::ReservedPrefix`] when they begin like the actors that are derived from others.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, NameError> {
        let bytes = bytes.into();
        if bytes.is_empty() || bytes.len() > Self::MAX_BYTES {
            return Err(NameError::Length { expected: Self::MAX_BYTES, actual: bytes.len() });
        }
        if bytes.starts_with(&DERIVED_PREFIX) {
            return Err(NameError::ReservedPrefix);
        }
        Ok(Self(bytes))
    }

    /// Returns the actor's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the actor that this one stands in for.
    ///
    /// A writer that edits an old version which lacks its own latest change does so under a derived actor. This gives
    /// back the writer's own; an actor that is not derived is its own base.
    pub fn base(&self) -> Self {
        let Some(rest) = self.0.strip_prefix(&DERIVED_PREFIX) else {
            return self.clone();
        };
        // A level follows, in LEB128: its last byte is the first without the top bit.
        match rest.iter().position(|byte| byte & 0x80 == 0) {
            Some(end) => Self(rest.get(end + 1..).unwrap_or_default().to_vec()),
            None => self.clone(),
        }
    }

    pub(super) fn from_am(actor: &am::ActorId) -> Self {
        Self(actor.to_bytes().to_vec())
    }

    pub(super) fn to_am(&self) -> am::ActorId {
        am::ActorId::from(self.0.as_slice())
    }
}

impl fmt::Display for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActorId({self})")
    }
}

impl FromStr for ActorId {
    type Err = NameError;

    /// Parses any actor that occurs in a document, derived ones included.
    fn from_str(text: &str) -> Result<Self, NameError> {
        parse_hex(text).map(Self)
    }
}

macro_rules! serde_as_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

serde_as_text!(ChangeHash);
serde_as_text!(ActorId);

/// Why a text or bytes do not name a change, a version or a writer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The text is not pairs of hexadecimal digits.
    #[error("expected pairs of hexadecimal digits")]
    NotHex,
    /// The name has the wrong number of bytes.
    #[error("expected {expected} bytes (and at least one), got {actual}")]
    Length {
        /// The exact or the greatest length, in bytes.
        expected: usize,
        /// What there was, in bytes.
        actual: usize,
    },
    /// The bytes begin like those of a derived actor.
    #[error("these bytes begin like those of an actor derived from another")]
    ReservedPrefix,
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn parse_hex(text: &str) -> Result<Vec<u8>, NameError> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return Err(NameError::NotHex);
    }
    let digit =
        |byte: &u8| char::from(*byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    digits
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect::<Option<Vec<u8>>>()
        .ok_or(NameError::NotHex)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(byte: u8) -> ChangeHash {
        ChangeHash::from_bytes([byte; 32])
    }

    #[test]
    fn heads_are_a_set_and_read_back_what_they_write() {
        let heads: Heads = [hash(9), hash(1), hash(9)].into_iter().collect();
        assert_eq!(heads.len(), 2);
        assert_eq!(heads.to_string().parse(), Ok(heads.clone()));
        assert_eq!("".parse(), Ok(Heads::empty()));
        let json = serde_json::to_string(&heads).expect("heads serialise");
        assert_eq!(serde_json::from_str::<Heads>(&json).expect("heads deserialise"), heads);
    }

    #[test]
    fn malformed_names_are_refused() {
        assert_eq!("zz".parse::<ChangeHash>(), Err(NameError::NotHex));
        assert_eq!("é1".parse::<ActorId>(), Err(NameError::NotHex));
        assert_eq!("00".parse::<ChangeHash>(), Err(NameError::Length { expected: 32, actual: 1 }));
        assert!(ActorId::new([]).is_err());
        assert_eq!(ActorId::new([0x13, 0xb2, 0x23, 0x09, 1]), Err(NameError::ReservedPrefix));
    }
}
