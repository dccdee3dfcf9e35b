//! Every interleaving of three agents that claim, finish, fall silent and take over on two tasks.
//!
//! The model drives the real rules. An agent decides on what it has read, which may be old: an event that was under way
//! for long is a decision on an old view. Agents may fall silent at any moment, and time passes whenever it likes. The
//! model is checked to the end within its bounds, and the checker is shown to find the fault where a rule is broken.
//! Agents, and tasks, are alike, so worlds that differ in their names only count as one.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use colony_core::Position;
use serde_json::{Value, json};
use stateright::{Checker, HasDiscoveries, Model, Property};

use super::{Command, Phase, Tasks};
use crate::protocol::testing::{agent, at, entity, entry};
use crate::protocol::{CoordinationState, Millis, Outcome};

const AGENTS: [&str; 3] = ["ann", "bob", "cid"];
const TASKS: [&str; 2] = ["one", "two"];
/// How long a claim lasts, in seconds of the model's time.
const CLAIM: Millis = Millis::from_secs(1);

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

/// An event in the log, after the two offers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    who: usize,
    now: i64,
    ty: String,
    task: usize,
    data: String,
}

#[derive(Debug, Clone)]
struct Worker {
    /// How much of the log it has read, and what it makes of that.
    read: usize,
    view: Arc<CoordinationState>,
    /// Under which fence it works, on which task.
    works: [Option<u64>; 2],
}

#[derive(Debug, Clone)]
struct World {
    log: Vec<Said>,
    folded: Arc<CoordinationState>,
    now: i64,
    workers: [Worker; 3],
    /// How many results of each task counted.
    results: [u8; 2],
    /// Whether a result counted that its author did not deliver under the fence that held.
    stale: bool,
}

/// An event, with its agent and its task by number of appearance.
type Labelled<'a> = (usize, i64, &'a str, usize, &'a str);

/// All that tells two worlds apart, names aside.
#[derive(PartialEq, Eq, Hash)]
struct Key<'a> {
    log: Vec<Labelled<'a>>,
    now: i64,
    workers: Vec<(usize, [Option<u64>; 2])>,
}

impl World {
    fn key(&self) -> Key<'_> {
        let mut agents: Vec<usize> = Vec::new();
        let mut tasks: Vec<usize> = Vec::new();
        for said in &self.log {
            if !agents.contains(&said.who) {
                agents.push(said.who);
            }
            if !tasks.contains(&said.task) {
                tasks.push(said.task);
            }
        }
        // Whoever said nothing yet is told apart by what it has read; a task that nobody touched, by nothing.
        let mut rest: Vec<usize> = (0..AGENTS.len()).filter(|who| !agents.contains(who)).collect();
        rest.sort_by_key(|who| self.workers[*who].read);
        agents.extend(rest);
        tasks.extend((0..TASKS.len()).filter(|task| !tasks.contains(task)).collect::<Vec<_>>());
        let place = |of: &[usize], one| of.iter().position(|other| *other == one).unwrap();
        let worker = |who: &usize| {
            let Worker { read, works, .. } = &self.workers[*who];
            (*read, [works[tasks[0]], works[tasks[1]]])
        };
        let said = self.log.iter();
        let log = said.map(|Said { who, now, ty, task, data }| {
            (place(&agents, *who), *now, ty.as_str(), place(&tasks, *task), data.as_str())
        });
        Key { log: log.collect(), now: self.now, workers: agents.iter().map(worker).collect() }
    }

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

    fn append(&mut self, broken: Broken, said: Said) {
        let position = self.log.len() as u64 + 3;
        let mut data: Value = serde_json::from_str(&said.data).unwrap();
        let mut author = AGENTS[said.who];
        let hold = self.folded.tasks.get(&entity(TASKS[said.task])).and_then(|task| task.hold());
        let rightful = hold.is_some_and(|hold| {
            hold.owner == agent(author) && Some(hold.fence.get()) == data["fence"].as_u64()
        });
        if let (Broken::NoFence, "task.done", Some(hold)) = (broken, said.ty.as_str(), hold) {
            // As if nobody looked at authors and fences.
            data["fence"] = json!(hold.fence);
            author = AGENTS.into_iter().find(|name| agent(name) == hold.owner).unwrap();
        }
        let entry = entry(position, at(self.now), author, &said.ty, TASKS[said.task], &data);
        let mut folded = (*self.folded).clone();
        if folded.evolve(&entry) == Outcome::Applied && said.ty == "task.done" {
            self.results[said.task] += 1;
            self.stale |= !rightful;
        }
        self.folded = Arc::new(folded);
        self.log.push(said);
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
    /// An agent claims a task, or takes it over, by what it has read.
    Claim(usize, usize),
    /// An agent delivers what it works on.
    Finish(usize, usize),
    /// An agent reads the log to its end.
    Read(usize),
    /// Time passes.
    Tick,
}

impl Model for Claims {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let mut folded = CoordinationState::default();
        for (position, task) in (1..).zip(TASKS) {
            let offer = json!({"what": "x"});
            folded.evolve(&entry(position, at(0), "dee", "task.offered", task, &offer));
        }
        let folded = Arc::new(folded);
        let worker = Worker { read: 0, view: Arc::clone(&folded), works: [None, None] };
        vec![World {
            log: Vec::new(),
            folded,
            now: 0,
            workers: [worker.clone(), worker.clone(), worker],
            results: [0, 0],
            stale: false,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Step>) {
        for (who, worker) in world.workers.iter().enumerate() {
            if world.log.len() < self.most_entries {
                actions.extend((0..TASKS.len()).map(|task| match worker.works[task] {
                    Some(_) => Step::Finish(who, task),
                    None => Step::Claim(who, task),
                }));
            }
            if worker.read < world.log.len() {
                actions.push(Step::Read(who));
            }
        }
        if world.now < self.most_time {
            actions.push(Step::Tick);
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        let said = |who, task, ty: &str, data: Value| {
            let (ty, data) = (ty.to_owned(), data.to_string());
            Said { who, now: world.now, ty, task, data }
        };
        match step {
            Step::Tick => next.now += 1,
            Step::Read(who) => next.read(who),
            Step::Finish(who, task) => {
                let fence = world.workers[who].works[task]?;
                next.append(self.broken, said(who, task, "task.done", json!({"fence": fence})));
                next.read(who);
            }
            Step::Claim(who, task) => {
                let worker = &world.workers[who];
                let claim = Command::Claim(entity(TASKS[task]), CLAIM);
                let now = Some(at(world.now));
                let drafts = worker.view.decide::<Tasks>(claim, &agent(AGENTS[who]), now).ok()?;
                if world.log.len() + drafts.len() > self.most_entries {
                    return None;
                }
                let expected = (worker.read + drafts.len()) as u64 + 2;
                for draft in drafts {
                    let data = draft.data.to_value().unwrap();
                    next.append(self.broken, said(who, task, draft.ty.as_str(), data));
                }
                next.read(who);
                if self.broken == Broken::StartBeforeReading {
                    next.workers[who].works[task] = Some(expected);
                }
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
            Property::always("no two agents start under one fence", |_, world: &World| {
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
                let mut tasks = world.folded.tasks.iter();
                tasks.any(|(_, task)| task.round == 2 && task.hold().is_some())
            }),
        ]
    }
}

#[test]
fn no_interleaving_gives_a_task_two_workers_that_count_or_loses_it() {
    let model = Claims { broken: Broken::Nothing, most_entries: 5, most_time: 2 };
    let checker = model.checker().spawn_bfs().join();
    println!("{} states, {} deep", checker.unique_state_count(), checker.max_depth());
    checker.assert_properties();
}

#[test]
fn the_checker_finds_the_double_start_where_claims_are_not_read_back() {
    let model = Claims { broken: Broken::StartBeforeReading, most_entries: 2, most_time: 0 };
    let checker = model.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    assert!(checker.discovery("no two agents start under one fence").is_some());
}

#[test]
fn the_checker_finds_the_stale_result_where_fences_are_not_looked_at() {
    let model = Claims { broken: Broken::NoFence, most_entries: 4, most_time: 2 };
    let checker = model.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    assert!(checker.discovery("only what the holder delivers counts").is_some());
}
