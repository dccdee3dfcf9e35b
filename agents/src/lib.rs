//! Agents that react to events of a Colony space, each event once.
//!
//! An [`Agent`] says what it listens to, folds that into a state, and reacts. An [`Instance`] runs it on a
//! [`Bus`](colony_bus::Bus); any number of instances may run at once. What decides that nothing is done twice is in [`reactor`], which
//! has neither input nor output. A handler may be a command in any language ([`command`]). A [`Desk`] takes part in the
//! [protocols](protocol) of a space. Beside the runtime stand a recorded editing session that agents can act out again ([`recording`])
//! and a scribe who keeps a shared summary of events ([`summary`]).

mod agent;
mod derived;
mod group;
mod interest;
mod schedule;

pub mod reaction;
pub mod typed;

pub mod instance;
mod parked;
pub mod reactor;

mod fork;
mod standing;
mod verify;

pub mod command;
mod desk;

pub mod protocol;
pub mod ready;
pub mod recording;
pub mod summary;
pub mod team;
pub mod trial;

#[doc(inline)]
pub use crate::{
    agent::{Agent, HandlerError},
    desk::{Desk, DeskError, Told},
    fork::{Divergence, ForkError, bisect, compare, fork},
    instance::{
        Clock, Instance, InstanceError, InstanceNews, InstanceOptions, InstanceWatch, LaneStatus,
        Metrics, Preference, PresentInstance, Retry, Start,
    },
    interest::Interest,
    parked::{ParkedError, ParkedEvents},
    reaction::{
        DocumentOperation, EffectError, EmitError, IdempotencyKey, OperationError, Reaction,
        ReactionDocument, ReactionDocumentError,
    },
    schedule::{Missed, Schedule, ScheduleError},
    standing::{Beginning, LaneStanding, beginning, reacting, standing},
    verify::{Difference, Verified, VerifyError, VerifyRange, verify, verify_with},
};
