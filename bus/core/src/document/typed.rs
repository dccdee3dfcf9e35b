//! Reading a version into a struct.

use std::ops::RangeBounds;

use automerge::{self as am, AutomergeError};
use autosurgeon::{Hydrate, Prop};

use super::error::ReadError;
use super::path::Path;
use super::read;
use super::value::Kind;
use super::view::View;

impl View<'_> {
    /// Reads the whole document into a struct.
    ///
    /// Derive [`Hydrate`] for the struct; the derive macros want `autosurgeon` in the manifest of the crate that uses
    /// them, in the version that this crate has.
    ///
    /// # Errors
    ///
    /// [`ReadError::Hydrate`] when the document does not have that shape.
    pub fn hydrate<T: Hydrate>(&self) -> Result<T, ReadError> {
        autosurgeon::hydrate(&Versioned(self)).map_err(|error| ReadError::Hydrate(Box::new(error)))
    }

    /// Reads what stands at a path into a type; at the root as [`View::hydrate`].
    ///
    /// # Errors
    ///
    /// [`ReadError::NotFound`] when nothing encloses the place; [`ReadError::Hydrate`].
    pub fn hydrate_at<T: Hydrate>(&self, path: &Path) -> Result<T, ReadError> {
        let Some((parent, last)) = path.split_last() else { return self.hydrate() };
        let (value, object) = read::resolve(&*self.doc, &parent, self.as_of())?
            .ok_or_else(|| ReadError::NotFound { path: parent.clone() })?;
        let prop = Prop::from(read::prop(Kind::of(&value), last, &parent)?);
        autosurgeon::hydrate_prop(&Versioned(self), &object, prop)
            .map_err(|error| ReadError::Hydrate(Box::new(error)))
    }
}

/// A version, as autosurgeon wants to read it.
struct Versioned<'v, 'd>(&'v View<'d>);

impl autosurgeon::ReadDoc for Versioned<'_, '_> {
    type Parents<'a>
        = am::Parents<'a>
    where
        Self: 'a;

    fn get_heads(&self) -> Vec<am::ChangeHash> {
        self.0.heads().to_am()
    }

    fn get<P: Into<am::Prop>>(
        &self,
        object: &am::ObjId,
        prop: P,
    ) -> Result<Option<(am::Value<'_>, am::ObjId)>, AutomergeError> {
        match self.0.as_of() {
            None => am::ReadDoc::get(&*self.0.doc, object, prop),
            Some(heads) => am::ReadDoc::get_at(&*self.0.doc, object, prop, heads),
        }
    }

    fn object_type<O: AsRef<am::ObjId>>(&self, object: O) -> Option<am::ObjType> {
        am::ReadDoc::object_type(&*self.0.doc, object).ok()
    }

    fn map_range<'a, O, R>(&'a self, object: O, range: R) -> am::iter::MapRange<'a, R>
    where
        O: AsRef<am::ObjId>,
        R: RangeBounds<String> + 'a,
    {
        match self.0.as_of() {
            None => am::ReadDoc::map_range(&*self.0.doc, object, range),
            Some(heads) => am::ReadDoc::map_range_at(&*self.0.doc, object, range, heads),
        }
    }

    fn list_range<O: AsRef<am::ObjId>, R: RangeBounds<usize>>(
        &self,
        object: O,
        range: R,
    ) -> am::iter::ListRange<'_, R> {
        match self.0.as_of() {
            None => am::ReadDoc::list_range(&*self.0.doc, object, range),
            Some(heads) => am::ReadDoc::list_range_at(&*self.0.doc, object, range, heads),
        }
    }

    fn length<O: AsRef<am::ObjId>>(&self, object: O) -> usize {
        read::length_of(&*self.0.doc, object.as_ref(), self.0.as_of())
    }

    fn text<O: AsRef<am::ObjId>>(&self, object: O) -> Result<String, AutomergeError> {
        match self.0.as_of() {
            None => am::ReadDoc::text(&*self.0.doc, object),
            Some(heads) => am::ReadDoc::text_at(&*self.0.doc, object, heads),
        }
    }

    fn parents<O: AsRef<am::ObjId>>(&self, object: O) -> Result<Self::Parents<'_>, AutomergeError> {
        match self.0.as_of() {
            None => am::ReadDoc::parents(&*self.0.doc, object),
            Some(heads) => am::ReadDoc::parents_at(&*self.0.doc, object, heads),
        }
    }
}
