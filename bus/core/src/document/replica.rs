//! One copy of a document.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::patches::TextRepresentation;
use automerge::{self as am, PatchLog, ReadDoc, transaction::CommitOptions};
use jiff::Timestamp;

use super::change::{self, Change, ChangeInfo};
use super::check::Actors;
use super::edit::Edit;
use super::error::{ApplyError, EditError, LoadError, ReadError, Refusal};
use super::heads::{ActorId, ChangeHash, Heads};
use super::parked::Parked;
use super::past::Increments;
use super::patch::Patch;
use super::view::View;

pub(super) const TEXT_ENCODING: am::TextEncoding = am::TextEncoding::UnicodeCodePoint;
pub(super) const POSITIONS: TextRepresentation = TextRepresentation::String(TEXT_ENCODING);

/// How many refused changes are remembered, so that what depends on them is not waited for.
const MAX_REMEMBERED_REFUSALS: usize = 4_096;
/// How often a document is rebuilt without a change that broke the library, before it is given up.
const MAX_REBUILDS: u32 = 8;

/// One copy of a document: an Automerge document fed from a log.
///
/// It has no clock, no randomness and no input or output of its own. Changes go in by [`Replica::apply`], in any order
/// and any number of times; the replicas that were given the same set of changes are equal. Local edits give changes
/// out. The history is held once, by the library; a replica adds an entry for each actor and the parked changes to it.
///
/// ```
/// use colony_core::document::{ActorId, Change, Path, Replica, Value};
/// use jiff::Timestamp;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let text: Path = "/text".parse()?;
/// let mut ann = Replica::new(ActorId::new(*b"ann-000000000001")?);
/// let mut bob = Replica::new(ActorId::new(*b"bob-000000000001")?);
///
/// let (_, change) = ann.edit(Timestamp::UNIX_EPOCH, Some("event-1"), |edit| {
///     edit.set(&text, Value::Text("colony".into()))
/// })?;
/// let bytes = change.ok_or("the edit is not empty")?.encode();
/// bob.apply([Change::decode(&bytes)?])?;
/// assert_eq!(bob.view().text(&text)?, "colony");
/// assert_eq!(bob.heads(), ann.heads());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Replica {
    pub(super) doc: am::Automerge,
    actor: ActorId,
    actors: Actors,
    parked: Parked,
    refused: BTreeMap<ChangeHash, Refusal>,
    rebuilds: u32,
    poisoned: bool,
    pub(super) increments: Increments,
}

/// What became of the changes given to [`Replica::apply`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied {
    /// The changes that are now part of the document, in the order of application, released ones included.
    pub applied: Vec<ChangeHash>,
    /// How many changes were here already.
    pub duplicates: usize,
    /// How many changes wait for others now, in all.
    pub parked: usize,
    /// The changes that will never be part of this document, and why.
    pub refused: Vec<(ChangeHash, Refusal)>,
}

impl Replica {
    /// Makes an empty document.
    ///
    /// `actor` writes this copy's edits, and no other copy may ever use it: see [`ActorId`].
    pub fn new(actor: ActorId) -> Self {
        let mut doc = am::Automerge::new_with_encoding(TEXT_ENCODING);
        doc.set_actor(actor.to_am());
        Self::around(doc, actor)
    }

    /// Opens what [`Replica::save`] made, with or without the result of [`Replica::save_after`] behind it.
    ///
    /// The heads are recomputed from the content, so bytes that open are the document that their heads name.
    ///
    /// # Errors
    ///
    /// [`LoadError`] for any bytes that are not a document. Never panics.
    pub fn load(actor: ActorId, bytes: &[u8]) -> Result<Self, LoadError> {
        let (document, changes) = change::split_document(bytes)?;
        let mut replica = if document.is_empty() {
            Self::new(actor)
        } else {
            let options = am::LoadOptions::new()
                .verification_mode(am::VerificationMode::Check)
                .text_encoding(TEXT_ENCODING);
            let load = || am::Automerge::load_with_options(document, options);
            let mut doc = catch_unwind(AssertUnwindSafe(load))
                .map_err(|_| LoadError::Malformed)?
                .map_err(|error| LoadError::Library(error.into()))?;
            doc.set_actor(actor.to_am());
            Self::around(doc, actor)
        };
        let applied = replica.apply(Change::decode_all(changes)?)?;
        match applied.refused.into_iter().next() {
            Some((_, refusal)) => Err(LoadError::Refused(refusal)),
            None => Ok(replica),
        }
    }

    /// Makes a copy that writes as another actor. Parked changes are copied too.
    ///
    /// It costs the memory of a second history.
    pub fn fork(&self, actor: ActorId) -> Self {
        let mut fork = self.clone();
        fork.doc.set_actor(actor.to_am());
        fork.actor = actor;
        fork
    }

    fn around(doc: am::Automerge, actor: ActorId) -> Self {
        let actors = Actors::of(&doc);
        let (parked, refused) = (Parked::default(), BTreeMap::new());
        Self {
            doc,
            actor,
            actors,
            parked,
            refused,
            rebuilds: 0,
            poisoned: false,
            increments: Increments::default(),
        }
    }

    /// Takes changes into the document, in any order; those that were taken before do nothing.
    ///
    /// A change whose dependencies have not all arrived is parked, and applied when they have: see
    /// [`Replica::missing`]. One that is well formed but cannot belong to this document is refused, and listed. Giving
    /// many changes at once costs the same per change as giving them one by one.
    ///
    /// # Errors
    ///
    /// [`ApplyError::TooManyParked`], [`ApplyError::Poisoned`]. Earlier changes of the call stay applied.
    pub fn apply(
        &mut self,
        changes: impl IntoIterator<Item = Change>,
    ) -> Result<Applied, ApplyError> {
        self.apply_logged(changes, &mut PatchLog::inactive(POSITIONS))
    }

    /// Takes changes in as [`Replica::apply`] does, and says what that did to what the document shows.
    ///
    /// It costs about what [`Replica::apply`] does, where [`Replica::diff`] walks the whole document.
    ///
    /// # Errors
    ///
    /// As [`Replica::apply`]; then what the earlier changes of the call did is not told.
    pub fn apply_watched(
        &mut self,
        changes: impl IntoIterator<Item = Change>,
    ) -> Result<(Applied, Vec<Patch>), ApplyError> {
        let (before, rebuilds) = (self.heads(), self.rebuilds);
        let mut log = PatchLog::active(POSITIONS);
        let applied = self.apply_logged(changes, &mut log)?;
        // What was logged refers to a document that a rebuild has replaced.
        if self.rebuilds != rebuilds {
            let diff = self.diff(&before, &self.heads());
            return diff.map(|patches| (applied, patches)).map_err(|_| ApplyError::Poisoned);
        }
        let patches = self.doc.make_patches(&mut log);
        Ok((applied, patches.into_iter().map(Patch::from_am).collect()))
    }

    fn apply_logged(
        &mut self,
        changes: impl IntoIterator<Item = Change>,
        log: &mut PatchLog,
    ) -> Result<Applied, ApplyError> {
        let mut outcome = Applied::default();
        let mut ready = VecDeque::new();
        for change in changes {
            ready.push_back(change);
            while let Some(change) = ready.pop_front() {
                self.admit(change, &mut ready, &mut outcome, log)?;
            }
        }
        outcome.parked = self.parked.len();
        Ok(outcome)
    }

    fn admit(
        &mut self,
        change: Change,
        ready: &mut VecDeque<Change>,
        outcome: &mut Applied,
        log: &mut PatchLog,
    ) -> Result<(), ApplyError> {
        if self.poisoned {
            return Err(ApplyError::Poisoned);
        }
        let hash = change.hash();
        if self.contains(&hash) || self.parked.contains(&hash) {
            outcome.duplicates += 1;
            return Ok(());
        }
        if let Some(refusal) = self.refused.get(&hash) {
            outcome.refused.push((hash, refusal.clone()));
            return Ok(());
        }
        let mut missing = BTreeSet::new();
        for dependency in change.dependencies() {
            if self.refused.contains_key(&dependency) {
                self.refuse(hash, Refusal::Dependency { hash: dependency }, outcome);
                return Ok(());
            }
            if !self.contains(&dependency) {
                missing.insert(dependency);
            }
        }
        if !missing.is_empty() {
            return self.parked.park(change, missing);
        }
        match self.take(change.0, log) {
            Ok(()) => {
                outcome.applied.push(hash);
                ready.extend(self.parked.release(&hash));
            }
            Err(refusal) => self.refuse(hash, refusal, outcome),
        }
        Ok(())
    }

    /// Hands a change to the library.
    fn take(&mut self, change: am::Change, log: &mut PatchLog) -> Result<(), Refusal> {
        let check = || self.actors.check(&self.doc, &change);
        catch_unwind(AssertUnwindSafe(check)).map_err(|_| Refusal::Broken)??;
        let hash = change.hash();
        let doc = &mut self.doc;
        let apply = || doc.apply_changes_log_patches([change], log);
        if matches!(catch_unwind(AssertUnwindSafe(apply)), Ok(Ok(()))) {
            if let Some(change) = self.doc.get_change_by_hash(&hash) {
                self.actors.note(change);
            }
            return Ok(());
        }
        self.rebuild_without(hash);
        Err(Refusal::Broken)
    }

    /// Restores the state before a change on which the library failed half-way: its history is intact, what it
    /// derived from it is not.
    fn rebuild_without(&mut self, broken: am::ChangeHash) {
        self.rebuilds += 1;
        let doc = &self.doc;
        let actor = &self.actor;
        let rebuild = || {
            let mut fresh = am::Automerge::new_with_encoding(TEXT_ENCODING);
            fresh.set_actor(actor.to_am());
            let good = doc.get_changes(&[]).into_iter().filter(|change| change.hash() != broken);
            fresh.apply_changes(good.cloned()).map(|()| fresh)
        };
        match catch_unwind(AssertUnwindSafe(rebuild)) {
            Ok(Ok(fresh)) if self.rebuilds <= MAX_REBUILDS => self.doc = fresh,
            _ => self.poisoned = true,
        }
    }

    fn refuse(&mut self, hash: ChangeHash, refusal: Refusal, outcome: &mut Applied) {
        for waiting in self.parked.abandon(&hash) {
            self.remember_refusal(waiting, Refusal::Dependency { hash });
            outcome.refused.push((waiting, Refusal::Dependency { hash }));
        }
        self.remember_refusal(hash, refusal.clone());
        outcome.refused.push((hash, refusal));
    }

    fn remember_refusal(&mut self, hash: ChangeHash, refusal: Refusal) {
        if self.refused.len() < MAX_REMEMBERED_REFUSALS {
            self.refused.insert(hash, refusal);
        }
    }

    /// Edits the newest version; all that the closure does becomes one change, which is already applied here.
    ///
    /// `time` is kept in whole seconds. `message` is by convention the id of the event that causes the edit. The change
    /// is `None` when the edit changes nothing.
    ///
    /// # Errors
    ///
    /// What the closure returns; [`EditError::Poisoned`]. Then nothing has changed.
    pub fn edit<T>(
        &mut self,
        time: Timestamp,
        message: Option<&str>,
        edit: impl FnOnce(&mut Edit<'_>) -> Result<T, EditError>,
    ) -> Result<(T, Option<Change>), EditError> {
        self.try_edit(None, time, message, edit)
    }

    /// Edits an older version: positions and values are those of that version, and the change is concurrent to all
    /// that came after it.
    ///
    /// As cheap as [`Replica::edit`] when `heads` is the newest version. Otherwise each call that touches a list or text
    /// costs time proportional to all that was ever written in it; if this copy's own latest change is not part of the
    /// version, the change is written by an actor derived from this copy's (see [`ActorId::base`]); and counters that
    /// were incremented before are not to be found.
    ///
    /// What is inserted at one place at the same time is ordered by how much each writer's replica had seen, not by what
    /// the edited version contains. To repeat recorded edits so that they merge as they once did, keep what the edited
    /// version lacks out of the replica: in a [`Backlog`](super::Backlog).
    ///
    /// # Errors
    ///
    /// As [`Replica::edit`]; [`ReadError::UnknownHeads`].
    pub fn edit_at<T>(
        &mut self,
        heads: &Heads,
        time: Timestamp,
        message: Option<&str>,
        edit: impl FnOnce(&mut Edit<'_>) -> Result<T, EditError>,
    ) -> Result<(T, Option<Change>), EditError> {
        self.try_edit(Some(heads), time, message, edit)
    }

    /// Edits with a closure that fails in its own way; without `heads`, the newest version.
    ///
    /// # Errors
    ///
    /// As [`Replica::edit`] and [`Replica::edit_at`].
    pub fn try_edit<T, E: From<EditError>>(
        &mut self,
        heads: Option<&Heads>,
        time: Timestamp,
        message: Option<&str>,
        edit: impl FnOnce(&mut Edit<'_>) -> Result<T, E>,
    ) -> Result<(T, Option<Change>), E> {
        if self.poisoned {
            return Err(EditError::Poisoned.into());
        }
        let older = match heads {
            Some(heads) => {
                self.require(heads).map_err(EditError::from)?;
                Some(heads.to_am()).filter(|heads| *heads != self.doc.get_heads())
            }
            None => None,
        };
        let tx = match older {
            None => self.doc.transaction(),
            Some(heads) => self.doc.transaction_at(PatchLog::inactive(POSITIONS), &heads),
        };
        let mut editing = Edit::new(tx);
        // Dropping the transaction, also by a panic of the closure, rolls it back.
        let value = edit(&mut editing)?;
        let mut options = CommitOptions::default().with_time(time.as_second());
        if let Some(message) = message {
            options.set_message(message);
        }
        let (hash, _) = editing.into_transaction().commit_with(options);
        let change = hash.and_then(|hash| self.doc.get_change_by_hash(&hash));
        if let Some(change) = change {
            self.actors.note(change);
        }
        Ok((value, change.cloned().map(Change)))
    }

    pub(super) fn require(&self, heads: &Heads) -> Result<(), ReadError> {
        let missing: Vec<_> = heads.iter().filter(|hash| !self.contains(hash)).collect();
        if missing.is_empty() { Ok(()) } else { Err(ReadError::UnknownHeads { missing }) }
    }

    /// Returns who writes this copy's edits.
    pub fn actor(&self) -> &ActorId {
        &self.actor
    }

    /// Returns the newest version.
    pub fn heads(&self) -> Heads {
        Heads::from_am(self.doc.get_heads())
    }

    /// Says whether the change is part of the document; a parked one is not.
    pub fn contains(&self, hash: &ChangeHash) -> bool {
        self.doc.get_change_by_hash(&hash.to_am()).is_some()
    }

    /// Returns how many changes the document is made of.
    pub fn change_count(&self) -> u64 {
        self.doc.stats().num_changes
    }

    /// Returns the changes that others wait for and that have not arrived, in ascending order of hash.
    pub fn missing(&self) -> Vec<ChangeHash> {
        self.parked.missing().collect()
    }

    /// Returns the changes that wait for others, in ascending order of hash.
    pub fn parked(&self) -> Vec<ChangeHash> {
        self.parked.hashes().collect()
    }

    /// Reads the newest version.
    pub fn view(&self) -> View<'_> {
        View::newest(&self.doc)
    }

    /// Encodes the whole document with its history. Parked changes are not part of it.
    pub fn save(&self) -> Vec<u8> {
        self.doc.save()
    }

    /// Encodes the changes that are not part of a version, to be put behind what [`Replica::save`] gave at it.
    pub fn save_after(&self, heads: &Heads) -> Vec<u8> {
        self.doc.save_after(&heads.to_am())
    }

    /// Returns the changes that are not part of a version, each after those it depends on.
    ///
    /// Hashes that are unknown here are passed over, so the heads of another replica may be given as they are.
    pub fn changes_since(&self, heads: &Heads) -> Vec<Change> {
        self.doc.get_changes(&heads.to_am()).into_iter().cloned().map(Change).collect()
    }

    /// Returns one change of the document.
    pub fn change(&self, hash: &ChangeHash) -> Option<Change> {
        self.doc.get_change_by_hash(&hash.to_am()).cloned().map(Change)
    }

    /// Describes all changes, each after those it depends on: the order in which this replica applied them.
    pub fn history(&self) -> impl ExactSizeIterator<Item = ChangeInfo> + '_ {
        self.doc.get_changes(&[]).into_iter().map(ChangeInfo::new)
    }
}
