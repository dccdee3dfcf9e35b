//! Several agents claim one task in the same moment: one of them starts, the others know who.

use colony_agents::protocol::Millis;
use colony_agents::protocol::task::{Command, Rejection, Tasks};
use colony_core::Position;
use futures_util::future::join_all;
use serde_json::json;

use crate::stage::{Stage, played};
use crate::view::{View, entity};

async fn play(stage: Stage) {
    let ann = stage.join("ann").await;
    ann.say("task.offered", "fence", json!({"what": "paint the fence"})).await;
    let claimants = stage.join_all(&["bob", "cid", "dee", "eve"]).await;
    // All of them have seen the same free task, and claim it without having heard of each other.
    let view = ann.look().await;
    let claim = || Command::Claim(entity("fence"), Millis::from_secs(3_600));
    let claims = claimants.iter().map(|player| player.acts::<Tasks>(&view, claim()));
    let claims: Vec<Position> = join_all(claims).await.into_iter().map(Result::unwrap).collect();

    let agreed = stage.agreed().await;
    let first = claims.iter().min().copied().unwrap();
    let winner = agreed.entries.iter().find(|entry| entry.position == first).unwrap();
    let winner = winner.event().author.clone();
    assert_eq!(agreed.holder("fence"), Some((winner.as_str(), first)));
    assert_eq!(last_claim_wins(&agreed).is_some_and(|last| last != first), claims.len() > 1);
    for claim in claims.into_iter().filter(|claim| *claim != first) {
        let held = Rejection::Held { owner: winner.clone(), round: 1, fence: first };
        agreed.ignores(claim, held);
    }
    // Each claimant, reading up to its own claim and no further, knows already.
    for player in claimants {
        let own = player.look().await;
        assert_eq!(own.holder("fence"), Some((winner.as_str(), first)));
    }
}

/// What a reader would hold that lets the last claim win: it disagrees, so this situation tells the rules apart.
fn last_claim_wins(view: &View) -> Option<Position> {
    view.all("task.claimed").last().map(|entry| entry.position)
}

played!(play);
