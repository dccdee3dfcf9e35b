//! The conformance suite of the log port, on every implementation.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use colony_bus::{JetStreamLog, MemoryLog, ServerOptions};
use colony_core::SpaceName;
use colony_server::{ClusterConfig, Finder, LocalCluster, Node, NodeConfig, Silent};
use colony_tests::conformance::{FactoryError, FreshLog, LogFactory};
use colony_tests::conformance_suite;
use futures_util::future::BoxFuture;

// --- memory

#[derive(Debug, Default)]
struct MemoryFactory {
    made: AtomicU64,
}

impl LogFactory for MemoryFactory {
    fn make(&self) -> BoxFuture<'_, Result<FreshLog, FactoryError>> {
        Box::pin(async move {
            let number = self.made.fetch_add(1, Ordering::Relaxed);
            let log = Arc::new(MemoryLog::new(format!("memory-{number}")));
            let space = "conformance".parse()?;
            Ok(FreshLog { log: log.clone(), live: log, space, keep: Arc::new(()) })
        })
    }
}

conformance_suite!(memory, MemoryFactory::default());

// --- logs that break the contract, to see that the suite finds it

#[path = "conformance/broken.rs"]
mod broken;

// --- JetStream: a real server, or three, for each rule

/// Starts one server for each log.
#[derive(Debug, Default)]
struct NodeFactory;

impl LogFactory for NodeFactory {
    fn make(&self) -> BoxFuture<'_, Result<FreshLog, FactoryError>> {
        Box::pin(async move {
            let dir = tempfile::tempdir()?;
            let binary = Finder::from_env().find(&Silent).await?;
            let config = NodeConfig::new("conformance", dir.path().join("server"));
            let node = Node::start(&binary, config).await?;
            fresh(node.url(), 1, Arc::new((node, dir))).await
        })
    }
}

/// Starts three servers for each log, which then has three copies.
#[derive(Debug, Default)]
struct ClusterFactory;

impl LogFactory for ClusterFactory {
    fn make(&self) -> BoxFuture<'_, Result<FreshLog, FactoryError>> {
        Box::pin(async move {
            let dir = tempfile::tempdir()?;
            let binary = Finder::from_env().find(&Silent).await?;
            let config = ClusterConfig::new("conformance", dir.path());
            let cluster = LocalCluster::start(&binary, config).await?;
            fresh(cluster.urls().join(","), 3, Arc::new((cluster, dir))).await
        })
    }
}

async fn fresh(
    url: String,
    replicas: usize,
    keep: Arc<dyn Any + Send + Sync>,
) -> Result<FreshLog, FactoryError> {
    let space: SpaceName = "conformance".parse()?;
    let options = ServerOptions { url, replicas: Some(replicas), ..ServerOptions::default() };
    let log = Arc::new(JetStreamLog::connect(&space, &options).await?);
    Ok(FreshLog { log: log.clone(), live: log, space, keep })
}

conformance_suite!(one_node, NodeFactory);
conformance_suite!(three_nodes, ClusterFactory);
