//! Where something stands in a document.

use std::fmt;
use std::str::FromStr;

use automerge as am;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A place in a document, written as a JSON pointer (RFC 6901): `/tasks/3/title`.
///
/// The empty path is the root map. In a key, `~` is written `~0` and `/` is written `~1`. A step into a list is a
/// decimal index; whether a step is a key or an index is decided by what stands there, so `/0` is the key `0` of the
/// root map.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Vec<String>);

impl Path {
    /// The greatest number of steps: also how deeply values may be nested.
    pub const MAX_DEPTH: usize = 128;

    /// The root map of the document.
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// Returns this path with a key or an index added to its end.
    #[must_use]
    pub fn join(&self, step: impl ToString) -> Self {
        let mut steps = self.0.clone();
        steps.push(step.to_string());
        Self(steps)
    }

    /// Returns the path of the enclosing map or list, and the last step; `None` for the root.
    pub fn split_last(&self) -> Option<(Path, &str)> {
        let (last, parents) = self.0.split_last()?;
        Some((Self(parents.to_vec()), last))
    }

    /// Iterates over the keys and indexes from the root.
    pub fn steps(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Says whether this is the root map.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn from_props<'a>(props: impl IntoIterator<Item = &'a am::Prop>) -> Self {
        Self(props.into_iter().map(ToString::to_string).collect())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.0 {
            write!(f, "/{}", step.replace('~', "~0").replace('/', "~1"))?;
        }
        Ok(())
    }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        if text.is_empty() {
            return Ok(Self::root());
        }
        let Some(rest) = text.strip_prefix('/') else {
            return Err(PathError::NoSlash { text: text.to_owned() });
        };
        let steps = rest.split('/').map(unescape).collect::<Result<Vec<_>, _>>()?;
        if steps.len() > Self::MAX_DEPTH {
            return Err(PathError::TooDeep { limit: Self::MAX_DEPTH, actual: steps.len() });
        }
        Ok(Self(steps))
    }
}

fn unescape(step: &str) -> Result<String, PathError> {
    let mut out = String::with_capacity(step.len());
    let mut chars = step.chars();
    while let Some(char) = chars.next() {
        match (char, if char == '~' { chars.next() } else { None }) {
            ('~', Some('0')) => out.push('~'),
            ('~', Some('1')) => out.push('/'),
            ('~', _) => return Err(PathError::Escape { step: step.to_owned() }),
            (char, _) => out.push(char),
        }
    }
    Ok(out)
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Why a text is not a [`Path`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// A path that is not empty begins with a slash.
    #[error("path `{text}` does not begin with `/`")]
    NoSlash {
        /// The text as given.
        text: String,
    },
    /// A tilde is followed by something other than `0` or `1`.
    #[error("`~` in `{step}` is not followed by `0` (a tilde) or `1` (a slash)")]
    Escape {
        /// The step as given.
        step: String,
    },
    /// The path has too many steps.
    #[error("path has {actual} steps, at most {limit} are allowed")]
    TooDeep {
        /// [`Path::MAX_DEPTH`].
        limit: usize,
        /// What there was.
        actual: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_back_what_it_writes() {
        for text in ["", "/", "/a", "/a/b/0", "/a~1b/~0", "/ä ö//x"] {
            let path: Path = text.parse().expect("valid path");
            assert_eq!(path.to_string(), text);
        }
    }

    #[test]
    fn malformed_paths_are_refused() {
        assert!(matches!("a".parse::<Path>(), Err(PathError::NoSlash { .. })));
        assert!(matches!("/~2".parse::<Path>(), Err(PathError::Escape { .. })));
        assert!(matches!("/~".parse::<Path>(), Err(PathError::Escape { .. })));
        let deep = "/a".repeat(Path::MAX_DEPTH + 1);
        assert!(matches!(deep.parse::<Path>(), Err(PathError::TooDeep { .. })));
    }
}
