//! What holds at the human gate.

use colony_core::Position;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::protocol::coordination;
use crate::protocol::testing::{Told, agent, at, entity, given, laws_hold, t};

fn chartered() -> Told {
    let charter = json!({"administrators": ["root"], "people": ["eve", "uma"]});
    given().says("root", "space.chartered", "space", charter).works()
}

fn asked(more: &Value) -> Told {
    let mut asked = json!({"question": "deploy?", "options": ["yes", "no"]});
    asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    chartered().says("bob", "gate.asked", "q", asked).works()
}

fn answer(told: &Told, seconds: i64) -> Answer<'_> {
    let time = told.state.time().advanced(at(seconds));
    told.state.gate.question(&entity("q")).unwrap().answer(time)
}

#[test]
fn whoever_asked_waits_until_a_person_answers_and_no_process_need_live_for_it() {
    let told = asked(&json!({}));
    let bob = agent("bob");
    assert_eq!(answer(&told, 1_000_000), Answer::Wait);
    assert_eq!(told.state.gate.waits(&bob, told.state.time()).count(), 1);
    let told = told
        .says("cid", "gate.answered", "q", json!({"answer": "yes"}))
        .fails(Rejection::NotPerson { agent: agent("cid") })
        .says("eve", "gate.answered", "q", json!({"answer": "perhaps"}))
        .fails(Rejection::NoOption { answer: "perhaps".into() })
        .says("eve", "gate.answered", "q", json!({"answer": "no"}))
        .works();
    assert_eq!(answer(&told, 0), Answer::Told("no"));
    let told = told.says("uma", "gate.answered", "q", json!({"answer": "yes"}));
    let reply = Reply::Answered { by: agent("eve"), at: Position::new(5), answer: "no".into() };
    told.fails(Rejection::Closed { reply });
}

#[test]
fn a_question_may_name_who_is_asked_but_not_make_people_of_agents() {
    let told = asked(&json!({"of": ["eve", "cid"]}));
    told.says("uma", "gate.answered", "q", json!({"answer": "yes"}))
        .fails(Rejection::NotPerson { agent: agent("uma") })
        .says("cid", "gate.answered", "q", json!({"answer": "yes"}))
        .fails(Rejection::NotPerson { agent: agent("cid") })
        .says("eve", "gate.answered", "q", json!({"answer": "yes"}))
        .works();
}

#[test]
fn time_may_answer_or_expire_and_a_question_can_be_taken_back() {
    let told = asked(&json!({"until": t(60), "otherwise": "no"}));
    assert_eq!((answer(&told, 60), answer(&told, 61)), (Answer::Wait, Answer::Told("no")));
    told.at(61)
        .says("eve", "gate.answered", "q", json!({"answer": "yes"}))
        .fails(Rejection::Expired { until: at(60), now: at(61) });
    assert_eq!(answer(&asked(&json!({"until": t(60)})), 61), Answer::Expired);
    let told = asked(&json!({}))
        .says("cid", "gate.cancelled", "q", json!({}))
        .fails(Rejection::NotAsker { by: agent("bob") })
        .says("bob", "gate.cancelled", "q", json!({}))
        .works();
    assert_eq!(answer(&told, 0), Answer::Cancelled);
}

#[test]
fn leave_within_limits_answers_at_once_until_it_is_used_up() {
    let leave = json!({"to": "bob", "scope": "spend", "each": 40, "total": 100, "times": 3, "until": t(60)});
    let ask = |amount: u64| json!({"question": "buy?", "scope": "spend", "amount": amount});
    let covered = |told: &Told, name: &str| {
        told.state.gate.question(&entity(name)).unwrap().answer(told.state.time()) == Answer::Leave
    };
    let told = chartered()
        .says("bob", "gate.granted", "g", leave.clone())
        .fails(Rejection::NotPerson { agent: agent("bob") })
        .says("eve", "gate.granted", "g", leave)
        .works()
        .says("bob", "gate.asked", "q1", ask(40))
        .says("bob", "gate.asked", "q2", ask(41))
        .says("cid", "gate.asked", "q3", ask(1))
        .says("bob", "gate.asked", "q4", ask(40))
        .says("bob", "gate.asked", "q5", ask(30))
        .says("bob", "gate.asked", "q6", ask(20))
        .says("bob", "gate.asked", "q7", ask(0));
    let all: Vec<bool> = (1..=7).map(|n| covered(&told, &format!("q{n}"))).collect();
    assert_eq!(all, [true, false, false, true, false, true, false]);
    let told = told.says("eve", "gate.withdrawn", "g", json!({})).works();
    assert!(told.state.gate.grant(&entity("g")).unwrap().withdrawn);
}

#[test]
fn an_emergency_stop_takes_the_effect_from_all_that_follows_until_it_is_resumed() {
    let stopped = |who| {
        let (agent, by) = (agent(who), agent("eve"));
        coordination::Rejection::Stopped { agent, by, at: Position::new(2) }
    };
    let told = chartered()
        .says("eve", "gate.stopped", "s", json!({"agent": "bob", "reason": "loops"}))
        .works()
        .says("bob", "task.offered", "x", json!({"what": "x"}))
        .fails(stopped("bob"))
        .says("cid", "task.offered", "x", json!({"what": "x"}))
        .works()
        .says("bob", "gate.asked", "q", json!({"question": "why?"}))
        .works()
        .says("eve", "gate.resumed", "s", json!({"agent": "bob"}))
        .works()
        .says("bob", "task.claimed", "x", json!({"until": t(60)}))
        .works();
    let told = told.says("uma", "gate.resumed", "s", json!({"agent": "bob"}));
    told.fails(Rejection::Stop { stopped: false });
    chartered()
        .says("eve", "gate.stopped", "s", json!({}))
        .says("cid", "task.offered", "x", json!({"what": "x"}))
        .fails(stopped("cid"))
        .says("root", "space.chartered", "space", json!({"administrators": ["root"]}))
        .works();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_reader_has_the_same_answers_and_no_grant_is_overdrawn(
        steps in prop::collection::vec(any::<(u8, u8, u8)>(), 0..40),
        cut in 0_usize..40,
    ) {
        let mut told = chartered();
        for (who, what, amount) in steps {
            let now = told.entries.len() as i64;
            told = told.at(now);
            let who = ["bob", "cid", "eve", "root"][usize::from(who % 4)];
            let name = format!("n{}", amount % 6);
            let (ty, data) = match what % 6 {
                0 => ("gate.asked", json!({"question": "?", "scope": "s", "amount": amount})),
                1 => ("gate.answered", json!({"answer": "yes"})),
                2 => ("gate.cancelled", json!({})),
                3 => ("gate.granted", json!({"scope": "s", "total": 300, "until": t(now + 20)})),
                4 => ("gate.stopped", json!({"agent": "cid"})),
                _ => ("gate.resumed", json!({"agent": "cid"})),
            };
            told.say(who, ty, &name, &data);
            for (_, grant) in told.state.gate.grants() {
                prop_assert!(grant.used <= 300);
            }
        }
        laws_hold(&told.entries, cut);
    }
}
