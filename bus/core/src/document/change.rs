//! One change of a document, decoded and checked.

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge as am;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::heads::{ActorId, ChangeHash};

/// The greatest size of one encoded change, before and after decompression.
pub const MAX_CHANGE_BYTES: usize = 64 * 1024 * 1024;

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const CHECKSUM_BYTES: usize = 4;
const CHANGE: u8 = 1;
const COMPRESSED_CHANGE: u8 = 2;

/// A change: what one writer did to a document in one step.
///
/// It exists only decoded in full, with its checksum verified, so whoever holds one may hand it to
/// [`Replica::apply`](super::Replica::apply). Whether it fits a given document is decided there.
#[derive(Clone, Debug, PartialEq)]
pub struct Change(pub(super) am::Change);

impl Change {
    /// Decodes exactly one change, plain or compressed.
    ///
    /// # Errors
    ///
    /// For any bytes that [`Change::encode`] could not have made: see [`DecodeError`]. Never panics.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let chunk = Chunk::split_first(bytes)?;
        match chunk.rest {
            [] => chunk.decode(),
            rest => Err(DecodeError::Trailing { bytes: rest.len() }),
        }
    }

    /// Decodes any number of changes that stand one after the other.
    ///
    /// # Errors
    ///
    /// As [`Change::decode`]; one bad change spoils them all.
    pub fn decode_all(mut bytes: &[u8]) -> Result<Vec<Self>, DecodeError> {
        let mut changes = Vec::new();
        while !bytes.is_empty() {
            let chunk = Chunk::split_first(bytes)?;
            changes.push(chunk.decode()?);
            bytes = chunk.rest;
        }
        Ok(changes)
    }

    /// Encodes the change; one of more than 256 bytes is compressed.
    ///
    /// Different encodings of one change have one hash.
    pub fn encode(&self) -> Bytes {
        const WORTH_COMPRESSING: usize = 256;
        if self.0.raw_bytes().len() <= WORTH_COMPRESSING {
            return Bytes::copy_from_slice(self.0.raw_bytes());
        }
        Bytes::copy_from_slice(&self.0.clone().bytes())
    }

    /// Returns the hash that names the change.
    pub fn hash(&self) -> ChangeHash {
        ChangeHash::from_am(self.0.hash())
    }

    /// Describes the change.
    pub fn info(&self) -> ChangeInfo {
        ChangeInfo::new(&self.0)
    }

    /// Returns the changes that its writer had seen and no other change of that version depends on.
    pub fn dependencies(&self) -> impl ExactSizeIterator<Item = ChangeHash> + '_ {
        self.0.deps().iter().copied().map(ChangeHash::from_am)
    }

    /// Returns the message: by convention the id of the event that caused the change.
    pub fn message(&self) -> Option<&str> {
        self.0.message().map(String::as_str)
    }
}

/// What is known about a change without looking at its operations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ChangeInfo {
    /// The name of the change.
    pub hash: ChangeHash,
    /// Who wrote it.
    pub actor: ActorId,
    /// Its number among the changes of that actor, from 1.
    pub seq: u64,
    /// When it was written, by its writer's clock, in whole seconds.
    #[serde(serialize_with = "as_text")]
    pub time: Timestamp,
    /// The id of the event that caused it, if its writer named one.
    pub message: Option<String>,
    /// The changes it was made on top of.
    pub deps: Vec<ChangeHash>,
    /// How many operations it holds: one per character inserted or deleted, per key or element set.
    pub ops: usize,
    /// Its size in bytes, not compressed.
    pub bytes: usize,
}

impl ChangeInfo {
    pub(super) fn new(change: &am::Change) -> Self {
        Self {
            hash: ChangeHash::from_am(change.hash()),
            actor: ActorId::from_am(change.actor_id()),
            seq: change.seq(),
            time: Timestamp::from_second(change.timestamp()).unwrap_or(Timestamp::UNIX_EPOCH),
            message: change.message().cloned(),
            deps: change.deps().iter().copied().map(ChangeHash::from_am).collect(),
            ops: change.len(),
            bytes: change.raw_bytes().len(),
        }
    }
}

pub(super) fn as_text<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

/// The bytes of one chunk and of what follows it.
struct Chunk<'a> {
    whole: &'a [u8],
    checksum: [u8; CHECKSUM_BYTES],
    kind: u8,
    body: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Chunk<'a> {
    fn split_first(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let input = bytes.strip_prefix(&MAGIC).ok_or(DecodeError::NotAChange)?;
        let (checksum, input) =
            input.split_first_chunk::<CHECKSUM_BYTES>().ok_or(DecodeError::Truncated)?;
        let (kind, input) = input.split_first().ok_or(DecodeError::Truncated)?;
        let (length, input) = read_length(input)?;
        if length > MAX_CHANGE_BYTES {
            return Err(DecodeError::TooLarge { limit: MAX_CHANGE_BYTES });
        }
        let (body, rest) = input.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        let whole = bytes.get(..bytes.len() - rest.len()).ok_or(DecodeError::Truncated)?;
        Ok(Self { whole, checksum: *checksum, kind: *kind, body, rest })
    }

    fn decode(&self) -> Result<Change, DecodeError> {
        match self.kind {
            CHANGE => {}
            COMPRESSED_CHANGE => self.check_inflated_size()?,
            _ => return Err(DecodeError::NotAChange),
        }
        // The parser is the library's. A panic in it leaves nothing behind: it owns all it builds.
        let change = catch_unwind(AssertUnwindSafe(|| am::Change::try_from(self.whole)))
            .map_err(|_| DecodeError::Malformed(None))?
            .map_err(|error| DecodeError::Malformed(Some(Malformed(error))))?;
        // The library computes the hash of what it parsed but leaves the comparison to its caller.
        if !change.hash().0.starts_with(&self.checksum) {
            return Err(DecodeError::Checksum);
        }
        // A document is saved by its operations and its changes are encoded again on loading. One that another encoding
        // was chosen for would have another hash then, and the document could never be opened again.
        let again = catch_unwind(AssertUnwindSafe(|| am::Change::from(change.decode()).hash()))
            .map_err(|_| DecodeError::Malformed(None))?;
        if again != change.hash() {
            return Err(DecodeError::NotCanonical);
        }
        Ok(Change(change))
    }

    /// Refuses a few bytes that inflate to gigabytes, before the parser inflates them without a bound.
    fn check_inflated_size(&self) -> Result<(), DecodeError> {
        let limit = MAX_CHANGE_BYTES as u64;
        let inflater = flate2::read::DeflateDecoder::new(self.body);
        let inflated = std::io::copy(&mut inflater.take(limit + 1), &mut std::io::sink())
            .map_err(DecodeError::Inflate)?;
        if inflated > limit {
            return Err(DecodeError::TooLarge { limit: MAX_CHANGE_BYTES });
        }
        Ok(())
    }
}

/// Reads an unsigned LEB128 number.
fn read_length(bytes: &[u8]) -> Result<(usize, &[u8]), DecodeError> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().enumerate() {
        let shift = 7 * u32::try_from(index).map_err(|_| DecodeError::NotAChange)?;
        if shift > 35 {
            return Err(DecodeError::TooLarge { limit: MAX_CHANGE_BYTES });
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let length = usize::try_from(value)
                .map_err(|_| DecodeError::TooLarge { limit: MAX_CHANGE_BYTES })?;
            return Ok((length, bytes.get(index + 1..).unwrap_or_default()));
        }
    }
    Err(DecodeError::Truncated)
}

/// Cuts the first chunk, which may be a whole document, from bytes that changes may follow.
pub(super) fn split_document(bytes: &[u8]) -> Result<(&[u8], &[u8]), DecodeError> {
    const DOCUMENT: u8 = 0;
    let input = bytes.strip_prefix(&MAGIC).ok_or(DecodeError::NotAChange)?;
    match input.get(CHECKSUM_BYTES) {
        Some(&DOCUMENT) => {}
        Some(_) => return Ok((&[], bytes)),
        None => return Err(DecodeError::Truncated),
    }
    let (length, body) = read_length(input.get(CHECKSUM_BYTES + 1..).unwrap_or_default())?;
    let header = bytes.len() - body.len();
    bytes.split_at_checked(header.saturating_add(length)).ok_or(DecodeError::Truncated)
}

/// Why bytes are not a change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes do not begin like a change.
    #[error("the bytes do not begin like a change")]
    NotAChange,
    /// The bytes end before the change does.
    #[error("the bytes end before the change does")]
    Truncated,
    /// Other bytes follow where there should be one change.
    #[error("{bytes} bytes follow the change")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// The change is larger than [`MAX_CHANGE_BYTES`], packed or unpacked.
    #[error("the change is larger than {limit} bytes")]
    TooLarge {
        /// [`MAX_CHANGE_BYTES`].
        limit: usize,
    },
    /// The checksum that the change carries is not that of its content.
    #[error("the checksum of the change does not match its content")]
    Checksum,
    /// The content is encoded differently from how it would be encoded again.
    #[error("the change is not in its canonical encoding")]
    NotCanonical,
    /// The compressed content cannot be unpacked.
    #[error("the change cannot be decompressed")]
    Inflate(#[source] std::io::Error),
    /// The content is not that of a change; the reason is missing when the parser gave up without one.
    #[error("the content of the change is malformed")]
    Malformed(#[source] Option<Malformed>),
}

/// What the document library found wrong with a change.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Malformed(am::LoadChangeError);
