//! What a protocol is: events, a state, and one set of rules that judges both wishes and facts.

use colony_core::{AgentName, EntityName, Position};

use super::coordination::CoordinationState;
use super::draft::Draft;
use super::payload::Payload;
use super::reputation::Deed;
use super::time::LogTime;

/// Whose event is judged, where it stands, and what else is known there.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The author; the broker lets nobody else append under this name.
    pub author: &'a AgentName,
    /// Where the event stands. While deciding: the earliest place that it could have.
    pub position: Position,
    /// The log time there.
    pub time: LogTime,
    /// The states of the other protocols. A protocol never reads its own state here: it is empty while it evolves.
    pub space: &'a CoordinationState,
}

/// One protocol: its rules, over a state that everybody folds alike.
///
/// There is one place where a rule is written: [`Protocol::evolve`]. [`Protocol::decide`] acts a command out on a copy
/// of the little it concerns, so what it allows is what every reader accepts, unless somebody else comes first.
pub trait Protocol: Sized {
    /// The nouns of its event types: what stands before the dot.
    const NOUNS: &'static [&'static str];

    /// Its events.
    type Event: Payload + Clone;
    /// What an agent may want.
    type Command;
    /// What is folded.
    type State: Default;
    /// Why an event has no effect, or a command makes no event. Names what stood against it.
    type Rejection: std::error::Error;

    /// Says which events would carry out a command, and about what, without judging them.
    ///
    /// # Errors
    /// A rejection where the command refers to something that is not there.
    fn plan(
        state: &Self::State,
        command: Self::Command,
        context: &Context<'_>,
    ) -> Result<Plan<Self::Event>, Self::Rejection>;

    /// Returns a state that holds what the rules look at for these events, and little else: the copy to act them out on.
    fn excerpt(state: &Self::State, plan: &Plan<Self::Event>, context: &Context<'_>)
    -> Self::State;

    /// Takes an event into the state, or rejects it and changes nothing. Returns what it proves about agents.
    ///
    /// # Errors
    /// The rule that stands against the event: everybody ignores it.
    fn evolve(
        state: &mut Self::State,
        entity: &EntityName,
        event: Self::Event,
        context: &Context<'_>,
    ) -> Result<Vec<Deed>, Self::Rejection>;

    /// Decides a command: the events to append, or what stands against it.
    ///
    /// # Errors
    /// The rejection that every reader would give to the event.
    fn decide(
        state: &Self::State,
        command: Self::Command,
        context: &Context<'_>,
    ) -> Result<Vec<Draft>, Self::Rejection> {
        let plan = Self::plan(state, command, context)?;
        let mut copy = Self::excerpt(state, &plan, context);
        let Plan { entity, events } = plan;
        let mut context = *context;
        let mut drafts = Vec::with_capacity(events.len());
        for event in events {
            drafts.push(Draft::new(entity.clone(), &event));
            Self::evolve(&mut copy, &entity, event, &context)?;
            context.position = context.position.next();
        }
        Ok(drafts)
    }
}

/// The events that would carry out a command, all about one entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan<E> {
    /// What they are about.
    pub entity: EntityName,
    /// The events, in their order.
    pub events: Vec<E>,
}

impl<E> Plan<E> {
    /// Plans one event.
    pub fn one(entity: EntityName, event: E) -> Self {
        Self { entity, events: vec![event] }
    }
}
