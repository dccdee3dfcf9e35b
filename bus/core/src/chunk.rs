//! Values larger than one message: split into pieces, and put together again.
//!
//! A piece names the digest of the whole value. A set of pieces becomes a value only when all of them are there and
//! the digest holds; anything else is reported and left out.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

use crate::digest::Digest;
use crate::envelope::Part;
use crate::limits::{CHUNK_BYTES, MAX_CHUNKS};
use crate::subject::Lane;

/// One piece of a value, for the data of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Which piece it is; `None` where the value fits into one.
    pub part: Option<Part>,
    /// Its bytes: at most [`CHUNK_BYTES`].
    pub data: Bytes,
}

/// The value is too large, even in pieces.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the value has {actual} bytes; at most {MAX_CHUNKS} pieces of {CHUNK_BYTES} are allowed")]
pub struct TooLarge {
    /// Its bytes.
    pub actual: usize,
}

/// Splits a value into pieces of at most [`CHUNK_BYTES`]. Copies nothing.
///
/// # Errors
/// [`TooLarge`] above [`MAX_CHUNKS`] pieces.
pub fn split(value: Bytes) -> Result<Vec<Piece>, TooLarge> {
    if value.len() <= CHUNK_BYTES {
        return Ok(vec![Piece { part: None, data: value }]);
    }
    let actual = value.len();
    let count = u32::try_from(actual.div_ceil(CHUNK_BYTES)).unwrap_or(u32::MAX);
    if count > MAX_CHUNKS {
        return Err(TooLarge { actual });
    }
    let digest = Digest::of(&value);
    let mut rest = value;
    let pieces = (0..count).map(|index| {
        let data = rest.split_to(rest.len().min(CHUNK_BYTES));
        Piece { part: Some(Part { index, count, digest }), data }
    });
    Ok(pieces.collect())
}

/// Why a piece, or a whole set of them, is left out. Nothing of it was given to the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartFault {
    /// The piece came before, or its value was already put together.
    Duplicate,
    /// Another piece with the same number and other bytes, or another count, is there already: the piece is left out.
    Mixed,
    /// A set was not complete when the next one of its lane and key began: it is left out.
    Torn {
        /// Digest of the value that it was to be.
        digest: Digest,
        /// How many pieces had come.
        have: u32,
        /// How many there should have been.
        count: u32,
    },
    /// All pieces came and do not make the value that they name: the set is left out.
    Lying {
        /// The digest named.
        expected: Digest,
        /// The digest of what came.
        actual: Digest,
    },
    /// A set was left out because all sets together need more memory than is allowed.
    Evicted {
        /// Digest of the value that it was to be.
        digest: Digest,
    },
    /// The piece has an impossible number or is larger than [`CHUNK_BYTES`]: it is left out.
    Impossible,
}

/// What came of one more piece.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "faults are only reported here"]
pub struct Reassembly {
    /// The whole value, where this piece was the last one missing.
    pub whole: Option<Bytes>,
    /// What was left out on the way.
    pub faults: Vec<PartFault>,
}

/// Puts values together from pieces, each lane and key by itself.
///
/// Pieces of one set may come in any order. Holds at most the bytes it was made with; beyond, the set untouched for
/// longest is left out and reported.
#[derive(Debug, Clone)]
pub struct Reassembler {
    sets: BTreeMap<(Lane, String), Set>,
    bytes: usize,
    max_bytes: usize,
    clock: u64,
}

#[derive(Debug, Clone)]
struct Set {
    digest: Digest,
    count: u32,
    /// Empty once the value was given away: what comes then is a duplicate.
    pieces: BTreeMap<u32, Bytes>,
    given: bool,
    bytes: usize,
    touched: u64,
}

/// Most sets that are remembered, complete ones included.
const MAX_SETS: usize = 1_024;
/// What a piece counts beside its data, so that many tiny pieces are bounded too.
const PIECE_BYTES: usize = 128;

impl Reassembler {
    /// Makes a reassembler that holds at most so many bytes of incomplete values, bookkeeping included.
    pub fn new(max_bytes: usize) -> Self {
        Self { sets: BTreeMap::new(), bytes: 0, max_bytes, clock: 0 }
    }

    /// Returns how many bytes of incomplete values are held.
    pub fn held_bytes(&self) -> usize {
        self.bytes
    }

    /// Takes one piece. The key tells values of one lane apart: a document's name, say.
    pub fn push(&mut self, lane: &Lane, key: &str, part: Part, data: Bytes) -> Reassembly {
        let mut faults = Vec::new();
        let Part { index, count, digest } = part;
        if index >= count || count > MAX_CHUNKS || data.len() > CHUNK_BYTES {
            return Reassembly { whole: None, faults: vec![PartFault::Impossible] };
        }
        self.clock += 1;
        let name = (lane.clone(), key.to_owned());
        if self.sets.get(&name).is_some_and(|set| set.digest != digest) {
            faults.extend(self.remove(&name).and_then(|set| set.torn()));
        }
        let set = self.sets.entry(name.clone()).or_insert_with(|| Set {
            digest,
            count,
            pieces: BTreeMap::new(),
            given: false,
            bytes: 0,
            touched: 0,
        });
        set.touched = self.clock;
        if set.given || set.pieces.get(&index).is_some_and(|there| *there == data) {
            faults.push(PartFault::Duplicate);
            return Reassembly { whole: None, faults };
        }
        if set.count != count || set.pieces.contains_key(&index) {
            faults.push(PartFault::Mixed);
            return Reassembly { whole: None, faults };
        }
        set.bytes += data.len() + PIECE_BYTES;
        self.bytes += data.len() + PIECE_BYTES;
        // A copy: a slice would hold the whole message that it came in.
        set.pieces.insert(index, Bytes::copy_from_slice(&data));
        let complete = u32::try_from(set.pieces.len()) == Ok(set.count);
        let whole = if complete { self.complete(&name, &mut faults) } else { None };
        self.evict(&mut faults);
        Reassembly { whole, faults }
    }

    fn complete(&mut self, name: &(Lane, String), faults: &mut Vec<PartFault>) -> Option<Bytes> {
        let set = self.remove(name)?;
        let mut whole = BytesMut::with_capacity(set.bytes);
        set.pieces.values().for_each(|piece| whole.extend_from_slice(piece));
        let actual = Digest::of(&whole);
        if actual != set.digest {
            faults.push(PartFault::Lying { expected: set.digest, actual });
            return None;
        }
        let given = Set { pieces: BTreeMap::new(), given: true, bytes: 0, ..set };
        self.sets.insert(name.clone(), given);
        Some(whole.freeze())
    }

    fn evict(&mut self, faults: &mut Vec<PartFault>) {
        while self.bytes > self.max_bytes || self.sets.len() > MAX_SETS {
            let over_bytes = self.bytes > self.max_bytes;
            let oldest = self
                .sets
                .iter()
                .filter(|(_, set)| !over_bytes || set.bytes > 0)
                .min_by_key(|(_, set)| set.touched)
                .map(|(name, _)| name.clone());
            let Some(set) = oldest.and_then(|name| self.remove(&name)) else { return };
            if !set.given {
                faults.push(PartFault::Evicted { digest: set.digest });
            }
        }
    }

    fn remove(&mut self, name: &(Lane, String)) -> Option<Set> {
        let set = self.sets.remove(name)?;
        self.bytes = self.bytes.saturating_sub(set.bytes);
        Some(set)
    }
}

impl Set {
    fn torn(&self) -> Option<PartFault> {
        let have = u32::try_from(self.pieces.len()).unwrap_or(u32::MAX);
        (!self.given).then_some(PartFault::Torn { digest: self.digest, have, count: self.count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ROOM: usize = 16 * CHUNK_BYTES;

    fn lane(name: &str) -> Lane {
        Lane { author: "ada".parse().unwrap(), name: name.parse().unwrap() }
    }

    fn value(seed: u8, bytes: usize) -> Bytes {
        (0..bytes).map(|n| (n / 7) as u8 ^ seed).collect::<Vec<_>>().into()
    }

    fn parts(value: &Bytes) -> Vec<(Part, Bytes)> {
        split(value.clone())
            .unwrap()
            .into_iter()
            .map(|piece| (piece.part.unwrap(), piece.data))
            .collect()
    }

    fn feed(room: &mut Reassembler, pieces: &[(Part, Bytes)]) -> (Vec<Bytes>, Vec<PartFault>) {
        let (mut whole, mut faults) = (Vec::new(), Vec::new());
        for (part, data) in pieces {
            let step = room.push(&lane("main"), "notes", *part, data.clone());
            whole.extend(step.whole);
            faults.extend(step.faults);
        }
        (whole, faults)
    }

    #[test]
    fn a_value_that_fits_is_not_split() {
        let pieces = split(value(0, CHUNK_BYTES)).unwrap();
        assert_eq!(pieces, [Piece { part: None, data: value(0, CHUNK_BYTES) }]);
        assert_eq!(split(value(0, CHUNK_BYTES + 1)).unwrap().len(), 2);
    }

    #[test]
    fn pieces_come_together_once() {
        let value = value(1, 2 * CHUNK_BYTES + 5);
        let pieces = parts(&value);
        let mut room = Reassembler::new(ROOM);
        let (whole, faults) = feed(&mut room, &[pieces.clone(), pieces].concat());
        assert_eq!(whole, [value]);
        assert_eq!(faults, [PartFault::Duplicate; 3]);
        assert_eq!(room.held_bytes(), 0);
    }

    #[test]
    fn a_torn_set_is_reported_when_the_next_one_begins() {
        let (torn, next) = (parts(&value(1, 3 * CHUNK_BYTES)), value(2, 2 * CHUNK_BYTES));
        let mut room = Reassembler::new(ROOM);
        let (whole, faults) = feed(&mut room, &[torn[..2].to_vec(), parts(&next)].concat());
        assert_eq!(whole, [next]);
        assert_eq!(faults, [PartFault::Torn { digest: torn[0].0.digest, have: 2, count: 3 }]);
    }

    #[test]
    fn a_lying_set_is_never_believed() {
        let mut pieces = parts(&value(1, 2 * CHUNK_BYTES));
        pieces[1].1 = value(9, CHUNK_BYTES);
        let mut room = Reassembler::new(ROOM);
        let (whole, faults) = feed(&mut room, &pieces);
        assert!(whole.is_empty());
        assert!(matches!(faults.as_slice(), [PartFault::Lying { .. }]));
        assert_eq!(room.held_bytes(), 0);
    }

    #[test]
    fn a_second_piece_of_one_number_does_not_replace_the_first() {
        let value = value(1, 2 * CHUNK_BYTES);
        let pieces = parts(&value);
        let other = (pieces[0].0, Bytes::from_static(b"other"));
        let recount = (Part { count: 3, ..pieces[1].0 }, pieces[1].1.clone());
        let mut room = Reassembler::new(ROOM);
        let order = [pieces[0].clone(), other, recount, pieces[1].clone()];
        let (whole, faults) = feed(&mut room, &order);
        assert_eq!((whole, faults), (vec![value], vec![PartFault::Mixed; 2]));
    }

    #[test]
    fn impossible_pieces_are_left_out() {
        let digest = Digest::of(b"");
        let mut room = Reassembler::new(ROOM);
        for (index, count, bytes) in
            [(1, 1, 1), (0, 0, 1), (0, MAX_CHUNKS + 1, 1), (0, 2, CHUNK_BYTES + 1)]
        {
            let (_, faults) = feed(&mut room, &[(Part { index, count, digest }, value(0, bytes))]);
            assert_eq!(faults, [PartFault::Impossible]);
        }
        assert_eq!(room.held_bytes(), 0);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_set_goes_first() {
        let max = 2 * (CHUNK_BYTES + PIECE_BYTES);
        let mut room = Reassembler::new(max);
        let pieces = parts(&value(1, 2 * CHUNK_BYTES));
        let mut evicted = 0;
        for n in 0..5_000 {
            let step = room.push(&lane(&format!("l{n}")), "k", pieces[0].0, pieces[0].1.clone());
            evicted += step.faults.len();
            assert!(room.held_bytes() <= max && room.sets.len() <= MAX_SETS);
        }
        assert_eq!(evicted, 4_998);
        let step = room.push(&lane("l4999"), "k", pieces[1].0, pieces[1].1.clone());
        assert_eq!(step.whole, Some(value(1, 2 * CHUNK_BYTES)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn any_order_with_doubles_gives_the_value_once(
            extra in 1_usize..3 * CHUNK_BYTES,
            order in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let value = value(3, CHUNK_BYTES + extra);
            let pieces = parts(&value);
            let mut shuffled: Vec<_> = order.iter().map(|i| i.get(&pieces).clone()).collect();
            shuffled.extend(pieces);
            let (whole, faults) = feed(&mut Reassembler::new(ROOM), &shuffled);
            prop_assert_eq!(whole, [value]);
            prop_assert!(faults.iter().all(|fault| *fault == PartFault::Duplicate));
        }
    }
}
