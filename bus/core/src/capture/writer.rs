//! Writing a capture.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::DeflateEncoder;
use sha2::{Digest as _, Sha256};

use super::{
    BLOCK_BYTES, CaptureError, CaptureHeader, CaptureSummary, CapturedRecord, MAGIC, VERSION,
    too_large,
};
use crate::digest::Digest;
use crate::limits::{
    MAX_CAPTURE_HEADER_BYTES, MAX_CAPTURED_PAYLOAD_BYTES, MAX_CAPTURED_SUBJECT_BYTES,
};
use crate::position::Position;

/// Writes a capture. Holds one block in memory.
///
/// Without [`CaptureWriter::finish`] the file is cut off, and no reader believes it to be whole.
#[must_use = "a capture is whole only when it is finished"]
#[derive(Debug)]
pub struct CaptureWriter<W> {
    write: W,
    hash: Sha256,
    block: Vec<u8>,
    count: u64,
    first: Option<Position>,
    last: Position,
    through: Position,
}

impl<W: Write> CaptureWriter<W> {
    /// Begins a capture with its header.
    ///
    /// # Errors
    /// [`CaptureError::Io`], or [`CaptureError::TooLarge`] for the header.
    pub fn new(write: W, header: &CaptureHeader) -> Result<Self, CaptureError> {
        let mut writer = Self {
            write,
            hash: Sha256::new(),
            block: Vec::new(),
            count: 0,
            first: None,
            last: header.after,
            through: header.through,
        };
        let json = serde_json::to_vec(header).map_err(CaptureError::Header)?;
        too_large("header", json.len(), MAX_CAPTURE_HEADER_BYTES)?;
        writer.put(&MAGIC)?;
        writer.put(&VERSION.to_be_bytes())?;
        writer.put_length(json.len())?;
        writer.put(&json)?;
        writer.put_hash()?;
        Ok(writer)
    }

    /// Adds a record. Records come in the order of the log.
    ///
    /// # Errors
    /// [`CaptureError::Position`] and [`CaptureError::TooLarge`] leave the capture as it was;
    /// after [`CaptureError::Io`] it is good for nothing.
    pub fn push(&mut self, record: &CapturedRecord) -> Result<(), CaptureError> {
        let CapturedRecord { position, recorded, subject, payload } = record;
        if *position <= self.last || *position > self.through {
            return Err(CaptureError::Position {
                found: *position,
                after: self.last,
                through: self.through,
            });
        }
        too_large("subject", subject.len(), MAX_CAPTURED_SUBJECT_BYTES)?;
        too_large("payload", payload.len(), MAX_CAPTURED_PAYLOAD_BYTES)?;
        self.block.extend_from_slice(&position.get().to_be_bytes());
        self.block.extend_from_slice(&recorded.as_nanos().to_be_bytes());
        self.block.extend_from_slice(&length(subject.len())?);
        self.block.extend_from_slice(&length(payload.len())?);
        self.block.extend_from_slice(subject.as_bytes());
        self.block.extend_from_slice(payload);
        self.count += 1;
        self.first.get_or_insert(*position);
        self.last = *position;
        if self.block.len() >= BLOCK_BYTES { self.flush_block() } else { Ok(()) }
    }

    /// Ends the capture and returns what it was written to, flushed, with a summary.
    ///
    /// # Errors
    /// [`CaptureError::Io`].
    pub fn finish(mut self) -> Result<(W, CaptureSummary), CaptureError> {
        if !self.block.is_empty() {
            self.flush_block()?;
        }
        self.put_length(0)?;
        self.put(&self.count.to_be_bytes())?;
        let digest = self.put_hash()?;
        self.write.flush().map_err(CaptureError::Io)?;
        let range = self.first.map(|first| (first, self.last));
        Ok((self.write, CaptureSummary { count: self.count, range, digest }))
    }

    fn flush_block(&mut self) -> Result<(), CaptureError> {
        let block = std::mem::take(&mut self.block);
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(4));
        encoder.write_all(&block).map_err(CaptureError::Io)?;
        let compressed = encoder.finish().map_err(CaptureError::Io)?;
        self.put_length(compressed.len())?;
        self.put_length(block.len())?;
        self.put(&compressed)?;
        self.put_hash()?;
        self.block = block;
        self.block.clear();
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), CaptureError> {
        self.hash.update(bytes);
        self.write.write_all(bytes).map_err(CaptureError::Io)
    }

    fn put_length(&mut self, bytes: usize) -> Result<(), CaptureError> {
        self.put(&length(bytes)?)
    }

    /// Writes the hash of everything so far.
    fn put_hash(&mut self) -> Result<Digest, CaptureError> {
        let digest = Digest::try_from(self.hash.clone().finalize().as_slice())
            .map_err(|_| CaptureError::Malformed { part: "hash" })?;
        self.put(digest.as_bytes())?;
        Ok(digest)
    }
}

fn length(bytes: usize) -> Result<[u8; 4], CaptureError> {
    match u32::try_from(bytes) {
        Ok(bytes) => Ok(bytes.to_be_bytes()),
        Err(_) => Err(CaptureError::Io(io::ErrorKind::InvalidInput.into())),
    }
}
