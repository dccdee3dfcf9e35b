//! What is known of a lane: a fold of its entries.

use std::collections::BTreeMap;

use colony_bus::lane::LaneEnd;
use colony_core::{EntityName, EventId, Position, Timestamp};

use super::note::{CarriedEffect, EffectNote, Note, Opening, TickNote};
use super::parked::{Parked, ParkedEvent};

/// What one entry of a lane changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LaneStep {
    /// Where the lane ends with it.
    pub end: LaneEnd,
    /// The cursor it carries.
    pub cursor: Position,
    /// What it means; `None` for what is no entry, or one that makes no sense.
    pub note: Option<Note>,
}

/// Whether a lane takes entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Nothing is in it.
    Empty,
    /// It takes entries.
    Open,
    /// Its last entry names the lane that goes on.
    Closed,
}

/// A lane as its entries tell: where it ends, how far it has reacted, what it has set aside.
///
/// Lanes follow one another: each is closed after a number of entries, and the next begins with what is needed of those before
/// it. So a view made of the entries of the last lane alone equals one made of all.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LaneView {
    number: u64,
    phase: Phase,
    end: LaneEnd,
    cursor: Position,
    partitions: u16,
    parked: Parked,
    ticks: BTreeMap<EntityName, Timestamp>,
    effects: BTreeMap<EventId, (Position, Position)>,
}

impl LaneView {
    /// Returns the view of the lane with this number, before any of its entries.
    pub fn before(number: u64) -> Self {
        Self {
            number,
            phase: Phase::Empty,
            end: LaneEnd::EMPTY,
            cursor: Position::ZERO,
            partitions: 0,
            parked: Parked::default(),
            ticks: BTreeMap::new(),
            effects: BTreeMap::new(),
        }
    }

    /// Returns which of the lanes that follow one another it is, counted from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Returns whether it takes entries.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Returns where it ends.
    pub fn end(&self) -> LaneEnd {
        self.end
    }

    /// Returns the position up to which every event was reacted to, or set aside.
    pub fn cursor(&self) -> Position {
        self.cursor
    }

    /// Returns over how many lanes the agent's events are spread, as the lane says; 0 before its first entry.
    pub fn partitions(&self) -> u16 {
        self.partitions
    }

    /// Returns the events set aside.
    pub fn parked(&self) -> &Parked {
        &self.parked
    }

    /// Returns the moment of a schedule's last tick.
    pub fn last_tick(&self, schedule: &EntityName) -> Option<Timestamp> {
        self.ticks.get(schedule).copied()
    }

    /// Returns where the result of an effect stands, if it is recorded and its event not yet reacted to.
    pub fn effect(&self, id: &EventId) -> Option<Position> {
        self.effects.get(id).map(|(recorded, _)| *recorded)
    }

    /// Returns where the results stand that are recorded for an event.
    pub fn effects_of(&self, event: Position) -> BTreeMap<EventId, Position> {
        let of = self.effects.iter().filter(|(_, (_, for_event))| *for_event == event);
        of.map(|(id, (recorded, _))| (id.clone(), *recorded)).collect()
    }

    /// Returns how many effects are recorded for events that are not yet reacted to.
    pub fn effects(&self) -> usize {
        self.effects.len()
    }

    /// Returns whether an event is still to be reacted to, in its turn or because it was set aside.
    pub fn awaits(&self, event: Position) -> bool {
        event > self.cursor || self.parked.get(event).is_some()
    }

    /// Returns what the lane after this one begins with.
    pub fn opening(&self, partitions: u16) -> Opening {
        let carried = |(id, (recorded, event)): (&EventId, &(Position, Position))| CarriedEffect {
            effect: EffectNote { id: id.clone(), event: *event },
            recorded: *recorded,
        };
        Opening {
            partitions,
            parked: self.parked.iter().cloned().collect(),
            ticks: self
                .ticks
                .iter()
                .map(|(schedule, at)| TickNote { schedule: schedule.clone(), at: *at })
                .collect(),
            effects: self.effects.iter().map(carried).collect(),
        }
    }

    /// Takes the lane's next entry into the view. One at or before its end changes nothing.
    ///
    /// The first entry of the lane after this one is taken when this one is closed.
    pub fn fold(&mut self, step: LaneStep) {
        let LaneStep { end, cursor, note } = step;
        if end.last <= self.end.last {
            return;
        }
        if self.phase == Phase::Closed {
            if !matches!(note, Some(Note::Opened(_))) {
                return;
            }
            self.number += 1;
        }
        self.end = end;
        let Some(note) = note else { return };
        if self.phase == Phase::Empty {
            self.phase = Phase::Open;
        }
        self.cursor = self.cursor.max(cursor);
        self.take(note, end.last);
        let (cursor, parked) = (self.cursor, &self.parked);
        self.effects.retain(|_, (_, event)| *event > cursor || parked.get(*event).is_some());
    }

    fn take(&mut self, note: Note, position: Position) {
        match note {
            Note::Output | Note::Changes | Note::Cursor => {}
            Note::Effect(EffectNote { id, event }) => {
                self.effects.entry(id).or_insert((position, event));
            }
            Note::Parked(parked) => self.parked.park(ParkedEvent { due: false, ..parked }),
            Note::Retried(asked) => self.parked.retry(asked.event),
            Note::Resumed(resumed) => self.parked.resolve(resumed.event),
            Note::Dropped(dropped) => self.parked.resolve(dropped.event),
            Note::Tick(TickNote { schedule, at }) => {
                let last = self.ticks.entry(schedule).or_insert(at);
                *last = at.max(*last);
            }
            Note::Closed(_) => self.phase = Phase::Closed,
            Note::Opened(Opening { partitions, parked, ticks, effects }) => {
                self.phase = Phase::Open;
                self.partitions = partitions;
                self.parked = parked.into_iter().collect();
                self.ticks = ticks.into_iter().map(|tick| (tick.schedule, tick.at)).collect();
                let carried = |carried: CarriedEffect| {
                    (carried.effect.id, (carried.recorded, carried.effect.event))
                };
                self.effects = effects.into_iter().map(carried).collect();
            }
        }
    }
}
