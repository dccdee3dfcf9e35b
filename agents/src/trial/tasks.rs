//! What is to be done in a trial.

use colony_core::EntityName;
use colony_core::name::NameError;

use super::random::Random;
use crate::protocol::Millis;
use crate::protocol::task::Offered;
use crate::ready::Planned;

/// One task of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialTask {
    /// Its name.
    pub name: EntityName,
    /// How long it takes, whoever does it.
    pub takes: Millis,
    /// What must be done before.
    pub after: Vec<EntityName>,
    /// What it asks for.
    pub skills: Vec<String>,
    /// Whether the offer does not say when it is done.
    pub unclear: bool,
}

/// The tasks of a trial, and the skills that there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskSet {
    /// The tasks: whatever one waits for stands before it.
    pub tasks: Vec<TrialTask>,
    /// The skills of the agents in turn: the first agent has the first ones. Empty where none are asked for. The second half of the agents
    /// can do everything, so that no task is without somebody.
    pub skills: Vec<Vec<String>>,
}

/// Tasks that are made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synthetic {
    /// How many. Default: 1,000.
    pub tasks: usize,
    /// How long one takes on average: drawn between half of it and one and a half times as much. Default: 100 ms.
    pub takes: Millis,
    /// Of how many in a thousand the scope is not clear. Default: 100.
    pub unclear_per_mille: u64,
    /// How many of a thousand wait for one of the ten before them. Default: 0.
    pub dependent_per_mille: u64,
}

impl Default for Synthetic {
    fn default() -> Self {
        Self {
            tasks: 1_000,
            takes: Millis::new(100),
            unclear_per_mille: 100,
            dependent_per_mille: 0,
        }
    }
}

impl Synthetic {
    /// Makes the tasks, from a seed.
    ///
    /// # Errors
    /// [`NameError`], which it never gives.
    pub fn make(self, seed: u64) -> Result<TaskSet, NameError> {
        let mut random = Random::new(seed);
        let mut tasks: Vec<TrialTask> = Vec::with_capacity(self.tasks);
        for number in 0..self.tasks {
            let takes = Millis::new(random.around(self.takes.get()));
            let unclear = random.below(1_000) < self.unclear_per_mille;
            let mut after = Vec::new();
            if random.below(1_000) < self.dependent_per_mille {
                let back = 1 + usize::try_from(random.below(10)).unwrap_or(0);
                let before = number.checked_sub(back).and_then(|index| tasks.get(index));
                after.extend(before.map(|task| task.name.clone()));
            }
            let name = format!("task-{number}").parse()?;
            tasks.push(TrialTask { name, takes, after, skills: Vec::new(), unclear });
        }
        Ok(TaskSet { tasks, skills: Vec::new() })
    }
}

impl TaskSet {
    /// Returns how long all of it takes if it is done one after the other.
    pub fn work(&self) -> Millis {
        let takes = self.tasks.iter().map(|task| task.takes.get());
        Millis::new(takes.fold(0, u64::saturating_add))
    }

    /// Returns what is offered; with scopes `settled` beforehand, every offer says when it is done.
    pub fn plan(&self, settled: bool) -> Vec<Planned> {
        let planned = self.tasks.iter().map(|task| {
            let TrialTask { name, after, skills, unclear, .. } = task;
            let mut offered = Offered::of(name.as_str());
            if settled || !unclear {
                offered.done_when = "it works".to_owned();
            }
            offered.after.clone_from(after);
            offered.skills.clone_from(skills);
            Planned { name: name.clone(), offered }
        });
        planned.collect()
    }

    /// Returns what an agent of so many can do.
    pub fn skills_of(&self, agent: usize, agents: usize) -> Vec<String> {
        if self.skills.is_empty() {
            return Vec::new();
        }
        if agent * 2 >= agents.saturating_sub(1) {
            // Also what none of the authors does often: somebody did it.
            let asked = self.tasks.iter().flat_map(|task| &task.skills);
            let mut all: Vec<_> = self.skills.iter().flatten().chain(asked).cloned().collect();
            all.sort();
            all.dedup();
            return all;
        }
        self.skills.get(agent % self.skills.len()).cloned().unwrap_or_default()
    }
}
