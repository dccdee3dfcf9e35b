//! The rule by which reactions are committed: one lane's state machine, without input or output.
//!
//! A [`Reactor`] is told what happens (an event was handled, a unit was stored or nobody knows, the lane was read) and says what is to
//! be done ([`Reactor::unit`], [`Reactor::is_behind`], [`Reactor::judge`]). It reads no clock and asks nobody. The runtime puts it on a
//! log; the simulation and the model checker drive the same code.
//!
//! # The rule
//! An instance appends only at the end of the lane that it knows ([`LaneView::end`]), so at most one unit ever follows an
//! end, whoever made it. Whatever else comes of an append than "stored" (somebody was first; no answer) has one consequence:
//! the instance reads the lane from the end it knew and folds what is there. What the lane has reacted to meanwhile is
//! dropped; what it has not is appended at the new end. If nothing is there, the unit is appended again under
//! the same condition, and a late copy of the first attempt then meets a lane that has moved on. So it never matters whose unit it was.
//!
//! `docs/adr/0007-reactions.md` goes through the interleavings.

use std::collections::VecDeque;

use colony_bus::lane::{LaneEnd, Receipt};
use colony_core::{EntityName, EventId, Position, Timestamp};

mod note;
mod parked;
mod queue;
mod view;
mod work;

pub use note::{
    CLOSED, CURSOR, CarriedEffect, Closing, DROPPED, EFFECT, EffectNote, EventNote, NOUN, Note,
    OPENED, Opening, PARKED, RESUMED, RETRIED, ResumedNote, TICKED, TickNote,
};
pub use parked::{ParkReason, Parked, ParkedEvent};
pub use view::{LaneStep, LaneView, Phase};
pub use work::{Body, NewEntry, UnitToAppend};

use queue::Queue;
use work::{Work, behind};

/// Most events of one lane that may be set aside. A lane that has as many waits until some are retried or dropped.
pub const MAX_PARKED: usize = 256;
/// Most recorded effects of events that are not yet reacted to, in one lane.
pub const MAX_EFFECTS: usize = 2_048;

/// The bounds of a reactor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Most entries of one unit; a single reaction may have no more.
    pub unit_entries: usize,
    /// Most entries done and not yet in the lane, before no further event is handled.
    pub waiting_entries: usize,
    /// Entries after which a lane is closed and another one goes on: the server's work for a condition grows with
    /// the subjects of the lane (`docs/adr/0004-lane-condition.md`).
    pub lane_entries: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { unit_entries: 256, waiting_entries: 1_024, lane_entries: 2_048 }
    }
}

/// What is to be done with the next event of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The lane has reacted to it: it only counts for the state.
    Past,
    /// Its entity has an event set aside: it has been set aside, too.
    Behind,
    /// It is to be handled.
    React,
    /// Nothing can be done about it before some of what is set aside is dealt with.
    Full,
}

/// What became of the recording of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectFate {
    /// It is on its way.
    Pending,
    /// A result is recorded here: this one or that of another instance, which counts.
    Recorded(Position),
    /// It will not be recorded: its event has been reacted to.
    Dropped,
}

/// The state machine of one lane. `O` is what an output is; it stays unopened here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reactor<O> {
    limits: Limits,
    partitions: u16,
    /// Where a lane begins in which nothing is.
    start: Position,
    view: LaneView,
    work: Queue<O>,
    /// The unit on its way, and how much of the work is in it.
    flight: Option<(UnitToAppend<O>, usize)>,
    /// Whether the lane may have moved on.
    behind: bool,
    /// Up to here every event was handled, though perhaps without a trace in the lane.
    reacted: Position,
    /// Whether one piece of work travels alone, because something in a unit was refused.
    alone: bool,
    /// Where the last change of a document stands that was found in the lane.
    changed: Position,
}

impl<O: Clone> Reactor<O> {
    /// Makes a reactor that knows nothing of its lane yet, and so is behind.
    ///
    /// A lane in which nothing is begins with the events past `start`.
    pub fn new(view: LaneView, partitions: u16, start: Position, limits: Limits) -> Self {
        Self {
            limits,
            partitions,
            start,
            reacted: view.cursor(),
            view,
            work: Queue::default(),
            flight: None,
            behind: true,
            alone: false,
            changed: Position::ZERO,
        }
    }

    /// Returns its bounds.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Returns what is known of the lane.
    pub fn view(&self) -> &LaneView {
        &self.view
    }

    /// Returns up to where every event was handled.
    pub fn reacted(&self) -> Position {
        self.reacted.max(self.view.cursor())
    }

    /// Returns whether the lane is to be read past its known end, and [`Reactor::caught_up`] told.
    pub fn is_behind(&self) -> bool {
        self.behind && self.flight.is_none()
    }

    /// Notes that another instance may have written.
    pub fn suspect(&mut self) {
        self.behind = true;
    }

    /// Returns whether everything done is in the lane.
    pub fn is_settled(&self) -> bool {
        self.work.is_empty() && self.flight.is_none()
    }

    /// Returns whether events were handled of which no entry tells, and none to come will.
    pub fn is_silent(&self) -> bool {
        self.reacted > self.work.reacted().max(self.view.cursor())
    }

    /// Returns whether another event may be handled.
    pub fn has_room(&self) -> bool {
        self.work.entries() < self.limits.waiting_entries
    }

    /// Returns what is to be done with the next event of the log.
    pub fn judge(&mut self, event: Position, entity: Option<&EntityName>) -> Verdict {
        if event <= self.reacted() {
            return Verdict::Past;
        }
        if self.view.parked().len() + self.work.parkings() >= MAX_PARKED {
            return Verdict::Full;
        }
        let Some(first) = self.ahead(event, entity) else { return Verdict::React };
        self.park(behind(event, entity.cloned(), first));
        Verdict::Behind
    }

    /// Returns an event that was set aside and is to be tried again.
    pub fn due(&self) -> Option<&ParkedEvent> {
        self.view.parked().due().find(|parked| !self.deals_with(parked.event))
    }

    /// Returns whether the handler's work on an event is still wanted.
    pub fn wants(&self, event: Position) -> bool {
        match self.view.parked().get(event) {
            Some(parked) => parked.due,
            None => event > self.view.cursor(),
        }
    }

    /// Returns where the last change of a document stands that was found in the lane, and so was made elsewhere.
    pub fn changed(&self) -> Position {
        self.changed
    }

    /// Returns whether the outputs of a reaction to an event wait to be stored.
    pub fn holds(&self, event: Position) -> bool {
        self.work.iter().any(|work| {
            matches!(work, Work::Reaction { .. } | Work::Resumption { .. })
                && work.event() == Some(event)
        })
    }

    /// Returns whether anything waits to be stored that deals with an event.
    pub fn deals_with(&self, event: Position) -> bool {
        let deals =
            |work: &Work<O>| work.event() == Some(event) && !matches!(work, Work::Effect { .. });
        self.work.iter().any(deals)
    }

    /// Takes the outputs of a reaction. Without any it leaves no trace for now: repeating it does no harm.
    ///
    /// Outputs that change documents say up to where they know what the lane changed before: their `grounds`, as
    /// [`Reactor::changed`] was when they were made. Such a reaction is the last one taken until it is stored. If the lane turns out to
    /// have changed documents since, it is dropped, and to be made again: [`Reactor::holds`] tells. Returns whether it was
    /// taken.
    #[must_use = "a reaction that was not taken is to be made again"]
    pub fn react(
        &mut self,
        event: Position,
        entity: Option<&EntityName>,
        outputs: Vec<O>,
        grounds: Option<Position>,
    ) -> bool {
        if grounds.is_some_and(|grounds| grounds < self.changed) {
            return false;
        }
        self.reacted = self.reacted().max(event);
        if !outputs.is_empty() {
            let entity = entity.cloned();
            self.work.push(Work::Reaction { event, entity, outputs, grounds });
        }
        true
    }

    /// Takes the outputs of a reaction to an event that was set aside, made from a state folded up to a position. For the rest as
    /// [`Reactor::react`].
    #[must_use = "a reaction that was not taken is to be made again"]
    pub fn resume(
        &mut self,
        event: Position,
        folded: Position,
        outputs: Vec<O>,
        grounds: Option<Position>,
    ) -> bool {
        if grounds.is_some_and(|grounds| grounds < self.changed) {
            return false;
        }
        let (note, reacted) = (ResumedNote { event, folded }, self.reacted());
        self.work.push(Work::Resumption { note, reacted, outputs, grounds });
        true
    }

    /// Sets an event aside, for the first time or again.
    pub fn park(&mut self, parked: ParkedEvent) {
        self.reacted = self.reacted().max(parked.event);
        self.work.push(Work::Parking { parked, reacted: self.reacted });
    }

    /// Takes the result of an effect, to be recorded before anything that comes of it. Returns whether there is room.
    pub fn record(&mut self, note: EffectNote, output: O) -> bool {
        let room = self.view.effects() < MAX_EFFECTS;
        if room {
            let reacted = self.reacted();
            self.work.push(Work::Effect { note, reacted, output });
        }
        room
    }

    /// Returns what became of an effect that was taken.
    pub fn effect(&self, id: &EventId) -> EffectFate {
        let pending = |work: &Work<O>| matches!(work, Work::Effect { note, .. } if note.id == *id);
        match self.view.effect(id) {
            Some(position) => EffectFate::Recorded(position),
            None if self.work.iter().any(pending) => EffectFate::Pending,
            None => EffectFate::Dropped,
        }
    }

    /// Returns the moment of a schedule's last tick, stored or to be stored.
    pub fn last_tick(&self, schedule: &EntityName) -> Option<Timestamp> {
        let waiting = self.work.iter().filter_map(|work| match work {
            Work::Tick { note, .. } if note.schedule == *schedule => Some(note.at),
            _ => None,
        });
        waiting.max().max(self.view.last_tick(schedule))
    }

    /// Takes a tick. One at or before the schedule's last changes nothing.
    pub fn tick(&mut self, note: TickNote) {
        if self.last_tick(&note.schedule) < Some(note.at) {
            let reacted = self.reacted();
            self.work.push(Work::Tick { note, reacted });
        }
    }

    /// Lets an entry tell how far was reacted, if none does.
    pub fn tell_cursor(&mut self) {
        if self.is_silent() {
            self.work.push(Work::Cursor { reacted: self.reacted });
        }
    }

    /// Returns the next unit to append, if there is something to append and the end of the lane is known.
    ///
    /// It counts as on its way until one of [`Reactor::stored`], [`Reactor::unsure`] or [`Reactor::refused`] is told.
    pub fn unit(&mut self) -> Option<UnitToAppend<O>> {
        if self.behind || self.flight.is_some() {
            return None;
        }
        let phase = self.view.phase();
        let (lane, end) = match phase {
            Phase::Empty | Phase::Open => (self.view.number(), self.view.end()),
            Phase::Closed => (self.view.number() + 1, LaneEnd::EMPTY),
        };
        let mut entries = match phase {
            Phase::Empty => {
                let opening = self.view.opening(self.partitions);
                vec![self.note(self.start, Note::Opened(opening))]
            }
            Phase::Closed => {
                let opening = self.view.opening(self.view.partitions());
                vec![self.note(self.view.cursor(), Note::Opened(opening))]
            }
            Phase::Open if self.work.is_empty() => return None,
            Phase::Open => Vec::new(),
        };
        let cursor = entries.last().map_or(self.view.cursor(), |entry| entry.cursor);
        let taken = self.take_work(0, lane, end.head.number(), cursor, &mut entries);
        let unit = UnitToAppend { lane, end, entries: entries.into() };
        self.flight = Some((unit.clone(), taken));
        Some(unit)
    }

    /// Makes the entries of a unit out of the work from a piece on, behind those of the lane, of which there are `number`. Where the lane
    /// is full with them, the last one closes it. Returns how many pieces they are.
    fn take_work(
        &self,
        from: usize,
        lane: u64,
        number: u64,
        mut cursor: Position,
        entries: &mut Vec<NewEntry<O>>,
    ) -> usize {
        let Limits { unit_entries, lane_entries, .. } = self.limits;
        let count = |entries: usize| number + u64::try_from(entries).unwrap_or(u64::MAX);
        let may_close = count(unit_entries) >= lane_entries;
        let room = if may_close { unit_entries - 1 } else { unit_entries };
        let mut taken = 0;
        for work in self.work.iter().skip(from) {
            if !entries.is_empty() && (entries.len() + work.len() > room || self.alone) {
                break;
            }
            cursor = cursor.max(work.reacted());
            work.entries(cursor, entries);
            taken += 1;
        }
        let may_go_along = entries.len() < unit_entries && !self.alone;
        if may_go_along && count(entries.len() + 1) >= lane_entries {
            entries.push(self.note(cursor, Note::Closed(Closing { next: lane + 1 })));
        }
        taken
    }

    /// Returns what the next unit will be if the one on its way is stored, once nothing more fits into it.
    pub fn next_unit(&self) -> Option<Vec<NewEntry<O>>> {
        let (unit, taken) = self.flight.as_ref()?;
        let last = unit.entries.last()?;
        if self.alone || matches!(last.body, Body::Note(Note::Closed(_))) {
            return None;
        }
        let number = unit.end.head.number() + u64::try_from(unit.entries.len()).ok()?;
        let mut entries = Vec::new();
        let pieces = self.take_work(*taken, unit.lane, number, last.cursor, &mut entries);
        (taken + pieces < self.work.len()).then_some(entries)
    }

    /// Returns the entries of a piece of the work behind the unit on its way, counted from 0: what the next unit goes on with, if the
    /// piece before has the cursor `before`, or that unit. None where there is no such piece.
    ///
    /// They may come to nothing: the next unit says itself what is in it.
    pub fn next_entries(&self, piece: usize, before: Option<Position>) -> Vec<NewEntry<O>> {
        let mut entries = Vec::new();
        if let Some((unit, taken)) = &self.flight
            && let Some(work) = self.work.get(taken + piece)
        {
            entries.reserve_exact(work.len());
            let of_unit = || unit.entries.last().map_or(Position::ZERO, |entry| entry.cursor);
            work.entries(before.unwrap_or_else(of_unit).max(work.reacted()), &mut entries);
        }
        entries
    }

    /// Notes that the unit on its way is stored, with one receipt per entry.
    pub fn stored(&mut self, receipts: &[Receipt]) {
        let Some((unit, taken)) = self.flight.take() else { return };
        if receipts.len() != unit.entries.len() {
            self.behind = true;
            return;
        }
        for (entry, receipt) in unit.entries.iter().zip(receipts) {
            let (end, note) = (LaneEnd::after(receipt), Some(entry.body.note()));
            self.view.fold(LaneStep { end, cursor: entry.cursor, note });
        }
        self.work.change(|work| drop(work.drain(..taken)));
        self.alone = false;
    }

    /// Notes that the unit on its way was not stored, or that nobody knows: the lane tells.
    pub fn unsure(&mut self) {
        self.flight = None;
        self.behind = true;
    }

    /// Notes that the log will never take the unit on its way as it is. Nothing of it is stored.
    ///
    /// What is to blame is found by appending each piece of work alone; the event that it is about is then set
    /// aside. Returns `false` if that does not help, because it is no reaction that was refused.
    pub fn refused(&mut self, reason: ParkReason) -> bool {
        let Some((unit, taken)) = self.flight.take() else { return true };
        let whole = self.work.iter().take(taken).map(Work::len).sum::<usize>();
        if taken > 1 || (taken == 1 && unit.entries.len() > whole) {
            self.alone = true;
            return true;
        }
        self.alone = false;
        let parked = match self.work.front().filter(|_| taken == 1) {
            Some(Work::Reaction { event, entity, .. }) => ParkedEvent {
                event: *event,
                entity: entity.clone(),
                reason,
                attempts: 1,
                due: false,
            },
            Some(Work::Resumption { note, .. }) => match self.view.parked().get(note.event) {
                Some(parked) => ParkedEvent { reason, attempts: 1, due: false, ..parked.clone() },
                None => return false,
            },
            Some(Work::Effect { .. }) => {
                // Whoever waits for it is told that it was dropped.
                self.work.change(VecDeque::pop_front);
                return true;
            }
            Some(Work::Parking { .. } | Work::Tick { .. } | Work::Cursor { .. }) | None => {
                return false;
            }
        };
        self.work.change(|work| {
            let reacted = work.pop_front().map_or(parked.event, |work| work.reacted());
            work.push_front(Work::Parking { parked, reacted });
        });
        self.keep_order();
        true
    }

    /// Takes what stands in the lane past its known end, in order.
    pub fn read(&mut self, step: LaneStep) {
        if step.note == Some(Note::Changes) {
            self.changed = self.changed.max(step.end.last);
        }
        self.view.fold(step);
    }

    /// Notes that the lane was read to its end. What the lane has reacted to is dropped.
    pub fn caught_up(&mut self) {
        self.behind = false;
        self.reacted = self.reacted();
        let view = &self.view;
        self.work.change(|work| {
            *work = std::mem::take(work).into_iter().filter_map(|w| w.upon(view)).collect();
        });
        self.drop_groundless();
        self.keep_order();
    }

    /// Drops the reaction that changes documents without knowing what the lane changed in some since.
    fn drop_groundless(&mut self) {
        let changed = self.changed;
        let before = self.work.len();
        self.work
            .change(|work| work.retain(|w| w.grounds().is_none_or(|grounds| grounds >= changed)));
        if self.work.len() < before {
            // It was the last one: everything before it is here or in the lane.
            self.reacted = self.work.reacted();
        }
    }

    /// Sets aside what was done for events behind one that was set aside since.
    fn keep_order(&mut self) {
        if self.work.parkings() == 0 && self.view.parked().is_empty() {
            return;
        }
        for index in 0..self.work.len() {
            let Some(Work::Reaction { event, entity, .. }) = self.work.get(index) else { continue };
            let (event, entity) = (*event, entity.clone());
            if let Some(first) = self.ahead(event, entity.as_ref()) {
                let parking =
                    Work::Parking { parked: behind(event, entity, first), reacted: event };
                self.work.change(|work| work.get_mut(index).map(|piece| *piece = parking));
            }
        }
    }

    /// Returns the last event of an entity before this one that is set aside, or will be.
    fn ahead(&self, event: Position, entity: Option<&EntityName>) -> Option<Position> {
        let entity = entity?;
        if self.work.parkings() == 0 {
            return self.view.parked().ahead(Some(entity), event);
        }
        let waiting = self.work.iter().filter_map(|work| match work {
            Work::Parking { parked, .. } => Some(parked),
            _ => None,
        });
        let same = waiting.filter(|p| p.event < event && p.entity.as_ref() == Some(entity));
        let waiting = same.map(|parked| parked.event).max();
        waiting.max(self.view.parked().ahead(Some(entity), event))
    }

    fn note(&self, cursor: Position, note: Note) -> NewEntry<O> {
        NewEntry { cursor, body: Body::Note(note) }
    }
}

#[cfg(test)]
mod tests;
