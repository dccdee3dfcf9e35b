//! Results from outside the log: asked for once, recorded, and served from the record.

use std::collections::BTreeMap;

use colony_core::envelope::Envelope;
use colony_core::event::{Cause, Data, Event};
use colony_core::{EffectName, EventId, Kind, Position};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};

use super::{Output, Patience, Reaction};
use crate::reactor::{EFFECT, EffectNote};

/// What an effect may pass on to whom it asks, so that the same question asked twice is known to be one.
///
/// Made of the agent, the event's author and id, and the effect's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(EventId);

impl IdempotencyKey {
    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl std::fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Why an effect has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EffectError {
    /// What was run failed. Nothing is recorded, so the next attempt runs it again.
    #[error("the effect failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The name is none.
    #[error(transparent)]
    Name(#[from] colony_core::name::NameError),
    /// The result has no JSON form, or what is recorded is no such result.
    #[error("the result of an effect cannot be written or read")]
    Result(#[from] serde_json::Error),
    /// The record could not be read.
    #[error("the recorded result of an effect cannot be read")]
    Record(#[from] colony_bus::EntryError),
    /// In a replay, the handler asks for what it did not ask for before. Nothing was run.
    #[error("the effect is not in the record")]
    NotInRecord,
    /// The result cannot be recorded: it is too large, or too many results are kept already.
    #[error("the result of an effect cannot be recorded")]
    NotRecorded,
}

/// A result to be recorded, and where to say what became of it.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) note: EffectNote,
    pub(crate) output: Output,
    pub(crate) answer: oneshot::Sender<Recorded>,
}

/// What became of a result.
#[derive(Debug)]
pub(crate) enum Recorded {
    /// It is recorded.
    Here,
    /// Another one is recorded here, and counts.
    There(Position),
    /// It cannot be.
    Nowhere,
}

/// Where results come from and go to.
#[derive(Debug)]
pub(crate) struct EffectSource {
    pub(crate) bus: colony_bus::Bus,
    /// Where results stand that are recorded for this event.
    pub(crate) recorded: BTreeMap<EventId, Position>,
    /// None in a replay: nothing is run there.
    pub(crate) recordings: Option<mpsc::Sender<Recording>>,
    /// The log may be away for longer than a handler may take.
    pub(crate) patience: Patience,
    /// How often each name was asked for.
    pub(crate) asked: BTreeMap<EffectName, u32>,
}

impl Reaction {
    /// Gets something from outside the log: runs `run` and records its result before anything comes of it; where a
    /// result is recorded already, returns that instead.
    ///
    /// So a retry, a takeover and a replay see what the first attempt saw. Between running and recording a process may
    /// die: then it runs again, with the same key. The key is made of the agent, the event's author and id, and the name; a name used
    /// again in one reaction gets another key by its count, so effects are to be asked for in the same order each time.
    ///
    /// # Errors
    /// [`EffectError`].
    ///
    /// # Cancel safety
    /// Dropped, the effect may have run and its result may be recorded.
    pub async fn effect<T, E, F>(
        &mut self,
        name: &str,
        run: impl FnOnce(IdempotencyKey) -> F,
    ) -> Result<T, EffectError>
    where
        T: Serialize + DeserializeOwned,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
        F: Future<Output = Result<T, E>>,
    {
        let name: EffectName = name.parse()?;
        let count = self.effects.asked.entry(name.clone()).or_default();
        *count += 1;
        let id = self.origin.effect_id(name.as_str(), *count);
        if let Some(position) = self.effects.recorded.get(&id) {
            return self.recorded(*position).await;
        }
        let Some(recordings) = self.effects.recordings.clone() else {
            return Err(EffectError::NotInRecord);
        };
        let result = run(IdempotencyKey(id.clone())).await;
        let result = result.map_err(|error| EffectError::Failed(error.into()))?;
        let output = self.effect_entry(&id, name, Data::json(&result)?);
        let note = EffectNote { id, event: self.cause.position };
        let (answer, answered) = oneshot::channel();
        let recording = Recording { note, output, answer };
        let waiting = self.effects.patience.wait();
        if recordings.send(recording).await.is_err() {
            return Err(EffectError::NotRecorded);
        }
        let answer = answered.await;
        drop(waiting);
        match answer {
            Ok(Recorded::Here) => Ok(result),
            Ok(Recorded::There(position)) => self.recorded(position).await,
            Ok(Recorded::Nowhere) | Err(_) => Err(EffectError::NotRecorded),
        }
    }

    /// Returns a key for the reaction as a whole, the same one whenever the event is reacted to.
    pub(crate) fn key(&self) -> IdempotencyKey {
        IdempotencyKey(self.origin.effect_id("", 0))
    }

    /// Returns what is recorded for the event, by name. Of a name used several times it is the first.
    pub(crate) async fn recorded_effects(
        &self,
    ) -> Result<BTreeMap<EffectName, Box<RawValue>>, EffectError> {
        let mut results = BTreeMap::new();
        let mut positions: Vec<_> = self.effects.recorded.values().copied().collect();
        positions.sort();
        let _waiting = self.effects.patience.wait();
        for position in positions {
            let entry = self.effects.bus.get(position).await?.ok_or(EffectError::NotRecorded)?;
            if let Some(Kind::Effect(name)) = entry.kind() {
                let result = entry.event().data.to_value()?;
                results.entry(name.clone()).or_insert(result);
            }
        }
        Ok(results)
    }

    async fn recorded<T: DeserializeOwned>(&self, position: Position) -> Result<T, EffectError> {
        let _waiting = self.effects.patience.wait();
        let entry = self.effects.bus.get(position).await?.ok_or(EffectError::NotRecorded)?;
        Ok(entry.event().data.to_value()?)
    }

    fn effect_entry(&self, id: &EventId, name: EffectName, data: Data) -> Output {
        #[expect(clippy::unwrap_used, reason = "the constants are names; so is what is named")]
        let (ty, entity) = (EFFECT.parse().unwrap(), name.as_str().parse().unwrap());
        let mut event = Event::new(self.agent().clone(), id.clone(), ty);
        let cause = self.cause.event();
        event.entity = Some(entity);
        event.time = Some(self.now().into());
        event.data = data;
        event.cause = Some(Cause {
            author: cause.author.clone(),
            id: cause.id.clone(),
            position: Some(self.cause.position),
        });
        event.correlation = Some(cause.correlation.clone().unwrap_or_else(|| cause.id.clone()));
        (Kind::Effect(name), Envelope::from(event))
    }
}
