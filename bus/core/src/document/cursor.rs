//! Positions that move with the text.

use std::fmt;
use std::str::FromStr;

use automerge::{self as am, ReadDoc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::error::ReadError;
use super::heads::ActorId;
use super::path::Path;
use super::read;
use super::value::Kind;
use super::view::View;

/// A position in a text or list that stays at its character whatever is inserted or deleted around it.
///
/// When the character is deleted, the cursor stands before the next one that is left. A cursor at the end stays at the
/// end. Its text form may be stored and sent; it means the same on every replica that has the character.
#[derive(Clone, Debug, PartialEq)]
pub struct Cursor(am::Cursor);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let bad = || CursorError { text: text.to_owned() };
        if !matches!(text, "s" | "e") {
            // The library panics on some malformed cursors, so only well-formed ones get there.
            let (counter, actor) = text.split_once('@').ok_or_else(bad)?;
            let counter = counter.strip_prefix('-').unwrap_or(counter);
            let digits = counter.bytes().all(|byte| byte.is_ascii_digit());
            let named = !actor.is_empty() && actor.parse::<ActorId>().is_ok();
            if !digits || counter.parse::<u32>().is_err() || !named {
                return Err(bad());
            }
        }
        am::Cursor::try_from(text).map(Self).map_err(|_| bad())
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The text is not a [`Cursor`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a cursor")]
pub struct CursorError {
    text: String,
}

impl View<'_> {
    /// Returns a cursor before the character or element at `position`; at the length of the text, one at its end.
    ///
    /// # Errors
    ///
    /// [`ReadError::NotFound`], [`ReadError::WrongKind`], [`ReadError::OutOfBounds`].
    pub fn cursor(&self, path: &Path, position: usize) -> Result<Cursor, ReadError> {
        let object = read::object(&*self.doc, path, Kind::Sequence, self.as_of())?;
        let length = read::length_of(&*self.doc, &object.id, self.as_of());
        let place = match position {
            place if place < length => am::CursorPosition::Index(place),
            place if place == length => am::CursorPosition::End,
            index => return Err(ReadError::OutOfBounds { path: path.clone(), index, length }),
        };
        Ok(self.doc.get_cursor(&object.id, place, self.as_of()).map(Cursor)?)
    }

    /// Returns where a cursor stands in this version.
    ///
    /// # Errors
    ///
    /// [`ReadError::Cursor`] when its character was never part of this text in this version; [`ReadError::NotFound`],
    /// [`ReadError::WrongKind`].
    pub fn cursor_position(&self, path: &Path, cursor: &Cursor) -> Result<usize, ReadError> {
        let object = read::object(&*self.doc, path, Kind::Sequence, self.as_of())?;
        self.doc
            .get_cursor_position(&object.id, &cursor.0, self.as_of())
            .map_err(|_| ReadError::Cursor { cursor: cursor.to_string(), path: path.clone() })
    }
}
