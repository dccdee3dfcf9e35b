//! Agents that are commands: the examples at work, what is set aside, and looking back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use colony_bus::{Bus, BusOptions, Cut, Delivery};
use colony_core::{Filter, Position};
use colony_server::{ConfigFile, Node, NodeConfig};
use colony_tests::harness::within;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::processes::Running;
use crate::run::{Colony, Lab, server};

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

/// A server at which who holds one key may do everything, and who holds the other may append nothing.
async fn guarded() -> (Lab, PathBuf, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let key = |name: &str| -> (PathBuf, String) {
        let mut colony = Colony::new(&["agent", "key", name]);
        colony.command.current_dir(dir.path());
        let made = colony.json().swap_remove(0);
        let file = dir.path().join(made["seed_file"].as_str().unwrap());
        (file, made["public_key"].as_str().unwrap().to_owned())
    };
    let ((writer, may_write), (looker, may_look)) = (key("writer"), key("looker"));
    let config = dir.path().join("server.conf");
    let store = dir.path().join("store");
    let users = format!(
        "users = [{{ nkey: {may_write} }}, {{ nkey: {may_look}, permissions: {{ publish: {{ deny: [\"colony.>\"] }} }} }}]"
    );
    let text = format!(
        "listen: \"127.0.0.1:-1\"\njetstream: {{ store_dir: {store:?} }}\nauthorization: {{ {users} }}\n"
    );
    std::fs::write(&config, text).unwrap();
    let file = ConfigFile { path: config, variables: BTreeMap::new() };
    let node = NodeConfig::new("guarded", &store).with_file(file);
    (Lab { node: Node::start(&server().await, node).await.unwrap(), dir }, writer, looker)
}

/// Returns what the server has stored: messages, bytes, the first and last of them, and when that was.
async fn stored(lab: &Lab, key: &Path) -> Value {
    let seed = std::fs::read_to_string(key).unwrap().trim().to_owned();
    let options = async_nats::ConnectOptions::with_nkey(seed);
    let client = options.connect(lab.node.url()).await.unwrap();
    let info = client.request("$JS.API.STREAM.INFO.COLONY_main", "".into()).await.unwrap();
    let info: Value = serde_json::from_slice(&info.payload).unwrap();
    let state = &info["state"];
    json!([
        state["messages"],
        state["bytes"],
        state["first_seq"],
        state["last_seq"],
        state["last_ts"]
    ])
}

#[tokio::test]
async fn looking_back_works_without_the_right_to_append_and_the_server_sees_no_write() {
    within(LIMIT, "looking back", async {
        let (lab, writer, looker) = guarded().await;
        let colony = |key: &Path, args: &[&str]| -> Colony {
            let mut colony = lab.colony(args);
            colony.command.env("COLONY_KEY", key);
            colony
        };
        let greeter = example("greeter.sh");
        let mut greeting = colony(
            &writer,
            &["agent", "run", "--json", "--name", "greeter", "--on", "visitor.came", "--", "sh", &greeter],
        );
        colony(&writer, &["doc", "new", "notes"]).json();
        colony(&writer, &["doc", "set", "notes", "/title", "\"Draft\""]).json();
        let run = Running::start(&mut greeting.command);
        for visitor in ["ada", "ben", "ada"] {
            colony(&writer, &["publish", "visitor.came", "--entity", visitor]).json();
        }
        let mut tail = colony(&writer, &["tail", "--from", "beginning", "--type", "visitor.greeted"]);
        tail.command.args(["--limit", "3"]);
        assert_eq!(tail.json().len(), 3);
        colony(&writer, &["doc", "set", "notes", "/title", "\"Final\""]).json();
        run.stop();
        let refused = colony(&looker, &["publish", "a.done"]).arg("--json").output();
        assert!(!refused.status.success(), "{refused:?}");
        let before = stored(&lab, &writer).await;

        let json = |args: &[&str]| -> Value {
            let text = colony(&looker, &[&["--json"], args].concat()).text();
            serde_json::from_str(&text).unwrap()
        };
        let agent = ["agent", "verify", "greeter", "--on", "visitor.came", "--", "sh", &greeter];
        assert_eq!(json(&agent)["outputs"], 3);

        let script = std::fs::read_to_string(&greeter).unwrap();
        let other = lab.write("other.sh", script.replace("Welcome, %s!", "Hello, %s."));
        let input = json!({ "specversion": "1.0", "id": "new", "source": "door", "type": "visitor.came", "subject": "cleo" });
        let inputs = lab.write("inputs.ndjson", input.to_string());
        let fork = ["fork", "--at", "0", "--agent", "greeter", "--on", "visitor.came"];
        let file: PathBuf = lab.dir.path().join("forked.capture");
        let more = ["--inputs", &inputs, "--into", file.to_str().unwrap(), "--", "sh", &other];
        let forked = json(&[&fork[..], &more].concat());
        assert_eq!((&forked["events"], &forked["same"]), (&4.into(), &false.into()), "{forked}");
        let changes: Vec<&Value> = forked["divergences"]
            .as_array()
            .unwrap()
            .iter()
            .map(|divergence| &divergence["outputs"][0]["change"])
            .collect();
        assert_eq!(changes, ["different", "different", "different", "added"]);
        assert_eq!(forked["divergences"][0]["outputs"][0]["forked"]["data"], "Hello, ada.");
        let same = json(&[&fork[..], &["--", "sh", &greeter]].concat());
        assert_eq!(same["same"], true, "{same}");
        let log = ["log", "--capture", file.to_str().unwrap(), "--type", "visitor.greeted"];
        let log = colony(&looker, &log).json();
        assert_eq!(log[3]["data"], "Hello, cleo.");

        let second = json(&["bisect", "--entity", "ada", "--count-at-least", "3"]);
        let first = json(&["bisect", "--entity", "ada"]);
        assert_eq!(first["entry"]["type"], "visitor.came");
        assert!(second["position"].as_u64() > first["position"].as_u64());
        let title = ["bisect", "--document", "notes", "--path", "/title"];
        let edited = json(&[&title[..], &["--equals", "\"Final\""]].concat());
        assert_eq!(edited["entry"]["colonykind"], "doc");
        assert!(json(&title)["position"].as_u64() < edited["position"].as_u64());
        let asks = "python3 -c 'import json, os, sys; at = json.load(sys.stdin); assert str(at[\"position\"]) == os.environ[\"COLONY_CUT\"]; sys.exit(at[\"statistics\"][\"types\"].get(\"visitor.greeted\", 0) < 2)'";
        let greeted = json(&["bisect", "--", "sh", "-c", asks]);
        assert_eq!(greeted["entry"]["type"], "visitor.greeted", "{greeted}");
        let never = colony(&looker, &["--json", "bisect", "--entity", "nobody"]);
        never.error_as_is(5);
        let broken = colony(&looker, &["--json", "bisect", "--", "sh", "-c", "exit 7"]);
        broken.error_as_is(3);

        let after = stored(&lab, &writer).await;
        assert_eq!(before, after, "the server has stored nothing");
    })
    .await;
}
