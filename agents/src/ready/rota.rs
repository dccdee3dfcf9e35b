//! Who tries what first: free tasks and idle workers, paired in the order in which they became so.
//!
//! The rota saves messages and decides nothing: whoever claims a task first has it, in turn or not. Each pair stays as it is
//! while others come and go, so that readers who are at different positions still agree about nearly all of them.

use std::collections::{BTreeMap, BTreeSet};

use colony_core::{AgentName, EntityName, Entry, Position, Timestamp};
use serde::{Deserialize, Serialize};

use super::space::{Change, NewHold};
use crate::protocol::CoordinationState;
use crate::protocol::directory::Standing;
use crate::protocol::task::{Phase, Task};

/// How many waiting tasks or agents are looked at to make a pair. What is not found here is found by those who look when time has
/// passed ([`Rota::for_idle`]).
const LOOK: usize = 256;
/// How often in a row an agent may miss its turn before it gets none until it is heard.
const MISSES: u8 = 2;

/// The first to try a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// The task.
    pub task: EntityName,
    /// Since when, by the log.
    pub since: Timestamp,
}

/// Who tries what first. A fold, equal for every reader.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rota {
    /// Who holds a task, and until when it may be silent.
    holds: BTreeMap<EntityName, Held>,
    ends: BTreeSet<(Timestamp, EntityName)>,
    by_owner: BTreeMap<AgentName, BTreeSet<EntityName>>,
    deliveries: u64,
    /// Free tasks without a turn, in the order in which they became free.
    free: Line<EntityName>,
    /// Idle agents without a turn, in the order in which they became idle.
    idle: Line<AgentName>,
    turns: BTreeMap<AgentName, Turn>,
    turn_of: BTreeMap<EntityName, AgentName>,
    oldest_turns: BTreeSet<(Timestamp, AgentName)>,
    /// Tasks by the one that they wait for.
    waiting: BTreeMap<EntityName, BTreeSet<EntityName>>,
    missed: BTreeMap<AgentName, u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    owner: AgentName,
    fence: Position,
    until: Timestamp,
}

/// Things in the order in which they joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Line<T: Ord> {
    order: BTreeSet<(Position, T)>,
    places: BTreeMap<T, Position>,
}

impl<T: Ord> Default for Line<T> {
    fn default() -> Self {
        Self { order: BTreeSet::new(), places: BTreeMap::new() }
    }
}

impl<T: Ord + Clone> Line<T> {
    fn join(&mut self, thing: &T, at: Position) {
        if !self.places.contains_key(thing) {
            self.places.insert(thing.clone(), at);
            self.order.insert((at, thing.clone()));
        }
    }

    fn leave(&mut self, thing: &T) -> bool {
        let Some(at) = self.places.remove(thing) else { return false };
        self.order.remove(&(at, thing.clone()));
        true
    }

    fn iter(&self) -> impl Iterator<Item = &T> {
        self.order.iter().map(|(_, thing)| thing)
    }
}

impl Rota {
    /// Returns whose turn it is to try a task, and which.
    pub fn turn(&self, agent: &AgentName) -> Option<&Turn> {
        self.turns.get(agent)
    }

    /// Returns whose turns there are, by name.
    pub fn turns(&self) -> impl ExactSizeIterator<Item = (&AgentName, &Turn)> {
        self.turns.iter()
    }

    /// Returns agents that take tasks, have room for one and no turn, in their order.
    pub fn idle(&self) -> impl Iterator<Item = &AgentName> {
        self.idle.iter()
    }

    /// Returns tasks that can be taken and that nobody is first to try, in their order.
    pub fn free(&self) -> impl Iterator<Item = &EntityName> {
        self.free.iter()
    }

    /// Returns tasks whose holders have been silent for too long at a moment, the longest first.
    pub fn overdue(&self, now: Timestamp) -> impl Iterator<Item = &EntityName> {
        self.ends.iter().take_while(move |(until, _)| *until < now).map(|(_, task)| task)
    }

    /// Returns turns that began at or before a moment, the oldest first.
    pub fn turns_since(&self, moment: Timestamp) -> impl Iterator<Item = (&AgentName, &Turn)> {
        let old = self.oldest_turns.iter().take_while(move |(since, _)| *since <= moment);
        old.filter_map(|(_, agent)| Some((agent, self.turns.get(agent)?)))
    }

    /// Returns how many tasks an agent holds.
    pub fn load(&self, agent: &AgentName) -> u32 {
        let held = self.by_owner.get(agent).map_or(0, BTreeSet::len);
        u32::try_from(held).unwrap_or(u32::MAX)
    }

    /// Returns the tasks that an agent holds, with their fences.
    pub fn held_by(&self, agent: &AgentName) -> impl Iterator<Item = (&EntityName, Position)> {
        let tasks = self.by_owner.get(agent).into_iter().flatten();
        tasks.filter_map(|task| Some((task, self.holds.get(task)?.fence)))
    }

    /// Returns how many times a task was said to be done.
    pub fn deliveries(&self) -> u64 {
        self.deliveries
    }

    /// Returns whether an agent missed its turns and gets none until it is heard.
    pub fn is_passed_over(&self, agent: &AgentName) -> bool {
        self.missed.get(agent).is_some_and(|missed| *missed >= MISSES)
    }

    /// Returns a free task without a turn that an agent could do, however far back it stands.
    pub fn for_idle(&self, agreed: &CoordinationState, agent: &AgentName) -> Option<&EntityName> {
        self.free.iter().find(|task| can(agreed, agent, task))
    }

    /// Follows an entry that what was agreed has been folded to.
    pub(super) fn follow(
        &mut self,
        agreed: &CoordinationState,
        entry: &Entry,
        applied: bool,
    ) -> Change {
        let (event, at) = (entry.event(), entry.position);
        let mut change = Change::default();
        let author = &event.author;
        let mut step = Step { agreed, at, change: &mut change };
        if self.missed.remove(author).is_some_and(|missed| missed >= MISSES) {
            self.seat(author, &mut step);
        }
        match (event.ty.noun(), &event.entity) {
            ("agent", Some(entity)) if applied => {
                if let Ok(agent) = entity.as_str().parse() {
                    self.seat(&agent, &mut step);
                }
            }
            ("task", Some(task)) if applied => {
                self.deliveries += u64::from(event.ty.as_str() == "task.done");
                self.look(task, author, &mut step);
                if agreed.tasks.get(task).is_some_and(Task::is_done) {
                    for dependent in self.waiting.remove(task).unwrap_or_default() {
                        self.look(&dependent, author, &mut step);
                    }
                }
            }
            ("task", Some(task)) if self.turn_of.get(task) == Some(author) => {
                // It tried in turn and may not: somebody else is first.
                self.end_turn(task);
                self.missed.insert(author.clone(), MISSES);
                self.offer(task, &mut step);
            }
            _ => {}
        }
        change
    }

    /// Looks at a task that may have changed.
    fn look(&mut self, name: &EntityName, author: &AgentName, step: &mut Step<'_>) {
        let Some(task) = step.agreed.tasks.get(name) else { return };
        let now = task.hold();
        let before = self.holds.get(name).map(|held| (held.owner.clone(), held.fence));
        if let Some(held) = self.holds.remove(name) {
            self.ends.remove(&(held.until, name.clone()));
            if now.is_none_or(|hold| hold.owner != held.owner)
                && let Some(held) = self.by_owner.get_mut(&held.owner)
            {
                held.remove(name);
            }
        }
        if let Some(hold) = now {
            let held = Held { owner: hold.owner.clone(), fence: hold.fence, until: hold.until };
            self.ends.insert((hold.until, name.clone()));
            self.holds.insert(name.clone(), held);
        }
        let is_new =
            now.map(|hold| (&hold.owner, hold.fence)) != before.as_ref().map(|(o, f)| (o, *f));
        if is_new && let Some(hold) = now {
            let (owner, fence) = (hold.owner.clone(), hold.fence);
            self.by_owner.entry(owner.clone()).or_default().insert(name.clone());
            step.change.hold = Some(NewHold { task: name.clone(), owner, fence });
        }
        let free = matches!(task.phase, Phase::Free { .. }) && !self.waits(name, task, step);
        if !free
            && (self.free.leave(name) || self.turn_of.contains_key(name))
            && let Some(first) = self.end_turn(name)
        {
            if now.is_some_and(|hold| hold.owner != first) && first != *author {
                *self.missed.entry(first.clone()).or_default() += 1;
            }
            self.seat(&first, step);
        }
        if is_new {
            if let Some((owner, _)) = before {
                // Silent for too long: it is not asked again before it is heard.
                if owner != *author && now.is_none_or(|hold| hold.owner != owner) && !task.is_done()
                {
                    self.missed.insert(owner.clone(), MISSES);
                }
                self.seat(&owner, step);
            }
            if let Some(hold) = now {
                self.seat(&hold.owner.clone(), step);
            }
        }
        if free && !self.turn_of.contains_key(name) {
            self.offer(name, step);
        }
    }

    /// Returns whether a task waits for another, and notes for which.
    fn waits(&mut self, name: &EntityName, task: &Task, step: &Step<'_>) -> bool {
        let undone = |on: &&EntityName| !step.agreed.tasks.get(on).is_some_and(Task::is_done);
        let Some(on) = task.offer.said.after.iter().find(undone) else { return false };
        self.waiting.entry(on.clone()).or_default().insert(name.clone());
        true
    }

    /// Gives a free task to the first idle agent that could do it, or lets it wait in line.
    fn offer(&mut self, task: &EntityName, step: &mut Step<'_>) {
        let mut idle = self.idle.iter().take(LOOK);
        let found = idle.find(|agent| can(step.agreed, agent, task)).cloned();
        drop(idle);
        match found {
            Some(agent) => {
                self.idle.leave(&agent);
                self.free.leave(task);
                self.begin_turn(agent, task, step);
            }
            None => self.free.join(task, step.at),
        }
    }

    /// Gives an agent the first free task that it could do, or lets it wait in line; takes it out of line where it can take none.
    fn seat(&mut self, agent: &AgentName, step: &mut Step<'_>) {
        if self.turns.contains_key(agent) {
            return;
        }
        let capacity = step.agreed.directory.get(agent).and_then(|listed| match listed.standing {
            Standing::Active => listed.card.capacity,
            Standing::Retired { .. } | Standing::Revoked { .. } => None,
        });
        if self.load(agent) >= capacity.unwrap_or(0) || self.is_passed_over(agent) {
            self.idle.leave(agent);
            return;
        }
        let mut free = self.free.iter().take(LOOK);
        let found = free.find(|task| can(step.agreed, agent, task)).cloned();
        drop(free);
        match found {
            Some(task) => {
                self.free.leave(&task);
                self.idle.leave(agent);
                self.begin_turn(agent.clone(), &task, step);
            }
            None => self.idle.join(agent, step.at),
        }
    }

    fn begin_turn(&mut self, agent: AgentName, task: &EntityName, step: &mut Step<'_>) {
        let since = step.agreed.time().moment();
        step.change.turns.push(agent.clone());
        self.oldest_turns.insert((since, agent.clone()));
        self.turn_of.insert(task.clone(), agent.clone());
        self.turns.insert(agent, Turn { task: task.clone(), since });
    }

    fn end_turn(&mut self, task: &EntityName) -> Option<AgentName> {
        let agent = self.turn_of.remove(task)?;
        let turn = self.turns.remove(&agent)?;
        self.oldest_turns.remove(&(turn.since, agent.clone()));
        Some(agent)
    }
}

/// What one entry does to the rota.
struct Step<'a> {
    agreed: &'a CoordinationState,
    at: Position,
    change: &'a mut Change,
}

/// Returns whether an agent has announced what a task asks for.
fn can(agreed: &CoordinationState, agent: &AgentName, task: &EntityName) -> bool {
    agreed.tasks.get(task).is_some_and(|task| {
        task.offer.said.skills.iter().all(|skill| agreed.directory.has_skill(agent, skill))
    })
}
