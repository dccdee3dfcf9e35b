//! One server or several, started on ports where their monitoring pages are found.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use colony_server::{
    LocalCluster, LocalSettings, Membership, Node, NodeConfig, NodeError, ServerBinary, SyncMode,
};

use crate::failure::Failure;

/// Clients look for the monitoring pages this far above the client port.
const MONITOR_OFFSET: u16 = 4_000;
/// The ports that free ones are taken from: below those of outgoing connections, with and without the offset.
const FREE_PORTS: std::ops::RangeInclusive<u16> = 12_000..=27_000;
const NAME: &str = "colony";
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// How often ports that were free and are no more are replaced by others.
const ATTEMPTS: u32 = 4;

/// The servers of `colony up`.
#[derive(Debug)]
pub(super) enum Running {
    One(Box<Node>),
    Cluster(LocalCluster),
}

/// No port is free.
#[derive(Debug)]
pub(super) struct PortError(pub(super) io::Error);

impl Running {
    pub(super) async fn one(
        server: &ServerBinary,
        dir: &Path,
        port: u16,
        sync: SyncMode,
    ) -> Result<Self, Failure> {
        for attempt in 1.. {
            let client_port = if port == 0 { free_ports(1)?.swap_remove(0) } else { port };
            let local = LocalSettings {
                client_port,
                monitor_port: monitor_port(client_port),
                sync,
                cluster: None,
            };
            let config = NodeConfig::new(NAME, dir).with_local(local);
            match Node::start(server, config).await {
                Err(NodeError::PortInUse { .. }) if port == 0 && attempt < ATTEMPTS => {}
                started => return Ok(Self::One(Box::new(started?))),
            }
        }
        unreachable_port()
    }

    pub(super) async fn cluster(
        server: &ServerBinary,
        dir: &Path,
        port: u16,
        sync: SyncMode,
        size: usize,
    ) -> Result<Self, Failure> {
        for attempt in 1.. {
            match Self::cluster_once(server, dir, port, sync, size).await {
                Err(Failure::Node(NodeError::PortInUse { .. }))
                    if port == 0 && attempt < ATTEMPTS => {}
                started => return started,
            }
        }
        unreachable_port()
    }

    async fn cluster_once(
        server: &ServerBinary,
        dir: &Path,
        port: u16,
        sync: SyncMode,
        size: usize,
    ) -> Result<Self, Failure> {
        let mut free = free_ports(size * 2)?;
        let all_route_ports = free.split_off(size);
        let clients = free.into_iter().zip(0..).map(|(free, offset): (u16, u16)| match port {
            0 => free,
            first => first.saturating_add(offset),
        });
        let mut nodes = Vec::with_capacity(size);
        for (index, (client_port, &route_port)) in clients.zip(&all_route_ports).enumerate() {
            let name = format!("{NAME}-{}", index + 1);
            let local = LocalSettings {
                client_port,
                monitor_port: monitor_port(client_port),
                sync,
                cluster: Some(Membership {
                    cluster: NAME.to_owned(),
                    route_port,
                    all_route_ports: all_route_ports.clone(),
                }),
            };
            let config = NodeConfig::new(name.clone(), dir.join(name)).with_local(local);
            nodes.push(Node::launch(server, config).await?);
        }
        Ok(Self::Cluster(LocalCluster::of_nodes(nodes, READY_TIMEOUT).await?))
    }

    fn nodes(&self) -> &[Node] {
        match self {
            Self::One(node) => std::slice::from_ref(node),
            Self::Cluster(cluster) => cluster.nodes(),
        }
    }

    pub(super) fn urls(&self) -> Vec<String> {
        self.nodes().iter().map(Node::url).collect()
    }

    pub(super) fn pids(&self) -> Vec<u32> {
        self.nodes().iter().filter_map(Node::pid).collect()
    }

    pub(super) fn log_files(&self) -> Vec<PathBuf> {
        self.nodes().iter().map(Node::log_file).collect()
    }

    /// Waits until a server ends by itself.
    pub(super) async fn exited(&mut self) -> NodeError {
        match self {
            Self::One(node) => node.exited().await,
            Self::Cluster(cluster) => cluster.exited().await,
        }
    }

    /// Shuts all servers down in order.
    pub(super) async fn stop(self) -> Result<(), NodeError> {
        match self {
            Self::One(node) => node.stop().await.map(|_| ()),
            Self::Cluster(cluster) => cluster.stop().await,
        }
    }
}

fn unreachable_port() -> Result<Running, Failure> {
    Err(PortError(io::ErrorKind::AddrInUse.into()).into())
}

fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
}

/// Returns the port where clients look for the monitoring pages, or 0 where it is taken.
fn monitor_port(client_port: u16) -> u16 {
    let wanted = client_port.checked_add(MONITOR_OFFSET);
    wanted.filter(|port| listen(*port).is_ok()).unwrap_or(0)
}

/// Picks ports that are free now, and free with the offset, too.
fn free_ports(count: usize) -> Result<Vec<u16>, PortError> {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    let span = FREE_PORTS.end() - FREE_PORTS.start() + 1;
    let random = RandomState::new().build_hasher().finish();
    let start = u16::try_from(random % u64::from(span)).unwrap_or_default();
    // All are held until all are found.
    let held: Vec<[TcpListener; 2]> = (0..span)
        .map(|step| FREE_PORTS.start() + (start + step) % span)
        .filter_map(|port| Some([listen(port).ok()?, listen(port + MONITOR_OFFSET).ok()?]))
        .take(count)
        .collect();
    if held.len() < count {
        return Err(PortError(io::ErrorKind::AddrInUse.into()));
    }
    let ports = held.iter().flat_map(|[client, _]| client.local_addr());
    Ok(ports.map(|address| address.port()).collect())
}
