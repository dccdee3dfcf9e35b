//! P3, directory and liveness: who there is, what they can do, and whether they get anywhere.
//!
//! The log knows cards, retirements and revocations. Presence, which is no part of the log, knows who is connected; both
//! are put together by [`Liveness::of`]. See `docs/protocols/directory.md`.

mod a2a;
mod event;
mod liveness;
mod state;

pub use a2a::A2aError;
pub use event::{Card, DirectoryEvent, Retired, Revoked};
pub use liveness::{Liveness, Presence, Sight, Status};
pub use state::{Command, Directory, DirectoryState, Listed, Rejection, Standing};

#[cfg(test)]
mod tests;
