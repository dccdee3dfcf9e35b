//! Who may do what: the server decides, and the bus says so.

use std::path::Path;
use std::time::Duration;

use colony_bus::log::{AppendError, ConnectError, Outcome};
use colony_bus::{Bus, BusOptions, Credentials, WriteError};
use colony_core::Event;
use colony_server::{
    ConfigFile, Node, NodeConfig, admin_block, inbox_prefix, permission_block, users_file,
};
use colony_tests::harness::{Audit, Load, agent, draft, options, server, within};
use nkeys::KeyPair;

const LIMIT: Duration = Duration::from_secs(600);

struct Guarded {
    node: Node,
    alice: KeyPair,
    admin: KeyPair,
    _dir: tempfile::TempDir,
}

async fn guarded() -> Guarded {
    let dir = tempfile::tempdir().unwrap();
    let (alice, bob, admin) = (KeyPair::new_user(), KeyPair::new_user(), KeyPair::new_user());
    let users = users_file([
        permission_block("test", "alice", &alice.public_key()).unwrap(),
        permission_block("test", "bob", &bob.public_key()).unwrap(),
        admin_block("admin", &admin.public_key()).unwrap(),
    ]);
    let store = dir.path().join("data");
    let text = format!(
        "listen: \"127.0.0.1:-1\"\nhttp: \"127.0.0.1:-1\"\njetstream: {{ store_dir: {:?} }}\nauthorization: {{ {users} }}\n",
        store.display().to_string()
    );
    let path = dir.path().join("nats.conf");
    std::fs::write(&path, text).unwrap();
    let node = start(dir.path(), &path).await;
    Guarded { node, alice, admin, _dir: dir }
}

async fn start(dir: &Path, path: &Path) -> Node {
    let file = ConfigFile { path: path.to_owned(), ..ConfigFile::default() };
    let config = NodeConfig::new("guarded", dir.join("guarded")).with_file(file);
    Node::start(&server().await, config).await.unwrap()
}

impl Guarded {
    fn options(&self, name: &str, key: &KeyPair) -> BusOptions {
        let mut options = options(name, &self.node.url());
        options.server.credentials = Credentials::NkeySeed(key.seed().unwrap());
        options.server.inbox_prefix = Some(inbox_prefix(name).unwrap());
        options
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_cannot_publish_under_anothers_name() {
    within(LIMIT, "publishing as another", async {
        let guarded = guarded().await;
        let early = Bus::connect(guarded.options("alice", &guarded.alice)).await.unwrap_err();
        assert!(matches!(early, ConnectError::NoSpace { .. }), "{early}");
        let admin = Bus::connect(guarded.options("admin", &guarded.admin)).await.unwrap();
        let alice = Bus::connect(guarded.options("alice", &guarded.alice)).await.unwrap();

        let mut load = Load::new();
        load.add(&alice, "alice", 8, usize::MAX, 100);
        for number in 0..5 {
            load.acknowledged.more(100).await;
            let id = format!("forged{number}").parse().unwrap();
            let forged = Event::new(agent("bob"), id, "load.said".parse().unwrap());
            let error = alice.append_event(forged).await.unwrap().await.unwrap_err();
            let WriteError::Append(AppendError::Denied { subject }) = &error else {
                panic!("{error}")
            };
            assert!(subject.starts_with("colony.test.bob."), "{subject}");
            assert_eq!(error.outcome(), Outcome::NotApplied);
        }
        load.stop();
        let told = load.finish().await;
        let audit = Audit::of(&alice).await;
        let (_, unknown, refused) = audit.hold_against(&told);
        assert_eq!((unknown, refused), (0, 0), "the agent's own are not touched");

        // Nor with a bus that claims to be Bob.
        let mut claim = guarded.options("alice", &guarded.alice);
        claim.agent = agent("bob");
        let claim = Bus::connect(claim).await.unwrap();
        let error = claim.publish(draft("claimed", 10)).await.unwrap().await.unwrap_err();
        assert!(matches!(error, WriteError::Append(AppendError::Denied { .. })), "{error}");
        assert_eq!(admin.tail().await.unwrap(), audit.tail, "nothing was stored");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_the_server_does_not_know_is_refused() {
    within(LIMIT, "a wrong key", async {
        let guarded = guarded().await;
        let stranger = KeyPair::new_user();
        let error = Bus::connect(guarded.options("alice", &stranger)).await.unwrap_err();
        assert!(matches!(error, ConnectError::Credentials { .. }), "{error}");
        let error = Bus::connect(options("alice", &guarded.node.url())).await.unwrap_err();
        assert!(matches!(error, ConnectError::Credentials { .. }), "{error}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_and_a_password_in_the_address_log_in() {
    within(LIMIT, "a name in the address", async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nats.conf");
        let text = format!(
            "listen: \"127.0.0.1:-1\"\nhttp: \"127.0.0.1:-1\"\njetstream: {{ store_dir: {:?} }}\nauthorization: {{ user: ann, password: secret }}\n",
            dir.path().join("data").display().to_string()
        );
        std::fs::write(&path, text).unwrap();
        let node = start(dir.path(), &path).await;
        let with = |who: &str| node.url().replace("nats://", &format!("nats://{who}@"));
        let bus = Bus::connect(options("ann", &with("ann:secret"))).await.unwrap();
        bus.publish(draft("hello", 10)).await.unwrap().await.unwrap();
        let error = Bus::connect(options("ann", &with("ann:guess"))).await.unwrap_err();
        assert!(matches!(error, ConnectError::Credentials { .. }), "{error}");
    })
    .await;
}
