//! What holds for all protocols together: logs in which anybody says anything, about the same few names, while clocks jump.

use std::collections::BTreeSet;

use colony_core::{AgentName, EntityName, Position};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::bidding::{Commitment, Offering};
use super::coordination::types;
use super::task::Phase;
use super::testing::{Told, agent, at, entity, given, laws_hold, signer, stands, t};
use super::{Outcome, Rejection, Signature, compensation, contract, handoff};

const AUTHORS: [&str; 6] = ["root", "ann", "bob", "cid", "dee", "mal"];
/// Names of agents are names of entities, too: whatever two protocols call alike is told apart by the type alone.
const ENTITIES: [&str; 5] = ["ann", "bob", "mal", "x", "y"];

const NONCE: &str = "sixteen letters long";

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

/// What is said of most of the time: the types of one protocol, so that its stories go on for long enough to get somewhere.
const THEMES: [&[&str]; 10] = [
    &["task"],
    &["handoff", "clarification"],
    &["quota"],
    &["schedule"],
    &["vote"],
    &["action"],
    &["contract", "stake", "milestone", "dispute"],
    &["reputation", "task"],
    &["gate"],
    &["agent", "space"],
];

/// Who would say this rightly, and under which position, if anybody could.
fn rightly(told: &Told, ty: &str, about: &EntityName) -> Option<(String, Option<u64>)> {
    let state = &told.state;
    let by =
        |agent: &AgentName, at: Option<Position>| Some((agent.to_string(), at.map(Position::get)));
    match ty.split('.').next().unwrap() {
        "task" => {
            let task = state.tasks.get(about)?;
            match (&task.phase, ty) {
                (Phase::Held(hold), _) => by(&hold.owner, Some(hold.fence)),
                (Phase::Bidding(auction), "task.bid_revealed") => {
                    by(auction.bids().next()?.0, None)
                }
                (Phase::Done(delivery), _) => by(&task.offer.by, Some(delivery.at)),
                (Phase::Free { .. } | Phase::Unawarded { .. }, "task.offered") => {
                    by(&task.offer.by, None)
                }
                _ => None,
            }
        }
        "quota" => {
            let quota = state.quotas.get(about)?;
            let (at, held) = quota.reservations.first_key_value()?;
            (ty == "quota.returned").then(|| by(&held.by, Some(*at)))?
        }
        "handoff" => match &state.handoffs.get(about)?.phase {
            handoff::Phase::Accepted { by: who, fence, .. } => by(who, Some(*fence)),
            handoff::Phase::Offered { only } => by(only.as_ref()?, None),
            handoff::Phase::PassedOn { .. } | handoff::Phase::Completed { .. } => None,
        },
        "action" => {
            let action = state.actions.get(about)?;
            let at = match action.phase {
                compensation::Phase::Intended { at, .. } => Some(at),
                _ => None,
            };
            by(&action.by, at)
        }
        "contract" | "stake" | "milestone" | "dispute" => {
            let contract = state.contracts.get(about)?;
            let disputed = match &contract.phase {
                contract::Phase::Disputed(dispute) => Some(dispute.at),
                _ => None,
            };
            let delivered =
                contract.work.iter().find_map(|work| Some(work.submission.as_ref()?.at));
            let unlocked =
                if contract.locked.contains(&contract::Side::Customer) { "bob" } else { "ann" };
            let unsigned =
                if contract.signed.contains(&contract::Side::Customer) { "bob" } else { "ann" };
            let (who, at) = match ty {
                "stake.issued" => ("root", None),
                "stake.locked" => (unlocked, None),
                "contract.signed" => (unsigned, None),
                "milestone.submitted" => ("bob", None),
                "milestone.verified" | "milestone.failed" => ("ann", delivered),
                "dispute.opened" => {
                    (if told.entries.len().is_multiple_of(2) { "ann" } else { "bob" }, None)
                }
                "dispute.voted" => (["cid", "dee", "root"][told.entries.len() % 3], disputed),
                _ => ("cid", disputed),
            };
            Some((who.to_owned(), at.map(Position::get)))
        }
        "reputation" => {
            let agent: AgentName = about.as_str().parse().ok()?;
            let deed = state.reputation.get(&agent)?.recent.back().map(|deed| deed.at.get());
            (ty == "reputation.reversed").then(|| ("root".to_owned(), deed))
        }
        "gate" => match (state.gate.question(about), ty) {
            (Some(question), "gate.cancelled") => by(&question.by, None),
            (_, "gate.asked" | "gate.cancelled") => None,
            _ => Some(("dee".to_owned(), None)),
        },
        "schedule" => by(&state.schedules.get(about)?.by, None),
        "space" => Some(("root".to_owned(), None)),
        "agent" => (ty == "agent.revoked").then(|| ("root".to_owned(), None)),
        _ => None,
    }
}

/// What is signed: a contract between ann and bob, or whatever was proposed under this name.
fn signed(told: &Told, about: &EntityName, who: &str, terms: &Value) -> Value {
    let digest = match told.state.contracts.get(about) {
        Some(contract) => contract.digest,
        None => contract::terms_digest(about, &terms.to_string()).unwrap(),
    };
    json!(Signature::make(&signer(if who == "ann" { 1 } else { 2 }), &digest).unwrap())
}

fn is_sealed(told: &Told, about: &EntityName) -> bool {
    let task = told.state.tasks.get(about);
    task.is_some_and(|task| match &task.phase {
        Phase::Bidding(auction) => auction.terms().sealed_until.is_some(),
        _ => false,
    })
}

/// What an agent commits to where bids are sealed: always the same.
fn sealed(task: &EntityName, who: &str) -> colony_core::Digest {
    let (bidder, offering) = (agent(who), Offering { price: 7, finish: at(1_000) });
    Commitment { task, bidder: &bidder, offering: &offering, nonce: NONCE }.digest()
}

fn terms(now: i64, more: u8) -> Value {
    let stakes = u64::from(more % 3);
    let verification = [
        json!("trust"),
        json!("full"),
        json!("full"),
        json!({"peer": {"verifiers": ["ann", "cid"], "quorum": 1}}),
    ];
    json!({
        "customer": {"agent": "ann", "key": signer(1).public(), "stake": stakes},
        "supplier": {"agent": "bob", "key": signer(2).public(), "stake": stakes},
        "deliverable": {"what": "x"},
        "milestones": [
            {"name": "one", "pays": stakes, "due": t(now + 60)},
            {"name": "two", "pays": 0, "due": t(now + 90)},
        ],
        "start_by": t(now + 40),
        "verification": verification[usize::from(more / 3 % 4)],
        "judge_ms": 10_000,
        "dispute_ms": 5_000,
        "arbitrators": ["cid", "dee", "root"],
        "escalation": "dee",
    })
}

/// All fields that any payload has: what a type does not know, its reader passes over.
fn anything(
    told: &Told,
    who: &str,
    ty: &str,
    about: &str,
    now: i64,
    fence: u64,
    more: u8,
) -> Value {
    let about = entity(about);
    let terms = terms(now, more);
    let signature = match ty {
        "contract.proposed" | "contract.signed" => signed(told, &about, who, &terms),
        _ => json!(null),
    };
    let contract = told.state.contracts.get(&about);
    let stake = contract.map_or(1, |c| match who {
        "ann" => c.terms.customer.stake + c.terms.price().unwrap(),
        _ => c.terms.supplier.stake,
    });
    let delivered = contract.and_then(|c| c.work.iter().position(|work| work.submission.is_some()));
    let milestone = match ty {
        "milestone.submitted" => usize::from(more % 2),
        _ => delivered.unwrap_or(usize::from(more % 2)),
    };
    let owed = told.state.actions.get(&about).and_then(|action| match &action.phase {
        compensation::Phase::Owing { to, .. } => Some(to.clone()),
        _ => None,
    });
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
        "nonce": NONCE,
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
    });
    let more_fields = json!({
        "choice": some(&["yes", "no"]),
        "resources": resources,
        "affects": ["dee"],
        "class": some(&["mergeable"]),
        "points": more % 4,
        "deed": fence,
        "to": some(&["ann", "bob"]),
        "administrators": ["root"],
        "people": ["root", "dee"],
        "agent": some(&["mal", "cid"]),
        "scope": "spend",
        "total": 20,
        "times": 3,
        "counts": some(&["first", "last"]),
        "milestone": milestone,
        "submission": fence,
        "dispute": fence,
        "right": some(&["customer", "supplier", "neither"]),
        "claim": "",
        "terms": terms,
        "gave_way_to": owed,
    });
    let fields = data.as_object_mut().unwrap();
    fields.extend(more_fields.as_object().unwrap().clone());
    match (ty, more % 3) {
        ("task.offered", 0) => {
            let sealed = (!more.is_multiple_of(2)).then(|| t(now + 25));
            let terms = json!({"until": t(now + 5), "sealed_until": sealed});
            fields.insert("mode".into(), json!({"bid": terms}))
        }
        ("task.bid", _) if is_sealed(told, &about) => {
            fields.remove("price");
            fields.remove("finish");
            fields.insert("commitment".into(), json!(sealed(&about, who)))
        }
        ("task.bid_revealed", _) => {
            fields.insert("finish".into(), json!(t(1_000)));
            fields.insert("price".into(), json!(7))
        }
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
        ("contract.proposed" | "contract.signed", _) => {
            fields.insert("signature".into(), signature)
        }
        ("milestone.submitted", _) => {
            let hash = colony_core::Digest::of(more.to_string().as_bytes());
            fields.insert("hash".into(), json!(hash))
        }
        ("stake.locked", _) => fields.insert("amount".into(), json!(stake)),
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

/// Tells a log in which anybody says anything, most of it about one protocol.
fn story(said: Vec<Said>, theme: u8) -> Told {
    let types: Vec<&str> = types().collect();
    let theme = THEMES[usize::from(theme) % THEMES.len()];
    let of_theme: Vec<&str> =
        types.iter().filter(|ty| theme.contains(&ty.split('.').next().unwrap())).copied().collect();
    let mut told = given()
        .says(
            "root",
            "space.chartered",
            "space",
            json!({"administrators": ["root"], "people": ["root", "dee"]}),
        )
        .says("root", "stake.issued", "i", json!({"to": "ann", "amount": 100}))
        .says("root", "stake.issued", "i", json!({"to": "bob", "amount": 100}))
        .says("bob", "agent.announced", "bob", json!({"skills": ["dig"]}));
    let mut now: i64 = 10;
    for Said { who, what, about, back, more, pause } in said {
        now = (now + i64::from(pause % 16)).max(0);
        told = told.at(now);
        let from = if what % 4 > 0 { &of_theme } else { &types };
        let ty = from[usize::from(what / 4) % from.len()];
        let mut who = AUTHORS[usize::from(who) % AUTHORS.len()].to_owned();
        let length = told.entries.len() as u64;
        let mut fence = length.saturating_sub(u64::from(back % 6));
        let last_question = told.state.gate.questions().last();
        let about = match ty {
            "space.chartered" => "space".to_owned(),
            // Whoever is shut out says nothing more that counts.
            "agent.revoked" => "mal".to_owned(),
            // A question is asked once.
            "gate.asked" => format!("q{length}"),
            "gate.answered" | "gate.cancelled" if last_question.is_some() && more % 4 > 0 => {
                last_question.unwrap().0.to_string()
            }
            // Mostly about oneself: about others it is always ignored.
            "agent.announced" | "agent.retired" if more % 4 > 0 => who.clone(),
            _ if about % 3 > 0 => ["bob", "x"][usize::from(about % 2)].to_owned(),
            _ => ENTITIES[usize::from(about) % ENTITIES.len()].to_owned(),
        };
        // Most of the time it is said by who may, of what stands.
        if back % 8 < 6
            && let Some((right, at)) = rightly(&told, ty, &entity(&about))
        {
            who = right;
            fence = at.unwrap_or(fence);
        }
        let data = anything(&told, &who, ty, &about, now, fence, more);
        told.say(&who, ty, &about, &data);
    }
    told
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn whatever_anybody_says_every_reader_agrees_wherever_it_starts(
        said in prop::collection::vec(said(), 1..120),
        theme in any::<u8>(),
        cuts in prop::collection::vec(0_usize..125, 3),
    ) {
        let told = story(said, theme);
        for cut in cuts {
            laws_hold(&told.entries, cut);
        }
    }
}

#[test]
fn long_stories_have_effects_of_every_type_by_the_rules_and_break_the_rules_of_every_type() {
    let mut runner = TestRunner::deterministic();
    let (mut applied, mut broken) = (BTreeSet::new(), BTreeSet::new());
    let mut malformed = 0;
    for theme in 0..THEMES.len() as u8 {
        for _ in 0..24 {
            let said = prop::collection::vec(said(), 300).new_tree(&mut runner).unwrap().current();
            let mut state = crate::protocol::CoordinationState::default();
            for entry in &story(said, theme).entries {
                let ty = entry.event().ty.to_string();
                let before = state.clone();
                match state.evolve(entry) {
                    Outcome::Applied => {
                        stands(&before, entry, &state);
                        applied.insert(ty);
                    }
                    Outcome::Ignored(Rejection::Malformed(_)) => malformed += 1,
                    Outcome::Ignored(_) => drop(broken.insert(ty)),
                    Outcome::Unrelated => panic!("{ty}"),
                }
            }
        }
    }
    let never = |seen: &BTreeSet<String>| -> Vec<&str> {
        types().filter(|ty| !seen.contains(*ty)).collect()
    };
    assert_eq!(never(&applied), [""; 0], "these never had an effect");
    assert_eq!(never(&broken), [""; 0], "these never broke a rule");
    assert!(malformed < 1_000, "{malformed} could not be read");
}
