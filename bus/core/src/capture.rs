//! Captures: a range of a log in one portable file, opened without a server.
//!
//! `docs/capture-format.md` describes the bytes. A capture is written and read as a stream; nothing here opens a
//! file. Every block is followed by the SHA-256 of everything up to there, and a reader yields a block's records
//! only after that has been checked, so an altered record is never seen. That nothing is missing at the
//! end shows at the end: [`CaptureReader::open`] looks there first.
//!
//! The hash detects damage. It is no proof of who wrote the file: signatures of entries are.
//!
//! ```
//! use colony_core::capture::{CaptureHeader, CaptureReader, CaptureWriter, CapturedRecord};
//! use colony_core::{Position, Timestamp};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let header = CaptureHeader {
//!     space: "lab".parse()?,
//!     log: "lab@2026-01-31".to_owned(),
//!     server: "nats-server 2.15.1".to_owned(),
//!     after: Position::ZERO,
//!     through: Position::new(10),
//!     created: Timestamp::from_nanos(0),
//! };
//! let mut writer = CaptureWriter::new(Vec::new(), &header)?;
//! writer.push(&CapturedRecord {
//!     position: Position::new(7),
//!     recorded: Timestamp::from_nanos(1),
//!     subject: "colony.lab.ada.main.cursor".to_owned(),
//!     payload: vec![1, 2, 3].into(),
//! })?;
//! let (bytes, summary) = writer.finish()?;
//!
//! let reader = CaptureReader::open(std::io::Cursor::new(bytes))?;
//! assert_eq!(reader.header(), &header);
//! let records = reader.collect::<Result<Vec<_>, _>>()?;
//! assert_eq!(records.len() as u64, summary.count);
//! # Ok(())
//! # }
//! ```

use std::io;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::envelope::{Entry, OpenError};
use crate::name::SpaceName;
use crate::position::Position;
use crate::signature::Verifier;
use crate::timestamp::Timestamp;

mod reader;
mod writer;

pub use reader::{CaptureReader, verify};
pub use writer::CaptureWriter;

/// The first bytes of every capture.
const MAGIC: [u8; 8] = *b"\x89colony\n";
/// The version of the format that is written.
const VERSION: u32 = 1;
/// Raw bytes after which a block is written.
const BLOCK_BYTES: usize = 256 * 1_024;
/// Bytes of a record beside its subject and payload.
const RECORD_OVERHEAD: usize = 8 + 8 + 4 + 4;
/// Most raw bytes of a block: a full one, and one record more.
const MAX_BLOCK_BYTES: usize = BLOCK_BYTES
    + RECORD_OVERHEAD
    + crate::limits::MAX_CAPTURED_SUBJECT_BYTES
    + crate::limits::MAX_CAPTURED_PAYLOAD_BYTES;
/// Most compressed bytes of a block: deflate adds 5 bytes to each 16 KiB that it cannot compress.
const MAX_COMPRESSED_BYTES: usize = MAX_BLOCK_BYTES + MAX_BLOCK_BYTES / 1_024 + 64;

/// What a capture says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureHeader {
    /// The space.
    pub space: SpaceName,
    /// Identity of the log it was made from.
    pub log: String,
    /// The server it was made from, for people.
    pub server: String,
    /// It holds records past this position.
    pub after: Position,
    /// It holds records at or before this position.
    pub through: Position,
    /// When it was made.
    pub created: Timestamp,
}

/// One message, exactly as the log stored it. It need not be an entry of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapturedRecord {
    /// Where it stands.
    pub position: Position,
    /// When the log stored it, by the log's clock.
    pub recorded: Timestamp,
    /// Its subject.
    pub subject: String,
    /// Its bytes.
    pub payload: Bytes,
}

impl CapturedRecord {
    /// Opens the message as an entry.
    ///
    /// # Errors
    /// As [`crate::envelope::open`].
    pub fn open(&self, verifier: &Verifier) -> Result<Entry, OpenError> {
        let Self { position, recorded, subject, payload } = self;
        crate::envelope::open(*position, *recorded, subject, payload.clone(), verifier)
    }
}

/// What a whole capture holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaptureSummary {
    /// How many records.
    pub count: u64,
    /// Where the first and the last stand; `None` if there are none.
    pub range: Option<(Position, Position)>,
    /// SHA-256 of the file but for its last 32 bytes, which hold it.
    pub digest: Digest,
}

/// Why a capture cannot be written or believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// Reading or writing failed.
    #[error("the capture could not be read or written")]
    Io(#[source] io::Error),
    /// The bytes do not begin as a capture does.
    #[error("not a capture")]
    Magic,
    /// It was written by a newer version.
    #[error("the capture has format version {found}; this program reads up to {known}")]
    NewerVersion {
        /// Its version.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// It ends before its end.
    #[error("the capture is cut off")]
    Truncated,
    /// A hash does not match: bytes were altered.
    #[error("the capture was altered: a hash does not match after {records} good records")]
    Altered {
        /// How many records before that are good.
        records: u64,
    },
    /// Something follows its end.
    #[error("the capture is followed by other bytes")]
    Trailing,
    /// The header is no header.
    #[error("the header of the capture is malformed")]
    Header(#[source] serde_json::Error),
    /// A part has a shape that no writer makes, under a hash that matches.
    #[error("the capture's {part} is malformed")]
    Malformed {
        /// Which part.
        part: &'static str,
    },
    /// A part is larger than it may be.
    #[error("the capture's {part} has {actual} bytes; at most {max} are allowed")]
    TooLarge {
        /// Which part.
        part: &'static str,
        /// Its bytes.
        actual: u64,
        /// Bytes it may have.
        max: u64,
    },
    /// A record does not stand after the one before it, or outside the header's range.
    #[error(
        "a record at position {found} is out of place: expected one past {after}, through {through}"
    )]
    Position {
        /// Where it stands.
        found: Position,
        /// Where the one before it stands.
        after: Position,
        /// The end of the range.
        through: Position,
    },
}

fn too_large(part: &'static str, actual: usize, max: usize) -> Result<(), CaptureError> {
    if actual <= max {
        return Ok(());
    }
    Err(CaptureError::TooLarge { part, actual: actual as u64, max: max as u64 })
}

#[cfg(test)]
mod tests;
