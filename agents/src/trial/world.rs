//! Crews, a log and a clock: all of them virtual.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use colony_core::name::NameError;
use colony_core::{AgentName, Digest, EntityName, Entry, LaneName, Position};
use serde::{Deserialize, Serialize};

use super::entry::{entry, moment};
use super::latency::Latency;
use super::outcome::Outcome;
use super::peer::{DONE, Peer};
use super::random::Random;
use super::tasks::TaskSet;
use crate::protocol::advice::Mode;
use crate::protocol::{Json, Millis};
use crate::ready::{Act, Assigned, Client, Conductor, Crew, Due, Role, Say, Settler, Work, Worker};

/// How often crews look at the time, in microseconds.
const LOOK_US: u64 = 100_000;
/// When the agents begin, in microseconds: a moment after the log.
const BEGIN_US: u64 = 1_000;

/// Who dies, once a quarter of the tasks is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deaths {
    /// Nobody.
    #[default]
    None,
    /// A tenth of the workers, at least one; never the last.
    Workers,
    /// The one who planned or offered: the conductor, the client, or, among peers, the first of them.
    Leader,
}

/// A trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    /// How the agents work together.
    pub mode: Mode,
    /// How many workers there are.
    pub agents: usize,
    /// Who dies.
    pub deaths: Deaths,
    /// What a message takes.
    pub latency: Latency,
    /// How long a holder may be silent.
    pub silent: Millis,
    /// Over how many processes the agents are spread: each reads for itself, and none knows what another has just read. 0 counts as 1.
    pub processes: usize,
    /// What is drawn comes from it.
    pub seed: u64,
}

/// Plays a trial.
///
/// It ends when all tasks are done, or when nothing was done for ten times as long as a holder may be silent.
///
/// # Errors
/// [`NameError`], which it never gives.
pub fn run(trial: &Trial, tasks: &TaskSet) -> Result<Outcome, NameError> {
    let mut world = World::new(*trial, tasks)?;
    world.play();
    Ok(world.outcome())
}

/// Something that happens.
enum Happening {
    Append { agent: AgentName, say: Say },
    Deliver { process: usize, entry: Arc<Entry> },
    Worked { process: usize, agent: AgentName, task: EntityName, fence: Position },
    Look,
    Begin,
}

/// When something happens, and which of those of one moment comes first.
type Moment = Reverse<(u64, u64)>;

struct World<'a> {
    trial: Trial,
    tasks: &'a TaskSet,
    takes: BTreeMap<&'a EntityName, Millis>,
    random: Random,
    crews: Vec<Crew>,
    process_of: BTreeMap<AgentName, usize>,
    lane: LaneName,
    leader: AgentName,
    workers: Vec<AgentName>,
    dead: BTreeSet<AgentName>,
    queue: BinaryHeap<(Moment, usize)>,
    happenings: Vec<Option<Happening>>,
    spare: Vec<usize>,
    order: u64,
    now: u64,
    /// Until when an agent decides, and the log stores.
    busy: BTreeMap<AgentName, u64>,
    log_busy: u64,
    read: Vec<u64>,
    position: u64,
    result: Json,
    tally: Tally,
}

#[derive(Default)]
struct Tally {
    done: BTreeSet<EntityName>,
    last_done: u64,
    doing: BTreeMap<EntityName, BTreeSet<AgentName>>,
    doubled: usize,
    free_since: BTreeMap<EntityName, u64>,
    begun_after: Vec<u64>,
    rejected: u64,
    trace: Vec<u8>,
    killed: bool,
}

impl<'a> World<'a> {
    fn new(trial: Trial, tasks: &'a TaskSet) -> Result<Self, NameError> {
        let processes = trial.processes.clamp(1, trial.agents.max(1));
        let leader: AgentName = match trial.mode {
            Mode::Conductor => "conductor".parse()?,
            Mode::Peer => "agent-0".parse()?,
            Mode::Alone | Mode::Event | Mode::Hybrid => "client".parse()?,
        };
        let agents = if trial.mode == Mode::Alone { 1 } else { trial.agents.max(1) };
        let workers: Vec<AgentName> =
            (0..agents).map(|n| format!("agent-{n}").parse()).collect::<Result<_, _>>()?;
        let mut world = Self {
            trial,
            tasks,
            takes: tasks.tasks.iter().map(|task| (&task.name, task.takes)).collect(),
            random: Random::new(trial.seed),
            crews: (0..processes).map(|_| Crew::default()).collect(),
            process_of: BTreeMap::new(),
            lane: "main".parse()?,
            leader: leader.clone(),
            workers: workers.clone(),
            dead: BTreeSet::new(),
            queue: BinaryHeap::new(),
            happenings: Vec::new(),
            spare: Vec::new(),
            order: 0,
            now: 0,
            busy: BTreeMap::new(),
            log_busy: 0,
            read: vec![0; processes],
            position: 0,
            result: Json::default(),
            tally: Tally::default(),
        };
        for (number, worker) in workers.iter().enumerate() {
            let role = world.worker(number, &workers);
            world.join(worker.clone(), number % processes, role);
        }
        let (plan, silent) = (|settled| tasks.plan(settled), trial.silent);
        match trial.mode {
            Mode::Conductor => {
                world.join(leader, 0, Box::new(Conductor::new(plan(true), silent)));
            }
            Mode::Alone | Mode::Event | Mode::Hybrid => {
                world.join(leader, 0, Box::new(Client { plan: plan(trial.mode == Mode::Alone) }));
            }
            Mode::Peer => {}
        }
        world.later(BEGIN_US, Happening::Begin);
        world.later(LOOK_US, Happening::Look);
        Ok(world)
    }

    fn worker(&self, number: usize, workers: &[AgentName]) -> Box<dyn Role> {
        let skills = self.tasks.skills_of(number, workers.len());
        let silent = self.trial.silent;
        let work = Work::Simulated { duration_ms: Millis::default() };
        let worker = Worker { skills: skills.clone(), silent, work, capacity: 1 };
        match self.trial.mode {
            Mode::Alone | Mode::Event => Box::new(worker),
            Mode::Hybrid => Box::new(Settler { worker }),
            Mode::Conductor => Box::new(Assigned { worker }),
            Mode::Peer => {
                let share = self.tasks.plan(true).into_iter().skip(number).step_by(workers.len());
                let others = workers.iter().enumerate().filter(|(n, _)| *n != number);
                let others: Vec<_> = others.map(|(_, name)| name.clone()).collect();
                let first = number;
                Box::new(Peer::new(share.collect(), skills, others, first, silent))
            }
        }
    }

    fn join(&mut self, agent: AgentName, process: usize, role: Box<dyn Role>) {
        self.process_of.insert(agent.clone(), process);
        if let Some(crew) = self.crews.get_mut(process) {
            crew.join(agent, role);
        }
    }

    fn later(&mut self, at: u64, happening: Happening) {
        self.order += 1;
        let index = match self.spare.pop() {
            Some(index) => index,
            None => {
                self.happenings.push(None);
                self.happenings.len() - 1
            }
        };
        if let Some(place) = self.happenings.get_mut(index) {
            *place = Some(happening);
        }
        self.queue.push((Reverse((at, self.order)), index));
    }

    fn play(&mut self) {
        let patience = self.trial.silent.get().saturating_mul(10_000).max(2_000_000);
        let longest = self
            .tasks
            .tasks
            .iter()
            .map(|task| task.takes.get())
            .max()
            .unwrap_or(0)
            .saturating_mul(1_000);
        while let Some((Reverse((at, _)), index)) = self.queue.pop() {
            let happening = self.happenings.get_mut(index).and_then(Option::take);
            self.spare.push(index);
            self.now = at;
            let waited = at.saturating_sub(self.tally.last_done);
            if self.tally.done.len() == self.tasks.tasks.len()
                || waited > patience.saturating_add(longest)
            {
                return;
            }
            match happening {
                Some(Happening::Append { agent, say }) => self.append(&agent, say),
                Some(Happening::Deliver { process, entry }) => self.deliver(process, &entry),
                Some(Happening::Worked { process, agent, task, fence }) => {
                    self.worked(process, &agent, &task, fence);
                }
                Some(Happening::Look) => {
                    let now = moment(at);
                    for process in 0..self.crews.len() {
                        let due = self.crews.get_mut(process).map(|crew| crew.pass_time(now));
                        self.act(process, due.unwrap_or_default());
                    }
                    self.later(at.saturating_add(LOOK_US), Happening::Look);
                }
                Some(Happening::Begin) => {
                    let now = moment(at);
                    for process in 0..self.crews.len() {
                        let due = self.crews.get_mut(process).map(|crew| crew.begin(now));
                        self.act(process, due.unwrap_or_default());
                    }
                }
                None => {}
            }
        }
    }

    /// Stores what somebody said, and lets it be on its way to every process.
    fn append(&mut self, agent: &AgentName, say: Say) {
        let ty = say.draft.ty.as_str();
        self.tally.trace.extend_from_slice(
            format!("{} {agent} {ty} {}\n", self.now, say.draft.entity).as_bytes(),
        );
        if self.tally.trace.len() > 64 * 1_024 {
            let digest = Digest::of(&self.tally.trace);
            self.tally.trace = digest.to_string().into_bytes();
        }
        self.position += 1;
        let Some(stored) = entry(agent, &self.lane, say, self.position, self.now) else { return };
        for process in 0..self.crews.len() {
            let delay = self.random.around(self.trial.latency.delivery_us);
            // A reader reads in order.
            let at =
                self.now.saturating_add(delay).max(self.read.get(process).copied().unwrap_or(0));
            if let Some(read) = self.read.get_mut(process) {
                *read = at;
            }
            self.later(at, Happening::Deliver { process, entry: Arc::clone(&stored) });
        }
    }

    fn deliver(&mut self, process: usize, entry: &Arc<Entry>) {
        let now = moment(self.now);
        let Some(crew) = self.crews.get_mut(process) else { return };
        let (outcome, due) = crew.take(entry, now);
        if process == 0 {
            self.count(entry, matches!(outcome, crate::protocol::Outcome::Ignored(_)));
        }
        self.act(process, due);
    }

    /// Counts what an entry says, as the first process reads it.
    fn count(&mut self, entry: &Entry, ignored: bool) {
        let event = entry.event();
        let Some(name) = event.entity.as_ref().filter(|_| !ignored) else { return };
        let mut done = |name: &EntityName| {
            self.tally.last_done = self.now;
            self.tally.done.insert(name.clone());
        };
        match event.ty.as_str() {
            "task.offered" => drop(self.tally.free_since.insert(name.clone(), self.now)),
            "task.done" | DONE => done(name),
            "task.rejected" => {
                self.tally.rejected += 1;
                self.tally.done.remove(name);
            }
            "handoff.completed" => {
                let agreed = self.crews.first().map(|crew| crew.space().agreed());
                let handoff = agreed.and_then(|agreed| agreed.handoffs.get(name));
                if let Some(Ok(task)) = handoff.map(|handoff| handoff.said.what.parse()) {
                    done(&task);
                }
            }
            _ => {}
        }
        if !self.tally.killed && self.tally.done.len() * 4 >= self.tasks.tasks.len() {
            self.tally.killed = true;
            self.kill();
        }
    }

    fn kill(&mut self) {
        let doomed: Vec<_> = match self.trial.deaths {
            Deaths::None => return,
            Deaths::Leader => vec![self.leader.clone()],
            Deaths::Workers => {
                let many = (self.workers.len() / 10).max(1).min(self.workers.len() - 1);
                self.workers.iter().rev().take(many).cloned().collect()
            }
        };
        for agent in doomed {
            for crew in &mut self.crews {
                crew.lose(&agent);
            }
            for doing in self.tally.doing.values_mut() {
                doing.remove(&agent);
            }
            self.dead.insert(agent);
        }
    }

    fn worked(&mut self, process: usize, agent: &AgentName, task: &EntityName, fence: Position) {
        if let Some(doing) = self.tally.doing.get_mut(task) {
            doing.remove(agent);
        }
        let now = moment(self.now);
        let result = self.result.clone();
        let crew = self.crews.get_mut(process);
        let due = crew.map(|crew| crew.worked(agent, task, fence, Ok(&result), now));
        self.act(process, due.unwrap_or_default());
    }

    fn act(&mut self, process: usize, due: Vec<Due>) {
        let Latency { append_us, decision_us, log_us, .. } = self.trial.latency;
        for Due { agent, act } in due {
            match act {
                Act::Say(say) => {
                    let busy = self.busy.entry(agent.clone()).or_default();
                    let said = self.now.max(*busy).saturating_add(decision_us);
                    *busy = said;
                    let stored =
                        said.saturating_add(append_us).max(self.log_busy.saturating_add(log_us));
                    self.log_busy = stored;
                    self.later(stored, Happening::Append { agent, say });
                }
                Act::Work { task, fence, work: _ } => {
                    // A handoff is about a task of the set.
                    let agreed = self.crews.get(process).map(|crew| crew.space().agreed());
                    let handoff = agreed.and_then(|agreed| agreed.handoffs.get(&task));
                    let about = handoff
                        .and_then(|h| h.said.what.parse().ok())
                        .unwrap_or_else(|| task.clone());
                    let doing = self.tally.doing.entry(task.clone()).or_default();
                    self.tally.doubled += usize::from(!doing.is_empty());
                    doing.insert(agent.clone());
                    if let Some(since) = self.tally.free_since.remove(&task) {
                        self.tally.begun_after.push(self.now.saturating_sub(since));
                    }
                    let takes = self.takes.get(&about).copied().unwrap_or_default();
                    let at = self.now.saturating_add(takes.get().saturating_mul(1_000));
                    self.later(at, Happening::Worked { process, agent, task, fence });
                }
            }
        }
    }

    fn outcome(mut self) -> Outcome {
        let Trial { mode, agents, deaths, seed, .. } = self.trial;
        let (tasks, done) = (self.tasks.tasks.len(), self.tally.done.len());
        let took = self.tally.last_done.saturating_sub(BEGIN_US);
        self.tally.begun_after.sort_unstable();
        let begun = &self.tally.begun_after;
        let at = |per_mille: usize| {
            begun.get((begun.len() * per_mille / 1_000).min(begun.len().saturating_sub(1))).copied()
        };
        let ignored = self.crews.first().map(|crew| crew.space().agreed().ignored.total());
        Outcome {
            mode,
            agents,
            deaths,
            tasks,
            done,
            lost: tasks - done,
            doubled: self.tally.doubled,
            took_ms: Millis::new(took / 1_000),
            tasks_per_second: done as f64 * 1e6 / took.max(1) as f64,
            begin_p50_us: at(500).unwrap_or(0),
            begin_p99_us: at(990).unwrap_or(0),
            messages: self.position,
            messages_per_task: self.position as f64 / done.max(1) as f64,
            ignored: ignored.unwrap_or(0),
            rejected: self.tally.rejected,
            trace: Digest::of(&self.tally.trace).to_string(),
            seed,
        }
    }
}
