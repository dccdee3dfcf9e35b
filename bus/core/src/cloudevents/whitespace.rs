//! Whitespace of JSON texts.

/// Returns JSON text without whitespace outside its strings.
///
/// Two texts that agree here differ in whitespace only. Text that is not JSON gives some text.
pub(super) fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for c in json.chars() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = c == '\\' && !escaped;
        } else if matches!(c, ' ' | '\t' | '\n' | '\r') {
            continue;
        } else {
            in_string = c == '"';
        }
        out.push(c);
    }
    out
}

/// Returns whether JSON text stands as it is within one line: no line breaks, nothing around it.
pub(super) fn is_one_line(json: &str) -> bool {
    !json.contains(['\n', '\r']) && json.trim_ascii().len() == json.len()
}

#[cfg(test)]
mod tests {
    use super::compact;

    #[test]
    fn whitespace_within_strings_stays() {
        assert_eq!(compact("\n{ \"a \\\" b\\\\\" : [ 1 ,\t2 ] } "), "{\"a \\\" b\\\\\":[1,2]}");
    }
}
