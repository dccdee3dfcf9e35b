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
