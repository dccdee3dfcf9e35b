//! The records of a memory log, and what is asked of them.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;
use colony_core::{Position, Timestamp};

use super::clock::MemoryClock;
use super::subjects::{SubjectFilter, Subjects};
use crate::log::{AppendError, Condition, NewRecord, Record};

/// Most records that a reader holds.
const READ_RECORDS: usize = 256;
/// Most records looked at while the log is locked.
const READ_SLOTS: usize = 8_192;
/// Most filters whose last record is remembered.
const REMEMBERED_FILTERS: usize = 4_096;

#[derive(Debug, Default)]
pub(super) struct Store {
    /// By growing position; `None` where the record was removed.
    slots: Vec<Slot>,
    tail: Position,
    /// Whether no record is older than the one before it: imported ones may be.
    unordered_times: bool,
    /// The slot of the last record under a subject.
    last_by_subject: HashMap<String, usize>,
    /// The slot of the last record under a filter, as far as it was looked for.
    last_by_filter: BTreeMap<String, Remembered>,
}

#[derive(Debug)]
struct Slot {
    position: Position,
    recorded: Timestamp,
    record: Option<Record>,
}

#[derive(Debug)]
struct Remembered {
    filter: SubjectFilter,
    /// Slots looked at.
    seen: usize,
    last: Option<usize>,
}

impl Store {
    pub(super) fn tail(&self) -> Position {
        self.tail
    }

    /// Puts a record where it says it stands, if that lies past all others.
    pub(super) fn import(&mut self, record: Record) -> Result<(), Record> {
        if record.position <= self.tail || record.position == Position::MAX {
            return Err(record);
        }
        let last = self.slots.last().map(|slot| slot.recorded);
        self.unordered_times |= last.is_some_and(|last| record.recorded < last);
        self.tail = record.position;
        match self.last_by_subject.get_mut(&record.subject) {
            Some(last) => *last = self.slots.len(),
            None => drop(self.last_by_subject.insert(record.subject.clone(), self.slots.len())),
        }
        let (position, recorded) = (record.position, record.recorded);
        self.slots.push(Slot { position, recorded, record: Some(record) });
        Ok(())
    }

    pub(super) fn push(&mut self, record: NewRecord, clock: &MemoryClock) -> Position {
        let position = self.tail.next();
        let recorded = clock.next(self.slots.last().map(|slot| slot.recorded));
        let NewRecord { subject, payload } = record;
        // Past the tail by construction; only at the end of all positions is there no room, in 580 years.
        let _ = self.import(Record { position, recorded, subject, payload });
        position
    }

    pub(super) fn check(&mut self, conditions: &[Condition]) -> Result<(), AppendError> {
        for condition in conditions {
            let last = self.last(condition.scope.as_str());
            if last.map_or(Position::ZERO, |record| record.position) != condition.last {
                return Err(AppendError::Conflict {
                    scope: condition.scope.as_str().to_owned(),
                    expected: condition.last,
                    winner: last.cloned().map(Box::new),
                });
            }
        }
        Ok(())
    }

    pub(super) fn last(&mut self, subject: &str) -> Option<&Record> {
        let slot = match self.last_by_subject.get(subject) {
            Some(slot) => Some(*slot),
            None => self.last_under_filter(subject),
        };
        slot.and_then(|slot| self.slots.get(slot)).and_then(|slot| slot.record.as_ref())
    }

    /// Looks from the end back to what was looked at before: a busy lane is found at once, a quiet one is not
    /// searched twice.
    fn last_under_filter(&mut self, filter: &str) -> Option<usize> {
        let compiled = SubjectFilter::new(filter);
        if compiled.exact().is_some() {
            return None;
        }
        if self.last_by_filter.len() >= REMEMBERED_FILTERS
            && !self.last_by_filter.contains_key(filter)
        {
            self.last_by_filter.clear();
        }
        let remembered = self.last_by_filter.entry(filter.to_owned()).or_insert(Remembered {
            filter: compiled,
            seen: 0,
            last: None,
        });
        let fresh = self.slots.iter().enumerate().skip(remembered.seen).rev();
        let found = fresh.into_iter().find(|(_, slot)| {
            slot.record.as_ref().is_some_and(|record| remembered.filter.matches(&record.subject))
        });
        if let Some((slot, _)) = found {
            remembered.last = Some(slot);
        }
        remembered.seen = self.slots.len();
        remembered.last
    }

    pub(super) fn get(&self, position: Position) -> Option<&Record> {
        self.slots.get(self.slot_at(position)?)?.record.as_ref()
    }

    fn slot_at(&self, position: Position) -> Option<usize> {
        self.slots.binary_search_by_key(&position, |slot| slot.position).ok()
    }

    /// Moves matching records of the range to `out`, a bounded number. Returns up to where it looked, and whether
    /// nothing of the range is left.
    pub(super) fn scan(
        &self,
        after: Position,
        until: Position,
        subjects: &Subjects,
        out: &mut VecDeque<Record>,
    ) -> (Position, bool) {
        let start = self.slots.partition_point(|slot| slot.position <= after);
        let mut reached = after;
        for (looked, slot) in self.slots.iter().skip(start).enumerate() {
            if slot.position > until {
                break;
            }
            if looked >= READ_SLOTS || out.len() >= READ_RECORDS {
                return (reached, false);
            }
            reached = slot.position;
            if let Some(record) = slot.record.as_ref().filter(|r| subjects.matches(&r.subject)) {
                out.push_back(record.clone());
            }
        }
        (reached, true)
    }

    pub(super) fn cut_at(&self, time: Timestamp) -> Position {
        let end = if self.unordered_times {
            self.slots.len()
        } else {
            self.slots.partition_point(|slot| slot.recorded <= time)
        };
        let mut before = self.slots.iter().take(end).rev();
        let last = before.find(|slot| slot.recorded <= time && slot.record.is_some());
        last.map_or(Position::ZERO, |slot| slot.position)
    }

    pub(super) fn remove(&mut self, position: Position) {
        let Some(index) = self.slot_at(position) else { return };
        let Some(removed) = self.slots.get_mut(index).and_then(|slot| slot.record.take()) else {
            return;
        };
        self.last_by_filter.retain(|_, remembered| remembered.last != Some(index));
        if self.last_by_subject.get(&removed.subject) == Some(&index) {
            let same = |slot: &Slot| {
                slot.record.as_ref().is_some_and(|record| record.subject == removed.subject)
            };
            match self.slots.iter().take(index).rposition(same) {
                Some(before) => drop(self.last_by_subject.insert(removed.subject, before)),
                None => drop(self.last_by_subject.remove(&removed.subject)),
            }
        }
    }

    pub(super) fn truncate(&mut self, position: Position) {
        self.slots.truncate(self.slots.partition_point(|slot| slot.position <= position));
        self.tail = self.tail.min(position);
        self.last_by_filter.clear();
        self.last_by_subject.clear();
        for (index, slot) in self.slots.iter().enumerate() {
            if let Some(record) = &slot.record {
                self.last_by_subject.insert(record.subject.clone(), index);
            }
        }
    }

    /// Turns one bit of a payload, or gives an empty one a byte.
    pub(super) fn corrupt(&mut self, position: Position, draw: u64) -> bool {
        let slot = self.slot_at(position).and_then(|index| self.slots.get_mut(index));
        let Some(record) = slot.and_then(|slot| slot.record.as_mut()) else { return false };
        record.payload = corrupted(&record.payload, draw);
        true
    }
}

fn corrupted(payload: &Bytes, draw: u64) -> Bytes {
    let mut bytes = payload.to_vec();
    let bits = (bytes.len() as u64).saturating_mul(8).max(1);
    let bit = draw % bits;
    match usize::try_from(bit / 8).ok().and_then(|byte| bytes.get_mut(byte)) {
        Some(byte) => *byte ^= 1 << (bit % 8),
        None => bytes.push(0),
    }
    bytes.into()
}
