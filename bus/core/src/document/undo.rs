//! Taking back what changes did.

use std::collections::{BTreeMap, BTreeSet};

use automerge::{self as am, ReadDoc, transaction::Transactable};
use jiff::Timestamp;

use super::change::Change;
use super::edit::Edit;
use super::error::EditError;
use super::heads::{ChangeHash, Heads};
use super::operation::{self, Action, Key, Operation};
use super::read;
use super::replica::Replica;

impl Replica {
    /// Makes an edit that takes back what is left of the effect of some changes: one's own, by convention.
    ///
    /// What they inserted is deleted, what they deleted is inserted again in its place, what they put or deleted at a
    /// key or index has the value from before, what they added to counters is subtracted. What others wrote since stays:
    /// a key that somebody else has set is left alone. Undoing an undo does it again.
    ///
    /// Limits: marks stay; text that is inserted again is new text, without marks and with this edit as its origin; text
    /// that others deleted too comes back; a map or list that comes back is a copy, without its history. Each change
    /// costs time proportional to the lists and texts it deleted from.
    ///
    /// # Errors
    ///
    /// [`ReadError::UnknownHeads`](super::ReadError::UnknownHeads) when a change is not here; as [`Replica::edit`].
    pub fn undo(
        &mut self,
        changes: &[ChangeHash],
        time: Timestamp,
        message: Option<&str>,
    ) -> Result<Option<Change>, EditError> {
        self.require(&changes.iter().copied().collect::<Heads>())?;
        let mut undone: Vec<am::Change> =
            changes.iter().filter_map(|hash| Some(self.change(hash)?.0)).collect();
        // Newest first; the numbers of operations are in causal order.
        undone.sort_by_key(|change| (std::cmp::Reverse(change.start_op()), change.hash()));
        undone.dedup_by_key(|change| change.hash());
        let ((), change) = self.edit(time, message, |edit| {
            let mut undo = Undo::default();
            undone.iter().try_for_each(|change| undo.change(edit, change))
        })?;
        Ok(change)
    }
}

/// What stands where by the work of the undo itself.
#[derive(Default)]
struct Undo {
    /// Deleted elements, and those that were inserted in their place.
    revived: BTreeMap<am::ObjId, am::ObjId>,
    /// Keys whose value was restored, and the operation that had written that value.
    restored: BTreeMap<(am::ObjId, String), am::ObjId>,
}

impl Undo {
    fn change(&mut self, edit: &mut Edit<'_>, change: &am::Change) -> Result<(), EditError> {
        let mut deleted: BTreeMap<am::ObjId, Vec<am::ObjId>> = BTreeMap::new();
        for op in operation::operations(change).into_iter().rev() {
            match (&op.action, &op.key) {
                (Action::Insert, Key::Element(element)) => {
                    self.remove(edit, &op.object, element)?
                }
                (Action::Delete, Key::Element(element)) => {
                    deleted.entry(op.object).or_default().push(element.clone());
                }
                (Action::Put, Key::Element(element)) => {
                    restore_element(edit, &op, element, change.deps())?;
                }
                (Action::Put | Action::Delete, Key::Map(key)) => {
                    self.restore_key(edit, &op, key, change.deps())?;
                }
                (Action::Increment(by), Key::Map(key)) => {
                    let now = edit.transaction().get(&op.object, key.as_str())?;
                    if now.is_some_and(|(value, _)| value.is_counter()) {
                        edit.transaction().increment(&op.object, key.as_str(), -by)?;
                    }
                }
                (Action::Increment(_), Key::Element(_))
                | (Action::Insert, Key::Map(_))
                | (Action::Mark, _) => {}
            }
        }
        for (object, elements) in deleted {
            self.revive(edit, &object, &elements, change.deps())?;
        }
        Ok(())
    }

    /// Deletes an element that a change inserted, or what this undo inserted again in its place.
    fn remove(
        &self,
        edit: &mut Edit<'_>,
        object: &am::ObjId,
        element: &am::ObjId,
    ) -> Result<(), EditError> {
        let tx = edit.transaction();
        let element = self.revived.get(element).unwrap_or(element);
        if let Some(index) = visible_at(tx, object, element) {
            if tx.object_type(object)? == am::ObjType::Text {
                tx.splice_text(object, index, 1, "")?;
            } else {
                tx.delete(object, index)?;
            }
        }
        Ok(())
    }

    /// Inserts what a change deleted from a list or text, seen as it was before the change.
    fn revive(
        &mut self,
        edit: &mut Edit<'_>,
        object: &am::ObjId,
        elements: &[am::ObjId],
        before: &[am::ChangeHash],
    ) -> Result<(), EditError> {
        let tx = edit.transaction();
        let order: Vec<am::ObjId> =
            tx.list_range_at(object, .., before).map(|item| item.id).collect();
        let is_text = tx.object_type(object)? == am::ObjType::Text;
        let deleted: BTreeSet<am::ObjId> = if is_text {
            elements.iter().cloned().collect()
        } else {
            // An element of a list goes by the name of the value last set in it.
            let index = |element| operation::position(tx, object, element, Some(before));
            elements
                .iter()
                .filter_map(index)
                .filter_map(|index| order.get(index).cloned())
                .collect()
        };
        let mut next = None;
        // From right to left, so that each finds its right neighbour in place.
        for (index, element) in order.iter().enumerate().rev() {
            let tx = edit.transaction();
            if visible_at(tx, object, element).is_some() {
                next = Some(element.clone());
                continue;
            }
            if let Some(stand_in) = self.revived.get(element) {
                if visible_at(tx, object, stand_in).is_some() {
                    next = Some(stand_in.clone());
                }
                continue;
            }
            if !deleted.contains(element) {
                continue;
            }
            let place = match &next {
                Some(neighbour) => visible_at(tx, object, neighbour),
                None => Some(tx.length(object)),
            };
            let (Some(place), Some((value, id))) = (place, tx.get_at(object, index, before)?)
            else {
                continue;
            };
            if is_text {
                let text = value.to_str().unwrap_or_default().to_owned();
                tx.splice_text(object, place, 0, &text)?;
            } else {
                let value = read::build(tx, value, &id, Some(before), 1)?;
                edit.insert_in(object, place, value)?;
            }
            if let Some((_, stand_in)) = edit.transaction().get(object, place)? {
                self.revived.insert(element.clone(), stand_in.clone());
                next = Some(stand_in);
            }
        }
        Ok(())
    }

    /// Puts back what stood at a key, if what stands there now is the doing of the change or of this undo.
    fn restore_key(
        &mut self,
        edit: &mut Edit<'_>,
        op: &Operation,
        key: &str,
        before: &[am::ChangeHash],
    ) -> Result<(), EditError> {
        let tx = edit.transaction();
        let slot = (op.object.clone(), key.to_owned());
        let now = tx.get_all(&op.object, key)?;
        let ours = match self.restored.get(&slot) {
            Some(origin) => *origin == op.id,
            None if matches!(op.action, Action::Delete) => now.is_empty(),
            None => now.iter().any(|(_, id)| *id == op.id),
        };
        if !ours {
            return Ok(());
        }
        // A value that somebody else wrote at the same time outlives ours.
        let rival = now
            .into_iter()
            .rev()
            .find(|(_, id)| *id != op.id && !self.restored.contains_key(&slot));
        let rival = match rival {
            Some((value, id)) => Some((read::build(tx, value, &id, None, 1)?, id)),
            None => None,
        };
        let old = match rival {
            Some(rival) => Some(rival),
            None => match tx.get_at(&op.object, key, before)? {
                Some((value, id)) => Some((read::build(tx, value, &id, Some(before), 1)?, id)),
                None => None,
            },
        };
        match old {
            Some((value, id)) => {
                edit.set_in(&op.object, key.into(), value)?;
                self.restored.insert(slot, id);
            }
            None => {
                tx.delete(&op.object, key)?;
                self.restored.remove(&slot);
            }
        }
        Ok(())
    }
}

/// Puts back what stood at an index of a list, if the change's value still stands there.
fn restore_element(
    edit: &mut Edit<'_>,
    op: &Operation,
    element: &am::ObjId,
    before: &[am::ChangeHash],
) -> Result<(), EditError> {
    let tx = edit.transaction();
    let Some(index) = operation::position(tx, &op.object, element, None) else { return Ok(()) };
    if tx.get(&op.object, index)?.is_none_or(|(_, id)| id != op.id) {
        return Ok(());
    }
    let Some(old) = operation::position(tx, &op.object, element, Some(before)) else {
        return Ok(());
    };
    if let Some((value, id)) = tx.get_at(&op.object, old, before)? {
        let value = read::build(tx, value, &id, Some(before), 1)?;
        edit.set_in(&op.object, index.into(), value)?;
    }
    Ok(())
}

/// Where an element stands now, if it still has the value it was inserted with.
fn visible_at<D: ReadDoc>(doc: &D, object: &am::ObjId, element: &am::ObjId) -> Option<usize> {
    let index = operation::position(doc, object, element, None)?;
    let (_, id) = doc.get(object, index).ok()??;
    (id == *element).then_some(index)
}
