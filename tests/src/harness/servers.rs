//! Real servers, found or fetched as users have them.

use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use colony_bus::{BusOptions, ServerOptions};
use colony_core::{AgentName, LaneName, SpaceName};
use colony_server::{ClusterConfig, Finder, LocalCluster, Node, NodeConfig, ServerBinary, Silent};
use serde_json::Value;
use tempfile::TempDir;

/// Returns the server that all tests use.
pub async fn server() -> ServerBinary {
    Finder::from_env().find(&Silent).await.expect("the tests need a nats-server")
}

/// Awaits something that must come in time.
pub async fn within<T>(limit: Duration, what: &str, future: impl Future<Output = T>) -> T {
    let begin = std::time::Instant::now();
    match tokio::time::timeout(limit, future).await {
        Ok(value) => {
            println!("{what}: {:.1} s", begin.elapsed().as_secs_f64());
            value
        }
        Err(_) => panic!("{what}: not within {limit:?}"),
    }
}

/// Returns the space that tests use.
pub fn space() -> SpaceName {
    "test".parse().unwrap()
}

/// Returns an agent's name.
pub fn agent(name: &str) -> AgentName {
    name.parse().unwrap()
}

/// Returns a lane's name.
pub fn lane(name: &str) -> LaneName {
    name.parse().unwrap()
}

/// Takes part in the test space as an agent, through an address.
pub fn options(name: &str, url: &str) -> BusOptions {
    let server = ServerOptions { url: url.to_owned(), ..ServerOptions::default() };
    BusOptions { server, ..BusOptions::new(space(), agent(name)) }
}

/// Connects with the raw client, to see what the server has.
pub async fn raw(url: &str) -> async_nats::Client {
    let urls: Vec<&str> = url.split(',').collect();
    async_nats::connect(urls).await.expect("the server is there")
}

/// One server on a directory of its own.
#[derive(Debug)]
pub struct One {
    /// The server.
    pub node: Node,
    _dir: TempDir,
}

impl One {
    /// Starts it.
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = NodeConfig::new("one", dir.path().join("one"));
        let node = Node::start(&server().await, config).await.expect("the server starts");
        Self { node, _dir: dir }
    }

    /// Returns its address.
    pub fn url(&self) -> String {
        self.node.url()
    }

    /// Copies what the server has stored. It must not be running.
    pub fn backup(&self) -> Backup {
        let dir = tempfile::tempdir().unwrap();
        copy(self.node.store_dir(), dir.path());
        Backup(dir)
    }

    /// Puts a copy in the place of what the server has stored. It must not be running.
    pub fn restore(&self, backup: &Backup) {
        fs::remove_dir_all(self.node.store_dir()).unwrap();
        copy(backup.0.path(), self.node.store_dir());
    }
}

/// What a server had stored at some moment.
#[derive(Debug)]
pub struct Backup(TempDir);

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (entry, to) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).unwrap();
        if entry.is_dir() {
            copy(&entry, &to);
        } else {
            fs::copy(&entry, &to).unwrap();
        }
    }
}

/// Three servers of one cluster.
#[derive(Debug)]
pub struct Cluster {
    /// The nodes.
    pub nodes: LocalCluster,
    watch: async_nats::Client,
    _dir: TempDir,
}

impl Cluster {
    /// Starts it.
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = ClusterConfig::new("three", dir.path());
        let nodes = LocalCluster::start(&server().await, config).await.expect("a cluster starts");
        let watch = async_nats::connect(nodes.urls()).await.expect("the cluster is there");
        Self { nodes, watch, _dir: dir }
    }

    /// Returns all its addresses, joined by commas.
    pub fn url(&self) -> String {
        self.nodes.urls().join(",")
    }

    /// Takes part in the test space with three copies.
    pub fn options(&self, name: &str) -> BusOptions {
        let mut options = options(name, &self.url());
        options.server.replicas = Some(3);
        options
    }

    async fn info(&self) -> Option<Value> {
        let subject = format!("$JS.API.STREAM.INFO.COLONY_{}", space());
        let answer = self.watch.request(subject, "".into()).await.ok()?;
        let info: Value = serde_json::from_slice(&answer.payload).ok()?;
        info.get("cluster").cloned()
    }

    /// Returns the number of the node that leads the test space's stream, once there is one.
    pub async fn leader(&self) -> usize {
        loop {
            let info = self.info().await;
            let name = info.as_ref().and_then(|info| info.get("leader")).and_then(Value::as_str);
            let mut nodes = self.nodes.nodes().iter();
            if let Some(index) = nodes.position(|node| Some(node.name()) == name) {
                return index;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the test space's stream has a leader and both its copies are current.
    pub async fn healed(&mut self) {
        self.nodes.wait_ready().await.expect("the cluster is complete again");
        let current = |copy: &Value| copy.get("current").and_then(Value::as_bool) == Some(true);
        loop {
            let info = self.info().await.unwrap_or_default();
            let copies = info.get("replicas").and_then(Value::as_array).cloned();
            if copies.is_some_and(|copies| copies.len() == 2 && copies.iter().all(current)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Counts things by name.
pub(super) type Tally = BTreeMap<String, usize>;
