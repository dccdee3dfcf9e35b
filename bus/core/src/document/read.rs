//! Reading by path, shared by views of a version and by edits in progress.

use std::collections::BTreeMap;

use automerge::{self as am, ReadDoc};

use super::error::ReadError;
use super::path::Path;
use super::value::{Kind, Value};

/// The version that is read: `None` is the newest, which is cheapest.
pub(super) type At<'a> = Option<&'a [am::ChangeHash]>;

/// An object and its kind.
pub(super) struct Object {
    pub(super) id: am::ObjId,
    pub(super) kind: Kind,
}

pub(super) fn get<'a, D: ReadDoc>(
    doc: &'a D,
    object: &am::ObjId,
    prop: am::Prop,
    at: At<'_>,
) -> Result<Option<(am::Value<'a>, am::ObjId)>, ReadError> {
    Ok(match at {
        None => doc.get(object, prop)?,
        Some(heads) => doc.get_at(object, prop, heads)?,
    })
}

/// Turns a step of a path into what the library looks up in an object of this kind.
pub(super) fn prop(kind: Kind, step: &str, path: &Path) -> Result<am::Prop, ReadError> {
    match kind {
        Kind::List | Kind::Text => step
            .parse()
            .map(am::Prop::Seq)
            .map_err(|_| ReadError::NotAnIndex { path: path.clone(), step: step.to_owned() }),
        _ => Ok(am::Prop::Map(step.to_owned())),
    }
}

/// Finds what stands at the path.
pub(super) fn resolve<'a, D: ReadDoc>(
    doc: &'a D,
    path: &Path,
    at: At<'_>,
) -> Result<Option<(am::Value<'a>, am::ObjId)>, ReadError> {
    let mut found = (am::Value::Object(am::ObjType::Map), am::ROOT);
    for (depth, step) in path.steps().enumerate() {
        let kind = match &found.0 {
            am::Value::Object(kind) => Kind::of_object(*kind),
            scalar @ am::Value::Scalar(_) => {
                return Err(ReadError::WrongKind {
                    path: prefix(path, depth),
                    expected: Kind::Map,
                    actual: Kind::of(scalar),
                });
            }
        };
        let prop = match kind {
            Kind::Map => am::Prop::Map(step.to_owned()),
            other => prop(other, step, &prefix(path, depth))?,
        };
        match get(doc, &found.1, prop, at)? {
            Some(next) => found = next,
            None => return Ok(None),
        }
    }
    Ok(Some(found))
}

fn prefix(path: &Path, depth: usize) -> Path {
    path.steps().take(depth).fold(Path::root(), |path, step| path.join(step))
}

/// Finds the object at the path and checks its kind.
pub(super) fn object<D: ReadDoc>(
    doc: &D,
    path: &Path,
    expected: Kind,
    at: At<'_>,
) -> Result<Object, ReadError> {
    let (value, id) =
        resolve(doc, path, at)?.ok_or_else(|| ReadError::NotFound { path: path.clone() })?;
    let actual = Kind::of(&value);
    if value.is_object() && expected.admits(actual) {
        return Ok(Object { id, kind: actual });
    }
    Err(ReadError::WrongKind { path: path.clone(), expected, actual })
}

pub(super) fn value<D: ReadDoc>(
    doc: &D,
    path: &Path,
    at: At<'_>,
) -> Result<Option<Value>, ReadError> {
    resolve(doc, path, at)?.map(|(value, id)| build(doc, value, &id, at, 0)).transpose()
}

/// Copies a value out of the document, with all that stands in it.
pub(super) fn build<D: ReadDoc>(
    doc: &D,
    value: am::Value<'_>,
    id: &am::ObjId,
    at: At<'_>,
    depth: usize,
) -> Result<Value, ReadError> {
    if depth > Path::MAX_DEPTH {
        return Err(ReadError::TooDeep { limit: Path::MAX_DEPTH });
    }
    Ok(match value {
        am::Value::Scalar(scalar) => Value::from_scalar(&scalar),
        am::Value::Object(am::ObjType::Text) => Value::Text(text_of(doc, id, at)?),
        am::Value::Object(am::ObjType::List) => {
            let items = match at {
                None => doc.list_range(id, ..),
                Some(heads) => doc.list_range_at(id, .., heads),
            };
            let values = items.map(|item| build(doc, item.value, &item.id, at, depth + 1));
            Value::List(values.collect::<Result<_, _>>()?)
        }
        am::Value::Object(am::ObjType::Map | am::ObjType::Table) => {
            let items = match at {
                None => doc.map_range(id, ..),
                Some(heads) => doc.map_range_at(id, .., heads),
            };
            let entries = items.map(|item| {
                Ok((item.key.to_owned(), build(doc, item.value, &item.id, at, depth + 1)?))
            });
            Value::Map(entries.collect::<Result<BTreeMap<_, _>, ReadError>>()?)
        }
    })
}

pub(super) fn text<D: ReadDoc>(doc: &D, path: &Path, at: At<'_>) -> Result<String, ReadError> {
    text_of(doc, &object(doc, path, Kind::Text, at)?.id, at)
}

fn text_of<D: ReadDoc>(doc: &D, id: &am::ObjId, at: At<'_>) -> Result<String, ReadError> {
    Ok(match at {
        None => doc.text(id)?,
        Some(heads) => doc.text_at(id, heads)?,
    })
}

pub(super) fn length_of<D: ReadDoc>(doc: &D, id: &am::ObjId, at: At<'_>) -> usize {
    match at {
        None => doc.length(id),
        Some(heads) => doc.length_at(id, heads),
    }
}

pub(super) fn length<D: ReadDoc>(doc: &D, path: &Path, at: At<'_>) -> Result<usize, ReadError> {
    let (value, id) =
        resolve(doc, path, at)?.ok_or_else(|| ReadError::NotFound { path: path.clone() })?;
    match Kind::of(&value) {
        Kind::Map | Kind::List | Kind::Text => Ok(length_of(doc, &id, at)),
        actual => {
            Err(ReadError::WrongKind { path: path.clone(), expected: Kind::Sequence, actual })
        }
    }
}

pub(super) fn keys<D: ReadDoc>(doc: &D, path: &Path, at: At<'_>) -> Result<Vec<String>, ReadError> {
    let map = object(doc, path, Kind::Map, at)?;
    Ok(match at {
        None => doc.keys(&map.id).collect(),
        Some(heads) => doc.keys_at(&map.id, heads).collect(),
    })
}
