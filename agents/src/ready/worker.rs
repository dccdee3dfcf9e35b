//! A worker: claims what it is first to try, does it, and says what came of it.

use super::act::Act;
use super::role::{News, Role, View};
use super::work::Work;
use crate::protocol::Millis;
use crate::protocol::directory::Card;
use crate::protocol::task::{Command, Tasks};

/// Claims tasks in turn, works on them, and delivers.
#[derive(Debug, Clone)]
pub struct Worker {
    /// What it can do, as offers ask for it.
    pub skills: Vec<String>,
    /// How long it may be silent while it holds a task. Longer than it takes to say that it is still at it.
    pub silent: Millis,
    /// What it does about a task.
    pub work: Work,
    /// How many tasks it holds at a time. With more than one, it claims the next while it works, and need not wait for the answer.
    pub capacity: u32,
}

impl Role for Worker {
    fn card(&self) -> Option<Card> {
        let skills = self.skills.clone();
        Some(Card {
            description: "takes tasks".into(),
            skills,
            capacity: Some(self.capacity),
            ..Card::default()
        })
    }

    fn react(&self, view: &View<'_>, news: &News<'_>) -> Vec<Act> {
        match news {
            News::Turn(task) => {
                let claim = Command::Claim((*task).clone(), self.silent);
                view.decide::<Tasks>(claim, "first in line for it")
            }
            News::Holds { task, fence } => {
                vec![Act::Work { task: (*task).clone(), fence: *fence, work: self.work.clone() }]
            }
            News::Worked { task, fence, result } => {
                let (task, fence) = ((*task).clone(), Some(*fence));
                match result {
                    Ok(result) => {
                        let result = Some((*result).clone());
                        let done = Command::Finish { task, fence, result, evidence: Vec::new() };
                        view.decide::<Tasks>(done, "")
                    }
                    Err(reason) => {
                        let reason = (*reason).to_owned();
                        view.decide::<Tasks>(Command::Release { task, fence, reason }, "")
                    }
                }
            }
            News::Began | News::Said(..) | News::Time => Vec::new(),
        }
    }
}
