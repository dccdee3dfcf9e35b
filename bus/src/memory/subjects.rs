//! Subject filters, split once so that matching a record costs one pass over its subject.

/// A union of subject filters. Empty matches everything.
#[derive(Debug, Clone, Default)]
pub(super) struct Subjects(Vec<SubjectFilter>);

impl Subjects {
    pub(super) fn new<T: AsRef<str>>(filters: &[T]) -> Self {
        Self(filters.iter().map(|filter| SubjectFilter::new(filter.as_ref())).collect())
    }

    pub(super) fn matches(&self, subject: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|filter| filter.matches(subject))
    }
}

/// One subject filter: `*` stands for one token, a last `>` for one or more.
#[derive(Debug, Clone)]
pub(super) enum SubjectFilter {
    /// No wildcard.
    Exact(String),
    /// `a.b.>`, kept as `a.b.`; `>` alone is the empty prefix.
    Prefix(String),
    /// Anything with a `*`.
    Tokens { tokens: Vec<Option<String>>, open: bool },
}

impl SubjectFilter {
    pub(super) fn new(filter: &str) -> Self {
        let (head, open) = match filter.strip_suffix('>') {
            Some(head) if head.is_empty() || head.ends_with('.') => (head, true),
            Some(_) | None => (filter, false),
        };
        if !head.split('.').any(|token| token == "*") {
            return if open { Self::Prefix(head.to_owned()) } else { Self::Exact(head.to_owned()) };
        }
        let tokens = head.strip_suffix('.').unwrap_or(head).split('.');
        let tokens = tokens.map(|token| (token != "*").then(|| token.to_owned())).collect();
        Self::Tokens { tokens, open }
    }

    /// Returns the subject, if the filter is one.
    pub(super) fn exact(&self) -> Option<&str> {
        match self {
            Self::Exact(subject) => Some(subject),
            Self::Prefix(_) | Self::Tokens { .. } => None,
        }
    }

    pub(super) fn matches(&self, subject: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == subject,
            Self::Prefix(prefix) => {
                subject.len() > prefix.len() && subject.as_bytes().starts_with(prefix.as_bytes())
            }
            Self::Tokens { tokens, open } => {
                let mut rest = subject.split('.');
                let head = tokens.iter().all(|wanted| match (wanted, rest.next()) {
                    (_, None) => false,
                    (None, Some(_)) => true,
                    (Some(wanted), Some(token)) => wanted == token,
                });
                head && rest.next().is_some() == *open
            }
        }
    }
}

/// Returns whether a record may stand under a subject: tokens without spaces, none empty, none a wildcard.
pub(super) fn is_subject(subject: &str) -> bool {
    let token = |token: &str| {
        !token.is_empty()
            && token != "*"
            && token != ">"
            && !token.bytes().any(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control())
    };
    subject.split('.').all(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_as_the_server_matches() {
        let cases = [
            ("a.b", "a.b", true),
            ("a.b", "a.b.c", false),
            ("a.*", "a.b", true),
            ("a.*", "a", false),
            ("a.*", "a.b.c", false),
            ("a.>", "a.b.c", true),
            ("a.>", "a", false),
            ("a.>", "ab.c", false),
            (">", "a", true),
            ("*", "a", true),
            ("*", "a.b", false),
            ("*.b.>", "a.b.c.d", true),
            ("*.b.>", "a.b", false),
            ("a.*.c", "a.x.c", true),
            ("a.*.c", "a.x.d", false),
            ("a.*.*", "a.x", false),
            ("a>", "a.b", false),
        ];
        for (filter, subject, expected) in cases {
            assert_eq!(SubjectFilter::new(filter).matches(subject), expected, "{filter} {subject}");
        }
        assert!(Subjects::new::<&str>(&[]).matches("a"));
        assert!(Subjects::new(&["b", "a.>"]).matches("a.b"));
    }

    #[test]
    fn a_filter_is_no_subject() {
        assert!(is_subject("a.b=2E.c"));
        for text in ["", "a..b", ".a", "a.", "a.*", ">", "a b", "a.\n"] {
            assert!(!is_subject(text), "{text:?}");
        }
    }
}
