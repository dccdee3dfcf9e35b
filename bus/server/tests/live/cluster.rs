//! Three nodes.

use std::fs;
use std::time::Duration;

use async_nats::jetstream::{self, stream};
use colony_server::{ClusterConfig, LocalCluster, SyncMode};
use tempfile::tempdir;
use tokio::time::timeout;

#[tokio::test]
async fn a_cluster_of_three_survives_the_kill_of_one() {
    let server = crate::server().await;
    let dir = tempdir().unwrap();
    let mut config = ClusterConfig::new("three", dir.path());
    config.sync = SyncMode::Always;
    let mut cluster = LocalCluster::start(&server, config).await.unwrap();
    let urls = cluster.urls();
    let client = async_nats::connect(&urls[..]).await.unwrap();
    let jetstream = jetstream::new(client);
    // Ready means that a stream with three replicas can be created at once.
    let config = stream::Config { name: "s".into(), num_replicas: 3, ..Default::default() };
    jetstream.create_stream(config).await.unwrap();
    publish_until_acknowledged(&jetstream).await;

    for killed in 0..3 {
        cluster.kill_node(killed).await.unwrap();
        cluster.wait_ready().await.unwrap();
        let others: Vec<_> = cluster
            .nodes()
            .iter()
            .filter(|node| node.pid().is_some())
            .map(|node| node.url())
            .collect();
        assert_eq!(others.len(), 2);
        let jetstream = jetstream::new(async_nats::connect(&others[..]).await.unwrap());
        publish_until_acknowledged(&jetstream).await;
        cluster.restart_node(killed).await.unwrap();
        cluster.wait_ready().await.unwrap();
        assert_eq!(cluster.urls(), urls);
    }
    let messages = jetstream.get_stream("s").await.unwrap().cached_info().state.messages;
    assert!(messages >= 4, "{messages}");
    cluster.stop().await.unwrap();
}

/// The stream elects a leader of its own, which takes seconds after a kill.
async fn publish_until_acknowledged(jetstream: &jetstream::Context) {
    let acknowledged = async {
        loop {
            if let Ok(ack) = jetstream.publish("s", "again".into()).await
                && ack.await.is_ok()
            {
                return;
            }
        }
    };
    timeout(Duration::from_secs(120), acknowledged).await.expect("two of three acknowledge");
}

#[tokio::test]
async fn a_node_that_lost_its_disk_gets_everything_back_under_its_name() {
    let server = crate::server().await;
    let dir = tempdir().unwrap();
    let config = ClusterConfig::new("three", dir.path());
    let mut cluster = LocalCluster::start(&server, config).await.unwrap();
    let jetstream = jetstream::new(async_nats::connect(&cluster.urls()[..]).await.unwrap());
    let config = stream::Config { name: "s".into(), num_replicas: 3, ..Default::default() };
    jetstream.create_stream(config).await.unwrap();
    // The node that we are connected to may hear of the stream a moment later.
    publish_until_acknowledged(&jetstream).await;
    for _ in 0..100 {
        jetstream.publish("s", "1".into()).await.unwrap().await.unwrap();
    }
    let stored = jetstream.get_stream("s").await.unwrap().cached_info().state.messages;
    assert!(stored > 100, "{stored}");
    cluster.kill_node(0).await.unwrap();
    fs::remove_dir_all(cluster.nodes()[0].store_dir().join("jetstream")).unwrap();
    cluster.restart_node(0).await.unwrap();
    let complete = async {
        while !holds_all(&jetstream, stored).await {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(120), complete).await.unwrap();
}

/// Whether all three replicas of the stream are up to date.
async fn holds_all(jetstream: &jetstream::Context, stored: u64) -> bool {
    let Ok(stream) = jetstream.get_stream("s").await else { return false };
    let cluster = stream.cached_info().cluster.clone().unwrap();
    stream.cached_info().state.messages == stored
        && cluster.replicas.len() == 2
        && cluster.replicas.iter().all(|replica| replica.current && !replica.offline)
}
