//! `--ca` and `--creds`: a server with a certificate of one's own, whose users are known by their tokens.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use colony_server::{ConfigFile, Node, NodeConfig};
use nkeys::KeyPair;
use serde_json::{Value, json};

use crate::run::{Lab, server};

/// Makes a token, as NATS' own tools do: what its issuer says of somebody, signed.
fn token(issuer: &KeyPair, subject: &KeyPair, says: Value) -> String {
    let head = json!({ "typ": "JWT", "alg": "ed25519-nkey" }).to_string();
    let claims = json!({
        "jti": "1", "iat": 1, "iss": issuer.public_key(), "sub": subject.public_key(), "nats": says
    });
    let signed = [head, claims.to_string()].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let signature = issuer.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn account(operator: &KeyPair, account: &KeyPair, storage: i64) -> String {
    let limits = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
        "conn": -1, "leaf": -1, "mem_storage": storage, "disk_storage": storage, "streams": storage,
        "consumer": storage
    });
    token(operator, account, json!({ "type": "account", "version": 2, "limits": limits }))
}

fn credentials(account: &KeyPair) -> String {
    let user = KeyPair::new_user();
    let says = json!({ "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1 });
    let (token, seed) = (token(account, &user, says), user.seed().unwrap());
    format!(
        "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )
}

#[tokio::test]
async fn an_authority_and_credentials_given_are_used_and_needed() {
    let dir = tempfile::tempdir().unwrap();
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/tls/make-certs.sh");
    let made = Command::new(scripts).arg(dir.path()).arg("node").output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let operator = KeyPair::new_operator();
    let (colony, system) = (KeyPair::new_account(), KeyPair::new_account());
    let own = token(&operator, &operator, json!({ "type": "operator", "version": 2 }));
    let path = |name: &str| dir.path().join(name);
    // The block of deploy/cluster/nats.conf, with accounts by token in place of NKeys.
    let config = format!(
        "listen: \"127.0.0.1:-1\"\n\
         tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {:?} }}\n\
         jetstream {{ store_dir: {:?} }}\n\
         operator: {own}\nsystem_account: {}\nresolver: MEMORY\n\
         resolver_preload: {{ {}: {}, {}: {} }}\n",
        path("node.pem"),
        path("node.key"),
        path("ca.pem"),
        path("data"),
        system.public_key(),
        system.public_key(),
        account(&operator, &system, 0),
        colony.public_key(),
        account(&operator, &colony, -1),
    );
    std::fs::write(path("nats.conf"), config).unwrap();
    std::fs::write(path("ada.creds"), credentials(&colony)).unwrap();
    std::fs::write(path("eve.creds"), credentials(&KeyPair::new_account())).unwrap();
    let file = ConfigFile { path: path("nats.conf"), variables: BTreeMap::new() };
    let node = NodeConfig::new("tls", path("tls")).with_file(file);
    let node = Node::start(&server().await, node).await.unwrap();
    assert!(node.url().starts_with("tls://"), "{}", node.url());
    let lab = Lab { node, dir };
    let run = |args: &[&str], options: &[(&str, &str)]| {
        let mut colony = lab.colony(args);
        for (option, file) in options {
            colony = colony.arg(option).arg(lab.dir.path().join(file));
        }
        colony
    };
    let both = [("--ca", "ca.pem"), ("--creds", "ada.creds")];
    let published = run(&["publish", "hello.said"], &both).json();
    assert_eq!(published[0]["position"], 1);
    assert_eq!(run(&["log"], &both).json().len(), 1);
    let mut by_environment = lab.colony(&["log"]);
    by_environment.command.env("COLONY_CA", lab.dir.path().join("ca.pem"));
    by_environment.command.env("COLONY_CREDS", lab.dir.path().join("ada.creds"));
    assert_eq!(by_environment.json().len(), 1);

    // Without the authority the server is not trusted, and without credentials we are not.
    run(&["log"], &[("--creds", "ada.creds")]).error(4);
    run(&["log"], &[("--ca", "ca.pem")]).error(4);
    let stranger = run(&["log"], &[("--ca", "ca.pem"), ("--creds", "eve.creds")]).error(4);
    assert!(stranger["message"].as_str().unwrap().contains("credentials"), "{stranger}");
    run(&["log"], &[("--ca", "none.pem"), ("--creds", "ada.creds")]).error(4);
}
