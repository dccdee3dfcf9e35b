//! What a log cost.

use std::collections::BTreeMap;

use colony_core::{AgentName, EntityName, Timestamp};
use serde::{Deserialize, Serialize};

use super::path::{Leg, Step};
use super::purpose::{Amount, Purpose};
use super::waits::Wait;
use crate::protocol::time::Millis;

/// What a log cost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Amounts by purpose.
    pub purposes: BTreeMap<Purpose, Amount>,
    /// Amounts by agent and purpose.
    pub agents: BTreeMap<AgentName, BTreeMap<Purpose, Amount>>,
    /// Amounts by task (or whatever else events are about) and purpose.
    pub entities: BTreeMap<EntityName, BTreeMap<Purpose, Amount>>,
    /// Amounts over time.
    pub timeline: Vec<Span>,
    /// Who spoke to whom.
    pub channels: Channels,
    /// Time spent waiting, longest first: the synchronisation tax.
    pub waits: Vec<Wait>,
    /// What was done again or for nothing.
    pub rework: Rework,
    /// Things that passed from agent to agent.
    pub handovers: Handovers,
    /// Tasks that were found good, or said to be done where nobody judged.
    pub tasks_done: u64,
    /// The sum of the times from taking a task to delivering it.
    pub task_time: Millis,
    /// The chain of entries that the end had to wait for.
    pub critical_path: Vec<Step>,
    /// When the first entry was made.
    pub first: Option<Timestamp>,
    /// When the last was.
    pub last: Option<Timestamp>,
}

/// Amounts in a span of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// When it begins.
    pub from: Timestamp,
    /// How long it is.
    pub length: Millis,
    /// Entries by purpose.
    pub entries: BTreeMap<Purpose, u64>,
}

/// Who spoke to whom, beside how many could have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channels {
    /// Agents that appended anything.
    pub agents: u64,
    /// Pairs of agents of which one addressed or answered the other, or built on what it made.
    pub used: u64,
    /// Pairs that there are: `n (n − 1) / 2`.
    pub possible: u64,
}

/// What was done again or for nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rework {
    /// Results that were rejected.
    pub rejected: u64,
    /// Claims that lapsed.
    pub lapsed: u64,
    /// Time for which agents held tasks in rounds that came to nothing.
    pub lost: Millis,
    /// Events that everybody ignored.
    pub ignored: u64,
}

/// Things that passed from agent to agent: entities, and the files that events say they touched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handovers {
    /// How many times something was touched by another agent than before.
    pub times: u64,
    /// How many times something was touched at all, after its first time.
    pub touches: u64,
    /// By thing, most first; at most a hundred.
    pub most: Vec<(String, u64)>,
    /// From which agent to which, most first.
    pub matrix: Vec<Passage>,
}

/// How often things passed from one agent to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// Who touched them before.
    pub from: AgentName,
    /// Who touched them next.
    pub to: AgentName,
    /// How often.
    pub times: u64,
}

/// What one agent did on the critical path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnPath {
    /// How many of its steps are its own: time in which it went on.
    pub own_steps: u64,
    /// That time.
    pub own: Millis,
    /// How many of its steps take over from another agent: time in which the end waited for it.
    pub handover_steps: u64,
    /// That time.
    pub waited: Millis,
}

impl Report {
    /// Returns the amount of one purpose.
    pub fn amount(&self, purpose: Purpose) -> Amount {
        self.purposes.get(&purpose).copied().unwrap_or_default()
    }

    /// Returns how many entries of a thousand coordinate: all but work.
    pub fn tax_per_mille(&self) -> u64 {
        let all: u64 = self.purposes.values().map(|amount| amount.entries).sum();
        let work = self.amount(Purpose::Work).entries;
        (all - work) * 1_000 / all.max(1)
    }

    /// Returns the context tax: bytes of handoffs and answers for a thousand bytes of work.
    pub fn context_per_mille(&self) -> u64 {
        let context = self.amount(Purpose::Context).bytes;
        context.saturating_mul(1_000) / self.amount(Purpose::Work).bytes.max(1)
    }

    /// Returns the verification tax: entries that judge for a thousand entries of work.
    pub fn verification_per_mille(&self) -> u64 {
        let judged = self.amount(Purpose::Verification).entries;
        judged.saturating_mul(1_000) / self.amount(Purpose::Work).entries.max(1)
    }

    /// Returns the synchronisation tax: the time that was waited, in all. Waits at the same time all count.
    pub fn waited(&self) -> Millis {
        let waits = self.waits.iter().map(|wait| wait.millis.get());
        Millis::new(waits.fold(0, u64::saturating_add))
    }

    /// Returns what each agent did on the critical path, and how long the end waited for it there.
    pub fn critical_agents(&self) -> BTreeMap<&AgentName, OnPath> {
        let mut agents: BTreeMap<_, OnPath> = BTreeMap::new();
        let longer = |sum: Millis, step: Millis| Millis::new(sum.get().saturating_add(step.get()));
        for step in &self.critical_path {
            let on_path = agents.entry(&step.agent).or_default();
            match step.leg {
                Leg::Start => {}
                Leg::Own => {
                    on_path.own_steps += 1;
                    on_path.own = longer(on_path.own, step.millis);
                }
                Leg::Handover => {
                    on_path.handover_steps += 1;
                    on_path.waited = longer(on_path.waited, step.millis);
                }
            }
        }
        agents
    }

    /// Returns how many entries that are not work each finished task took, in thousandths.
    pub fn messages_per_task_milli(&self) -> u64 {
        let all: u64 = self.purposes.values().map(|amount| amount.entries).sum();
        let coordination = all - self.amount(Purpose::Work).entries;
        coordination * 1_000 / self.tasks_done.max(1)
    }

    /// Returns the time on the critical path that agents worked, and the time that one waited for another.
    pub fn critical_time(&self) -> (Millis, Millis) {
        let sum = |leg| {
            let steps = self.critical_path.iter().filter(|step| step.leg == leg);
            Millis::new(steps.map(|step| step.millis.get()).fold(0, u64::saturating_add))
        };
        (sum(Leg::Own), sum(Leg::Handover))
    }
}
