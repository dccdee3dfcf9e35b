//! A contract between ann, who asks and pays, and sam, who supplies; a1 to a3 arbitrate. Each of the two begins with 100.

use std::time::Duration;

use colony_agents::protocol::Signature;
use colony_agents::protocol::contract::{Command, Contracts, Ending, Figures, Phase, terms_digest};
use colony_core::signature::Signer;
use serde_json::{Value, json};

use crate::player::Player;
use crate::stage::Stage;
use crate::view::{View, agent, entity};

/// Makes a key of a number.
pub(crate) fn signer(number: u8) -> Signer {
    let pair = nkeys::KeyPair::new_from_raw(nkeys::KeyPairType::User, [number; 32]);
    Signer::from_seed(&pair.unwrap().seed().unwrap()).unwrap()
}

/// Signs terms as an agent with this key would.
pub(crate) fn sign(key: u8, contract: &str, terms: &Value) -> Value {
    let digest = terms_digest(&entity(contract), &terms.to_string()).unwrap();
    json!(Signature::make(&signer(key), &digest).unwrap())
}

/// Returns the terms: ann stakes 10, sam 20; two milestones pay 30 and 50, and are due at these times from now.
pub(crate) fn terms(stage: &Stage, due: [Duration; 2], more: Value) -> Value {
    let ahead = |due: Duration| stage.ahead(i64::try_from(due.as_millis()).unwrap());
    let mut terms = json!({
        "customer": {"agent": "ann", "key": signer(1).public(), "stake": 10},
        "supplier": {"agent": "sam", "key": signer(2).public(), "stake": 20},
        "deliverable": {"what": "a map"},
        "milestones": [
            {"name": "draft", "pays": 30, "due": ahead(due[0])},
            {"name": "final", "pays": 50, "due": ahead(due[1])},
        ],
        "start_by": stage.ahead(3_600_000),
        "verification": "full",
        "judge_ms": 3_600_000,
        "dispute_ms": 3_600_000,
        "arbitrators": ["a1", "a2", "a3"],
    });
    terms.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    terms
}

/// Proposes, signs, and locks all stakes.
pub(crate) async fn begin(stage: &Stage, ann: &Player, sam: &Player, terms: &Value) {
    let root = stage.join("root").await;
    root.say("space.chartered", "space", json!({"administrators": ["root"]})).await;
    root.say("stake.issued", "i1", json!({"to": "ann", "amount": 100})).await;
    root.say("stake.issued", "i2", json!({"to": "sam", "amount": 100})).await;
    let proposal = json!({"terms": terms, "signature": sign(1, "map", terms)});
    ann.say("contract.proposed", "map", proposal).await;
    sam.say("contract.signed", "map", json!({"signature": sign(2, "map", terms)})).await;
    ann.tries::<Contracts>(Command::Lock(entity("map"))).await.unwrap();
    sam.tries::<Contracts>(Command::Lock(entity("map"))).await.unwrap();
}

/// Returns what ann and sam have.
pub(crate) fn balances(view: &View) -> (u64, u64) {
    let ledger = view.space.contracts.ledger();
    (ledger.balance(&agent("ann")), ledger.balance(&agent("sam")))
}

/// Returns how the contract ended, and what became of what was locked.
pub(crate) fn ending(view: &View) -> (Ending, Figures) {
    match &view.space.contracts.get(&entity("map")).unwrap().phase {
        Phase::Closed(settlement) => (settlement.ending, settlement.figures),
        other => panic!("it is not over: {other:?}"),
    }
}

/// Requires that at every position what was issued is somewhere.
pub(crate) fn totals_are_conserved(view: &View) {
    let mut space = colony_agents::protocol::CoordinationState::default();
    for entry in &view.entries {
        space.evolve(entry);
        let totals = space.contracts.ledger().totals();
        assert_eq!(totals.issued, totals.free + totals.locked + totals.burned);
    }
    assert_eq!(space.contracts.ledger().totals().issued, 200);
}
