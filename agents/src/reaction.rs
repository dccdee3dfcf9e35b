//! What an agent does in answer to one event.

use std::sync::Arc;

use colony_bus::{Draft, kind_of};
use colony_core::envelope::Envelope;
use colony_core::event::Trace;
use colony_core::{Entry, EventId, Kind, Timestamp};

use crate::derived::Origin;
use crate::reactor::{NOUN, TICKED};
use crate::typed::{self, EventSchema};

mod document;
mod effect;
mod hops;
mod patience;
mod trace;

pub(crate) use document::{Asking, Desk, Documents, Edited, GroundSource, Grounds};
pub use document::{DocumentOperation, OperationError, ReactionDocument, ReactionDocumentError};
pub use effect::{EffectError, IdempotencyKey};
pub(crate) use effect::{EffectSource, Recorded, Recording};
pub(crate) use hops::hops_of;
pub(crate) use patience::Patience;

/// One output of a reaction: where it stands in the lane, and what it says.
pub(crate) type Output = (Kind, Envelope);

/// An output on its way to the lane, where it is handed from hand to hand.
pub(crate) type SharedOutput = Arc<Output>;

/// Why something cannot be an output of a reaction.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// Events about reactions, and ticks, are the runtime's.
    #[error("{TICKED} and events of the noun \"{NOUN}\" are told by the runtime alone")]
    Reserved,
    /// The value is no event.
    #[error(transparent)]
    Schema(#[from] typed::SchemaError),
}

/// Everything that an agent does in answer to one event.
///
/// Events, mails and [edits of documents](Reaction::document). Nothing of it is stored before the handler has returned, except results
/// of [effects](Reaction::effect); then all of it is, next to each other and once, together with the mark that the event is dealt with.
#[derive(Debug)]
pub struct Reaction {
    origin: Origin,
    cause: Arc<Entry>,
    hops: u32,
    outputs: Vec<Output>,
    ids: u64,
    draws: u64,
    effects: EffectSource,
    documents: Documents,
}

/// What came of a handler's work.
#[derive(Debug)]
pub(crate) struct Concluded {
    pub(crate) outputs: Vec<Output>,
    /// The copies of documents that it edited, if it did.
    pub(crate) edited: Option<Edited>,
}

impl Reaction {
    pub(crate) fn new(
        origin: Origin,
        cause: Arc<Entry>,
        effects: EffectSource,
        documents: Documents,
    ) -> Self {
        let (hops, outputs) = (hops_of(cause.event()), Vec::new());
        Self { origin, cause, hops, outputs, ids: 0, draws: 0, effects, documents }
    }

    /// Says something: an event, or mail if it is addressed to somebody.
    ///
    /// Its cause and its story are those of the event that is reacted to, and so is its trace, in which the reaction is a span of
    /// its own; its time is when the event was recorded; its id is made of the agent, that event and the number of the output. What
    /// the draft has of its own stays.
    ///
    /// # Errors
    /// [`EmitError::Reserved`].
    pub fn emit(&mut self, draft: Draft) -> Result<(), EmitError> {
        let index = self.outputs.len();
        let id = self.origin.entry_id("output", u64::try_from(index).unwrap_or(u64::MAX));
        let agent = self.agent().clone();
        let draft = match self.trace() {
            Some(trace) => draft.traced_unless(trace),
            None => draft,
        };
        let mut event = draft.because_of(&self.cause).into_event(agent, id, self.now().into());
        if event.ty.noun() == NOUN || event.ty.as_str() == TICKED {
            return Err(EmitError::Reserved);
        }
        hops::count(&mut event, self.hops);
        // Most reactions have one output, and an output is large.
        self.outputs.reserve_exact(usize::from(self.outputs.is_empty()));
        self.outputs.push((kind_of(&event), Envelope::from(event)));
        Ok(())
    }

    /// Says a value.
    ///
    /// # Errors
    /// [`EmitError::Schema`] for a value that is no event.
    pub fn say<E: EventSchema>(&mut self, value: &E) -> Result<(), EmitError> {
        self.emit(typed::draft(value)?)
    }

    /// Returns the time of the reaction: when the event was recorded, by the log's clock.
    pub fn now(&self) -> Timestamp {
        self.cause.recorded
    }

    /// Returns 64 random bits: different ones at each call, and the same ones in the same order whenever and wherever the
    /// event is reacted to.
    pub fn random(&mut self) -> u64 {
        self.draws += 1;
        self.origin.random(self.draws)
    }

    /// Returns a new id, the same one whenever and wherever the event is reacted to.
    pub fn new_id(&mut self) -> EventId {
        self.ids += 1;
        self.origin.entry_id("id", self.ids)
    }

    /// Returns how many reactions in a row led to the event.
    pub fn hops(&self) -> u32 {
        self.hops
    }

    /// Returns the name of the agent that reacts.
    pub fn agent(&self) -> &colony_core::AgentName {
        self.origin.agent()
    }

    /// Returns the trace in which the reaction is a span, if the event carries one.
    fn trace(&self) -> Option<Trace> {
        let of_event = self.cause.event().trace.as_ref()?;
        trace::within(of_event, self.origin.entry_id("span", 0).as_str())
    }

    /// Returns everything done; `None` if a document's changes are too large to be stored.
    pub(crate) fn conclude(self) -> Option<Concluded> {
        let Self { origin, cause, hops, mut outputs, documents, .. } = self;
        let edited = documents.conclude(&origin, &cause, hops, &mut outputs)?;
        Some(Concluded { outputs, edited })
    }
}
