//! Why a command did not react.

use std::ffi::OsString;
use std::io;
use std::process::ExitStatus;

use colony_core::cloudevents::CloudEventError;
use colony_core::document::ReadError;
use colony_core::{EffectName, Position};

use super::emission::EmissionError;
use super::protocol::{MAX_ANSWER_BYTES, MAX_EMITTED, Said};
use crate::reaction::{EffectError, EmitError, OperationError, ReactionDocumentError};

/// Why a command did not react to an event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// It cannot be started.
    #[error("the command {} cannot be started", program.display())]
    Start {
        /// The program.
        program: OsString,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It ended before it was done with the event.
    #[error("the command ended ({}) before it was done with the event", status.map_or_else(|| "its output, at least".to_owned(), |status| status.to_string()))]
    Ended {
        /// How; `None` if it only closed its output.
        status: Option<ExitStatus>,
    },
    /// It cannot be written to or read from.
    #[error("the command cannot be spoken to")]
    Pipe(#[source] io::Error),
    /// It wrote a line that is no answer.
    #[error("the command wrote a line that is no answer: {line:?}")]
    Line {
        /// The beginning of the line.
        line: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// It wrote too much.
    #[error("the command wrote more than {MAX_ANSWER_BYTES} bytes in answer to one event")]
    TooManyBytes,
    /// It emitted too much.
    #[error("the command emitted more than {MAX_EMITTED} events in answer to one")]
    TooManyEvents,
    /// It wrote something while it had no event to answer.
    #[error("the command wrote something before it was given the event: {line:?}")]
    Unasked {
        /// The beginning of what it wrote.
        line: String,
    },
    /// It says that it is done with another event.
    #[error(
        "the command says that it is done with the event at {actual}, but was given {expected}"
    )]
    WrongDone {
        /// The event that it was given.
        expected: Position,
        /// The event that it names.
        actual: Position,
    },
    /// It asked for an effect twice.
    #[error("the command asked for the effect {name} twice for one event")]
    AskedTwice {
        /// The effect.
        name: EffectName,
    },
    /// It brought the result of an effect that it had not asked for.
    #[error("the command ran the effect {name} without having asked for it")]
    NotAsked {
        /// The effect.
        name: EffectName,
    },
    /// It was told to run an effect and answered something else.
    #[error("the command was told to run the effect {name} and answered something else")]
    NoResult {
        /// The effect.
        name: EffectName,
    },
    /// It says that it cannot react.
    #[error("{message}")]
    Said {
        /// What it says.
        message: String,
        /// Whether trying again is of no use.
        lasting: bool,
    },
    /// What it wants to say is no event.
    #[error("what the command emits is no event")]
    Emission(#[from] EmissionError),
    /// What it wants to say is the runtime's.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// The document that it wants cannot be had.
    #[error(transparent)]
    Document(#[from] ReactionDocumentError),
    /// An edit of a document cannot be done.
    #[error("the command's edit of a document cannot be done")]
    Edit(#[from] OperationError),
    /// The document that it wants cannot be read.
    #[error("the document cannot be read")]
    View(#[source] ReadError),
    /// The result of an effect could not be had or recorded.
    #[error(transparent)]
    Effect(#[from] EffectError),
    /// The event has no form that the command could read.
    #[error("the event cannot be written as a CloudEvent")]
    Event(#[from] CloudEventError),
    /// A line for the command cannot be made.
    #[error("a line for the command cannot be made")]
    Frame(#[from] serde_json::Error),
}

impl From<Said> for CommandError {
    fn from(said: Said) -> Self {
        let Said { message, lasting } = said;
        Self::Said { message, lasting }
    }
}
