//! Lanes as hash chains: what a writer continues and a reader checks.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::envelope::{Entry, Link};
use crate::subject::{Address, Lane};

/// The end of a lane: its last entry's number and digest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LaneHead {
    last: Option<(u64, Digest)>,
}

impl LaneHead {
    /// The head of a lane without entries.
    pub const EMPTY: LaneHead = LaneHead { last: None };

    /// Makes the head of a lane from its last entry; `None` if the entry is outside any lane.
    pub fn of(entry: &Entry) -> Option<Self> {
        let link = entry.envelope.link?;
        Some(Self { last: Some((link.number, entry.digest)) })
    }

    /// Returns the number of the last entry, or 0.
    pub fn number(&self) -> u64 {
        self.last.map_or(0, |(number, _)| number)
    }

    /// Returns the link that the next entry carries.
    pub fn next(&self) -> Link {
        match self.last {
            Some((number, digest)) => {
                Link { number: number.saturating_add(1), previous: Some(digest) }
            }
            None => Link { number: 1, previous: None },
        }
    }

    /// Moves the head onto an entry just sealed.
    pub fn advance(&mut self, link: Link, digest: Digest) {
        self.last = Some((link.number, digest));
    }
}

/// What a reader finds of an entry's place in its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It follows the entry before it, or is the first one this reader sees of its lane.
    Chained,
    /// It is outside any lane, as heads of entities are.
    Unlinked,
    /// Its number was taken by an earlier entry: it is a copy that reached the log twice, or a
    /// second writer's. It is **void**: every reader leaves it out.
    Void,
    /// Entries before it are missing, or it names another predecessor: something was lost, truncated or
    /// forged. The reader goes on from it, and says so.
    Broken {
        /// The number that should have come.
        expected: u64,
        /// The number that came.
        actual: u64,
    },
}

/// Checks the chains of all lanes while reading in log order.
///
/// It can be stored and read back, in a format whose keys may be more than text, to check on from where it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LaneChecker {
    heads: BTreeMap<Lane, LaneHead>,
}

impl LaneChecker {
    /// Makes a checker that has seen nothing: a lane's first entry is taken as it comes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells whether an entry's number was taken by an earlier one of its lane: see [`Verdict::Void`].
    ///
    /// For readers that see some of a lane's entries, in log order.
    pub fn is_void(&mut self, entry: &Entry) -> bool {
        self.judge(entry) == Verdict::Void
    }

    /// Judges the next entry of the log.
    ///
    /// Only for readers that see every entry of a lane: a filter leaves holes that look like loss.
    pub fn judge(&mut self, entry: &Entry) -> Verdict {
        let (Address::Lane { lane, .. }, Some(link)) = (&entry.address, entry.envelope.link) else {
            return Verdict::Unlinked;
        };
        let Some(head) = self.heads.get_mut(lane) else {
            let mut head = LaneHead::EMPTY;
            head.advance(link, entry.digest);
            self.heads.insert(lane.clone(), head);
            return Verdict::Chained;
        };
        let expected = head.next();
        if link.number < expected.number {
            return Verdict::Void;
        }
        head.advance(link, entry.digest);
        if link == expected {
            Verdict::Chained
        } else {
            Verdict::Broken { expected: expected.number, actual: link.number }
        }
    }
}
