//! What an agent is for: from news to acts.

use colony_core::{AgentName, EntityName, Entry, Position, Timestamp};

use super::act::{Act, Say};
use super::space::Space;
use crate::protocol::directory::Card;
use crate::protocol::{CoordinationState, Json, Outcome, Protocol, Rejection, Slot};

/// What an agent is for.
///
/// It remembers nothing: what it needs to know is in the space, so that it may die and come back, or be two.
pub trait Role: Send + Sync + 'static {
    /// Returns what the agent announces of itself when it begins; `None` if it announces nothing. Who takes tasks names a
    /// capacity.
    fn card(&self) -> Option<Card>;

    /// Returns whether it hears of every event; else only of what it said itself, of mail to it, and of tasks that are its own.
    /// Default: false.
    fn hears_all(&self) -> bool {
        false
    }

    /// Returns whether it hears of time passing, some times a second. Default: if it hears of everything.
    fn hears_time(&self) -> bool {
        self.hears_all()
    }

    /// Returns what it does about something new. A function of its arguments.
    fn react(&self, view: &View<'_>, news: &News<'_>) -> Vec<Act>;
}

/// Something new for an agent.
#[derive(Debug, Clone, Copy)]
pub enum News<'a> {
    /// It begins, or comes back. Everything stored so far is known.
    Began,
    /// Something was said.
    Said(&'a Entry, &'a Outcome),
    /// It is the one to try a task first: the task is free, or its holder has been silent for too long.
    Turn(&'a EntityName),
    /// It holds a task, since just now or since before it came back.
    Holds {
        /// The task.
        task: &'a EntityName,
        /// The fence under which it is held.
        fence: Position,
    },
    /// Its work on a task has come to an end.
    Worked {
        /// The task.
        task: &'a EntityName,
        /// The fence under which it was held.
        fence: Position,
        /// What came of it, or why nothing did.
        result: Result<&'a Json, &'a str>,
    },
    /// Time has passed.
    Time,
}

/// What an agent looks at while it decides.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The agent.
    pub me: &'a AgentName,
    /// What everybody knows.
    pub space: &'a Space,
    /// What the agent believes the time to be.
    pub now: Timestamp,
}

impl View<'_> {
    /// Returns what was agreed.
    pub fn agreed(&self) -> &CoordinationState {
        self.space.agreed()
    }

    /// Decides a command, giving a reason: what to say, or nothing if something stands against it.
    pub fn decide<P>(&self, command: P::Command, why: &str) -> Vec<Act>
    where
        P: Protocol,
        CoordinationState: Slot<P>,
        Rejection: From<P::Rejection>,
    {
        match self.agreed().decide::<P>(command, self.me, Some(self.now)) {
            Ok(drafts) => {
                let say = |draft| Act::Say(Say { draft, why: why.to_owned() });
                drafts.into_iter().map(say).collect()
            }
            Err(rejection) => {
                tracing::debug!(agent = %self.me, %rejection, "nothing is said");
                Vec::new()
            }
        }
    }
}

impl Role for Box<dyn Role> {
    fn card(&self) -> Option<Card> {
        self.as_ref().card()
    }

    fn hears_all(&self) -> bool {
        self.as_ref().hears_all()
    }

    fn hears_time(&self) -> bool {
        self.as_ref().hears_time()
    }

    fn react(&self, view: &View<'_>, news: &News<'_>) -> Vec<Act> {
        self.as_ref().react(view, news)
    }
}
