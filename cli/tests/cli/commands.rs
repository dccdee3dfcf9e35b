//! Agents that are commands: the examples at work, and what is set aside.

use std::time::Duration;

use colony_bus::{Bus, BusOptions, Cut, Delivery};
use colony_core::{Filter, Position};
use colony_tests::harness::within;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::processes::Running;
use crate::run::Lab;

const LIMIT: Duration = Duration::from_secs(180);

fn example(name: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../agents/examples/command/");
    format!("{path}{name}")
}

fn run(lab: &Lab, args: &[&str]) -> Running {
    let mut colony = lab.colony(&["agent", "run", "--json"]);
    colony.command.args(args);
    Running::start(&mut colony.command)
}

/// Waits until so many events of a type are there, and returns what they say.
async fn said(lab: &Lab, ty: &str, count: usize) -> Vec<Value> {
    let mut options = BusOptions::new("main".parse().unwrap(), "reader".parse().unwrap());
    options.server.url = lab.node.url();
    let bus = Bus::connect(options).await.unwrap();
    let filter = Filter { types: [ty.parse().unwrap()].into(), ..Filter::events() };
    let mut entries = bus.subscribe(filter, Cut::Position(Position::ZERO)).await.unwrap();
    let mut said = Vec::new();
    while said.len() < count {
        if let Delivery::Entry(entry) = entries.next().await.unwrap().unwrap() {
            said.push(entry.event().data.to_value().unwrap());
        }
    }
    said
}

#[tokio::test]
async fn the_example_in_shell_greets_and_a_changed_one_is_found_out() {
    within(LIMIT, "the example in shell", async {
        let lab = Lab::new().await;
        let greeter = example("greeter.sh");
        let run = run(&lab, &["--name", "greeter", "--on", "visitor.came", "--", "sh", &greeter]);
        assert_eq!((&run.ready["ready"], &run.ready["agent"]), (&true.into(), &"greeter".into()));
        for visitor in ["ada", "ben"] {
            lab.one(&["publish", "visitor.came", "--entity", visitor]);
        }
        assert_eq!(said(&lab, "visitor.greeted", 2).await, ["Welcome, ada!", "Welcome, ben!"]);
        let entry = &lab.json(&["log", "--type", "visitor.greeted"])[0];
        assert_eq!((&entry["source"], &entry["subject"]), (&"greeter".into(), &"ada".into()));
        assert_eq!(entry["colonycauseauthor"], "ada");

        let there = lab.one(&["agents", "instances", "greeter"]);
        assert_eq!(there["instances"][0], run.ready["instance"]);
        assert_eq!(there["lanes"][0]["working"][0], run.ready["instance"]);
        assert_eq!(there["lanes"][0]["waiting"], 0);
        run.stop();
        let gone = lab.one(&["agents", "instances"]);
        assert_eq!((&gone["agent"], &gone["instances"]), (&"greeter".into(), &json!([])));
        lab.colony(&["agents", "instances", "nobody"]).error(5);

        let verify = ["agent", "verify", "greeter", "--on", "visitor.came", "--", "sh"];
        let same = lab.colony(&[&["--json"], &verify[..], &[greeter.as_str()]].concat()).text();
        let same: Value = serde_json::from_str(&same).unwrap();
        assert_eq!((&same["same"], &same["outputs"]), (&true.into(), &2.into()), "{same}");
        let script = std::fs::read_to_string(&greeter).unwrap().replace("Welcome", "Go away");
        let changed = lab.write("changed.sh", script);
        let output = lab.colony(&[&["--json"], &verify[..], &[changed.as_str()]].concat()).output();
        assert_eq!(output.status.code(), Some(6), "{output:?}");
        let differs: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(differs["difference"]["recorded"]["data"], "Welcome, ada!");
        assert_eq!(differs["difference"]["now"]["data"], "Go away, ada!");
        let output = lab.colony(&[&verify[..], &[changed.as_str()]].concat()).output();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("RECORDED") && text.contains('≠'), "{text}");
    })
    .await;
}

#[tokio::test]
async fn the_example_in_python_counts_and_reads_a_file_once() {
    within(LIMIT, "the example in Python", async {
        let lab = Lab::new().await;
        let counter = example("word_count.py");
        let args = ["--name", "counter", "--on", "text.written", "--", "python3", &counter];
        let run = run(&lab, &args);
        let path = lab.write("text", "all that is read once");
        let publish = |entity: &str, data: Value| {
            let data = data.to_string();
            let args = ["publish", "text.written", "--entity", entity, "--data", &data];
            lab.one(&args)["position"].as_u64().unwrap().to_string()
        };
        publish("a", json!({ "text": "one two  three" }));
        publish("b", json!({ "path": path }));
        let bad = publish("c", json!(7));
        let behind = publish("c", json!({ "text": "four" }));
        publish("d", json!({ "text": "" }));
        let words = said(&lab, "words.counted", 3).await;
        assert_eq!(words, [json!({"words": 3}), json!({"words": 5}), json!({"words": 0})]);

        let parked = ["agent", "parked", "counter"];
        let with = |rest: &[&str]| lab.colony(&[&parked[..], rest].concat());
        let list = lab.json(&parked);
        assert_eq!(list.len(), 2, "{list:?}");
        assert_eq!(list[0]["event"].to_string(), bad);
        assert_eq!((&list[0]["attempts"], &list[0]["entity"]), (&1.into(), &"c".into()));
        assert_eq!(list[1]["reason"]["kind"], "behind");
        let shown = with(&["show", &bad]).json();
        assert_eq!(shown[0]["entry"]["data"], 7);
        assert!(with(&[]).text().contains("neither a text nor a path"));
        // It fails again; given up, the one behind it is handled.
        assert_eq!(with(&["retry", "--all"]).json()[0]["retried"][0].to_string(), bad);
        with(&["drop", &bad]).json();
        assert_eq!(said(&lab, "words.counted", 4).await[3], json!({"words": 1}));
        with(&["retry", &behind]).error(5);
        with(&["show", &bad]).error(5);
        run.stop();
        assert!(lab.json(&parked).is_empty());

        // What was read from the file is in the record, and nowhere else any more.
        std::fs::remove_file(path).unwrap();
        let args =
            ["agent", "verify", "counter", "--json", "--on", "text.written", "--", "python3"];
        let same = lab.colony(&[&args[..], &[counter.as_str()]].concat()).text();
        let same: Value = serde_json::from_str(&same).unwrap();
        assert_eq!((&same["same"], &same["outputs"]), (&true.into(), &4.into()), "{same}");
    })
    .await;
}

#[tokio::test]
async fn what_an_agent_would_do_wrong_is_told_before_it_runs() {
    let lab = Lab::new().await;
    let greeter = example("greeter.sh");
    lab.colony(&["agent", "run", "--json", "--name", "greeter", "--", "sh", &greeter])
        .error_as_is(3);
    let args = ["agent", "run", "--json", "--name", "greeter", "--on", "a.b", "--", "./none"];
    let error = lab.colony(&args).error_as_is(1);
    assert!(error["message"].as_str().unwrap().contains("./none"), "{error}");
    lab.colony(&["agent", "run", "--name", "greeter", "--on", "a.b"]).error(2);
    lab.colony(&["agent", "run", "--name", "x", "--json", "--schedule", "soon", "--", "true"])
        .error_as_is(2);
}
