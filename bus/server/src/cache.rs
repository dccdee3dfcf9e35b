//! Fetched servers, kept between runs.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::Digest;
use tempfile::{NamedTempFile, TempDir};

use crate::error::FetchError;
use crate::progress::{Progress, Step};
use crate::release::Sha256;
use crate::version::ServerVersion;

/// File name of the program, in the cache and in every archive.
pub(crate) const PROGRAM: &str = if cfg!(windows) { "nats-server.exe" } else { "nats-server" };

const CHECKSUM_FILE: &str = "nats-server.sha256";
const WORK_PREFIX: &str = "fetch-";
const LOCK_POLL: Duration = Duration::from_millis(50);

/// A directory of servers: `nats-server/<version>/nats-server` and its checksum beside it.
///
/// Any number of processes may use one cache. Files appear under their final name only when they
/// are complete and on disk, and a server whose checksum differs from the recorded one counts as
/// absent.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    root: PathBuf,
}

/// The right to install one version, held by one process at a time.
#[derive(Debug)]
pub(crate) struct Installing {
    dir: PathBuf,
    _lock: File,
}

/// Returns the directory for what may be deleted at any time: `$COLONY_CACHE_DIR`, else
/// `$XDG_CACHE_HOME/colony`, else `~/.cache/colony`, else one among the temporary files.
pub fn cache_dir() -> PathBuf {
    let var = |name| std::env::var_os(name).filter(|value: &OsString| !value.is_empty());
    var("COLONY_CACHE_DIR")
        .map(PathBuf::from)
        .or_else(|| var("XDG_CACHE_HOME").map(|dir| Path::new(&dir).join("colony")))
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache").join("colony")))
        .unwrap_or_else(|| std::env::temp_dir().join("colony-cache"))
}

impl Cache {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn from_env() -> Self {
        Self::new(cache_dir())
    }

    fn dir(&self, version: ServerVersion) -> PathBuf {
        self.root.join("nats-server").join(version.to_string())
    }

    /// Returns the cached server if it is there and its bytes are those that were installed.
    pub(crate) fn lookup(&self, version: ServerVersion) -> Option<PathBuf> {
        let dir = self.dir(version);
        let program = dir.join(PROGRAM);
        let recorded = fs::read_to_string(dir.join(CHECKSUM_FILE)).ok()?;
        let recorded = Sha256::from_hex(recorded.trim())?;
        let actual = checksum(File::open(&program).ok()?).ok()?;
        if actual != recorded {
            tracing::warn!(path = %program.display(), "cached server is corrupt");
            return None;
        }
        Some(program)
    }

    /// Waits until no other process installs this version.
    pub(crate) async fn lock(
        &self,
        version: ServerVersion,
        progress: &dyn Progress,
    ) -> Result<Installing, FetchError> {
        let dir = self.dir(version);
        let path = dir.join(".lock");
        let fail = |source| FetchError::Cache { path: path.clone(), source };
        fs::create_dir_all(&dir).map_err(fail)?;
        let lock =
            File::options().create(true).truncate(false).write(true).open(&path).map_err(fail)?;
        let mut told = false;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(source)) => return Err(fail(source)),
                Err(TryLockError::WouldBlock) if told => {}
                Err(TryLockError::WouldBlock) => {
                    told = true;
                    progress.step(Step::Waiting { version });
                }
            }
            tokio::time::sleep(LOCK_POLL).await;
        }
        let installing = Installing { dir, _lock: lock };
        installing.remove_leftovers();
        Ok(installing)
    }
}

impl Installing {
    /// Removes what a killed process left behind. Only the holder of the lock makes such
    /// directories, so none of them is in use.
    fn remove_leftovers(&self) {
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(WORK_PREFIX) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    /// Makes a directory for downloads, on the file system of the cache, removed when dropped.
    pub(crate) fn work_dir(&self) -> Result<TempDir, FetchError> {
        tempfile::Builder::new()
            .prefix(WORK_PREFIX)
            .tempdir_in(&self.dir)
            .map_err(|source| FetchError::Cache { path: self.dir.clone(), source })
    }

    /// Writes the program and its checksum, each to a temporary name, to disk, then to its name.
    pub(crate) fn install(&self, program: impl Read) -> Result<PathBuf, FetchError> {
        let path = self.dir.join(PROGRAM);
        self.write(program, &path)
            .map_err(|source| FetchError::Cache { path: path.clone(), source })?;
        Ok(path)
    }

    fn write(&self, mut program: impl Read, path: &Path) -> io::Result<()> {
        let mut file = NamedTempFile::with_prefix_in(WORK_PREFIX, &self.dir)?;
        let mut hasher = sha2::Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = program.read(&mut buffer)?;
            let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else { break };
            hasher.update(chunk);
            file.write_all(chunk)?;
        }
        make_executable(file.as_file())?;
        file.as_file().sync_all()?;
        let sha256 = Sha256::from_bytes(hasher.finalize().into());

        let mut record = NamedTempFile::with_prefix_in(WORK_PREFIX, &self.dir)?;
        writeln!(record, "{sha256}")?;
        record.as_file().sync_all()?;

        // A crash between the two renames leaves a record that does not match the program, which
        // a lookup takes for a corrupt server and fetches again.
        record.persist(self.dir.join(CHECKSUM_FILE))?;
        file.persist(path)?;
        #[cfg(unix)]
        File::open(&self.dir)?.sync_all()?;
        Ok(())
    }
}

/// Computes the checksum of everything that is left to read.
pub(crate) fn checksum(mut from: impl Read) -> io::Result<Sha256> {
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = from.read(&mut buffer)?;
        match buffer.get(..read) {
            Some(chunk) if !chunk.is_empty() => hasher.update(chunk),
            _ => return Ok(Sha256::from_bytes(hasher.finalize().into())),
        }
    }
}

#[cfg(unix)]
fn make_executable(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_executable(_file: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    const VERSION: ServerVersion = ServerVersion::new(9, 9, 9);

    #[tokio::test]
    async fn what_is_installed_is_found_and_what_was_changed_since_is_not() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::new(root.path().into());
        assert_eq!(cache.lookup(VERSION), None);
        let installing = cache.lock(VERSION, &Silent).await.unwrap();
        let path = installing.install(&b"program"[..]).unwrap();
        assert_eq!(cache.lookup(VERSION), Some(path.clone()));
        fs::write(&path, b"progrbm").unwrap();
        assert_eq!(cache.lookup(VERSION), None);
        installing.install(&b"program"[..]).unwrap();
        fs::write(cache.dir(VERSION).join(CHECKSUM_FILE), "torn").unwrap();
        assert_eq!(cache.lookup(VERSION), None);
    }

    #[tokio::test]
    async fn one_process_installs_and_clears_what_a_killed_one_left() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::new(root.path().into());
        let first = cache.lock(VERSION, &Silent).await.unwrap();
        let left = first.work_dir().unwrap().keep();
        let second = tokio::time::timeout(LOCK_POLL * 3, cache.lock(VERSION, &Silent)).await;
        assert!(second.is_err(), "the lock is held");
        assert!(left.exists());
        drop(first);
        cache.lock(VERSION, &Silent).await.unwrap();
        assert!(!left.exists());
    }
}
