//! Importing files.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::run::{Lab, commits, recorded};

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn ids(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_file_is_imported_in_its_order_and_twice_adds_nothing() {
    let lab = Lab::new().await;
    let lines = commits(500);
    let file = lab.write("commits.ndjson", lines.join("\n"));
    let first = lab.one(&["import", &file]);
    assert_eq!((&first["imported"], &first["skipped"]), (&500.into(), &0.into()));
    assert_eq!(first["lines"], 500);
    let again = lab.one(&["import", &file]);
    assert_eq!((&again["imported"], &again["skipped"]), (&0.into(), &500.into()));

    let log = lab.json(&["log"]);
    let wanted: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(ids(&log), ids(&wanted));
    assert_eq!(log[10]["source"], wanted[10]["source"]);
    assert_eq!(log[10]["data"], wanted[10]["data"]);

    // What `log` prints is what `import` reads.
    let printed = lab.colony(&["log", "--json"]).text();
    let copied = lab.colony(&["import", "-", "--space", "copy"]).stdin(printed).json();
    assert_eq!(copied[0]["imported"], 500);
}

#[tokio::test]
async fn gzip_is_known_by_its_bytes_and_stands_in_files_and_pipes() {
    let lab = Lab::new().await;
    let text = commits(60).join("\n");
    let half = commits(30).join("\n");
    // Its name says nothing; two members are one file.
    let file = lab.write("commits", [gzip(&format!("{half}\n")), gzip(&text)].concat());
    let report = lab.one(&["import", &file]);
    assert_eq!((&report["imported"], &report["skipped"]), (&60.into(), &30.into()));
    let report = lab.colony(&["import", "-", "--space", "pipe"]).stdin(gzip(&text)).json();
    assert_eq!(report[0]["imported"], 60);
}

#[tokio::test]
async fn nothing_of_a_file_with_bad_lines_is_imported_unless_told_to() {
    let lab = Lab::new().await;
    let mut lines = commits(10);
    lines[6] = r#"{"specversion":"1.0","id":"x","type":"a.b"}"#.to_owned();
    lines[8] = "not json".to_owned();
    let file = lab.write("bad.ndjson", lines.join("\n"));
    let error = lab.colony(&["import", &file]).error(3);
    let bad = error["lines"].as_array().unwrap();
    assert_eq!(bad.len(), 2);
    assert_eq!(bad[0]["line"], 7);
    assert!(bad[0]["reason"].as_str().unwrap().contains("source is missing"), "{error}");
    assert_eq!(bad[1]["line"], 9);
    assert_eq!(lab.one(&["status"])["entries"], 0);

    let human = lab.colony(&["import", &file]).output();
    let text = String::from_utf8(human.stderr).unwrap();
    assert!(text.contains("line 7:") && text.contains("--keep-going"), "{text}");

    let error = lab.colony(&["import", &file, "--keep-going"]).error(3);
    assert_eq!(error["lines"].as_array().unwrap().len(), 2);
    assert_eq!(lab.one(&["status"])["entries"], 8);
}

#[tokio::test]
async fn an_event_too_large_for_the_server_is_a_bad_line() {
    let lab = Lab::new().await;
    let mut lines = commits(3);
    let big = "x".repeat(2_000_000);
    lines.push(format!(
        r#"{{"specversion":"1.0","id":"b","source":"s","type":"a.b","data":"{big}"}}"#
    ));
    let error = lab.colony(&["import", "-"]).stdin(lines.join("\n")).error(3);
    assert_eq!(error["lines"][0]["line"], 4);
    assert!(error["lines"][0]["reason"].as_str().unwrap().contains("the server accepts"));
    assert_eq!(lab.one(&["status"])["entries"], 0);
}

#[tokio::test]
async fn a_file_that_was_cut_off_is_not_imported() {
    let lab = Lab::new().await;
    let whole = gzip(&commits(200).join("\n"));
    let file = lab.write("cut.gz", &whole[..whole.len() / 2]);
    let error = lab.colony(&["import", &file]).error(3);
    assert!(error["message"].as_str().unwrap().contains("cut off"), "{error}");
    assert_eq!(lab.one(&["status"])["entries"], 0);
}

#[cfg(unix)]
#[tokio::test]
async fn an_import_that_is_interrupted_says_what_is_in_the_log_and_is_completed_by_another() {
    use rustix::process::{Pid, Signal, kill_process};
    let lab = Lab::new().await;
    // The recorded events eight times over: that takes long enough to be interrupted.
    let commits = commits(usize::MAX);
    let again = |copy: usize| {
        commits.iter().map(move |line| {
            let mut event: Value = serde_json::from_str(line).unwrap();
            event["id"] = format!("{}-{copy}", event["id"].as_str().unwrap()).into();
            event
        })
    };
    let all: Vec<Value> = (0..8).flat_map(again).collect();
    let lines: Vec<String> = all.iter().map(Value::to_string).collect();
    let file = lab.write("many.ndjson", lines.join("\n"));
    let file = file.as_str();
    let import = lab.colony(&["import", file]).arg("--json").spawn();
    while lab.one(&["status", "--quick"])["tail"].as_u64().unwrap() < 200 {}
    // The server answers nothing, until the signal is there.
    lab.node.pause().unwrap();
    kill_process(Pid::from_raw(import.id() as i32).unwrap(), Signal::INT).unwrap();
    lab.node.resume().unwrap();
    let output = import.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert!(output.stdout.is_empty(), "it does not say that it is done");
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    let message = error["error"]["message"].as_str().unwrap();

    let log = lab.json(&["log"]);
    assert!(message.contains(&format!("{} events are in the log", log.len())), "{message}");
    assert!(message.contains("run the same command again"), "{message}");
    assert_eq!(ids(&log), ids(&all[..log.len()]), "the file up to there, in its order");
    let report = lab.one(&["import", file]);
    assert_eq!(report["skipped"], log.len());
    assert_eq!(ids(&lab.json(&["log"])), ids(&all));
}

#[tokio::test]
async fn an_import_that_was_killed_is_completed_by_another() {
    let lab = Lab::new().await;
    let file = recorded("nats-server-commits.ndjson.gz");
    let file = file.to_str().unwrap();
    let mut import = lab.colony(&["import", file]).spawn();
    loop {
        let tail = lab.one(&["status", "--quick"])["tail"].as_u64().unwrap();
        if tail > 200 || import.try_wait().unwrap().is_some() {
            break;
        }
    }
    import.kill().unwrap();
    import.wait().unwrap();
    let report = lab.one(&["import", file]);
    let (imported, skipped) =
        (report["imported"].as_u64().unwrap(), report["skipped"].as_u64().unwrap());
    assert_eq!(imported + skipped, 8_320);
    let all: Vec<Value> =
        commits(usize::MAX).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let log = lab.json(&["log"]);
    assert_eq!(ids(&log), ids(&all));
}
