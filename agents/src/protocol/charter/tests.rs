//! What holds for charters.

use colony_core::Position;
use serde_json::json;

use super::*;
use crate::protocol::coordination;
use crate::protocol::testing::{agent, given, t};

#[test]
fn the_first_charter_holds_and_only_its_administrators_write_the_next() {
    let stands = Rejection::NotAdministrator { agent: agent("mal"), at: Position::new(1) };
    let told = given()
        .says("root", "space.chartered", "space", json!({"administrators": ["root"]}))
        .works()
        .says("mal", "space.chartered", "space", json!({"administrators": ["mal"]}))
        .fails(stands)
        .says("root", "space.chartered", "space", json!({"administrators": ["root", "eve"]}))
        .works();
    assert!(told.state.charter.is_administrator(&agent("eve")));
}

#[test]
fn a_charter_without_administrators_is_ignored() {
    given()
        .says("root", "space.chartered", "space", json!({"administrators": []}))
        .fails(Rejection::NoAdministrator);
}

#[test]
fn levels_gate_what_an_agent_may_do() {
    let levels = json!({"administrators": ["root"], "levels": {"task.claimed": 200}});
    let told = given()
        .says("root", "space.chartered", "space", levels)
        .says("ann", "task.offered", "x", json!({"what": "x"}))
        .says("bob", "task.claimed", "x", json!({"until": t(60)}))
        .fails(coordination::Rejection::Level {
            agent: agent("bob"),
            ty: "task.claimed".parse().unwrap(),
            needed: 200,
            actual: 0,
        });
    told.says("root", "task.claimed", "x", json!({"until": t(60)})).works();
}
