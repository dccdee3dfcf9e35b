//! Keys: made, used, refused.

use std::collections::BTreeMap;
use std::path::Path;

use colony_server::{ConfigFile, Node, NodeConfig, users_file};

use crate::run::{Colony, Lab, server};

fn key(dir: &Path, args: &[&str]) -> serde_json::Value {
    let mut colony = Colony::new(&["agent", "key"]);
    colony.command.current_dir(dir);
    colony.command.args(args);
    colony.json().swap_remove(0)
}

#[tokio::test]
async fn an_agent_appends_under_its_own_name_only_and_a_stranger_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let ada = key(dir.path(), &["ada"]);
    let admin = key(dir.path(), &["boss", "--admin"]);
    let stranger = key(dir.path(), &["eve"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(dir.path().join("ada.nk")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let mut again = Colony::new(&["agent", "key", "ada"]);
    again.command.current_dir(dir.path());
    again.error(1);
    Colony::new(&["agent", "key", "not a name"]).error(3);

    let blocks = [&ada, &admin].map(|key| key["permissions"].as_str().unwrap().to_owned());
    let config = dir.path().join("server.conf");
    let store = dir.path().join("store");
    let text = format!(
        "listen: \"127.0.0.1:-1\"\njetstream: {{ store_dir: {store:?} }}\nauthorization: {{ {} }}\n",
        users_file(blocks)
    );
    std::fs::write(&config, text).unwrap();
    let file = ConfigFile { path: config, variables: BTreeMap::new() };
    let node = NodeConfig::new("keys", &store).with_file(file);
    let lab = Lab { node: Node::start(&server().await, node).await.unwrap(), dir };
    let run = |args: &[&str], agent: &str, key: &serde_json::Value| {
        let file = lab.dir.path().join(key["seed_file"].as_str().unwrap());
        lab.colony(args).arg("--agent").arg(agent).arg("--key").arg(file)
    };

    // The space does not exist, and an agent may not make it.
    let error = run(&["publish", "a.done"], "ada", &ada).error(4);
    assert!(error["message"].as_str().unwrap().contains("does not exist"), "{error}");
    run(&["status"], "boss", &admin).json();
    let published = run(&["publish", "a.done", "--sign"], "ada", &ada).json();
    assert_eq!(published[0]["position"], 1);
    let log = run(&["log"], "ada", &ada).json();
    assert_eq!(log[0]["colonysigner"], ada["public_key"]);

    let error = run(&["publish", "a.done"], "eve", &stranger).error(4);
    assert!(error["message"].as_str().unwrap().contains("credentials"), "{error}");
    lab.colony(&["publish", "a.done"]).error(4);
    let forged = r#"{"specversion":"1.0","id":"1","source":"bob","type":"a.done"}"#;
    let error = run(&["import", "-"], "ada", &ada).stdin(forged).error(4);
    assert!(error["causes"][0].as_str().unwrap().contains("does not allow"), "{error}");
    assert_eq!(run(&["log"], "ada", &ada).json().len(), 1);

    let permissions = run(&["agent", "permissions", "ada"], "ada", &ada).json();
    assert_eq!(permissions[0]["permissions"], ada["permissions"]);
}
