//! What differs between two versions.

use automerge as am;
use serde::Serialize;

use super::marks::Mark;
use super::path::Path;
use super::value::Value;

/// One step from an older version to a newer one (or back). Applied in order, they lead from one to the other.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Patch {
    /// The place that the action is about; the list or text itself where the action has positions.
    pub path: Path,
    /// What happened there.
    #[serde(flatten)]
    pub action: PatchAction,
}

/// What happens at the place of a [`Patch`].
///
/// A map, list or text that is put or inserted is empty at first; its content follows in further patches.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
#[non_exhaustive]
pub enum PatchAction {
    /// A value is put at a key or index.
    Put {
        /// The value.
        value: Value,
        /// Whether another value was written there at the same time.
        conflict: bool,
    },
    /// Elements are inserted into a list.
    Insert {
        /// Before this position.
        index: usize,
        /// The elements.
        values: Vec<Value>,
    },
    /// Characters are inserted into a text.
    SpliceText {
        /// Before this position.
        index: usize,
        /// The characters.
        text: String,
    },
    /// The key is deleted from its map.
    Delete,
    /// Elements or characters are deleted from a list or text.
    Remove {
        /// The first position.
        index: usize,
        /// How many.
        count: usize,
    },
    /// A counter is added to.
    Increment {
        /// How much, possibly negative.
        by: i64,
    },
    /// A value written at the same time as the one shown turns up.
    Conflict,
    /// Marks are set on ranges of a text; a null value takes a mark off.
    Mark {
        /// The marks.
        marks: Vec<Mark>,
    },
}

impl Patch {
    pub(super) fn from_am(patch: am::Patch) -> Self {
        let object = Path::from_props(patch.path.iter().map(|(_, prop)| prop));
        let put =
            |value: &am::Value<'_>, conflict| PatchAction::Put { value: shallow(value), conflict };
        let (path, action) = match patch.action {
            am::PatchAction::PutMap { key, value: (value, _), conflict } => {
                (object.join(key), put(&value, conflict))
            }
            am::PatchAction::PutSeq { index, value: (value, _), conflict } => {
                (object.join(index), put(&value, conflict))
            }
            am::PatchAction::Insert { index, values } => {
                let values = values.iter().map(|(value, _, _)| shallow(value)).collect();
                (object, PatchAction::Insert { index, values })
            }
            am::PatchAction::SpliceText { index, value, marks: _ } => {
                (object, PatchAction::SpliceText { index, text: value.make_string() })
            }
            am::PatchAction::Increment { prop, value } => {
                (object.join(prop), PatchAction::Increment { by: value })
            }
            am::PatchAction::Conflict { prop } => (object.join(prop), PatchAction::Conflict),
            am::PatchAction::DeleteMap { key } => (object.join(key), PatchAction::Delete),
            am::PatchAction::DeleteSeq { index, length } => {
                (object, PatchAction::Remove { index, count: length })
            }
            am::PatchAction::Mark { marks } => {
                (object, PatchAction::Mark { marks: marks.iter().map(Mark::from_am).collect() })
            }
        };
        Self { path, action }
    }
}

fn shallow(value: &am::Value<'_>) -> Value {
    match value {
        am::Value::Scalar(scalar) => Value::from_scalar(scalar),
        am::Value::Object(am::ObjType::Text) => Value::Text(String::new()),
        am::Value::Object(am::ObjType::List) => Value::List(Vec::new()),
        am::Value::Object(am::ObjType::Map | am::ObjType::Table) => Value::Map(Default::default()),
    }
}
