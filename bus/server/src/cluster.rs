//! Several servers of one cluster on this machine.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::find::ServerBinary;
use crate::node::{
    LocalSettings, Membership, MetaGroup, Node, NodeConfig, NodeError, START_ATTEMPTS, SyncMode,
    meta_group,
};
use crate::ports::free_ports;

const POLL: Duration = Duration::from_millis(20);

/// How a local cluster is started. [`ClusterConfig::new`] gives three nodes on free ports.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// Name of the cluster. Its nodes are named after it: `<name>-1`, `<name>-2`, ...
    pub name: String,
    /// Holds one directory for each node.
    pub store_dir: PathBuf,
    /// How many nodes.
    pub size: usize,
    /// When data is written to disk.
    pub sync: SyncMode,
    /// Port of the first node for clients; the others take the ports after it. 0 takes free ones.
    pub first_client_port: u16,
    /// How long the cluster may take until it is complete.
    pub ready_timeout: Duration,
}

impl ClusterConfig {
    /// Three nodes on free ports.
    pub fn new(name: impl Into<String>, store_dir: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            store_dir: store_dir.into(),
            size: 3,
            sync: SyncMode::Default,
            first_client_port: 0,
            ready_timeout: Duration::from_secs(60),
        }
    }
}

/// The nodes of one cluster, numbered from 0.
#[derive(Debug)]
pub struct LocalCluster {
    nodes: Vec<Node>,
    ready_timeout: Duration,
}

impl LocalCluster {
    /// Starts all nodes and waits until they have a leader that sees every one of them.
    ///
    /// # Errors
    ///
    /// Those of [`Node::start`], of the first node that failed. All nodes are then ended.
    pub async fn start(server: &ServerBinary, config: ClusterConfig) -> Result<Self, NodeError> {
        for _ in 1..START_ATTEMPTS {
            match Self::start_once(server, &config).await {
                // Taken between being picked and being used.
                Err(NodeError::PortInUse { .. }) if config.first_client_port == 0 => {}
                result => return result,
            }
        }
        Self::start_once(server, &config).await
    }

    async fn start_once(server: &ServerBinary, config: &ClusterConfig) -> Result<Self, NodeError> {
        let mut ports =
            free_ports(config.size * 2).map_err(|source| NodeError::NoFreePort { source })?;
        let route_ports = ports.split_off(config.size);
        let mut nodes = Vec::with_capacity(config.size);
        for (index, (&route_port, &free_port)) in route_ports.iter().zip(&ports).enumerate() {
            let name = format!("{}-{}", config.name, index + 1);
            let offset = u16::try_from(index).unwrap_or(u16::MAX);
            let client_port = match config.first_client_port {
                0 => free_port,
                first => first.saturating_add(offset),
            };
            let mut node = NodeConfig::new(name.clone(), config.store_dir.join(name)).with_local(
                LocalSettings {
                    client_port,
                    monitor_port: 0,
                    sync: config.sync,
                    cluster: Some(Membership {
                        cluster: config.name.clone(),
                        route_port,
                        all_route_ports: route_ports.clone(),
                    }),
                },
            );
            node.ready_timeout = config.ready_timeout;
            nodes.push(Node::launch(server, node).await?);
        }
        Self::of_nodes(nodes, config.ready_timeout).await
    }

    /// Takes nodes that were launched one by one, for instance from a configuration file, and waits
    /// until they have a leader that sees every one of them.
    ///
    /// # Errors
    ///
    /// Those of [`LocalCluster::wait_ready`]. All nodes are then ended.
    pub async fn of_nodes(nodes: Vec<Node>, ready_timeout: Duration) -> Result<Self, NodeError> {
        let mut cluster = Self { nodes, ready_timeout };
        cluster.wait_ready().await?;
        Ok(cluster)
    }

    /// Waits until every running node is ready and a running leader sees all of them.
    ///
    /// Streams with a replica on each node can be created from then on. With a majority of the
    /// nodes stopped there is no leader, and this fails.
    ///
    /// # Errors
    ///
    /// [`NodeError::NotReady`] after [`ClusterConfig::ready_timeout`]; another [`NodeError`] when a
    /// node ended.
    pub async fn wait_ready(&mut self) -> Result<(), NodeError> {
        let deadline = Instant::now() + self.ready_timeout;
        loop {
            for node in self.nodes.iter_mut().filter(|node| node.pid().is_some()) {
                node.wait_ready().await?;
            }
            if self.leader_sees_all().await {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(NodeError::NotReady {
                    after: self.ready_timeout,
                    log: self.nodes.first().map(Node::log_file).unwrap_or_default(),
                    last_lines: String::new(),
                });
            }
            sleep(POLL).await;
        }
    }

    async fn leader_sees_all(&self) -> bool {
        let running: Vec<&Node> = self.nodes.iter().filter(|node| node.pid().is_some()).collect();
        for node in &running {
            let Some(url) = node.monitor_url() else { continue };
            let Some(MetaGroup { leader, replicas }) = meta_group(&url).await else { continue };
            if leader == node.name() {
                return running.iter().filter(|other| other.name() != leader).all(|other| {
                    replicas.iter().any(|replica| {
                        replica.name == other.name() && replica.current && !replica.offline
                    })
                });
            }
        }
        false
    }

    /// Kills a node with -9. Returns without waiting for the others to elect a leader; see
    /// [`LocalCluster::wait_ready`].
    ///
    /// # Errors
    ///
    /// [`NodeError::NotRunning`] when there is no such node; otherwise those of [`Node::kill`].
    pub async fn kill_node(&mut self, index: usize) -> Result<(), NodeError> {
        self.node_mut(index)?.kill().await
    }

    /// Starts a node again on its ports and data, and waits until it has caught up with the group
    /// that manages the streams. Its streams may still be catching up.
    ///
    /// # Errors
    ///
    /// [`NodeError::NotRunning`] when there is no such node; otherwise those of [`Node::restart`].
    pub async fn restart_node(&mut self, index: usize) -> Result<(), NodeError> {
        self.node_mut(index)?.restart().await
    }

    /// The addresses of all nodes for clients, running or not.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Node::url).collect()
    }

    /// All nodes.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// One node, to pause it or to wait for its end.
    ///
    /// # Errors
    ///
    /// [`NodeError::NotRunning`] when there is no such node.
    pub fn node_mut(&mut self, index: usize) -> Result<&mut Node, NodeError> {
        self.nodes
            .get_mut(index)
            .ok_or_else(|| NodeError::NotRunning { name: format!("number {index}") })
    }

    /// Waits until any running node ends by itself, and says why. Waits for ever when none runs.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a later call goes on waiting.
    pub async fn exited(&mut self) -> NodeError {
        let mut ends: Vec<_> = self
            .nodes
            .iter_mut()
            .filter(|node| node.pid().is_some())
            .map(|node| Box::pin(node.exited()))
            .collect();
        std::future::poll_fn(|context| {
            ends.iter_mut()
                .find_map(|end| match end.as_mut().poll(context) {
                    std::task::Poll::Ready(error) => Some(std::task::Poll::Ready(error)),
                    std::task::Poll::Pending => None,
                })
                .unwrap_or(std::task::Poll::Pending)
        })
        .await
    }

    /// Shuts all nodes down in order.
    ///
    /// # Errors
    ///
    /// The first error of [`Node::stop`]; the others are stopped all the same.
    pub async fn stop(self) -> Result<(), NodeError> {
        let mut result = Ok(());
        for node in self.nodes {
            let stopped = node.stop().await.map(|_| ());
            result = result.and(stopped);
        }
        result
    }
}
