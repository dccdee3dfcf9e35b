//! An event-sourced, shared-state coordination bus for software agents on NATS JetStream and Automerge.

pub mod log;

mod jetstream;
pub mod memory;

#[doc(inline)]
pub use jetstream::{Credentials, JetStreamLog, ServerOptions, Storage};
#[doc(inline)]
pub use memory::{MemoryLog, MemoryOptions};
pub mod lane;
