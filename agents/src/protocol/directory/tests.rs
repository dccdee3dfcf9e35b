//! What holds for the directory.

use colony_core::Position;
use serde_json::{Value, json};

use super::*;
use crate::protocol::coordination;
use crate::protocol::testing::{Told, agent, at, entity, given, t};
use crate::protocol::{Millis, Rejection as AnyRejection};

fn announced() -> Told {
    given()
        .says("root", "space.chartered", "space", json!({"administrators": ["root"]}))
        .says("bob", "agent.announced", "bob", json!({"skills": ["rust", "sql"], "capacity": 2}))
        .says("cid", "agent.announced", "cid", json!({"skills": ["rust"]}))
        .works()
}

fn with(told: &Told, skills: &[&str]) -> Vec<String> {
    let skills: Vec<_> = skills.iter().map(|skill| (*skill).to_owned()).collect();
    told.state.directory.with_skills(&skills).map(|(agent, _)| agent.to_string()).collect()
}

#[test]
fn agents_are_found_by_all_the_skills_they_announced() {
    let told = announced();
    assert_eq!(with(&told, &["rust"]), ["bob", "cid"]);
    assert_eq!(with(&told, &["rust", "sql"]), ["bob"]);
    assert_eq!(with(&told, &[]).len(), 2);
    let told = told.says("bob", "agent.announced", "bob", json!({"skills": ["go"]}));
    assert_eq!(with(&told, &["rust"]), ["cid"], "the last card counts");
}

#[test]
fn nobody_announces_or_retires_another() {
    let not = Rejection::NotOneself { author: agent("mal"), entity: entity("bob") };
    announced()
        .says("mal", "agent.announced", "bob", json!({}))
        .fails(not.clone())
        .says("mal", "agent.retired", "bob", json!({}))
        .fails(not)
        .says("mal", "agent.revoked", "bob", json!({}))
        .fails(Rejection::NotAdministrator { agent: agent("mal") });
}

#[test]
fn a_revoked_agent_is_heard_no_more_in_any_protocol() {
    let at = Position::new(5);
    let told = announced()
        .says("bob", "task.offered", "x", json!({"what": "x"}))
        .says("root", "agent.revoked", "bob", json!({"reason": "stolen key"}))
        .works();
    let revoked = coordination::Rejection::Revoked { agent: agent("bob"), at };
    let told = told
        .says("bob", "task.claimed", "x", json!({"until": t(60)}))
        .fails(revoked.clone())
        .says("bob", "agent.announced", "bob", json!({}))
        .fails(revoked.clone());
    let wants = told.wants::<Directory>("bob", Command::Retire { reason: String::new() });
    assert_eq!(wants, Err(AnyRejection::Directory(Rejection::NotListed { agent: agent("bob") })));
    assert!(with(&told, &["sql"]).is_empty());
}

#[test]
fn one_who_retires_may_come_back() {
    let told = announced().says("bob", "agent.retired", "bob", json!({})).works();
    assert!(with(&told, &["sql"]).is_empty());
    let told = told
        .says("bob", "agent.retired", "bob", json!({}))
        .fails(Rejection::NotListed { agent: agent("bob") })
        .says("bob", "agent.announced", "bob", json!({"skills": ["sql"]}))
        .works();
    assert_eq!(with(&told, &["sql"]), ["bob"]);
}

fn sight(seconds: i64, connected: bool) -> Sight {
    Sight {
        now: at(seconds),
        connected,
        unreachable_after: Millis::from_secs(5),
        gone_after: Millis::from_secs(60),
        quiet_after: Millis::from_secs(30),
    }
}

#[test]
fn presence_and_progress_are_told_apart_and_ones_own_blindness_from_both() {
    let told = announced().says("ann", "task.offered", "x", json!({"what": "x"})).says(
        "bob",
        "task.claimed",
        "x",
        json!({"until": t(500)}),
    );
    let is = |who: &str, heard: Option<i64>, sight: &Sight| {
        let status = Status::Working("x".to_owned());
        let presence = heard.map(|heard| Presence { status, heard: at(heard) });
        Liveness::of(&agent(who), &told.state, presence.as_ref(), sight)
    };
    let status = Status::Working("x".to_owned());
    assert_eq!(is("bob", Some(10), &sight(10, true)), Liveness::Alive(status.clone()));
    let quiet = Liveness::Quiet { status: status.clone(), since: at(0) };
    assert_eq!(is("bob", Some(31), &sight(31, true)), quiet);
    assert_eq!(is("cid", Some(31), &sight(31, true)), Liveness::Alive(status));
    assert_eq!(is("bob", Some(31), &sight(40, true)), Liveness::Unreachable { since: at(31) });
    assert_eq!(is("bob", Some(31), &sight(92, true)), Liveness::Gone);
    assert_eq!(is("bob", None, &sight(0, true)), Liveness::Gone);
    assert_eq!(is("bob", Some(31), &sight(92, false)), Liveness::Stale);
}

#[test]
fn a2a_cards_come_in_and_go_out_without_loss() {
    let a2a = json!({
        "name": "Map maker", "description": "Makes maps.", "version": "2.1",
        "supportedInterfaces": [{"url": "https://maps.example/a2a", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}],
        "provider": {"organization": "Maps", "url": "https://maps.example"},
        "capabilities": {"streaming": true},
        "defaultInputModes": ["text/plain"], "defaultOutputModes": ["image/png"],
        "skills": [{"id": "map", "name": "Draw a map", "description": "d", "tags": ["geo"], "examples": ["e"]}],
        "vendorField": [1, 2],
    });
    let card = Card::from_a2a(&a2a.to_string()).unwrap();
    assert_eq!(
        (card.skills.as_slice(), card.version.as_str()),
        (["map".to_owned()].as_slice(), "2.1")
    );
    assert_eq!(card.url.as_deref(), Some("https://maps.example/a2a"));
    let out: Value = serde_json::from_str(&card.to_a2a("maps").unwrap()).unwrap();
    assert_eq!(out, a2a);
    assert!(Card::from_a2a("[]").is_err());
}

#[test]
fn a_card_of_ours_has_what_a2a_requires() {
    let card = Card {
        skills: vec!["rust".into()],
        url: Some("https://x.example".into()),
        ..Card::default()
    };
    let out: Value = serde_json::from_str(&card.to_a2a("bob").unwrap()).unwrap();
    for field in [
        "name",
        "description",
        "version",
        "supportedInterfaces",
        "capabilities",
        "defaultInputModes",
        "defaultOutputModes",
        "skills",
    ] {
        assert!(out.get(field).is_some(), "{field}");
    }
    assert_eq!(out["skills"][0]["id"], "rust");
    assert_eq!(Card::from_a2a(&out.to_string()).unwrap().skills, card.skills);
}
