//! Values as indented lines, for people: a name and what stands under it.

use serde_json::Value;

use crate::failure::Failure;
use crate::output::{Output, style};

/// Columns that names take.
const NAMES: usize = 14;

/// Writes the fields of an object, one a line, below what it is and its name (the field `key`). What says nothing is left
/// out.
pub(crate) fn write(output: &mut Output, key: &str, value: &Value) -> Result<(), Failure> {
    let mut lines = Vec::new();
    outline(&mut lines, key, value);
    lines.into_iter().try_for_each(|line| output.line(line))
}

fn outline(lines: &mut Vec<String>, key: &str, value: &Value) {
    let strong = style::STRONG;
    let name = value.get(key).filter(|name| is_scalar(name)).map(scalar);
    let name = name.map_or(String::new(), |name| format!(" {name}"));
    lines.push(format!("{strong}{}{name}{strong:#}", plain(key)));
    let Value::Object(object) = value else { return };
    for (under, value) in object.iter().filter(|(under, _)| *under != key) {
        field(lines, 1, under, value);
    }
}

fn fields(lines: &mut Vec<String>, depth: usize, value: &Value) {
    let Value::Object(object) = value else { return };
    for (name, value) in object {
        field(lines, depth, name, value);
    }
}

fn field(lines: &mut Vec<String>, depth: usize, name: &str, value: &Value) {
    let indent = "  ".repeat(depth);
    let width = NAMES.saturating_sub(indent.len());
    let (dim, name) = (style::DIM, plain(name).replace('_', " "));
    let heading = |rest: &str| match rest.is_empty() {
        true => format!("{indent}{dim}{name}{dim:#}"),
        false => format!("{indent}{dim}{name:<width$}{dim:#} {rest}"),
    };
    match value {
        _ if says_nothing(value) => {}
        Value::Object(object) => {
            let mut only = object.iter();
            match (only.next(), only.next()) {
                // A phase, a rule: what it is stands beside the name.
                (Some((variant, under)), None) if under.is_object() => {
                    lines.push(heading(&plain(variant)));
                    fields(lines, depth + 1, under);
                }
                _ => {
                    lines.push(heading(""));
                    fields(lines, depth + 1, value);
                }
            }
        }
        Value::Array(items) if items.iter().all(is_scalar) => {
            let items: Vec<_> = items.iter().map(scalar).collect();
            lines.push(heading(&items.join(", ")));
        }
        Value::Array(items) => {
            lines.push(heading(""));
            for (number, item) in items.iter().enumerate() {
                match item {
                    Value::Object(_) => {
                        lines.push(format!("{indent}  {dim}{}{dim:#}", number + 1));
                        fields(lines, depth + 2, item);
                    }
                    item => lines.push(format!("{indent}  {}", scalar(item))),
                }
            }
        }
        scalar_value => lines.push(heading(&scalar(scalar_value))),
    }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(object) => object.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn is_scalar(value: &Value) -> bool {
    !value.is_object() && !value.is_array()
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => plain(text),
        other => other.to_string(),
    }
}

/// Returns text on one line, without characters that control a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn phases_stand_beside_their_names_and_what_says_nothing_is_left_out() {
        let mut lines = Vec::new();
        let value = json!({"task": "fence", "why": "", "phase": {"held": {"owner": "b\u{1b}ob", "next": []}},
            "after": ["a", "b"], "bids": [{"price": 1}]});
        outline(&mut lines, "task", &value);
        let text = anstream::adapter::strip_str(&lines.join("\n")).to_string();
        assert_eq!(
            text,
            "task fence\n  after        a, b\n  bids\n    1\n      price    1\n  phase        held\n    owner      b ob"
        );
    }
}
