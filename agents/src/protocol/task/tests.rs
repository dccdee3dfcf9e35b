//! What holds for tasks.

use colony_core::Position;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::protocol::Millis;
use crate::protocol::reputation::DeedKind;
use crate::protocol::testing::{Told, agent, at, entity, given, laws_hold, t};

fn offered() -> Told {
    given().says("ann", "task.offered", "fence", json!({"what": "paint the fence"})).works()
}

/// Offered at position 1, claimed by bob at 2, until second 60.
fn claimed() -> Told {
    offered().says("bob", "task.claimed", "fence", json!({"until": t(60)})).works()
}

/// And delivered at 3.
fn delivered() -> Told {
    claimed().says("bob", "task.done", "fence", json!({"fence": 2, "evidence": ["photo"]})).works()
}

fn task(told: &Told) -> Task {
    told.state.tasks.get(&entity("fence")).unwrap().clone()
}

fn hold(told: &Told) -> Hold {
    task(told).hold().unwrap().clone()
}

const fn p(position: u64) -> Position {
    Position::new(position)
}

#[test]
fn the_lowest_claim_of_a_round_owns_the_task_and_the_loser_is_told_who_won() {
    let told = claimed()
        .says("cid", "task.claimed", "fence", json!({"until": t(60)}))
        .fails(Rejection::Held { owner: agent("bob"), round: 1, fence: p(2) });
    assert_eq!((hold(&told).owner, hold(&told).fence), (agent("bob"), p(2)));
}

#[test]
fn a_second_instance_of_the_owner_loses_too_and_sees_it_by_the_fence() {
    let told = claimed()
        .says("bob", "task.claimed", "fence", json!({"until": t(90)}))
        .fails(Rejection::Held { owner: agent("bob"), round: 1, fence: p(2) });
    assert_eq!(told.state.tasks.fence(&entity("fence"), &agent("bob")), Some(p(2)));
}

#[test]
fn a_claim_that_arrives_late_loses_though_it_was_sent_first() {
    // cid's claim was held up on its way; only where it stands in the log counts.
    claimed()
        .at(5)
        .says("cid", "task.claimed", "fence", json!({"until": t(20)}))
        .fails(Rejection::Held { owner: agent("bob"), round: 1, fence: p(2) });
}

#[test]
fn progress_extends_the_claim_and_nobody_can_declare_it_lapsed_before() {
    claimed()
        .at(50)
        .says(
            "bob",
            "task.progressed",
            "fence",
            json!({"fence": 2, "until": t(120), "percent": 40}),
        )
        .works()
        .at(100)
        .says("cid", "task.lapsed", "fence", json!({"fence": 2}))
        .fails(Rejection::NotOverdue { owner: agent("bob"), until: at(120), now: at(100) });
}

#[test]
fn progress_that_names_no_time_extends_the_claim_by_as_long_again() {
    let told = claimed().at(50).says("bob", "task.progressed", "fence", json!({"fence": 2}));
    assert_eq!(hold(&told).until, at(110));
    let told = told.at(300).says("bob", "task.progressed", "fence", json!({"fence": 2})).works();
    assert_eq!(hold(&told).until, at(360), "also late, as long as nobody said that it lapsed");
}

#[test]
fn after_silence_anybody_ends_the_round_and_the_task_is_free() {
    let told = claimed().at(61).says("cid", "task.lapsed", "fence", json!({"fence": 2})).works();
    assert_eq!(task(&told).phase, Phase::Free { since: at(61) });
    assert_eq!(task(&told).round, 2);
    let broken = &told.state.reputation.get(&agent("bob")).unwrap().counts;
    assert_eq!(broken.get(&DeedKind::Broken), Some(&1));
}

#[test]
fn taking_over_from_a_silent_owner_is_one_decision_of_two_events() {
    let told = claimed().at(61);
    let told = told.does::<Tasks>("cid", Command::Claim(entity("fence"), Millis::from_secs(60)));
    assert_eq!(told.entries.len(), 4);
    assert_eq!((hold(&told).owner, hold(&told).fence), (agent("cid"), p(4)));
}

#[test]
fn results_under_an_old_fence_have_no_effect() {
    let told = claimed()
        .at(61)
        .says("cid", "task.lapsed", "fence", json!({"fence": 2}))
        .says("bob", "task.claimed", "fence", json!({"until": t(120)}))
        .works()
        // bob's first instance wakes up; it is the same agent, but another claim.
        .says("bob", "task.done", "fence", json!({"fence": 2}))
        .fails(Rejection::Fence { given: p(2), fence: p(4), owner: agent("bob") });
    let told = told
        .at(121)
        .says("dee", "task.lapsed", "fence", json!({"fence": 4}))
        .says("dee", "task.claimed", "fence", json!({"until": t(200)}))
        .says("bob", "task.done", "fence", json!({"fence": 4}))
        .fails(Rejection::NotOwner { owner: agent("dee"), fence: p(7) });
    assert_eq!(hold(&told).owner, agent("dee"));
}

#[test]
fn finished_work_counts_until_somebody_says_that_it_lapsed() {
    let told = claimed().at(300).says("bob", "task.done", "fence", json!({"fence": 2})).works();
    assert!(task(&told).is_done());
    told.says("cid", "task.lapsed", "fence", json!({"fence": 2}))
        .fails(Rejection::NotHeld { round: 1 });
}

#[test]
fn log_time_decides_even_where_the_next_server_is_behind() {
    claimed()
        .at(61)
        .says("zoe", "agent.announced", "zoe", json!({}))
        .at(10)
        .says("cid", "task.lapsed", "fence", json!({"fence": 2}))
        .works();
}

#[test]
fn a_claim_is_no_longer_than_the_offer_and_the_deadline_allow() {
    let offer = json!({"what": "x", "claim_ms": 30_000, "deadline": t(50)});
    let told = given().says("ann", "task.offered", "fence", offer).works();
    let told = told.says("bob", "task.claimed", "fence", json!({"until": t(1_000)})).works();
    assert_eq!(hold(&told).until, at(30));
    let progress = json!({"fence": 2, "until": t(1_000)});
    let told = told.at(25).says("bob", "task.progressed", "fence", progress).works();
    assert_eq!(hold(&told).until, at(50), "silence is noticed before the deadline passes");
}

#[test]
fn nobody_takes_a_task_after_its_deadline_and_late_results_are_marked() {
    let offer = json!({"what": "x", "deadline": t(50)});
    let told = given().says("ann", "task.offered", "fence", offer.clone()).works();
    told.clone()
        .at(51)
        .says("bob", "task.claimed", "fence", json!({"until": t(99)}))
        .fails(Rejection::Deadline { deadline: at(50) });
    let told = told
        .says("bob", "task.claimed", "fence", json!({"until": t(40)}))
        .at(51)
        .says("bob", "task.done", "fence", json!({"fence": 2}))
        .works()
        .says("ann", "task.verified", "fence", json!({"delivery": 3}))
        .works();
    assert!(task(&told).delivery().unwrap().late);
    let counts = &told.state.reputation.get(&agent("bob")).unwrap().counts;
    assert_eq!(counts.get(&DeedKind::Late), Some(&1));
}

#[test]
fn a_claim_on_the_past_does_not_count() {
    offered()
        .at(10)
        .says("bob", "task.claimed", "fence", json!({"until": t(10)}))
        .fails(Rejection::Past { until: at(10), now: at(10) });
}

#[test]
fn skills_that_are_required_must_be_announced() {
    let offer = json!({"what": "x", "skills": ["paint"]});
    let told = given().says("ann", "task.offered", "fence", offer).works();
    let lacks = Rejection::Skill { skill: "paint".into(), agent: agent("bob") };
    told.says("bob", "task.claimed", "fence", json!({"until": t(60)}))
        .fails(lacks)
        .says("bob", "agent.announced", "bob", json!({"skills": ["paint"]}))
        .says("bob", "task.claimed", "fence", json!({"until": t(60)}))
        .works();
}

#[test]
fn tasks_wait_for_those_before_them() {
    let told = offered()
        .says("ann", "task.offered", "gate", json!({"what": "y", "after": ["fence"]}))
        .says("cid", "task.claimed", "gate", json!({"until": t(60)}))
        .fails(Rejection::After { on: entity("fence") });
    told.says("bob", "task.claimed", "fence", json!({"until": t(60)}))
        .says("bob", "task.done", "fence", json!({"fence": 4}))
        .says("cid", "task.claimed", "gate", json!({"until": t(60)}))
        .works();
}

#[test]
fn an_assigned_task_is_held_from_the_offer_on_and_free_for_all_when_it_lapses() {
    let offer = json!({"what": "x", "mode": {"assigned": {"to": "bob"}}});
    let told = given().says("ann", "task.offered", "fence", offer).works();
    assert_eq!((hold(&told).owner, hold(&told).fence), (agent("bob"), p(1)));
    told.at(61)
        .says("cid", "task.lapsed", "fence", json!({"fence": 1}))
        .says("cid", "task.claimed", "fence", json!({"until": t(99)}))
        .works();
}

#[test]
fn blocked_says_on_what_and_since_when_and_progress_clears_it() {
    let told = claimed()
        .at(10)
        .says("bob", "task.blocked", "fence", json!({"fence": 2, "on": {"task": "buy paint"}}))
        .at(20)
        .says("bob", "task.blocked", "fence", json!({"fence": 2, "on": {"agent": "ann"}}))
        .works();
    let block = hold(&told).blocked.unwrap();
    assert_eq!(block, Block { on: BlockedOn::Agent(agent("ann")), since: at(10) });
    let told = told.says("bob", "task.progressed", "fence", json!({"fence": 2})).works();
    assert_eq!(hold(&told).blocked, None);
}

#[test]
fn releasing_frees_the_task_and_costs_no_reputation() {
    let told = claimed().says("bob", "task.released", "fence", json!({"fence": 2})).works();
    assert_eq!(task(&told).phase, Phase::Free { since: at(0) });
    assert!(told.state.reputation.get(&agent("bob")).is_none());
}

#[test]
fn who_says_done_is_judged_by_the_offerer_and_never_by_itself() {
    delivered()
        .says("bob", "task.verified", "fence", json!({"delivery": 3}))
        .fails(Rejection::NotVerifier { agent: agent("bob") })
        .says("ann", "task.verified", "fence", json!({"delivery": 2}))
        .fails(Rejection::OtherDelivery { given: p(2), actual: p(3) })
        .says("ann", "task.verified", "fence", json!({"delivery": 3}))
        .works();
    given()
        .says("ann", "task.offered", "fence", json!({"what": "x"}))
        .says("ann", "task.claimed", "fence", json!({"until": t(60)}))
        .says("ann", "task.done", "fence", json!({"fence": 2}))
        .says("ann", "task.verified", "fence", json!({"delivery": 3}))
        .fails(Rejection::OwnWork);
}

#[test]
fn a_rejected_result_opens_the_task_again() {
    let told =
        delivered().says("ann", "task.rejected", "fence", json!({"delivery": 3, "reason": "red"}));
    assert_eq!((task(&told).round, task(&told).is_done()), (2, false));
    told.says("cid", "task.claimed", "fence", json!({"until": t(60)})).works();
}

#[test]
fn a_quorum_of_verifiers_decides_and_each_counts_once() {
    let offer = json!({"what": "x", "verifiers": ["v1", "v2", "v3"], "quorum": 2});
    let told = given()
        .says("ann", "task.offered", "fence", offer)
        .says("bob", "task.claimed", "fence", json!({"until": t(60)}))
        .says("bob", "task.done", "fence", json!({"fence": 2}))
        .says("v1", "task.verified", "fence", json!({"delivery": 3}))
        .works()
        .says("v1", "task.verified", "fence", json!({"delivery": 3}))
        .fails(Rejection::Judged { agent: agent("v1"), at: p(4) })
        .says("ann", "task.verified", "fence", json!({"delivery": 3}))
        .fails(Rejection::NotVerifier { agent: agent("ann") });
    let one_against =
        told.clone().says("v2", "task.rejected", "fence", json!({"delivery": 3, "reason": ""}));
    assert!(matches!(task(&one_against).phase, Phase::Done(_)), "one may err");
    let two_against =
        one_against.says("v3", "task.rejected", "fence", json!({"delivery": 3, "reason": ""}));
    assert!(matches!(task(&two_against).phase, Phase::Free { .. }));
    let two_for = told.says("v3", "task.verified", "fence", json!({"delivery": 3}));
    assert!(matches!(task(&two_for).phase, Phase::Verified(_)));
}

#[test]
fn only_the_offerer_calls_off_or_offers_again() {
    offered()
        .says("bob", "task.offered", "fence", json!({"what": "mine"}))
        .fails(Rejection::Offered { by: agent("ann"), at: p(1) })
        .says("bob", "task.cancelled", "fence", json!({}))
        .fails(Rejection::NotOfferer { by: agent("ann") })
        .says("ann", "task.offered", "fence", json!({"what": "paint it blue"}))
        .works()
        .says("ann", "task.cancelled", "fence", json!({}))
        .works()
        .says("bob", "task.claimed", "fence", json!({"until": t(60)}))
        .fails(Rejection::Cancelled { at: p(5) });
}

#[test]
fn what_a_decision_allows_is_what_everybody_accepts() {
    let told =
        offered().does::<Tasks>("bob", Command::Claim(entity("fence"), Millis::from_secs(60)));
    let refused = told.wants::<Tasks>("cid", Command::Claim(entity("fence"), Millis::new(1)));
    let held = Rejection::Held { owner: agent("bob"), round: 1, fence: p(2) };
    assert_eq!(refused, Err(held.into()));
    let progress = Command::Progress {
        task: entity("fence"),
        fence: None,
        silent: Some(Millis::from_secs(90)),
        percent: Some(10),
        note: String::new(),
    };
    let finish =
        Command::Finish { task: entity("fence"), fence: None, result: None, evidence: Vec::new() };
    let told = told.does::<Tasks>("bob", progress).does::<Tasks>("bob", finish);
    let verify = Command::Verify { task: entity("fence"), how: "looked".into() };
    assert!(matches!(task(&told.does::<Tasks>("ann", verify)).phase, Phase::Verified(_)));
}

#[test]
fn the_board_shows_who_does_what_since_when_and_what_is_overdue() {
    let told = claimed()
        .says("ann", "task.offered", "gate", json!({"what": "y", "after": ["fence"]}))
        .says("ann", "task.offered", "roof", json!({"what": "z"}))
        .at(61)
        .says("ann", "task.offered", "wall", json!({"what": "w"}));
    let board = told.state.tasks.board(told.state.time());
    let columns = |column| board.column(column).map(|c| c.task.as_str()).collect::<Vec<_>>();
    assert_eq!(columns(Column::Free), ["roof", "wall"]);
    assert_eq!(columns(Column::Waiting), ["gate"]);
    let doing: Vec<_> = board.column(Column::Doing).collect();
    assert_eq!(doing[0].agent, Some(&agent("bob")));
    assert_eq!((doing[0].fence, doing[0].overdue), (Some(p(2)), true));
}

/// Random work on two tasks by four agents: mostly sensible, often not.
fn log(steps: &[(u8, u8, u8, u8)]) -> Told {
    let mut told = given();
    let mut now = 0;
    for (who, what, which, more) in steps {
        now += i64::from(*more % 40);
        told = told.at(now);
        let name = ["fence", "gate"][usize::from(*which % 2)];
        let who = ["ann", "bob", "cid", "dee"][usize::from(*who % 4)];
        let held = told.state.tasks.get(&entity(name));
        let fence = held.and_then(|task| task.hold()).map_or(1, |hold| hold.fence.get());
        let fence = if more % 7 == 0 { fence.saturating_sub(1) } else { fence };
        let delivery = held.and_then(|task| task.delivery()).map_or(1, |d| d.at.get());
        let until = t(now + i64::from(*more) - 5);
        let bids = json!({"bid": {"until": t(now + 20), "at_most": 3, "award": {"weighted": {"price": 1, "reputation": 2}}}});
        let (ty, data): (&str, Value) = match what % 14 {
            0 | 1 => ("task.offered", json!({"what": "x", "deadline": t(now + 300)})),
            2 => ("task.offered", json!({"what": "x", "mode": bids})),
            3 | 4 => ("task.claimed", json!({"until": until})),
            5 => ("task.progressed", json!({"fence": fence, "until": until})),
            6 => ("task.blocked", json!({"fence": fence, "on": {"reason": "rain"}})),
            7 => ("task.lapsed", json!({"fence": fence})),
            8 => ("task.done", json!({"fence": fence})),
            9 => ("task.verified", json!({"delivery": delivery})),
            10 => ("task.rejected", json!({"delivery": delivery, "reason": "no"})),
            11 => ("task.bid", json!({"price": more, "finish": until})),
            12 => ("task.closed", json!({})),
            _ => ("task.released", json!({"fence": fence, "reason": 7})),
        };
        told.say(who, ty, name, &data);
    }
    told
}

#[test]
fn a_worker_that_is_among_the_verifiers_is_not_waited_for() {
    let offer = |quorum| json!({"what": "x", "verifiers": ["mal", "v1", "v2"], "quorum": quorum});
    let done = |quorum: u32| {
        given()
            .says("ann", "task.offered", "x", offer(quorum))
            .says("mal", "task.claimed", "x", json!({"until": t(60)}))
            .says("mal", "task.done", "x", json!({"fence": 2}))
            .works()
    };
    let phase = |told: &Told| told.state.tasks.get(&entity("x")).unwrap().phase.clone();
    // Two must agree, and two are left: one that does not is enough to open the task again.
    let told = done(2).says("v1", "task.rejected", "x", json!({"delivery": 3, "reason": ""}));
    assert!(matches!(phase(&told.works()), Phase::Free { .. }));
    // Three must agree, and two are left: they decide.
    let told = done(3).says("v1", "task.verified", "x", json!({"delivery": 3}));
    assert!(matches!(phase(&told), Phase::Done(_)));
    let told = told.says("v2", "task.verified", "x", json!({"delivery": 3}));
    assert!(matches!(phase(&told.works()), Phase::Verified(_)));
}

#[test]
fn nobody_keeps_a_task_for_ever_by_asking_for_it() {
    const DAY: i64 = 24 * 60 * 60;
    let told = given()
        .says("ann", "task.offered", "x", json!({"what": "x", "deadline": t(10 * DAY)}))
        .says("mal", "task.claimed", "x", json!({"until": "2200-01-01T00:00:00Z"}))
        .works();
    let until = |told: &Told| told.state.tasks.get(&entity("x")).unwrap().hold().unwrap().until;
    assert_eq!(until(&told), at(DAY));
    // Neither does one who is late already.
    let told = given()
        .says("ann", "task.offered", "x", json!({"what": "x", "deadline": t(10)}))
        .says("mal", "task.claimed", "x", json!({"until": t(9)}))
        .at(11)
        .says("mal", "task.progressed", "x", json!({"fence": 2, "until": "2200-01-01T00:00:00Z"}))
        .works();
    assert_eq!(until(&told), at(11 + DAY));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_reader_has_the_same_tasks(
        steps in prop::collection::vec(any::<(u8, u8, u8, u8)>(), 0..60),
        cut in 0_usize..60,
    ) {
        laws_hold(&log(&steps).entries, cut);
    }

    #[test]
    fn a_task_has_one_owner_and_only_it_delivers(
        steps in prop::collection::vec(any::<(u8, u8, u8, u8)>(), 0..80),
    ) {
        let entries = log(&steps).entries;
        let mut state = crate::protocol::CoordinationState::default();
        for entry in &entries {
            let before = state.tasks.clone();
            let applied = state.evolve(entry) == crate::protocol::Outcome::Applied;
            if applied && entry.event().ty.as_str() == "task.done" {
                let name = entry.event().entity.as_ref().unwrap();
                let hold = before.get(name).unwrap().hold().unwrap();
                prop_assert_eq!(&hold.owner, &entry.event().author);
            }
            for (name, task) in state.tasks.iter() {
                let fence = |task: &Task| task.hold().map(|hold| hold.fence);
                let previous = before.get(name).and_then(fence);
                if let (Some(now), Some(previous)) = (fence(task), previous) {
                    prop_assert!(now >= previous, "fences only rise");
                }
            }
        }
    }
}
