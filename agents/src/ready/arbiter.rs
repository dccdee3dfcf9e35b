//! An arbiter: decides disputes about contracts that it was named for.

use colony_core::EntityName;

use super::act::Act;
use super::role::{News, Role, View};
use crate::protocol::contract::{Command, Contract, Contracts, Phase, SideFound};
use crate::protocol::directory::Card;

/// How an arbiter finds who is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// By what verifiers said: for the supplier if more found the delivery good than wanting, else for the customer.
    Verifiers,
    /// Always for one side: to see what a partial arbiter can do.
    Always(SideFound),
}

/// Votes in disputes of contracts that name it as an arbitrator.
#[derive(Debug, Clone)]
pub struct Arbiter {
    /// How it finds who is right.
    pub judgement: Judgement,
}

impl Role for Arbiter {
    fn card(&self) -> Option<Card> {
        Some(Card { description: "decides disputes".into(), ..Card::default() })
    }

    fn hears_all(&self) -> bool {
        true
    }

    fn react(&self, view: &View<'_>, news: &News<'_>) -> Vec<Act> {
        match news {
            News::Said(entry, _) if entry.event().ty.as_str() == "dispute.opened" => {
                let contract = entry.event().entity.as_ref();
                contract.map(|contract| self.vote(view, contract)).unwrap_or_default()
            }
            News::Began => {
                let contracts = view.agreed().contracts.iter().map(|(name, _)| name);
                contracts.flat_map(|contract| self.vote(view, contract)).collect()
            }
            News::Said(..)
            | News::Turn(_)
            | News::Holds { .. }
            | News::Worked { .. }
            | News::Time => Vec::new(),
        }
    }
}

impl Arbiter {
    fn vote(&self, view: &View<'_>, name: &EntityName) -> Vec<Act> {
        let Some(contract) = view.agreed().contracts.get(name) else { return Vec::new() };
        let Phase::Disputed(dispute) = &contract.phase else { return Vec::new() };
        let named = contract.terms.arbitrators.contains(view.me);
        if !named || dispute.votes.contains_key(view.me) {
            return Vec::new();
        }
        let (right, reason) = self.find(contract, dispute.milestone);
        let reason = reason.to_owned();
        let command = Command::Arbitrate { contract: name.clone(), right, reason };
        view.decide::<Contracts>(command, "")
    }

    fn find(&self, contract: &Contract, milestone: u32) -> (SideFound, &'static str) {
        let Judgement::Verifiers = self.judgement else {
            let Judgement::Always(side) = self.judgement else { return (SideFound::Neither, "") };
            return (side, "as always");
        };
        let index = usize::try_from(milestone).unwrap_or(usize::MAX);
        let submission = contract.work.get(index).and_then(|work| work.submission.as_ref());
        match submission {
            None => (SideFound::Customer, "nothing was delivered"),
            Some(found) if found.good.len() > found.wanting.len() => {
                (SideFound::Supplier, "more found it good than wanting")
            }
            Some(_) => (SideFound::Customer, "no more found it good than wanting"),
        }
    }
}
