//! Every other protocol on the command line, on one server: what is said, what stands against it, and what is shown.

use serde_json::{Value, json};

use crate::run::{Colony, Lab};

/// The space of one protocol, on the lab's server.
struct Space<'a> {
    lab: &'a Lab,
    name: &'static str,
}

impl Space<'_> {
    fn colony(&self, agent: &str, args: &[&str]) -> Colony {
        let mut colony = self.lab.colony(args);
        colony.command.env("COLONY_AGENT", agent).env("COLONY_SPACE", self.name);
        colony
    }

    /// Must be applied; returns what was printed.
    fn does(&self, agent: &str, args: &[&str]) -> Value {
        let told = self.colony(agent, args).json().swap_remove(0);
        assert_eq!(told["outcome"], "applied", "{told}");
        told
    }

    /// Must be refused by a rule; returns the rule and its fields.
    fn refused(&self, agent: &str, args: &[&str]) -> (String, Value) {
        let error = self.colony(agent, args).error(7);
        assert_eq!(error["outcome"], "not-applied", "{error}");
        let against = &error["against"];
        (against["rule"].as_str().unwrap().to_owned(), against["fields"].clone())
    }

    fn shows(&self, args: &[&str]) -> Value {
        // For people something is printed, too.
        assert!(!self.colony("eve", args).text().is_empty(), "{args:?}");
        self.colony("eve", args).json().swap_remove(0)
    }
}

fn key(lab: &Lab, agent: &str) -> (String, String) {
    let file = lab.dir.path().join(format!("{agent}.nk")).to_str().unwrap().to_owned();
    let made = lab.one(&["agent", "key", agent, "--out", &file]);
    (file, made["public_key"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn every_protocol_is_spoken_on_the_command_line() {
    let lab = Lab::new().await;
    let space = |name| Space { lab: &lab, name };
    handoffs(&space("handoffs"));
    quotas(&space("quotas"));
    schedules(&space("schedules"));
    votes(&space("votes"));
    actions(&space("actions"));
    gate(&space("gate"));
    directory(&space("directory"));
    contracts(&space("contracts"));
}

fn handoffs(space: &Space<'_>) {
    let schema = r#"{"type":"object","required":["files"]}"#;
    space.does(
        "ann",
        &[
            "handoff",
            "offer",
            "parser",
            "port the parser",
            "--to",
            "bob",
            "--schema",
            schema,
            "--why",
            r#"{"decisions":[{"what":"recursive descent","because":"better errors"}]}"#,
            "--caveat",
            "line 80 is slow",
            "--confidence",
            "70",
            "--pending",
            "benchmarks",
        ],
    );
    let (rule, fields) = space.refused("cid", &["handoff", "accept", "parser"]);
    assert_eq!((rule.as_str(), &fields["only"]), ("OnlyFor", &"bob".into()));
    let accepted = space.does("bob", &["handoff", "accept", "parser"]);
    let fence = accepted["events"][0]["position"].clone();
    assert_eq!(accepted["handoff"]["phase"]["accepted"]["fence"], fence);
    let asked =
        space.does("bob", &["handoff", "ask", "q1", "tabs or spaces?", "--about", "parser"]);
    assert_eq!(asked["handoff"]["questions"][0]["name"], "q1");
    space.does("cid", &["handoff", "answer", "q1", "spaces", "--source", "ann/e1"]);
    let (rule, fields) = space.refused("bob", &["handoff", "complete", "parser", "--result", "{}"]);
    assert_eq!((rule.as_str(), &fields["path"]), ("Violation", &"".into()));
    space.does(
        "bob",
        &[
            "handoff",
            "offer",
            "tests",
            "test it",
            "--continues",
            "parser",
            "--decision",
            "recursive descent",
        ],
    );
    assert_eq!(
        space.refused("bob", &["handoff", "complete", "parser", "--result", r#"{"files":3}"#]).0,
        "PassedOn"
    );
    space.does("dee", &["handoff", "accept", "tests", "--for", "1h"]);
    space.does("dee", &["handoff", "decline", "tests", "--reason", "too much"]);
    space.does("eve", &["handoff", "accept", "tests"]);
    space.does("eve", &["handoff", "complete", "tests", "--result", "1"]);
    let report = space.shows(&["handoff", "report", "tests"]);
    let report = &report["report"];
    assert_eq!((report["given"].as_u64(), &report["told"]), (Some(2), &json!([2, 1])));
    assert_eq!(report["lost"], json!([{"reason": "line 80 is slow", "hop": 1}]));
    assert_eq!(report["hops"][0]["handoff"], "parser");
    let all = space.shows(&["handoff", "show"]);
    assert_eq!(all["handoffs"].as_array().unwrap().len(), 2);
    assert!(
        space.shows(&["handoff", "show", "tests"])["handoff"]["phase"]["completed"].is_object()
    );
}

fn quotas(space: &Space<'_>) {
    space.does("ann", &["quota", "define", "api", "100", "--per", "1d", "--share", "cid=2"]);
    let taken = space.does("bob", &["quota", "take", "api", "60"]);
    assert_eq!((&taken["quota"]["granted"], &taken["quota"]["taken"]), (&true.into(), &60.into()));
    let reservation = taken["quota"]["reservation"].to_string();
    // A request that cannot be granted stands in the log as a need.
    let error = space.colony("cid", &["quota", "take", "api", "50"]).error(7);
    assert_eq!(error["outcome"], "applied");
    assert!(error["message"].as_str().unwrap().contains("ask again after"), "{error}");
    assert_eq!(space.refused("bob", &["quota", "take", "api", "101"]).0, "TooMuch");
    assert_eq!(space.refused("cid", &["quota", "return", "api", &reservation]).0, "NoReservation");
    let back = space.does("bob", &["quota", "return", "api", &reservation, "--used", "10"]);
    assert_eq!(back["quota"]["taken"], 10);
    let shown = space.shows(&["quota", "show", "api"]);
    assert_eq!(shown["quota"]["refused"][0]["by"], "cid");
    assert_eq!(space.shows(&["quota", "show"])["quotas"].as_array().unwrap().len(), 1);
    assert_eq!(
        space.refused("bob", &["quota", "define", "api", "1000", "--per", "1s"]).0,
        "Defined"
    );
}

fn schedules(space: &Space<'_>) {
    let define = [
        "schedule",
        "define",
        "tidy",
        "0 3 1 1 *",
        "--zone",
        "Europe/Berlin",
        "--work",
        r#"{"a":1}"#,
    ];
    let defined = space.does("ann", &define);
    assert_eq!(defined["schedule"]["calendar"]["zone"], "Europe/Berlin");
    assert_eq!(space.refused("bob", &["schedule", "tick", "tidy"]).0, "NotDue");
    assert_eq!(space.refused("ann", &["schedule", "define", "x", "never"]).0, "Cron");
    space.does("ann", &["schedule", "define", "often", "* * * * * *", "--run-all"]);
    // Whoever comes first makes a tick; here nobody has, until one is due.
    let ticked = (0..100).find_map(|_| {
        let output = space.colony("bob", &["schedule", "tick", "often", "--json"]).output();
        output.status.success().then(|| serde_json::from_slice::<Value>(&output.stdout).unwrap())
    });
    let ticked = ticked.unwrap();
    assert_eq!(ticked["schedule"]["last"]["by"], "bob");
    assert_eq!(space.shows(&["schedule", "show"])["schedules"].as_array().unwrap().len(), 2);
    let removed = space.does("ann", &["schedule", "remove", "often"]);
    assert!(removed["schedule"].is_null());
    assert!(space.shows(&["schedule", "show", "tidy"])["schedule"]["next"].is_string());
}

fn votes(space: &Space<'_>) {
    let (file, public) = key(space.lab, "bob");
    let bob = format!("bob={public}");
    let call = [
        "vote", "call", "ship", "ship it?", "--voter", &bob, "--voter", "cid", "--voter", "dee",
        "--until", "1h",
    ];
    space.does("ann", &call);
    let unsigned = space.colony("bob", &["vote", "cast", "ship", "yes"]).error(3);
    assert!(unsigned["message"].as_str().unwrap().contains("--key"), "{unsigned}");
    let cast = space.does("bob", &["vote", "cast", "ship", "yes", "--key", &file]);
    assert_eq!(cast["vote"]["result"], json!({"state": "open", "counts": {"yes": 1}}));
    assert_eq!(space.refused("eve", &["vote", "cast", "ship", "no"]).0, "NotVoter");
    assert_eq!(space.refused("cid", &["vote", "cast", "ship", "maybe"]).0, "NoOption");
    let decided = space.does("cid", &["vote", "cast", "ship", "yes"]);
    assert_eq!(decided["vote"]["result"]["choice"], "yes");
    let (rule, fields) = space.refused("cid", &["vote", "cast", "ship", "no"]);
    assert_eq!((rule.as_str(), &fields["choice"]), ("Voted", &"yes".into()));
    assert_eq!(space.shows(&["vote", "show", "ship"])["vote"]["needed"], 2);
    assert_eq!(space.shows(&["vote", "show", "--at", "1"])["votes"][0]["ballots"], json!({}));
}

fn actions(space: &Space<'_>) {
    let room = "room 1@2026-01-01T10:00:00Z/2026-01-01T11:00:00Z";
    space.does("ann", &["action", "act", "one", "--on", room, "--undo", "cancel"]);
    let (rule, fields) = space
        .refused("bob", &["action", "act", "two", "--on", "room 1", "--undo", "cancel", "--defer"]);
    assert_eq!((rule.as_str(), fields), ("Met", json!({"action": "one", "by": "ann"})));
    let met = space.does(
        "bob",
        &["action", "act", "two", "--on", "room 1", "--undo", "cancel", "--affects", "guest"],
    );
    assert_eq!(met["action"]["phase"]["owing"]["to"], "one");
    let owed = space.shows(&["action", "show", "--owed-by", "bob"]);
    assert_eq!(owed["actions"].as_array().unwrap().len(), 1);
    assert_eq!(space.refused("ann", &["action", "compensate", "two"]).0, "NotAuthor");
    space.does("bob", &["action", "compensate", "two"]);
    assert_eq!(space.refused("bob", &["action", "compensate", "two"]).0, "Nothing");
    assert_eq!(
        space.refused("cid", &["action", "act", "launch", "--on", "rocket", "--irreversible"]).0,
        "NotIntended"
    );
    space.does("cid", &["action", "intend", "launch", "--on", "rocket", "--until", "1h"]);
    space.does("cid", &["action", "act", "launch", "--on", "rocket", "--irreversible"]);
    assert!(space.shows(&["action", "show", "launch"])["action"]["phase"]["taken"].is_object());
}

fn gate(space: &Space<'_>) {
    assert_eq!(space.refused("eve", &["stop", "bob"]).0, "NotPerson");
    space.does(
        "root",
        &[
            "charter",
            "set",
            "--administrator",
            "root",
            "--person",
            "eve",
            "--level",
            "vote.called=1",
        ],
    );
    assert_eq!(
        space.refused("bob", &["charter", "set", "--administrator", "bob"]).0,
        "NotAdministrator"
    );
    assert_eq!(space.shows(&["charter", "show"])["charter"]["people"], json!(["eve"]));
    assert_eq!(
        space.refused("bob", &["vote", "call", "v", "q", "--voter", "bob", "--until", "1h"]).0,
        "Level"
    );

    // Killed between question and answer, nothing is lost.
    let ask =
        ["ask", "deploy", "deploy 2.0?", "--option", "yes", "--option", "no", "--wait", "--json"];
    let mut asking = space.colony("bob", &ask).spawn();
    let stands = ["gate", "show", "deploy", "--json"];
    let asked = (0..500).any(|_| space.colony("eve", &stands).output().status.success());
    assert!(asked, "the question stands in the log");
    asking.kill().unwrap();
    asking.wait().unwrap();
    let waiting = space.colony("bob", &["gate", "wait", "deploy", "--json"]).spawn();
    assert_eq!(space.refused("bob", &["answer", "deploy", "yes"]).0, "NotPerson");
    assert_eq!(space.refused("eve", &["answer", "deploy", "perhaps"]).0, "NoOption");
    space.does("eve", &["answer", "deploy", "yes", "--note", "tested"]);
    let told = waiting.wait_with_output().unwrap();
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(told["question"]["answer"], json!({"state": "told", "answer": "yes"}));
    assert_eq!(space.refused("eve", &["answer", "deploy", "no"]).0, "Closed");

    let late = ["ask", "late", "now?", "--until", "5s", "--otherwise", "no", "--wait"];
    let late = space.does("bob", &late);
    assert_eq!(late["question"]["answer"], json!({"state": "told", "answer": "no"}));

    space.does(
        "eve",
        &["gate", "grant", "cash", "spend", "--each", "20", "--total", "30", "--until", "1h"],
    );
    let leave =
        space.does("bob", &["ask", "buy", "buy tokens?", "--scope", "spend", "--amount", "15"]);
    assert_eq!(leave["question"]["answer"]["state"], "leave");
    space.does("eve", &["gate", "withdraw", "cash"]);
    let open = space.does("bob", &["ask", "again", "more?", "--scope", "spend", "--amount", "5"]);
    assert_eq!(open["question"]["answer"]["state"], "wait");
    space.does("bob", &["gate", "cancel", "again"]);

    space.does("eve", &["stop", "bob", "--reason", "it loops"]);
    let (rule, fields) = space.refused("bob", &["task", "offer", "x", "y"]);
    assert_eq!((rule.as_str(), &fields["by"]), ("Stopped", &"eve".into()));
    space.does("eve", &["resume", "bob"]);
    space.does("eve", &["stop", "--everybody"]);
    assert_eq!(space.refused("cid", &["task", "offer", "x", "y"]).0, "Stopped");
    let shown = space.shows(&["gate", "show"]);
    assert_eq!(shown["gate"]["stops"]["space"]["by"], "eve");
    space.does("eve", &["resume", "--everybody"]);
    space.does("bob", &["task", "offer", "x", "y"]);
}

fn directory(space: &Space<'_>) {
    space.does("root", &["charter", "set", "--administrator", "root"]);
    space.does(
        "bob",
        &["agents", "announce", "--skill", "rust", "--skill", "sql", "--capacity", "2"],
    );
    space.does("cid", &["agents", "announce", "--skill", "sql", "--program-version", "1.4"]);
    let card = r#"{"name":"Dee","description":"draws","version":"3","url":"https://example.com/dee","skills":[{"id":"draw","name":"Draw","description":"d","tags":["x"]}],"extra":{"kept":true}}"#;
    let imported = space.does("dee", &["agents", "card", "import", card]);
    assert_eq!(imported["agent"]["card"]["skills"], json!(["draw"]));
    let exported = space.colony("eve", &["agents", "card", "export", "dee"]).json().swap_remove(0);
    assert_eq!((&exported["extra"]["kept"], &exported["name"]), (&true.into(), &"Dee".into()));
    assert_eq!(space.colony("eve", &["agents", "card", "export", "zoe"]).error(5)["kind"], "log");
    assert_eq!(space.colony("eve", &["agents", "card", "import", "[]"]).error(3)["kind"], "input");

    let names = |args: &[&str]| -> Vec<String> {
        let agents = space.shows(args)["agents"].as_array().unwrap().clone();
        agents.iter().map(|agent| agent["agent"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&["agents", "list", "--skill", "sql"]), ["bob", "cid"]);
    assert_eq!(names(&["agents", "list", "--skill", "sql", "--skill", "rust"]), ["bob"]);
    assert_eq!(space.refused("bob", &["task", "done", "x"]).0, "Unknown");
    space.does("ann", &["task", "offer", "x", "y", "--skill", "rust", "--claim-for", "1h"]);
    assert_eq!(space.refused("cid", &["task", "claim", "x"]).0, "Skill");
    space.does("bob", &["task", "claim", "x", "--for", "1h"]);

    space.does("cid", &["agents", "retire", "--reason", "done"]);
    assert_eq!(space.refused("bob", &["agents", "revoke", "dee"]).0, "NotAdministrator");
    space.does("root", &["agents", "revoke", "dee", "--reason", "key was stolen"]);
    assert_eq!(space.refused("dee", &["task", "offer", "y", "z"]).0, "Revoked");
    // Somebody who is there, holds work and makes no progress is quiet; who merely is there is alive.
    let mut present = space.colony("bob", &["tail", "--json"]).spawn();
    let looks = |quiet_after: &'static str| {
        let list = move |_| space.shows(&["agents", "list", "--quiet-after", quiet_after]);
        // On a busy machine the answer may take longer than a look waits.
        let mut looks = (0..100).map(list);
        looks.find(|listed| listed["agents"][0]["instances"].get(0).is_some()).unwrap()
    };
    let listed = looks("1ms");
    let liveness = |index: usize| listed["agents"][index]["liveness"].clone();
    assert_eq!(listed["agents"][0]["holds"], json!(["x"]));
    assert!(liveness(0)["quiet"]["since"].is_string(), "{listed}");
    assert_eq!((liveness(1), liveness(2)), ("retired".into(), "revoked".into()));
    let patient = looks("1d");
    assert!(patient["agents"][0]["liveness"].get("alive").is_some(), "{patient}");
    present.kill().unwrap();
    present.wait().unwrap();
    // Presence leaves no trace: of the past only the log speaks.
    let past = space.shows(&["agents", "show", "bob", "--at", "2"]);
    assert!(past["agent"]["liveness"].is_null() && past["agent"]["card"].is_object());
}

fn contracts(space: &Space<'_>) {
    let (ann, ann_public) = key(space.lab, "ann");
    let (sam, sam_public) = key(space.lab, "sam");
    space.does("root", &["charter", "set", "--administrator", "root"]);
    assert_eq!(space.refused("ann", &["contract", "issue", "ann", "100"]).0, "NotEntitled");
    space.does("root", &["contract", "issue", "ann", "100"]);
    let ledger = space.does("root", &["contract", "issue", "sam", "50"]);
    assert_eq!(ledger["ledger"]["issued"], 150);

    let terms = json!({
        "customer": {"agent": "ann", "key": ann_public, "stake": 10},
        "supplier": {"agent": "sam", "key": sam_public, "stake": 20},
        "deliverable": {"what": "a map"},
        "milestones": [
            {"name": "draft", "pays": 30, "due": "2099-01-01T00:00:00Z"},
            {"name": "map", "pays": 40, "due": "2099-01-02T00:00:00Z"},
        ],
        "start_by": "2098-01-01T00:00:00Z",
        "verification": "full",
        "arbitrators": ["jo"],
    });
    let file = space.lab.write("terms.json", terms.to_string());
    let terms = format!("@{file}");
    space.does("ann", &["contract", "propose", "map", "--terms", &terms, "--key", &ann]);
    assert_eq!(space.refused("sam", &["contract", "sign", "map", "--key", &ann]).0, "Signature");
    let signed = space.does("sam", &["contract", "sign", "map", "--key", &sam]);
    assert_eq!(signed["contract"]["signed"], json!(["customer", "supplier"]));
    space.does("ann", &["contract", "lock", "map"]);
    let locked = space.does("sam", &["contract", "lock", "map"]);
    assert_eq!(
        (&locked["contract"]["phase"], &locked["contract"]["escrow"]["price"]),
        (&"active".into(), &70.into())
    );
    assert_eq!(space.refused("sam", &["contract", "breach", "map", "0"]).0, "TooEarly");

    space.does("sam", &["contract", "submit", "map", "0", "--result", r#"{"n":1}"#]);
    assert_eq!(space.refused("sam", &["contract", "verify", "map", "0"]).0, "NotEntitled");
    space.does("ann", &["contract", "verify", "map", "0", "--checked", "0"]);
    space.does("jo", &["contract", "pay", "map", "0"]);
    space.does(
        "sam",
        &[
            "contract",
            "submit",
            "map",
            "1",
            "--file",
            &file,
            "--evidence",
            "https://example.com/map",
        ],
    );
    space.does("ann", &["contract", "fail", "map", "1", "--reason", "no legend"]);
    assert_eq!(space.refused("ann", &["contract", "settle", "map"]).0, "Milestone");
    space.does("sam", &["contract", "dispute", "map", "1", "there is one"]);
    assert_eq!(space.refused("ann", &["contract", "escalate", "map"]).0, "TooEarly");
    let decided = space
        .does("jo", &["contract", "arbitrate", "map", "customer", "--reason", "none is there"]);
    let closed = &decided["contract"]["phase"]["closed"];
    assert_eq!(closed["ending"], "supplier-at-fault");
    let ledger = space.shows(&["contract", "ledger"]);
    let ledger = &ledger["ledger"];
    assert_eq!(ledger["accounts"], json!({"ann": 90, "sam": 60}));
    assert_eq!(
        (&ledger["locked"], &ledger["burned"], &ledger["free"]),
        (&0.into(), &0.into(), &150.into())
    );
    assert_eq!(space.shows(&["contract", "show"])["contracts"][0]["paid"], 30);
    assert!(space.shows(&["contract", "show", "map"])["contract"]["digest"].is_string());

    let scores = space.shows(&["reputation", "show", "sam"]);
    assert_eq!(scores["reputation"]["counts"], json!({"disputed": 1}));
    let deed = scores["reputation"]["recent"][0]["at"].to_string();
    assert_eq!(
        space.refused("sam", &["reputation", "vouch", "ann", "5", "--until", "1d"]).0,
        "Points"
    );
    assert_eq!(space.refused("sam", &["reputation", "withdraw", "ann"]).0, "NoVouch");
    let reversed =
        space.does("root", &["reputation", "reverse", "sam", &deed, "--reason", "found it"]);
    assert_eq!(reversed["reputation"]["counts"], json!({"disputed": 0}));
}
