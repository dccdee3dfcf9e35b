//! Results checked against a JSON Schema that was agreed beforehand.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::json::Json;

/// Why a result does not fit, or a schema is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The schema is not a JSON Schema, or refers to something outside itself.
    #[error("the schema cannot be used: {problem}")]
    Schema {
        /// What is wrong with it.
        problem: String,
    },
    /// A part of the result is not as the schema wants it.
    #[error("the result does not fit the schema at {path:?}: {problem}")]
    Violation {
        /// A JSON pointer to the part; empty for the whole.
        path: String,
        /// What the schema wants there.
        problem: String,
    },
}

/// Checks that a schema can be used. It may refer to parts of itself only: nothing is fetched.
///
/// # Errors
/// [`SchemaError::Schema`].
pub(crate) fn check_schema(schema: &Json) -> Result<(), SchemaError> {
    compile(schema).map(drop)
}

/// Checks a value against a schema; the first violation is told.
///
/// # Errors
/// [`SchemaError`].
pub(crate) fn check(schema: &Json, value: &Json) -> Result<(), SchemaError> {
    let validator = compile(schema)?;
    let value = parse(value)?;
    validator.validate(&value).map_err(|error| SchemaError::Violation {
        path: error.instance_path().to_string(),
        problem: error.to_string(),
    })
}

fn compile(schema: &Json) -> Result<jsonschema::Validator, SchemaError> {
    let schema = parse(schema)?;
    jsonschema::validator_for(&schema)
        .map_err(|error| SchemaError::Schema { problem: error.to_string() })
}

fn parse(json: &Json) -> Result<Value, SchemaError> {
    // Raw JSON may still hold what a value cannot: a number out of every range, say.
    serde_json::from_str(json.text())
        .map_err(|error| SchemaError::Schema { problem: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::from_text(text).unwrap()
    }

    #[test]
    fn a_result_that_does_not_fit_names_the_place() {
        let schema =
            json(r#"{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}"#);
        assert_eq!(check(&schema, &json(r#"{"n":3,"more":true}"#)), Ok(()));
        let refused = check(&schema, &json(r#"{"n":"three"}"#));
        assert!(
            matches!(&refused, Err(SchemaError::Violation { path, .. }) if path == "/n"),
            "{refused:?}"
        );
    }

    #[test]
    fn a_schema_that_is_none_or_lies_elsewhere_is_refused() {
        for text in [r#"{"type":"nonsense"}"#, r#"{"$ref":"https://example.com/s.json"}"#] {
            assert!(matches!(check_schema(&json(text)), Err(SchemaError::Schema { .. })), "{text}");
        }
    }
}
