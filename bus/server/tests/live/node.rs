//! One node.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use async_nats::jetstream;
use colony_server::{ConfigFile, LocalSettings, Node, NodeConfig, NodeError, Stopped, SyncMode};
use tempfile::tempdir;
use tokio::time::timeout;

async fn connect(node: &Node) -> jetstream::Context {
    jetstream::new(async_nats::connect(node.url()).await.unwrap())
}

async fn count(jetstream: &jetstream::Context) -> u64 {
    jetstream.get_stream("s").await.unwrap().cached_info().state.messages
}

#[tokio::test]
async fn entries_survive_stop_restart_and_kill_on_the_same_ports() {
    let server = crate::server().await;
    let dir = tempdir().unwrap();
    let config = NodeConfig::new("one", dir.path().join("a \"b"));
    let mut node = Node::start(&server, config.clone()).await.unwrap();
    let url = node.url();
    let jetstream = connect(&node).await;
    let stream = jetstream::stream::Config { name: "s".into(), ..Default::default() };
    jetstream.create_stream(stream).await.unwrap();
    jetstream.publish("s", "1".into()).await.unwrap().await.unwrap();

    node.restart().await.unwrap();
    assert_eq!(node.url(), url);
    let jetstream = connect(&node).await;
    jetstream.publish("s", "2".into()).await.unwrap().await.unwrap();
    node.kill().await.unwrap();
    assert_eq!(node.pid(), None);
    assert!(async_nats::connect(&url).await.is_err());
    node.restart().await.unwrap();
    assert_eq!((node.url(), count(&connect(&node).await).await), (url, 2));

    assert_eq!(node.stop().await.unwrap(), Stopped::InOrder);
    let node = Node::start(&server, config).await.unwrap();
    assert_eq!(count(&connect(&node).await).await, 2);
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_it() {
    let server = crate::server().await;
    let dir = tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let client_port = taken.local_addr().unwrap().port();
    let local = LocalSettings { client_port, ..LocalSettings::default() };
    let config = NodeConfig::new("one", dir.path()).with_local(local);
    let Err(NodeError::PortInUse { address }) = Node::start(&server, config).await else {
        panic!("a taken port was used");
    };
    assert_eq!(address, format!("127.0.0.1:{client_port}"));
}

#[tokio::test]
async fn a_port_of_another_server_is_not_taken_for_ours() {
    let server = crate::server().await;
    let (dir, other_dir) = (tempdir().unwrap(), tempdir().unwrap());
    let other = Node::start(&server, NodeConfig::new("one", other_dir.path())).await.unwrap();
    let client_port = other.url().rsplit_once(':').unwrap().1.parse().unwrap();
    let local = LocalSettings { client_port, ..LocalSettings::default() };
    let config = NodeConfig::new("one", dir.path()).with_local(local);
    let result = Node::start(&server, config).await;
    assert!(matches!(result, Err(NodeError::PortInUse { .. })), "{result:?}");
}

#[tokio::test]
async fn a_directory_serves_one_server_at_a_time() {
    let server = crate::server().await;
    let dir = tempdir().unwrap();
    let config = NodeConfig::new("one", dir.path());
    let first = Node::start(&server, config.clone()).await.unwrap();
    let second = Node::start(&server, config.clone()).await;
    assert!(matches!(second, Err(NodeError::StoreInUse { .. })), "{second:?}");
    drop(first);
    Node::start(&server, config).await.unwrap();
}

#[tokio::test]
async fn sync_always_reaches_the_server() {
    let server = crate::server().await;
    for (sync, expected) in [(SyncMode::Always, true), (SyncMode::Default, false)] {
        let dir = tempdir().unwrap();
        let config = NodeConfig::new("one", dir.path()).with_sync(sync);
        let node = Node::start(&server, config).await.unwrap();
        let page = format!("{}/jsz", node.monitor_url().unwrap());
        let page = Command::new("python3")
            .args(["-c", "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read())"])
            .arg(page)
            .output()
            .unwrap();
        let page = String::from_utf8(page.stdout).unwrap();
        assert_eq!(page.contains("\"sync_always\": true"), expected, "{sync:?}: {page}");
    }
}

#[tokio::test]
async fn a_paused_server_answers_again_when_resumed_and_stops_in_order() {
    let server = crate::server().await;
    let dir = tempdir().unwrap();
    let node = Node::start(&server, NodeConfig::new("one", dir.path())).await.unwrap();
    let client = async_nats::connect(node.url()).await.unwrap();
    let jetstream = jetstream::new(client);
    node.pause().unwrap();
    let answer = timeout(Duration::from_millis(300), jetstream.query_account()).await;
    assert!(!matches!(answer, Ok(Ok(_))), "a paused server answered");
    node.resume().unwrap();
    jetstream.query_account().await.unwrap();
    node.pause().unwrap();
    assert_eq!(node.stop().await.unwrap(), Stopped::InOrder);
}

#[tokio::test]
async fn an_unexpected_end_is_told() {
    let server = crate::server().await;
    let dir = tempdir().unwrap();
    let mut node = Node::start(&server, NodeConfig::new("one", dir.path())).await.unwrap();
    let pid = node.pid().unwrap().to_string();
    Command::new("kill").args(["-9", &pid]).status().unwrap();
    let end = timeout(Duration::from_secs(60), node.exited()).await.unwrap();
    assert!(matches!(end, NodeError::Exited { .. }), "{end:?}");
    assert_eq!(node.pid(), None);
}

#[tokio::test]
async fn a_rejected_configuration_is_told_with_its_reason() {
    let server = crate::server().await;
    let dir = tempdir().unwrap();
    let path = dir.path().join("nats.conf");
    fs::write(&path, "jetstream { unheard_of: 1 }").unwrap();
    let file = ConfigFile { path: path.clone(), ..ConfigFile::default() };
    let config = NodeConfig::new("one", dir.path().join("store")).with_file(file);
    let Err(NodeError::ConfigRejected { file, reason }) = Node::start(&server, config).await else {
        panic!("an unknown setting was accepted");
    };
    assert_eq!(file, path);
    assert!(reason.contains("unheard_of"), "{reason}");
}

const OWNED_STORE: &str = "COLONY_TEST_OWNED_STORE";

/// Started a second time, by itself, it is an owner that waits to be killed.
#[tokio::test]
async fn a_server_ends_with_an_owner_that_is_killed() {
    let server = crate::server().await;
    if let Some(store) = std::env::var_os(OWNED_STORE) {
        let mut node = Node::start(&server, NodeConfig::new("one", &store)).await.unwrap();
        fs::rename(Path::new(&store).join("server.log"), Path::new(&store).join("ready")).unwrap();
        panic!("the server ended before its owner: {}", node.exited().await);
    }
    let dir = tempdir().unwrap();
    let mut owner = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "node::a_server_ends_with_an_owner_that_is_killed"])
        .env(OWNED_STORE, dir.path())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let ready = dir.path().join("ready");
    let wait = async {
        while !ready.exists() {
            assert_eq!(owner.try_wait().unwrap(), None, "the owner ended");
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(60), wait).await.unwrap();
    let lock = File::open(dir.path().join("server.lock")).unwrap();
    assert!(lock.try_lock().is_err(), "the server holds its lock");
    owner.kill().await.unwrap();
    let freed = tokio::task::spawn_blocking(move || lock.lock());
    timeout(Duration::from_secs(60), freed)
        .await
        .expect("the server outlives it")
        .unwrap()
        .unwrap();
}
