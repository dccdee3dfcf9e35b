use super::*;
use crate::protocol::Millis;
use crate::protocol::advice::Mode;

const MODES: [Mode; 4] = [Mode::Conductor, Mode::Peer, Mode::Event, Mode::Hybrid];

fn trial(mode: Mode, agents: usize) -> Trial {
    Trial {
        mode,
        agents,
        deaths: Deaths::None,
        latency: Latency::default(),
        silent: Millis::from_secs(1),
        processes: 3,
        seed: 7,
    }
}

fn tasks(count: usize) -> TaskSet {
    let set = Synthetic { tasks: count, dependent_per_mille: 300, ..Synthetic::default() };
    set.make(7).unwrap()
}

#[test]
fn each_mode_does_all_tasks_once() {
    for mode in MODES {
        for agents in [2, 10, 40] {
            let outcome = run(&trial(mode, agents), &tasks(200)).unwrap();
            assert_eq!((outcome.done, outcome.lost, outcome.doubled), (200, 0, 0), "{outcome:?}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for mode in MODES {
        let trial = Trial { deaths: Deaths::Workers, ..trial(mode, 20) };
        let (one, other) = (run(&trial, &tasks(100)).unwrap(), run(&trial, &tasks(100)).unwrap());
        assert_eq!(one, other);
        let changed = run(&Trial { seed: 8, ..trial }, &tasks(100)).unwrap();
        assert_ne!(one.trace, changed.trace);
    }
}

#[test]
fn what_workers_leave_behind_is_done_by_others_but_for_what_only_they_knew() {
    for mode in MODES {
        let outcome =
            run(&Trial { deaths: Deaths::Workers, ..trial(mode, 20) }, &tasks(400)).unwrap();
        match mode {
            Mode::Peer => assert!(outcome.lost > 0, "{outcome:?}"),
            _ => assert_eq!(outcome.lost, 0, "{outcome:?}"),
        }
    }
}

#[test]
fn a_conductor_takes_its_plan_with_it_and_a_client_does_not() {
    let lost = |mode| {
        let trial = Trial { deaths: Deaths::Leader, ..trial(mode, 20) };
        run(&trial, &tasks(400)).unwrap().lost
    };
    assert!(lost(Mode::Conductor) > 200);
    assert_eq!(lost(Mode::Event), 0);
}

#[test]
fn commits_are_tasks_that_wait_for_their_parents() {
    let commit = |id: &str, parent: &str, path: &str| {
        let author = "ann".parse().unwrap();
        let ty = "commit.made".parse().unwrap();
        let mut event = colony_core::Event::new(author, id.parse().unwrap(), ty);
        let data = format!(
            r#"{{"parents":[{parent}],"files":[{{"path":"{path}","added":4,"removed":1}}]}}"#
        );
        event.data = colony_core::Data::json_text(data).unwrap();
        event
    };
    let events = [commit("a", "", "server/a.go"), commit("b", "\"a\"", "server/b.go")];
    let set = from_commits(&events, Millis::new(2)).unwrap();
    assert_eq!(set.tasks[1].after, ["a".parse().unwrap()]);
    assert_eq!(set.tasks[1].skills, ["server"]);
    assert_eq!(set.work(), Millis::new(24));
    let outcome = run(&trial(Mode::Event, 3), &set).unwrap();
    assert_eq!(outcome.done, 2);
}

#[test]
fn what_no_author_does_often_somebody_in_the_team_can_do_all_the_same() {
    let commit = |number: usize, folder: &str| {
        let id = format!("c{number}").parse().unwrap();
        let ty = "commit.made".parse().unwrap();
        let mut event = colony_core::Event::new("ann".parse().unwrap(), id, ty);
        let data = format!(r#"{{"files":[{{"path":"{folder}/f","added":1,"removed":0}}]}}"#);
        event.data = colony_core::Data::json_text(data).unwrap();
        event
    };
    let events: Vec<_> =
        (0..40).map(|number| commit(number, if number == 7 { "docs" } else { "server" })).collect();
    let set = from_commits(&events, Millis::new(2)).unwrap();
    assert_eq!(set.skills, [["server"]], "docs are a fortieth of what ann does");
    assert_eq!(set.tasks[7].skills, ["docs"]);
    for mode in MODES {
        let outcome = run(&trial(mode, 4), &set).unwrap();
        assert_eq!((outcome.done, outcome.lost), (40, 0), "{outcome:?}");
    }
}

#[test]
fn numbers_beyond_all_bounds_end_a_trial_and_break_nothing() {
    let endless = Synthetic { tasks: 3, takes: Millis::new(u64::MAX), ..Synthetic::default() };
    assert_eq!(endless.make(1).unwrap().work(), Millis::new(u64::MAX));
    let set = tasks(3);
    let slow = Latency { append_us: u64::MAX, delivery_us: u64::MAX, ..Latency::default() };
    let outcome = run(&Trial { latency: slow, ..trial(Mode::Event, 2) }, &set).unwrap();
    assert_eq!(outcome.done, 0);
}
