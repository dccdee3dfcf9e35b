//! The lanes of an agent in the log: their names, which one is the last, and what stands in them.

use std::sync::Arc;

use colony_bus::Bus;
use colony_bus::lane::{ConditionedLane, LaneEnd, StoredEntry};
use colony_bus::log::ReadError;
use colony_core::envelope::Envelope;
use colony_core::event::{Data, Event};
use colony_core::lane::LaneHead;
use colony_core::{Address, EventId, Kind, LaneName, Position};
use futures_util::StreamExt as _;

use crate::derived::{lane_entry_id, tick_id};
use crate::reaction::{Output, SharedOutput};
use crate::reactor::{
    Body, CLOSED, CURSOR, DROPPED, LaneStep, LaneView, Note, OPENED, PARKED, Phase, RESUMED,
    RETRIED, TICKED,
};

/// The lanes that follow one another for one partition of an agent's events.
#[derive(Debug, Clone)]
pub(crate) struct Lanes {
    bus: Bus,
    partition: u16,
}

impl Lanes {
    pub(crate) fn new(bus: Bus, partition: u16) -> Self {
        Self { bus, partition }
    }

    /// Returns the lane of a number, counted from 1.
    pub(crate) fn lane(&self, number: u64) -> ConditionedLane {
        self.bus.conditioned_lane(lane_name(self.partition, number))
    }

    /// Returns the number of the last lane in which something is, or 1.
    ///
    /// Lanes are numbered without holes, so it asks for a few of them only.
    pub(crate) async fn find(&self) -> Result<u64, ReadError> {
        let (mut there, mut step) = (1, 1);
        while self.exists(there + step).await? {
            there += step;
            step *= 2;
        }
        let mut missing = there + step;
        while missing - there > 1 {
            let middle = there + (missing - there) / 2;
            match self.exists(middle).await? {
                true => there = middle,
                false => missing = middle,
            }
        }
        Ok(there)
    }

    async fn exists(&self, number: u64) -> Result<bool, ReadError> {
        Ok(self.lane(number).last().await?.is_some())
    }

    /// Reads a part of what stands past what a view knows: the rest of its lane, or the beginning of the next.
    pub(crate) async fn past(&self, known: Known) -> Result<Vec<LaneStep>, ReadError> {
        let (lane, mut end) = match known.phase {
            Phase::Empty | Phase::Open => (self.lane(known.number), known.end),
            Phase::Closed => (self.lane(known.number + 1), LaneEnd::EMPTY),
        };
        let mut records = lane.read_after(end.last).await?;
        let mut steps = Vec::new();
        while let Some(record) = records.next().await {
            let step = step(record?, end.head);
            end = step.end;
            steps.push(step);
        }
        Ok(steps)
    }

    /// Returns what the last entry tells, looking on from a lane.
    pub(crate) async fn glimpse(&self, lane: u64) -> Result<Glimpse, ReadError> {
        let mut seen = Glimpse { lane, last: Position::ZERO, cursor: Position::ZERO };
        while let Some(StoredEntry { position, entry }) = self.lane(seen.lane).last().await? {
            seen.last = position;
            let Some(entry) = entry else { break };
            seen.cursor = seen.cursor.max(entry.envelope.cursor.unwrap_or(Position::ZERO));
            match Note::of(&entry) {
                Some(Note::Closed(closing)) if closing.next > seen.lane => seen.lane = closing.next,
                _ => break,
            }
        }
        Ok(seen)
    }

    /// Makes the entry that is to have a number in a lane, without its cursor.
    pub(crate) fn entry(
        &self,
        lane: &LaneName,
        number: u64,
        body: &Body<SharedOutput>,
    ) -> SharedOutput {
        match body {
            Body::Output(output) | Body::Effect(_, output) => Arc::clone(output),
            Body::Note(note @ Note::Tick(tick)) => {
                let id = tick_id(self.bus.agent(), &tick.schedule, tick.at);
                let (kind, mut envelope) = self.note(id, note);
                envelope.event.time = Some(tick.at.into());
                Arc::new((kind, envelope))
            }
            Body::Note(note) => {
                Arc::new(self.note(lane_entry_id(self.bus.agent(), lane, number), note))
            }
        }
    }

    /// Makes an entry of bookkeeping.
    pub(crate) fn note(&self, id: EventId, note: &Note) -> Output {
        let (ty, entity, data) = match note {
            Note::Parked(parked) => (PARKED, parked.entity.clone(), Data::json(parked)),
            Note::Resumed(resumed) => (RESUMED, None, Data::json(resumed)),
            Note::Retried(asked) => (RETRIED, None, Data::json(asked)),
            Note::Dropped(dropped) => (DROPPED, None, Data::json(dropped)),
            Note::Tick(tick) => (TICKED, Some(tick.schedule.clone()), Data::json(tick)),
            Note::Opened(opening) => (OPENED, None, Data::json(opening)),
            Note::Closed(closing) => (CLOSED, None, Data::json(closing)),
            Note::Cursor | Note::Output | Note::Changes | Note::Effect(_) => {
                (CURSOR, None, Ok(Data::None))
            }
        };
        #[expect(clippy::unwrap_used, reason = "the constants are types of events")]
        let mut event = Event::new(self.bus.agent().clone(), id, ty.parse().unwrap());
        event.entity = entity;
        // Notes are made of names, numbers and text: each has a JSON form.
        event.data = data.unwrap_or_default();
        let kind = match note {
            Note::Parked(_)
            | Note::Resumed(_)
            | Note::Retried(_)
            | Note::Dropped(_)
            | Note::Tick(_) => Kind::Event { ty: event.ty.clone(), entity: event.entity.clone() },
            Note::Opened(_)
            | Note::Closed(_)
            | Note::Cursor
            | Note::Output
            | Note::Changes
            | Note::Effect(_) => Kind::Cursor,
        };
        (kind, Envelope::from(event))
    }
}

/// How far an agent has come, as the last entry of its last lane tells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Glimpse {
    pub(crate) lane: u64,
    pub(crate) last: Position,
    pub(crate) cursor: Position,
}

/// As far as a lane is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    number: u64,
    phase: Phase,
    end: LaneEnd,
}

impl From<&LaneView> for Known {
    fn from(view: &LaneView) -> Self {
        Self { number: view.number(), phase: view.phase(), end: view.end() }
    }
}

fn step(stored: StoredEntry, head: LaneHead) -> LaneStep {
    let StoredEntry { position, entry } = stored;
    let Some(entry) = entry else {
        return LaneStep {
            end: LaneEnd { head, last: position },
            cursor: Position::ZERO,
            note: None,
        };
    };
    let end = LaneEnd { head: LaneHead::of(&entry).unwrap_or(head), last: position };
    let cursor = entry.envelope.cursor.unwrap_or(Position::ZERO);
    LaneStep { end, cursor, note: Note::of(&entry) }
}

/// Returns the share of the agent's events whose lane an entry stands in, if it is a lane of reactions.
pub(crate) fn partition_of_lane(address: &Address) -> Option<u16> {
    let Address::Lane { lane, .. } = address else { return None };
    let (partition, number) = lane.name.as_str().strip_prefix("react-")?.split_once('-')?;
    number.parse::<u64>().ok()?;
    partition.parse().ok()
}

/// Returns the name of a lane of reactions.
pub(crate) fn lane_name(partition: u16, number: u64) -> LaneName {
    #[expect(clippy::unwrap_used, reason = "letters, digits and hyphens are a name")]
    format!("react-{partition}-{number}").parse().unwrap()
}
