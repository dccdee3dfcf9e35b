//! A thousand agents and ten thousand tasks, a hundred times: no task with two workers, none lost.

use colony_agents::protocol::Millis;
use colony_agents::protocol::advice::Mode;
use colony_agents::trial::{Deaths, Latency, Synthetic, Trial, run};
use colony_tests::harness::Seed;

/// Runs, each with a seed of its own.
const RUNS: u64 = 100;
/// Over how many processes the agents are spread: each reads at a pace of its own, so that claims do meet.
const PROCESSES: usize = 2;

#[test]
fn of_a_thousand_agents_no_two_work_on_one_of_ten_thousand_tasks_and_none_is_lost() {
    let first = Seed::of("claims").below(1 << 40);
    let one = |seed: u64| {
        let set = Synthetic {
            tasks: 10_000,
            takes: Millis::new(20),
            unclear_per_mille: 0,
            ..Synthetic::default()
        };
        let trial = Trial {
            mode: Mode::Event,
            agents: 1_000,
            deaths: if seed.is_multiple_of(2) { Deaths::Workers } else { Deaths::None },
            latency: Latency::default(),
            silent: Millis::from_secs(1),
            processes: PROCESSES,
            seed,
        };
        let outcome = run(&trial, &set.make(seed).unwrap()).unwrap();
        assert_eq!(
            (outcome.done, outcome.lost, outcome.doubled),
            (10_000, 0, 0),
            "seed {seed}: {outcome:?}"
        );
        outcome
    };
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let halves = (0..2).map(|half| {
            scope.spawn(move || {
                (0..RUNS / 2).map(|run| one(first.wrapping_add(run * 2 + half))).collect::<Vec<_>>()
            })
        });
        let halves: Vec<_> = halves.collect();
        halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
    });
    let most = outcomes.iter().map(|outcome| outcome.messages_per_task).fold(0.0, f64::max);
    let ignored: u64 = outcomes.iter().map(|outcome| outcome.ignored).sum();
    println!("at most {most:.2} messages a task; {ignored} claims lost in {RUNS} runs");
    assert!(most < 5.0, "{most} messages a task");
}
