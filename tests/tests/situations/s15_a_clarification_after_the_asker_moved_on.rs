//! Somebody asks, and is gone before the answer comes: the answer stays with the work, for whoever has it then.

use serde_json::json;

use crate::stage::{Stage, played};
use crate::view::{agent, entity};

async fn play(stage: Stage) {
    let [ann, bob, cid, eve] =
        <[_; 4]>::try_from(stage.join_all(&["ann", "bob", "cid", "eve"]).await).unwrap();
    ann.say("handoff.offered", "h1", json!({"what": "port the parser"})).await;
    let old = bob.say("handoff.accepted", "h1", json!({"until": stage.ahead(400)})).await;
    let question = json!({"handoff": "h1", "question": "tabs or spaces?"});
    bob.say("clarification.asked", "q1", question).await;
    bob.say("agent.announced", "bob", json!({})).await;
    bob.say("agent.retired", "bob", json!({})).await;
    drop((ann, bob));
    stage.pass(450).await;

    // eve was asked by nobody in particular, and knows. Neither who gave nor who asked is there any more.
    let seen = eve.look().await;
    assert_eq!(seen.space.handoffs.open_questions().count(), 1);
    let answer = json!({"answer": "spaces"});
    let answered = eve.say("clarification.answered", "q1", answer).await;
    let new = cid.say("handoff.accepted", "h1", json!({})).await;

    // cid, who takes the work over from the vanished asker, has the answer before it begins.
    let mine = cid.look().await;
    let h1 = entity("h1");
    let questions: Vec<_> = mine.space.handoffs.questions_about(&h1).collect();
    assert_eq!((questions.len(), questions[0].1.by.as_str()), (1, "bob"));
    let answers = &questions[0].1.answers;
    assert_eq!((answers[0].by.as_str(), answers[0].at), ("eve", answered));
    assert_eq!(answers[0].answer, "spaces");
    cid.say("handoff.completed", "h1", json!({"fence": new})).await;

    let agreed = stage.agreed().await;
    assert!(old < new && agreed.worked(new));
    assert_eq!(agreed.space.handoffs.open_questions().count(), 0);
    let completed = agreed.applied("handoff.completed");
    assert_eq!(completed.len(), 1);
    assert_eq!(completed[0].event().author, agent("cid"));
}

played!(play);
