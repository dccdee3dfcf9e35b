//! What holds for contracts.

use colony_core::{Digest, Position};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::protocol::reputation::DeedKind;
use crate::protocol::testing::{Told, agent, at, entity, given, laws_hold, signer, t};
use crate::protocol::{Json, Signature, canonical};

/// ann asks, sam supplies, a1 to a3 arbitrate. ann stakes 10, sam 20; two milestones pay 30 and 50.
fn terms(more: &Value) -> Value {
    let mut terms = json!({
        "customer": {"agent": "ann", "key": signer(1).public(), "stake": 10},
        "supplier": {"agent": "sam", "key": signer(2).public(), "stake": 20},
        "deliverable": {"what": "a map"},
        "milestones": [
            {"name": "draft", "pays": 30, "due": t(100)},
            {"name": "final", "pays": 50, "due": t(200)},
        ],
        "start_by": t(50),
        "verification": "full",
        "judge_ms": 20_000,
        "dispute_ms": 30_000,
        "arbitrators": ["a1", "a2", "a3"],
        "escalation": "eve",
    });
    terms.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    terms
}

fn sign(number: u8, terms: &Value) -> Value {
    let digest = terms_digest(&entity("map"), &terms.to_string()).unwrap();
    json!(Signature::make(&signer(number), &digest).unwrap())
}

/// Issued 100 to ann and to sam; proposed by ann, signed by both, nothing locked. Six entries.
fn signed(more: Value) -> Told {
    let terms = terms(&more);
    given()
        .says("root", "space.chartered", "space", json!({"administrators": ["root"]}))
        .says("root", "stake.issued", "i1", json!({"to": "ann", "amount": 100}))
        .says("root", "stake.issued", "i2", json!({"to": "sam", "amount": 100}))
        .says(
            "ann",
            "contract.proposed",
            "map",
            json!({"terms": terms, "signature": sign(1, &terms)}),
        )
        .works()
        .says("sam", "contract.signed", "map", json!({"signature": sign(2, &terms)}))
        .works()
}

/// And all stakes locked: work can begin.
pub(super) fn active(more: Value) -> Told {
    signed(more)
        .does::<Contracts>("ann", Command::Lock(entity("map")))
        .does::<Contracts>("sam", Command::Lock(entity("map")))
}

fn submission(milestone: u32) -> Value {
    json!({"milestone": milestone, "hash": Digest::of(b"work"), "evidence": ["https://example.com"]})
}

fn submitted(told: Told, milestone: u32) -> Told {
    told.says("sam", "milestone.submitted", "map", submission(milestone)).works()
}

fn verified(told: Told, milestone: u32) -> Told {
    let (contract, checked) = (entity("map"), None);
    told.does::<Contracts>("ann", Command::Verify { contract, milestone, checked })
}

fn failed(told: Told, milestone: u32) -> Told {
    let (contract, reason) = (entity("map"), "empty".to_owned());
    told.does::<Contracts>("ann", Command::Fail { contract, milestone, reason })
}

fn disputed(told: Told, by: &str, milestone: u32) -> Told {
    let (contract, claim) = (entity("map"), "it is fine".to_owned());
    told.does::<Contracts>(by, Command::Dispute { contract, milestone, claim })
}

fn finds(told: Told, arbitrator: &str, right: SideFound) -> Told {
    let (contract, reason) = (entity("map"), String::new());
    told.does::<Contracts>(arbitrator, Command::Arbitrate { contract, right, reason })
}

fn contract(told: &Told) -> Contract {
    told.state.contracts.get(&entity("map")).unwrap().clone()
}

fn ending(told: &Told) -> Option<(Ending, Figures)> {
    match contract(told).phase {
        Phase::Closed(settlement) => Some((settlement.ending, settlement.figures)),
        Phase::Proposed | Phase::Active | Phase::Disputed(_) => None,
    }
}

fn balances(told: &Told) -> (u64, u64) {
    let ledger = told.state.contracts.ledger();
    (ledger.balance(&agent("ann")), ledger.balance(&agent("sam")))
}

fn count(told: &Told, who: &str, kind: DeedKind) -> u64 {
    let record = told.state.reputation.get(&agent(who));
    record.and_then(|record| record.counts.get(&kind).copied()).unwrap_or(0)
}

#[test]
fn trust_costs_two_events_more_than_no_contract() {
    let party = |name: &str, number: u8| json!({"agent": name, "key": signer(number).public()});
    let terms = json!({
        "customer": party("ann", 1), "supplier": party("sam", 2),
        "deliverable": {"what": "a map"}, "milestones": [{"name": "map", "due": t(100)}],
        "start_by": t(50),
    });
    let told = given()
        .says(
            "ann",
            "contract.proposed",
            "map",
            json!({"terms": terms, "signature": sign(1, &terms)}),
        )
        .says("sam", "contract.signed", "map", json!({"signature": sign(2, &terms)}))
        .says("sam", "milestone.submitted", "map", submission(0))
        .works();
    assert_eq!(ending(&told), Some((Ending::Kept, Figures::default())));
    assert_eq!((count(&told, "ann", DeedKind::Kept), count(&told, "sam", DeedKind::Kept)), (1, 1));
}

#[test]
fn a_contract_that_is_kept_pays_and_returns_all_stakes() {
    let told = active(json!({}));
    assert_eq!(balances(&told), (10, 80));
    let told = verified(submitted(told, 0), 0);
    let told = told.says("sam", "milestone.paid", "map", json!({"milestone": 0})).works();
    assert_eq!(balances(&told), (10, 110));
    let told = verified(submitted(told, 1), 1);
    let early = Rejection::TooEarly { after: at(20), now: at(0) };
    let told = told.says("sam", "contract.settled", "map", json!({})).fails(early);
    let told = told.does::<Contracts>("ann", Command::Settle(entity("map")));
    let figures = Figures { paid: 80, returned: 30, transferred: 0, burned: 0 };
    assert_eq!(ending(&told), Some((Ending::Kept, figures)));
    assert_eq!(balances(&told), (20, 180));
}

#[test]
fn terms_are_signed_in_their_canonical_form() {
    let terms = terms(&json!({"later": {"b": 1, "a": [true, null]}}));
    let blown = serde_json::to_string_pretty(&terms).unwrap();
    let name = entity("map");
    assert_eq!(terms_digest(&name, &blown), terms_digest(&name, &terms.to_string()));
    let text = format!("colony.contract.v1\nmap\n{}\n", canonical(&blown).unwrap());
    assert_eq!(terms_digest(&name, &blown).unwrap(), Digest::of(text.as_bytes()));
    let said = Proposed { terms: Json::from_text(&blown).unwrap(), signature: None };
    let mut other: Value = serde_json::from_str(said.terms.text()).unwrap();
    other["later"]["b"] = json!(2);
    assert_ne!(
        terms_digest(&name, &other.to_string()),
        terms_digest(&name, &blown),
        "what a reader does not know is signed, too"
    );
}

#[test]
fn the_signed_bytes_never_change() {
    let terms = r#"{"b":[1,{"d":"é\n","c":null}],"a":-5}"#;
    let digest = terms_digest(&entity("map"), terms).unwrap();
    let expected = "colony.contract.v1\nmap\n{\"a\":-5,\"b\":[1,{\"c\":null,\"d\":\"é\\n\"}]}\n";
    assert_eq!(digest, Digest::of(expected.as_bytes()));
    assert_eq!(
        digest.to_string(),
        "5eda1e22af5bbda92b75256ec9bd4754cdf98d7dfaf55439c8c41524330c0436"
    );
    let signature = Signature::make(&signer(1), &digest).unwrap();
    assert_eq!(
        signature.to_string(),
        "a6f96088acbab32425cf7b3324ef5de53ac7e0dd3ce4a2fdaa4b2a06a0ab3ec5ab4bc68f89b81abc69dfda4ba352ba5ec6552f46aa2babf4d1d23a06e99e630a"
    );
    assert!(signature.holds(signer(1).public(), &digest));
}

#[test]
fn a_signature_by_another_key_or_over_other_terms_does_not_count() {
    let terms = terms(&json!({}));
    let other = self::terms(&json!({"start_by": t(49)}));
    let told = given().says("ann", "contract.proposed", "map", json!({"terms": terms})).works();
    let digest = contract(&told).digest;
    told.says("sam", "contract.signed", "map", json!({"signature": sign(3, &terms)}))
        .fails(Rejection::Signature { digest })
        .says("sam", "contract.signed", "map", json!({"signature": sign(2, &other)}))
        .fails(Rejection::Signature { digest })
        .says("sam", "contract.signed", "map", json!({"signature": sign(2, &terms)}))
        .works()
        .says("sam", "contract.signed", "map", json!({"signature": sign(2, &terms)}))
        .fails(Rejection::Already { agent: agent("sam") });
}

#[test]
fn a_key_that_is_not_the_one_announced_does_not_count() {
    let terms = terms(&json!({}));
    given()
        .says("ann", "agent.announced", "ann", json!({"key": signer(9).public()}))
        .says(
            "ann",
            "contract.proposed",
            "map",
            json!({"terms": terms, "signature": sign(1, &terms)}),
        )
        .fails(Rejection::Key { agent: agent("ann") });
}

#[test]
fn terms_that_contradict_themselves_are_ignored() {
    let same = json!({"supplier": {"agent": "ann", "key": signer(2).public()}});
    let peers = json!({"verification": {"peer": {"verifiers": ["v"], "quorum": 2}}});
    for (field, more) in [
        ("supplier", same),
        ("milestones", json!({"milestones": []})),
        ("arbitrators", json!({"arbitrators": ["a1", "a2"]})),
        ("arbitrators", json!({"arbitrators": ["a1", "a1", "a2"]})),
        ("arbitrators", json!({"arbitrators": ["sam"]})),
        ("verification", peers),
        ("verification", json!({"verification": "proof"})),
    ] {
        given()
            .says("ann", "contract.proposed", "map", json!({"terms": terms(&more)}))
            .fails(Rejection::Terms { problem: format!("{field} cannot hold") });
    }
    let told = given().says("ann", "contract.proposed", "map", json!({"terms": {"a": 1.5}}));
    assert!(format!("{:?}", told.last).contains("Terms"));
}

#[test]
fn work_begins_when_both_have_locked_exactly_what_the_terms_ask() {
    let told = signed(json!({}))
        .says("sam", "milestone.submitted", "map", submission(0))
        .fails(Rejection::Phase { phase: "not signed and staked by both".into() })
        .says("ann", "stake.locked", "map", json!({"amount": 80}))
        .fails(Rejection::Amount { expected: 90, actual: 80 })
        .says("ann", "stake.locked", "map", json!({"amount": 90}))
        .works()
        .says("ann", "stake.locked", "map", json!({"amount": 90}))
        .fails(Rejection::Already { agent: agent("ann") });
    assert_eq!(contract(&told).phase, Phase::Proposed);
    let poor = terms(&json!({}));
    given()
        .says(
            "ann",
            "contract.proposed",
            "map",
            json!({"terms": poor, "signature": sign(1, &poor)}),
        )
        .says("ann", "stake.locked", "map", json!({"amount": 90}))
        .fails(Rejection::Balance { agent: agent("ann"), balance: 0, needed: 90 });
}

#[test]
fn a_contract_that_does_not_begin_in_time_returns_what_is_locked() {
    let told = signed(json!({})).does::<Contracts>("ann", Command::Lock(entity("map")));
    let told = told
        .says("zoe", "contract.settled", "map", json!({}))
        .fails(Rejection::TooEarly { after: at(50), now: at(0) })
        .at(51)
        .says("sam", "stake.locked", "map", json!({"amount": 20}))
        .fails(Rejection::TooLate { start_by: at(50), now: at(51) })
        .says("zoe", "contract.settled", "map", json!({}))
        .works();
    assert_eq!(ending(&told).unwrap().0, Ending::NotBegun);
    assert_eq!(balances(&told), (100, 100));
}

#[test]
fn only_administrators_issue() {
    given()
        .says("ann", "stake.issued", "i", json!({"to": "ann", "amount": 5}))
        .fails(Rejection::NotEntitled { only: "an administrator of the space".into() });
}

#[test]
fn late_ill_formed_and_mismatched_deliveries_do_not_count() {
    let schema = json!({"deliverable": {"what": "a map", "schema": {"type": "object"}}});
    let told = active(schema);
    let with =
        |result: &Value, hash: Digest| json!({"milestone": 0, "hash": hash, "result": result});
    let told = told
        .says("sam", "milestone.submitted", "map", submission(0))
        .fails(Rejection::NoResult)
        .says("sam", "milestone.submitted", "map", with(&json!([1]), Digest::of(b"[1]")));
    assert!(format!("{:?}", told.last).contains("Violation"));
    let hash = Rejection::Hash { expected: Digest::of(b"{}"), actual: Digest::of(b"work") };
    let told = told
        .says("sam", "milestone.submitted", "map", with(&json!({}), Digest::of(b"work")))
        .fails(hash)
        .says("ann", "milestone.submitted", "map", with(&json!({}), Digest::of(b"{}")))
        .fails(Rejection::NotEntitled { only: "sam".into() });
    told.at(101)
        .says("sam", "milestone.submitted", "map", with(&json!({}), Digest::of(b"{}")))
        .fails(Rejection::Late { milestone: 0, due: at(100), now: at(101) });
}

#[test]
fn who_does_not_deliver_loses_the_stake_and_what_was_found_good_is_paid() {
    let told = verified(submitted(active(json!({})), 0), 0);
    let told = told
        .at(200)
        .says("zoe", "contract.breached", "map", json!({"milestone": 1}))
        .fails(Rejection::TooEarly { after: at(200), now: at(200) })
        .at(201)
        .says("zoe", "contract.breached", "map", json!({"milestone": 1}))
        .works();
    let figures = Figures { paid: 30, returned: 60, transferred: 20, burned: 0 };
    assert_eq!(ending(&told), Some((Ending::Breached { milestone: 1 }, figures)));
    assert_eq!(balances(&told), (90, 110), "defection at the last milestone is covered");
    assert_eq!(count(&told, "sam", DeedKind::Broken), 1);
}

#[test]
fn silence_of_the_customer_finds_good() {
    let told = submitted(active(json!({})), 0);
    let state = MilestoneState::Submitted;
    let told = told
        .at(20)
        .says("sam", "milestone.paid", "map", json!({"milestone": 0}))
        .fails(Rejection::Milestone { milestone: 0, state })
        .at(21)
        .says("sam", "milestone.paid", "map", json!({"milestone": 0}))
        .works();
    assert_eq!(balances(&told).1, 110);
}

#[test]
fn a_customer_that_fails_good_work_loses_its_stake_in_arbitration() {
    let told = disputed(failed(submitted(active(json!({})), 0), 0), "sam", 0);
    let told = finds(told, "a1", SideFound::Supplier);
    assert!(ending(&told).is_none());
    let told = finds(told, "a3", SideFound::Supplier);
    assert_eq!(contract(&told).work[0].state, MilestoneState::Verified);
    assert_eq!(balances(&told), (10, 90));
    assert_eq!(count(&told, "ann", DeedKind::Disputed), 1);
    // The work goes on, and what ann staked stays lost.
    let told =
        verified(submitted(told, 1), 1).does::<Contracts>("ann", Command::Settle(entity("map")));
    let figures = Figures { paid: 80, returned: 20, transferred: 10, burned: 0 };
    assert_eq!(ending(&told), Some((Ending::Kept, figures)));
    assert_eq!(balances(&told), (10, 190));
}

#[test]
fn one_lying_arbitrator_of_three_changes_nothing() {
    let told = disputed(failed(submitted(active(json!({})), 0), 0), "sam", 0);
    let told = finds(told, "a2", SideFound::Supplier);
    let at = contract(&told);
    let Phase::Disputed(dispute) = at.phase else { panic!("still open") };
    let again = json!({"dispute": dispute.at, "right": "supplier"});
    let told = told
        .says("a2", "dispute.voted", "map", again.clone())
        .fails(Rejection::Already { agent: agent("a2") })
        .says("zoe", "dispute.voted", "map", again);
    assert!(format!("{:?}", told.last).contains("NotEntitled"));
    let told = finds(finds(told, "a1", SideFound::Customer), "a3", SideFound::Customer);
    let figures = Figures { paid: 0, returned: 90, transferred: 20, burned: 0 };
    assert_eq!(ending(&told), Some((Ending::SupplierAtFault, figures)));
    assert_eq!(balances(&told), (120, 80));
}

#[test]
fn if_both_are_at_fault_both_stakes_burn() {
    let told = disputed(failed(submitted(active(json!({})), 0), 0), "sam", 0);
    let told = finds(finds(told, "a1", SideFound::Neither), "a2", SideFound::Neither);
    assert_eq!(ending(&told).unwrap().0, Ending::BothAtFault);
    assert_eq!(balances(&told), (90, 80));
    assert_eq!(told.state.contracts.ledger().totals().burned, 30);
}

#[test]
fn undecided_disputes_go_to_a_person_and_then_back_to_where_they_were() {
    let told = disputed(failed(submitted(active(json!({})), 0), 0), "sam", 0);
    let told = finds(told, "a1", SideFound::Supplier).at(31);
    let told = told.does::<Contracts>("zoe", Command::Escalate(entity("map")));
    let Phase::Disputed(dispute) = contract(&told).phase else { panic!("still open") };
    let told = told
        .says("a2", "dispute.voted", "map", json!({"dispute": dispute.at, "right": "supplier"}))
        .fails(Rejection::Escalated { by: agent("eve") });
    let by_person = finds(told.clone(), "eve", SideFound::Customer);
    assert_eq!(ending(&by_person).unwrap().0, Ending::SupplierAtFault);
    let told = told.at(62).does::<Contracts>("zoe", Command::Settle(entity("map")));
    assert_eq!(ending(&told).unwrap().0, Ending::Undecided);
    assert_eq!(balances(&told), (100, 100));
}

#[test]
fn who_was_found_wanting_has_time_to_contest_it() {
    let told = submitted(active(json!({})), 0).at(99);
    let told = failed(told, 0)
        .at(110)
        .says("ann", "contract.breached", "map", json!({"milestone": 0}))
        .fails(Rejection::TooEarly { after: at(119), now: at(110) });
    disputed(told, "sam", 0);
}

#[test]
fn a_customer_may_contest_what_it_trusted_while_it_can_judge() {
    let told = submitted(active(json!({"verification": "trust"})), 0);
    let told = told.says("sam", "milestone.paid", "map", json!({"milestone": 0})).works();
    told.clone()
        .at(21)
        .says("ann", "dispute.opened", "map", json!({"milestone": 0, "claim": "blank"}))
        .fails(Rejection::Uncontested { until: at(20), now: at(21) });
    let told = disputed(told.at(20), "ann", 0);
    let told = finds(finds(told, "a1", SideFound::Customer), "a2", SideFound::Customer);
    assert_eq!(balances(&told), (90, 110), "what was paid is paid; the stake makes up for it");
}

#[test]
fn while_a_dispute_is_open_no_clock_of_the_contract_runs() {
    // ann fails good work just before the second milestone is due; the court takes 25 seconds.
    let told = submitted(active(json!({})), 0).at(15);
    let told = disputed(failed(told, 0).at(190), "sam", 0).at(215);
    let told = finds(finds(told, "a1", SideFound::Supplier), "a2", SideFound::Supplier);
    assert_eq!(contract(&told).paused.get(), 25_000);
    let told = told
        .at(225)
        .says("ann", "contract.breached", "map", json!({"milestone": 1}))
        .fails(Rejection::TooEarly { after: at(225), now: at(225) });
    submitted(told, 1);
}

#[test]
fn what_one_has_looked_at_and_found_good_one_cannot_contest() {
    verified(submitted(active(json!({})), 0), 0)
        .says("ann", "dispute.opened", "map", json!({"milestone": 0, "claim": "changed my mind"}))
        .fails(Rejection::Already { agent: agent("ann") });
}

#[test]
fn figures_that_are_told_must_be_those_that_everybody_computes() {
    let told = verified(submitted(verified(submitted(active(json!({})), 0), 0), 1), 1);
    let actual = Figures { paid: 0, returned: 110, transferred: 0, burned: 0 };
    let expected = Figures { paid: 80, returned: 30, transferred: 0, burned: 0 };
    told.says("ann", "contract.settled", "map", json!({"figures": actual}))
        .fails(Rejection::Figures { expected, actual });
}

#[test]
fn the_position_decides_which_records_are_checked_and_each_must_be() {
    let terms = json!({"verification": {"sample": {"per_mille": 300}}});
    let delivery = json!({"milestone": 0, "hash": Digest::of(b"w"), "records": 20});
    let told = active(terms).says("sam", "milestone.submitted", "map", delivery).works();
    let picked = sample(&entity("map"), Position::new(8), 20, 300);
    assert_eq!(
        contract(&told).work[0].submission.as_ref().unwrap().check,
        Check::Records(picked.clone())
    );
    assert_eq!(picked, [1, 5, 9, 19]);
    let some = json!({"milestone": 0, "submission": 8, "checked": picked[1..]});
    told.says("ann", "milestone.verified", "map", some)
        .fails(Rejection::Unchecked { record: picked[0] })
        .says(
            "ann",
            "milestone.verified",
            "map",
            json!({"milestone": 0, "submission": 8, "checked": picked}),
        )
        .works();
}

#[test]
fn samples_are_about_as_large_as_agreed() {
    let of = |position| sample(&entity("map"), Position::new(position), 1_000, 100).len();
    let sizes: Vec<usize> = (1..50).map(of).collect();
    assert!(sizes.iter().all(|size| (60..140).contains(size)), "{sizes:?}");
}

#[test]
fn peers_decide_by_quorum_and_the_customer_has_no_say() {
    let peers = json!({"verification": {"peer": {"verifiers": ["p1", "p2", "p3"], "quorum": 2}}});
    let told = submitted(active(peers), 0);
    let good = json!({"milestone": 0, "submission": 8});
    let told = told
        .says("ann", "milestone.verified", "map", good.clone())
        .fails(Rejection::NotEntitled { only: "a verifier that the terms name".into() })
        .says("p1", "milestone.verified", "map", good.clone())
        .says("p1", "milestone.verified", "map", good.clone())
        .fails(Rejection::Already { agent: agent("p1") })
        .says(
            "p2",
            "milestone.failed",
            "map",
            json!({"milestone": 0, "submission": 8, "reason": "x"}),
        )
        .works();
    assert_eq!(contract(&told).work[0].state, MilestoneState::Submitted);
    let told = told.says("p3", "milestone.verified", "map", good).works();
    assert_eq!(contract(&told).work[0].state, MilestoneState::Verified);
}

#[test]
fn checkpoints_and_proofs_are_checked_as_agreed() {
    let told = submitted(active(json!({"verification": {"checkpoints": {"every": 5}}})), 0);
    assert_eq!(contract(&told).work[0].state, MilestoneState::Verified, "no checkpoint");
    let told = submitted(told, 1);
    assert_eq!(contract(&told).work[1].state, MilestoneState::Submitted, "the last always is");
    let milestone = json!({"name": "m", "due": t(100), "digest": Digest::of(b"proof")});
    let told = active(json!({"verification": "proof", "milestones": [milestone]}));
    let (expected, actual) = (Digest::of(b"proof"), Digest::of(b"work"));
    let told = told
        .says("sam", "milestone.submitted", "map", submission(0))
        .fails(Rejection::Hash { expected, actual });
    let told =
        told.says("sam", "milestone.submitted", "map", json!({"milestone": 0, "hash": expected}));
    assert_eq!(contract(&told).work[0].state, MilestoneState::Verified);
}

#[test]
fn a_supplier_in_good_standing_is_only_audited() {
    let told = submitted(active(json!({"trusted_from": 0, "audit_per_mille": 0})), 0);
    assert_eq!(contract(&told).work[0].state, MilestoneState::Verified);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_anybody_does_totals_are_conserved_and_every_reader_agrees(
        steps in prop::collection::vec(any::<(u8, u8, u8)>(), 0..60),
        cut in 0_usize..60,
        trust in any::<bool>(),
    ) {
        let verification = if trust { json!("trust") } else { json!("full") };
        let mut told = active(json!({"verification": verification}));
        let mut now = 0;
        for (who, what, pause) in steps {
            now += i64::from(pause % 20);
            told = told.at(now);
            let who = ["ann", "sam", "a1", "a2", "a3", "eve", "zoe"][usize::from(who % 7)];
            let milestone = u32::from(pause % 2);
            let last = contract(&told).work[milestone as usize].submission.as_ref().map_or(1, |s| s.at.get());
            let dispute = match contract(&told).phase {
                Phase::Disputed(dispute) => dispute.at.get(),
                _ => 1,
            };
            let right = ["customer", "supplier", "neither"][usize::from(pause % 3)];
            let (ty, data) = match what % 10 {
                0 | 1 => ("milestone.submitted", submission(milestone)),
                2 => ("milestone.verified", json!({"milestone": milestone, "submission": last})),
                3 => ("milestone.failed", json!({"milestone": milestone, "submission": last, "reason": ""})),
                4 => ("milestone.paid", json!({"milestone": milestone})),
                5 => ("dispute.opened", json!({"milestone": milestone, "claim": ""})),
                6 | 7 => ("dispute.voted", json!({"dispute": dispute, "right": right})),
                8 => ("dispute.escalated", json!({"dispute": dispute})),
                _ if pause % 2 == 0 => ("contract.breached", json!({"milestone": milestone})),
                _ => ("contract.settled", json!({})),
            };
            told.say(who, ty, "map", &data);
        }
        laws_hold(&told.entries, cut);
    }
}
