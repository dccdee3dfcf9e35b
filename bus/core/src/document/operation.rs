//! The operations of one change, in a form that can be matched on.

use automerge::{self as am, ReadDoc};

use super::read::At;

/// One operation.
pub(super) struct Operation {
    pub(super) id: am::ObjId,
    pub(super) object: am::ObjId,
    pub(super) key: Key,
    pub(super) action: Action,
}

/// What in the object the operation is about.
#[derive(PartialEq)]
pub(super) enum Key {
    Map(String),
    /// An element of a list or a character of a text, by its name.
    Element(am::ObjId),
}

/// What the operation does.
pub(super) enum Action {
    Insert,
    Put,
    Delete,
    Increment(i64),
    Mark,
}

/// Decodes the operations of a change.
pub(super) fn operations(change: &am::Change) -> Vec<Operation> {
    let start = change.start_op().get();
    let decoded = change.decode();
    let operations = decoded.operations.iter().zip(start..).filter_map(|(op, counter)| {
        let id = am::ObjId::Id(counter, change.actor_id().clone(), 0);
        // The library keeps the names of these types to itself and shows them through serde.
        let name = serde_json::to_value(&op.action).ok()?;
        let action = match name.as_str()? {
            "mark" | "markBegin" | "markEnd" => Action::Mark,
            "del" => Action::Delete,
            "inc" => Action::Increment(op.to_i64()?),
            _ if op.insert => Action::Insert,
            _ => Action::Put,
        };
        let key = match (op.insert, op.key.to_opid()) {
            (true, _) => Key::Element(id.clone()),
            (false, Some(element)) => Key::Element(am::ObjId::Id(element.0, element.1, 0)),
            (false, None) => Key::Map(map_key(&op.key)?),
        };
        Some(Operation { id, object: object_id(&op.obj.to_string())?, key, action })
    });
    operations.collect()
}

/// Reads the key of an operation on a map, whose type the library does not name.
pub(super) fn map_key(key: &impl serde::Serialize) -> Option<String> {
    match serde_json::to_value(key).ok()? {
        serde_json::Value::String(key) => Some(key),
        _ => None,
    }
}

/// Says whether a change adds to a counter, without naming its operations.
pub(super) fn has_increment(change: &am::Change) -> bool {
    // Only an increment holds a number that is neither put nor inserted; a put of a number says its datatype.
    let decoded = change.decode();
    decoded.operations.iter().any(|op| {
        !op.insert
            && !op.pred.is_empty()
            && matches!(op.primitive_value(), Some(am::ScalarValue::Int(_)))
            && serde_json::to_value(&op.action).is_ok_and(|name| name == "inc")
    })
}

/// Reads the written form of an object's id.
pub(super) fn object_id(text: &str) -> Option<am::ObjId> {
    match text.split_once('@') {
        None => Some(am::ROOT),
        Some((counter, actor)) => {
            Some(am::ObjId::Id(counter.parse().ok()?, am::ActorId::try_from(actor).ok()?, 0))
        }
    }
}

/// Where an element stands in a version, or would stand if it were not deleted.
pub(super) fn position<D: ReadDoc>(
    doc: &D,
    object: &am::ObjId,
    element: &am::ObjId,
    at: At<'_>,
) -> Option<usize> {
    let am::ObjId::Id(counter, actor, _) = element else { return None };
    let cursor = am::Cursor::try_from(format!("{counter}@{actor}")).ok()?;
    doc.get_cursor_position(object, &cursor, at).ok()
}
