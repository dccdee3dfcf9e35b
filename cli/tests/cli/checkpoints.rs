//! What reading commands keep between runs.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};

use crate::run::{Colony, Lab};

/// Enough for a checkpoint.
const EVENTS: usize = 33_000;

async fn filled() -> Lab {
    let lab = Lab::new().await;
    let line = |number: usize| {
        let (entity, id) = (format!("task {}", number % 100), number.to_string());
        json!({ "specversion": "1.0", "id": id, "source": "ada", "type": "task.done", "subject": entity })
            .to_string()
    };
    let lines: Vec<String> = (0..EVENTS).map(line).collect();
    let file = lab.write("events.ndjson", lines.join("\n"));
    lab.one(&["import", &file]);
    lab
}

fn run(lab: &Lab, cache: &Path, args: &[&str]) -> Colony {
    let mut colony = lab.colony(args);
    colony.command.env("COLONY_CACHE_DIR", cache);
    colony
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn warning(output: &Output) -> Option<Value> {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    stderr
        .lines()
        .find_map(|line| serde_json::from_str::<Value>(line).ok()?.get("warning").cloned())
}

#[tokio::test]
async fn answers_are_the_same_with_checkpoints_and_without() {
    let lab = filled().await;
    let cache = lab.dir.path().join("cache");
    let (tail, id) = (EVENTS.to_string(), (EVENTS - 5).to_string());
    for args in [&["at", &tail][..], &["status"], &["why", &id]] {
        let without = run(&lab, &cache, args).arg("--no-cache").json();
        let before = files(&cache).len();
        let first = run(&lab, &cache, args).json();
        assert_eq!(files(&cache).len(), before + 1, "{args:?} keeps one");
        assert_eq!((&first, &run(&lab, &cache, args).json()), (&without, &without), "{args:?}");
        for file in files(&cache) {
            std::fs::write(file, "torn").unwrap();
        }
        assert_eq!(run(&lab, &cache, args).json(), without, "{args:?}");
    }

    // Where nothing can be written, it is told and the answer is the same.
    let blocked = lab.write("blocked", "not a directory");
    let output = run(&lab, Path::new(&blocked), &["at", &tail, "--json"]).output();
    assert!(output.status.success(), "{output:?}");
    assert!(warning(&output).unwrap().as_str().unwrap().contains("no checkpoint was kept"));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["statistics"]["entries"], EVENTS);
    let quiet = run(&lab, Path::new(&blocked), &["at", &tail, "--json", "--no-cache"]).output();
    assert_eq!(warning(&quiet), None);
}

#[tokio::test]
async fn a_capture_is_read_without_checkpoints_of_the_log_it_was_made_from() {
    let lab = filled().await;
    let cache = lab.dir.path().join("cache");
    let tail = EVENTS.to_string();
    run(&lab, &cache, &["at", &tail]).json();
    let kept = files(&cache).len();
    let file = lab.dir.path().join("part.capture");
    let file = file.to_str().unwrap();
    run(&lab, &cache, &["capture", file, "--after", "100"]).json();
    let part = run(&lab, &cache, &["at", &tail, "--capture", file]).json();
    assert_eq!(part[0]["statistics"]["entries"], EVENTS - 100);
    assert_eq!(files(&cache).len(), kept);
}
