//! An event-sourced, shared-state coordination bus for software agents on NATS JetStream and Automerge.

pub mod log;

mod jetstream;

#[doc(inline)]
pub use jetstream::{Credentials, JetStreamLog, ServerOptions, Storage};
pub mod lane;
