//! Every interleaving of three agents that claim, finish, fall silent and take over on two tasks.
//!
//! The model drives the real rules: agents decide on what they have read, which may be old; what they say may be under way
//! for as long as it likes; time passes whenever it likes. It is checked to the end within its bounds, and the checker
//! is shown to find the fault where a rule is broken.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use colony_core::Position;
use serde_json::{Value, json};
use stateright::{Checker, Model, Property};

use super::{Command, Phase, Tasks};
use crate::protocol::testing::{agent, at, entity, entry};
use crate::protocol::{CoordinationState, Millis, Outcome};

const AGENTS: [&str; 3] = ["ann", "bob", "cid"];
const TASKS: [&str; 2] = ["one", "two"];
/// How long a claim lasts, in seconds of the model's time.
const CLAIM: i64 = 1;

/// Which rule is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broken {
    Nothing,
    /// Agents start when they have sent their claim, not when they have read it back as the winning one.
    StartBeforeReading,
    /// Results count whatever their fence.
    NoFence,
}

struct Claims {
    broken: Broken,
    most_entries: usize,
    most_time: i64,
}

/// What an agent sends: an event about a task.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Said {
    ty: &'static str,
    task: usize,
    data: String,
}

#[derive(Debug, Clone)]
struct Worker {
    /// How much of the log it has read, and what it makes of that.
    read: usize,
    view: Arc<CoordinationState>,
    /// What it sent and does not know to have arrived.
    sent: Vec<Said>,
    /// Under which fence it works, on which task.
    works: [Option<u64>; 2],
}

#[derive(Debug, Clone)]
struct World {
    log: Vec<(usize, i64, Said)>,
    folded: Arc<CoordinationState>,
    now: i64,
    workers: [Worker; 3],
    /// Results that counted, by task.
    results: [u8; 2],
    /// Whether a result counted that its author did not deliver under the fence that held.
    stale: bool,
}

impl World {
    /// All that tells two worlds apart; what is folded follows from it.
    #[expect(clippy::type_complexity, reason = "it is taken apart nowhere")]
    fn key(&self) -> (&[(usize, i64, Said)], i64, Vec<(usize, &[Said], [Option<u64>; 2])>) {
        let workers = self.workers.iter().map(|w| (w.read, w.sent.as_slice(), w.works));
        (&self.log, self.now, workers.collect())
    }
}

impl World {
    /// An agent reads the log to its end, and works on what it finds itself to hold.
    fn read(&mut self, who: usize) {
        let worker = &mut self.workers[who];
        worker.read = self.log.len();
        worker.view = Arc::clone(&self.folded);
        for (task, works) in worker.works.iter_mut().enumerate() {
            let fence = self.folded.tasks.fence(&entity(TASKS[task]), &agent(AGENTS[who]));
            *works = fence.map(Position::get);
        }
    }
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// An agent sends what comes of a wish.
    Send(usize, usize, Wish),
    /// What an agent sent arrives in the log, whole, and the agent reads up to it.
    Arrive(usize),
    /// An agent that waits for nothing reads the log to its end.
    Read(usize),
    /// Time passes.
    Tick,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Claim,
    Finish,
}

impl Claims {
    fn append(&self, world: &mut World, who: usize, said: Said) {
        let position = world.log.len() as u64 + 1;
        let mut data: Value = serde_json::from_str(&said.data).unwrap();
        let mut author = AGENTS[who];
        let hold = world.folded.tasks.get(&entity(TASKS[said.task])).and_then(|task| task.hold());
        let rightful = hold.is_some_and(|hold| {
            hold.owner == agent(author) && Some(hold.fence.get()) == data["fence"].as_u64()
        });
        if let (Broken::NoFence, "task.done", Some(hold)) = (self.broken, said.ty, hold) {
            // As if nobody looked at authors and fences.
            data["fence"] = json!(hold.fence);
            author = AGENTS.into_iter().find(|name| agent(name) == hold.owner).unwrap();
        }
        let entry = entry(position, at(world.now), author, said.ty, TASKS[said.task], &data);
        let mut folded = (*world.folded).clone();
        if folded.evolve(&entry) == Outcome::Applied && said.ty == "task.done" {
            world.results[said.task] += 1;
            world.stale |= !rightful;
        }
        world.folded = Arc::new(folded);
        world.log.push((who, world.now, said));
    }
}

impl Model for Claims {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let worker =
            Worker { read: 0, view: Arc::default(), sent: Vec::new(), works: [None, None] };
        let mut world = World {
            log: Vec::new(),
            folded: Arc::default(),
            now: 0,
            workers: [worker.clone(), worker.clone(), worker],
            results: [0, 0],
            stale: false,
        };
        for task in [0, 1] {
            let data = json!({"what": "x"}).to_string();
            self.append(&mut world, 0, Said { ty: "task.offered", task, data });
        }
        for worker in &mut world.workers {
            worker.read = 2;
            worker.view = Arc::clone(&world.folded);
        }
        vec![world]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Step>) {
        for (who, worker) in world.workers.iter().enumerate() {
            if !worker.sent.is_empty() {
                if world.log.len() + worker.sent.len() <= self.most_entries {
                    actions.push(Step::Arrive(who));
                }
            } else if world.log.len() < self.most_entries {
                for task in 0..TASKS.len() {
                    let wish = match worker.works[task] {
                        Some(_) => Wish::Finish,
                        None => Wish::Claim,
                    };
                    actions.push(Step::Send(who, task, wish));
                }
            }
            if worker.sent.is_empty() && worker.read < world.log.len() {
                actions.push(Step::Read(who));
            }
        }
        if world.now < self.most_time {
            actions.push(Step::Tick);
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        match step {
            Step::Tick => next.now += 1,
            Step::Arrive(who) => {
                for said in std::mem::take(&mut next.workers[who].sent) {
                    self.append(&mut next, who, said);
                }
                next.read(who);
            }
            Step::Read(who) => next.read(who),
            Step::Send(who, task, wish) => {
                let worker = &mut next.workers[who];
                let name = entity(TASKS[task]);
                let said = match wish {
                    Wish::Claim => {
                        let claim = Command::Claim(name, Millis::from_secs(CLAIM as u64));
                        let now = Some(at(world.now));
                        let drafts = worker.view.decide::<Tasks>(claim, &agent(AGENTS[who]), now);
                        let said = |draft: crate::protocol::Draft| Said {
                            ty: if draft.ty.as_str() == "task.lapsed" {
                                "task.lapsed"
                            } else {
                                "task.claimed"
                            },
                            task,
                            data: draft.data.to_value::<Value>().unwrap().to_string(),
                        };
                        if self.broken == Broken::StartBeforeReading && drafts.is_ok() {
                            worker.works[task] = Some(world.log.len() as u64 + 1);
                        }
                        drafts.ok()?.into_iter().map(said).collect()
                    }
                    Wish::Finish => {
                        let fence = worker.works[task]?;
                        let data = json!({"fence": fence}).to_string();
                        vec![Said { ty: "task.done", task, data }]
                    }
                };
                next.workers[who].sent = said;
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("a task has at most one result that counts", |_, world: &World| {
                world.results.iter().all(|results| *results <= 1)
            }),
            Property::always("only what the holder delivers counts", |_, world: &World| {
                !world.stale
            }),
            Property::always("no two agents start under one round's fence", |_, world: &World| {
                (0..TASKS.len()).all(|task| {
                    let works = world.workers.iter().filter_map(|worker| worker.works[task]);
                    let mut fences: Vec<_> = works.collect();
                    fences.sort_unstable();
                    fences.windows(2).all(|pair| pair[0] != pair[1])
                })
            }),
            Property::always("no task is lost: it is free, held or done", |_, world: &World| {
                world.folded.tasks.iter().all(|(_, task)| match &task.phase {
                    Phase::Free { .. } | Phase::Held(_) | Phase::Done(_) => true,
                    Phase::Bidding(_)
                    | Phase::Unawarded { .. }
                    | Phase::Verified(_)
                    | Phase::Cancelled { .. } => false,
                })
            }),
            Property::sometimes("both tasks are done", |_, world: &World| world.results == [1, 1]),
            Property::sometimes("a silent holder is replaced", |_, world: &World| {
                let rounds = world.folded.tasks.iter().map(|(_, task)| task.round);
                rounds.max() == Some(2)
            }),
        ]
    }
}

#[test]
fn no_interleaving_gives_a_task_two_workers_that_count_or_loses_it() {
    let model = Claims { broken: Broken::Nothing, most_entries: 6, most_time: 2 };
    let checker = model.checker().spawn_bfs().join();
    checker.assert_properties();
    println!("{} states, {} deep", checker.unique_state_count(), checker.max_depth());
    assert!(checker.unique_state_count() > 1_000);
}

#[test]
fn the_checker_finds_the_double_start_where_claims_are_not_read_back() {
    let model = Claims { broken: Broken::StartBeforeReading, most_entries: 5, most_time: 0 };
    let checker = model.checker().spawn_bfs().join();
    assert!(checker.discovery("no two agents start under one round's fence").is_some());
}

#[test]
fn the_checker_finds_the_stale_result_where_fences_are_not_looked_at() {
    let model = Claims { broken: Broken::NoFence, most_entries: 6, most_time: 2 };
    let checker = model.checker().finish_when(stateright::HasDiscoveries::AnyFailures);
    let checker = checker.spawn_bfs().join();
    assert!(checker.discovery("only what the holder delivers counts").is_some());
}

#[test]
fn sizes() {
    for (most_entries, most_time) in [(5, 2), (6, 1), (6, 2)] {
        let start = std::time::Instant::now();
        let model = Claims { broken: Broken::Nothing, most_entries, most_time };
        let checker =
            model.checker().timeout(std::time::Duration::from_secs(20)).spawn_bfs().join();
        println!(
            "SIZE {most_entries} {most_time}: {} {:?}",
            checker.unique_state_count(),
            start.elapsed()
        );
    }
}
