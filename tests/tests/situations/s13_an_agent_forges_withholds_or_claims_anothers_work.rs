//! An agent says that it did what another did, speaks under another's name, repeats another's signature, or withholds what it owes.

use std::collections::BTreeMap;
use std::time::Duration;

use colony_agents::protocol::contract::{self, Ending, Figures};
use colony_agents::protocol::task::Rejection;
use colony_bus::{BusOptions, Sharing};
use colony_core::Digest;
use colony_core::signature::SignaturePolicy;
use serde_json::json;

use crate::stage::{Stage, played};
use crate::terms::{balances, begin, ending, sign, signer, terms, totals_are_conserved};
use crate::view::{View, agent};

async fn play(stage: Stage) {
    claims_anothers_work(&stage).await;
    speaks_under_anothers_name(&stage).await;
    withholds(&stage).await;
}

async fn claims_anothers_work(stage: &Stage) {
    let [ann, bob, mal] = <[_; 3]>::try_from(stage.join_all(&["ann", "bob", "mal"]).await).unwrap();
    ann.say("task.offered", "fence", json!({"what": "paint"})).await;
    let fence = bob.say("task.claimed", "fence", json!({"until": stage.ahead(3_600_000)})).await;
    // mal copies bob's fence, which everybody can read.
    let stolen = mal.say("task.done", "fence", json!({"fence": fence, "result": "mine"})).await;
    let freed = mal.say("task.released", "fence", json!({"fence": fence})).await;
    let lapsed = mal.say("task.lapsed", "fence", json!({"fence": fence})).await;
    bob.say("task.done", "fence", json!({"fence": fence, "result": "green"})).await;
    let late = mal.say("task.done", "fence", json!({"fence": fence, "result": "mine"})).await;
    let agreed = stage.agreed().await;
    for position in [stolen, freed] {
        agreed.ignores(position, Rejection::NotOwner { owner: agent("bob"), fence });
    }
    let why = format!("{:?}", agreed.reason(lapsed));
    assert!(why.contains("NotOverdue"), "{why}");
    assert!(!agreed.worked(late));
    let delivery = agreed.task("fence").delivery().unwrap();
    let result = delivery.result.as_ref().unwrap().text();
    assert_eq!((delivery.by.as_str(), result), ("bob", "\"green\""));
}

/// Where no broker stands in the way: mal appends under the name of zoe, whose entries are signed.
async fn speaks_under_anothers_name(stage: &Stage) {
    let named = |instance: &str, key: Option<u8>| BusOptions {
        instance: Some(instance.parse().unwrap()),
        sharing: Some(Sharing::Private),
        signer: key.map(signer),
        ..stage.options("zoe")
    };
    let zoe = stage.join_as(named("main", Some(7))).await;
    let unsigned = stage.join_as(named("forged", None)).await;
    let mis_signed = stage.join_as(named("signed", Some(8))).await;
    zoe.say("task.offered", "gate", json!({"what": "paint the gate"})).await;
    unsigned.say("task.cancelled", "gate", json!({"reason": "forged"})).await;
    mis_signed.say("task.cancelled", "gate", json!({"reason": "forged"})).await;
    let reader = |policy| BusOptions {
        signatures: policy,
        keys: BTreeMap::from([(agent("zoe"), signer(7).public().clone())]),
        ..stage.options("reader")
    };
    // Others are not known to this reader: it reads zoe's words alone.
    let strict = stage.join_as(reader(SignaturePolicy::Required)).await.look().await;
    let free = |view: &View| format!("{:?}", view.task("gate").phase).starts_with("Free");
    assert!(free(&strict), "{:?}", strict.task("gate"));
    let careless = stage.join_as(reader(SignaturePolicy::Off)).await.look().await;
    assert!(
        !free(&careless),
        "without signatures and without a broker's permissions it is taken in"
    );
}

async fn withholds(stage: &Stage) {
    let [ann, sam, mal] = <[_; 3]>::try_from(stage.join_all(&["ann", "sam", "mal"]).await).unwrap();
    let agreed_terms =
        terms(stage, [Duration::from_secs(2), Duration::from_secs(7_200)], json!({}));
    // mal hands in what sam signed under another name of a contract.
    let proposal = json!({"terms": agreed_terms, "signature": sign(1, "other", &agreed_terms)});
    ann.say("contract.proposed", "other", proposal).await;
    let replayed = json!({"signature": sign(2, "map", &agreed_terms)});
    let replayed = sam.say("contract.signed", "other", replayed).await;
    let strange = json!({"signature": sign(2, "other", &agreed_terms)});
    let strange = mal.say("contract.signed", "other", strange).await;
    begin(stage, &ann, &sam, &agreed_terms).await;
    // sam has the map and keeps it; mal hands in one of its own.
    let hash = Digest::of(b"a map");
    let forged = mal.say("milestone.submitted", "map", json!({"milestone": 0, "hash": hash})).await;
    stage.pass(2_050).await;
    mal.say("contract.breached", "map", json!({"milestone": 0})).await;

    let agreed = stage.agreed().await;
    let why = format!("{:?}", agreed.reason(replayed));
    assert!(why.contains("Signature"), "{why}");
    assert!(!agreed.worked(strange));
    agreed.ignores(forged, contract::Rejection::NotEntitled { only: "sam".into() });
    let figures = Figures { paid: 0, returned: 90, transferred: 20, burned: 0 };
    assert_eq!(ending(&agreed), (Ending::Breached { milestone: 0 }, figures));
    assert_eq!(balances(&agreed), (120, 80));
    totals_are_conserved(&agreed);
}

played!(play);
