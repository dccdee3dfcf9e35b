//! Edits of a document as data: the operations of JSON Patch (RFC 6902), and what it has no words for.

use colony_core::document::{Edit, EditError, Path, ReadError, Value};
use serde::{Deserialize, Serialize};

/// One edit of a document. In JSON, `op` names it: `{"op": "splice", "path": "/text", "position": 3, "insert": "x"}`.
///
/// The first six are those of JSON Patch (RFC 6902). A string put so is replaced as a whole by whoever writes last; a text is
/// made by `text`, and shared. Positions in text count Unicode code points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
#[non_exhaustive]
pub enum DocumentOperation {
    /// Puts a value at a key, or inserts it into a list; `-` as an index is the list's end.
    Add {
        /// Where.
        path: Path,
        /// What.
        value: serde_json::Value,
    },
    /// Takes away what stands at a path.
    Remove {
        /// Where.
        path: Path,
    },
    /// Puts a value in place of what stands at a path.
    Replace {
        /// Where. Something has to stand there.
        path: Path,
        /// What.
        value: serde_json::Value,
    },
    /// Takes a value away and adds it elsewhere, as a new one.
    Move {
        /// Where it stands.
        from: Path,
        /// Where it is to be.
        path: Path,
    },
    /// Adds a value that stands elsewhere, as a new one.
    Copy {
        /// Where it stands.
        from: Path,
        /// Where it is to be, too.
        path: Path,
    },
    /// Does nothing if the value at a path is this one; else none of the operations is done.
    Test {
        /// Where.
        path: Path,
        /// What is to stand there, in its JSON form.
        value: serde_json::Value,
    },
    /// Makes a shared text read like this, by the fewest insertions and deletions; begins one where none stands.
    Text {
        /// Where.
        path: Path,
        /// What it is to read.
        text: String,
    },
    /// Deletes characters of a shared text and inserts others in their place.
    Splice {
        /// The text.
        path: Path,
        /// Before which character.
        position: usize,
        /// How many characters are deleted.
        #[serde(default)]
        delete: usize,
        /// What is inserted.
        #[serde(default)]
        insert: String,
    },
    /// Adds to a counter; begins one where nothing stands.
    Increment {
        /// Where.
        path: Path,
        /// How much; may be negative.
        by: i64,
    },
}

/// Why an operation cannot be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperationError {
    /// It does not fit the document.
    #[error("operation {index} cannot be done")]
    Edit {
        /// Which one, counted from 0.
        index: usize,
        /// Why.
        #[source]
        source: EditError,
    },
    /// Something else stands there than the test asks for.
    #[error("operation {index}: another value stands at `{path}` than the one tested for")]
    Differs {
        /// Which one, counted from 0.
        index: usize,
        /// Where.
        path: Path,
    },
}

impl From<EditError> for OperationError {
    fn from(source: EditError) -> Self {
        Self::Edit { index: 0, source }
    }
}

impl From<ReadError> for OperationError {
    fn from(error: ReadError) -> Self {
        EditError::from(error).into()
    }
}

impl OperationError {
    pub(super) fn at(self, at: usize) -> Self {
        match self {
            Self::Edit { index: _, source } => Self::Edit { index: at, source },
            Self::Differs { index: _, path } => Self::Differs { index: at, path },
        }
    }
}

impl DocumentOperation {
    /// Does it.
    pub(super) fn apply(&self, edit: &mut Edit<'_>) -> Result<(), OperationError> {
        match self {
            Self::Add { path, value } => Ok(add(edit, path, Value::from(value.clone()))?),
            Self::Remove { path } => Ok(edit.delete(path)?),
            Self::Replace { path, value } => {
                let new = Value::from(value.clone());
                if path.is_root() {
                    return Ok(edit.set(path, new)?);
                }
                there(edit, path)?;
                Ok(edit.set(path, new)?)
            }
            Self::Move { from, path } => {
                let value = there(edit, from)?;
                edit.delete(from)?;
                Ok(add(edit, path, value)?)
            }
            Self::Copy { from, path } => {
                let value = there(edit, from)?;
                Ok(add(edit, path, value)?)
            }
            Self::Test { path, value } => {
                let same = edit.value(path)?.is_some_and(|there| there.to_json() == *value);
                let differs = || OperationError::Differs { index: 0, path: path.clone() };
                same.then_some(()).ok_or_else(differs)
            }
            Self::Text { path, text } => match edit.text(path) {
                Ok(_) => Ok(edit.update_text(path, text)?),
                Err(_) => Ok(edit.set(path, Value::Text(text.clone()))?),
            },
            Self::Splice { path, position, delete, insert } => {
                Ok(edit.splice_text(path, *position, *delete, insert)?)
            }
            Self::Increment { path, by } => match edit.value(path)? {
                None => Ok(edit.set(path, Value::Counter(*by))?),
                Some(_) => Ok(edit.increment(path, *by)?),
            },
        }
    }
}

fn there(edit: &Edit<'_>, path: &Path) -> Result<Value, ReadError> {
    edit.value(path)?.ok_or_else(|| ReadError::NotFound { path: path.clone() })
}

/// Inserts into a list, or puts at a key.
fn add(edit: &mut Edit<'_>, path: &Path, value: Value) -> Result<(), EditError> {
    let Some((parent, last)) = path.split_last() else { return edit.set(path, value) };
    let index = match last {
        "-" => edit.length(&parent).ok(),
        index => index.parse().ok(),
    };
    let Some(index) = index else { return edit.set(path, value) };
    match edit.insert(&parent, index, value.clone()) {
        Err(EditError::Read(ReadError::WrongKind { .. } | ReadError::NotFound { .. })) => {
            edit.set(path, value)
        }
        inserted => inserted,
    }
}

#[cfg(test)]
mod tests {
    use colony_core::document::{ActorId, Replica};
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    fn after(operations: serde_json::Value) -> Result<serde_json::Value, OperationError> {
        let operations: Vec<DocumentOperation> = serde_json::from_value(operations).unwrap();
        let mut replica = Replica::new(ActorId::new(*b"ann-000000000001").unwrap());
        replica.try_edit(None, Timestamp::UNIX_EPOCH, None, |edit| {
            for (index, operation) in operations.iter().enumerate() {
                operation.apply(edit).map_err(|error| error.at(index))?;
            }
            Ok::<_, OperationError>(())
        })?;
        Ok(replica.view().to_json().unwrap())
    }

    #[test]
    fn operations_are_done_in_order() {
        let done = after(json!([
            { "op": "add", "path": "/list", "value": [1, 3] },
            { "op": "add", "path": "/list/1", "value": 2 },
            { "op": "add", "path": "/list/-", "value": 4 },
            { "op": "remove", "path": "/list/0" },
            { "op": "replace", "path": "/list/0", "value": "two" },
            { "op": "copy", "from": "/list/0", "path": "/copied" },
            { "op": "move", "from": "/copied", "path": "/0" },
            { "op": "test", "path": "/0", "value": "two" },
            { "op": "text", "path": "/text", "text": "colony" },
            { "op": "splice", "path": "/text", "position": 0, "delete": 1, "insert": "C" },
            { "op": "text", "path": "/text", "text": "Colonies" },
            { "op": "increment", "path": "/count", "by": 2 },
            { "op": "increment", "path": "/count", "by": -5 },
        ]));
        let expected =
            json!({ "0": "two", "count": -3, "list": ["two", 3, 4], "text": "Colonies" });
        assert_eq!(done.unwrap(), expected);
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_number() {
        let missing = json!([
            { "op": "add", "path": "/a", "value": 1 },
            { "op": "replace", "path": "/b", "value": 1 },
        ]);
        assert!(matches!(after(missing), Err(OperationError::Edit { index: 1, .. })));
        let differs = json!([{ "op": "test", "path": "/a", "value": 1 }]);
        assert!(matches!(after(differs), Err(OperationError::Differs { index: 0, .. })));
        let unknown = json!({ "op": "replace", "path": "/a", "value": 1, "other": 2 });
        assert!(serde_json::from_value::<DocumentOperation>(unknown).is_err());
    }
}
