//! Coordination without a manager: protocols that every reader of the log computes alike.
//!
//! Nobody grants anything. An agent appends what it wants, reads the log up to its own entry, and knows, as everybody
//! else knows, what came of it. Three rules hold for all protocols:
//!
//! * **Order is the log's.** "First" means the lowest position.
//! * **Time is the log's.** A deadline has passed at an entry if the running maximum of recorded times is later
//!   ([`LogTime`]). No clock of a reader or an author decides anything.
//! * **Authors are the broker's.** Who said something is the author of its entry, never a field of what is said.
//!
//! Each protocol is a folder: `event` (what is said), `state` (what is folded), `evolve` (the rules), `decide` (what an
//! agent may want, acted out under the same rules), and tests that read as its specification. All of them are one fold,
//! [`Coordination`]. Nothing here has a clock, a network or a runtime.
//!
//! ```
//! use colony_agents::protocol::task::{Command, Offered, Tasks};
//! use colony_agents::protocol::{CoordinationState, Millis};
//!
//! let space = CoordinationState::default();
//! let work = serde_json::from_str::<Offered>(r#"{"what": "paint the fence"}"#)?;
//! let offer = Command::Offer("fence".parse()?, Box::new(work));
//! let drafts = space.decide::<Tasks>(offer, &"ann".parse()?, None)?;
//! assert_eq!(drafts[0].ty.as_str(), "task.offered");
//!
//! let claim = Command::Claim("fence".parse()?, Millis::from_secs(60));
//! let rejected = space.decide::<Tasks>(claim, &"bob".parse()?, None).unwrap_err();
//! assert_eq!(rejected.to_string(), "no task of this name was offered");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod canonical;
mod coordination;
mod draft;
mod ignored;
mod json;
pub mod limits;
mod payload;
mod rules;
mod schema;
mod signing;
mod time;

pub mod charter;

pub mod bidding;
pub mod task;

pub mod compensation;
pub mod contract;
pub mod directory;
pub mod gate;
pub mod handoff;
pub mod quota;
pub mod reputation;
pub mod schedule;
pub mod vote;

pub mod advice;
pub mod reunion;
pub mod tax;

pub mod workload;

pub use canonical::{CanonicalError, canonical};
pub use coordination::{Coordination, CoordinationState, Outcome, Rejection, Slot, types};
pub use draft::Draft;
pub use ignored::{Ignored, IgnoredEvents};
pub use json::Json;
pub use payload::{Malformed, PAYLOAD_VERSION, Payload};
pub use rules::{Context, Plan, Protocol};
pub use schema::SchemaError;
pub use signing::{Signature, SignatureTextError};
pub use time::{LogTime, Millis};

/// Returns the entity that stands for an agent.
pub fn entity_of(agent: &colony_core::AgentName) -> colony_core::EntityName {
    #[expect(clippy::expect_used, reason = "names of agents and entities obey the same limits")]
    agent.as_str().parse().expect("an agent's name is an entity's name")
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod purity;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod transitions;
