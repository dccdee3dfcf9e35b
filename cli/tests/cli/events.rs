//! Publishing, following and reading events.

use std::io::{BufRead as _, BufReader};

use crate::run::Lab;

#[tokio::test]
async fn what_is_published_is_in_the_log_and_tells_why() {
    let lab = Lab::new().await;
    let args =
        ["publish", "task.created", "--entity", "42", "--data", r#"{"n":1}"#, "--id", "root"];
    let created = lab.one(&args);
    assert_eq!((&created["position"], &created["id"]), (&1.into(), &"root".into()));
    let claimed = lab.one(&["publish", "task.claimed", "--entity", "42", "--cause", "1"]);
    assert_eq!(claimed["position"], 2);
    lab.one(&["publish", "review.asked", "--to", "bob", "--agent", "cid", "--cause", "2"]);
    let text = lab.colony(&["publish", "note.made", "--data", "-", "--media-type", "text/plain"]);
    assert!(text.stdin("so it is").text().contains("position 4"));

    let log = lab.json(&["log"]);
    assert_eq!(log.len(), 4);
    assert_eq!(log[0]["data"]["n"], 1);
    assert_eq!(log[1]["colonycauseid"], "root");
    assert_eq!(log[2]["colonyrecipient"], "bob");
    assert_eq!(log[3]["data"], "so it is");

    let positions = |args: &[&str]| -> Vec<String> {
        let entries = lab.json(args).into_iter();
        entries.map(|entry| entry["colonyposition"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(positions(&["log", "--type", "task.claimed"]), ["2"]);
    assert_eq!(positions(&["log", "--author", "cid"]), ["3"]);
    assert_eq!(positions(&["log", "--to", "bob"]), ["3"]);
    assert_eq!(positions(&["log", "--kind", "mail"]), ["3"]);
    assert_eq!(positions(&["log", "--entity", "42"]), ["1", "2"]);
    assert_eq!(positions(&["log", "--story", "root"]), ["1", "2", "3"]);
    assert_eq!(positions(&["log", "--reverse", "--limit", "2"]), ["4", "3"]);
    assert_eq!(positions(&["log", "--after", "1", "--until", "3"]), ["2", "3"]);
    assert!(positions(&["log", "--until", "2000-01-01T00:00:00Z"]).is_empty());
    let lines = lab.colony(&["log", "--limit", "1"]).text();
    assert!(lines.contains("task.created 42") && lines.contains("ada"), "{lines}");

    let why = lab.one(&["why", "2"]);
    assert_eq!(why["entry"]["type"], "task.claimed");
    assert_eq!(why["causes"][1]["entry"]["id"], "root");
    assert_eq!(why["consequences"][0]["entry"]["position"], 3);
    assert_eq!(lab.one(&["why", "root"])["consequences"].as_array().unwrap().len(), 2);
    let tree = lab.colony(&["why", "2"]).text();
    assert!(tree.contains("<- asked about") && tree.contains("└─"), "{tree}");

    let at = lab.one(&["at", "2"]);
    assert_eq!(at["statistics"]["entries"], 2);
    assert_eq!(at["entities"]["42"]["last"]["ty"], "task.claimed");
    assert_eq!(lab.one(&["at", "1"])["entities"]["42"]["last"]["ty"], "task.created");
    assert!(lab.colony(&["at", "4"]).text().contains("task.claimed"));

    let status = lab.one(&["status"]);
    assert_eq!((&status["entries"], &status["tail"]), (&4.into(), &4.into()));
    assert_eq!(status["entries_by_kind"]["mail"], 1);
    assert!(status["acknowledgement"].as_str().unwrap().contains("survives"), "{status}");
    assert!(lab.one(&["status", "--quick"]).get("entries").is_none());
    assert!(lab.colony(&["status"]).text().contains("acknowledgement"));
}

#[tokio::test]
async fn tail_prints_what_is_there_and_then_what_comes() {
    let lab = Lab::new().await;
    lab.one(&["publish", "one.done"]);
    let args = ["tail", "--from", "beginning", "--limit", "2", "--json"];
    let mut tail = lab.colony(&args).spawn();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("one.done"));
    // On a busy machine the answer may take longer than `status` waits.
    let mut asked = (0..50).map(|_| lab.one(&["status", "--quick"])["agents"][0].clone());
    let present = asked.find(|agent| !agent.is_null()).unwrap();
    assert_eq!(
        (&present["agent"], &present["status"]["state"]),
        (&"ada".into(), &"watching".into())
    );
    lab.one(&["publish", "two.done"]);
    assert!(lines.next().unwrap().unwrap().contains("two.done"));
    assert!(lines.next().is_none());
    assert!(tail.wait().unwrap().success());
}

#[tokio::test]
async fn of_two_who_move_the_same_head_one_is_told_of_the_conflict() {
    let lab = Lab::new().await;
    let args = ["publish", "task.claimed", "--entity", "7", "--if-head", "0"];
    lab.one(&args);
    let error = lab.colony(&args).error(5);
    assert_eq!(error["outcome"], "not-applied");
    assert_eq!(lab.json(&["log", "--kind", "event"]).len(), 1);
}

#[tokio::test]
async fn a_reader_who_has_had_enough_is_no_error() {
    let lab = Lab::new().await;
    let lines: Vec<String> = crate::run::commits(300);
    lab.colony(&["import", "-"]).stdin(lines.join("\n")).json();
    let mut log = lab.colony(&["log", "--json"]).spawn();
    let mut first = String::new();
    let mut reader = BufReader::with_capacity(64, log.stdout.take().unwrap());
    reader.read_line(&mut first).unwrap();
    drop(reader);
    let output = log.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{output:?}");
}
