//! What holds for all protocols together: logs in which anybody says anything, about the same few names, while clocks jump.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::coordination::types;
use super::testing::{given, laws_hold, t};

const AUTHORS: [&str; 6] = ["root", "ann", "bob", "cid", "dee", "mal"];
/// Names of agents are names of entities, too: whatever two protocols call alike is told apart by the type alone.
const ENTITIES: [&str; 5] = ["ann", "bob", "mal", "x", "y"];

/// One thing that is said.
#[derive(Debug, Clone, Copy)]
struct Said {
    who: u8,
    what: u8,
    about: u8,
    back: u8,
    more: u8,
    /// By how much the clock moves, in seconds; also back.
    pause: i8,
}

fn said() -> impl Strategy<Value = Said> {
    any::<(u8, u8, u8, u8, u8, i8)>().prop_map(|(who, what, about, back, more, pause)| Said {
        who,
        what,
        about,
        back,
        more,
        pause,
    })
}

/// All fields that any payload has: what a type does not know, its reader passes over.
fn anything(ty: &str, now: i64, fence: u64, more: u8) -> Value {
    let some = |of: &[&str]| of[usize::from(more) % of.len()].to_owned();
    let resources = json!([{"name": "slot", "from": t(i64::from(more % 8)), "until": t(i64::from(more % 8) + 3)}]);
    let mut data = json!({
        "what": "x",
        "claim_ms": u64::from(more) * 100 + 1,
        "until": t(now + i64::from(more % 16) - 2),
        "fence": fence,
        "reason": "",
        "result": more,
        "delivery": fence,
        "price": more,
        "finish": t(now + 9),
        "nonce": "sixteen letters long",
        "skills": ["dig"],
        "question": "?",
        "answer": "!",
        "amount": u64::from(more % 12),
        "period_ms": 10_000,
        "reservation": fence,
        "used": more % 3,
        "cron": "*/5 * * * * *",
        "due": t(now - now % 5),
        "handoff": some(&["x", "y"]),
        "voters": {"ann": null, "bob": null, "cid": null},
        "choice": some(&["yes", "no"]),
        "resources": resources,
        "affects": ["dee"],
        "class": some(&["mergeable"]),
        "points": more,
        "deed": fence,
        "to": some(&["ann", "bob"]),
        "administrators": ["root"],
        "people": ["root", "dee"],
        "agent": some(&["mal", "cid"]),
        "scope": "spend",
        "milestone": more % 2,
        "submission": fence,
        "dispute": fence,
        "right": some(&["customer", "supplier", "neither"]),
        "claim": "",
    });
    let fields = data.as_object_mut().unwrap();
    match (ty, more % 3) {
        ("task.offered", 0) => fields.insert("mode".into(), json!({"bid": {"until": t(now + 5)}})),
        ("task.offered", 1) => fields.insert("mode".into(), json!({"assigned": {"to": "bob"}})),
        ("task.offered", _) => fields.insert("skills".into(), json!([])),
        ("task.blocked", _) => fields.insert("on".into(), json!({"reason": "rain"})),
        ("task.claimed", _) => fields.insert("until".into(), json!(t(now + i64::from(more)))),
        ("action.taken", 0) => {
            fields.insert("class".into(), json!({"compensable": {"how": "cancel"}}))
        }
        ("action.taken", 1) => {
            fields.insert("class".into(), json!({"irreversible": {"fence": fence}}))
        }
        ("space.chartered", _) => {
            fields.insert("levels".into(), json!({"vote.called": u32::from(more % 2) * 200}))
        }
        // A stop of everybody would leave nothing to see.
        ("handoff.offered", 0) => fields.insert("continues".into(), json!("x")),
        ("handoff.offered", _) => fields.remove("to"),
        _ => None,
    };
    data
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_anybody_says_every_reader_agrees_wherever_it_starts(
        said in prop::collection::vec(said(), 1..120),
        cuts in prop::collection::vec(0_usize..125, 3),
    ) {
        let types: Vec<&str> = types().collect();
        let mut told = given()
            .says("root", "space.chartered", "space", json!({"administrators": ["root"]}))
            .says("root", "stake.issued", "i", json!({"to": "ann", "amount": 100}))
            .says("bob", "agent.announced", "bob", json!({"skills": ["dig"]}));
        let mut now: i64 = 10;
        for Said { who, what, about, back, more, pause } in said {
            now = (now + i64::from(pause % 16)).max(0);
            told = told.at(now);
            let who = AUTHORS[usize::from(who) % AUTHORS.len()];
            let ty = types[usize::from(what) % types.len()];
            let length = told.entries.len() as u64;
            let fence = length.saturating_sub(u64::from(back % 6));
            let about = match ty {
                "space.chartered" => "space",
                // Mostly about oneself: about others it is always ignored.
                "agent.announced" | "agent.retired" if more % 4 > 0 => who,
                _ => ENTITIES[usize::from(about) % ENTITIES.len()],
            };
            told.say(who, ty, about, &anything(ty, now, fence, more));
        }
        for cut in cuts {
            laws_hold(&told.entries, cut);
        }
    }
}

#[test]
fn the_generator_reaches_every_protocol() {
    // Each type is read, so what stands against it is a rule and not a payload without a field.
    for ty in types() {
        for more in 0..12 {
            let read = given().at(10).says("ann", ty, "x", anything(ty, 10, 1, more)).last;
            let text = format!("{read:?}");
            let contracts = ["contract.proposed", "contract.signed", "milestone.submitted"];
            assert!(contracts.contains(&ty) || !text.contains("Malformed"), "{ty}: {text}");
        }
    }
}
