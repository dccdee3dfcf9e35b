//! The agents that are measured, and what they are told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use colony_agents::{Agent, HandlerError, Interest, Reaction};
use colony_bus::Draft;
use colony_core::{Entry, EntryKind, EventType, Filter, Position};

use super::super::append::{data, draft};

/// Makes an event of a kind, of which there are several so that agents can have their own.
pub(super) fn asked(kind: usize) -> Draft {
    Draft::new(kind_of(kind)).data(data())
}

/// Selects the events of a kind.
pub(super) fn asked_filter(kind: usize) -> Filter {
    let (kinds, types) = ([EntryKind::Event].into(), [kind_of(kind)].into());
    Filter { kinds, types, ..Filter::default() }
}

fn kind_of(kind: usize) -> EventType {
    #[expect(clippy::unwrap_used, reason = "letters and a number are a type")]
    format!("bench.asked{kind}").parse().unwrap()
}

/// When handlers were given their events.
#[derive(Debug, Clone, Default)]
pub(super) struct Times(Arc<Mutex<BTreeMap<Position, Instant>>>);

impl Times {
    fn note(&self, event: Position) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.entry(event).or_insert_with(Instant::now);
    }

    /// Returns the microseconds since an event was given to its handler, and forgets it.
    pub(super) fn since(&self, event: Position) -> Option<f64> {
        let given = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&event)?;
        Some(given.elapsed().as_secs_f64() * 1e6)
    }
}

/// Answers each event with some others of its size, which are always the same, as those of the raw client are.
#[derive(Debug, Clone)]
pub(super) struct Answerer {
    pub(super) kind: usize,
    pub(super) outputs: u64,
    pub(super) answer: Draft,
    pub(super) times: Option<Times>,
}

impl Default for Answerer {
    fn default() -> Self {
        Self { kind: 0, outputs: 1, answer: draft(), times: None }
    }
}

impl Agent for Answerer {
    type State = ();

    fn interest(&self) -> Interest {
        Interest::in_types([kind_of(self.kind)])
    }

    async fn react(
        &self,
        (): &(),
        entry: &Entry,
        reaction: &mut Reaction,
    ) -> Result<(), HandlerError> {
        if let Some(times) = &self.times {
            times.note(entry.position);
        }
        for _ in 0..self.outputs {
            reaction.emit(self.answer.clone())?;
        }
        Ok(())
    }
}

/// Counts, and says so once in a thousand events.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counter;

impl Agent for Counter {
    type State = u64;

    fn interest(&self) -> Interest {
        Interest::in_types([kind_of(0)])
    }

    fn evolve(&self, count: &mut u64, _: &Entry) {
        *count += 1;
    }

    async fn react(
        &self,
        count: &u64,
        _: &Entry,
        reaction: &mut Reaction,
    ) -> Result<(), HandlerError> {
        if count.is_multiple_of(1_000) {
            reaction.emit(draft())?;
        }
        Ok(())
    }
}
