//! Captures, read where there is no server.

use crate::run::{Colony, Lab};

#[tokio::test]
async fn a_capture_is_read_without_a_server() {
    let mut lab = Lab::new().await;
    lab.one(&["publish", "task.created", "--entity", "1", "--id", "root", "--space", "lab"]);
    lab.one(&["publish", "task.done", "--entity", "1", "--cause", "1", "--space", "lab"]);
    lab.one(&["doc", "new", "notes", "--text", "hello", "--cause", "2", "--space", "lab"]);
    let file = lab.dir.path().join("space.capture");
    let file = file.to_str().unwrap();
    let report = lab.one(&["capture", file, "--space", "lab"]);
    assert_eq!((&report["entries"], &report["last_position"]), (&3.into(), &3.into()));
    let error = lab.colony(&["capture", file, "--space", "lab"]).error(1);
    assert!(error["message"].as_str().unwrap().contains("exists already"));
    lab.one(&["capture", file, "--space", "lab", "--force"]);
    let online = lab.json(&["log", "--space", "lab"]);
    lab.node.kill().await.unwrap();

    let offline = |args: &[&str]| Colony::new(args).arg("--capture").arg(file).json();
    assert_eq!(offline(&["log"]), online);
    assert_eq!(offline(&["log", "--reverse", "--limit", "1"])[0]["colonyposition"], "3");
    assert_eq!(offline(&["at", "2"])[0]["statistics"]["entries"], 2);
    assert_eq!(offline(&["why", "root"])[0]["consequences"][0]["entry"]["type"], "task.done");
    assert_eq!(offline(&["doc", "list"])[0]["name"], "notes");
    assert_eq!(offline(&["doc", "show", "notes"])[0]["value"]["text"], "hello");
    assert_eq!(offline(&["doc", "history", "notes"]).len(), 1);
    assert_eq!(offline(&["doc", "blame", "notes", "/text"])[0]["what"], "hello");
    assert_eq!(offline(&["doc", "diff", "notes", "2"])[0]["from"].as_array().unwrap().len(), 0);
    let done = offline(&["bisect", "--entity", "1", "--count-at-least", "2"]);
    assert_eq!(done[0]["position"], 2);
    let predicate = r#"test "$($COLONY_ITSELF log --capture "$COLONY_CAPTURE" --until "$COLONY_CUT" --json | wc -l)" -ge 2"#;
    let mut bisect =
        Colony::new(&["bisect", "--json", "--capture", file, "--", "sh", "-c", predicate]);
    bisect.command.env("COLONY_ITSELF", env!("CARGO_BIN_EXE_colony"));
    let found: serde_json::Value = serde_json::from_str(&bisect.text()).unwrap();
    assert_eq!(found["position"], 2);
    let why = offline(&["why", "notes", "/text"]);
    assert_eq!(why[0]["story"]["causes"][2]["entry"]["id"], "root");

    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let bad = lab.write("bad.capture", &bytes);
    let error = Colony::new(&["log", "--capture", &bad]).error(3);
    assert!(error["causes"][0].as_str().unwrap().contains("altered"), "{error}");
    let none = lab.write("none.capture", "not a capture");
    Colony::new(&["at", "1", "--capture", &none]).error(3);
}
