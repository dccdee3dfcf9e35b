//! One running server.

mod config;
mod error;
mod exit;
mod probe;

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

pub use self::config::{ConfigFile, LocalSettings, Membership, NodeConfig, Settings, SyncMode};
pub use self::error::NodeError;
use self::error::store_error;
use self::exit::{Diagnosis, diagnose, last_lines};
use self::probe::{Addresses, greets, is_healthy};
pub(crate) use self::probe::{MetaGroup, meta_group};
use crate::find::ServerBinary;
use crate::ports::free_ports;
use crate::process::{Signal, Watchdog, signal, spawn};

const CONFIG_FILE: &str = "server.conf";
const LOG_FILE: &str = "server.log";
const LOCK_FILE: &str = "server.lock";

const POLL: Duration = Duration::from_millis(10);
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// How long a store may still be held by a server that was just killed.
const LOCK_LIMIT: Duration = Duration::from_secs(3);
const LOG_BYTES_READ: u64 = 64 << 10;
pub(crate) const START_ATTEMPTS: u32 = 4;

/// How a server stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// It shut down in order.
    InOrder,
    /// It did not, and was killed.
    Killed,
}

/// A server and the process it runs in.
///
/// The process runs in a group of its own, so that Ctrl-C in a terminal reaches only its owner. It
/// ends with its owner in any case: it is killed when the node is dropped, and terminated by a
/// watchdog when the owner is itself killed.
#[derive(Debug)]
pub struct Node {
    server: ServerBinary,
    config: NodeConfig,
    running: Option<Running>,
    addresses: Option<Addresses>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    pid: u32,
    log_start: u64,
    _watchdog: Option<Watchdog>,
}

impl Node {
    /// Starts a server and waits until it is ready for clients and JetStream.
    ///
    /// # Errors
    ///
    /// Any [`NodeError`] that concerns starting; the process is then ended.
    ///
    /// # Cancel safety
    ///
    /// The process is killed.
    pub async fn start(server: &ServerBinary, config: NodeConfig) -> Result<Self, NodeError> {
        let picks_ports = config.picks_ports();
        for _ in 1..START_ATTEMPTS {
            let mut node = Self::launch(server, config.clone()).await?;
            match node.wait_ready().await {
                // Taken between being picked and being used.
                Err(NodeError::PortInUse { .. }) if picks_ports => {}
                result => return result.map(|()| node),
            }
        }
        let mut node = Self::launch(server, config).await?;
        node.wait_ready().await.map(|()| node)
    }

    /// Starts a server and does not wait. A node of a cluster becomes ready only with the others.
    ///
    /// # Errors
    ///
    /// Any [`NodeError`] that shows before the server runs.
    pub async fn launch(server: &ServerBinary, config: NodeConfig) -> Result<Self, NodeError> {
        let config = config.resolved()?;
        let mut node = Self { server: server.clone(), config, running: None, addresses: None };
        node.run().await?;
        Ok(node)
    }

    /// Waits until the server is ready for clients and JetStream; in a cluster, until it knows its
    /// leader.
    ///
    /// # Errors
    ///
    /// [`NodeError::NotReady`] after [`NodeConfig::ready_timeout`]; another [`NodeError`] when the
    /// server ended.
    pub async fn wait_ready(&mut self) -> Result<(), NodeError> {
        let limit = self.config.ready_timeout;
        let deadline = Instant::now() + limit;
        let mut pause = POLL;
        loop {
            let running = self
                .running
                .as_mut()
                .ok_or_else(|| NodeError::NotRunning { name: self.config.name.clone() })?;
            let pid = running.pid;
            if let Some(status) =
                running.child.try_wait().map_err(|source| NodeError::Control { pid, source })?
            {
                return Err(self.ended(status));
            }
            if self.addresses.is_none() {
                // The server writes it once it listens. Nobody else on the port is mistaken for it.
                self.addresses = Addresses::read(&self.config.store_dir, pid);
            }
            if self.is_ready().await {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let (log, last_lines) = (self.log_file(), last_lines(&self.log_since_start()));
                return Err(NodeError::NotReady { after: limit, log, last_lines });
            }
            sleep(pause).await;
            pause = (pause * 2).min(POLL * 10);
        }
    }

    /// Waits until the server ends by itself, and says why. Returns [`NodeError::NotRunning`] at
    /// once for a server that is stopped already.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a later call goes on waiting.
    pub async fn exited(&mut self) -> NodeError {
        let Some(running) = self.running.as_mut() else {
            return NodeError::NotRunning { name: self.config.name.clone() };
        };
        match running.child.wait().await {
            Ok(status) => self.ended(status),
            Err(source) => NodeError::Control { pid: running.pid, source },
        }
    }

    /// Shuts the server down in order, and kills it where that takes too long.
    ///
    /// # Errors
    ///
    /// [`NodeError::Control`] when the process cannot be waited for.
    pub async fn stop(mut self) -> Result<Stopped, NodeError> {
        self.shut_down().await
    }

    /// Ends the server at once, as kill -9 does, and waits until it is gone. Its data and ports
    /// stay as they are for [`Node::restart`].
    ///
    /// # Errors
    ///
    /// [`NodeError::Control`] when the process cannot be killed.
    pub async fn kill(&mut self) -> Result<(), NodeError> {
        let Some(mut running) = self.running.take() else { return Ok(()) };
        let pid = running.pid;
        running.child.kill().await.map_err(|source| NodeError::Control { pid, source })
    }

    /// Starts the server again on its ports and data, after shutting it down if it runs, and waits
    /// until it is ready.
    ///
    /// # Errors
    ///
    /// Those of [`Node::start`].
    pub async fn restart(&mut self) -> Result<(), NodeError> {
        self.shut_down().await?;
        self.run().await?;
        self.wait_ready().await
    }

    /// Halts the process, as a stalled machine or a long pause does. Its connections stay open.
    ///
    /// # Errors
    ///
    /// [`NodeError::NotRunning`], or [`NodeError::Control`] where the system has no such signal.
    pub fn pause(&self) -> Result<(), NodeError> {
        self.signal(Signal::Stop)
    }

    /// Lets a halted process go on.
    ///
    /// # Errors
    ///
    /// Those of [`Node::pause`].
    pub fn resume(&self) -> Result<(), NodeError> {
        self.signal(Signal::Continue)
    }

    /// Address for clients, as in `nats://127.0.0.1:4222`. It stays the same over restarts. Empty
    /// while a server with a configuration file has not told it.
    pub fn url(&self) -> String {
        match (&self.addresses, &self.config.settings) {
            (Some(addresses), _) => addresses.client_url().unwrap_or_default().to_owned(),
            (None, Settings::Local(local)) => format!("nats://127.0.0.1:{}", local.client_port),
            (None, Settings::File(_)) => String::new(),
        }
    }

    /// Address for monitoring over HTTP, where the server has one.
    pub fn monitor_url(&self) -> Option<String> {
        match (&self.addresses, &self.config.settings) {
            (Some(addresses), _) => addresses.monitor_url().map(str::to_owned),
            (None, Settings::Local(local)) => {
                Some(format!("http://127.0.0.1:{}", local.monitor_port))
            }
            (None, Settings::File(_)) => None,
        }
    }

    /// Name of the server.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Process id; `None` while the server is stopped.
    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(|running| running.pid)
    }

    /// Directory of the server.
    pub fn store_dir(&self) -> &Path {
        &self.config.store_dir
    }

    /// The file that the server logs to. It grows over restarts.
    pub fn log_file(&self) -> PathBuf {
        self.config.store_dir.join(LOG_FILE)
    }

    /// The program that runs.
    pub fn server(&self) -> &ServerBinary {
        &self.server
    }

    fn config_file(&self) -> PathBuf {
        match &self.config.settings {
            Settings::Local(_) => self.config.store_dir.join(CONFIG_FILE),
            Settings::File(file) => file.path.clone(),
        }
    }

    async fn run(&mut self) -> Result<(), NodeError> {
        let dir = self.config.store_dir.clone();
        fs::create_dir_all(&dir).map_err(|source| store_error(&dir, &dir, source))?;
        let lock = self.lock_store().await?;
        Addresses::remove_stale(&dir);
        self.addresses = None;

        let config = self.config_file();
        let mut command = Command::new(self.server.path());
        command.arg("--config").arg(&config).arg("--ports_file_dir").arg(&dir);
        match &self.config.settings {
            Settings::Local(local) => fs::write(&config, local.render(&self.config.name, &dir))
                .map_err(|source| store_error(&dir, &config, source))?,
            Settings::File(file) => {
                command.envs(&file.variables);
            }
        }
        let log_path = self.log_file();
        let open_log = || {
            let log = File::options().create(true).append(true).open(&log_path)?;
            let log_start = log.metadata()?.len();
            Ok((log.try_clone()?, log, log_start))
        };
        let (out, err, log_start) =
            open_log().map_err(|source| store_error(&dir, &log_path, source))?;
        // The server holds the lock, as its input: it is free when the server is gone, whatever
        // became of this process.
        command.stdin(Stdio::from(lock)).stdout(out).stderr(err).kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let start_error = |source| NodeError::Start { path: self.server.path().to_owned(), source };
        let child = spawn(&mut command).await.map_err(start_error)?;
        let pid = child.id().ok_or(io::ErrorKind::NotFound.into()).map_err(start_error)?;
        let watchdog = Watchdog::guard(pid)
            .inspect_err(|error| tracing::warn!(%error, "no watchdog for the server"))
            .ok();
        tracing::debug!(name = %self.config.name, pid, "server started");
        self.running = Some(Running { child, pid, log_start, _watchdog: watchdog });
        Ok(())
    }

    async fn lock_store(&self) -> Result<File, NodeError> {
        let dir = &self.config.store_dir;
        let path = dir.join(LOCK_FILE);
        let fail = |source| store_error(dir, &path, source);
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(fail)?;
        let deadline = Instant::now() + LOCK_LIMIT;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(lock),
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                    return Ok(lock);
                }
                Err(TryLockError::Error(source)) => return Err(fail(source)),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                    return Err(NodeError::StoreInUse { dir: dir.clone() });
                }
                Err(TryLockError::WouldBlock) => sleep(POLL).await,
            }
        }
    }

    async fn is_ready(&self) -> bool {
        let Some(addresses) = &self.addresses else { return false };
        let Some(client) = addresses.client_url() else { return false };
        greets(client).await
            && match addresses.monitor_url() {
                Some(monitor) => is_healthy(monitor).await,
                None => true,
            }
    }

    async fn shut_down(&mut self) -> Result<Stopped, NodeError> {
        let Some(mut running) = self.running.take() else { return Ok(Stopped::InOrder) };
        let pid = running.pid;
        let control = |source| NodeError::Control { pid, source };
        if signal(pid, Signal::Terminate).is_ok() {
            // It may have been paused.
            let _ = signal(pid, Signal::Continue);
            if let Ok(status) = timeout(STOP_LIMIT, running.child.wait()).await {
                return status.map(|_| Stopped::InOrder).map_err(control);
            }
            tracing::warn!(pid, "server did not stop in time and is killed");
        }
        running.child.kill().await.map_err(control)?;
        Ok(Stopped::Killed)
    }

    fn signal(&self, to_send: Signal) -> Result<(), NodeError> {
        let pid =
            self.pid().ok_or_else(|| NodeError::NotRunning { name: self.config.name.clone() })?;
        signal(pid, to_send).map_err(|source| NodeError::Control { pid, source })
    }

    /// Takes note that the process is gone, and says why.
    fn ended(&mut self, status: ExitStatus) -> NodeError {
        let said = self.log_since_start();
        // The process id may soon belong to another process: nothing may signal it any more.
        self.running = None;
        match diagnose(&said) {
            Diagnosis::PortInUse { address } => NodeError::PortInUse { address },
            Diagnosis::DiskFull => NodeError::DiskFull { dir: self.config.store_dir.clone() },
            Diagnosis::ConfigRejected { reason } => {
                NodeError::ConfigRejected { file: self.config_file(), reason }
            }
            Diagnosis::Unknown => {
                let (log, last_lines) = (self.log_file(), last_lines(&said));
                NodeError::Exited { status, log, last_lines }
            }
        }
    }

    /// Reads the end of what this run of the server logged.
    fn log_since_start(&self) -> String {
        let read = || -> io::Result<Vec<u8>> {
            let mut log = File::open(self.log_file())?;
            let start = self.running.as_ref().map_or(0, |running| running.log_start);
            let end = log.metadata()?.len();
            log.seek(SeekFrom::Start(start.max(end.saturating_sub(LOG_BYTES_READ))))?;
            let mut bytes = Vec::new();
            log.take(LOG_BYTES_READ).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
    }
}

impl NodeConfig {
    fn picks_ports(&self) -> bool {
        match &self.settings {
            Settings::Local(local) => local.client_port == 0 || local.monitor_port == 0,
            Settings::File(_) => false,
        }
    }

    /// Decides what was left open: the ports, and where a relative directory is.
    fn resolved(mut self) -> Result<Self, NodeError> {
        self.store_dir = std::path::absolute(&self.store_dir)
            .map_err(|source| store_error(&self.store_dir, &self.store_dir, source))?;
        if let Settings::Local(local) = &mut self.settings {
            let free = free_ports(2).map_err(|source| NodeError::NoFreePort { source })?;
            for (port, free) in
                [&mut local.client_port, &mut local.monitor_port].into_iter().zip(free)
            {
                if *port == 0 {
                    *port = free;
                }
            }
        }
        Ok(self)
    }
}
