//! What the meter says, beside what can be computed by hand.

use std::io::Read as _;

use colony_core::{Cause, Data, Digest, Envelope, Event, Lane};
use serde_json::{Value, json};

use super::*;
use crate::protocol::Millis;
use crate::protocol::testing::{agent, at, given, t};
use colony_core::{Address, Entry, Kind, Position};

#[test]
fn work_and_coordination_are_counted_apart() {
    let told = given()
        .says("ann", "task.offered", "x", json!({"what": "x"}))
        .at(10)
        .says("bob", "task.claimed", "x", json!({"until": t(100)}))
        .says("cid", "task.claimed", "x", json!({"until": t(100)}))
        .says("bob", "paint.mixed", "x", json!({"colour": "red"}))
        .at(40)
        .says("bob", "task.done", "x", json!({"fence": 2}))
        .at(45)
        .says("ann", "task.verified", "x", json!({"delivery": 5}));
    let report = Meter::measure(Clock::Recorded, &told.entries);
    assert_eq!(report.amount(Purpose::Work).entries, 2);
    assert_eq!(report.amount(Purpose::Agreement).entries, 3);
    assert_eq!(report.amount(Purpose::Verification).entries, 1);
    assert_eq!(report.tax_per_mille(), 666);
    assert_eq!((report.tasks_done, report.task_time), (1, Millis::from_secs(30)));
    assert_eq!(report.rework.ignored, 1);
    assert_eq!(report.messages_per_task_milli(), 4_000);
    let wait = |kind, on: &str, secs| Wait {
        kind,
        on: Some(agent(on)),
        times: 1,
        millis: Millis::from_secs(secs),
    };
    assert_eq!(
        report.waits,
        [wait(WaitKind::Worker, "bob", 10), wait(WaitKind::Verdict, "ann", 5)]
    );
    assert_eq!((report.waited(), report.verification_per_mille()), (Millis::from_secs(15), 500));
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
}

#[test]
fn silence_blocks_and_rework_are_charged_to_whom_they_were_waited_on() {
    let told = given()
        .says("ann", "task.offered", "x", json!({"what": "x"}))
        .says("bob", "task.claimed", "x", json!({"until": t(10)}))
        .at(4)
        .says("bob", "task.blocked", "x", json!({"fence": 2, "on": {"agent": "dee"}}))
        .at(7)
        .says("bob", "task.progressed", "x", json!({"fence": 2}))
        .at(20)
        .says("cid", "task.lapsed", "x", json!({"fence": 2}))
        .says("cid", "task.claimed", "x", json!({"until": t(60)}))
        .at(30)
        .says("cid", "task.done", "x", json!({"fence": 6}))
        .says("ann", "task.rejected", "x", json!({"delivery": 7, "reason": "no"}));
    let report = Meter::measure(Clock::Recorded, &told.entries);
    let find = |kind| report.waits.iter().find(|wait| wait.kind == kind).unwrap();
    let silence = find(WaitKind::Silence);
    assert_eq!((silence.on.clone(), silence.millis), (Some(agent("bob")), Millis::from_secs(13)));
    let blocked = find(WaitKind::Blocked);
    assert_eq!((blocked.on.clone(), blocked.millis), (Some(agent("dee")), Millis::from_secs(3)));
    assert_eq!((report.rework.lapsed, report.rework.rejected), (1, 1));
    assert_eq!(report.rework.lost, Millis::from_secs(20), "bob held it for nothing");
    assert_eq!(report.tasks_done, 0);
}

#[test]
fn what_was_agreed_before_is_known_and_not_counted() {
    let told = given()
        .says("ann", "task.offered", "x", json!({"what": "x"}))
        .says("bob", "task.claimed", "x", json!({"until": t(100)}))
        .at(40)
        .says("bob", "task.done", "x", json!({"fence": 2}));
    let mut meter = Meter::new(Clock::Recorded);
    told.entries[..2].iter().for_each(|entry| meter.pass(entry));
    told.entries[2..].iter().for_each(|entry| meter.take(entry));
    let report = meter.report();
    assert_eq!((report.tasks_done, report.task_time), (1, Millis::from_secs(40)));
    assert_eq!((report.amount(Purpose::Agreement).entries, report.rework.ignored), (0, 0));
}

fn caused(position: u64, seconds: i64, who: &str, by: Option<(&str, u64)>) -> Entry {
    let mut entry =
        crate::protocol::testing::entry(position, at(seconds), who, "part.made", "p", &json!({}));
    entry.envelope.event.cause = by.map(|(author, position)| Cause {
        author: agent(author),
        id: format!("e{position}").parse().unwrap(),
        position: None,
    });
    entry
}

#[test]
fn the_critical_path_is_what_the_end_had_to_wait_for() {
    let log = [
        caused(1, 0, "ann", None),
        caused(2, 5, "bob", Some(("ann", 1))),
        caused(3, 9, "cid", Some(("ann", 1))),
        caused(4, 30, "bob", None),
        caused(5, 34, "ann", Some(("bob", 4))),
    ];
    let report = Meter::measure(Clock::Recorded, &log);
    let path: Vec<_> = report.critical_path.iter().map(|s| (s.position.get(), s.leg)).collect();
    assert_eq!(path, [(1, Leg::Start), (2, Leg::Handover), (4, Leg::Own), (5, Leg::Handover)]);
    assert_eq!(report.critical_time(), (Millis::from_secs(25), Millis::from_secs(9)));
    assert_eq!(report.channels, Channels { agents: 3, used: 2, possible: 3 });
}

#[test]
fn who_names_what_another_made_uses_a_channel_to_it() {
    let made = |position: u64, who: &str, parents: Value| {
        let data = json!({"parents": parents});
        crate::protocol::testing::entry(position, at(0), who, "commit.made", "c", &data)
    };
    let log = [
        made(1, "ann", json!([])),
        made(2, "bob", json!(["e1"])),
        made(3, "cid", json!(["e2", "e1"])),
        made(4, "cid", json!(["e3"])),
        made(5, "ann", json!(["e2", "nowhere"])),
    ];
    let report = Meter::measure(Clock::Recorded, &log);
    assert_eq!(report.channels, Channels { agents: 3, used: 3, possible: 3 }, "b-a, c-b, c-a");
}

#[test]
fn effects_report_the_tokens_of_models() {
    let mut entry = caused(1, 0, "ann", None);
    let usage = json!({"usage": {"input_tokens": 10, "output_tokens": 5}});
    entry.envelope.event.data = Data::json(&usage).unwrap();
    let lane = Lane { author: agent("ann"), name: "main".parse().unwrap() };
    entry.address = Address::Lane { lane, kind: Kind::Effect("ask".parse().unwrap()) };
    let report = Meter::measure(Clock::Recorded, [&entry]);
    assert_eq!(report.amount(Purpose::Work).tokens, 15);
}

#[test]
fn the_timeline_stays_small_and_loses_nothing() {
    let log: Vec<_> = (1..2_000).map(|n| caused(n, n as i64 * 60, "ann", None)).collect();
    let report = Meter::measure(Clock::Recorded, &log);
    assert!(report.timeline.len() <= 256, "{}", report.timeline.len());
    let sum: u64 = report.timeline.iter().flat_map(|span| span.entries.values()).sum();
    assert_eq!(sum, 1_999);
}

/// The commits of nats-server, as events whose authors' time is told.
fn commits() -> Vec<Entry> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/nats-server-commits.ndjson.gz");
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let entry = |(index, line): (usize, &str)| {
        let position = index as u64 + 1;
        let envelope: Envelope = colony_core::cloudevents::from_json(line).unwrap();
        let event: &Event = &envelope.event;
        let lane = Lane { author: event.author.clone(), name: "main".parse().unwrap() };
        let kind = Kind::Event { ty: event.ty.clone(), entity: event.entity.clone() };
        Entry {
            position: Position::new(position),
            recorded: at(0),
            address: Address::Lane { lane, kind },
            digest: Digest::of(line.as_bytes()),
            signature: None,
            envelope,
        }
    };
    text.lines().enumerate().map(entry).collect()
}

#[test]
fn it_says_of_real_commits_what_can_be_counted_by_hand() {
    let log = commits();
    let report = Meter::measure(Clock::Told, &log);
    assert_eq!(report.amount(Purpose::Work).entries, 8_320);
    assert_eq!(
        report.tax_per_mille(),
        0,
        "a log of commits holds no coordination, only its traces"
    );
    assert_eq!(report.channels.agents, 257);
    // By hand: pairs of authors of whom one built on what the other had made before.
    let mut made_by = std::collections::BTreeMap::new();
    let mut pairs = std::collections::BTreeSet::new();
    for entry in &log {
        let event = entry.event();
        let data: serde_json::Value = event.data.to_value().unwrap();
        for parent in data["parents"].as_array().unwrap() {
            let other: Option<&colony_core::AgentName> = made_by.get(parent.as_str().unwrap());
            if let Some(other) = other.filter(|other| **other != event.author) {
                pairs.insert((other.min(&event.author).clone(), other.max(&event.author).clone()));
            }
        }
        made_by.insert(event.id.as_str().to_owned(), event.author.clone());
    }
    assert_eq!(report.channels.used, pairs.len() as u64);
    assert!(pairs.len() > 100, "{}", pairs.len());
    // By hand: for each file, count the commits by another author than the one before.
    let mut last = std::collections::BTreeMap::new();
    let mut passages = std::collections::BTreeMap::new();
    let (mut handovers, mut touches) = (0, 0);
    for entry in &log {
        let data: serde_json::Value = entry.event().data.to_value().unwrap();
        for file in data["files"].as_array().unwrap() {
            let path = file["path"].as_str().unwrap().to_owned();
            let author = entry.event().author.clone();
            if let Some(before) = last.insert(path, author.clone()) {
                touches += 1;
                handovers += u64::from(before != author);
                if before != author {
                    *passages.entry((before, author)).or_insert(0) += 1;
                }
            }
        }
    }
    assert_eq!((report.handovers.times, report.handovers.touches), (handovers, touches));
    let matrix = report.handovers.matrix.iter();
    let matrix: std::collections::BTreeMap<_, u64> =
        matrix.map(|p| ((p.from.clone(), p.to.clone()), p.times)).collect();
    assert_eq!(matrix, passages);
    // By hand, in another language: from the last commit back, to the latest known parent, or to the author's own before;
    // where authors' clocks contradict each other, no time passes.
    let (own, waited) = report.critical_time();
    assert_eq!((report.critical_path.len(), waited), (122, Millis::from_secs(2_143_962)));
    let agents = report.critical_agents();
    let sum = |of: fn(&OnPath) -> Millis| agents.values().map(|on_path| of(on_path).get()).sum();
    let sums: (u64, u64) = (sum(|on_path| on_path.own), sum(|on_path| on_path.waited));
    assert_eq!(sums, (own.get(), waited.get()));
    let (first, last) = (report.first.unwrap(), report.last.unwrap());
    assert!(own.get() + waited.get() <= Millis::between(first, last).get());
}
