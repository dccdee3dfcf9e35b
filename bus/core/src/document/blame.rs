//! Who wrote what stands in a version.

use automerge::{self as am, ReadDoc};
use jiff::Timestamp;
use serde::Serialize;

use super::change::as_text;
use super::error::ReadError;
use super::heads::{ActorId, ChangeHash};
use super::path::Path;
use super::read;
use super::value::{Kind, Value};
use super::view::View;

/// The change that something comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Origin {
    /// The change.
    pub change: ChangeHash,
    /// Who wrote it.
    pub actor: ActorId,
    /// When, by the writer's clock, in whole seconds.
    #[serde(serialize_with = "as_text")]
    pub time: Timestamp,
    /// The id of the event that caused it, if its writer named one.
    pub message: Option<String>,
}

/// A run of characters or elements that one change inserted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BlameSpan {
    /// The first position.
    pub start: usize,
    /// How many characters or elements.
    pub len: usize,
    /// Where they come from.
    #[serde(flatten)]
    pub origin: Origin,
}

/// Who wrote what stands at a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FieldBlame {
    /// The place.
    pub path: Path,
    /// Where its value comes from.
    #[serde(flatten)]
    pub origin: Origin,
}

/// One of several values that were written at one place at the same time.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Conflict {
    /// What was written.
    pub value: Value,
    /// Where it comes from.
    #[serde(flatten)]
    pub origin: Origin,
    /// Whether it is the one that [`View::value`] shows: the same one on every replica.
    pub shown: bool,
}

impl View<'_> {
    /// Says which change inserted each character of a text or element of a list, as runs from the first to the last.
    ///
    /// Deletions leave no trace here; [`Replica::diff`](super::Replica::diff) shows them.
    ///
    /// # Errors
    ///
    /// [`ReadError::NotFound`] or [`ReadError::WrongKind`].
    pub fn blame_text(&self, path: &Path) -> Result<Vec<BlameSpan>, ReadError> {
        let object = read::object(&*self.doc, path, Kind::Sequence, self.as_of())?;
        let items = match self.as_of() {
            None => self.doc.list_range(&object.id, ..),
            Some(heads) => self.doc.list_range_at(&object.id, .., heads),
        };
        let mut spans: Vec<(usize, &am::Change)> = Vec::new();
        let mut end = 0;
        for item in items {
            let width = match (&item.value, object.kind) {
                (am::Value::Scalar(scalar), Kind::Text) => {
                    scalar.to_str().map_or(1, |text| text.chars().count())
                }
                _ => 1,
            };
            end = item.index + width;
            let last = spans.last().map(|(_, change)| *change);
            // Most characters come from the change of the one before: no need to look it up again.
            if last.is_some_and(|change| made_by(change, &item.id)) {
                continue;
            }
            if let Some(change) = self.change_of(&item.id) {
                spans.push((item.index, change));
            }
        }
        let ends = spans.iter().skip(1).map(|(start, _)| *start).chain([end]).collect::<Vec<_>>();
        let spans = spans.into_iter().zip(ends).map(|((start, change), end)| BlameSpan {
            start,
            len: end.saturating_sub(start),
            origin: Origin::of(change),
        });
        Ok(spans.collect())
    }

    /// Says which change wrote what stands at a path, and, for a map, what stands at each of its keys.
    ///
    /// The first entry is the value itself, except for the root, which nobody wrote. A counter comes from whoever set
    /// it, whatever was added since.
    ///
    /// # Errors
    ///
    /// [`ReadError::NotFound`]; [`ReadError::WrongKind`] when the path leads through a single value.
    pub fn blame_field(&self, path: &Path) -> Result<Vec<FieldBlame>, ReadError> {
        let (value, id) = read::resolve(&*self.doc, path, self.as_of())?
            .ok_or_else(|| ReadError::NotFound { path: path.clone() })?;
        let blame = |path: Path, id: &am::ObjId| {
            self.change_of(id).map(|change| FieldBlame { path, origin: Origin::of(change) })
        };
        let mut fields: Vec<_> = blame(path.clone(), &id).into_iter().collect();
        if value.is_object() && Kind::of(&value) == Kind::Map {
            let items = match self.as_of() {
                None => self.doc.map_range(&id, ..),
                Some(heads) => self.doc.map_range_at(&id, .., heads),
            };
            fields.extend(items.filter_map(|item| blame(path.join(item.key), &item.id)));
        }
        Ok(fields)
    }

    /// Returns all values that were written at a path at the same time, each with its author; none when there is at
    /// most one.
    ///
    /// # Errors
    ///
    /// [`ReadError`] when the enclosing map or list cannot be read.
    pub fn conflicts(&self, path: &Path) -> Result<Vec<Conflict>, ReadError> {
        let Some((parent, last)) = path.split_last() else { return Ok(Vec::new()) };
        let Some((value, object)) = read::resolve(&*self.doc, &parent, self.as_of())? else {
            return Ok(Vec::new());
        };
        match Kind::of(&value) {
            kind @ (Kind::Map | Kind::List) => {
                self.conflicts_in(&object, read::prop(kind, last, &parent)?)
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Returns every place of the document where concurrent writes conflict, in the order of [`View::to_json`].
    ///
    /// It walks the values that are shown, not those that lost a conflict, and not the characters of texts.
    ///
    /// # Errors
    ///
    /// [`ReadError::TooDeep`].
    pub fn conflicts_everywhere(&self) -> Result<Vec<(Path, Vec<Conflict>)>, ReadError> {
        let mut found = Vec::new();
        self.walk_conflicts(&am::ROOT, Kind::Map, &Path::root(), &mut found)?;
        Ok(found)
    }

    fn walk_conflicts(
        &self,
        object: &am::ObjId,
        kind: Kind,
        path: &Path,
        found: &mut Vec<(Path, Vec<Conflict>)>,
    ) -> Result<(), ReadError> {
        if path.steps().len() > Path::MAX_DEPTH {
            return Err(ReadError::TooDeep { limit: Path::MAX_DEPTH });
        }
        let items: Vec<(am::Prop, am::Value<'_>, am::ObjId, bool)> = match (kind, self.as_of()) {
            (Kind::Map, None) => entries(self.doc.map_range(object, ..)),
            (Kind::Map, Some(heads)) => entries(self.doc.map_range_at(object, .., heads)),
            (Kind::List, None) => elements(self.doc.list_range(object, ..)),
            (Kind::List, Some(heads)) => elements(self.doc.list_range_at(object, .., heads)),
            _ => Vec::new(),
        };
        for (prop, value, id, conflict) in items {
            let here = path.join(&prop);
            if conflict {
                found.push((here.clone(), self.conflicts_in(object, prop)?));
            }
            if value.is_object() {
                self.walk_conflicts(&id, Kind::of(&value), &here, found)?;
            }
        }
        Ok(())
    }

    fn conflicts_in(&self, object: &am::ObjId, prop: am::Prop) -> Result<Vec<Conflict>, ReadError> {
        let values = match self.as_of() {
            None => self.doc.get_all(object, prop)?,
            Some(heads) => self.doc.get_all_at(object, prop, heads)?,
        };
        if values.len() < 2 {
            return Ok(Vec::new());
        }
        let shown = values.len() - 1;
        let conflicts = values.into_iter().enumerate().filter_map(|(index, (value, id))| {
            let origin = Origin::of(self.change_of(&id)?);
            let value = read::build(&*self.doc, value, &id, self.as_of(), 0);
            Some(value.map(|value| Conflict { value, origin, shown: index == shown }))
        });
        conflicts.collect()
    }

    fn change_of(&self, id: &am::ObjId) -> Option<&am::Change> {
        let hash = self.doc.hash_for_opid(id)?;
        self.doc.get_change_by_hash(&hash)
    }
}

type Item<'a> = (am::Prop, am::Value<'a>, am::ObjId, bool);

fn entries<'a>(items: am::iter::MapRange<'a, std::ops::RangeFull>) -> Vec<Item<'a>> {
    items.map(|item| (item.key.into(), item.value, item.id, item.conflict)).collect()
}

fn elements<'a>(items: am::iter::ListRange<'a, std::ops::RangeFull>) -> Vec<Item<'a>> {
    items.map(|item| (item.index.into(), item.value, item.id, item.conflict)).collect()
}

fn made_by(change: &am::Change, id: &am::ObjId) -> bool {
    let am::ObjId::Id(counter, actor, _) = id else { return false };
    let start = change.start_op().get();
    (start..start + change.len() as u64).contains(counter) && actor == change.actor_id()
}

impl Origin {
    pub(super) fn of(change: &am::Change) -> Self {
        Self {
            change: ChangeHash::from_am(change.hash()),
            actor: ActorId::from_am(change.actor_id()),
            time: Timestamp::from_second(change.timestamp()).unwrap_or(Timestamp::UNIX_EPOCH),
            message: change.message().cloned(),
        }
    }
}
