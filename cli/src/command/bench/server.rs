//! The servers that measurements run on.

use std::path::Path;

use async_nats::jetstream;
use colony_agents::recording::Recording;
use colony_bus::log::Description;
use colony_bus::{Bus, BusOptions};
use colony_core::SpaceName;
use colony_server::{ClusterConfig, Finder, LocalCluster, Node, NodeConfig, SyncMode};
use tempfile::TempDir;

use super::{BenchError, Row, raw};
use crate::failure::Failure;
use crate::progress::Fetching;

/// One person writing a component; see `data/README.md`.
const TRACE: &[u8] = include_bytes!("../../../../data/sveltecomponent.json.gz");

/// Two servers, that differ in when they sync.
#[derive(Debug)]
pub(super) struct Servers {
    pub(super) usual: Server,
    pub(super) synced: Server,
}

#[derive(Debug)]
pub(super) struct Server {
    node: Node,
    _dir: TempDir,
}

impl Servers {
    pub(super) async fn start(json: bool) -> Result<Self, Failure> {
        let fetching = Fetching::new(json);
        let found = Finder::from_env().find(&fetching).await;
        fetching.finish();
        let binary = found?;
        let start = async |sync| {
            let dir =
                tempfile::tempdir().map_err(Failure::file(std::env::temp_dir(), "written"))?;
            let config = NodeConfig::new("bench", dir.path().join("server")).with_sync(sync);
            let node = Node::start(&binary, config).await?;
            Ok::<_, Failure>(Server { node, _dir: dir })
        };
        let usual = start(SyncMode::Default).await?;
        let synced = start(SyncMode::Always).await?;
        Ok(Self { usual, synced })
    }

    pub(super) async fn stop(self) -> Result<(), Failure> {
        let Self { usual, synced } = self;
        usual.node.stop().await?;
        synced.node.stop().await?;
        Ok(())
    }
}

/// Three servers, of which each keeps a copy.
#[derive(Debug)]
pub(super) struct Cluster {
    nodes: LocalCluster,
    _dir: TempDir,
}

impl Cluster {
    /// Starts it, of the same program as the other servers.
    pub(super) async fn start(servers: &Servers) -> Result<Self, Failure> {
        let dir = tempfile::tempdir().map_err(Failure::file(std::env::temp_dir(), "written"))?;
        let config = ClusterConfig::new("bench", dir.path());
        let nodes = LocalCluster::start(servers.usual.node.server(), config).await?;
        Ok(Self { nodes, _dir: dir })
    }

    fn url(&self) -> String {
        self.nodes.urls().join(",")
    }

    /// Joins a space with three copies; a new one for each name.
    pub(super) async fn bus(&self, space: &SpaceName, agent: &str) -> Result<Bus, Failure> {
        let monitor = self.nodes.nodes().first().and_then(Node::monitor_url);
        let mut options = options(space, agent, self.url(), monitor);
        options.server.replicas = Some(self.nodes.nodes().len());
        Ok(Bus::connect(options).await?)
    }

    /// Returns a raw client of a space's stream, and a subject in it.
    pub(super) async fn raw(
        &self,
        space: &SpaceName,
    ) -> Result<(jetstream::Context, String), Failure> {
        raw_client(&self.url(), space).await
    }

    pub(super) async fn stop(self) -> Result<(), Failure> {
        Ok(self.nodes.stop().await?)
    }
}

fn options(space: &SpaceName, agent: &str, url: String, monitor: Option<String>) -> BusOptions {
    #[expect(clippy::unwrap_used, reason = "constants of the measurements, which are names")]
    let mut options = BusOptions::new(space.clone(), agent.parse().unwrap());
    options.server.url = url;
    options.server.monitor = monitor;
    options
}

async fn raw_client(url: &str, space: &SpaceName) -> Result<(jetstream::Context, String), Failure> {
    let urls: Vec<&str> = url.split(',').collect();
    let client = async_nats::connect(urls).await.map_err(raw)?;
    Ok((jetstream::new(client), format!("colony.{space}.raw.raw.event.bench.appended._")))
}

impl Server {
    pub(super) fn url(&self) -> String {
        self.node.url()
    }

    /// Joins a space; a new one for each name.
    pub(super) async fn bus(&self, space: &SpaceName, agent: &str) -> Result<Bus, Failure> {
        Ok(Bus::connect(self.options(space, agent)).await?)
    }

    /// Returns how an agent joins a space here.
    pub(super) fn options(&self, space: &SpaceName, agent: &str) -> BusOptions {
        options(space, agent, self.url(), self.node.monitor_url())
    }

    /// Kills the server with -9 and starts it again.
    pub(super) async fn kill_and_restart(&mut self) -> Result<(), Failure> {
        self.node.kill().await?;
        self.node.restart().await?;
        Ok(())
    }

    /// Returns a raw client of a space's stream, and a subject in it.
    pub(super) async fn raw(
        &self,
        space: &SpaceName,
    ) -> Result<(jetstream::Context, String), Failure> {
        raw_client(&self.url(), space).await
    }
}

/// Names a space that nobody used before.
pub(super) fn space(name: &str, round: usize) -> SpaceName {
    #[expect(clippy::unwrap_used, reason = "constants of the measurements, which are names")]
    format!("{name}-{round}").parse().unwrap()
}

/// Reads the session that documents are made of.
pub(super) fn recording(given: Option<&Path>) -> Result<Recording, Failure> {
    let read = |path: &Path| Recording::read(path).map_err(BenchError::Recording);
    match given {
        Some(path) => Ok(read(path)?),
        None => {
            let file = tempfile::NamedTempFile::new();
            let file = file.map_err(Failure::file(std::env::temp_dir(), "written"))?;
            std::fs::write(file.path(), TRACE).map_err(Failure::file(file.path(), "written"))?;
            Ok(read(file.path())?)
        }
    }
}

impl Row {
    pub(super) fn new(
        name: &'static str,
        unit: &'static str,
        ours: f64,
        raw: Option<f64>,
        description: &Description,
    ) -> Self {
        Self {
            name,
            ours,
            raw,
            ratio: raw.map(|raw| ours / raw),
            unit,
            server: description.server.clone(),
            storage: description.storage.clone(),
            sync: description.sync.clone(),
            replicas: description.replicas,
        }
    }

    /// Makes a row of what needs no server.
    pub(super) fn local(
        name: &'static str,
        unit: &'static str,
        ours: f64,
        raw: Option<f64>,
    ) -> Self {
        let none = || "none".to_owned();
        let ratio = raw.map(|raw| ours / raw);
        Self {
            name,
            ours,
            raw,
            ratio,
            unit,
            server: none(),
            storage: none(),
            sync: none(),
            replicas: 0,
        }
    }
}
