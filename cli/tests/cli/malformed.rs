//! Malformed input of every command: an exit code and a sentence, and nothing done.

use crate::run::{Colony, Lab};

#[test]
fn a_command_line_that_makes_no_sense_is_usage() {
    let wrong: &[&[&str]] = &[
        &["frobnicate"],
        &["publish"],
        &["publish", "task."],
        &["publish", "a.done", "--cause", "x"],
        &["publish", "a.done", "--time", "yesterday"],
        &["publish", "a.done", "--if-head", "0"],
        &["publish", "a.done", "--space", "no such space"],
        &["log", "--after", "yesterday"],
        &["log", "--until", "-1"],
        &["log", "--kind", "banana"],
        &["log", "--limit", "many"],
        &["tail", "--from", "soon"],
        &["at", "x"],
        &["at"],
        &["why"],
        &["why", "notes", "title"],
        &["doc"],
        &["doc", "show", "notes", "text"],
        &["doc", "show", "notes", "--at", "abc"],
        &["doc", "set", "notes", "/a"],
        &["doc", "export", "notes", "--format", "pdf"],
        &["up", "--port", "99999"],
        &["up", "--cluster", "1"],
        &["up", "--sync", "maybe"],
        &["capture"],
        &["import"],
        &["agent", "key"],
        &["completions", "tcsh"],
        &["status", "--color", "green"],
    ];
    for args in wrong {
        let error = Colony::new(args).error(2);
        assert_eq!(error["kind"], "usage", "{args:?}");
    }
    let output = Colony::new(&["log", "--after", "yesterday"]).output();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("2026-01-31T12:00:00Z"), "{text}");
}

#[test]
fn help_tells_the_exit_codes_and_every_shell_has_completions() {
    let help = Colony::new(&["--help"]).text();
    assert!(help.contains("Exit codes:") && help.contains("COLONY_SERVER"), "{help}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(Colony::new(&["completions", shell]).text().contains("colony"));
    }
}

#[test]
fn a_server_that_is_not_there_is_told() {
    for args in [&["log"][..], &["publish", "a.done"], &["tail"], &["doc", "list"], &["status"]] {
        let error = Colony::new(args).arg("--server").arg("nats://127.0.0.1:9").error(4);
        assert!(error["message"].as_str().unwrap().contains("colony up"), "{error}");
    }
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let error = Colony::new(&["log", "--capture", "/nonexistent/file"]).error(1);
    assert!(error["message"].as_str().unwrap().contains("/nonexistent/file"));
    let error = Colony::new(&["log", "--key", "/nonexistent/key"]).error(1);
    assert!(error["message"].as_str().unwrap().contains("/nonexistent/key"));
    let key = tempfile::NamedTempFile::new().unwrap();
    let error = Colony::new(&["log", "--key"]).arg(key.path()).error(3);
    assert!(error["message"].as_str().unwrap().contains("NKey seed"));
    Colony::new(&["publish", "a.done", "--sign"]).error(3);
}

#[tokio::test]
async fn data_that_is_not_what_it_should_be_changes_nothing() {
    let lab = Lab::new().await;
    let large = lab.write("large.json", format!("\"{}\"", "x".repeat(3_000_000)));
    let at_large = format!("@{large}");
    let bad: &[(&[&str], i32, &str)] = &[
        (&["publish", "a.done", "--data", "{"], 3, "not JSON"),
        (&["publish", "a.done", "--data", &at_large], 3, "bytes"),
        (&["publish", "a.done", "--data", "@/nonexistent"], 1, "cannot be read"),
        (&["publish", "a.done", "--cause", "99"], 5, "no entry at position 99"),
        (&["import", "/nonexistent"], 1, "cannot be read"),
        (&["import", "."], 1, "cannot be read"),
        (&["at", "99"], 5, "not reached position 99"),
        (&["at", "0", "--document", "notes"], 5, "no document"),
        (&["why", "99"], 5, "no entry"),
        (&["why", "nobody"], 5, "no event"),
        (&["why", "notes", "/a"], 5, "no document"),
        (&["doc", "show", "notes"], 5, "no document"),
        (&["doc", "set", "notes", "/a", "1"], 5, "no document"),
        (&["doc", "edit", "notes"], 5, "no document"),
        (&["doc", "watch", "notes"], 5, "no document"),
        (&["doc", "history", "notes"], 5, "no document"),
        (&["doc", "diff", "notes", "0"], 5, "no document"),
        (&["doc", "blame", "notes"], 5, "no document"),
        (&["doc", "export", "notes"], 5, "no document"),
        (&["doc", "new", "notes", "--data", "[1]"], 3, "not an object"),
        (&["doc", "new", "notes", "--data", "{"], 3, "not JSON"),
        (&["capture", "/nonexistent/file"], 1, "cannot be written"),
    ];
    let check = |bad: &[(&[&str], i32, &str)]| {
        for (args, code, words) in bad {
            let error = lab.colony(args).error(*code);
            assert!(error["message"].as_str().unwrap().contains(words), "{args:?}: {error}");
        }
    };
    check(bad);
    assert_eq!(lab.one(&["status"])["entries"], 0);

    lab.one(&["doc", "new", "notes"]);
    check(&[
        (&["doc", "new", "notes"], 5, "exists already"),
        (&["doc", "set", "notes", "/a", "{"], 3, "not JSON"),
        (&["doc", "set", "notes", "/a", "x", "--as", "counter"], 3, "whole number"),
        (&["doc", "set", "notes", "/a", "1", "--as", "add"], 5, "nothing stands"),
        (&["doc", "set", "notes", "/text/b/c", "1"], 3, "text"),
        (&["doc", "set", "notes", "/a", "--delete"], 5, "nothing stands"),
        (&["doc", "set", "notes", "", "1"], 3, "root"),
        (&["doc", "edit", "notes", "/none"], 5, "nothing stands"),
        (&["doc", "show", "notes", "/none"], 5, "nothing stands"),
        (&["doc", "show", "notes", "--at", "0"], 5, "had not been begun"),
        (&["doc", "blame", "notes", "/none"], 5, "nothing stands"),
        (&["why", "notes", "/none"], 5, "nothing stands"),
        (&["why", "notes", "/text", "--char", "9"], 5, "nothing stands"),
    ]);
    let unknown = "0".repeat(64);
    lab.colony(&["doc", "show", "notes", "--at", &unknown]).error(5);
    lab.colony(&["doc", "diff", "notes", &unknown]).error(5);
    assert_eq!(lab.one(&["status"])["entries"], 1);
}
