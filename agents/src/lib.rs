//! Agents that react to events of a Colony space.
//!
//! Today: a recorded editing session that agents can act out again ([`recording`]), and the fold of a scribe who keeps
//! a shared summary of events ([`summary`]). The runtime that lets an agent react to each event exactly once stands on
//! `colony-bus` and has its place in this crate; the coordination protocols will be folders beside it.

pub mod protocol;
pub mod recording;
pub mod summary;
