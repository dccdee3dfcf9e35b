//! Entities by name, most of them still in the bytes that they were stored as.
//!
//! A log may be about as many entities as it has events. To read and write a million of them takes longer than anybody
//! waits for a look at the past, and of nearly all of them nothing is asked: so what comes from a checkpoint stays as it is,
//! sorted by name, and a row is read when it is wanted.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, Error as _, Visitor};
use serde::ser::{Error as _, SerializeMap as _, Serializer};
use serde::{Deserialize, Serialize};

use super::{EntityState, LastEvent};
use crate::name::EntityName;
use crate::position::Position;

/// What is known of each entity.
///
/// In JSON a map by name; in binary formats one value of bytes.
#[derive(Debug, Clone, Default)]
pub struct EntityTable {
    stored: Stored,
    /// Those that changed since; they stand before what is stored.
    changed: BTreeMap<EntityName, EntityState>,
    /// How many of them are not stored.
    new: usize,
}

impl EntityTable {
    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.stored.starts.len() + self.new
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns what is known of an entity.
    pub fn get(&self, name: &EntityName) -> Option<EntityState> {
        self.changed.get(name).cloned().or_else(|| self.stored.find(name)?.state())
    }

    /// Returns all, by name.
    pub fn iter(&self) -> impl Iterator<Item = (EntityName, EntityState)> {
        self.rows().filter_map(|row| match row {
            Row::Changed(name, state) => Some((name.clone(), state.clone())),
            Row::Stored(row) => Some((row.name()?.parse().ok()?, row.state()?)),
        })
    }

    /// Returns those that something happened to last, the newest first, at most `most`.
    pub fn newest(&self, most: usize) -> Vec<(EntityName, EntityState)> {
        let age = |row: &Row<'_>| std::cmp::Reverse(row.last());
        let mut rows: Vec<_> = self.rows().collect();
        if most < rows.len() {
            rows.select_nth_unstable_by_key(most, age);
            rows.truncate(most);
        }
        rows.sort_by_key(age);
        let read = |row: Row<'_>| match row {
            Row::Changed(name, state) => Some((name.clone(), state.clone())),
            Row::Stored(row) => Some((row.name()?.parse().ok()?, row.state()?)),
        };
        rows.into_iter().filter_map(read).collect()
    }

    /// Takes an event about an entity in.
    pub(super) fn happened(&mut self, name: &EntityName, last: LastEvent) {
        if let Some(known) = self.changed.get_mut(name) {
            known.events += 1;
            known.last = last;
            return;
        }
        let (events, first) = match self.stored.find(name).and_then(|row| row.state()) {
            Some(known) => (known.events + 1, known.first),
            None => {
                self.new += 1;
                (1, last.moment)
            }
        };
        self.changed.insert(name.clone(), EntityState { events, first, last });
    }

    /// Returns every row, by name.
    fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let mut stored = self.stored.rows().peekable();
        let mut changed = self.changed.iter().peekable();
        std::iter::from_fn(move || {
            let order = match (stored.peek(), changed.peek()) {
                (Some(row), Some((name, _))) => row.key().cmp(name.as_str().as_bytes()),
                (Some(_), None) => Ordering::Less,
                (None, _) => Ordering::Greater,
            };
            if order == Ordering::Equal {
                stored.next();
            }
            match order {
                Ordering::Less => stored.next().map(Row::Stored),
                Ordering::Equal | Ordering::Greater => {
                    changed.next().map(|(name, state)| Row::Changed(name, state))
                }
            }
        })
    }
}

impl PartialEq for EntityTable {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for EntityTable {}

/// A row of the table.
enum Row<'a> {
    Changed(&'a EntityName, &'a EntityState),
    Stored(StoredRow<'a>),
}

impl Row<'_> {
    fn last(&self) -> Position {
        match self {
            Self::Changed(_, state) => state.last.moment.position,
            Self::Stored(row) => row.last(),
        }
    }
}

/// Rows as bytes, sorted by name: each its length, where its last event stands, the length of its name (all big-endian),
/// its name, and the rest as MessagePack.
#[derive(Debug, Clone, Default)]
struct Stored {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

/// One row, without its length.
#[derive(Debug, Clone, Copy)]
struct StoredRow<'a>(&'a [u8]);

/// What stands before the name: a position and a length.
const BEFORE_NAME: usize = 8 + 2;

impl Stored {
    /// Takes rows over; `None` if they are not rows, or not sorted.
    fn new(bytes: Vec<u8>) -> Option<Self> {
        let (mut starts, mut at) = (Vec::new(), 0);
        let mut before: &[u8] = &[];
        while at < bytes.len() {
            let row = Self::row_at(&bytes, at)?;
            if !starts.is_empty() && row.key() <= before || row.key().is_empty() {
                return None;
            }
            before = row.key();
            starts.push(at);
            at += 4 + row.0.len();
        }
        Some(Self { bytes, starts })
    }

    fn row_at(bytes: &[u8], at: usize) -> Option<StoredRow<'_>> {
        let (length, rest) = bytes.get(at..)?.split_first_chunk()?;
        let row = rest.get(..u32::from_be_bytes(*length) as usize)?;
        (row.len() >= BEFORE_NAME).then_some(StoredRow(row))
    }

    fn rows(&self) -> impl Iterator<Item = StoredRow<'_>> {
        self.starts.iter().filter_map(|at| Self::row_at(&self.bytes, *at))
    }

    fn find(&self, name: &EntityName) -> Option<StoredRow<'_>> {
        let key = |at: &usize| Self::row_at(&self.bytes, *at).map_or(&[][..], |row| row.key());
        let found = self.starts.binary_search_by(|at| key(at).cmp(name.as_str().as_bytes()));
        Self::row_at(&self.bytes, *self.starts.get(found.ok()?)?)
    }
}

impl<'a> StoredRow<'a> {
    fn last(self) -> Position {
        let position = self.0.first_chunk().copied().unwrap_or_default();
        Position::new(u64::from_be_bytes(position))
    }

    fn split(self) -> Option<(&'a [u8], &'a [u8])> {
        let (length, rest) = self.0.get(8..)?.split_first_chunk()?;
        rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
    }

    fn key(self) -> &'a [u8] {
        self.split().map_or(&[], |(name, _)| name)
    }

    fn name(self) -> Option<&'a str> {
        std::str::from_utf8(self.key()).ok()
    }

    /// Reads the rest. The bytes are those of a checkpoint whose digest was good: they hold what was written.
    fn state(self) -> Option<EntityState> {
        rmp_serde::from_slice(self.split()?.1).ok()
    }
}

fn write(bytes: &mut Vec<u8>, name: &EntityName, state: &EntityState) -> Option<()> {
    let start = bytes.len();
    let name = name.as_str().as_bytes();
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&state.last.moment.position.get().to_be_bytes());
    bytes.extend_from_slice(&u16::try_from(name.len()).ok()?.to_be_bytes());
    bytes.extend_from_slice(name);
    rmp_serde::encode::write(bytes, state).ok()?;
    let length = u32::try_from(bytes.len() - start - 4).ok()?;
    bytes.get_mut(start..)?.first_chunk_mut::<4>()?.copy_from_slice(&length.to_be_bytes());
    Some(())
}

impl Serialize for EntityTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            let mut map = serializer.serialize_map(Some(self.len()))?;
            for (name, state) in self.iter() {
                map.serialize_entry(&name, &state)?;
            }
            return map.end();
        }
        let mut bytes = Vec::with_capacity(self.stored.bytes.len());
        for row in self.rows() {
            match row {
                Row::Changed(name, state) => write(&mut bytes, name, state)
                    .ok_or_else(|| S::Error::custom("an entity is too large"))?,
                Row::Stored(row) => {
                    bytes.extend_from_slice(&(row.0.len() as u32).to_be_bytes());
                    bytes.extend_from_slice(row.0);
                }
            }
        }
        serializer.serialize_bytes(&bytes)
    }
}

impl<'de> Deserialize<'de> for EntityTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let changed = BTreeMap::deserialize(deserializer)?;
            let new = changed.len();
            return Ok(Self { stored: Stored::default(), changed, new });
        }
        struct Rows;
        impl Visitor<'_> for Rows {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the rows of entities")
            }
            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
            fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }
        }
        let stored = Stored::new(deserializer.deserialize_bytes(Rows)?);
        let stored = stored.ok_or_else(|| D::Error::custom("not the rows of entities"))?;
        Ok(Self { stored, changed: BTreeMap::new(), new: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::Moment;
    use crate::timestamp::Timestamp;

    fn name(number: u64) -> EntityName {
        format!("task {number}").parse().unwrap()
    }

    fn last(position: u64) -> LastEvent {
        let moment = Moment {
            position: Position::new(position),
            recorded: Timestamp::from_nanos(position as i64),
        };
        LastEvent {
            moment,
            id: format!("event {position}").parse().unwrap(),
            ty: "task.done".parse().unwrap(),
            author: "ada".parse().unwrap(),
        }
    }

    fn stored(table: &EntityTable) -> EntityTable {
        rmp_serde::from_slice(&rmp_serde::to_vec(table).unwrap()).unwrap()
    }

    #[test]
    fn what_was_stored_and_changed_is_what_was_never_stored() {
        let (mut table, mut plain) = (EntityTable::default(), EntityTable::default());
        for position in 1..500 {
            let name = name(position * position % 101);
            table.happened(&name, last(position));
            plain.happened(&name, last(position));
            if position % 37 == 0 {
                table = stored(&table);
            }
            assert_eq!((table.len(), table.get(&name)), (plain.len(), plain.get(&name)));
        }
        assert_eq!(table, plain);
        assert_eq!(table.newest(5), plain.newest(5));
        assert_eq!(table.newest(1)[0].1.last, last(499));
        assert_eq!(table.newest(usize::MAX).len(), table.len());
        assert_eq!(rmp_serde::to_vec(&table).unwrap(), rmp_serde::to_vec(&plain).unwrap());
        let json = serde_json::to_string(&table).unwrap();
        assert_eq!(serde_json::from_str::<EntityTable>(&json).unwrap(), plain);
    }

    #[test]
    fn rows_that_are_torn_or_out_of_order_are_no_table() {
        let mut table = EntityTable::default();
        (1..4).for_each(|position| table.happened(&name(position), last(position)));
        let rows = stored(&table).stored;
        for end in 0..rows.bytes.len() {
            let whole = rows.starts.contains(&end);
            assert_eq!(Stored::new(rows.bytes[..end].to_vec()).is_some(), whole, "{end}");
        }
        let (first, second) = rows.bytes.split_at(rows.starts[1]);
        assert!(Stored::new([second, first].concat()).is_none());
    }
}
