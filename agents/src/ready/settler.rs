//! A worker that settles the scope before it begins.

use colony_core::Data;

use super::act::{Act, Say};
use super::role::{News, Role, View};
use super::worker::Worker;
use crate::protocol::directory::Card;
use crate::protocol::task::{Command, Tasks};
use crate::protocol::{Draft, Millis};

/// The mail in which a holder asks when a task is done.
pub(crate) const ASKED: &str = "scope.asked";
/// The mail in which whoever offered it answers.
pub(crate) const ANSWERED: &str = "scope.answered";

/// A worker that asks by mail, where an offer does not say when the task is done, and begins when it is told; or when it has waited
/// for half the time for which it may be silent, with what it has understood.
#[derive(Debug, Clone)]
pub struct Settler {
    /// The worker that it is else.
    pub worker: Worker,
}

impl Role for Settler {
    fn card(&self) -> Option<Card> {
        self.worker.card()
    }

    fn hears_time(&self) -> bool {
        true
    }

    fn react(&self, view: &View<'_>, news: &News<'_>) -> Vec<Act> {
        match news {
            News::Holds { task, .. } => {
                let offer = view.agreed().tasks.get(task).map(|task| &task.offer);
                let unclear = offer.filter(|offer| offer.said.done_when.is_empty());
                let Some(offer) = unclear else { return self.worker.react(view, news) };
                let Ok(ty) = ASKED.parse() else { return Vec::new() };
                let data = Data::Json { text: "{}".to_owned(), content_type: None };
                let recipient = Some(offer.by.clone());
                let draft = Draft { ty, entity: (*task).clone(), recipient, data };
                let why = "the offer does not say when it is done".to_owned();
                vec![Act::Say(Say { draft, why })]
            }
            News::Said(entry, _) => {
                let event = entry.event();
                let to_me = event.recipient.as_ref() == Some(view.me);
                let task = event.entity.as_ref().filter(|_| to_me && event.ty.as_str() == ANSWERED);
                let held =
                    task.and_then(|task| Some((task, view.agreed().tasks.fence(task, view.me)?)));
                match held {
                    Some((task, fence)) => self.worker.react(view, &News::Holds { task, fence }),
                    None => Vec::new(),
                }
            }
            News::Time => {
                let held = view.space.rota().held_by(view.me);
                let waited = held.filter(|(task, _)| {
                    let hold = view.agreed().tasks.get(task).and_then(|task| task.hold());
                    hold.is_some_and(|hold| {
                        Millis::between(hold.since, view.now).get() * 2 >= self.worker.silent.get()
                    })
                });
                let begin = |(task, fence)| self.worker.react(view, &News::Holds { task, fence });
                waited.flat_map(begin).collect()
            }
            News::Worked { task, fence, result: Ok(result) } => {
                let offer = view.agreed().tasks.get(task).map(|task| &task.offer);
                let asked = offer.is_some_and(|offer| offer.said.done_when.is_empty());
                let evidence = asked.then(|| "asked by mail".to_owned());
                let done = Command::Finish {
                    task: (*task).clone(),
                    fence: Some(*fence),
                    result: Some((*result).clone()),
                    evidence: evidence.into_iter().collect(),
                };
                view.decide::<Tasks>(done, "")
            }
            News::Worked { result: Err(_), .. } | News::Began | News::Turn(_) => {
                self.worker.react(view, news)
            }
        }
    }
}
