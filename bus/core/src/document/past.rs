//! Older versions of a document with counters.
//!
//! The library reads older versions by skipping the operations that came later. It takes an increment for something that
//! replaces the counter, so a counter that was ever incremented is missing from what it shows of an older version.
//! Where a document has such counters, the older version is therefore rebuilt from its changes, and read as the newest
//! version of that.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use automerge::{self as am, PatchLog};

use super::error::{LibraryError, ReadError};
use super::heads::{ActorId, Heads};
use super::operation::has_increment;
use super::patch::Patch;
use super::replica::{POSITIONS, Replica, TEXT_ENCODING};
use super::view::View;

/// What is known about the increments in a history: whether there is one, and up to which change it was searched.
#[derive(Debug, Default)]
pub(super) struct Increments(Mutex<(bool, usize)>);

impl Clone for Increments {
    fn clone(&self) -> Self {
        Self(Mutex::new(*self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Increments {
    /// Says whether any change increments a counter. The first call decodes the history, later ones what is new.
    fn exist_in(&self, doc: &am::Automerge) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.0 {
            let changes = doc.get_changes(&[]);
            known.0 = changes.iter().skip(known.1).any(|change| has_increment(change));
            known.1 = changes.len();
        }
        known.0
    }
}

impl Replica {
    /// Reads a version of the past.
    ///
    /// # Errors
    ///
    /// [`ReadError::UnknownHeads`].
    pub fn at(&self, heads: &Heads) -> Result<View<'_>, ReadError> {
        self.require(heads)?;
        let hashes = heads.to_am();
        if hashes == self.doc.get_heads() {
            return Ok(self.view());
        }
        if self.increments.exist_in(&self.doc) {
            return self.rebuild(heads).map(View::owned);
        }
        Ok(View::at(&self.doc, hashes))
    }

    /// Returns what leads from one version to another; they may stand in any relation.
    ///
    /// It costs time proportional to the whole document with its history. Between versions neither of which contains
    /// the other, counters that were incremented are missing from the result.
    ///
    /// # Errors
    ///
    /// [`ReadError::UnknownHeads`].
    pub fn diff(&self, from: &Heads, to: &Heads) -> Result<Vec<Patch>, ReadError> {
        self.require(from)?;
        self.require(to)?;
        let (before, after) = (from.to_am(), to.to_am());
        let not_in_after: BTreeSet<_> = hashes(&self.doc, &after);
        let onward = before.iter().all(|hash| !not_in_after.contains(hash));
        let patches = if onward && self.increments.exist_in(&self.doc) {
            let mut doc = self.rebuild(from)?;
            let mut log = PatchLog::active(POSITIONS);
            let news = self.doc.get_changes(&before).into_iter();
            let news = news.filter(|change| !not_in_after.contains(&change.hash())).cloned();
            doc.apply_changes_log_patches(news, &mut log).map_err(library)?;
            doc.make_patches(&mut log)
        } else {
            self.doc.diff(&before, &after, POSITIONS)
        };
        Ok(patches.into_iter().map(Patch::from_am).collect())
    }

    /// Makes a document of the changes of one version only.
    fn rebuild(&self, heads: &Heads) -> Result<am::Automerge, ReadError> {
        let later = hashes(&self.doc, &heads.to_am());
        let mut doc = am::Automerge::new_with_encoding(TEXT_ENCODING);
        doc.set_actor(ActorId::to_am(self.actor()));
        let changes = self.doc.get_changes(&[]).into_iter();
        let changes = changes.filter(|change| !later.contains(&change.hash())).cloned();
        doc.apply_changes(changes).map_err(library)?;
        Ok(doc)
    }
}

/// The changes that are not part of a version.
fn hashes(doc: &am::Automerge, heads: &[am::ChangeHash]) -> BTreeSet<am::ChangeHash> {
    doc.get_changes(heads).into_iter().map(am::Change::hash).collect()
}

fn library(error: am::AutomergeError) -> ReadError {
    ReadError::Library(LibraryError::from(error))
}
