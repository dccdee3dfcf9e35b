//! Why a server does not run.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use thiserror::Error;

/// A server could not be started, stopped or signalled.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NodeError {
    /// Another program listens where the server should.
    #[error(
        "{address} is in use by another program: stop that program, choose another port, or \
         choose port 0 to take a free one"
    )]
    PortInUse {
        /// The address.
        address: String,
    },
    /// Another server uses the directory.
    #[error("another server uses {}: stop it or choose another directory", dir.display())]
    StoreInUse {
        /// The directory.
        dir: PathBuf,
    },
    /// There is no room for the server's data.
    #[error("the disk that holds {} is full: make room and start again", dir.display())]
    DiskFull {
        /// The directory of the server.
        dir: PathBuf,
    },
    /// The server does not accept its configuration.
    #[error("the server rejects its configuration {}: {reason}", file.display())]
    ConfigRejected {
        /// The configuration file.
        file: PathBuf,
        /// What the server says.
        reason: String,
    },
    /// The server ended without being asked to.
    #[error("the server ended ({status}); the end of {} is:\n{last_lines}", log.display())]
    Exited {
        /// How it ended.
        status: ExitStatus,
        /// Its log.
        log: PathBuf,
        /// The end of its log.
        last_lines: String,
    },
    /// The server did not become ready in time. It is left running.
    #[error(
        "the server is not ready after {} s; the end of {} is:\n{last_lines}",
        after.as_secs(), log.display()
    )]
    NotReady {
        /// How long it was waited for.
        after: Duration,
        /// Its log.
        log: PathBuf,
        /// The end of its log.
        last_lines: String,
    },
    /// The server is not running.
    #[error("the server {name} is not running")]
    NotRunning {
        /// Name of the server.
        name: String,
    },
    /// The directory of the server cannot be used.
    #[error("{} cannot be used", path.display())]
    Store {
        /// The file or directory.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The program cannot be started.
    #[error("{} cannot be started", path.display())]
    Start {
        /// The program.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The process cannot be signalled or waited for.
    #[error("the server process {pid} cannot be controlled")]
    Control {
        /// Its process id.
        pid: u32,
        /// What the system answered.
        source: io::Error,
    },
    /// No local port is free.
    #[error("no local port is free")]
    NoFreePort {
        /// What the system answered.
        source: io::Error,
    },
}

/// Tells a full disk from other failures to write below `dir`.
pub(crate) fn store_error(dir: &Path, path: &Path, source: io::Error) -> NodeError {
    match source.kind() {
        io::ErrorKind::StorageFull => NodeError::DiskFull { dir: dir.to_owned() },
        _ => NodeError::Store { path: path.to_owned(), source },
    }
}
