//! Time spent waiting, and on whom.

use std::collections::BTreeMap;

use colony_core::{AgentName, EntityName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::protocol::CoordinationState;
use crate::protocol::task::{BlockedOn, Phase};
use crate::protocol::time::Millis;

/// What was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitKind {
    /// A task, for somebody to take it.
    Worker,
    /// A holder, for what it said that it is blocked on.
    Blocked,
    /// A task, while its holder was silent and then lapsed.
    Silence,
    /// A result, for somebody to judge it.
    Verdict,
    /// A handoff, for somebody to accept it.
    Acceptance,
    /// A question, for an answer.
    Answer,
    /// A question to people, for an answer.
    Person,
}

/// Waiting of one kind, on one agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// What was waited for.
    pub kind: WaitKind,
    /// On whom: who ended the wait, or whose silence it was; `None` where that is nobody in particular.
    pub on: Option<AgentName>,
    /// How often.
    pub times: u64,
    /// For how long in all.
    pub millis: Millis,
}

/// Waits that have begun, and those that have ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Waits {
    open: BTreeMap<(WaitKind, EntityName), (Timestamp, Option<AgentName>)>,
    ended: BTreeMap<(WaitKind, Option<AgentName>), (u64, u64)>,
}

impl Waits {
    fn begin(&mut self, kind: WaitKind, what: &EntityName, now: Timestamp, on: Option<AgentName>) {
        self.open.entry((kind, what.clone())).or_insert((now, on));
    }

    /// Ends a wait. It was on whom it began with, or else on who ended it.
    fn end(&mut self, kind: WaitKind, what: &EntityName, now: Timestamp, by: Option<&AgentName>) {
        if let Some((since, on)) = self.open.remove(&(kind, what.clone())) {
            let (times, millis) = self.ended.entry((kind, on.or(by.cloned()))).or_default();
            *times += 1;
            *millis = millis.saturating_add(Millis::between(since, now).get());
        }
    }

    /// Takes in what an event meant, once it had its effect on the protocols.
    pub(super) fn take(
        &mut self,
        ty: &str,
        what: &EntityName,
        author: &AgentName,
        now: Timestamp,
        space: &CoordinationState,
    ) {
        let by = Some(author);
        match ty {
            "handoff.offered" => self.begin(WaitKind::Acceptance, what, now, None),
            "handoff.accepted" => self.end(WaitKind::Acceptance, what, now, by),
            "clarification.asked" => self.begin(WaitKind::Answer, what, now, None),
            "clarification.answered" => self.end(WaitKind::Answer, what, now, by),
            "gate.asked" => self.begin(WaitKind::Person, what, now, None),
            "gate.answered" => self.end(WaitKind::Person, what, now, by),
            "milestone.submitted" => self.begin(WaitKind::Verdict, what, now, None),
            "milestone.verified" | "milestone.failed" => {
                self.end(WaitKind::Verdict, what, now, by);
            }
            _ if ty.starts_with("task.") => self.task(ty, what, author, now, space),
            _ => {}
        }
    }

    fn task(
        &mut self,
        ty: &str,
        what: &EntityName,
        author: &AgentName,
        now: Timestamp,
        space: &CoordinationState,
    ) {
        let Some(task) = space.tasks.get(what) else { return };
        if ty == "task.lapsed" {
            // Whose silence it was stands in the wait that every sign of life began anew.
            self.end(WaitKind::Silence, what, now, None);
        } else {
            self.open.remove(&(WaitKind::Silence, what.clone()));
        }
        let blocked = task.hold().and_then(|hold| hold.blocked.as_ref());
        if blocked.is_none() {
            self.end(WaitKind::Blocked, what, now, None);
        }
        match &task.phase {
            Phase::Free { .. } | Phase::Bidding(_) | Phase::Unawarded { .. } => {
                self.end(WaitKind::Verdict, what, now, Some(author));
                self.begin(WaitKind::Worker, what, now, None);
            }
            Phase::Held(hold) => {
                self.end(WaitKind::Verdict, what, now, Some(author));
                self.end(WaitKind::Worker, what, now, Some(&hold.owner));
                self.begin(WaitKind::Silence, what, now, Some(hold.owner.clone()));
                if let Some(block) = blocked {
                    let on = match &block.on {
                        BlockedOn::Agent(agent) => Some(agent.clone()),
                        BlockedOn::Task(before) => {
                            let before = space.tasks.get(before).and_then(|task| task.hold());
                            before.map(|hold| hold.owner.clone())
                        }
                        BlockedOn::Reason(_) => None,
                    };
                    self.begin(WaitKind::Blocked, what, now, on);
                }
            }
            Phase::Done(_) => self.begin(WaitKind::Verdict, what, now, None),
            Phase::Verified(_) | Phase::Cancelled { .. } => {
                self.end(WaitKind::Verdict, what, now, Some(author));
                self.open.remove(&(WaitKind::Worker, what.clone()));
            }
        }
    }

    /// Returns the waits that ended, longest first.
    pub(super) fn ended(&self) -> Vec<Wait> {
        let wait =
            |((kind, on), (times, millis)): (&(WaitKind, Option<AgentName>), &(u64, u64))| Wait {
                kind: *kind,
                on: on.clone(),
                times: *times,
                millis: Millis::new(*millis),
            };
        let mut waits: Vec<_> = self.ended.iter().map(wait).collect();
        waits.sort_by_key(|wait| std::cmp::Reverse(wait.millis));
        waits
    }
}
