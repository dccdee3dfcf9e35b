//! Agents in any language: a handler that is a command of its own, spoken to in lines of JSON.
//!
//! A [`CommandAgent`] is an [`Agent`] like any other: its reactions are committed once, taken over, set aside and replayed in
//! the same way. The command is started once and given one event after another on its standard input; it answers on its
//! standard output. `docs/agent-protocol.md` holds the protocol.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use colony_core::cloudevents::entry_to_json;
use colony_core::{EffectName, Entry, Position};
use serde_json::value::RawValue;

use crate::agent::{Agent, HandlerError};
use crate::interest::Interest;
use crate::reaction::{EffectError, Reaction};
use crate::schedule::Schedule;

mod child;
mod children;
mod emission;
mod error;
mod protocol;
mod recorded;

pub use emission::EmissionError;
pub use error::CommandError;
pub use protocol::{MAX_ANSWER_BYTES, MAX_EMITTED, PROTOCOL_VERSION};
pub use recorded::RecordedEffects;

use child::Child;
use children::Children;
use protocol::{
    Answer, DocumentLine, Edits, EventLine, Named, Reading, RecordedLine, Reply, RunLine,
};

/// Most events whose attempts are counted at a time.
const MAX_COUNTED: usize = 1_024;

/// Which command an agent is, and what it hears.
#[derive(Debug, Clone)]
pub struct CommandOptions {
    /// The program: a path, or a name to be looked for as a shell does.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// What the agent listens to.
    pub interest: Interest,
    /// When ticks come.
    pub schedules: Vec<Schedule>,
    /// What the command is run for. Default: [`Purpose::Work`].
    pub purpose: Purpose,
}

/// What a command is run for. It is told, so that it keeps what it keeps beside the log as it is in a replay.
#[derive(Debug, Clone, Default)]
pub enum Purpose {
    /// To react.
    #[default]
    Work,
    /// To show what it would do. No effect is run: one that is neither in the space's record nor in this one is an error.
    Replay(RecordedEffects),
}

/// An agent whose handler is a command.
///
/// Each lane of an instance has a process of its own, started when it is first needed, and started again after a pause that grows when it
/// has died. A process whose answer is no longer wanted is killed with all that it has started: because another
/// instance was faster, because it takes too long, or because it said something that makes no sense. It keeps no state in
/// the log's sense.
#[derive(Debug, Clone)]
pub struct CommandAgent {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    interest: Interest,
    schedules: Vec<Schedule>,
    purpose: Purpose,
    children: Children,
    /// How often each event was handed out that is not yet reacted to.
    attempts: Mutex<BTreeMap<Position, u32>>,
}

impl CommandAgent {
    /// Starts the command, to see whether that can be done.
    ///
    /// # Errors
    /// [`CommandError::Start`].
    pub fn start(options: CommandOptions) -> Result<Self, CommandError> {
        let CommandOptions { program, arguments, interest, schedules, purpose } = options;
        let children = Children::new(program, arguments);
        children.put(children.start()?);
        let attempts = Mutex::default();
        let shared = Shared { interest, schedules, purpose, children, attempts };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Lets the processes that have nothing to do end: closes their input, waits a moment, and kills those still there.
    ///
    /// To be called after the instance was stopped. Without it they are killed when the agent is dropped.
    pub async fn close(self) {
        self.shared.children.close().await;
    }

    /// Hands an event out and takes the answers, up to the one that says that it is done.
    async fn converse(
        &self,
        child: &mut Child,
        entry: &Entry,
        reaction: &mut Reaction,
    ) -> Result<(), CommandError> {
        let position = entry.position;
        let effects = reaction.recorded_effects().await?;
        let event = RawValue::from_string(entry_to_json(entry)?)?;
        let line = EventLine {
            colony: PROTOCOL_VERSION,
            position,
            attempt: self.count(position),
            replay: matches!(self.shared.purpose, Purpose::Replay(_)),
            key: reaction.key().to_string(),
            now: reaction.now(),
            random: format!("{:016x}", reaction.random()),
            effects,
            event: &event,
        };
        child.hand(&line).await?;
        let (mut asked, mut emitted) = (BTreeSet::new(), 0);
        loop {
            match child.answer().await? {
                Answer::Emit(event) => {
                    emitted += 1;
                    if emitted > MAX_EMITTED {
                        return Err(CommandError::TooManyEvents);
                    }
                    reaction.emit(emission::draft(reaction.agent(), &event)?)?;
                }
                Answer::Edit(Edits { document, operations }) => {
                    reaction.document(&document).await?.apply(&operations)?;
                }
                Answer::Read(Reading { document }) => {
                    let value = reaction.document(&document).await?.view().to_json();
                    let value = value.map_err(CommandError::View)?;
                    child.send(&Reply::Document(DocumentLine { document, value })).await?;
                }
                Answer::Ask(Named { name }) => {
                    if !asked.insert(name.clone()) {
                        return Err(CommandError::AskedTwice { name });
                    }
                    let purpose = &self.shared.purpose;
                    let result = effect(child, reaction, position, &name, purpose).await?;
                    child.send(&Reply::Recorded(RecordedLine { name, result })).await?;
                }
                Answer::Record(record) => {
                    return Err(CommandError::NotAsked { name: record.name });
                }
                Answer::Log(text) => tracing::info!(%position, %text, "the command says"),
                Answer::Error(said) => return Err(said.into()),
                Answer::Done(actual) if actual == position => return Ok(()),
                Answer::Done(actual) => {
                    return Err(CommandError::WrongDone { expected: position, actual });
                }
            }
        }
    }

    /// Returns how often the event has been handed out, this time included.
    fn count(&self, event: Position) -> u32 {
        let mut attempts = self.attempts();
        // Events that somebody else has reacted to are forgotten at last.
        if attempts.len() >= MAX_COUNTED {
            attempts.pop_first();
        }
        let attempt = attempts.entry(event).or_default();
        *attempt += 1;
        *attempt
    }

    fn attempts(&self) -> MutexGuard<'_, BTreeMap<Position, u32>> {
        self.shared.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Agent for CommandAgent {
    type State = ();

    fn interest(&self) -> Interest {
        self.shared.interest.clone()
    }

    fn schedules(&self) -> Vec<Schedule> {
        self.shared.schedules.clone()
    }

    async fn react(
        &self,
        _: &(),
        entry: &Entry,
        reaction: &mut Reaction,
    ) -> Result<(), HandlerError> {
        let mut child = self.shared.children.take().await?;
        match self.converse(&mut child, entry, reaction).await {
            Ok(()) => {
                self.attempts().remove(&entry.position);
                self.shared.children.succeeded();
                self.shared.children.put(child);
                Ok(())
            }
            // It knows what it says, and waits for the next event.
            Err(error @ CommandError::Said { lasting, .. }) => {
                self.shared.children.succeeded();
                self.shared.children.put(child);
                Err(match lasting {
                    true => HandlerError::lasting(error),
                    false => HandlerError::new(error),
                })
            }
            Err(error) => {
                self.shared.children.failed();
                Err(HandlerError::new(error))
            }
        }
    }
}

/// Gets the result of an effect: from the record, or from the command, recorded.
async fn effect(
    child: &mut Child,
    reaction: &mut Reaction,
    event: Position,
    name: &EffectName,
    purpose: &Purpose,
) -> Result<Box<RawValue>, CommandError> {
    let run = |key: crate::reaction::IdempotencyKey| async move {
        if let Purpose::Replay(recorded) = purpose {
            return recorded.get(event, name).ok_or(EffectError::NotInRecord.into());
        }
        child.send(&Reply::Run(RunLine { name: name.clone(), key: key.to_string() })).await?;
        loop {
            match child.answer().await? {
                Answer::Record(record) if record.name == *name => return Ok(record.result),
                Answer::Log(text) => tracing::info!(%name, %text, "the command says"),
                Answer::Error(said) => return Err(said.into()),
                Answer::Emit(_)
                | Answer::Edit(_)
                | Answer::Read(_)
                | Answer::Ask(_)
                | Answer::Record(_)
                | Answer::Done(_) => {
                    return Err(CommandError::NoResult { name: name.clone() });
                }
            }
        }
    };
    match reaction.effect(name.as_str(), run).await {
        Ok(result) => Ok(result),
        Err(EffectError::Failed(source)) => Err(match source.downcast::<CommandError>() {
            Ok(error) => *error,
            Err(source) => EffectError::Failed(source).into(),
        }),
        Err(error) => Err(error.into()),
    }
}
