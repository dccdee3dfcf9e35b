//! What holds for optimistic action.

use colony_core::Position;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::protocol::rules::{Context, Plan, Protocol as _};
use crate::protocol::testing::{Told, agent, at, entity, given, laws_hold, t};

fn room(from: i64, until: i64) -> Value {
    json!([{"name": "room 1", "from": t(from), "until": t(until)}])
}

fn booking(from: i64, until: i64) -> Value {
    json!({"resources": room(from, until), "class": {"compensable": {"how": "cancel the booking"}}, "affects": ["guest"]})
}

fn book(told: Told, who: &str, name: &str, from: i64, until: i64) -> Told {
    told.says(who, "action.taken", name, booking(from, until)).works()
}

fn phase(told: &Told, name: &str) -> Phase {
    told.state.actions.get(&entity(name)).unwrap().phase.clone()
}

fn owes(told: &Told, name: &str) -> bool {
    matches!(phase(told, name), Phase::Owing { .. })
}

#[test]
fn of_two_acts_on_the_same_the_later_owes_its_own_compensation() {
    let told = book(book(given(), "ann", "a", 0, 60), "bob", "b", 30, 90);
    assert!(!owes(&told, "a") && owes(&told, "b"));
    let bob = agent("bob");
    let owed: Vec<_> = told.state.actions.owed_by(&bob).collect();
    assert_eq!(owed, [(&entity("b"), &entity("a"))]);
    assert_eq!(told.state.actions.owed_by(&agent("ann")).count(), 0);
}

#[test]
fn acts_that_only_touch_are_not_in_conflict() {
    let told = book(book(given(), "ann", "a", 0, 60), "bob", "b", 60, 90);
    assert!(!owes(&told, "b"));
    let whole: Resource = serde_json::from_value(json!({"name": "room 1"})).unwrap();
    let part: Vec<Resource> = serde_json::from_value(room(0, 1)).unwrap();
    assert!(whole.meets(&part[0]) && part[0].meets(&whole));
}

#[test]
fn a_compensation_happens_once_by_its_author_and_those_affected_are_told() {
    let told = book(book(given(), "ann", "a", 0, 60), "bob", "b", 30, 90);
    let told = told
        .says("ann", "action.compensated", "b", json!({"gave_way_to": "a"}))
        .fails(Rejection::NotAuthor { by: agent("bob") })
        .says("bob", "action.compensated", "b", json!({}))
        .fails(Rejection::GivesWay { to: Some(entity("a")) });
    let drafts = told.wants::<Compensation>("bob", Command::Compensate(entity("b"))).unwrap();
    let said: Compensated = drafts[0].data.to_value().unwrap();
    assert_eq!(said.tells, [agent("ann"), agent("guest")]);
    let told = told.does::<Compensation>("bob", Command::Compensate(entity("b")));
    assert_eq!(told.state.actions.owed_by(&agent("bob")).count(), 0);
    told.says("bob", "action.compensated", "b", json!({"gave_way_to": "a"}))
        .fails(Rejection::Nothing);
}

#[test]
fn what_gave_way_stands_in_nobodys_way() {
    let told = book(book(book(given(), "ann", "a", 0, 60), "bob", "b", 30, 90), "cid", "c", 70, 80);
    assert!(!owes(&told, "c"));
}

#[test]
fn an_intent_lets_others_defer_but_binds_nobody() {
    let intent = json!({"resources": room(0, 60), "until": t(30)});
    let told = given().says("ann", "action.intended", "a", intent).works();
    let taken: Taken = serde_json::from_value(booking(0, 10)).unwrap();
    let deferring = Command::TakeUnlessIntended(entity("b"), taken);
    let stands = Rejection::Intended { action: entity("a"), by: agent("ann") };
    assert_eq!(told.wants::<Compensation>("bob", deferring.clone()), Err(stands.into()));
    assert!(told.clone().at(31).wants::<Compensation>("bob", deferring).is_ok());
    let told = book(book(told, "bob", "b", 0, 10), "ann", "a", 0, 60);
    assert!(owes(&told, "a"), "bob acted first");
}

#[test]
fn an_act_that_cannot_be_undone_goes_ahead_only_under_the_first_intent() {
    let intent = json!({"resources": room(0, 60), "until": t(30)});
    let act =
        |fence: u64| json!({"resources": room(0, 60), "class": {"irreversible": {"fence": fence}}});
    let told = given()
        .says("ann", "action.taken", "a", act(1))
        .fails(Rejection::NotIntended { fence: Position::new(1) })
        .says("ann", "action.intended", "a", intent.clone())
        .says("bob", "action.intended", "b", intent)
        .works()
        .says("bob", "action.taken", "b", act(3))
        .fails(Rejection::Intended { action: entity("a"), by: agent("ann") });
    told.clone()
        .at(31)
        .says("ann", "action.taken", "a", act(2))
        .fails(Rejection::NotIntended { fence: Position::new(2) });
    let told = told.says("ann", "action.taken", "a", act(2)).works();
    told.says("bob", "action.taken", "b", act(3))
        .fails(Rejection::Met { action: entity("a"), by: agent("ann") })
        .says("ann", "action.compensated", "a", json!({}))
        .fails(Rejection::Nothing);
}

#[test]
fn acts_that_merge_are_never_in_conflict() {
    let edit = json!({"resources": [{"name": "plan.md"}], "class": "mergeable"});
    let told = given()
        .says("ann", "action.taken", "a", edit.clone())
        .says("bob", "action.taken", "b", edit)
        .works();
    assert!(!owes(&told, "b"));
}

#[test]
fn names_are_used_once_and_intents_lie_ahead() {
    book(given(), "ann", "a", 0, 60)
        .says("bob", "action.taken", "a", booking(0, 1))
        .fails(Rejection::Taken { by: agent("ann"), at: Position::new(1) })
        .says("bob", "action.intended", "b", json!({"resources": room(0, 1), "until": t(0)}))
        .fails(Rejection::Past { until: at(0), now: at(0) })
        .says("bob", "action.intended", "b", json!({"resources": [], "until": t(1)}))
        .fails(Rejection::NoResource);
}

#[test]
fn what_merges_hides_no_conflict_and_is_in_nobodys_way() {
    let edit = json!({"resources": room(0, 90), "class": "mergeable"});
    let told = given().says("ann", "action.taken", "m", edit).works();
    let told = book(book(told, "ann", "a", 0, 60), "bob", "b", 30, 90);
    assert!(!owes(&told, "a"));
    assert_eq!(
        told.state.actions.owed_by(&agent("bob")).collect::<Vec<_>>(),
        [(&entity("b"), &entity("a"))]
    );
    let intent = json!({"resources": room(60, 90), "until": t(30)});
    let act = json!({"resources": room(60, 90), "class": {"irreversible": {"fence": 4}}});
    told.says("cid", "action.intended", "c", intent)
        .works()
        .says("cid", "action.taken", "c", act)
        .works();
}

#[test]
fn an_act_has_something_that_it_is_on_at_some_time_and_not_too_much() {
    let taken = |resources: Value| json!({"resources": resources, "class": "mergeable"});
    let many: Vec<_> = (0..65).map(|n| json!({"name": format!("r{n}")})).collect();
    given()
        .says("ann", "action.taken", "a", taken(room(9, 9)))
        .fails(Rejection::NoResource)
        .says("ann", "action.taken", "a", taken(room(9, 5)))
        .fails(Rejection::NoResource)
        .says("ann", "action.taken", "a", taken(json!(many)))
        .fails(Rejection::Resources { limit: 64 })
        .says("ann", "action.taken", "a", taken(json!(many[..64])))
        .works();
}

#[test]
fn a_flood_of_intents_leaves_at_most_so_many_on_a_resource_and_the_next_ones_room_when_they_end() {
    let intent = |until: i64| json!({"resources": room(0, 60), "until": t(until)});
    let mut told = given();
    for number in 0..1_000 {
        told.say("mal", "action.intended", &format!("m{number}"), &intent(30));
    }
    let crowded = Rejection::Crowded { resource: "room 1".to_owned(), limit: 256 };
    let told = told.fails(crowded.clone());
    assert_eq!(told.state.actions.iter().len(), 256);
    let sizes = |told: &Told| told.state.actions.on["room 1"].sizes();
    assert_eq!(sizes(&told), (0, 256));
    let told = told
        .says("mal", "action.intended", "m0", intent(40))
        .works()
        .says("ann", "action.intended", "a", intent(90))
        .fails(crowded);
    let told = told.at(31).says("ann", "action.intended", "a", intent(90)).works();
    assert_eq!(sizes(&told), (0, 2), "those that ended made room");
}

#[test]
fn however_many_acts_stand_on_a_resource_few_are_looked_at() {
    let mut told = given();
    for number in 0..2_000 {
        let slot = booking(number * 10, number * 10 + 10);
        told.say("ann", "action.taken", &format!("a{number}"), &slot);
    }
    assert_eq!(told.state.actions.on["room 1"].sizes(), (2_000, 0));
    let taken: Taken = serde_json::from_value(booking(5, 19_000)).unwrap();
    let plan = Plan::one(entity("b"), ActionEvent::Taken(taken));
    let author = agent("bob");
    let context = Context {
        author: &author,
        position: Position::new(9_999),
        time: told.state.time(),
        space: &told.state,
    };
    let excerpt = Compensation::excerpt(&told.state.actions, &plan, &context);
    assert_eq!((excerpt.actions.len(), excerpt.on["room 1"].sizes()), (1, (1, 0)));
    let told = book(told, "bob", "b", 5, 19_000);
    assert!(owes(&told, "b"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_reader_finds_the_same_conflicts_and_no_two_standing_acts_meet(
        steps in prop::collection::vec(any::<(u8, u8, u8, u8)>(), 0..40),
        cut in 0_usize..40,
    ) {
        let mut told = given();
        for (who, what, which, from) in steps {
            let now = told.entries.len() as i64;
            told = told.at(now);
            let who = ["ann", "bob", "cid"][usize::from(who % 3)];
            let name = format!("a{}", which % 8);
            let from = i64::from(from % 16);
            let fence = told.state.actions.get(&entity(&name)).map_or(1, |action| match action.phase {
                Phase::Intended { at, .. } => at.get(),
                _ => 1,
            });
            let to = match told.state.actions.get(&entity(&name)).map(|action| &action.phase) {
                Some(Phase::Owing { to, .. }) => json!(to),
                _ => json!(null),
            };
            let (ty, data) = match what % 5 {
                0 => ("action.intended", json!({"resources": room(from, from + 4), "until": t(now + 9)})),
                1 | 2 => ("action.taken", booking(from, from + 4)),
                3 => ("action.taken", json!({"resources": room(from, from + 4), "class": {"irreversible": {"fence": fence}}})),
                _ => ("action.compensated", json!({"gave_way_to": to})),
            };
            told.say(who, ty, &name, &data);
            let taken = told.state.actions.iter().filter(|(_, a)| matches!(a.phase, Phase::Taken { .. }));
            let taken: Vec<_> = taken.collect();
            for (index, (_, one)) in taken.iter().enumerate() {
                for (_, two) in &taken[index + 1..] {
                    prop_assert!(!one.resources[0].meets(&two.resources[0]));
                }
            }
        }
        laws_hold(&told.entries, cut);
    }

    #[test]
    fn what_is_found_at_once_is_what_a_look_at_everything_finds(
        steps in prop::collection::vec(any::<(u8, u8, u8, u8, u8)>(), 0..60),
    ) {
        let mut told = given();
        for (index, (what, from, length, other, more)) in steps.into_iter().enumerate() {
            told = told.at(index as i64);
            let stretch = |name: &str, from: u8, length: u8| {
                let from = i64::from(from % 20);
                let until = (!length.is_multiple_of(7)).then(|| t(from + i64::from(length % 7)));
                json!({"name": name, "from": t(from), "until": until})
            };
            let resources = json!([stretch("x", from, length), stretch(if more % 2 == 0 { "x" } else { "y" }, other, more)]);
            let name = format!("a{index}");
            if what % 4 == 0 {
                // One that stands is undone, if there is any.
                let standing = told.state.actions.iter().find(|(_, a)| matches!(a.phase, Phase::Taken { .. }));
                let Some((name, _)) = standing else { continue };
                let name = name.clone();
                told.say("ann", "action.compensated", name.as_str(), &json!({}));
                continue;
            }
            let class = if what % 4 == 1 { json!("mergeable") } else { json!({"compensable": {"how": "x"}}) };
            let said: Vec<Resource> = serde_json::from_value(resources.clone()).unwrap();
            let meets = told.state.actions.iter().any(|(_, a)| {
                let stands = matches!(&a.phase, Phase::Taken { class, .. } if *class != Class::Mergeable);
                stands && a.resources.iter().any(|one| said.iter().any(|two| one.meets(two)))
            });
            told.say("ann", "action.taken", &name, &json!({"resources": resources, "class": class}));
            prop_assert_eq!(owes(&told, &name), meets && what % 4 != 1, "{} on {:?}", name, said);
        }
        laws_hold(&told.entries, 20);
    }
}
