//! Teams of ready-made agents, ways of working together, and who is there, as people try them.

use std::io::{BufRead as _, BufReader};
use std::process::Child;

use serde_json::{Value, json};

use crate::run::{Colony, Lab, recorded};

/// One of every kind, and something to do for each.
fn everybody() -> Value {
    let paused = json!({"simulated": {"duration_ms": 20}});
    let proven = json!({"command": {"run": ["sh", "-c", "echo '{\"evidence\": [\"https://example.com\"]}'"]}});
    json!({
        "agents": [
            {"name": "worker", "count": 2, "does": {"worker": {"skills": ["a"], "work": proven}}},
            {"name": "twin", "instances": 2, "does": {"worker": {"skills": ["t"], "work": paused}}},
            {"name": "bidder", "count": 2, "does": {"bidder": {"skills": ["b"], "work": paused, "pricing": {"price": 10, "takes_ms": 1000}}}},
            {"name": "caller", "does": {"caller": {"quota": "api", "cost": 2, "skills": ["c"], "work": paused}}},
            {"name": "rea", "does": {"reviewer": {"asks": "evidence"}}},
            {"name": "arb", "does": {"arbiter": {}}},
            {"name": "sid", "does": {"scribe": {"board": "wall", "every": 2}}},
        ],
        "quotas": {"api": {"amount": 4, "period_ms": 500}},
        "tasks": {
            "a1": {"what": "x", "done_when": "y", "skills": ["a"], "verifiers": ["rea"]},
            "a2": {"what": "x", "done_when": "y", "skills": ["a"], "after": ["a1"]},
            "b1": {"what": "x", "done_when": "y", "skills": ["b"], "mode": {"bid": {"until": "2100-01-01T00:00:00Z", "at_most": 2}}},
            "c1": {"what": "x", "done_when": "y", "skills": ["c"]},
            "c2": {"what": "x", "done_when": "y", "skills": ["c"]},
            "c3": {"what": "x", "done_when": "y", "skills": ["c"]},
            "t1": {"what": "x", "done_when": "y", "skills": ["t"]},
        },
    })
}

fn up<'a>(lab: &Lab, file: &'a str, more: &[&'a str]) -> Colony {
    lab.colony(&["team", "up", file]).args(more)
}

#[tokio::test]
async fn a_team_with_one_of_every_kind_does_everything_once_and_again_has_nothing_to_do() {
    let lab = Lab::new().await;
    let file = lab.write("team.json", everybody().to_string());
    let checked = lab.one(&["team", "check", &file]);
    assert_eq!(
        (&checked["agents"], &checked["kinds"], &checked["tasks"]),
        (&9.into(), &7.into(), &7.into())
    );
    let report = up(&lab, &file, &["--until-done"]).json().swap_remove(0);
    assert_eq!((&report["agents"], &report["deliveries"]), (&9.into(), &7.into()));

    let board = lab.one(&["task", "board"]);
    let card = |task: &str| {
        let cards = board["cards"].as_array().unwrap();
        cards.iter().find(|card| card["task"] == task).unwrap().clone()
    };
    assert_eq!(card("a1")["column"], "verified");
    for task in ["a2", "b1", "c1", "c2", "c3", "t1"] {
        assert!(
            ["done", "verified"].contains(&card(task)["column"].as_str().unwrap()),
            "{}",
            card(task)
        );
    }
    assert_eq!(card("t1")["agent"], "twin");
    let log = lab.json(&["log", "--kind", "event"]);
    let said = |ty: &str| log.iter().filter(|entry| entry["type"] == ty).count();
    assert_eq!((said("task.done"), said("task.bid"), said("task.closed")), (7, 2, 1));
    // A request that came too soon stands in the log as a need.
    assert!(said("quota.taken") >= 3);
    assert_eq!(said("quota.returned"), 3);
    assert_eq!(said("board.noted"), 3, "after the second, the fourth and the sixth delivery");

    let again = up(&lab, &file, &["--until-done"]).json().swap_remove(0);
    assert_eq!(again["deliveries"], 0, "of this run");
}

#[tokio::test]
async fn what_cannot_work_is_listed_with_its_place_and_nothing_is_said() {
    let lab = Lab::new().await;
    let none = lab.write("none.json", r#"{"agents": []}"#);
    let bad = json!({
        "agents": [
            {"name": "client", "does": {"worker": {"silent_ms": 0, "work": {"simulated": {"duration_ms": 10}}}}},
            {"name": "many", "instances": 20_000, "does": {"arbiter": {}}},
        ],
        "quotas": {"api": {"amount": 0, "period_ms": 5}},
        "tasks": {"x": {"what": "x", "mode": {"bid": {"until": "2020-01-01T00:00:00Z"}}}},
    });
    let bad = lab.write("bad.json", bad.to_string());
    let late = json!({
        "agents": [{"name": "a", "does": {"arbiter": {}}}],
        "quotas": {"api": {"amount": 0, "period_ms": 5}},
        "tasks": {"x": {"what": "x", "mode": {"bid": {"until": "2020-01-01T00:00:00Z"}}}},
    });
    let late = lab.write("late.json", late.to_string());
    let cases: [(&str, &[&str]); 3] = [
        (&none, &["agents: there must be at least one"]),
        (
            &bad,
            &[
                "agents[0].name: client is who",
                "agents[0].does: whoever holds",
                "agents: 20001 agents",
            ],
        ),
        (
            &late,
            &[
                "quotas.api: amount cannot be 0",
                "tasks.x: the terms' until cannot hold: the window",
            ],
        ),
    ];
    for (file, faults) in cases {
        for command in ["check", "up"] {
            let error = lab.colony(&["team", command, file]).error(3);
            for fault in faults {
                assert!(error["message"].as_str().unwrap().contains(fault), "{command}: {error}");
            }
        }
    }
    // What somebody else has defined stands against the file.
    lab.colony(&["quota", "define", "api", "5", "--per", "1h"]).json();
    let taken = json!({"agents": [{"name": "a", "does": {"arbiter": {}}}], "quotas": {"api": {"amount": 6, "period_ms": 5}}});
    let taken = lab.write("taken.json", taken.to_string());
    lab.one(&["team", "check", &taken]);
    let error = lab.colony(&["team", "up", &taken]).error(3);
    assert!(
        error["message"].as_str().unwrap().contains("quotas.api: ada defined it at position 1"),
        "{error}"
    );
    assert_eq!(lab.one(&["status"])["entries"], 1);
}

#[cfg(unix)]
fn interrupt(child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
}

/// Waits until a task is held, and by whom.
#[cfg(unix)]
fn held(lab: &Lab, task: &str) -> String {
    let found = (0..1_000).find_map(|_| {
        let output = lab.colony(&["task", "show", task, "--json"]).output();
        let shown: Value = serde_json::from_slice(&output.stdout).ok()?;
        shown["task"]["phase"]["held"]["owner"].as_str().map(str::to_owned)
    });
    found.expect("somebody holds it")
}

#[cfg(unix)]
#[tokio::test]
async fn an_interrupted_team_says_so_and_after_a_kill_another_one_goes_on() {
    let lab = Lab::new().await;
    let team = |name: &str, duration_ms: u64| {
        let does = json!({"worker": {"silent_ms": 1_000, "work": {"simulated": {"duration_ms": duration_ms}}}});
        let team = json!({"agents": [{"name": name, "does": does}], "tasks": {"one": {"what": "x", "done_when": "y"}}});
        lab.write(&format!("{name}.json"), team.to_string())
    };
    let (slow, fast) = (team("slow", 600_000), team("fast", 10));
    let asked = up(&lab, &slow, &["--until-done", "--json"]).spawn();
    assert_eq!(held(&lab, "one"), "slow");
    interrupt(&asked);
    let asked = asked.wait_with_output().unwrap();
    assert_eq!(asked.status.code(), Some(130), "{asked:?}");
    let report: Value = serde_json::from_slice(&asked.stdout).unwrap();
    assert_eq!(report["deliveries"], 0);
    let error = String::from_utf8(asked.stderr).unwrap();
    assert!(error.contains("not every task of"), "{error}");

    // Where nothing was to be done, Ctrl-C is the end and no failure.
    let mut killed = up(&lab, &slow, &[]).spawn();
    assert_eq!(held(&lab, "one"), "slow");
    killed.kill().unwrap();
    killed.wait().unwrap();
    let report = up(&lab, &fast, &["--until-done"]).json().swap_remove(0);
    assert_eq!(report["deliveries"], 1);
    assert_eq!(lab.one(&["task", "show", "one"])["task"]["phase"]["done"]["by"], "fast");
}

#[tokio::test]
async fn ways_are_tried_for_real_and_what_makes_no_sense_is_refused() {
    let lab = Lab::new().await;
    let run = ["mode", "run", "--on-server", "--agents", "3", "--tasks", "12", "--task-ms", "5"];
    let told =
        lab.colony(&run).args(&["--way", "event", "--deaths", "workers"]).json().swap_remove(0);
    assert_eq!(
        (&told["done"], &told["lost"], &told["doubled"]),
        (&12.into(), &0.into(), &0.into())
    );
    let text = lab.colony(&run).args(&["--way", "conductor"]).text();
    assert!(text.contains("the server's time"), "{text}");
    assert!(
        Colony::new(&["mode", "run", "--way", "event", "--tasks", "5"])
            .text()
            .contains("virtual time")
    );

    let bad: &[(&[&str], i32, &str)] = &[
        (&["mode", "run", "--way", "peer", "--on-server"], 2, "virtual clock only"),
        (&["mode", "run", "--way", "event", "--agents", "0"], 2, "0 is not in 1..=10000"),
        (&["mode", "run", "--way", "event", "--tasks", "0"], 2, "0 is not in 1..=1000000"),
        (&["mode", "run", "--way", "event", "--task-ms", "18446744073709551615"], 2, "is not in"),
        (&["mode", "run", "--way", "event", "--append-us", "18446744073709551615"], 2, "is not in"),
        (&["mode", "run", "--way", "event", "--silent-ms", "0"], 2, "is not in"),
        (&["mode", "run", "--way", "event", "--processes", "0"], 2, "is not in"),
        (&["mode", "run", "--way", "event", "--on-server", "--limit", "0"], 2, "is not in"),
        (&["mode", "run", "--way", "alone"], 2, "possible values"),
        (&["mode", "compare", "--agents", "2,0"], 2, "0 is not in 1..=10000"),
        (&["mode", "compare", "--commits", "/nonexistent"], 1, "cannot be read"),
        (
            &["mode", "compare", "--agents", "2", "--tasks", "5", "--svg", "/nonexistent/x"],
            1,
            "cannot be written",
        ),
        (&["mode", "advise", "--space", "nobody"], 5, "no task was done in space nobody"),
    ];
    for (args, code, words) in bad {
        let error = lab.colony(args).error(*code);
        assert!(error["message"].as_str().unwrap().contains(words), "{args:?}: {error}");
    }
    let file = lab.write("team.json", everybody().to_string());
    let error = lab.colony(&["mode", "compare", "--agents", "2", "--commits", &file]).error(3);
    assert!(error["message"].as_str().unwrap().contains("no event, in line 1"), "{error}");
}

#[test]
fn where_nobody_dies_every_recorded_commit_is_done_in_every_way_but_among_peers() {
    let file = recorded("nats-server-commits.ndjson.gz");
    let compare = ["mode", "compare", "--tasks", "600", "--agents", "2,10", "--deaths", "none"];
    let told =
        Colony::new(&compare).arg("--ways=conductor,event,hybrid").arg("--commits").arg(file);
    let told = told.json();
    assert_eq!(told.len(), 6);
    for trial in told {
        assert_eq!((&trial["done"], &trial["lost"]), (&600.into(), &0.into()), "{trial}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn the_list_of_agents_is_looked_at_again_until_ctrl_c() {
    let lab = Lab::new().await;
    lab.one(&["agents", "announce", "--skill", "rust"]);
    let mut watching =
        lab.colony(&["agents", "list", "--watch", "--skill", "rust", "--json"]).spawn();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let mut next = || -> Vec<String> {
        let shown: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        let agents = shown["agents"].as_array().unwrap();
        agents.iter().map(|agent| agent["agent"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(next(), ["ada"]);
    lab.one(&["agents", "announce", "--agent", "bob", "--skill", "rust"]);
    lab.one(&["agents", "announce", "--agent", "cid", "--skill", "sql"]);
    let seen = (0..100).find_map(|_| Some(next()).filter(|names| names.len() > 1));
    assert_eq!(seen.unwrap(), ["ada", "bob"]);
    interrupt(&watching);
    assert_eq!(watching.wait().unwrap().code(), Some(0));
    lab.colony(&["agents", "list", "--watch", "--at", "1"]).error(2);
}
