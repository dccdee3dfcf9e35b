//! An event-sourced, shared-state coordination bus for software agents on NATS JetStream and Automerge.

pub mod log;
