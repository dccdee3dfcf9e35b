//! Shared documents: replicas that merge whatever order changes arrive in.
//!
//! A [`Replica`] is one copy of a document. Others' changes go in by [`Replica::apply`]; edits are made by path with
//! [`Replica::edit`] and give a [`Change`] to send. [`View`] reads the newest version or any of the past. Conflicts are
//! values, not errors.
//!
//! Everything here is pure: time, actors and bytes come in as arguments, and equal inputs give equal outputs, byte for
//! byte. It is the only place that names the document library (Automerge); the version is a measured choice, see
//! `docs/adr/0002-automerge-version.md`.

mod backlog;
mod blame;
mod change;
mod check;
mod cursor;
mod edit;
mod error;
mod heads;
mod marks;
mod operation;
mod overlap;
mod parked;
mod past;
mod patch;
mod path;
mod read;
mod replica;
mod typed;
mod undo;
mod value;
mod view;

pub use autosurgeon::{Hydrate, Reconcile};

pub use backlog::Backlog;
pub use blame::{BlameSpan, Conflict, FieldBlame, Origin};
pub use change::{Change, ChangeInfo, DecodeError, MAX_CHANGE_BYTES, Malformed};
pub use cursor::{Cursor, CursorError};
pub use edit::Edit;
pub use error::{ApplyError, EditError, LibraryError, LoadError, ReadError, Refusal};
pub use heads::{ActorId, ChangeHash, Heads, NameError};
pub use marks::{Expand, Mark};
pub use overlap::{OVERLAP_DISTANCE, Overlap, Side};
pub use parked::{MAX_PARKED_BYTES, MAX_PARKED_CHANGES};
pub use patch::{Patch, PatchAction};
pub use path::{Path, PathError};
pub use replica::{Applied, Replica};
pub use value::{Kind, Value};
pub use view::View;

#[cfg(test)]
mod tests;
