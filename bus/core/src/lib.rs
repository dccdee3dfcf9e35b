//! Colony without input or output: ids, subjects, the envelope, documents and replay, as pure code.

pub mod document;
