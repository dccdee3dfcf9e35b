//! A voter votes twice, for others, and with a signature from another vote; a bidder copies, changes its mind, and stays sealed.

use colony_agents::protocol::bidding::{self, Commitment, Offering};
use colony_agents::protocol::task;
use colony_agents::protocol::vote::{Rejection, SignedChoice};
use colony_agents::protocol::{LogTime, Signature};
use colony_core::{Digest, Position, Timestamp};
use serde_json::{Value, json};

use crate::stage::{Stage, played};
use crate::terms::signer;
use crate::view::{agent, entity};

async fn play(stage: Stage) {
    votes(&stage).await;
    bids(&stage).await;
}

fn signed(vote: &str, called: Position, voter: &str, key: u8, choice: &str) -> Value {
    let (vote, voter) = (entity(vote), agent(voter));
    let signed = SignedChoice { vote: &vote, called, voter: &voter, choice };
    json!({"choice": choice, "signature": Signature::make(&signer(key), &signed.digest()).unwrap()})
}

async fn votes(stage: &Stage) {
    let names = ["ann", "v1", "v2", "v3", "mal"];
    let [ann, v1, v2, v3, mal] = <[_; 5]>::try_from(stage.join_all(&names).await).unwrap();
    let voters = json!({
        "v1": signer(1).public(), "v2": signer(2).public(), "v3": signer(3).public(), "mal": signer(9).public(),
        "v4": signer(4).public(),
    });
    let call = json!({"question": "ship?", "voters": voters, "until": stage.ahead(3_600_000)});
    let draft = ann.say("vote.called", "draft", call.clone()).await;
    let ship = ann.say("vote.called", "ship", call).await;
    // v1 votes on the draft; mal hands that in for the release, and votes for v2, twice for itself, and for nothing there is.
    let on_draft = signed("draft", draft, "v1", 1, "yes");
    v1.say("vote.cast", "draft", on_draft.clone()).await;
    let moved = v1.say("vote.cast", "ship", on_draft).await;
    mal.say("vote.cast", "ship", signed("ship", ship, "mal", 9, "no")).await;
    let twice = mal.say("vote.cast", "ship", signed("ship", ship, "mal", 9, "yes")).await;
    let for_other = mal.say("vote.cast", "ship", signed("ship", ship, "v2", 2, "no")).await;
    let stranger = ann.say("vote.cast", "ship", signed("ship", ship, "ann", 5, "no")).await;
    for (voter, name, key) in [(&v1, "v1", 1), (&v2, "v2", 2), (&v3, "v3", 3)] {
        voter.say("vote.cast", "ship", signed("ship", ship, name, key, "yes")).await;
    }
    let agreed = stage.agreed().await;
    agreed.ignores(moved, Rejection::Signature { agent: agent("v1") });
    agreed.ignores(stranger, Rejection::NotVoter { agent: agent("ann") });
    assert!(!agreed.worked(twice) && !agreed.worked(for_other));
    let vote = agreed.space.votes.get(&entity("ship")).unwrap();
    assert_eq!(vote.result(agreed.space.time()).decided(), Some("yes"), "three of five");
    assert_eq!((vote.ballots.len(), vote.ballots[&agent("mal")].choice.as_str()), (4, "no"));
    let draft = agreed.space.votes.get(&entity("draft")).unwrap();
    assert_eq!(draft.result(agreed.space.time()).decided(), None);
}

async fn bids(stage: &Stage) {
    let names = ["boss", "bob", "cid", "dee", "eve"];
    let [boss, bob, cid, dee, eve] = <[_; 5]>::try_from(stage.join_all(&names).await).unwrap();
    // Bids are taken for five seconds, and can be revealed for two hours then.
    let terms = json!({"until": stage.ahead(5_000), "sealed_until": stage.ahead(7_200_000)});
    boss.say("task.offered", "pit", json!({"what": "dig", "mode": {"bid": terms}})).await;
    let finish: Timestamp = stage.ahead(7_300_000).parse().unwrap();
    let seal = |bidder: &str, price: u64, nonce: &str| -> Digest {
        let (task, bidder) = (entity("pit"), agent(bidder));
        let offering = Offering { price, finish };
        Commitment { task: &task, bidder: &bidder, offering: &offering, nonce }.digest()
    };
    let nonce = |name: &str| format!("{name}-nonce-of-some-length");
    let bid = |price, name: &str| json!({"commitment": seal(name, price, &nonce(name))});
    let reveal = |price: u64, name: &str| json!({"price": price, "finish": finish.to_string(), "nonce": nonce(name)});
    bob.say("task.bid", "pit", bid(7, "bob")).await;
    cid.say("task.bid", "pit", bid(9, "cid")).await;
    // dee hands in bob's sealed bid as its own; eve bids 1, and will not dare to reveal it.
    dee.say("task.bid", "pit", bid(7, "bob")).await;
    eve.say("task.bid", "pit", bid(1, "eve")).await;
    let opened =
        dee.say("task.bid", "pit", json!({"price": 1, "finish": finish.to_string()})).await;
    stage.pass(5_050).await;
    bob.say("task.bid_revealed", "pit", reveal(7, "bob")).await;
    // cid sees bob's price, and would like to have bid 6.
    let changed = cid.say("task.bid_revealed", "pit", reveal(6, "cid")).await;
    cid.say("task.bid_revealed", "pit", reveal(9, "cid")).await;
    let copied = dee.say("task.bid_revealed", "pit", reveal(7, "bob")).await;
    // eve stays sealed, and would like to keep the others waiting for ever.
    let early = boss.say("task.closed", "pit", json!({})).await;
    let agreed = stage.agreed().await;
    let sealed = task::Rejection::from(bidding::Rejection::Kind { sealed: true });
    agreed.ignores(opened, sealed);
    assert!(!agreed.worked(changed) && !agreed.worked(copied) && !agreed.worked(early));

    // Two hours later, told by the log that would follow: bob has it, and after bob cid; nobody else is left.
    let mut later = agreed.space.clone();
    let mut closed = agreed.entries.last().unwrap().clone();
    closed.position = closed.position.next();
    closed.recorded = stage.ahead(7_200_001 + 60_000).parse().unwrap();
    assert_eq!(later.evolve(&closed), colony_agents::protocol::Outcome::Applied);
    let hold = later.tasks.get(&entity("pit")).unwrap().hold().unwrap();
    assert_eq!(hold.owner, agent("bob"));
    assert_eq!(hold.next.iter().map(|bid| bid.agent.as_str()).collect::<Vec<_>>(), ["cid"]);
    assert!(later.time() > LogTime::default());
}

played!(play);
