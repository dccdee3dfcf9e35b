//! What is given on the command line, in a file, or on stdin.

use std::io::Read as _;
use std::path::Path;

use colony_agents::protocol::Json;
use serde::de::DeserializeOwned;

use crate::failure::{Failure, InputError};

/// What something given looks like, for `--help`.
pub(crate) const GIVEN: &str = "JSON|@FILE|-";

/// Returns the bytes that are meant: those of `@FILE`, of stdin (`-`), or the text itself.
pub(crate) fn bytes(given: &str) -> Result<Vec<u8>, Failure> {
    match given.strip_prefix('@') {
        Some(path) => std::fs::read(path).map_err(Failure::file(path, "read")),
        None if given == "-" => {
            let mut bytes = Vec::new();
            let read = std::io::stdin().read_to_end(&mut bytes);
            read.map_err(Failure::file(Path::new("stdin"), "read"))?;
            Ok(bytes)
        }
        None => Ok(given.as_bytes().to_vec()),
    }
}

/// Returns the text that is meant, without blanks around it.
pub(crate) fn text(given: &str) -> Result<String, Failure> {
    let bytes = bytes(given)?;
    Ok(std::str::from_utf8(&bytes).map_err(InputError::NotText)?.trim().to_owned())
}

/// Returns the JSON that is meant, as it is written.
pub(crate) fn json(given: &str) -> Result<Json, Failure> {
    let text = text(given)?;
    Ok(Json::from_text(&text).map_err(|source| InputError::Given { source })?)
}

/// Returns the JSON that may be meant.
pub(crate) fn json_if(given: Option<&str>) -> Result<Option<Json>, Failure> {
    given.map(json).transpose()
}

/// Reads the JSON that is meant.
pub(crate) fn read<T: DeserializeOwned>(given: &str) -> Result<T, Failure> {
    let text = text(given)?;
    Ok(serde_json::from_str(&text).map_err(|source| InputError::Given { source })?)
}
