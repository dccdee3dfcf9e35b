//! Colony without input or output: names, subjects, the envelope, documents and replay, as pure code.
//!
//! Nothing here has a runtime, a clock, entropy or a network: moments, randomness and ids come in as
//! arguments, and the same inputs give the same outputs. `colony-bus` puts it on a log.

pub mod limits;

pub mod name;
pub mod position;
pub mod timestamp;

pub mod digest;
pub mod event;
pub mod signature;

pub mod subject;

pub mod envelope;
pub mod filter;
pub mod lane;

pub mod document;

pub mod capture;
pub mod chunk;
pub mod cloudevents;
pub mod replay;

#[doc(inline)]
pub use crate::{
    cloudevents::CloudEventError,
    digest::Digest,
    envelope::{Entry, Envelope, SealedEntry},
    event::{Cause, Data, Event},
    filter::{EntryKind, Filter},
    name::{
        AgentName, DocumentName, EffectName, EntityName, EventId, EventType, LaneName, SpaceName,
    },
    position::Position,
    subject::{Address, Kind, Lane, Subject},
    timestamp::Timestamp,
};
