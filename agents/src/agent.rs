//! What an agent is: what it listens to, what it knows, what it does about an event.

use colony_core::Entry;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::interest::Interest;
use crate::reaction::Reaction;
use crate::schedule::Schedule;

/// An agent: it folds the events that it listens to into a state, and reacts to each of them once.
///
/// Its name is that of the [`Bus`](colony_bus::Bus) on which an [`Instance`](crate::Instance) of it runs.
pub trait Agent: Send + Sync + 'static {
    /// What the agent knows: a fold of the entries it listens to. Kept between runs, where the options say so. An agent
    /// that needs no knowledge takes `()`, and no history is read for it.
    type State: Default + Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Returns what the agent listens to. The same at each call.
    fn interest(&self) -> Interest;

    /// Takes an entry into the state. Total, and a function of its arguments alone: two instances that folded the same
    /// entries know the same.
    fn evolve(&self, state: &mut Self::State, entry: &Entry) {
        let _ = (state, entry);
    }

    /// Reacts to an entry, knowing the state with this very entry in it, and nothing later.
    ///
    /// What is done through the [`Reaction`] is stored whole and once, or not at all. It may be called more often than
    /// once for an event, also by several instances at a time; so what is done in other ways may be done twice. Time, randomness
    /// and results from outside are taken from the reaction, so that a replay sees the same.
    ///
    /// # Errors
    /// Whatever keeps it from reacting. It is called again after a pause, some times; then the event is set aside.
    ///
    /// # Cancel safety
    /// It is dropped at any `await` when another instance was faster, when it takes too long, or when the instance stops.
    fn react(
        &self,
        state: &Self::State,
        entry: &Entry,
        reaction: &mut Reaction,
    ) -> impl Future<Output = Result<(), HandlerError>> + Send;

    /// Returns when ticks come. The same at each call. Default: never.
    fn schedules(&self) -> Vec<Schedule> {
        Vec::new()
    }

    /// Returns the version of [`Agent::evolve`] and the state: what is kept of another version is not believed. Default 1.
    fn state_version(&self) -> u32 {
        1
    }
}

/// Why a handler could not react. Any error becomes one by `?`.
#[derive(Debug)]
pub struct HandlerError {
    source: Box<dyn std::error::Error + Send + Sync>,
    lasting: bool,
}

impl HandlerError {
    /// Makes an error that another attempt may not meet.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { source: error.into(), lasting: false }
    }

    /// Makes an error that will be the same next time: the event is set aside at once.
    pub fn lasting(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { source: error.into(), lasting: true }
    }

    /// Returns whether trying again is of no use.
    pub fn is_lasting(&self) -> bool {
        self.lasting
    }

    /// Returns the error with its causes, as text.
    pub fn message(&self) -> String {
        let mut text = self.source.to_string();
        let mut cause = self.source.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for HandlerError {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}
