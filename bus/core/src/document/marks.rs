//! Marks on ranges of a text.

use automerge as am;
use serde::Serialize;

use super::value::Value;

/// A mark on a range of a text: bold, a link, a comment.
///
/// At each character there is at most one mark of a name; of concurrent ones the same one wins everywhere.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mark {
    /// The first character.
    pub start: usize,
    /// The position after the last character.
    pub end: usize,
    /// What kind of mark it is: `bold`, `link`.
    pub name: String,
    /// Its value, a single one: `true`, an address.
    pub value: Value,
}

impl Mark {
    pub(super) fn from_am(mark: &am::marks::Mark<'_>) -> Self {
        Self {
            start: mark.start,
            end: mark.end,
            name: mark.name().to_owned(),
            value: Value::from_scalar(mark.value()),
        }
    }
}

/// Which characters typed at the edges of a mark become part of it.
///
/// Bold usually grows at its end ([`Expand::After`]); a link does not ([`Expand::Neither`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expand {
    /// Those before its first character.
    Before,
    /// Those after its last character.
    #[default]
    After,
    /// Both.
    Both,
    /// None.
    Neither,
}

impl Expand {
    pub(super) fn to_am(self) -> am::marks::ExpandMark {
        match self {
            Self::Before => am::marks::ExpandMark::Before,
            Self::After => am::marks::ExpandMark::After,
            Self::Both => am::marks::ExpandMark::Both,
            Self::Neither => am::marks::ExpandMark::None,
        }
    }
}
