//! A client: offers work, says more where it is asked, and takes nothing whose scope was never settled.

use colony_core::{Data, EntityName};

use super::act::{Act, Say};
use super::role::{News, Role, View};
use super::settler::{ANSWERED, ASKED};
use crate::protocol::Draft;
use crate::protocol::directory::Card;
use crate::protocol::task::{Command, Offered, Phase, Task, Tasks};

/// A task to be offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The task.
    pub name: EntityName,
    /// What it offers.
    pub offered: Offered,
}

/// Offers tasks to all at once.
///
/// Where an offer does not say when the task is done, the first result is not what it wanted, unless somebody asked. The
/// second worker has the reason.
#[derive(Debug, Clone)]
pub struct Client {
    /// What it offers, in this order.
    pub plan: Vec<Planned>,
}

impl Role for Client {
    fn card(&self) -> Option<Card> {
        None
    }

    fn hears_all(&self) -> bool {
        true
    }

    fn react(&self, view: &View<'_>, news: &News<'_>) -> Vec<Act> {
        match news {
            News::Began => {
                let known = |planned: &&Planned| view.agreed().tasks.get(&planned.name).is_none();
                let offer = |Planned { name, offered }: &Planned| {
                    view.decide::<Tasks>(
                        Command::Offer(name.clone(), Box::new(offered.clone())),
                        "",
                    )
                };
                self.plan.iter().filter(known).flat_map(offer).collect()
            }
            News::Said(entry, _) => {
                let event = entry.event();
                let Some(task) = &event.entity else { return Vec::new() };
                match event.ty.as_str() {
                    ASKED if event.recipient.as_ref() == Some(view.me) => {
                        let Ok(ty) = ANSWERED.parse() else { return Vec::new() };
                        let text = r#"{"done_when":"it works"}"#.to_owned();
                        let data = Data::Json { text, content_type: None };
                        let recipient = Some(event.author.clone());
                        let draft = Draft { ty, entity: task.clone(), recipient, data };
                        vec![Act::Say(Say { draft, why: String::new() })]
                    }
                    "task.done" => self.look(view, task),
                    _ => Vec::new(),
                }
            }
            News::Turn(_) | News::Holds { .. } | News::Worked { .. } | News::Time => Vec::new(),
        }
    }
}

impl Client {
    fn look(&self, view: &View<'_>, name: &EntityName) -> Vec<Act> {
        let Some(Task { offer, round: 1, phase: Phase::Done(delivery) }) =
            view.agreed().tasks.get(name)
        else {
            return Vec::new();
        };
        let settled = !offer.said.done_when.is_empty() || !delivery.evidence.is_empty();
        if settled || offer.by != *view.me {
            return Vec::new();
        }
        let reason = "it was not clear when it would be done: it works, or it is not".to_owned();
        view.decide::<Tasks>(Command::Reject { task: name.clone(), reason }, "")
    }
}
