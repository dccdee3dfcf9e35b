//! Checks that a change fits a document, before the library sees it.
//!
//! The library trusts the changes it is given: an operation on an object that does not exist is dropped silently, after
//! which the document can no longer be saved and loaded; a number out of range panics. Only the authors of changes are
//! trusted here with what they write, not with whether it is well formed.

use std::collections::BTreeMap;

use automerge::{self as am, ReadDoc};

use super::error::Refusal;
use super::heads::ActorId;
use super::operation::{self, Action, Key};

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

/// Checks that every operation acts on an object of the right kind and refers to operations that exist there.
fn check_operations(doc: &am::Automerge, change: &am::Change) -> Result<(), Refusal> {
    let start = change.start_op().get();
    let me = change.actor_id();
    let decoded = change.decode();
    let own = |id: &am::ObjId| match id {
        am::ObjId::Id(counter, actor, _) if actor == me => counter
            .checked_sub(start)
            .and_then(|index| decoded.operations.get(usize::try_from(index).ok()?)),
        _ => None,
    };
    let mut made = BTreeMap::new();
    // Most changes act on one object throughout, and naming an object means writing and parsing its id.
    let mut recent = None;
    for (index, op) in decoded.operations.iter().enumerate() {
        let dangling = Refusal::DanglingReference { index };
        let number = start + index as u64;
        // An operation may refer to those before it, of the same change too.
        let earlier = |id: &am::ObjId| match id {
            am::ObjId::Id(counter, _, _) => *counter < number,
            am::ObjId::Root => true,
        };
        let (object, kind) = match &recent {
            Some((name, object, kind)) if *name == op.obj => (object, *kind),
            _ => {
                let object = operation::object_id(&op.obj.to_string()).filter(in_range);
                let object = object.ok_or(dangling.clone())?;
                let kind = kind_of(doc, &object, me, &made).ok_or(dangling.clone())?;
                let (_, object, kind) = recent.insert((op.obj.clone(), object, kind));
                (&*object, *kind)
            }
        };
        let keyed = matches!(kind, am::ObjType::Map | am::ObjType::Table);
        if op.key.is_map_key() != keyed || (op.insert && (keyed || !op.pred.is_empty())) {
            return Err(dangling);
        }
        let element = op.key.to_opid().map(|id| am::ObjId::Id(id.0, id.1, 0));
        if let Some(element) = &element {
            let exists = in_range(element)
                && earlier(element)
                && (own(element).is_some() || doc.hash_for_opid(element).is_some());
            if !exists {
                return Err(dangling);
            }
        }
        if !op.pred.is_empty() {
            let key = match &element {
                Some(element) => Key::Element(element.clone()),
                None => operation::map_key(&op.key).map(Key::Map).ok_or(dangling.clone())?,
            };
            for id in op.pred.iter() {
                let id = am::ObjId::Id(id.0, id.1.clone(), 0);
                let inserted = element.as_ref() == Some(&id);
                let fits = match own(&id) {
                    Some(other) => {
                        earlier(&id)
                            && op.obj == other.obj
                            && (op.key == other.key || (inserted && other.insert))
                    }
                    None => in_range(&id) && earlier(&id) && stood(doc, object, &key, &id),
                };
                if !fits {
                    return Err(dangling);
                }
            }
        }
        // What neither makes nor puts something (a deletion, an increment) must say what it acts on.
        let replaces_nothing = op.pred.is_empty() && !op.insert;
        if replaces_nothing
            && (!keyed || (op.obj_type().is_none() && op.primitive_value().is_none()))
        {
            return Err(dangling);
        }
        if let Some(kind) = op.obj_type() {
            made.insert(number, kind);
        }
    }
    Ok(())
}

/// Says whether an operation set or inserted something at this place of an object, whatever became of it.
fn stood(doc: &am::Automerge, object: &am::ObjId, key: &Key, id: &am::ObjId) -> bool {
    let stands = match key {
        Key::Map(key) => doc.get_all(object, key.as_str()),
        Key::Element(element) => match operation::position(doc, object, element, None) {
            // An element is named after the operation that inserted it.
            Some(_) if element == id => return true,
            Some(index) => doc.get_all(object, index),
            None => return false,
        },
    };
    if stands.is_ok_and(|values| values.iter().any(|(_, other)| other == id)) {
        return true;
    }
    // It was replaced before, concurrently to the change that is checked: rare enough to decode a change for.
    let change = doc.hash_for_opid(id).and_then(|hash| doc.get_change_by_hash(&hash));
    let operations = change.map(operation::operations).unwrap_or_default();
    operations.into_iter().any(|other| {
        other.id == *id
            && other.object == *object
            && other.key == *key
            && matches!(other.action, Action::Insert | Action::Put)
    })
}

fn in_range(id: &am::ObjId) -> bool {
    match id {
        am::ObjId::Root => true,
        am::ObjId::Id(counter, _, _) => *counter <= MAX_OPERATION,
    }
}

fn kind_of(
    doc: &am::Automerge,
    object: &am::ObjId,
    me: &am::ActorId,
    made: &BTreeMap<u64, am::ObjType>,
) -> Option<am::ObjType> {
    match object {
        am::ObjId::Root => Some(am::ObjType::Map),
        am::ObjId::Id(counter, actor, _) => match made.get(counter) {
            Some(kind) if actor == me => Some(*kind),
            _ => doc.object_type(object).ok(),
        },
    }
}
