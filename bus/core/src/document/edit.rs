//! Changing a document: what an edit in progress can do.

use automerge::{self as am, ReadDoc, transaction::Transactable};

use super::error::{EditError, ReadError};
use super::marks::{Expand, Mark};
use super::path::Path;
use super::read::{self, Object};
use super::value::{Kind, Node, Value};

/// An edit in progress, handed to the closure of [`Replica::edit`](super::Replica::edit).
///
/// All its calls together become one change, or none if the closure fails. Its reads see what it has written. Positions
/// in text count Unicode code points.
#[derive(Debug)]
pub struct Edit<'a> {
    tx: am::transaction::Transaction<'a>,
}

/// Where a value goes.
enum Slot {
    Set(am::Prop),
    Insert(usize),
}

impl<'a> Edit<'a> {
    pub(super) fn new(tx: am::transaction::Transaction<'a>) -> Self {
        Self { tx }
    }

    pub(super) fn into_transaction(self) -> am::transaction::Transaction<'a> {
        self.tx
    }

    pub(super) fn transaction(&mut self) -> &mut am::transaction::Transaction<'a> {
        &mut self.tx
    }

    /// Puts a value at a key of a map or at an existing index of a list, in place of what stands there.
    ///
    /// Maps that are missing on the way are made. Two writers who make the same map at the same time have a conflict,
    /// not a merged map: make a document's skeleton in its first change. At the root, a map's entries are put one by one.
    /// Setting a value that already stands there does nothing.
    ///
    /// # Errors
    ///
    /// [`EditError::Root`] for a value at the root that is not a map; [`ReadError::WrongKind`] when a step leads through
    /// something that is not a map or list; [`ReadError::OutOfBounds`] for an index that does not exist.
    pub fn set(&mut self, path: &Path, value: impl Into<Value>) -> Result<(), EditError> {
        let value = value.into();
        let Some((parent, last)) = path.split_last() else {
            let Value::Map(entries) = value else { return Err(EditError::Root) };
            return entries
                .into_iter()
                .try_for_each(|(key, value)| self.put(&am::ROOT, Slot::Set(key.into()), value, 1));
        };
        let object = self.container(&parent)?;
        let prop = read::prop(object.kind, last, &parent)?;
        if let am::Prop::Seq(index) = prop {
            self.check_bounds(&object, &parent, index, 1)?;
        }
        self.put(&object.id, Slot::Set(prop), value, 1)
    }

    /// Puts JSON at a path, as [`Edit::set`] does; its strings become [`Value::Str`].
    ///
    /// # Errors
    ///
    /// As [`Edit::set`].
    pub fn put_json(&mut self, path: &Path, json: serde_json::Value) -> Result<(), EditError> {
        self.set(path, Value::from(json))
    }

    /// Inserts a value into a list before the element at `index`, or at its end.
    ///
    /// # Errors
    ///
    /// [`ReadError::NotFound`] or [`ReadError::WrongKind`] when `list` is not a list; [`ReadError::OutOfBounds`].
    pub fn insert(
        &mut self,
        list: &Path,
        index: usize,
        value: impl Into<Value>,
    ) -> Result<(), EditError> {
        self.splice_list(list, index, 0, [value.into()])
    }

    /// Deletes `delete` elements of a list from `index` on and inserts others in their place.
    ///
    /// # Errors
    ///
    /// As [`Edit::insert`].
    pub fn splice_list(
        &mut self,
        list: &Path,
        index: usize,
        delete: usize,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<(), EditError> {
        let object = read::object(&self.tx, list, Kind::List, None)?;
        self.check_bounds(&object, list, index, delete)?;
        for _ in 0..delete {
            self.tx.delete(&object.id, index)?;
        }
        for (offset, value) in values.into_iter().enumerate() {
            self.put(&object.id, Slot::Insert(index + offset), value, 1)?;
        }
        Ok(())
    }

    /// Deletes what stands at a key of a map or at an index of a list.
    ///
    /// # Errors
    ///
    /// [`EditError::Root`]; [`ReadError::NotFound`] when nothing stands there.
    pub fn delete(&mut self, path: &Path) -> Result<(), EditError> {
        let (parent, last) = path.split_last().ok_or(EditError::Root)?;
        let missing = || ReadError::NotFound { path: path.clone() };
        let (value, id) = read::resolve(&self.tx, &parent, None)?.ok_or_else(missing)?;
        let kind = Kind::of(&value);
        if !matches!(kind, Kind::Map | Kind::List) {
            return Err(
                ReadError::WrongKind { path: parent, expected: Kind::Map, actual: kind }.into()
            );
        }
        let prop = read::prop(kind, last, &parent)?;
        if read::get(&self.tx, &id, prop.clone(), None)?.is_none() {
            return Err(missing().into());
        }
        self.tx.delete(&id, prop)?;
        Ok(())
    }

    /// Adds to a counter; `by` may be negative.
    ///
    /// # Errors
    ///
    /// [`ReadError::NotFound`] or [`ReadError::WrongKind`] when no [`Value::Counter`] stands there.
    pub fn increment(&mut self, path: &Path, by: i64) -> Result<(), EditError> {
        let missing = || ReadError::NotFound { path: path.clone() };
        let actual = match read::resolve(&self.tx, path, None)? {
            Some((value, _)) => Kind::of(&value),
            None => return Err(missing().into()),
        };
        if actual != Kind::Counter {
            let expected = Kind::Counter;
            return Err(ReadError::WrongKind { path: path.clone(), expected, actual }.into());
        }
        let (parent, last) = path.split_last().ok_or(EditError::Root)?;
        let (value, id) = read::resolve(&self.tx, &parent, None)?.ok_or_else(missing)?;
        self.tx.increment(&id, read::prop(Kind::of(&value), last, &parent)?, by)?;
        Ok(())
    }

    /// Deletes `delete` characters of a text from `position` on and inserts others in their place.
    ///
    /// # Errors
    ///
    /// [`ReadError::NotFound`] or [`ReadError::WrongKind`] when `path` is not a text (make one by setting a
    /// [`Value::Text`]); [`ReadError::OutOfBounds`].
    pub fn splice_text(
        &mut self,
        path: &Path,
        position: usize,
        delete: usize,
        insert: &str,
    ) -> Result<(), EditError> {
        let text = read::object(&self.tx, path, Kind::Text, None)?;
        self.check_bounds(&text, path, position, delete)?;
        self.tx.splice_text(&text.id, position, delete.cast_signed(), insert)?;
        Ok(())
    }

    /// Makes a text read like `content` by the fewest insertions and deletions, so that what others write meanwhile
    /// in the parts that stay is kept.
    ///
    /// # Errors
    ///
    /// [`ReadError::NotFound`] or [`ReadError::WrongKind`] when `path` is not a text.
    pub fn update_text(&mut self, path: &Path, content: &str) -> Result<(), EditError> {
        let text = read::object(&self.tx, path, Kind::Text, None)?;
        self.tx.update_text(&text.id, content)?;
        Ok(())
    }

    /// Marks a range of a text or list: bold, a link, a comment.
    ///
    /// `expand` says what characters typed at the edges of the range become.
    ///
    /// # Errors
    ///
    /// [`ReadError::WrongKind`] when `path` is not a text or list, or when the mark's value is not a single value;
    /// [`ReadError::OutOfBounds`].
    pub fn mark(&mut self, path: &Path, mark: Mark, expand: Expand) -> Result<(), EditError> {
        let text = read::object(&self.tx, path, Kind::Sequence, None)?;
        let length = mark.end.saturating_sub(mark.start);
        self.check_bounds(&text, path, mark.start, length)?;
        if length == 0 {
            return Ok(());
        }
        let actual = mark.value.kind();
        let Node::Scalar(value) = mark.value.into_node() else {
            let expected = Kind::Scalar;
            return Err(ReadError::WrongKind { path: path.clone(), expected, actual }.into());
        };
        let mark = am::marks::Mark::new(mark.name, value, mark.start, mark.end);
        self.tx.mark(&text.id, mark, expand.to_am())?;
        Ok(())
    }

    /// Takes the marks of one name off a range of a text or list.
    ///
    /// # Errors
    ///
    /// As [`Edit::mark`].
    pub fn unmark(
        &mut self,
        path: &Path,
        name: &str,
        range: std::ops::Range<usize>,
        expand: Expand,
    ) -> Result<(), EditError> {
        let text = read::object(&self.tx, path, Kind::Sequence, None)?;
        let length = range.end.saturating_sub(range.start);
        self.check_bounds(&text, path, range.start, length)?;
        if length == 0 {
            return Ok(());
        }
        self.tx.unmark(&text.id, name, range.start, range.end, expand.to_am())?;
        Ok(())
    }

    /// Makes the document equal to a struct, by the fewest edits.
    ///
    /// Derive [`Reconcile`](super::Reconcile) for the struct.
    ///
    /// # Errors
    ///
    /// [`EditError::Reconcile`].
    pub fn reconcile<T: autosurgeon::Reconcile>(&mut self, value: &T) -> Result<(), EditError> {
        autosurgeon::reconcile(&mut self.tx, value)
            .map_err(|error| EditError::Reconcile(Box::new(error)))
    }

    /// Makes what stands at a path equal to a value, by the fewest edits; at the root as [`Edit::reconcile`].
    ///
    /// # Errors
    ///
    /// [`EditError::Reconcile`]; as [`Edit::set`] for the path.
    pub fn reconcile_at<T: autosurgeon::Reconcile>(
        &mut self,
        path: &Path,
        value: &T,
    ) -> Result<(), EditError> {
        let Some((parent, last)) = path.split_last() else { return self.reconcile(value) };
        let object = self.container(&parent)?;
        let prop = read::prop(object.kind, last, &parent)?;
        if let am::Prop::Seq(index) = prop {
            self.check_bounds(&object, &parent, index, 1)?;
        }
        autosurgeon::reconcile_prop(&mut self.tx, &object.id, prop, value)
            .map_err(|error| EditError::Reconcile(Box::new(error)))
    }

    /// Reads what stands at a path; `None` when nothing does.
    ///
    /// # Errors
    ///
    /// [`ReadError`] when a step leads through something that is not a map or list.
    pub fn value(&self, path: &Path) -> Result<Option<Value>, ReadError> {
        read::value(&self.tx, path, None)
    }

    /// Reads a text.
    ///
    /// # Errors
    ///
    /// [`ReadError::NotFound`] or [`ReadError::WrongKind`].
    pub fn text(&self, path: &Path) -> Result<String, ReadError> {
        read::text(&self.tx, path, None)
    }

    /// Returns the number of keys, elements or characters.
    ///
    /// # Errors
    ///
    /// [`ReadError::NotFound`] or [`ReadError::WrongKind`].
    pub fn length(&self, path: &Path) -> Result<usize, ReadError> {
        read::length(&self.tx, path, None)
    }

    /// Finds the map or list at the path; makes maps where nothing stands.
    fn container(&mut self, path: &Path) -> Result<Object, EditError> {
        let mut object = Object { id: am::ROOT, kind: Kind::Map };
        let mut here = Path::root();
        for step in path.steps() {
            let prop = read::prop(object.kind, step, &here)?;
            let next = here.join(step);
            let found = read::get(&self.tx, &object.id, prop.clone(), None)?
                .map(|(value, id)| (Kind::of(&value), id));
            object = match (found, prop) {
                (Some((kind @ (Kind::Map | Kind::List), id)), _) => Object { id, kind },
                (Some((actual, _)), _) => {
                    let expected = Kind::Map;
                    return Err(ReadError::WrongKind { path: next, expected, actual }.into());
                }
                (None, am::Prop::Map(key)) => {
                    let id = self.tx.put_object(&object.id, key, am::ObjType::Map)?;
                    Object { id, kind: Kind::Map }
                }
                (None, am::Prop::Seq(_)) => return Err(ReadError::NotFound { path: next }.into()),
            };
            here = next;
        }
        Ok(object)
    }

    pub(super) fn set_in(
        &mut self,
        object: &am::ObjId,
        prop: am::Prop,
        value: Value,
    ) -> Result<(), EditError> {
        self.put(object, Slot::Set(prop), value, 1)
    }

    pub(super) fn insert_in(
        &mut self,
        object: &am::ObjId,
        index: usize,
        value: Value,
    ) -> Result<(), EditError> {
        self.put(object, Slot::Insert(index), value, 1)
    }

    fn put(
        &mut self,
        object: &am::ObjId,
        slot: Slot,
        value: Value,
        depth: usize,
    ) -> Result<(), EditError> {
        if depth > Path::MAX_DEPTH {
            return Err(ReadError::TooDeep { limit: Path::MAX_DEPTH }.into());
        }
        match value.into_node() {
            Node::Scalar(scalar) => match slot {
                Slot::Set(prop) => self.tx.put(object, prop, scalar)?,
                Slot::Insert(index) => self.tx.insert(object, index, scalar)?,
            },
            Node::Text(content) => {
                let text = self.make(object, slot, am::ObjType::Text)?;
                self.tx.splice_text(&text, 0, 0, &content)?;
            }
            Node::List(values) => {
                let list = self.make(object, slot, am::ObjType::List)?;
                for (index, value) in values.into_iter().enumerate() {
                    self.put(&list, Slot::Insert(index), value, depth + 1)?;
                }
            }
            Node::Map(entries) => {
                let map = self.make(object, slot, am::ObjType::Map)?;
                for (key, value) in entries {
                    self.put(&map, Slot::Set(key.into()), value, depth + 1)?;
                }
            }
        }
        Ok(())
    }

    fn make(
        &mut self,
        object: &am::ObjId,
        slot: Slot,
        kind: am::ObjType,
    ) -> Result<am::ObjId, EditError> {
        Ok(match slot {
            Slot::Set(prop) => self.tx.put_object(object, prop, kind)?,
            Slot::Insert(index) => self.tx.insert_object(object, index, kind)?,
        })
    }

    fn check_bounds(
        &self,
        object: &Object,
        path: &Path,
        start: usize,
        count: usize,
    ) -> Result<(), ReadError> {
        let length = self.tx.length(&object.id);
        match start.checked_add(count) {
            Some(end) if end <= length => Ok(()),
            _ => {
                Err(ReadError::OutOfBounds { path: path.clone(), index: start.max(length), length })
            }
        }
    }
}
