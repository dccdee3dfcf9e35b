//! What holds for schedules.

use colony_core::Position;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::protocol::Millis;
use crate::protocol::testing::{Told, agent, at, entity, given, laws_hold, t};

/// Every minute, defined at second 5.
fn minutely(missed: &Value) -> Told {
    let said = json!({"cron": "* * * * *", "missed": missed});
    given().at(5).says("ann", "schedule.defined", "tidy", said).works()
}

fn tick(told: Told, who: &str, due: i64) -> Told {
    told.says(who, "schedule.ticked", "tidy", json!({"due": t(due)}))
}

fn due(told: &Told, seconds: i64) -> Vec<String> {
    let schedule = told.state.schedules.get(&entity("tidy")).unwrap();
    let ticks = schedule.due(told.state.time().advanced(at(seconds)));
    ticks.iter().map(|tick| tick.due.to_string()).collect()
}

#[test]
fn n_instances_make_one_tick() {
    let told = minutely(&json!("run-once")).at(60);
    let dealt_with = Rejection::Ticked { until: at(60), at: Some(Position::new(2)) };
    let told = tick(told, "ann", 60).works();
    tick(tick(told, "ann", 60).fails(dealt_with.clone()), "bob", 60).fails(dealt_with);
}

#[test]
fn ids_of_ticks_are_the_same_for_every_instance() {
    let id = |name, due| tick_id(&entity(name), Position::new(1), at(due)).unwrap();
    assert_eq!(id("tidy", 60), id("tidy", 60));
    assert_ne!(id("tidy", 60), id("tidy", 120));
    assert_ne!(id("tidy", 60), id("sweep", 60));
}

#[test]
fn nothing_ticks_early_or_out_of_turn() {
    let not = |due, now| Rejection::NotDue { due: at(due), next: Some(at(60)), now: at(now) };
    let told = tick(minutely(&json!("run-once")).at(59), "ann", 60).fails(not(60, 59));
    tick(told.at(100), "ann", 75).fails(not(75, 100));
}

#[test]
fn what_was_missed_runs_once_or_each_or_not_at_all() {
    let once = minutely(&json!("run-once"));
    assert_eq!(due(&once, 200), [t(180)]);
    let once = tick(once.at(200), "ann", 180).works();
    tick(once, "bob", 120).fails(Rejection::Ticked { until: at(180), at: Some(Position::new(2)) });

    let all = minutely(&json!("run-all"));
    assert_eq!(due(&all, 200), [t(60), t(120), t(180)]);
    let not = Rejection::NotDue { due: at(120), next: Some(at(60)), now: at(200) };
    let all = tick(all.at(200), "ann", 120).fails(not);
    let all = all.does::<Schedules>("bob", Command::Tick(entity("tidy")));
    assert_eq!(all.state.schedules.get(&entity("tidy")).unwrap().ticks, 3);

    let skip = minutely(&json!({"skip": {"late_ms": 10_000}}));
    assert_eq!(due(&skip, 70), [t(60)]);
    assert!(due(&skip, 71).is_empty());
    let (late_ms, allowed_ms) = (Millis::from_secs(11), Millis::from_secs(10));
    let skip = tick(skip.at(71), "ann", 60).fails(Rejection::TooLate { late_ms, allowed_ms });
    tick(skip.at(125), "ann", 120).works();
}

#[test]
fn a_late_tick_stands_for_all_that_were_missed_by_then() {
    let told = tick(minutely(&json!("run-once")).at(130), "ann", 60).works();
    assert!(due(&told, 179).is_empty());
    assert_eq!(due(&told, 180), [t(180)]);
}

#[test]
fn days_are_those_of_the_time_zone_also_when_clocks_change() {
    let calendar = Calendar::new("30 2 * * *", Some("Europe/Berlin")).unwrap();
    let after = |moment: &str| calendar.after(moment.parse().unwrap()).unwrap().to_string();
    assert_eq!(after("2026-01-10T12:00:00Z"), "2026-01-11T01:30:00Z");
    assert_eq!(after("2026-07-10T12:00:00Z"), "2026-07-11T00:30:00Z");
    let last = |moment: &str| calendar.at_or_before(moment.parse().unwrap()).unwrap().to_string();
    assert_eq!(last("2026-01-11T01:30:00Z"), "2026-01-11T01:30:00Z");
    assert_eq!(last("2026-01-11T01:29:59Z"), "2026-01-10T01:30:00Z");
}

#[test]
fn definitions_that_make_no_sense_are_ignored_and_only_the_author_changes_one() {
    let bad = |said: Value| given().says("ann", "schedule.defined", "tidy", said);
    assert!(format!("{:?}", bad(json!({"cron": "every day"})).last).contains("Cron"));
    let zone = CalendarError::Zone { zone: "Mars/Olympus".into() };
    bad(json!({"cron": "* * * * *", "zone": "Mars/Olympus"})).fails(Rejection::Calendar(zone));
    let by = Rejection::Defined { by: agent("ann"), at: Position::new(1) };
    minutely(&json!("run-once"))
        .says("bob", "schedule.removed", "tidy", json!({}))
        .fails(by)
        .says("ann", "schedule.removed", "tidy", json!({}))
        .works()
        .says("ann", "schedule.ticked", "tidy", json!({"due": t(60)}))
        .fails(Rejection::Unknown);
}

#[test]
fn an_expression_that_names_no_day_is_none() {
    let never =
        ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 31 2 *", "0 0 0 29 2 * 2027", "0 0 * 2 MON#6"];
    for cron in never {
        let refused = Calendar::new(cron, None);
        assert!(matches!(refused, Err(CalendarError::Cron { .. })), "{cron}: {refused:?}");
    }
    // The last: a leap day that is a fifth Monday comes once in 28 years.
    for cron in [
        "0 0 29 2 *",
        "0 0 31 * *",
        "0 0 30 2 MON",
        "0 0 0 29 2 * 2028",
        "0 0 L 2 *",
        "0 0 * 2 MON#5",
    ] {
        let calendar = Calendar::new(cron, None).unwrap();
        assert!(calendar.after(at(0)).is_some(), "{cron}");
    }
    let said = json!({"cron": "0 0 30 2 *"});
    let told = given().says("ann", "schedule.defined", "tidy", said);
    assert!(format!("{:?}", told.last).contains("Cron"), "{:?}", told.last);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_reader_has_the_same_schedules_and_no_tick_counts_twice(
        steps in prop::collection::vec(any::<(u8, u8, u8)>(), 0..40),
        missed in 0_u8..3,
        cut in 0_usize..40,
    ) {
        let missed = [json!("run-once"), json!("run-all"), json!({"skip": {"late_ms": 30_000}})][usize::from(missed)].clone();
        let mut told = minutely(&missed);
        let mut now = 5;
        let mut seen = std::collections::BTreeSet::new();
        for (pause, which, who) in steps {
            now += i64::from(pause);
            told = told.at(now);
            let who = ["ann", "bob"][usize::from(who % 2)];
            let moment = (now / 60 + i64::from(which % 4) - 2) * 60;
            told.say(who, "schedule.ticked", "tidy", &json!({"due": t(moment)}));
            if told.last == crate::protocol::Outcome::Applied {
                prop_assert!(seen.insert(moment));
                prop_assert!(moment <= now);
            }
        }
        laws_hold(&told.entries, cut);
    }
}
