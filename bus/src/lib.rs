//! An event-sourced, shared-state coordination bus for software agents on NATS JetStream and Automerge.
//!
//! A [`Bus`] is one process's part in a **space**: it publishes [`Draft`]s, reads and follows the log, and opens shared
//! documents. The log itself is a port, [`log::EventLog`], with two implementations: [`JetStreamLog`] and a memory log.

mod bus;
mod draft;
mod options;

pub mod lane;
pub mod query;

mod checkpoint;
mod replay;

pub mod document;
pub mod presence;

pub mod log;

mod jetstream;
pub mod memory;

#[doc(inline)]
pub use crate::{
    bus::{Bus, Published},
    checkpoint::Checkpoints,
    document::{
        Document, DocumentError, DocumentStatus, DocumentSummary, DurableEdit, EditOptions, Edited,
        Moment, Past, Update, Watch,
    },
    draft::{Draft, kind_of},
    jetstream::{Credentials, JetStreamLog, ServerOptions, Storage},
    lane::{Receipt, Sharing, WriteError},
    memory::{MemoryLog, MemoryOptions},
    options::BusOptions,
    presence::Presence,
    query::{Cut, Delivery, Entries, EntryError, Order, Query, Subscription},
};
pub use colony_core as core;
