//! What coordination cost, beside an independent computation.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::run::{Lab, commits};

#[derive(Debug, Default, PartialEq)]
struct ByHand {
    touches: u64,
    passages: BTreeMap<(String, String), u64>,
    files: BTreeMap<String, u64>,
    /// Seconds on the critical path, by agent: at its own work, and waited for.
    path: BTreeMap<String, (i64, i64)>,
    steps: usize,
    /// Pairs of authors of whom one built on what the other had made.
    channels: BTreeSet<(String, String)>,
}

fn seconds(commit: &Value) -> i64 {
    let time: jiff::Timestamp = commit["time"].as_str().unwrap().parse().unwrap();
    time.as_second()
}

/// Computes hand-offs per file and the critical path from the lines alone.
fn by_hand(lines: &[String]) -> ByHand {
    let commits: Vec<Value> =
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let author = |commit: &Value| commit["source"].as_str().unwrap().to_owned();
    let mut result = ByHand::default();
    let mut last_touch: BTreeMap<String, String> = BTreeMap::new();
    let mut before: Vec<Option<usize>> = Vec::new();
    let (mut by_id, mut last_of) = (BTreeMap::new(), BTreeMap::new());
    for (index, commit) in commits.iter().enumerate() {
        for file in commit["data"]["files"].as_array().unwrap() {
            let path = file["path"].as_str().unwrap().to_owned();
            if let Some(other) = last_touch.insert(path.clone(), author(commit)) {
                result.touches += 1;
                if other != author(commit) {
                    *result.passages.entry((other, author(commit))).or_default() += 1;
                    *result.files.entry(path).or_default() += 1;
                }
            }
        }
        let parents = commit["data"]["parents"].as_array().unwrap();
        let known = parents.iter().filter_map(|parent| by_id.get(parent.as_str().unwrap()));
        for made in known.clone() {
            let (one, other) = (author(&commits[*made]), author(commit));
            if one != other {
                result.channels.insert((one.clone().min(other.clone()), one.max(other)));
            }
        }
        let latest = known.copied().max_by_key(|at: &usize| (seconds(&commits[*at]), *at));
        let own = last_of.get(&author(commit)).copied();
        before.push(latest.or(own));
        by_id.insert(commit["id"].as_str().unwrap().to_owned(), index);
        last_of.insert(author(commit), index);
    }
    let mut next = (0..commits.len()).max_by_key(|at| (seconds(&commits[*at]), *at));
    while let Some(at) = next {
        result.steps += 1;
        let on_path = result.path.entry(author(&commits[at])).or_default();
        if let Some(from) = before[at] {
            let length = (seconds(&commits[at]) - seconds(&commits[from])).max(0);
            match author(&commits[from]) == author(&commits[at]) {
                true => on_path.0 += length,
                false => on_path.1 += length,
            }
        }
        next = before[at];
    }
    result
}

#[tokio::test]
async fn of_imported_commits_it_says_what_can_be_counted_by_hand() {
    let lab = Lab::new().await;
    let lines = commits(2_000);
    lab.colony(&["import", "-"]).stdin(lines.join("\n")).json();
    let expected = by_hand(&lines);

    let svg = lab.dir.path().join("tax.svg");
    let told = lab.one(&["tax", "--clock", "told", "--svg", svg.to_str().unwrap()]);
    let report = &told["report"];
    assert_eq!(told["tax_per_mille"], 0, "commits hold no coordination, only its traces");
    assert_eq!(report["purposes"]["work"]["entries"], 2_000);
    assert_eq!(report["channels"]["used"], expected.channels.len());
    let handovers = &report["handovers"];
    assert_eq!(handovers["touches"], expected.touches);
    assert_eq!(handovers["times"], expected.passages.values().sum::<u64>());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let matrix = handovers["matrix"].as_array().unwrap().iter();
    let matrix: BTreeMap<_, _> = matrix
        .map(|p| ((text(&p["from"]), text(&p["to"])), p["times"].as_u64().unwrap()))
        .collect();
    assert_eq!(matrix, expected.passages);
    let most = handovers["most"].as_array().unwrap();
    assert!(
        most.iter()
            .all(|pair| expected.files[pair[0].as_str().unwrap()] == pair[1].as_u64().unwrap())
    );
    assert_eq!(most[0][1].as_u64(), expected.files.values().max().copied());

    assert_eq!(report["critical_path"].as_array().unwrap().len(), expected.steps);
    let path = told["critical_agents"].as_object().unwrap().iter();
    let path: BTreeMap<_, _> = path
        .map(|(agent, on_path)| {
            let seconds = |name: &str| on_path[name].as_i64().unwrap() / 1_000;
            (agent.clone(), (seconds("own"), seconds("waited")))
        })
        .collect();
    assert_eq!(path, expected.path);

    let picture = std::fs::read_to_string(&svg).unwrap();
    assert!(picture.starts_with("<svg") && picture.ends_with("</svg>\n"));
    assert!(picture.contains("The critical path") && picture.contains("author-001 to "));

    // By the log's time the import took no time worth the name, and the hint says so.
    let output = lab.colony(&["tax"]).output();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("--clock told"));
    assert!(String::from_utf8(output.stdout).unwrap().contains("critical path"));
    let part = lab.one(&["tax", "--from", "500", "--to", "1500", "--clock", "told"]);
    assert_eq!(part["report"]["purposes"]["work"]["entries"], 1_000);
}

#[tokio::test]
async fn of_coordinated_work_it_tells_work_and_coordination_apart_also_from_a_capture() {
    let lab = Lab::new().await;
    for (agent, args) in [
        ("ann", &["task", "offer", "x", "make x"][..]),
        ("bob", &["task", "claim", "x"]),
        ("bob", &["publish", "part.made", "--entity", "x"]),
        ("bob", &["task", "done", "x"]),
        ("ann", &["task", "verify", "x"]),
    ] {
        let mut colony = lab.colony(args);
        colony.command.env("COLONY_AGENT", agent);
        colony.json();
    }
    let file = lab.dir.path().join("x.capture");
    let file = file.to_str().unwrap();
    lab.one(&["capture", file]);
    let told = lab.one(&["tax"]);
    assert_eq!(told["tax_per_mille"], 600);
    assert_eq!(
        (&told["verification_per_mille"], &told["messages_per_task_milli"]),
        (&500.into(), &3_000.into())
    );
    let waits = told["report"]["waits"].as_array().unwrap();
    let mut on: Vec<_> =
        waits.iter().map(|wait| (wait["kind"].as_str(), wait["on"].as_str())).collect();
    on.sort_unstable();
    assert_eq!(on, [(Some("verdict"), Some("ann")), (Some("worker"), Some("bob"))]);
    assert_eq!(lab.one(&["tax", "--capture", file]), told);
}
