//! A conductor, for those who want one: plans, assigns, collects, and assigns again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use colony_core::{AgentName, EntityName};

use super::act::Act;
use super::client::Planned;
use super::role::{News, Role, View};
use crate::protocol::Millis;
use crate::protocol::directory::Card;
use crate::protocol::task::{Command, Mode, Offered, Phase, Task, Tasks};

/// Hands out the tasks of a plan, each to one worker at a time, in the order of the plan.
///
/// What it knows of the plan is with it alone: while it is gone, nothing is handed out.
#[derive(Debug)]
pub struct Conductor {
    plan: Vec<Planned>,
    silent: Millis,
    /// What saves it from looking twice. Whatever stands here, what it says is judged by everybody.
    hints: Mutex<Hints>,
}

#[derive(Debug, Default)]
struct Hints {
    /// What it has handed out and not yet read back.
    said: BTreeMap<EntityName, AgentName>,
    /// All tasks before this one of the plan were delivered.
    open_from: usize,
}

impl Conductor {
    /// Makes a conductor of a plan; `silent` is how long a worker may be.
    pub fn new(plan: Vec<Planned>, silent: Millis) -> Self {
        Self { plan, silent, hints: Mutex::default() }
    }

    fn hints(&self) -> MutexGuard<'_, Hints> {
        self.hints.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Role for Conductor {
    fn card(&self) -> Option<Card> {
        Some(Card { description: "hands out tasks".into(), ..Card::default() })
    }

    fn hears_all(&self) -> bool {
        true
    }

    fn react(&self, view: &View<'_>, news: &News<'_>) -> Vec<Act> {
        match news {
            News::Said(entry, _) if entry.event().author == *view.me => {
                if let Some(task) = &entry.event().entity {
                    self.hints().said.remove(task);
                }
                Vec::new()
            }
            News::Said(entry, _) => match entry.event().ty.as_str() {
                "task.done" | "task.released" | "task.rejected" | "agent.announced" => {
                    self.assign(view)
                }
                _ => Vec::new(),
            },
            News::Began => self.assign(view),
            News::Time => {
                let overdue = view.space.rota().overdue(view.now);
                let lapse = |task: &EntityName| {
                    view.decide::<Tasks>(Command::Lapse(task.clone()), "its holder is silent")
                };
                let mut acts: Vec<_> = overdue.flat_map(lapse).collect();
                acts.extend(self.assign(view));
                acts
            }
            News::Turn(_) | News::Holds { .. } | News::Worked { .. } => Vec::new(),
        }
    }
}

impl Conductor {
    /// Gives each worker that has nothing to do the next task that it can do.
    fn assign(&self, view: &View<'_>) -> Vec<Act> {
        let (agreed, rota) = (view.agreed(), view.space.rota());
        let mut hints = self.hints();
        // Who stands in the rota for a task that came back has nothing to do, either.
        let idle = rota.idle().chain(rota.turns().map(|(agent, _)| agent));
        let mut idle: BTreeSet<&AgentName> = idle.collect();
        for busy in hints.said.values() {
            idle.remove(busy);
        }
        let is_done = |name| agreed.tasks.get(name).is_some_and(Task::is_done);
        while self.plan.get(hints.open_from).is_some_and(|planned| is_done(&planned.name)) {
            hints.open_from += 1;
        }
        let mut acts = Vec::new();
        for Planned { name, offered } in self.plan.iter().skip(hints.open_from) {
            if idle.is_empty() {
                break;
            }
            let open = match agreed.tasks.get(name).map(|task| &task.phase) {
                None | Some(Phase::Free { .. }) => true,
                Some(
                    Phase::Bidding(_)
                    | Phase::Unawarded { .. }
                    | Phase::Held(_)
                    | Phase::Done(_)
                    | Phase::Verified(_)
                    | Phase::Cancelled { .. },
                ) => false,
            };
            if !open || hints.said.contains_key(name) || !offered.after.iter().all(is_done) {
                continue;
            }
            let able = |agent: &&&AgentName| {
                offered.skills.iter().all(|skill| agreed.directory.has_skill(agent, skill))
            };
            let Some(worker) = idle.iter().find(able).copied() else { continue };
            idle.remove(worker);
            let mode = Mode::Assigned { to: worker.clone() };
            let offered = Offered { mode, claim_ms: Some(self.silent), ..offered.clone() };
            let offer = Command::Offer(name.clone(), Box::new(offered));
            let offer = view.decide::<Tasks>(offer, "it has nothing to do");
            if !offer.is_empty() {
                hints.said.insert(name.clone(), worker.clone());
            }
            acts.extend(offer);
        }
        acts
    }
}
