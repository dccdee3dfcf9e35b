//! Checkpoints of projections, kept in files between runs.
//!
//! A cache: any file may be deleted at any time, and none is believed that was torn, altered, or made from another log, by
//! another version of the projection or under another policy of signatures.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

use colony_core::replay::{Checkpoint, CheckpointError, Fold, Projection};
use colony_core::{Digest, Position};
use tempfile::NamedTempFile;

/// The directory's folder of checkpoints.
const FOLDER: &str = "checkpoints";
/// What a checkpoint's file is called after its position.
const EXTENSION: &str = "checkpoint";
/// What a file begins with while it is written.
const UNFINISHED: &str = "unfinished-";
/// Most bytes kept, of all logs and projections together; what was written longest ago goes first.
const MAX_BYTES: u64 = 2 * 1_024 * 1_024 * 1_024;
/// Fewest positions between two checkpoints, if nothing else is asked for: folding so many takes a fraction of a second.
const INTERVAL: u64 = 32_768;
/// How many digits of a digest name a folder.
const DIGEST_DIGITS: usize = 32;

/// A directory in which checkpoints are kept; or none.
#[derive(Debug, Default)]
pub struct Checkpoints {
    root: Option<PathBuf>,
    max_bytes: Option<u64>,
    interval: Option<u64>,
    fault: OnceLock<(PathBuf, io::Error)>,
}

impl Checkpoints {
    /// Keeps nothing: every fold begins at the beginning.
    pub fn none() -> Self {
        Self::default()
    }

    /// Keeps checkpoints below a directory, which is made when the first one is written. Any number of processes may use it.
    pub fn in_dir(dir: impl Into<PathBuf>) -> Self {
        Self { root: Some(dir.into().join(FOLDER)), ..Self::default() }
    }

    /// Keeps at most so many bytes. Default: 2 GiB.
    #[must_use]
    pub fn with_max_bytes(self, bytes: u64) -> Self {
        Self { max_bytes: Some(bytes), ..self }
    }

    /// Leaves at least so many positions between two checkpoints. Default: 32,768. Large states stand farther apart.
    #[must_use]
    pub fn with_interval(self, positions: u64) -> Self {
        Self { interval: Some(positions), ..self }
    }

    /// Returns the first file or directory that could not be written, and why: nothing is lost but time.
    pub fn fault(&self) -> Option<(&Path, &io::Error)> {
        self.fault.get().map(|(path, error)| (path.as_path(), error))
    }

    /// Opens the shelf of a projection's checkpoints of one log.
    pub(crate) fn shelf<P: Projection>(&self, projection: &P, log: &str) -> Shelf<'_> {
        let dir = self.root.as_ref().map(|root| {
            let name = format!("{}-v{}", projection.name(), projection.version());
            root.join(short(log)).join(short(&name))
        });
        Shelf { owner: self, dir }
    }

    fn failed(&self, path: &Path, error: io::Error) {
        tracing::warn!(path = %path.display(), %error, "no checkpoint could be written");
        let _ = self.fault.set((path.to_owned(), error));
    }
}

/// A directory's name for any text.
fn short(text: &str) -> String {
    let digest = Digest::of(text.as_bytes()).to_string();
    digest.get(..DIGEST_DIGITS).unwrap_or_default().to_owned()
}

/// The checkpoints of one projection of one log.
pub(crate) struct Shelf<'a> {
    owner: &'a Checkpoints,
    dir: Option<PathBuf>,
}

impl Shelf<'_> {
    /// Returns whether checkpoints are kept: there is a directory, and writing to it has not failed.
    pub(crate) fn is_open(&self) -> bool {
        self.dir.is_some() && self.owner.fault().is_none()
    }

    /// Returns the fewest positions between two checkpoints.
    pub(crate) fn interval(&self) -> u64 {
        self.owner.interval.unwrap_or(INTERVAL)
    }

    /// Returns the positions at or before one at which there may be a checkpoint.
    pub(crate) fn positions(&self, until: Position) -> BTreeSet<Position> {
        let Some(dir) = &self.dir else { return BTreeSet::new() };
        let Ok(files) = fs::read_dir(dir) else { return BTreeSet::new() };
        let named = files.filter_map(|file| position_of(&file.ok()?.path()));
        named.filter(|position| *position <= until).collect()
    }

    /// Reads a checkpoint; `None` if there is none that can be believed, which is then removed.
    pub(crate) fn load(&self, position: Position) -> Option<(Checkpoint, u64)> {
        let path = self.path(position)?;
        let bytes = fs::read(&path).ok()?;
        let size = bytes.len() as u64;
        let checkpoint = match Checkpoint::decode(bytes) {
            Ok(checkpoint) if checkpoint.position() == position => checkpoint,
            found => {
                let error = found.err();
                tracing::warn!(path = %path.display(), ?error, "not a checkpoint: removed");
                self.remove(position);
                return None;
            }
        };
        Some((checkpoint, size))
    }

    /// Removes a checkpoint that was found not to hold.
    pub(crate) fn remove(&self, position: Position) {
        if let Some(path) = self.path(position) {
            let _ = fs::remove_file(path);
        }
    }

    /// Writes a checkpoint under a temporary name, then under its own, and returns its size.
    ///
    /// Not synced: one that a crash tears is not believed.
    pub(crate) fn save<P: Projection>(&self, fold: &Fold<P>, log: &str) -> Option<u64> {
        let (dir, path) = (self.dir.as_ref()?, self.path(fold.position())?);
        let bytes = match fold.checkpoint(log).and_then(|checkpoint| checkpoint.encode()) {
            Ok(bytes) => bytes,
            Err(CheckpointError::NoEntry { .. }) => return None,
            Err(error) => {
                tracing::warn!(%error, "no checkpoint could be made");
                return None;
            }
        };
        match write(dir, &path, &bytes) {
            Ok(()) => Some(bytes.len() as u64),
            Err(error) => {
                self.owner.failed(&path, error);
                None
            }
        }
    }

    /// Removes what was written longest ago, while there is more than may be.
    pub(crate) fn make_room(&self) {
        let Some(root) = &self.owner.root else { return };
        let mut files = Vec::new();
        collect(root, 2, &mut files);
        files.sort();
        let mut total: u64 = files.iter().map(|file| file.bytes).sum();
        for file in files {
            if total <= self.owner.max_bytes.unwrap_or(MAX_BYTES) {
                break;
            }
            if fs::remove_file(&file.path).is_ok() {
                total = total.saturating_sub(file.bytes);
            }
        }
    }

    fn path(&self, position: Position) -> Option<PathBuf> {
        let dir = self.dir.as_ref()?;
        Some(dir.join(format!("{:020}.{EXTENSION}", position.get())))
    }
}

fn position_of(path: &Path) -> Option<Position> {
    let name = (path.extension() == Some(OsStr::new(EXTENSION))).then(|| path.file_stem())??;
    name.to_str()?.parse().ok()
}

fn write(dir: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let mut file = NamedTempFile::with_prefix_in(UNFINISHED, dir)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

/// A file of the cache; the one written longest ago comes first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kept {
    written: SystemTime,
    bytes: u64,
    path: PathBuf,
}

fn collect(dir: &Path, depth: usize, files: &mut Vec<Kept>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let (path, Ok(about)) = (entry.path(), entry.metadata()) else { continue };
        if about.is_dir() && depth > 0 {
            collect(&path, depth - 1, files);
        } else if about.is_file() {
            let written = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            files.push(Kept { written, bytes: about.len(), path });
        }
    }
}

#[cfg(test)]
mod tests;
