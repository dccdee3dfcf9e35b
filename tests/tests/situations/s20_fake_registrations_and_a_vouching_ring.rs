//! Fifty agents that nobody knows register at once and vouch for each other in a ring: they gain nothing by it.

use colony_agents::protocol::reputation::Rejection;
use colony_agents::protocol::{self};
use colony_bus::Draft;
use colony_core::{Data, Event};
use serde_json::{Value, json};

use crate::player::Player;
use crate::stage::{Stage, played};
use crate::view::agent;

const FAKES: usize = 50;

async fn play(stage: Stage) {
    let [root, ann, bob] =
        <[_; 3]>::try_from(stage.join_all(&["root", "ann", "bob"]).await).unwrap();
    let levels = json!({"administrators": ["root"], "levels": {"task.claimed": 100}});
    // bob has earned its name before levels were set.
    ann.say("task.offered", "shed", json!({"what": "paint"})).await;
    let until = || json!({"until": stage.ahead(3_600_000)});
    let fence = bob.say("task.claimed", "shed", until()).await;
    let done = bob.say("task.done", "shed", json!({"fence": fence})).await;
    ann.say("task.verified", "shed", json!({"delivery": done})).await;
    root.say("space.chartered", "space", levels).await;
    ann.say("task.offered", "fence", json!({"what": "paint"})).await;

    // One process may speak for all of them, where it has the credentials of all.
    let mal = stage.join("mal").await;
    let name = |number: usize| format!("fake{:02}", number % FAKES);
    for number in 0..FAKES {
        let fake = name(number);
        forge(&mal, &fake, "agent.announced", &fake, json!({"skills": ["paint"]})).await;
    }
    for number in 0..FAKES {
        let (from, to) = (name(number), name(number + 1));
        let vouch = json!({"points": 100, "until": stage.ahead(3_600_000)});
        forge(&mal, &from, "reputation.vouched", &to, vouch).await;
        forge(&mal, &to, "task.claimed", "fence", until()).await;
    }
    let claimed = bob.say("task.claimed", "fence", until()).await;

    let agreed = stage.agreed().await;
    assert_eq!(agreed.holder("fence"), Some(("bob", claimed)));
    assert!(agreed.applied("reputation.vouched").is_empty());
    for vouch in agreed.all("reputation.vouched") {
        let from = vouch.event().author.clone();
        agreed.ignores(vouch.position, Rejection::Points { agent: from, free: 0, points: 100 });
    }
    let refused = agreed.all("task.claimed").filter(|claim| !agreed.worked(claim.position));
    let refused: Vec<_> = refused.collect();
    assert_eq!(refused.len(), FAKES);
    for claim in refused {
        let protocol::Rejection::Level { actual: 0, needed: 100, .. } =
            agreed.reason(claim.position)
        else {
            panic!("{:?}", agreed.reason(claim.position))
        };
    }
    let time = agreed.space.time();
    let score = |name: &str| agreed.space.reputation.score(&agent(name), time);
    assert!((0..FAKES).all(|number| score(&name(number)) == 0));
    assert!(score("bob") >= 100);
    // They are in the directory, which anybody may enter; what they can do there is be found.
    assert_eq!(
        agreed.space.directory.iter().filter(|(a, _)| a.as_str().starts_with("fake")).count(),
        FAKES
    );
}

async fn forge(by: &Player, author: &str, ty: &str, about: &str, data: Value) {
    let draft = Draft::new(ty.parse().unwrap()).about(about.parse().unwrap());
    let draft = draft.data(Data::json(&data).unwrap());
    let event: Event = draft.into_event(agent(author), by.bus.new_id(), by.stage.now().into());
    by.bus.append_event(event).await.unwrap().await.unwrap();
}

played!(play);
