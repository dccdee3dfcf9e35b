//! Reading a capture.

use std::io::{self, Read, Seek, SeekFrom};

use bytes::{Buf as _, Bytes};
use flate2::bufread::DeflateDecoder;
use sha2::{Digest as _, Sha256};

use super::{
    CaptureError, CaptureHeader, CaptureSummary, CapturedRecord, MAGIC, MAX_BLOCK_BYTES,
    MAX_COMPRESSED_BYTES, RECORD_OVERHEAD, VERSION, too_large,
};
use crate::digest::Digest;
use crate::limits::{
    MAX_CAPTURE_HEADER_BYTES, MAX_CAPTURED_PAYLOAD_BYTES, MAX_CAPTURED_SUBJECT_BYTES,
};
use crate::position::Position;
use crate::timestamp::Timestamp;

/// Reads a capture: an iterator over its records, which ends after the first error.
///
/// Holds one block in memory, and never more than the bytes that are really there ask for. A record is
/// yielded only after the hash that covers it has been checked. The iterator ends with `None` only
/// where the capture is whole; [`CaptureReader::summary`] is there from then on.
#[derive(Debug)]
pub struct CaptureReader<R> {
    read: R,
    hash: Sha256,
    header: CaptureHeader,
    block: Bytes,
    count: u64,
    first: Option<Position>,
    last: Position,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Reading,
    Failed,
    Whole(CaptureSummary),
}

impl<R: Read + Seek> CaptureReader<R> {
    /// Checks a whole capture, goes back to where it began, and reads it again.
    ///
    /// The second reading checks everything anew, so a file that changes in between is not believed either.
    ///
    /// # Errors
    /// [`CaptureError`] for anything that is not exactly one whole capture.
    pub fn open(mut read: R) -> Result<Self, CaptureError> {
        let start = read.stream_position().map_err(CaptureError::Io)?;
        verify(&mut read)?;
        read.seek(SeekFrom::Start(start)).map_err(CaptureError::Io)?;
        Self::stream(read)
    }
}

/// Reads a capture to its end and says what it holds.
///
/// # Errors
/// [`CaptureError`] for anything that is not exactly one whole capture.
pub fn verify<R: Read>(read: R) -> Result<CaptureSummary, CaptureError> {
    let mut reader = CaptureReader::stream(read)?;
    reader.by_ref().try_for_each(|record| record.map(drop))?;
    reader.summary().ok_or(CaptureError::Truncated)
}

impl<R: Read> CaptureReader<R> {
    /// Reads a capture that cannot be read twice (a pipe).
    ///
    /// Records come before it is known that the capture is whole. A caller that must not act on a part of
    /// it waits for the end without an error.
    ///
    /// # Errors
    /// [`CaptureError`] for the header.
    pub fn stream(read: R) -> Result<Self, CaptureError> {
        let mut start = Source { read, hash: Sha256::new() };
        let magic: [u8; 8] = match start.array() {
            Err(CaptureError::Truncated) => return Err(CaptureError::Magic),
            other => other?,
        };
        if magic != MAGIC {
            return Err(CaptureError::Magic);
        }
        let found = u32::from_be_bytes(start.array()?);
        match found {
            VERSION => {}
            0 => return Err(CaptureError::Malformed { part: "version" }),
            _ => return Err(CaptureError::NewerVersion { found, known: VERSION }),
        }
        let bytes = start.length()?;
        too_large("header", bytes, MAX_CAPTURE_HEADER_BYTES)?;
        let json = start.bytes(bytes)?;
        start.check(0)?;
        let header: CaptureHeader = serde_json::from_slice(&json).map_err(CaptureError::Header)?;
        let last = header.after;
        let Source { read, hash } = start;
        let (block, phase) = (Bytes::new(), Phase::Reading);
        Ok(Self { read, hash, header, block, count: 0, first: None, last, phase })
    }

    /// Returns what the capture says of itself. Its hash has been checked.
    pub fn header(&self) -> &CaptureHeader {
        &self.header
    }

    /// Returns what the capture holds, once it has been read to its end and is whole.
    pub fn summary(&self) -> Option<CaptureSummary> {
        match self.phase {
            Phase::Whole(summary) => Some(summary),
            Phase::Reading | Phase::Failed => None,
        }
    }

    fn next_record(&mut self) -> Result<Option<CapturedRecord>, CaptureError> {
        if self.block.is_empty() && !self.next_block()? {
            return Ok(None);
        }
        let malformed = || CaptureError::Malformed { part: "record" };
        if self.block.len() < RECORD_OVERHEAD {
            return Err(malformed());
        }
        let found = Position::new(self.block.get_u64());
        let recorded = Timestamp::from_nanos(self.block.get_i64());
        let subject = usize::try_from(self.block.get_u32()).map_err(|_| malformed())?;
        let payload = usize::try_from(self.block.get_u32()).map_err(|_| malformed())?;
        too_large("subject", subject, MAX_CAPTURED_SUBJECT_BYTES)?;
        too_large("payload", payload, MAX_CAPTURED_PAYLOAD_BYTES)?;
        if subject.checked_add(payload).is_none_or(|bytes| bytes > self.block.len()) {
            return Err(malformed());
        }
        let subject = self.block.split_to(subject);
        // A copy: a slice would hold the whole block for as long as one record lives.
        let payload = Bytes::copy_from_slice(&self.block.split_to(payload));
        let subject = String::from_utf8(subject.into()).map_err(|_| malformed())?;
        let through = self.header.through;
        if found <= self.last || found > through {
            return Err(CaptureError::Position { found, after: self.last, through });
        }
        self.last = found;
        self.first.get_or_insert(found);
        self.count += 1;
        Ok(Some(CapturedRecord { position: found, recorded, subject, payload }))
    }

    /// Reads the next block, or the end.
    fn next_block(&mut self) -> Result<bool, CaptureError> {
        let mut source = Source { read: &mut self.read, hash: std::mem::take(&mut self.hash) };
        let compressed = source.length()?;
        if compressed == 0 {
            let count = u64::from_be_bytes(source.array()?);
            let digest = source.check(self.count)?;
            if count != self.count {
                return Err(CaptureError::Malformed { part: "count" });
            }
            if !source.at_end()? {
                return Err(CaptureError::Trailing);
            }
            let range = self.first.map(|first| (first, self.last));
            self.phase = Phase::Whole(CaptureSummary { count, range, digest });
            return Ok(false);
        }
        let raw = source.length()?;
        too_large("compressed block", compressed, MAX_COMPRESSED_BYTES)?;
        too_large("block", raw, MAX_BLOCK_BYTES)?;
        let compressed = source.bytes(compressed)?;
        source.check(self.count)?;
        self.hash = source.hash;
        self.block = inflate(&compressed, raw)?;
        Ok(true)
    }
}

fn inflate(compressed: &[u8], raw: usize) -> Result<Bytes, CaptureError> {
    let malformed = || CaptureError::Malformed { part: "block" };
    let mut decoder = DeflateDecoder::new(compressed);
    let mut block = Vec::new();
    // One byte more than promised shows a block that is longer, without unpacking all of it.
    let limit = raw as u64 + 1;
    decoder.by_ref().take(limit).read_to_end(&mut block).map_err(|_| malformed())?;
    let whole = block.len() == raw && decoder.total_in() == compressed.len() as u64;
    if raw == 0 || !whole { Err(malformed()) } else { Ok(block.into()) }
}

impl<R: Read> Iterator for CaptureReader<R> {
    type Item = Result<CapturedRecord, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.phase != Phase::Reading {
            return None;
        }
        let record = self.next_record();
        if record.is_err() {
            self.phase = Phase::Failed;
        }
        record.transpose()
    }
}

impl<R: Read> std::iter::FusedIterator for CaptureReader<R> {}

/// Bytes as they come in, hashed.
struct Source<R> {
    read: R,
    hash: Sha256,
}

impl<R: Read> Source<R> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], CaptureError> {
        let mut bytes = [0; N];
        self.read.read_exact(&mut bytes).map_err(cut_off)?;
        self.hash.update(bytes);
        Ok(bytes)
    }

    fn length(&mut self) -> Result<usize, CaptureError> {
        usize::try_from(u32::from_be_bytes(self.array()?))
            .map_err(|_| CaptureError::Malformed { part: "length" })
    }

    /// Reads bytes into memory that grows with what comes: a lying length costs nothing.
    fn bytes(&mut self, count: usize) -> Result<Vec<u8>, CaptureError> {
        let mut bytes = Vec::new();
        self.read.by_ref().take(count as u64).read_to_end(&mut bytes).map_err(CaptureError::Io)?;
        self.hash.update(&bytes);
        if bytes.len() == count { Ok(bytes) } else { Err(CaptureError::Truncated) }
    }

    /// Compares the hash of everything so far with the one that comes next.
    fn check(&mut self, records: u64) -> Result<Digest, CaptureError> {
        let actual: [u8; 32] = self.hash.clone().finalize().into();
        let expected: [u8; 32] = self.array()?;
        match Digest::try_from(expected.as_slice()) {
            Ok(digest) if actual == expected => Ok(digest),
            _ => Err(CaptureError::Altered { records }),
        }
    }

    fn at_end(&mut self) -> Result<bool, CaptureError> {
        let mut byte = [0];
        loop {
            match self.read.read(&mut byte) {
                Ok(read) => return Ok(read == 0),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(CaptureError::Io(error)),
            }
        }
    }
}

fn cut_off(error: io::Error) -> CaptureError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => CaptureError::Truncated,
        _ => CaptureError::Io(error),
    }
}
