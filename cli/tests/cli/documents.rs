//! The `doc` commands.

use std::io::{BufRead as _, BufReader};

use serde_json::{Value, json};

use crate::run::Lab;

#[tokio::test]
async fn a_document_is_begun_edited_read_and_explained() {
    let lab = Lab::new().await;
    lab.one(&["publish", "task.created", "--id", "root"]);
    let new = lab.one(&["doc", "new", "notes", "--text", "hello", "--cause", "1"]);
    assert_eq!(new["changed"], true);
    let begun = new["position"].as_u64().unwrap().to_string();
    lab.one(&["doc", "set", "notes", "/title", "\"Plan\"", "--agent", "bob"]);
    lab.one(&["doc", "set", "notes", "/votes", "1", "--as", "counter"]);
    lab.one(&["doc", "set", "notes", "/votes", "4", "--as", "add"]);
    lab.one(&["doc", "set", "notes", "/draft", "true"]);
    lab.one(&["doc", "set", "notes", "/draft", "--delete"]);
    let edit = lab.colony(&["doc", "edit", "notes", "--agent", "bob"]).stdin("hello world").json();
    assert_eq!(edit[0]["changed"], true);
    let again = lab.colony(&["doc", "edit", "notes"]).stdin("hello world").json();
    assert_eq!((&again[0]["changed"], &again[0]["position"]), (&false.into(), &Value::Null));

    let show = lab.one(&["doc", "show", "notes"]);
    assert_eq!(show["value"], json!({ "text": "hello world", "title": "Plan", "votes": 5 }));
    assert_eq!(lab.colony(&["doc", "show", "notes", "/text"]).text(), "hello world\n");
    assert_eq!(lab.one(&["doc", "show", "notes", "/text", "--at", &begun])["value"], "hello");
    let heads = show["heads"][0].as_str().unwrap();
    assert_eq!(lab.one(&["doc", "show", "notes", "--at", heads])["value"], show["value"]);

    let list = lab.one(&["doc", "list"]);
    assert_eq!((&list["name"], &list["author"]), (&"notes".into(), &"bob".into()));
    assert!(lab.colony(&["doc", "list"]).text().contains("notes"));
    assert!(lab.json(&["doc", "list", "--at", "1"]).is_empty());

    let history = lab.json(&["doc", "history", "notes"]);
    assert_eq!(history.len(), 7);
    assert_eq!((&history[0]["author"], &history[1]["author"]), (&"ada".into(), &"bob".into()));
    assert_eq!(history[0]["message"], "root");
    assert_eq!(history[0]["position"].to_string(), begun);
    assert_eq!(lab.json(&["doc", "history", "notes", "--limit", "2", "--reverse"]).len(), 2);

    let diff = lab.one(&["doc", "diff", "notes", &begun]);
    let patches = diff["patches"].to_string();
    assert!(patches.contains(" world") && patches.contains("Plan"), "{patches}");
    assert!(lab.colony(&["doc", "diff", "notes", "1"]).text().contains("/text"));

    let blame = lab.json(&["doc", "blame", "notes", "/text"]);
    assert_eq!((&blame[0]["what"], &blame[0]["author"]), (&"hello".into(), &"ada".into()));
    assert_eq!((&blame[1]["what"], &blame[1]["author"]), (&" world".into(), &"bob".into()));
    let fields = lab.json(&["doc", "blame", "notes"]);
    assert!(fields.iter().any(|field| field["path"] == "/title" && field["author"] == "bob"));

    let why = lab.one(&["why", "notes", "/text", "--char", "1"]);
    assert_eq!(why["author"], "ada");
    assert_eq!(why["story"]["causes"][1]["entry"]["id"], "root");
    assert!(lab.colony(&["why", "notes", "/title"]).text().contains("written by bob"));

    assert_eq!(lab.colony(&["doc", "export", "notes", "--format", "text"]).text(), "hello world");
    let bytes = lab.colony(&["doc", "export", "notes", "--format", "automerge"]).output().stdout;
    assert!(bytes.starts_with(&[0x85, 0x6f, 0x4a, 0x83]));

    let at = lab.one(&["at", &begun]);
    assert_eq!(at["documents"][0]["changes"], 1);
    assert_eq!(lab.one(&["at", &begun, "--document", "notes"])["value"]["text"], "hello");
}

#[tokio::test]
async fn watch_shows_what_a_document_holds_and_then_what_others_do() {
    let lab = Lab::new().await;
    lab.one(&["doc", "new", "plan"]);
    let mut watch = lab.colony(&["doc", "watch", "plan", "--limit", "2", "--json"]).spawn();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(first["patches"][0]["path"], "/text");
    lab.one(&["doc", "set", "plan", "/a", "1"]);
    let second: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(second["patches"][0]["path"], "/a");
    assert!(watch.wait().unwrap().success());
}

#[cfg(unix)]
#[tokio::test]
async fn an_editor_keeps_what_others_write_meanwhile() {
    let lab = Lab::new().await;
    lab.one(&["doc", "new", "notes", "--text", "one two"]);
    let colony = env!("CARGO_BIN_EXE_colony");
    let script = format!(
        "printf 'zero one two' | {colony} doc edit notes --agent bob >&2 && sed -i 's/two/three/' \"$1\"\n"
    );
    let script = lab.write("editor.sh", script);
    lab.one(&["doc", "edit", "notes", "--editor", &format!("sh {script}")]);
    assert_eq!(lab.one(&["doc", "show", "notes", "/text"])["value"], "zero one three");

    let error = lab.colony(&["doc", "edit", "notes", "--editor", "false"]).error(1);
    assert!(error["message"].as_str().unwrap().contains("nothing was changed"), "{error}");
    let file = lab.write("new.txt", "four");
    lab.one(&["doc", "edit", "notes", "/text", "--file", &file]);
    assert_eq!(lab.one(&["doc", "show", "notes", "/text"])["value"], "four");
}
