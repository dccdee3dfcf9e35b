//! The configurations in `deploy/`, as they are.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::{self, stream};
use async_nats::{Client, ConnectOptions, Event};
use colony_server::{
    ConfigFile, LocalCluster, Node, NodeConfig, ServerBinary, admin_block, inbox_prefix,
    operator_block, permission_block, users_file,
};
use futures_util::StreamExt;
use nkeys::KeyPair;
use tempfile::{TempDir, tempdir};
use tokio::sync::mpsc;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(120);

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

/// An installation: a configuration of `deploy/`, and the users it includes.
struct Installation {
    dir: TempDir,
    alice: KeyPair,
    bob: KeyPair,
    admin: KeyPair,
}

impl Installation {
    fn of(kind: &str) -> Self {
        let dir = tempdir().unwrap();
        let (alice, bob) = (KeyPair::new_user(), KeyPair::new_user());
        let (admin, operator) = (KeyPair::new_user(), KeyPair::new_user());
        fs::copy(deploy().join(kind).join("nats.conf"), dir.path().join("nats.conf")).unwrap();
        let users = users_file([
            permission_block("s", "alice", &alice.public_key()).unwrap(),
            permission_block("s", "bob", &bob.public_key()).unwrap(),
            admin_block("admin", &admin.public_key()).unwrap(),
        ]);
        fs::write(dir.path().join("users.conf"), users).unwrap();
        let operators = users_file([operator_block(&operator.public_key()).unwrap()]);
        fs::write(dir.path().join("operators.conf"), operators).unwrap();
        Self { dir, alice, bob, admin }
    }

    fn config(&self, name: &str, variables: BTreeMap<String, String>) -> NodeConfig {
        let path = self.dir.path().join("nats.conf");
        NodeConfig::new(name, self.dir.path().join(name)).with_file(ConfigFile { path, variables })
    }

    async fn start_one(&self, server: &ServerBinary) -> Node {
        let variables = variables(
            "one-node/node.env",
            &[
                ("COLONY_LISTEN", "127.0.0.1:-1".into()),
                ("COLONY_MONITOR", "127.0.0.1:-1".into()),
                ("COLONY_STORE", self.path("data")),
            ],
        );
        Node::start(server, self.config("one", variables)).await.unwrap()
    }

    fn path(&self, name: &str) -> String {
        format!("\"{}\"", self.dir.path().join(name).display())
    }
}

/// The variables of an environment file, with the given ones replaced.
fn variables(file: &str, replaced: &[(&str, String)]) -> BTreeMap<String, String> {
    let text = fs::read_to_string(deploy().join(file)).unwrap();
    let mut variables: BTreeMap<String, String> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    for (name, value) in replaced {
        let old = variables.insert((*name).to_owned(), value.clone());
        assert!(old.is_some(), "{name} is not in {file}");
    }
    variables
}

/// A client of one user, and what it is told by the server: its errors, and the end.
async fn client(
    user: &str,
    key: &KeyPair,
    urls: &[String],
    ca: Option<PathBuf>,
) -> (Client, mpsc::Receiver<String>) {
    let (errors, received) = mpsc::channel(8);
    let mut options = ConnectOptions::with_nkey(key.seed().unwrap())
        .custom_inbox_prefix(inbox_prefix(user).unwrap())
        .event_callback(move |event| {
            let errors = errors.clone();
            async move {
                if matches!(event, Event::ServerError(_) | Event::Disconnected) {
                    let _ = errors.try_send(event.to_string());
                }
            }
        });
    if let Some(ca) = ca {
        options = options.add_root_certificates(ca);
    }
    (options.connect(urls).await.unwrap(), received)
}

/// Alice may do all that an agent does, and not speak as Bob.
async fn authorship_is_enforced(
    installation: &Installation,
    urls: &[String],
    ca: Option<PathBuf>,
    num_replicas: usize,
) {
    let (admin, _) = client("admin", &installation.admin, urls, ca.clone()).await;
    let config = stream::Config {
        name: "COLONY_s".into(),
        subjects: vec!["colony.s.>".into()],
        allow_direct: true,
        num_replicas,
        ..Default::default()
    };
    let log = jetstream::new(admin.clone()).create_stream(config).await.unwrap();

    let (alice, mut refused) = client("alice", &installation.alice, urls, ca.clone()).await;
    let jetstream = jetstream::new(alice.clone());
    for subject in ["colony.s.alice.l.cursor", "colony.s._._.head.task.1"] {
        jetstream.publish(subject, "hers".into()).await.unwrap().await.unwrap();
    }
    let (bob, _) = client("bob", &installation.bob, urls, ca).await;
    let bobs_view = jetstream::new(bob.clone()).get_stream("COLONY_s").await.unwrap();
    let read = bobs_view.direct_get_last_for_subject("colony.s.alice.l.cursor").await.unwrap();
    assert_eq!(read.payload, "hers");
    let everything = bobs_view.create_consumer(pull::OrderedConfig::default()).await.unwrap();
    let mut everything = everything.messages().await.unwrap();
    for expected in 1..=2 {
        let entry = timeout(LIMIT, everything.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(entry.info().unwrap().stream_sequence, expected);
    }
    let unnamed = r#"{"stream_name": "COLONY_s", "config": {"ack_policy": "none"}}"#;
    let made = bob.request("$JS.API.CONSUMER.CREATE.COLONY_s", unnamed.into()).await.unwrap();
    assert!(!String::from_utf8_lossy(&made.payload).contains("error"), "{made:?}");

    let forged = [
        "colony.s.bob.l.cursor",
        "colony.s._._.event",
        "colony.other.alice.l.cursor",
        "colony-live.s.bob.i",
        "$JS.API.STREAM.PURGE.COLONY_s",
        "$JS.API.STREAM.DELETE.COLONY_s",
        "$JS.API.STREAM.UPDATE.COLONY_s",
        "$JS.API.STREAM.MSG.DELETE.COLONY_s",
        "$JS.API.STREAM.CREATE.OTHER",
    ];
    for subject in forged {
        alice.publish(subject, "forged".into()).await.unwrap();
        let error = timeout(LIMIT, refused.recv()).await.expect(subject).unwrap();
        let error = error.to_lowercase();
        assert!(error.contains("permissions violation for publish"), "{subject}: {error}");
        assert!(error.contains(&subject.to_lowercase()), "{subject}: {error}");
    }
    let _eavesdrop = alice.subscribe("_INBOX_bob.>").await.unwrap();
    let error = timeout(LIMIT, refused.recv()).await.unwrap().unwrap().to_lowercase();
    assert!(error.contains("permissions violation for subscription"), "{error}");

    admin.publish("colony.s.alice.l.cursor", "forged".into()).await.unwrap();
    admin.flush().await.unwrap();
    assert_eq!(log.get_info().await.unwrap().state.messages, 2, "only hers are stored");
}

#[tokio::test]
async fn one_durable_node_enforces_authorship() {
    let server = crate::server().await;
    let installation = Installation::of("one-node");
    let node = installation.start_one(&server).await;
    let url = node.url();
    authorship_is_enforced(&installation, std::slice::from_ref(&url), None, 1).await;
    assert!(async_nats::connect(&url).await.is_err(), "nobody comes in without a key");
    let stranger = KeyPair::new_user().seed().unwrap();
    assert!(ConnectOptions::with_nkey(stranger).connect(&url).await.is_err(), "nor with any key");
}

/// The hole that the runbook names. Should a server close it, this test says so.
#[tokio::test]
async fn the_broker_alone_does_not_stop_an_answer_that_is_sent_to_a_foreign_branch() {
    let server = crate::server().await;
    let installation = Installation::of("one-node");
    let node = installation.start_one(&server).await;
    let urls = [node.url()];
    let (admin, _) = client("admin", &installation.admin, &urls, None).await;
    let config = stream::Config {
        name: "COLONY_s".into(),
        subjects: vec!["colony.s.>".into()],
        allow_direct: true,
        ..Default::default()
    };
    let log = jetstream::new(admin).create_stream(config).await.unwrap();
    let (alice, _) = client("alice", &installation.alice, &urls, None).await;
    let jetstream = jetstream::new(alice.clone());
    jetstream.publish("colony.s.alice.l.x", "forged".into()).await.unwrap().await.unwrap();
    let get = "$JS.API.DIRECT.GET.COLONY_s.colony.s.alice.l.x";
    alice.publish_with_reply(get, "colony.s.bob.l.x", "".into()).await.unwrap();
    let forged = async {
        loop {
            if let Ok(entry) = log.direct_get_last_for_subject("colony.s.bob.l.x").await {
                return entry;
            }
        }
    };
    let forged = timeout(LIMIT, forged).await.unwrap();
    assert_eq!(forged.payload, "forged");
    // What gives it away: the server's own headers, which no publisher of Colony sets.
    let raw = log.get_raw_message(forged.sequence).await.unwrap();
    assert!(raw.headers.get("Nats-Subject").is_some(), "{:?}", raw.headers);
}

#[tokio::test]
async fn a_reload_lets_an_added_agent_in_and_a_revoked_one_out() {
    let server = crate::server().await;
    let installation = Installation::of("one-node");
    let node = installation.start_one(&server).await;
    let urls = [node.url()];
    let (_bob, mut told) = client("bob", &installation.bob, &urls, None).await;
    let carol = KeyPair::new_user();
    let users = users_file([
        permission_block("s", "alice", &installation.alice.public_key()).unwrap(),
        permission_block("s", "carol", &carol.public_key()).unwrap(),
    ]);
    fs::write(installation.dir.path().join("users.conf"), users).unwrap();
    let pid = node.pid().unwrap().to_string();
    assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    let end = timeout(LIMIT, told.recv()).await.expect("bob is thrown out").unwrap();
    assert_eq!(end, Event::Disconnected.to_string());
    client("carol", &carol, &urls, None).await;
    let seed = installation.bob.seed().unwrap();
    assert!(ConnectOptions::with_nkey(seed).connect(&urls[..]).await.is_err(), "bob is back");
}

#[tokio::test]
async fn three_nodes_with_tls_enforce_authorship() {
    let server = crate::server().await;
    let installation = Installation::of("cluster");
    let made = Command::new(deploy().join("tls/make-certs.sh"))
        .arg(installation.dir.path())
        .args(["node-1", "node-2", "node-3"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let routes = free_ports();
    let mut nodes = Vec::new();
    for (index, port) in (1..=3).zip(routes) {
        let name = format!("node-{index}");
        let route = |port: u16| format!("nats-route://127.0.0.1:{port}");
        let variables = variables(
            &format!("cluster/{name}.env"),
            &[
                ("COLONY_LISTEN", "127.0.0.1:-1".into()),
                ("COLONY_MONITOR", "127.0.0.1:-1".into()),
                ("COLONY_STORE", installation.path(&format!("data-{index}"))),
                ("COLONY_ROUTE_LISTEN", format!("127.0.0.1:{port}")),
                ("COLONY_ROUTE_1", route(routes[0])),
                ("COLONY_ROUTE_2", route(routes[1])),
                ("COLONY_ROUTE_3", route(routes[2])),
                ("COLONY_CA", installation.path("ca.pem")),
                ("COLONY_CERT", installation.path(&format!("{name}.pem"))),
                ("COLONY_KEY", installation.path(&format!("{name}.key"))),
            ],
        );
        nodes.push(Node::launch(&server, installation.config(&name, variables)).await.unwrap());
    }
    let cluster = LocalCluster::of_nodes(nodes, LIMIT).await.unwrap();
    let urls = cluster.urls();
    assert!(urls.iter().all(|url| url.starts_with("tls://")), "{urls:?}");
    let ca = installation.dir.path().join("ca.pem");
    authorship_is_enforced(&installation, &urls, Some(ca), 3).await;
}

fn free_ports() -> [u16; 3] {
    let held = [0; 3].map(|port| std::net::TcpListener::bind(("127.0.0.1", port)).unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}

#[test]
fn every_variable_of_a_configuration_is_in_its_environment_files_and_no_other() {
    for (config, files) in [
        ("one-node/nats.conf", &["one-node/node.env"][..]),
        ("cluster/nats.conf", &["cluster/node-1.env", "cluster/node-2.env", "cluster/node-3.env"]),
    ] {
        let text = fs::read_to_string(deploy().join(config)).unwrap();
        let mut used: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .flat_map(|line| line.split_whitespace())
            .filter_map(|word| word.strip_prefix('$'))
            .collect();
        used.sort_unstable();
        used.dedup();
        for file in files {
            let listed = variables(file, &[]);
            assert_eq!(listed.keys().map(String::as_str).collect::<Vec<_>>(), used, "{file}");
        }
    }
}
