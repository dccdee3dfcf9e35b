//! A caller within a quota: works only on what the shared budget grants it.

use colony_core::{EntityName, Position};

use super::act::Act;
use super::role::{News, Role, View};
use super::worker::Worker;
use crate::protocol::directory::Card;
use crate::protocol::quota::{Command, Quotas};

/// A worker whose tasks each cost a part of a shared budget: it takes that before it works, and waits while there is none.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The budget.
    pub quota: EntityName,
    /// What a task costs.
    pub cost: u64,
    /// The worker that it is else.
    pub worker: Worker,
}

impl Role for Caller {
    fn card(&self) -> Option<Card> {
        self.worker.card()
    }

    fn hears_all(&self) -> bool {
        true
    }

    fn react(&self, view: &View<'_>, news: &News<'_>) -> Vec<Act> {
        match news {
            // What is left of a task that came to nothing does for the next.
            News::Holds { .. } if self.reservation(view).is_some() => self.work(view),
            News::Holds { .. } => self.take(view, "to do a task"),
            // Granted: what it holds can be done.
            News::Said(entry, _) if entry.event().author == *view.me => {
                match self.reservation(view).filter(|at| *at == entry.position) {
                    Some(_) => self.work(view),
                    None => Vec::new(),
                }
            }
            // Refused before: the next period has begun, or others have returned some.
            News::Time if self.reservation(view).is_none() && self.held(view).is_some() => {
                let quota = view.agreed().quotas.get(&self.quota);
                let time = view.agreed().time().advanced(view.now);
                match quota.is_some_and(|quota| quota.available(view.me, time) >= self.cost) {
                    true => self.take(view, "to do a task"),
                    false => Vec::new(),
                }
            }
            News::Worked { .. } => {
                let mut acts = self.worker.react(view, news);
                if let Some(reservation) = self.reservation(view) {
                    let (quota, used) = (self.quota.clone(), self.cost);
                    acts.extend(view.decide::<Quotas>(
                        Command::Return { quota, reservation, used },
                        "the task is done",
                    ));
                }
                acts
            }
            News::Turn(_) => self.worker.react(view, news),
            News::Began | News::Said(..) | News::Time => Vec::new(),
        }
    }
}

impl Caller {
    fn take(&self, view: &View<'_>, why: &str) -> Vec<Act> {
        view.decide::<Quotas>(Command::Take(self.quota.clone(), self.cost), why)
    }

    fn reservation(&self, view: &View<'_>) -> Option<Position> {
        let quota = view.agreed().quotas.get(&self.quota)?;
        let mut mine = quota.reservations.iter().filter(|(_, held)| held.by == *view.me);
        mine.next().map(|(at, _)| *at)
    }

    fn held<'a>(&self, view: &View<'a>) -> Option<(&'a EntityName, Position)> {
        let mut held = view.space.rota().held_by(view.me);
        held.next()
    }

    fn work(&self, view: &View<'_>) -> Vec<Act> {
        let Some((task, fence)) = self.held(view) else { return Vec::new() };
        vec![Act::Work { task: task.clone(), fence, work: self.worker.work.clone() }]
    }
}
