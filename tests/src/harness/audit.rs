//! What a log really holds, beside what its writers were told.

use std::collections::BTreeMap;

use colony_bus::Bus;
use colony_bus::log::Range;
use colony_core::envelope::open;
use colony_core::lane::{LaneChecker, Verdict};
use colony_core::signature::Verifier;
use colony_core::{Entry, Position};
use futures_util::StreamExt as _;

use super::Said;
use super::servers::Tally;

/// Everything a space holds, judged.
#[derive(Debug)]
pub struct Audit {
    /// The entries that count, in log order.
    pub entries: Vec<Entry>,
    /// Copies of earlier entries: no reader delivers them.
    pub voids: usize,
    /// The log's tail.
    pub tail: Position,
}

impl Audit {
    /// Reads the whole log of a space below every layer that leaves something out.
    ///
    /// # Panics
    /// Where an entry cannot be read, or a lane's hash chain is broken.
    pub async fn of(bus: &Bus) -> Self {
        let tail = bus.tail().await.expect("the tail can be read");
        let mut records = bus.log().read(Range::all()).await.expect("the log can be read");
        let (mut lanes, verifier) = (LaneChecker::new(), Verifier::default());
        let (mut entries, mut voids) = (Vec::new(), 0);
        let mut last = Position::ZERO;
        while let Some(record) = records.next().await {
            let record = record.expect("the log can be read to its end");
            assert!(record.position > last, "{} after {last}", record.position);
            last = record.position;
            let entry =
                open(record.position, record.recorded, &record.subject, record.payload, &verifier)
                    .expect("everything stored is an entry");
            match lanes.judge(&entry) {
                Verdict::Chained | Verdict::Unlinked => entries.push(entry),
                Verdict::Void => voids += 1,
                broken @ Verdict::Broken { .. } => {
                    panic!("the chain of {:?} at {last}: {broken:?}", entry.address)
                }
            }
        }
        assert_eq!(last, tail, "a read reaches the tail");
        Self { entries, voids, tail }
    }

    /// Returns position and id of every entry that counts.
    pub fn seen(&self) -> Vec<(Position, String)> {
        self.entries.iter().map(|entry| (entry.position, entry.event().id.to_string())).collect()
    }

    /// Holds the log against what callers were told: every acknowledged event is there once, where the caller was told,
    /// in the caller's order; what was refused is not there; what is unknown is there at most once; nothing else is.
    ///
    /// Returns how many were acknowledged, unknown and refused.
    pub fn hold_against(&self, told: &[Vec<(String, Said)>]) -> (usize, usize, usize) {
        let mut found: BTreeMap<&str, Vec<Position>> = BTreeMap::new();
        for entry in &self.entries {
            found.entry(entry.event().id.as_str()).or_default().push(entry.position);
        }
        let (mut acknowledged, mut unknown, mut refused) = (0, 0, 0);
        let mut reasons = Tally::new();
        for caller in told {
            let mut last = Position::ZERO;
            for (id, said) in caller {
                let at = found.remove(id.as_str()).unwrap_or_default();
                match said {
                    Said::Acknowledged(receipt) => {
                        acknowledged += 1;
                        assert_eq!(at, [receipt.position], "{id} is there once, where it was said");
                        assert!(receipt.position > last, "{id} stands after those before it");
                        last = receipt.position;
                    }
                    Said::Unknown(error) => {
                        unknown += 1;
                        *reasons.entry(error.to_string()).or_default() += 1;
                        assert!(at.len() <= 1, "{id} is there {} times", at.len());
                    }
                    Said::Refused(error) => {
                        refused += 1;
                        *reasons.entry(error.to_string()).or_default() += 1;
                        assert_eq!(at, [], "{id} was refused ({error}) and is there");
                    }
                }
            }
        }
        assert!(found.is_empty(), "nobody published {found:?}");
        println!(
            "acknowledged {acknowledged}, unknown {unknown}, refused {refused}, void {}: {reasons:?}",
            self.voids
        );
        (acknowledged, unknown, refused)
    }
}
