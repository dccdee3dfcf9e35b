//! JSON that is carried and not looked into: kept as its text, compared as its text.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A JSON value as its author wrote it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(Box<RawValue>);

impl Json {
    /// Makes a value of its text.
    ///
    /// # Errors
    /// Where the text stops being JSON.
    pub fn from_text(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text).map(Self)
    }

    /// Returns the text.
    pub fn text(&self) -> &str {
        self.0.get()
    }
}

/// `null`.
impl Default for Json {
    fn default() -> Self {
        Self(RawValue::NULL.to_owned())
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Json {}
