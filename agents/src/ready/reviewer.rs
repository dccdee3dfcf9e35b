//! A reviewer: looks at what is said to be done, and says whether it is.

use colony_core::EntityName;
use serde::Deserialize;

use super::act::Act;
use super::role::{News, Role, View};
use crate::protocol::directory::Card;
use crate::protocol::task::{Command, Delivery, Phase, Tasks};

/// What a reviewer asks of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Review {
    /// That it holds a result.
    Result,
    /// That it says where the result can be seen, too: beside the result, or in a field `evidence` of it.
    Evidence,
}

/// Judges deliveries that it may judge.
#[derive(Debug, Clone)]
pub struct Reviewer {
    /// What it asks of them.
    pub review: Review,
}

impl Role for Reviewer {
    fn card(&self) -> Option<Card> {
        Some(Card { description: "judges deliveries".into(), ..Card::default() })
    }

    fn hears_all(&self) -> bool {
        true
    }

    fn react(&self, view: &View<'_>, news: &News<'_>) -> Vec<Act> {
        match news {
            News::Said(entry, _) if entry.event().ty.as_str() == "task.done" => {
                let task = entry.event().entity.as_ref();
                task.map(|task| self.judge(view, task)).unwrap_or_default()
            }
            // What was delivered while it was away.
            News::Began => {
                let tasks = view.agreed().tasks.iter().map(|(name, _)| name);
                tasks.flat_map(|task| self.judge(view, task)).collect()
            }
            News::Said(..)
            | News::Turn(_)
            | News::Holds { .. }
            | News::Worked { .. }
            | News::Time => Vec::new(),
        }
    }
}

impl Reviewer {
    fn judge(&self, view: &View<'_>, name: &EntityName) -> Vec<Act> {
        let Some(task) = view.agreed().tasks.get(name) else { return Vec::new() };
        let Phase::Done(delivery) = &task.phase else { return Vec::new() };
        let judged = delivery.verdicts.iter().any(|verdict| verdict.by == *view.me);
        if judged || delivery.by == *view.me || !task.may_judge(view.me) {
            return Vec::new();
        }
        let task = name.clone();
        let command = match self.wants(delivery) {
            None => Command::Verify { task, how: "looked at the result".to_owned() },
            Some(reason) => Command::Reject { task, reason: reason.to_owned() },
        };
        view.decide::<Tasks>(command, "")
    }

    /// Returns what a delivery lacks.
    fn wants(&self, delivery: &Delivery) -> Option<&'static str> {
        match self.review {
            _ if delivery.result.is_none() => Some("there is no result"),
            Review::Evidence if !has_evidence(delivery) => Some("there is no evidence"),
            Review::Result | Review::Evidence => None,
        }
    }
}

/// What a command prints is a result, and can say in it where it is to be seen.
fn has_evidence(delivery: &Delivery) -> bool {
    #[derive(Default, Deserialize)]
    struct Seen {
        #[serde(default)]
        evidence: Vec<String>,
    }
    let told = delivery.result.as_ref().map(|result| serde_json::from_str::<Seen>(result.text()));
    let told = told.and_then(Result::ok).unwrap_or_default();
    !delivery.evidence.is_empty() || !told.evidence.is_empty()
}
