//! Two agents book one slot in the same moment: the later one gives way, once, and those affected hear of it.

use colony_agents::protocol::compensation::{Command, Compensated, Compensation, Phase, Rejection};
use serde_json::json;

use crate::player::Player;
use crate::stage::{Stage, played};
use crate::view::entity;

async fn play(stage: Stage) {
    let [bob, cid] = <[_; 2]>::try_from(stage.join_all(&["bob", "cid"]).await).unwrap();
    let booking = |guest: &str, from: i64, until: i64| {
        let room =
            json!([{"name": "room 1", "from": stage.ahead(from), "until": stage.ahead(until)}]);
        json!({"resources": room, "class": {"compensable": {"how": "cancel the booking"}}, "affects": [guest]})
    };
    // Neither asks anybody: both act at once, on the same hour.
    let (first, second) = tokio::join!(
        bob.say("action.taken", "booking-b", booking("guest-b", 0, 3_600_000)),
        cid.say("action.taken", "booking-c", booking("guest-c", 1_800_000, 5_400_000)),
    );
    type Side<'a> = (&'a Player, &'a str, &'a str);
    let (b, c): (Side<'_>, Side<'_>) =
        ((&bob, "booking-b", "guest-b"), (&cid, "booking-c", "guest-c"));
    let ((stays, kept, _), (gives, undone, guest)) = if first < second { (b, c) } else { (c, b) };

    let seen = stage.agreed().await;
    let actions = &seen.space.actions;
    let owed: Vec<_> = actions.owed_by(gives.bus.agent()).collect();
    assert_eq!(owed, [(&entity(undone), &entity(kept))]);
    assert_eq!(actions.owed_by(stays.bus.agent()).count(), 0);
    // Nobody undoes another's act. Its author does, also if it is told to twice.
    let foreign = stays.say("action.compensated", undone, json!({"gave_way_to": kept})).await;
    let compensated =
        gives.tries::<Compensation>(Command::Compensate(entity(undone))).await.unwrap();
    let again = gives.say("action.compensated", undone, json!({"gave_way_to": kept})).await;
    // A third booking takes what has become free, and nothing stands in its way.
    let third =
        stays.say("action.taken", "booking-3", booking("guest-3", 3_700_000, 3_800_000)).await;

    let agreed = stage.agreed().await;
    agreed.ignores(foreign, Rejection::NotAuthor { by: gives.bus.agent().clone() });
    agreed.ignores(again, Rejection::Nothing);
    assert_eq!(agreed.applied("action.compensated").len(), 1);
    let said = agreed.entries.iter().find(|entry| entry.position == compensated).unwrap();
    let said: Compensated = said.event().data.to_value().unwrap();
    let mut told: Vec<_> = said.tells.iter().map(|agent| agent.as_str()).collect();
    told.sort_unstable();
    let mut expected = [stays.bus.agent().as_str(), guest];
    expected.sort_unstable();
    assert_eq!(told, expected);
    assert!(agreed.worked(third));
    let phase = |name: &str| &agreed.space.actions.get(&entity(name)).unwrap().phase;
    assert!(matches!(phase(kept), Phase::Taken { .. }));
    assert!(matches!(phase(undone), Phase::Compensated { .. }));
}

played!(play);
