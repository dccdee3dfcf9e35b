//! Checks that a change fits a document, before the library sees it.
//!
//! The library trusts the changes it is given: an operation on an object that does not exist is dropped silently, after
//! which the document can no longer be saved and loaded; a number out of range panics. Only the authors of changes are
//! trusted here with what they write, not with whether it is well formed.

use std::collections::BTreeMap;

use automerge::{self as am, ReadDoc};

use super::error::Refusal;
use super::heads::ActorId;

/// The greatest number of an operation. The library stores the number in 32 bits; the distance to that bound is for the
/// edits that are made after a change with the greatest number.
const MAX_OPERATION: u64 = 1 << 31;

/// How far each actor has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Actors(BTreeMap<am::ActorId, Last>);

#[derive(Clone, Copy, Debug, Default)]
struct Last {
    seq: u64,
    operation: u64,
}

impl Actors {
    pub(super) fn of(doc: &am::Automerge) -> Self {
        let mut actors = Self::default();
        for change in doc.get_changes(&[]) {
            actors.note(change);
        }
        actors
    }

    pub(super) fn note(&mut self, change: &am::Change) {
        let operation = (change.start_op().get() + change.len() as u64).saturating_sub(1);
        let last = Last { seq: change.seq(), operation };
        match self.0.get_mut(change.actor_id()) {
            Some(known) => *known = last,
            None => {
                self.0.insert(change.actor_id().clone(), last);
            }
        }
    }

    /// Checks a change whose dependencies are all in `doc`.
    pub(super) fn check(&self, doc: &am::Automerge, change: &am::Change) -> Result<(), Refusal> {
        let last = self.0.get(change.actor_id()).copied().unwrap_or_default();
        let actor = || ActorId::from_am(change.actor_id());
        let seq = change.seq();
        if seq <= last.seq {
            return Err(Refusal::DuplicateNumber { actor: actor(), seq });
        }
        if seq > last.seq + 1 {
            return Err(Refusal::NumberGap { actor: actor(), last: last.seq, actual: seq });
        }
        let actual = change.start_op().get();
        let seen = change.deps().iter().filter_map(|hash| doc.get_change_by_hash(hash));
        let expected = seen
            .map(|dep| dep.start_op().get() + dep.len() as u64)
            .fold(last.operation + 1, u64::max);
        let end = actual.checked_add(change.len() as u64);
        if actual < expected || end.is_none_or(|end| end > MAX_OPERATION) {
            return Err(Refusal::OperationNumber { expected, actual });
        }
        check_operations(doc, change)
    }
}

/// Checks that every operation acts on an object of the right kind and refers to operations that exist.
fn check_operations(doc: &am::Automerge, change: &am::Change) -> Result<(), Refusal> {
    let start = change.start_op().get();
    let me = change.actor_id();
    let mut made = BTreeMap::new();
    // Most changes act on one object throughout, and naming an object means writing and parsing its id.
    let mut recent = None;
    for (index, op) in change.decode().operations.iter().enumerate() {
        let dangling = Refusal::DanglingReference { index };
        let own = start + index as u64;
        let exists = |counter: u64, actor: &am::ActorId| {
            (actor == me && (start..own).contains(&counter))
                || doc.hash_for_opid(&am::ObjId::Id(counter, actor.clone(), 0)).is_some()
        };
        let kind = match &recent {
            Some((object, kind)) if *object == op.obj => *kind,
            _ => {
                let kind = kind_of(doc, &op.obj.to_string(), me, &made).ok_or(dangling.clone())?;
                recent = Some((op.obj.clone(), kind));
                kind
            }
        };
        let keyed = matches!(kind, am::ObjType::Map | am::ObjType::Table);
        if op.key.is_map_key() != keyed || (op.insert && (keyed || !op.pred.is_empty())) {
            return Err(dangling);
        }
        let element = op.key.to_opid();
        if element.is_some_and(|element| !exists(element.0, &element.1))
            || op.pred.iter().any(|replaced| !exists(replaced.0, &replaced.1))
        {
            return Err(dangling);
        }
        // What neither makes nor puts something (a deletion, an increment) must say what it acts on.
        let replaces_nothing = op.pred.is_empty() && !op.insert;
        if replaces_nothing
            && (!keyed || (op.obj_type().is_none() && op.primitive_value().is_none()))
        {
            return Err(dangling);
        }
        if let Some(kind) = op.obj_type() {
            made.insert(own, kind);
        }
    }
    Ok(())
}

fn kind_of(
    doc: &am::Automerge,
    object: &str,
    me: &am::ActorId,
    made: &BTreeMap<u64, am::ObjType>,
) -> Option<am::ObjType> {
    let Some((counter, actor)) = object.split_once('@') else {
        return Some(am::ObjType::Map);
    };
    let counter = counter.parse().ok()?;
    let actor = am::ActorId::try_from(actor).ok()?;
    match made.get(&counter) {
        Some(kind) if actor == *me => Some(*kind),
        _ => doc.object_type(am::ObjId::Id(counter, actor, 0)).ok(),
    }
}
