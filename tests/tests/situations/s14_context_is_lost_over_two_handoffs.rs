//! Work is handed on twice, and a caveat is dropped on the way: a report says by whom, and the first giver's words are still there.

use colony_agents::protocol::handoff::{Phase, Rejection};
use serde_json::json;

use crate::stage::{Stage, played};
use crate::view::entity;

async fn play(stage: Stage) {
    let [ann, bob, cid, dee] =
        <[_; 4]>::try_from(stage.join_all(&["ann", "bob", "cid", "dee"]).await).unwrap();
    let schema = json!({"type": "object", "required": ["files"]});
    let why = json!({
        "decisions": [{"what": "Recursive descent", "because": "better errors", "instead_of": ["a generator"]}],
        "assumptions": ["input is UTF-8"],
        "caveats": ["line 80 is slow"],
    });
    let offer = json!({"what": "port the parser", "to": "bob", "why": why, "schema": schema});
    ann.say("handoff.offered", "h1", offer).await;
    bob.say("handoff.accepted", "h1", json!({})).await;
    // ann is gone from here on.
    drop(ann);
    let passed = json!({"decisions": [{"what": "recursive descent", "because": "", "instead_of": ["a generator"]}], "assumptions": ["Input is UTF-8."]});
    let offer = json!({"what": "port the parser", "continues": "h1", "to": "cid", "why": passed});
    bob.say("handoff.offered", "h2", offer).await;
    cid.say("handoff.accepted", "h2", json!({})).await;
    let passed = json!({"decisions": [{"what": "Recursive descent.", "because": ""}]});
    let offer =
        json!({"what": "port the parser", "continues": "h2", "why": passed, "schema": schema});
    cid.say("handoff.offered", "h3", offer.clone()).await;
    // Nobody hands on what is no longer theirs.
    let fork = bob.say("handoff.offered", "h4", json!({"what": "port", "continues": "h1"})).await;
    let fence = dee.say("handoff.accepted", "h3", json!({})).await;
    let unfit = dee.say("handoff.completed", "h3", json!({"fence": fence, "result": "done"})).await;
    dee.say("handoff.completed", "h3", json!({"fence": fence, "result": {"files": 3}})).await;

    let agreed = stage.agreed().await;
    let passed_on = Rejection::PassedOn { by: "bob".parse().unwrap(), to: entity("h2") };
    agreed.ignores(fork, passed_on);
    assert!(!agreed.worked(unfit), "the result does not fit the schema");
    let handoffs = &agreed.space.handoffs;
    let done = matches!(&handoffs.get(&entity("h3")).unwrap().phase, Phase::Completed { by, .. } if by.as_str() == "dee");
    assert!(done);

    let h3 = entity("h3");
    let kept = handoffs.retention(&h3).unwrap();
    // ann gave four reasons; bob dropped the caveat, cid the alternative and the assumption.
    assert_eq!((kept.hops, kept.given, kept.told.as_slice()), (3, 4, [4, 3, 1].as_slice()));
    let lost: Vec<_> = kept.lost.iter().map(|(reason, hop)| (reason.as_str(), *hop)).collect();
    assert_eq!(lost.iter().filter(|(_, hop)| *hop == 1).count(), 1);
    assert!(lost.contains(&("line 80 is slow", 1)), "{lost:?}");
    // Whoever has it now walks back to the root, and finds what was dropped.
    let hops = handoffs.hops(&h3);
    assert_eq!(hops.iter().map(|hop| hop.by.as_str()).collect::<Vec<_>>(), ["ann", "bob", "cid"]);
    assert_eq!(hops[0].handoff.said.why.caveats, ["line 80 is slow"]);
}

played!(play);
