//! Three nodes.

use async_nats::jetstream::{self, stream};
use colony_server::{ClusterConfig, LocalCluster, SyncMode};
use tempfile::tempdir;

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
    jetstream.publish("s", "1".into()).await.unwrap().await.unwrap();

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

/// The stream elects a leader of its own, which takes its time after a kill.
async fn publish_until_acknowledged(jetstream: &jetstream::Context) {
    for _ in 0..20 {
        let Ok(ack) = jetstream.publish("s", "again".into()).await else { continue };
        if ack.await.is_ok() {
            return;
        }
    }
    panic!("nothing is acknowledged with one node of three killed");
}
