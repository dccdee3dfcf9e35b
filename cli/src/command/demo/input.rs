//! What the demonstration runs on: files given, or those that Colony brings.

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Two people typing into one text; see `data/README.md`.
const TRACE: &[u8] = include_bytes!("../../../../data/friendsforever.json.gz");
/// Commits as events; see `data/README.md`.
const EVENTS: &[u8] = include_bytes!("../../../../data/nats-server-commits.ndjson.gz");

/// The files that the parts read.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) trace: PathBuf,
    pub(super) events: PathBuf,
}

impl Input {
    pub(super) fn prepare(
        trace: Option<&Path>,
        events: Option<&Path>,
        scratch: &Path,
    ) -> Result<Self, Failure> {
        let place = |given: Option<&Path>, name: &str, bytes: &[u8]| match given {
            Some(path) => match std::fs::metadata(path) {
                Ok(_) => Ok(path.to_owned()),
                Err(source) => Err(Failure::file(path, "read")(source)),
            },
            None => {
                let path = scratch.join(name);
                std::fs::write(&path, bytes).map_err(Failure::file(&path, "written"))?;
                Ok(path)
            }
        };
        Ok(Self {
            trace: place(trace, "session.json.gz", TRACE)?,
            events: place(events, "events.ndjson.gz", EVENTS)?,
        })
    }
}
