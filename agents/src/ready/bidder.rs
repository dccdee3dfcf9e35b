//! A bidder: says what it would take for a task, and does what it is awarded.

use colony_core::EntityName;

use super::act::Act;
use super::crew::PATIENCE;
use super::role::{News, Role, View};
use super::work::Work;
use super::worker::Worker;
use crate::protocol::bidding::{Bid, Offering};
use crate::protocol::directory::Card;
use crate::protocol::task::{Command, Phase, Tasks};
use crate::protocol::{LogTime, Millis};

/// What a bidder asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pricing {
    /// Its price for a task.
    pub price: u64,
    /// What it asks more for each task that it has: who has much to do is dear, and others win.
    pub for_each_held: u64,
    /// How long a task takes it.
    pub takes: Millis,
}

/// Bids openly for tasks that it has the skills for, and works on those that it is awarded.
#[derive(Debug, Clone)]
pub struct Bidder {
    /// What it can do, as offers ask for it.
    pub skills: Vec<String>,
    /// What it asks for.
    pub pricing: Pricing,
    /// How long it may be silent while it holds a task.
    pub silent: Millis,
    /// What it does about a task.
    pub work: Work,
}

impl Role for Bidder {
    fn card(&self) -> Option<Card> {
        let (skills, cost) = (self.skills.clone(), Some(self.pricing.price));
        Some(Card { description: "bids for tasks".into(), skills, cost, ..Card::default() })
    }

    fn hears_all(&self) -> bool {
        true
    }

    fn react(&self, view: &View<'_>, news: &News<'_>) -> Vec<Act> {
        match news {
            News::Said(entry, _) => match &entry.event().entity {
                Some(task) => self.look(view, task),
                None => Vec::new(),
            },
            News::Began | News::Time => {
                let tasks = view.agreed().tasks.iter().map(|(name, _)| name);
                tasks.flat_map(|task| self.look(view, task)).collect()
            }
            News::Turn(_) => Vec::new(),
            // What it is awarded, it does as any worker.
            News::Holds { .. } | News::Worked { .. } => {
                let Self { skills, silent, work, .. } = self.clone();
                Worker { skills, silent, work, capacity: 1 }.react(view, news)
            }
        }
    }
}

impl Bidder {
    /// Bids for a task that takes bids, or says that its window is over.
    fn look(&self, view: &View<'_>, task: &EntityName) -> Vec<Act> {
        let found = view.agreed().tasks.get(task).map(|task| &task.phase);
        let Some(Phase::Bidding(auction)) = found else { return Vec::new() };
        let time = LogTime::default().advanced(view.now);
        if auction.may_close(time) {
            // The first that bid says so; if it is gone, the next, a while later.
            let mine = auction.bids().find(|(bidder, _)| *bidder == view.me).map(|(_, bid)| bid.at);
            let Some(mine) = mine else { return Vec::new() };
            let before = auction.bids().filter(|(_, bid)| bid.at < mine).count();
            let patience = PATIENCE.get().saturating_mul(before as u64);
            let over = auction.terms().sealed_until.unwrap_or(auction.terms().until);
            let my_turn = before == 0 || time.is_past(Millis::new(patience).after(over));
            return match my_turn {
                true => view.decide::<Tasks>(Command::Close(task.clone()), "the window is over"),
                false => Vec::new(),
            };
        }
        if auction.bids().any(|(bidder, _)| bidder == view.me) {
            return Vec::new();
        }
        let Pricing { price, for_each_held, takes } = self.pricing;
        let held = u64::from(view.space.rota().load(view.me));
        let price = price.saturating_add(for_each_held.saturating_mul(held));
        let until = Millis::new(takes.get().saturating_mul(held + 1));
        let offering = Offering { price, finish: until.after(auction.terms().until) };
        let why = format!("holds {held} tasks");
        view.decide::<Tasks>(Command::Bid(task.clone(), Bid::Open(offering)), &why)
    }
}
