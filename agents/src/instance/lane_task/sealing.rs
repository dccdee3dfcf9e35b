//! Sealing entries while those before them are on their way, so that a unit is ready when the one before it is stored.
//!
//! An entry is chained to the one before it, and is the same whichever unit it travels in. What is made ready is used only where it is
//! what the unit holds, sealed onto the very end that the unit is made for; else it is made again.

use std::collections::VecDeque;

use colony_bus::lane::{ConditionedError, ConditionedLane, NextEntry, Receipt, Staged};
use colony_core::envelope::SealError;
use colony_core::lane::LaneHead;
use colony_core::{LaneName, Position};

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
    /// How many pieces of the work behind the unit on its way they are; `None` once no more are looked for.
    pieces: Option<usize>,
    /// What the log has taken along: all of the entries.
    staged: Option<Staged>,
}

/// A unit, sealed for a lane.
#[derive(Debug)]
pub(super) struct SealedUnit {
    lane: ConditionedLane,
    entries: Vec<NextEntry>,
    /// The same entries, if the log has taken them along.
    staged: Option<Staged>,
}

impl SealedUnit {
    /// Appends it, if the lane's last record stands at `last`.
    pub(super) async fn append(self, last: Position) -> Result<Vec<Receipt>, ConditionedError> {
        match self.staged {
            Some(staged) => staged.append(last).await,
            None => self.lane.append_sealed(last, self.entries).await,
        }
    }
}

impl Ready {
    /// Nothing, in the first lane.
    pub(super) fn nothing(lanes: &Lanes) -> Self {
        let (first, next) = (LaneHead::EMPTY, LaneHead::EMPTY);
        let (lane, entries, pieces) = (lanes.lane(1), VecDeque::new(), Some(0));
        Self { lane, number: 1, first, next, entries, pieces, staged: None }
    }

    /// Makes what waits behind the unit on its way ready for the next one, and lets the log take it along once it is a whole unit.
    pub(super) fn seal_next(&mut self, lanes: &Lanes, reactor: &Reactor<SharedOutput>) {
        let limits = reactor.limits();
        if self.first.number() >= limits.lane_entries {
            // Another lane goes on.
            return;
        }
        while let Some(piece) = self.pieces {
            let before = self.entries.back().map(|(entry, _)| entry.cursor);
            let entries = reactor.next_entries(piece, before);
            if entries.is_empty() {
                return;
            }
            self.pieces = Some(piece + 1);
            if self.entries.len() + entries.len() > limits.unit_entries {
                self.pieces = None;
                self.stage(lanes, reactor);
            } else if !entries.into_iter().all(|entry| self.make(lanes, entry)) {
                self.pieces = None;
            }
        }
    }

    /// Lets the log take the next unit along.
    fn stage(&mut self, lanes: &Lanes, reactor: &Reactor<SharedOutput>) {
        let Some(next) = reactor.next_unit() else { return };
        let same = self.keep(&next);
        if next.into_iter().skip(same).all(|entry| self.make(lanes, entry)) {
            self.staged = Some(self.lane.stage(self.entries.iter().map(|(_, made)| made)));
        }
    }

    /// Takes back what the log has taken along, for the unit before it was not stored.
    pub(super) fn unstage(&mut self) {
        self.staged = None;
    }

    /// Returns a unit, sealed.
    pub(super) fn unit(
        &mut self,
        lanes: &Lanes,
        unit: &UnitToAppend<SharedOutput>,
    ) -> Result<SealedUnit, ConditionedError> {
        if (self.number, self.first) != (unit.lane, unit.end.head) {
            self.begin(lanes, unit);
        }
        let ready = self.entries.len();
        let same = self.keep(&unit.entries);
        let as_staged = same == ready && same == unit.entries.len();
        let staged = self.staged.take().filter(|_| as_staged);
        let mut entries = Vec::with_capacity(unit.entries.len());
        entries.extend(self.entries.drain(..).map(|(_, made)| made));
        for (index, entry) in unit.entries.iter().enumerate().skip(same) {
            let made = self.seal(lanes, entry);
            entries.push(made.map_err(|source| ConditionedError::Seal { index, source })?);
        }
        self.first = self.next;
        self.pieces = Some(0);
        Ok(SealedUnit { lane: self.lane.clone(), entries, staged })
    }

    fn begin(&mut self, lanes: &Lanes, unit: &UnitToAppend<SharedOutput>) {
        if self.number != unit.lane {
            self.lane = lanes.lane(unit.lane);
            self.number = unit.lane;
        }
        self.first = unit.end.head;
        self.entries.clear();
        self.staged = None;
    }

    /// Keeps what is ready as far as it is the same as these entries. Returns how many that are.
    fn keep(&mut self, entries: &[NewEntry<SharedOutput>]) -> usize {
        let same =
            self.entries.iter().zip(entries).take_while(|((ready, _), entry)| ready == *entry);
        let same = same.count();
        self.entries.truncate(same);
        self.next = self.entries.back().map_or(self.first, |(_, made)| made.head());
        same
    }

    /// Makes an entry ready behind the others. Returns whether it can be sealed; if not, that is told when its unit is made.
    fn make(&mut self, lanes: &Lanes, entry: NewEntry<SharedOutput>) -> bool {
        let made = self.seal(lanes, &entry);
        let made = made.map(|made| self.entries.push_back((entry, made)));
        made.is_ok()
    }

    fn seal(
        &mut self,
        lanes: &Lanes,
        entry: &NewEntry<SharedOutput>,
    ) -> Result<NextEntry, SealError> {
        let name: &LaneName = &self.lane.lane().name;
        let made = lanes.entry(name, self.next.number() + 1, &entry.body);
        let (kind, envelope) = made.as_ref();
        let cursor = Some(entry.cursor).filter(|cursor| *cursor > Position::ZERO);
        self.lane.seal(&mut self.next, kind, envelope, cursor)
    }
}
