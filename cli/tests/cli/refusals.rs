//! What makes no sense is refused, whichever protocol it is about: with a reason that names what stood against it.

use crate::run::Lab;

#[tokio::test]
async fn every_refusal_says_why_and_nothing_is_appended() {
    let lab = Lab::new().await;
    let past = "2020-01-01T00:00:00Z";
    let never = "2026-02-30T00:00:00Z";
    let bad: &[(&[&str], i32, &str)] = &[
        (&["task", "offer", "", "x"], 2, "is empty"),
        (&["task", "offer", "x", ""], 2, "<WHAT>"),
        (&["task", "offer", "x", "y", "--skill", ""], 2, "--skill"),
        (
            &["task", "offer", "x", "y", "--claim-for", "0s"],
            7,
            "claim_ms cannot hold: whoever holds it",
        ),
        (&["task", "offer", "x", "y", "--claim-for", "99999999999999999999d"], 2, "length of time"),
        (&["task", "offer", "x", "y", "--deadline", never], 2, "neither a time"),
        (
            &["task", "offer", "x", "y", "--deadline", past],
            7,
            "deadline cannot hold: it is not in the future",
        ),
        (
            &["task", "offer", "x", "y", "--after", "x"],
            7,
            "after cannot hold: the task would wait for itself",
        ),
        (
            &["task", "offer", "x", "y", "--bid-until", past],
            7,
            "until cannot hold: the window would be over",
        ),
        (&["task", "claim", "x"], 7, "no task of this name"),
        (&["task", "progress", "x", "--percent", "101"], 2, "101 is not in 0..=100"),
        (&["task", "done", "x", "--fence", "18446744073709551616"], 2, "too large"),
        (&["task", "frob"], 2, "unrecognized subcommand 'frob'"),
        (&["quota", "define", "q", "0", "--per", "1h"], 7, "amount cannot be 0"),
        (&["quota", "define", "q", "1", "--per", "0s"], 7, "period_ms cannot be 0"),
        (&["quota", "define", "q", "1", "--per", "1h", "--hold", "0s"], 7, "hold_ms cannot be 0"),
        (&["quota", "define", "q", "-1", "--per", "1h"], 2, "-1"),
        (&["quota", "take", "q", "1"], 7, "no quota of this name"),
        (&["schedule", "define", "s", "0 0 30 2 *"], 7, "no day there ever was or will be"),
        (&["schedule", "define", "s", "61 * * * *"], 7, "not a cron expression"),
        (
            &["schedule", "define", "s", "0 0 * * *", "--zone", "Mars/Base"],
            7,
            "no time zone \"Mars/Base\"",
        ),
        (&["schedule", "tick", "s"], 7, "no schedule of this name"),
        (&["vote", "call", "v", "", "--voter", "bob", "--until", "1h"], 2, "<QUESTION>"),
        (
            &["vote", "call", "v", "q", "--voter", "bob", "--until", past],
            7,
            "until cannot hold: it is not in the future",
        ),
        (
            &[
                "vote", "call", "v", "q", "--voter", "bob", "--until", "1h", "--option", "a",
                "--option", "a",
            ],
            7,
            "options cannot hold: there is no choice",
        ),
        (
            &["vote", "call", "v", "q", "--voter", "bob", "--until", "1h", "--at-least", "2"],
            7,
            "rule cannot hold: it asks for no vote, or for more",
        ),
        (&["handoff", "offer", "h", ""], 2, "<WHAT>"),
        (&["handoff", "offer", "h", "x", "--schema", r#"{"type": "frob"}"#], 7, "frob"),
        (&["handoff", "accept", "h"], 7, "there is no h"),
        (&["action", "act", "a", "--on", "", "--mergeable"], 2, "a resource is a name"),
        (
            &[
                "action",
                "act",
                "a",
                "--on",
                "r@2026-01-02T00:00:00Z/2026-01-01T00:00:00Z",
                "--mergeable",
            ],
            2,
            "the earlier first",
        ),
        (&["contract", "propose", "c", "--terms", "{}"], 7, "missing field `customer`"),
        (&["contract", "issue", "bob", "5"], 7, "administrator"),
        (&["reputation", "vouch", "bob", "5", "--until", "1h"], 7, "0 points that are earned"),
        (
            &["charter", "set", "--administrator", "root", "--level", "task.offered=1001"],
            2,
            "up to 1000",
        ),
        (&["agents", "announce", "--skill", ""], 2, "--skill"),
        (&["agents", "card", "import", "{}"], 3, "no A2A agent card"),
        (&["agents", "card", "import", r#"{"name": ""}"#], 3, "no A2A agent card"),
        (&["ask", "q", ""], 2, "<TEXT>"),
        (&["answer", "q", "yes"], 7, "there is no q"),
        (&["stop", "bob"], 7, "does not answer for people"),
        (&["ignored", "--author", ""], 2, "is empty"),
    ];
    for (args, code, words) in bad {
        let error = lab.colony(args).error(*code);
        assert!(error["message"].as_str().unwrap().contains(words), "{args:?}: {error}");
        assert_eq!(error["against"].is_object(), *code == 7, "{args:?}: {error}");
    }
    assert_eq!(lab.one(&["status"])["entries"], 0);
}

#[tokio::test]
async fn refusals_name_moments_and_people_as_people_write_them() {
    let lab = Lab::new().await;
    lab.one(&["handoff", "offer", "h", "x", "--to", "bob"]);
    let only = lab.colony(&["handoff", "accept", "h", "--agent", "cid"]).error(7);
    assert!(
        only["message"].as_str().unwrap().starts_with("only bob may accept it, until it declines")
    );
    lab.one(&["schedule", "define", "s", "0 3 1 1 *"]);
    let early = lab.colony(&["schedule", "tick", "s"]).error(7);
    let message = early["message"].as_str().unwrap();
    assert!(message.contains("next is 20") && !message.contains("Some("), "{message}");
    lab.one(&["charter", "set", "--administrator", "root", "--person", "eve"]);
    lab.one(&["ask", "q", "now?"]);
    lab.one(&["answer", "q", "yes", "--agent", "eve"]);
    let closed = lab.colony(&["answer", "q", "no", "--agent", "eve"]).error(7);
    let message = closed["message"].as_str().unwrap();
    assert!(message.contains("eve answered \"yes\" at position 5"), "{message}");
    // What is appended all the same is shown to everybody, with what stood against it.
    lab.one(&[
        "publish",
        "gate.answered",
        "--entity",
        "q",
        "--data",
        r#"{"answer":"no"}"#,
        "--agent",
        "mal",
    ]);
    let shown = lab.one(&["ignored", "--author", "mal"]);
    assert_eq!(shown["ignored"]["latest"][0]["against"]["rule"], "Closed");
    assert_eq!(
        lab.one(&["ignored", "--entity", "h"])["ignored"]["latest"].as_array().unwrap().len(),
        0
    );
    assert!(lab.colony(&["ignored"]).text().contains("eve answered \"yes\" at position 5"));
}
