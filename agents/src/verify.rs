//! Running a handler again over what was recorded: does it still do what it did?
//!
//! Nothing is appended and nothing outside is asked: results of effects come from the record, and a handler that asks for one
//! that is not there fails.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use colony_bus::{Bus, Cut, Entries, EntryError, Query};
use colony_core::event::Event;
use colony_core::{AgentName, Entry, EventId, Filter, Kind, Position};
use futures_util::StreamExt as _;
use tokio::time::Duration;

use crate::agent::Agent;
use crate::derived::partition_of;
use crate::instance::handling::{Bounds, Handled, Source, handle};
use crate::instance::lanes::partition_of_lane;
use crate::instance::memory::Memory;
use crate::reaction::{Concluded, Desk, Documents, EffectSource, GroundSource, Output, Patience};
use crate::reactor::{Note, ParkReason};

/// Which reactions to verify.
#[derive(Debug, Clone, Copy)]
pub struct VerifyRange {
    /// Reactions to events past this position. The state is folded from the beginning all the same.
    pub after: Position,
    /// Reactions to events at or before this position.
    pub until: Position,
    /// How long a handler may take.
    pub handler_timeout: Duration,
}

impl Default for VerifyRange {
    fn default() -> Self {
        let handler_timeout = Duration::from_secs(30);
        Self { after: Position::ZERO, until: Position::MAX, handler_timeout }
    }
}

/// What came of verifying an agent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Verified {
    /// Reactions that were run again.
    pub reactions: u64,
    /// Outputs that are as they were.
    pub outputs: u64,
    /// Events that were set aside, and so have no reaction to compare with.
    pub parked: u64,
    /// The first difference. Nothing behind it was looked at.
    pub difference: Option<Box<Difference>>,
}

/// Where a handler does something else than it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The event that was reacted to.
    pub event: Position,
    /// Which of the reaction's outputs, counted from 0.
    pub index: usize,
    /// What was recorded; `None` if nothing was.
    pub recorded: Option<Event>,
    /// What the handler says now; `None` if nothing.
    pub made: Option<Event>,
    /// Why the handler fails now, if it does.
    pub failed: Option<ParkReason>,
}

/// Why an agent could not be verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The log cannot be read.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The agent has never run.
    #[error("the agent {agent} has no lane of reactions in this space")]
    NeverRan {
        /// The agent.
        agent: AgentName,
    },
}

/// What was recorded of one reaction.
#[derive(Debug, Default)]
struct Recorded {
    outputs: Vec<Output>,
    effects: BTreeMap<EventId, Position>,
    parked: bool,
    /// Where the first output stands.
    first: Option<Position>,
}

/// A reaction to an event that had been set aside.
#[derive(Debug)]
struct Resumed {
    event: Position,
    folded: Position,
    outputs: Vec<Output>,
    /// Where the lane ended before it.
    end: Position,
    partition: u16,
}

/// Where a reaction was made: what it knew of documents.
#[derive(Debug, Clone, Copy)]
struct Place {
    partition: u16,
    /// Of everything at or before this position.
    until: Position,
    /// Of the lane's own changes up to here.
    end: Position,
}

impl Resumed {
    fn place(&self) -> Place {
        Place { partition: self.partition, until: self.folded, end: self.end }
    }
}

/// Reads the agent's lanes as far as is needed.
struct Record {
    entries: Entries,
    partitions: u16,
    cursors: BTreeMap<u16, Position>,
    /// Where the last entry stands that was read of each lane.
    ends: BTreeMap<u16, Position>,
    reactions: BTreeMap<Position, Recorded>,
    resumed: VecDeque<Resumed>,
    /// Effects of events that are set aside.
    kept: BTreeMap<Position, BTreeMap<EventId, Position>>,
    ended: bool,
}

/// Runs an agent's handler over what is recorded of the agent that a bus acts for.
///
/// Reads the log twice, side by side, and keeps what was recorded for the event at hand only, where all lanes
/// advance alike.
///
/// # Errors
/// [`VerifyError`].
pub async fn verify<A: Agent>(
    bus: &Bus,
    agent: A,
    range: VerifyRange,
) -> Result<Verified, VerifyError> {
    verify_with(bus, agent, range, |_| {}).await
}

/// As [`verify`]; `passed` is told how far it has come.
///
/// # Errors
/// [`VerifyError`].
pub async fn verify_with<A: Agent>(
    bus: &Bus,
    agent: A,
    range: VerifyRange,
    mut passed: impl FnMut(Position),
) -> Result<Verified, VerifyError> {
    let agent = Arc::new(agent);
    let mut record = Record::open(bus).await?;
    let mut memory = Memory::open(bus, &agent, 0, None, 1, Position::ZERO).await;
    let mut verified = Verified::default();
    let interest = agent.interest();
    let until = Some(Cut::Position(range.until));
    let query = Query { filter: interest.filter(), until, ..Query::default() };
    let mut inputs = bus.read(query).await.map_err(EntryError::Read)?;
    let desks: BTreeMap<u16, Desk> =
        (0..record.partitions).map(|partition| (partition, Desk::default())).collect();
    let run = |memory: &Memory<A>, source, recorded, at: Place| {
        let effects = EffectSource {
            bus: bus.clone(),
            recorded,
            recordings: None,
            patience: Patience::default(),
            asked: BTreeMap::new(),
        };
        let timeout = range.handler_timeout;
        let bounds = Bounds { timeout, max_hops: u32::MAX, max_outputs: usize::MAX };
        let desk = desks.get(&at.partition).cloned().unwrap_or_default();
        let ground = GroundSource::Record(at.end);
        let documents = Documents::new(bus.clone(), at.partition, at.until, ground, desk.clone());
        let (agent, bus) = (Arc::clone(&agent), bus.clone());
        let handling = handle(agent, memory.share(), source, effects, documents, bus, bounds);
        async move {
            let mut handled = handling.await;
            if let Handled::Done(Concluded { edited, .. }) = &mut handled
                && let Some(edited) = edited.take()
            {
                // They are what is recorded, or else nothing is looked at any more.
                desk.put_stored(edited, at.end);
            }
            handled
        }
    };
    while let Some(input) = inputs.next().await {
        let input = match input {
            Ok(input) => Arc::new(input),
            Err(EntryError::Unreadable { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        if !interest.selects(bus.agent(), &input) {
            continue;
        }
        let event = input.position;
        passed(event);
        let partition = partition_of(&input, record.partitions);
        let reacted = record.read_past(event, partition).await?;
        while record.resumed.front().is_some_and(|resumed| resumed.folded < event)
            && let Some(resumed) = record.resumed.pop_front()
        {
            let effects = record.kept.remove(&resumed.event).unwrap_or_default();
            if resumed.event > range.after {
                let handled =
                    run(&memory, Source::Log(resumed.event), effects, resumed.place()).await;
                if !verified.compare(resumed.event, &resumed.outputs, handled)? {
                    return Ok(verified);
                }
            }
        }
        memory.fold(&input);
        let recorded = record.reactions.remove(&event).unwrap_or_default();
        if recorded.parked {
            record.kept.insert(event, recorded.effects);
            verified.parked += 1;
        } else if reacted && event > range.after {
            let last = || record.ends.get(&partition).copied().unwrap_or(Position::ZERO);
            let end = recorded.first.unwrap_or_else(last);
            let end = Position::new(end.get().saturating_sub(1));
            let place = Place { partition, until: event, end };
            let handled = run(&memory, Source::Here(input), recorded.effects, place).await;
            if !verified.compare(event, &recorded.outputs, handled)? {
                return Ok(verified);
            }
        }
    }
    while record.step().await? {}
    for resumed in std::mem::take(&mut record.resumed) {
        let effects = record.kept.remove(&resumed.event).unwrap_or_default();
        if resumed.event > range.after && resumed.folded <= memory.folded() {
            let handled = run(&memory, Source::Log(resumed.event), effects, resumed.place()).await;
            if !verified.compare(resumed.event, &resumed.outputs, handled)? {
                return Ok(verified);
            }
        }
    }
    Ok(verified)
}

impl Verified {
    /// Compares what was recorded with what was made; returns whether they are the same.
    fn compare(
        &mut self,
        event: Position,
        recorded: &[Output],
        handled: Handled,
    ) -> Result<bool, VerifyError> {
        self.reactions += 1;
        let (made, failed) = match handled {
            Handled::Done(Concluded { outputs, edited: _ }) => (outputs, None),
            Handled::Failed { reason, .. } => (Vec::new(), Some(reason)),
            Handled::Unread(error) => return Err(error.into()),
        };
        for index in 0..recorded.len().max(made.len()).max(usize::from(failed.is_some())) {
            let of = |outputs: &[Output]| outputs.get(index).map(|(_, e)| e.event.clone());
            let (recorded, made) = (of(recorded), of(&made));
            if recorded != made || failed.is_some() {
                let difference = Difference { event, index, recorded, made, failed };
                self.difference = Some(Box::new(difference));
                return Ok(false);
            }
            self.outputs += 1;
        }
        Ok(true)
    }
}

impl Record {
    async fn open(bus: &Bus) -> Result<Self, VerifyError> {
        let filter = Filter::lanes_of(bus.agent().clone());
        let query = Query { filter, ..Query::default() };
        let mut record = Self {
            entries: bus.read(query).await.map_err(EntryError::Read)?,
            partitions: 0,
            cursors: BTreeMap::new(),
            ends: BTreeMap::new(),
            reactions: BTreeMap::new(),
            resumed: VecDeque::new(),
            kept: BTreeMap::new(),
            ended: false,
        };
        while record.partitions == 0 && record.step().await? {}
        match record.partitions {
            0 => Err(VerifyError::NeverRan { agent: bus.agent().clone() }),
            _ => Ok(record),
        }
    }

    /// Reads until everything is known that was recorded of an event. Returns whether the lane has reacted to it.
    async fn read_past(&mut self, event: Position, partition: u16) -> Result<bool, VerifyError> {
        let cursor =
            |record: &Self| record.cursors.get(&partition).copied().unwrap_or(Position::ZERO);
        while cursor(self) <= event && self.step().await? {}
        Ok(cursor(self) >= event)
    }

    /// Takes the next entry; returns whether there was one.
    async fn step(&mut self) -> Result<bool, VerifyError> {
        if self.ended {
            return Ok(false);
        }
        let entry = match self.entries.next().await {
            Some(Ok(entry)) => entry,
            Some(Err(EntryError::Unreadable { .. })) => return Ok(true),
            Some(Err(error)) => return Err(error.into()),
            None => {
                self.ended = true;
                return Ok(false);
            }
        };
        let Some(partition) = partition_of_lane(&entry.address) else { return Ok(true) };
        self.ends.insert(partition, entry.position);
        let cursor = entry.envelope.cursor.unwrap_or(Position::ZERO);
        let known = self.cursors.entry(partition).or_default();
        *known = cursor.max(*known);
        self.take(entry, partition);
        Ok(true)
    }

    fn take(&mut self, entry: Entry, partition: u16) {
        match Note::of(&entry) {
            Some(Note::Opened(opening)) => self.partitions = opening.partitions,
            Some(Note::Effect(note)) => match self.kept.get_mut(&note.event) {
                Some(kept) => drop(kept.insert(note.id, entry.position)),
                None => {
                    let reaction = self.reactions.entry(note.event).or_default();
                    reaction.effects.insert(note.id, entry.position);
                }
            },
            Some(Note::Parked(parked)) if !self.kept.contains_key(&parked.event) => {
                self.reactions.entry(parked.event).or_default().parked = true;
            }
            Some(Note::Resumed(note)) => {
                let (event, folded) = (note.event, note.folded);
                let end = Position::new(entry.position.get().saturating_sub(1));
                let outputs = Vec::new();
                self.resumed.push_back(Resumed { event, folded, outputs, end, partition });
            }
            Some(Note::Output | Note::Changes) => self.output(entry),
            Some(
                Note::Parked(_)
                | Note::Retried(_)
                | Note::Dropped(_)
                | Note::Tick(_)
                | Note::Cursor
                | Note::Closed(_),
            )
            | None => {}
        }
    }

    fn output(&mut self, entry: Entry) {
        let cause = entry.event().cause.as_ref().and_then(|cause| cause.position);
        let Some(event) = cause else { return };
        let Some(kind) = entry.kind().cloned() else { return };
        if matches!(kind, Kind::Cursor) {
            return;
        }
        let (position, output) = (entry.position, (kind, entry.envelope));
        match self.resumed.back_mut().filter(|resumed| resumed.event == event) {
            Some(resumed) => resumed.outputs.push(output),
            None => {
                let reaction = self.reactions.entry(event).or_default();
                reaction.first.get_or_insert(position);
                reaction.outputs.push(output);
            }
        }
    }
}
