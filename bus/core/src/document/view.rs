//! Reading one version of a document.

use std::borrow::Cow;

use automerge::{self as am, ReadDoc};

use super::error::ReadError;
use super::heads::Heads;
use super::marks::Mark;
use super::path::Path;
use super::read;
use super::value::{Kind, Value};

/// A version of a document, to be read: the newest, or any one of the past.
///
/// It cannot edit, and holds on to the [`Replica`](super::Replica) it comes from. Reading the newest version is cheapest;
/// reading a text or list of an older one costs time proportional to all that was ever written in it. In a document
/// whose counters were ever incremented, making the view of an older version costs as much as applying its changes.
#[derive(Clone, Debug)]
pub struct View<'a> {
    pub(super) doc: Cow<'a, am::Automerge>,
    /// `None` is the newest version of `doc`.
    pub(super) heads: Option<Vec<am::ChangeHash>>,
}

impl<'a> View<'a> {
    pub(super) fn newest(doc: &'a am::Automerge) -> Self {
        Self { doc: Cow::Borrowed(doc), heads: None }
    }

    pub(super) fn at(doc: &'a am::Automerge, heads: Vec<am::ChangeHash>) -> Self {
        Self { doc: Cow::Borrowed(doc), heads: Some(heads) }
    }

    pub(super) fn owned(doc: am::Automerge) -> Self {
        Self { doc: Cow::Owned(doc), heads: None }
    }

    pub(super) fn as_of(&self) -> read::At<'_> {
        self.heads.as_deref()
    }

    /// Returns the version.
    pub fn heads(&self) -> Heads {
        match &self.heads {
            Some(heads) => Heads::from_am(heads.iter().copied()),
            None => Heads::from_am(self.doc.get_heads()),
        }
    }

    /// Reads what stands at a path; `None` when nothing does.
    ///
    /// Where concurrent writes conflict, this is the one that every replica shows; [`View::conflicts`] has them all.
    ///
    /// # Errors
    ///
    /// [`ReadError`] when a step leads through something that is not a map or list, or values are nested too deeply.
    pub fn value(&self, path: &Path) -> Result<Option<Value>, ReadError> {
        read::value(&*self.doc, path, self.as_of())
    }

    /// Reads a text.
    ///
    /// # Errors
    ///
    /// [`ReadError::NotFound`] or [`ReadError::WrongKind`].
    pub fn text(&self, path: &Path) -> Result<String, ReadError> {
        read::text(&*self.doc, path, self.as_of())
    }

    /// Reads the whole document as JSON, in the form of [`Value::to_json`].
    ///
    /// # Errors
    ///
    /// [`ReadError::TooDeep`].
    pub fn to_json(&self) -> Result<serde_json::Value, ReadError> {
        let root = am::Value::Object(am::ObjType::Map);
        read::build(&*self.doc, root, &am::ROOT, self.as_of(), 0).map(|value| value.to_json())
    }

    /// Returns the number of keys of a map, elements of a list or characters of a text.
    ///
    /// # Errors
    ///
    /// [`ReadError::NotFound`] or [`ReadError::WrongKind`].
    pub fn length(&self, path: &Path) -> Result<usize, ReadError> {
        read::length(&*self.doc, path, self.as_of())
    }

    /// Returns the keys of a map in ascending order.
    ///
    /// # Errors
    ///
    /// [`ReadError::NotFound`] or [`ReadError::WrongKind`].
    pub fn keys(&self, path: &Path) -> Result<Vec<String>, ReadError> {
        read::keys(&*self.doc, path, self.as_of())
    }

    /// Returns the marks on a text, by name and then by position.
    ///
    /// # Errors
    ///
    /// [`ReadError::NotFound`] or [`ReadError::WrongKind`].
    pub fn marks(&self, path: &Path) -> Result<Vec<Mark>, ReadError> {
        let text = read::object(&*self.doc, path, Kind::Sequence, self.as_of())?;
        let marks = match self.as_of() {
            None => self.doc.marks(&text.id)?,
            Some(heads) => self.doc.marks_at(&text.id, heads)?,
        };
        Ok(marks.iter().filter(|mark| !mark.value().is_null()).map(Mark::from_am).collect())
    }
}
