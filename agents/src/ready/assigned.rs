//! A worker under a conductor.

use super::act::Act;
use super::role::{News, Role, View};
use super::worker::Worker;
use crate::protocol::directory::Card;

/// A worker that does what it is given, and takes nothing by itself.
#[derive(Debug, Clone)]
pub struct Assigned {
    /// The worker that it is else.
    pub worker: Worker,
}

impl Role for Assigned {
    fn card(&self) -> Option<Card> {
        self.worker.card()
    }

    fn react(&self, view: &View<'_>, news: &News<'_>) -> Vec<Act> {
        match news {
            News::Turn(_) => Vec::new(),
            News::Began
            | News::Said(..)
            | News::Holds { .. }
            | News::Worked { .. }
            | News::Time => self.worker.react(view, news),
        }
    }
}
