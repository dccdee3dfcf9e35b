//! Sealing entries while those before them are on their way, so that a unit is ready when the one before it is stored.
//!
//! An entry is chained to the one before it, and is the same whichever unit it travels in. What is made ready is used only where it is
//! what the unit holds, sealed onto the very end that the unit is made for; else it is made again.

use std::collections::VecDeque;

use colony_bus::lane::{ConditionedError, ConditionedLane, NextEntry};
use colony_core::LaneName;
use colony_core::envelope::SealError;
use colony_core::lane::LaneHead;

use crate::instance::lanes::Lanes;
use crate::reaction::SharedOutput;
use crate::reactor::{NewEntry, Reactor, UnitToAppend};

/// The entries that are ready.
#[derive(Debug)]
pub(super) struct Ready {
    lane: ConditionedLane,
    number: u64,
    /// What the first of them is sealed onto, and what the next one will be.
    first: LaneHead,
    next: LaneHead,
    entries: VecDeque<(NewEntry<SharedOutput>, NextEntry)>,
    /// How many pieces of the work behind the unit on its way they are.
    pieces: usize,
}

impl Ready {
    /// Nothing, in the first lane.
    pub(super) fn nothing(lanes: &Lanes) -> Self {
        let (first, next) = (LaneHead::EMPTY, LaneHead::EMPTY);
        Self { lane: lanes.lane(1), number: 1, first, next, entries: VecDeque::new(), pieces: 0 }
    }

    /// Makes what waits behind the unit on its way ready for the next one.
    pub(super) fn seal_next(&mut self, lanes: &Lanes, reactor: &Reactor<SharedOutput>) {
        let limits = reactor.limits();
        if self.first.number() >= limits.lane_entries {
            // Another lane goes on.
            return;
        }
        loop {
            let before = self.entries.back().map(|(entry, _)| entry.cursor);
            let entries = reactor.next_entries(self.pieces, before);
            if entries.is_empty() || self.entries.len() + entries.len() > limits.unit_entries {
                return;
            }
            self.pieces += 1;
            for entry in entries {
                match self.seal(lanes, &entry) {
                    Ok(sealed) => self.entries.push_back((entry, sealed)),
                    // That is told when its unit is made.
                    Err(_) => self.pieces = usize::MAX / 2,
                }
            }
        }
    }

    /// Returns the entries of a unit, sealed, and the lane that they are for.
    pub(super) fn unit(
        &mut self,
        lanes: &Lanes,
        unit: &UnitToAppend<SharedOutput>,
    ) -> Result<(ConditionedLane, Vec<NextEntry>), ConditionedError> {
        if self.entries.is_empty() || (self.number, self.first) != (unit.lane, unit.end.head) {
            self.begin(lanes, unit);
        }
        let mut sealed = Vec::with_capacity(unit.entries.len());
        for (index, entry) in unit.entries.iter().enumerate() {
            match self.entries.pop_front() {
                Some((ready, made)) if ready == *entry => sealed.push(made),
                other => {
                    if other.is_some() {
                        // Whatever is ready follows something else.
                        self.entries.clear();
                        self.next = sealed.last().map_or(unit.end.head, NextEntry::head);
                    }
                    let made = self.seal(lanes, entry);
                    sealed.push(made.map_err(|source| ConditionedError::Seal { index, source })?);
                }
            }
        }
        self.first = sealed.last().map_or(unit.end.head, NextEntry::head);
        self.next = self.first;
        self.entries.clear();
        self.pieces = 0;
        Ok((self.lane.clone(), sealed))
    }

    fn begin(&mut self, lanes: &Lanes, unit: &UnitToAppend<SharedOutput>) {
        if self.number != unit.lane {
            self.lane = lanes.lane(unit.lane);
            self.number = unit.lane;
        }
        (self.first, self.next) = (unit.end.head, unit.end.head);
        self.entries.clear();
        self.pieces = 0;
    }

    fn seal(
        &mut self,
        lanes: &Lanes,
        entry: &NewEntry<SharedOutput>,
    ) -> Result<NextEntry, SealError> {
        let name: &LaneName = &self.lane.lane().name;
        let (kind, envelope) = lanes.entry(name, self.next.number() + 1, entry);
        self.lane.seal(&mut self.next, kind, envelope)
    }
}
