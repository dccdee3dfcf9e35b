//! The agent of the simulation: it counts, says up to three things, asks outside, edits a document, fails, hangs and panics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use colony_agents::{Agent, DocumentOperation, HandlerError, Interest, Reaction};
use colony_bus::Draft;
use colony_core::document::Path;
use colony_core::{DocumentName, Entry};
use serde::{Deserialize, Serialize};

use crate::chance::Chance;

/// What an input says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Input {
    /// Counted from 0.
    pub(crate) number: u64,
    /// How many outputs it asks for.
    pub(crate) outputs: u64,
    /// Whether a result from outside goes into them.
    pub(crate) effect: bool,
    /// Whether it is noted in the shared document.
    pub(crate) edit: bool,
    /// Whether it can never be handled.
    pub(crate) poison: bool,
}

/// What an output says: everything that a handler can know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Output {
    pub(crate) input: u64,
    pub(crate) index: u64,
    /// Inputs so far about the same entity, and in all.
    pub(crate) of_entity: u64,
    pub(crate) total: u64,
    pub(crate) random: u64,
    pub(crate) now: String,
    pub(crate) effect: Option<u64>,
    /// The inputs about the same entity that are noted in the document already, if it was looked at.
    pub(crate) noted: Option<Vec<u64>>,
}

/// The document in which inputs are noted, each under a key of its own.
pub(crate) fn ledger() -> DocumentName {
    "ledger".parse().unwrap()
}

/// Where an input is counted in the document.
pub(crate) fn noted_at(entity: &str, input: u64) -> String {
    format!("/{entity}-{input}")
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Counts {
    of_entity: BTreeMap<String, u64>,
    total: u64,
}

/// What the world outside the log saw: how often each question was asked, and with which key.
pub(crate) type Outside = Arc<Mutex<BTreeMap<u64, Vec<String>>>>;

/// The agent of the simulation.
#[derive(Debug)]
pub(crate) struct Actor {
    pub(crate) chance: Chance,
    pub(crate) outside: Outside,
    /// Failures, delays and panics, in a thousand handlings.
    pub(crate) trouble: u64,
    /// What this instance has had trouble with: never twice with the same input.
    pub(crate) troubled: Mutex<BTreeMap<u64, u32>>,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Trouble(&'static str);

impl Agent for Actor {
    type State = Counts;

    fn interest(&self) -> Interest {
        Interest::in_types(["input.came".parse().unwrap()])
    }

    fn evolve(&self, state: &mut Counts, entry: &Entry) {
        state.total += 1;
        let entity = entry.event().entity.as_ref().map_or("", |entity| entity.as_str());
        *state.of_entity.entry(entity.to_owned()).or_default() += 1;
    }

    async fn react(
        &self,
        state: &Counts,
        entry: &Entry,
        reaction: &mut Reaction,
    ) -> Result<(), HandlerError> {
        let input: Input = entry.event().data.to_value()?;
        self.trouble(input.number).await?;
        if input.poison {
            return Err(Trouble("poison").into());
        }
        let effect = match input.effect {
            true => Some(self.ask(input.number, reaction).await?),
            false => None,
        };
        let entity = entry.event().entity.clone();
        let noted = match input.edit {
            true => {
                let of = entity.as_ref().map_or("", |entity| entity.as_str());
                Some(self.note(of, input.number, reaction).await?)
            }
            false => None,
        };
        for index in 0..input.outputs {
            let of = entity.as_ref().map_or("", |entity| entity.as_str());
            let output = Output {
                input: input.number,
                index,
                of_entity: state.of_entity.get(of).copied().unwrap_or_default(),
                total: state.total,
                random: reaction.random(),
                now: reaction.now().to_string(),
                effect,
                noted: noted.clone(),
            };
            let mut draft = Draft::new("output.said".parse()?).json(&output)?;
            if let Some(entity) = &entity {
                draft = draft.about(entity.clone());
            }
            reaction.emit(draft)?;
        }
        Ok(())
    }
}

/// The same agent without a state: it counts nothing.
#[derive(Debug)]
pub(crate) struct Stateless(pub(crate) Actor);

impl Agent for Stateless {
    type State = ();

    fn interest(&self) -> Interest {
        self.0.interest()
    }

    async fn react(
        &self,
        (): &(),
        entry: &Entry,
        reaction: &mut Reaction,
    ) -> Result<(), HandlerError> {
        self.0.react(&Counts::default(), entry, reaction).await
    }
}

impl Actor {
    async fn trouble(&self, input: u64) -> Result<(), HandlerError> {
        if self.trouble == 0 {
            return Ok(());
        }
        self.chance.pause(50).await;
        if !self.chance.per_mille(self.trouble) {
            return Ok(());
        }
        let again = {
            let mut troubled = self.troubled.lock().unwrap();
            let count = troubled.entry(input).or_default();
            *count += 1;
            *count > 2
        };
        match self.chance.below(4) {
            _ if again => Ok(()),
            0 => std::panic::resume_unwind(Box::new("the handler panics".to_owned())),
            1 => {
                tokio::time::sleep(Duration::from_secs(3_600)).await;
                Ok(())
            }
            _ => Err(Trouble("for once").into()),
        }
    }

    /// Counts an input in the document. Returns the inputs of its entity that stood there.
    async fn note(
        &self,
        entity: &str,
        input: u64,
        reaction: &mut Reaction,
    ) -> Result<Vec<u64>, HandlerError> {
        let mut ledger = reaction.document(&ledger()).await?;
        let keys = ledger.view().keys(&Path::root())?;
        let of_entity = |key: &String| key.strip_prefix(entity)?.strip_prefix('-')?.parse().ok();
        let mut noted: Vec<u64> = keys.iter().filter_map(of_entity).collect();
        noted.sort_unstable();
        let path: Path = noted_at(entity, input).parse()?;
        self.chance.pause(30).await;
        ledger.apply(&[DocumentOperation::Increment { path, by: 1 }])?;
        self.chance.pause(30).await;
        Ok(noted)
    }

    /// Asks for a number that nobody can know before.
    async fn ask(&self, input: u64, reaction: &mut Reaction) -> Result<u64, HandlerError> {
        let answer = reaction.effect("ask", |key| async move {
            self.chance.pause(30).await;
            let answer = self.chance.below(1 << 40);
            self.outside.lock().unwrap().entry(input).or_default().push(key.to_string());
            self.chance.pause(30).await;
            Ok::<u64, Trouble>(answer)
        });
        Ok(answer.await?)
    }
}
