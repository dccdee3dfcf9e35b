//! One way to write a JSON value, so that a signature over it holds whoever wrote it, and however.
//!
//! This is RFC 8785 (JSON Canonicalization Scheme) for values whose numbers are whole and within ±(2^53 − 1): no
//! whitespace, the keys of an object in the order of their UTF-16 code units, strings with the shortest escapes. Other
//! numbers are refused, since languages disagree on how to write them.

use std::fmt::Write as _;

use serde_json::Value;

/// The largest whole number that every language's JSON reads exactly.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// Why a JSON text has no canonical form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CanonicalError {
    /// It is not JSON.
    #[error("the text is not JSON")]
    NotJson,
    /// A number is not whole, or larger than every language reads exactly.
    #[error("{number} is not a whole number within ±(2^53 − 1)")]
    Number {
        /// The number.
        number: String,
    },
}

/// Writes the canonical form of a JSON text.
///
/// # Errors
/// [`CanonicalError`].
pub fn canonical(text: &str) -> Result<String, CanonicalError> {
    let value: Value = serde_json::from_str(text).map_err(|_| CanonicalError::NotJson)?;
    let mut out = String::with_capacity(text.len());
    push(&mut out, &value)?;
    Ok(out)
}

fn push(out: &mut String, value: &Value) -> Result<(), CanonicalError> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => {
            let size = number.as_i64().map(i64::unsigned_abs).or_else(|| number.as_u64());
            if size.is_none_or(|size| size > MAX_SAFE_INTEGER) {
                return Err(CanonicalError::Number { number: number.to_string() });
            }
            let _ = write!(out, "{number}");
        }
        Value::String(text) => push_text(out, text),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push(out, item)?;
            }
            out.push(']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push('{');
            for (index, (key, value)) in fields.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push_text(out, key);
                out.push(':');
                push(out, value)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

fn push_text(out: &mut String, text: &str) {
    // A `Value` that is text shows itself as a JSON string, with the escapes that RFC 8785 asks for.
    let _ = write!(out, "{}", Value::String(text.to_owned()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_by_utf16_and_blanks_vanish() {
        let text = "{ \"b\" : [1, -2, true, null],\n \"a\":{\"\u{1F600}\":1,\"\u{FB33}\":2}, \"\\u000f\\n\":\"\\u00e9/\\\"\" }";
        let expected = "{\"\\u000f\\n\":\"é/\\\"\",\"a\":{\"\u{1F600}\":1,\"\u{FB33}\":2},\"b\":[1,-2,true,null]}";
        let first = canonical(text).unwrap();
        assert_eq!(first, expected);
        assert_eq!(canonical(&first).unwrap(), first, "the canonical form is its own");
    }

    #[test]
    fn numbers_that_languages_write_differently_are_refused() {
        for text in ["1.5", "[1e3]", "9007199254740992", "-9007199254740992"] {
            assert!(matches!(canonical(text), Err(CanonicalError::Number { .. })), "{text}");
        }
        assert_eq!(canonical("9007199254740991").unwrap(), "9007199254740991");
        assert_eq!(canonical("{"), Err(CanonicalError::NotJson));
    }
}
