//! Which records of a delivery are checked: neither side can choose.

use crate::protocol::limits::MAX_RECORDS;
use colony_core::{Digest, EntityName, Position};
use serde::{Deserialize, Serialize};

/// What must be checked of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// Nothing.
    Nothing,
    /// These records, from 0.
    Records(Vec<u32>),
    /// Everything.
    All,
}

/// Returns which of so many records are checked if `per_mille` of 1000 are to be, ascending.
///
/// Record `i` is checked if the first eight bytes, big-endian, of SHA-256 over lines, each ended by `\n`
/// (`colony.sample.v1`, the contract, the position of the submission, `i`), are below `per_mille` modulo 1000. The
/// position is the log's to give, so whoever submits cannot know what will be looked at.
pub fn sample(
    contract: &EntityName,
    submission: Position,
    records: u32,
    per_mille: u32,
) -> Vec<u32> {
    let picked = |record: &u32| {
        let text = format!("colony.sample.v1\n{contract}\n{submission}\n{record}\n");
        let digest = Digest::of(text.as_bytes());
        let first =
            digest.as_bytes().first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        first % 1_000 < u64::from(per_mille)
    };
    (0..records.min(MAX_RECORDS)).filter(picked).collect()
}
