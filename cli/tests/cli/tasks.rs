//! Tasks, bids and the board.

use serde_json::{Value, json};

use crate::run::{Colony, Lab};

/// A command line of another agent than the lab's.
fn of(lab: &Lab, agent: &str, args: &[&str]) -> Colony {
    let mut colony = lab.colony(args);
    colony.command.env("COLONY_AGENT", agent);
    colony
}

/// Must be applied; returns what was printed.
fn does(lab: &Lab, agent: &str, args: &[&str]) -> Value {
    let mut told = of(lab, agent, args).json();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["outcome"], "applied", "{told:?}");
    assert_eq!(told[0]["author"], agent);
    told.swap_remove(0)
}

/// Must be applied once its holder was silent for too long; returns what was printed.
fn takes(lab: &Lab, agent: &str, args: &[&str], rule: &str) -> Value {
    let tries = (0..1_000).find_map(|_| {
        let output = of(lab, agent, args).arg("--json").output();
        match output.status.success() {
            true => Some(serde_json::from_slice(&output.stdout).unwrap()),
            false => {
                let error = String::from_utf8(output.stderr).unwrap();
                assert!(error.contains(rule), "{error}");
                None
            }
        }
    });
    tries.unwrap()
}

#[tokio::test]
async fn a_task_is_claimed_once_and_who_comes_late_is_told_owner_round_and_fence() {
    let lab = Lab::new().await;
    let offered =
        does(&lab, "ann", &["task", "offer", "fence", "paint the fence", "--claim-for", "1h"]);
    assert_eq!(offered["task"]["phase"]["free"]["since"], offered["task"]["offer"]["since"]);
    let claimed = does(&lab, "bob", &["task", "claim", "fence", "--cause", "1"]);
    let fence = claimed["events"][0]["position"].as_u64().unwrap();
    assert_eq!(claimed["task"]["phase"]["held"]["fence"], fence);

    let tail = lab.one(&["status", "--quick"])["tail"].clone();
    let refused = of(&lab, "cid", &["task", "claim", "fence"]).error(7);
    assert_eq!((&refused["kind"], &refused["outcome"]), (&"refused".into(), &"not-applied".into()));
    assert_eq!(refused["against"]["rule"], "Held");
    assert_eq!(refused["against"]["fields"], json!({"owner": "bob", "round": 1, "fence": fence}));
    let message = refused["message"].as_str().unwrap();
    assert!(
        message.contains("bob holds it in round 1") && message.contains("nothing was appended")
    );
    assert_eq!(lab.one(&["status", "--quick"])["tail"], tail);
    // Nobody is stopped from saying it all the same: everybody ignores it.
    let claim = r#"{"until": "2099-01-01T00:00:00Z"}"#;
    of(&lab, "cid", &["publish", "task.claimed", "--entity", "fence", "--data", claim]).json();

    let stale = ["task", "done", "fence", "--fence", "1"];
    let stale = of(&lab, "bob", &stale).error(7);
    assert_eq!(stale["against"]["rule"], "Fence");
    assert_eq!(stale["against"]["fields"], json!({"given": 1, "fence": fence, "owner": "bob"}));

    let progress = ["task", "progress", "fence", "--percent", "50", "--note", "one coat"];
    assert_eq!(does(&lab, "bob", &progress)["task"]["phase"]["held"]["percent"], 50);
    does(&lab, "bob", &["task", "block", "fence", "--on-agent", "eve"]);
    let blocked = lab.one(&["task", "board"]);
    assert_eq!(blocked["cards"][0]["column"], "blocked");
    assert_eq!(blocked["cards"][0]["blocked_on"], json!({"agent": "eve"}));
    assert!(lab.colony(&["task", "board"]).text().contains("waits for eve"));
    does(
        &lab,
        "bob",
        &["task", "done", "fence", "--result", r#"{"coats":2}"#, "--evidence", "photo"],
    );
    assert_eq!(
        of(&lab, "bob", &["task", "verify", "fence"]).error(7)["against"]["rule"],
        "NotVerifier"
    );
    let verified = does(&lab, "ann", &["task", "verify", "fence", "--how", "went and looked"]);
    assert_eq!(verified["task"]["phase"]["verified"]["result"], json!({"coats": 2}));

    let free = lab.one(&["task", "board", "--at", "1"]);
    assert_eq!(free["cards"][0]["column"], "free");
    let shown = lab.one(&["task", "show", "fence", "--at", &fence.to_string()]);
    assert_eq!(
        (&shown["position"], &shown["task"]["phase"]["held"]["owner"]),
        (&fence.into(), &"bob".into())
    );
    assert_eq!(lab.colony(&["task", "show", "gate"]).error(5)["kind"], "log");
    assert_eq!(lab.one(&["why", &fence.to_string()])["causes"][1]["entry"]["type"], "task.offered");

    let file = lab.dir.path().join("tasks.capture");
    let file = file.to_str().unwrap();
    lab.one(&["capture", file]);
    let board = Colony::new(&["task", "board", "--capture", file]).json();
    assert_eq!(board[0]["cards"][0]["column"], "verified");
    assert_eq!(board[0]["cards"][0]["agent"], "bob");
}

#[tokio::test]
async fn who_is_silent_is_replaced_and_its_fence_counts_no_more() {
    let lab = Lab::new().await;
    does(&lab, "ann", &["task", "offer", "fence", "paint the fence"]);
    let held = does(&lab, "bob", &["task", "claim", "fence", "--for", "1h"]);
    let early = of(&lab, "cid", &["task", "lapse", "fence"]).error(7);
    assert_eq!(early["against"]["rule"], "NotOverdue");
    assert_eq!(early["against"]["fields"]["owner"], "bob");

    does(&lab, "bob", &["task", "release", "fence", "--reason", "no paint"]);
    let fence =
        does(&lab, "bob", &["task", "claim", "fence", "--for", "5s"])["events"][0]["position"]
            .clone();
    assert_ne!(fence, held["events"][0]["position"]);
    // The lapse and the claim are one append.
    let taken = takes(&lab, "cid", &["task", "claim", "fence"], "Held");
    let types: Vec<_> = taken["events"].as_array().unwrap().iter().map(|e| &e["type"]).collect();
    assert_eq!(types, ["task.lapsed", "task.claimed"]);
    let late = of(&lab, "bob", &["task", "done", "fence", "--fence", &fence.to_string()]).error(7);
    assert_eq!(late["against"]["rule"], "NotOwner");
    assert_eq!(late["against"]["fields"]["owner"], "cid");
    does(&lab, "cid", &["task", "done", "fence"]);
    let rejected = does(&lab, "ann", &["task", "reject", "fence", "--reason", "one side only"]);
    assert_eq!(rejected["task"]["round"], 4);
    let claimed = does(&lab, "dee", &["task", "claim", "fence", "--for", "5s"]);
    assert_eq!(claimed["task"]["round"], 4);
    let lapsed = takes(&lab, "ann", &["task", "lapse", "fence"], "NotOverdue");
    assert_eq!(lapsed["task"]["round"], 5);
    does(&lab, "ann", &["task", "cancel", "fence", "--reason", "rain"]);

    let scores = lab.one(&["reputation", "show"]);
    let bob =
        scores["reputations"].as_array().unwrap().iter().find(|r| r["agent"] == "bob").unwrap();
    assert_eq!(bob["counts"], json!({"broken": 1}));
    assert_eq!(lab.one(&["task", "board"])["cards"][0]["column"], "cancelled");
}

#[tokio::test]
async fn bids_open_and_sealed_are_awarded_by_the_rule_that_was_told() {
    let lab = Lab::new().await;
    let offer = ["task", "offer", "pit", "dig", "--bid-until", "1h", "--bidders", "2"];
    does(&lab, "ann", &offer);
    assert_eq!(of(&lab, "bob", &["task", "claim", "pit"]).error(7)["against"]["rule"], "ByBids");
    does(&lab, "bob", &["task", "bid", "pit", "--price", "50", "--finish", "10m"]);
    let open = of(&lab, "zoe", &["task", "close", "pit"]).error(7);
    assert_eq!(open["against"]["rule"], "Open");
    does(&lab, "cid", &["task", "bid", "pit", "--price", "40", "--finish", "20m"]);
    let full = of(&lab, "dee", &["task", "bid", "pit", "--price", "1", "--finish", "1m"]).error(7);
    assert_eq!(
        full["against"],
        json!({"protocol": "task", "rule": "Full", "fields": {"at_most": 2},
        "message": "2 agents have bid, as many as may"})
    );
    let closed = does(&lab, "zoe", &["task", "close", "pit"]);
    assert_eq!(closed["task"]["phase"]["held"]["owner"], "cid");
    assert_eq!(closed["task"]["phase"]["held"]["next"][0]["agent"], "bob");

    let offer = ["task", "offer", "well", "dig", "--bid-until", "1h", "--sealed-until", "2h"];
    does(&lab, "ann", &offer);
    let sealed = does(&lab, "bob", &["task", "bid", "well", "--price", "70", "--finish", "10m"]);
    let kept = &sealed["task"]["to_reveal"];
    assert_eq!((&kept["price"], kept["nonce"].as_str().unwrap().len()), (&70.into(), 36));
    let bids = &lab.one(&["task", "show", "well"])["task"]["phase"]["bidding"]["bids"];
    assert!(bids["bob"]["offering"].is_null() && bids["bob"]["commitment"].is_string(), "{bids}");
    let finish = kept["finish"].as_str().unwrap();
    let nonce = kept["nonce"].as_str().unwrap();
    let reveal = ["task", "reveal", "well", "--price", "70", "--finish", finish, "--nonce", nonce];
    assert_eq!(of(&lab, "bob", &reveal).error(7)["against"]["rule"], "Open");
}

#[test]
fn offers_that_make_no_sense_are_usage() {
    for args in [
        &["task", "offer", "x"][..],
        &["task", "offer", "x", "y", "--assign", "bob", "--bid-until", "1h"],
        &["task", "offer", "x", "y", "--award", "weighted"],
        &["task", "claim", "x", "--for", "soon"],
        &["task", "block", "x"],
        &["task", "block", "x", "--reason", "a", "--on-task", "b"],
        &["task", "progress", "x", "--percent", "101"],
        &["handoff", "ask", "q", "text"],
        &["quota", "define", "api", "10"],
        &["vote", "call", "v", "q", "--until", "1h"],
        &["contract", "submit", "c", "0"],
        &["action", "act", "a", "--on", "b"],
        &["stop"],
        &["stop", "bob", "--everybody"],
        &["agents"],
        &["charter", "set"],
        &["tax", "--clock", "mine"],
    ] {
        assert_eq!(Colony::new(args).error(2)["kind"], "usage", "{args:?}");
    }
}
