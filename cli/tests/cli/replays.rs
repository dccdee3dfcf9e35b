//! Logs written by hand, each about a rule that is easy to get wrong: what comes of them was worked out by hand, from the protocols' pages.
//!
//! They stand in `replays/`, one CloudEvents object a line, with the moment at which each was recorded. A capture is made of each, so that
//! the log's time is the file's to the nanosecond.

use std::path::Path;

use colony_core::capture::{CaptureHeader, CaptureWriter, CapturedRecord};
use colony_core::{Address, Lane, Position, Subject, Timestamp, cloudevents, envelope};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::run::{Colony, Lab};

/// One of the logs, as a capture.
struct Replay {
    dir: TempDir,
}

fn lines(name: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/replays");
    let text = std::fs::read_to_string(folder.join(format!("{name}.ndjson"))).unwrap();
    text.lines().map(str::to_owned).collect()
}

impl Replay {
    fn of(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let lines = lines(name);
        let through = Position::new(lines.len() as u64);
        let header = CaptureHeader {
            space: "replay".parse().unwrap(),
            log: name.to_owned(),
            server: "none".to_owned(),
            after: Position::ZERO,
            through,
            created: Timestamp::from_nanos(0),
        };
        let file = std::fs::File::create(dir.path().join("log.capture")).unwrap();
        let mut writer = CaptureWriter::new(file, &header).unwrap();
        for (index, line) in lines.iter().enumerate() {
            let told: Value = serde_json::from_str(line).unwrap();
            let recorded = told["colonyrecorded"].as_str().unwrap().parse().unwrap();
            let event = cloudevents::from_json(line).unwrap();
            let kind = colony_bus::kind_of(&event.event);
            let lane = Lane { author: event.event.author.clone(), name: "main".parse().unwrap() };
            let address = Address::Lane { lane, kind };
            let subject = Subject { space: header.space.clone(), address };
            let sealed = envelope::seal(&subject, &event, None).unwrap();
            let (subject, payload) = (sealed.subject, sealed.payload);
            let position = Position::new(index as u64 + 1);
            writer.push(&CapturedRecord { position, recorded, subject, payload }).unwrap();
        }
        writer.finish().unwrap();
        Self { dir }
    }

    /// What a command that shows prints of it.
    fn shows(&self, args: &[&str]) -> Value {
        let file = self.dir.path().join("log.capture");
        let colony = Colony::new(args).arg("--capture").arg(file);
        colony.json().swap_remove(0)
    }

    /// What everybody ignores: where, by which rule, with which fields.
    fn ignored(&self) -> Vec<(u64, String, Value)> {
        let shown = self.shows(&["ignored"]);
        let latest = shown["ignored"]["latest"].as_array().unwrap();
        let told = latest.iter().map(|one| {
            let against = &one["against"];
            let rule = against["rule"].as_str().unwrap().to_owned();
            (one["position"].as_u64().unwrap(), rule, against["fields"].clone())
        });
        told.collect()
    }

    fn rules(&self) -> Vec<(u64, String)> {
        self.ignored().into_iter().map(|(at, rule, _)| (at, rule)).collect()
    }
}

/// Seconds after the beginning of 2026.
fn t(seconds: i64) -> String {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    Timestamp::from_nanos(start.as_nanos() + seconds * 1_000_000_000).to_string()
}

fn rules(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
    expected.iter().map(|(at, rule)| (*at, (*rule).to_owned())).collect()
}

#[test]
fn a_claim_on_an_old_view_loses_and_so_does_what_is_done_under_it() {
    let log = Replay::of("delayed_claim");
    let task = &log.shows(&["task", "show", "fence"])["task"];
    let verified = &task["phase"]["verified"];
    assert_eq!(
        (&verified["by"], &verified["fence"], &verified["at"]),
        (&json!("bob"), &json!(2), &json!(5))
    );
    assert_eq!((&verified["result"], &task["round"]), (&json!("bob's"), &json!(1)));
    let held = json!({"owner": "bob", "round": 1, "fence": 2});
    let not_owner = json!({"owner": "bob", "fence": 2});
    let ignored = log.ignored();
    assert_eq!(ignored[0], (3, "Held".to_owned(), held));
    assert_eq!(ignored[1], (4, "NotOwner".to_owned(), not_owner));
    // 6 comes too late, 7 is the worker's own praise, 8 names what is no delivery.
    let expected =
        [(3, "Held"), (4, "NotOwner"), (6, "Delivered"), (7, "NotVerifier"), (8, "OtherDelivery")];
    assert_eq!(log.rules(), rules(&expected));
}

#[test]
fn at_the_moment_itself_a_claim_has_not_lapsed_and_a_nanosecond_later_it_has() {
    let log = Replay::of("lapse_boundary");
    // bob asked for 30 s and may be silent for 10: until 11. Progress at 11 gives 10 more: until 21.
    let held =
        |at: &str| log.shows(&["task", "show", "dig", "--at", at])["task"]["phase"]["held"].clone();
    assert_eq!(held("2")["until"], t(11));
    assert_eq!((&held("5")["until"], &held("5")["fence"]), (&json!(t(21)), &json!(2)));
    let after = held("7");
    assert_eq!(
        (&after["owner"], &after["fence"], &after["until"]),
        (&json!("cid"), &json!(7), &json!("2026-01-01T00:00:31.000000001Z"))
    );
    assert_eq!(log.rules(), rules(&[(3, "NotOverdue"), (5, "NotOverdue"), (8, "NotOwner")]));
    let task = &log.shows(&["task", "show", "dig"])["task"];
    assert_eq!((&task["round"], &task["phase"]["done"]["by"]), (&json!(2), &json!("cid")));
    // The last was recorded by a clock three seconds behind: the log's time stays.
    assert_eq!(log.shows(&["task", "board"])["time"], t(22));
    assert_eq!(task["phase"]["done"]["since"], t(22));
    let bob = &log.shows(&["reputation", "show", "bob"])["reputation"];
    assert_eq!((&bob["counts"], &bob["score"]), (&json!({"broken": 1}), &json!(0)));
}

#[test]
fn a_period_begins_at_its_first_moment_and_what_is_owed_to_others_is_kept_for_them() {
    let log = Replay::of("quota_window");
    let quota = |at: &str| log.shows(&["quota", "show", "api", "--at", at])["quota"].clone();
    let first = quota("4");
    assert_eq!((&first["period"], &first["taken"]), (&json!(0), &json!(10)));
    let short = json!({"at": 3, "by": "cid", "asked": 3, "available": 2, "kept_for_others": 0, "until": t(60)});
    assert_eq!(first["refused"], json!([short]));
    assert_eq!(
        first["warned"],
        json!([{"percent": 50, "at": 2}, {"percent": 75, "at": 2}, {"percent": 90, "at": 4}])
    );
    let second = quota("5");
    assert_eq!(
        (&second["period"], &second["taken"], &second["warned"]),
        (&json!(1), &json!(3), &json!([]))
    );
    // bob asked for 8 in the period before: of 10, 5 are his, and cid has 3 of her 5.
    let kept = json!({"at": 6, "by": "cid", "asked": 3, "available": 2, "kept_for_others": 5, "until": t(120)});
    assert_eq!(quota("6")["refused"], json!([short, kept]));
    let last = quota("11");
    assert_eq!(last["taken"], 6, "3 and 5, less 2 that came back");
    let reservations = json!({"7": {"by": "bob", "amount": 5, "since": t(61)}});
    assert_eq!(last["reservations"], reservations);
    assert_eq!(last["warned"], json!([{"percent": 50, "at": 7}, {"percent": 75, "at": 7}]));
    // 9 is of the period before, 10 is another's, 11 is more than there ever is.
    let expected = [(9, "NoReservation"), (10, "NoReservation"), (11, "TooMuch")];
    assert_eq!(log.rules(), rules(&expected));
}

#[test]
fn a_sealed_bid_that_is_not_revealed_in_time_is_void_however_good() {
    let log = Replay::of("sealed_bid");
    let task = &log.shows(&["task", "show", "pit"])["task"];
    let held = &task["phase"]["held"];
    assert_eq!(
        (&held["owner"], &held["fence"]),
        (&json!("bob"), &json!(11)),
        "though cid had bid less"
    );
    assert_eq!((&held["until"], &held["next"]), (&json!(t(121)), &json!([])));
    // 4 is open, 6 early, 8 copied, 9 closes too early, 10 is late.
    let expected = [(4, "Kind"), (6, "Open"), (8, "Commitment"), (9, "Open"), (10, "Over")];
    assert_eq!(log.rules(), rules(&expected));
}

#[test]
fn of_equal_ballots_none_has_won_and_the_call_says_whether_the_last_counts() {
    let log = Replay::of("vote_tie");
    let vote =
        |name: &str, at: &str| log.shows(&["vote", "show", name, "--at", at])["vote"].clone();
    let ship = vote("ship", "12");
    assert_eq!(ship["needed"], 3, "more than half of four");
    assert_eq!(ship["result"], json!({"state": "undecided", "counts": {"no": 2, "yes": 2}}));
    assert_eq!(ship["ballots"]["eve"]["at"], 11, "at the deadline itself it counts");
    // Both had said yes; but bob's last word was no.
    assert_eq!(
        vote("lunch", "8")["result"]["state"],
        "open",
        "the last counts: nothing is settled before the end"
    );
    let lunch = vote("lunch", "12");
    assert_eq!(lunch["result"], json!({"state": "undecided", "counts": {"no": 1, "yes": 1}}));
    assert_eq!(log.rules(), rules(&[(6, "Voted"), (10, "NotVoter"), (12, "Over")]));
}

#[test]
fn a_handoff_that_comes_back_is_open_to_all_and_old_fences_hold_nothing() {
    let log = Replay::of("handoff_returned");
    let phase = |name: &str, at: &str| {
        log.shows(&["handoff", "show", name, "--at", at])["handoff"]["phase"].clone()
    };
    assert_eq!(
        phase("parser", "3"),
        json!({"accepted": {"by": "bob", "fence": 3, "until": t(20)}})
    );
    assert_eq!(phase("parser", "4"), json!({"offered": {"only": null}}));
    assert_eq!(
        phase("parser", "7"),
        json!({"accepted": {"by": "cid", "fence": 6, "until": t(20)}})
    );
    assert_eq!(phase("parser", "8"), json!({"accepted": {"by": "dee", "fence": 8, "until": null}}));
    assert_eq!(phase("parser", "16"), json!({"passed-on": {"by": "dee", "to": "tests"}}));
    assert_eq!(phase("tests", "16"), json!({"completed": {"by": "eve", "at": 16, "result": 3}}));
    let expected = [
        (2, "OnlyFor"),
        (5, "NotAccepted"),
        (7, "Accepted"),
        (9, "Accepted"),
        (10, "Violation"),
        (12, "PassedOn"),
    ];
    assert_eq!(log.rules(), rules(&expected));
    // Answered by somebody who had nothing to do with it, after everybody had moved on.
    let parser = log.shows(&["handoff", "show", "parser"]);
    assert_eq!(parser["handoff"]["questions"][0]["answers"][0]["by"], "zoe");
    let report = log.shows(&["handoff", "report", "tests"]);
    let report = &report["report"];
    assert_eq!((&report["given"], &report["told"]), (&json!(2), &json!([2, 1])));
    assert_eq!(report["lost"], json!([{"reason": "recursive descent", "hop": 1}]));
}

#[test]
fn one_arbitrator_that_lies_decides_nothing_and_no_stake_is_lost_on_the_way() {
    let log = Replay::of("dispute_with_a_liar");
    for at in 3..=19 {
        let ledger = log.shows(&["contract", "ledger", "--at", &at.to_string()])["ledger"].clone();
        let amount = |name: &str| ledger[name].as_u64().unwrap();
        assert_eq!(amount("issued"), 200);
        assert_eq!(amount("free") + amount("locked") + amount("burned"), 200, "at {at}: {ledger}");
    }
    // ann locked 10 and the price, sam 20. With the second vote for sam ann's stake is his; then the price is paid, and his own comes back.
    let ledger = |at: &str| log.shows(&["contract", "ledger", "--at", at])["ledger"].clone();
    let (before, decided) = (ledger("15"), ledger("16"));
    assert_eq!(
        (&before["accounts"], &before["locked"]),
        (&json!({"ann": 60, "sam": 80}), &json!(60))
    );
    assert_eq!(
        (&decided["accounts"], &decided["locked"]),
        (&json!({"ann": 60, "sam": 90}), &json!(50))
    );
    let after = log.shows(&["contract", "ledger"])["ledger"].clone();
    assert_eq!(
        (&after["accounts"], &after["burned"]),
        (&json!({"ann": 60, "sam": 140}), &json!(0))
    );
    let contract = log.shows(&["contract", "show", "map"])["contract"].clone();
    assert_eq!(contract["phase"]["closed"]["ending"], "kept");
    assert_eq!((&contract["paid"], &contract["transferred"]), (&json!(30), &json!(10)));
    // 12 votes twice, 13 is a party, 14 settles what is contested, 17 contests it again.
    let expected = [(12, "Already"), (13, "NotEntitled"), (14, "Phase"), (17, "Arbitrated")];
    assert_eq!(log.rules(), rules(&expected));
    let counts =
        |who: &str| log.shows(&["reputation", "show", who])["reputation"]["counts"].clone();
    assert_eq!(counts("ann"), json!({"kept": 1, "disputed": 1}));
    assert_eq!(counts("sam"), json!({"kept": 1}));
}

#[test]
fn a_reputation_halves_in_thirty_days_evenly_in_between() {
    let log = Replay::of("reputation_fades");
    let score = |who: &str, at: &str| {
        log.shows(&["reputation", "show", who, "--at", at])["reputation"]["score"].clone()
    };
    // 4 points of 4 + 4; after 15 days 3 of 3 + 4; then 2, 1 and half a point.
    assert_eq!(score("bob", "24"), 500);
    assert_eq!(score("bob", "25"), 428);
    assert_eq!(score("bob", "26"), 333);
    assert_eq!(score("bob", "27"), 200);
    assert_eq!(score("bob", "28"), 111);
    // Twice good for the same agent: 1 + 1/2 of 1.5 + 4.
    assert_eq!(score("dan", "24"), 272);
    assert!(log.rules().is_empty());
}

#[test]
fn a_tick_counts_once_and_a_late_one_stands_for_all_that_were_missed() {
    let log = Replay::of("tick_twice");
    let schedule =
        |at: &str| log.shows(&["schedule", "show", "tidy", "--at", at])["schedule"].clone();
    assert_eq!(schedule("5")["ticks"], 1);
    let late = schedule("7");
    assert_eq!(
        (&late["ticks"], &late["done_until"], &late["next"]),
        (&json!(2), &json!(t(240)), &json!(t(300)))
    );
    let last = schedule("10");
    assert_eq!(last["last"], json!({"due": t(300), "at": 10, "by": "cid"}));
    assert_eq!((&last["ticks"], &last["next"]), (&json!(3), &json!(t(360))));
    // 2 is early, 4 and 5 come second, 6 names a moment that is none, 8 and 9 are dealt with.
    let expected =
        [(2, "NotDue"), (4, "Ticked"), (5, "Ticked"), (6, "NotDue"), (8, "Ticked"), (9, "Ticked")];
    assert_eq!(log.rules(), rules(&expected));
}

#[test]
fn what_a_stopped_agent_says_counts_for_nothing_but_to_people() {
    let log = Replay::of("stop_and_resume");
    let stopped = |by: &str, at: u64, agent: &str| json!({"agent": agent, "by": by, "at": at});
    let ignored = log.ignored();
    assert_eq!(ignored[1], (5, "Stopped".to_owned(), stopped("eve", 4, "bob")));
    assert_eq!(ignored[2], (9, "Stopped".to_owned(), stopped("eve", 8, "cid")));
    // 3: mal is no person. 14: the space goes on, bob does not.
    let expected = [(3, "NotPerson"), (5, "Stopped"), (9, "Stopped"), (14, "Stopped")];
    assert_eq!(log.rules(), rules(&expected));
    let halted = &log.shows(&["gate", "show", "--at", "11"])["gate"]["stops"];
    assert_eq!((&halted["space"]["at"], &halted["agents"]["bob"]["at"]), (&json!(8), &json!(4)));
    let stops = &log.shows(&["gate", "show"])["gate"]["stops"];
    assert_eq!(stops, &json!({"space": null, "agents": {}}));
    let question = &log.shows(&["gate", "show", "q"])["question"];
    assert_eq!(question["answer"], json!({"state": "told", "answer": "no"}));
    let cards = log.shows(&["task", "board"])["cards"].clone();
    let board: Vec<(&str, &str)> = cards
        .as_array()
        .unwrap()
        .iter()
        .map(|card| (card["task"].as_str().unwrap(), card["column"].as_str().unwrap()))
        .collect();
    assert_eq!(board, [("y", "free"), ("z", "free"), ("x", "done")], "root is above a stop");
}

#[tokio::test]
async fn imported_they_come_to_the_same_where_the_moment_of_recording_decides_nothing() {
    let lab = Lab::new().await;
    for name in ["delayed_claim", "stop_and_resume"] {
        let imported = lab.colony(&["import", "-", "--space", name]).stdin(lines(name).join("\n"));
        assert_eq!(imported.json()[0]["imported"], lines(name).len());
        let log = Replay::of(name);
        let told = lab.one(&["ignored", "--space", name]);
        assert_eq!(told["ignored"], log.shows(&["ignored"])["ignored"]);
        let columns = |shown: Value| -> Vec<Value> {
            let cards = shown["cards"].as_array().unwrap().clone();
            cards
                .iter()
                .map(|card| json!([card["task"], card["column"], card["agent"], card["fence"]]))
                .collect()
        };
        let board = lab.one(&["task", "board", "--space", name]);
        assert_eq!(columns(board), columns(log.shows(&["task", "board"])));
    }
}
