//! Agents that react to events of a Colony space, each event once.
//!
//! An [`Agent`] says what it listens to, folds that into a state, and reacts. An [`Instance`] runs it on a
//! [`Bus`](colony_bus::Bus); any number of instances may run at once. What decides that nothing is done twice is in [`reactor`], which
//! has neither input nor output. Beside the runtime stand a recorded editing session that agents can act out again ([`recording`])
//! and the fold of a scribe who keeps a shared summary of events ([`summary`]).

mod agent;
mod derived;
mod interest;
mod schedule;

pub mod reaction;
pub mod typed;

pub mod instance;
mod parked;
pub mod reactor;

mod fork;
mod verify;

pub mod protocol;
pub mod ready;
pub mod recording;
pub mod summary;
pub mod team;
pub mod trial;

#[doc(inline)]
pub use crate::{
    agent::{Agent, HandlerError},
    fork::{Divergence, ForkError, bisect, compare, fork},
    instance::{Clock, Instance, InstanceError, InstanceOptions, Preference, Retry, Start},
    interest::Interest,
    parked::{ParkedError, ParkedEvents},
    reaction::{EffectError, EmitError, IdempotencyKey, Reaction},
    schedule::{Missed, Schedule, ScheduleError},
    verify::{Difference, Verified, VerifyError, VerifyRange, verify},
};
