//! Quotas, as everybody folds them.

use std::collections::{BTreeMap, VecDeque};

use colony_core::{AgentName, EntityName, Position, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::Defined;
use super::fairness::max_min;
use crate::protocol::time::{LogTime, Millis};

/// P6: shared budgets.
#[derive(Debug, Clone, Copy)]
pub struct Quotas;

/// Shares of the budget, of 100, at which a warning is due.
pub const WARNINGS: [u8; 3] = [50, 75, 90];

/// All quotas.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct QuotasState(pub(super) BTreeMap<EntityName, Quota>);

impl QuotasState {
    /// Returns a quota.
    pub fn get(&self, quota: &EntityName) -> Option<&Quota> {
        self.0.get(quota)
    }

    /// Returns all quotas, in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&EntityName, &Quota)> {
        self.0.iter()
    }
}

/// One quota.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Who defined it.
    pub by: AgentName,
    /// Where its definition stands, the last.
    pub at: Position,
    /// When the first period began.
    pub since: Timestamp,
    /// What was said.
    pub said: Defined,
    /// Counts periods, from 0.
    pub period: u64,
    /// What of the budget is taken in this period: reserved or used.
    pub taken: u64,
    /// What each agent has and wants, in this period and the one before.
    pub uses: BTreeMap<AgentName, Use>,
    /// Reservations of this period that were not returned.
    pub reservations: BTreeMap<Position, Reservation>,
    /// Warnings of this period.
    pub warned: Vec<Warned>,
    /// The latest requests that were refused, oldest first.
    pub refused: VecDeque<Refusal>,
    /// What all agents want in this period, as far as is known.
    pub(super) wanted: u64,
}

/// What one agent has and wants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// What it has taken in this period and not returned.
    pub taken: u64,
    /// What it asked for in this period, granted or not.
    pub asked: u64,
    /// What it asked for in the period before.
    pub asked_before: u64,
}

impl Use {
    /// Returns what the agent is expected to want in this period: what it asked for, or as much as the last time.
    fn wants(&self) -> u64 {
        self.asked.max(self.asked_before)
    }
}

/// A part of the budget that an agent has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The agent.
    pub by: AgentName,
    /// How much.
    pub amount: u64,
    /// When it was granted.
    pub since: Timestamp,
}

/// A warning that much of the budget is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warned {
    /// The share, of 100: one of [`WARNINGS`].
    pub percent: u8,
    /// The entry with which it was reached.
    pub at: Position,
}

/// A request that was refused, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Where it stands.
    pub at: Position,
    /// Who asked.
    pub by: AgentName,
    /// For how much.
    pub asked: u64,
    /// How much it could have had.
    pub available: u64,
    /// Of what is free, how much is kept for others that have had less than their share.
    pub kept_for_others: u64,
    /// When the period ends.
    pub until: Timestamp,
}

impl Quota {
    pub(super) fn new(by: AgentName, at: Position, since: Timestamp, said: Defined) -> Self {
        Self {
            by,
            at,
            since,
            said,
            period: 0,
            taken: 0,
            uses: BTreeMap::new(),
            reservations: BTreeMap::new(),
            warned: Vec::new(),
            refused: VecDeque::new(),
            wanted: 0,
        }
    }

    /// Returns whether the request at a position was granted and is still reserved.
    pub fn reservation(&self, at: Position) -> Option<&Reservation> {
        self.reservations.get(&at)
    }

    /// Returns why the request at a position was refused, if it was and is still kept.
    pub fn refusal(&self, at: Position) -> Option<&Refusal> {
        self.refused.iter().find(|refusal| refusal.at == at)
    }

    /// Returns when the current period ends.
    pub fn ends(&self) -> Timestamp {
        let length = self.said.period_ms.get().max(1);
        Millis::new((self.period + 1).saturating_mul(length)).after(self.since)
    }

    /// Returns what an agent could take at a log time.
    pub fn available(&self, agent: &AgentName, time: LogTime) -> u64 {
        let mut quota = self.clone();
        quota.advance(time);
        quota.could_take(agent, u64::MAX).0
    }

    /// Brings the quota to a log time: begins the current period, and frees what expired.
    pub(super) fn advance(&mut self, time: LogTime) {
        let length = self.said.period_ms.get().max(1);
        let period = time.since(self.since).get() / length;
        if period > self.period {
            let consecutive = period == self.period + 1;
            self.uses.retain(|_, used| {
                used.asked_before = if consecutive { used.asked } else { 0 };
                used.taken = 0;
                used.asked = 0;
                used.asked_before > 0
            });
            self.wanted = self.uses.values().map(Use::wants).fold(0, u64::saturating_add);
            self.period = period;
            self.taken = 0;
            self.reservations.clear();
            self.warned.clear();
        }
        if let Some(hold) = self.said.hold_ms {
            // Log time never goes back, so reservations expire in the order in which they were granted.
            while let Some(first) = self.reservations.first_entry() {
                if !time.is_past(hold.after(first.get().since)) {
                    break;
                }
                let Reservation { by, amount, .. } = first.remove();
                self.free(&by, amount);
            }
        }
    }

    /// Returns the reservation of a position, if it still counts at a log time.
    pub(super) fn live(&self, at: Position, time: LogTime) -> Option<&Reservation> {
        let reservation = self.reservations.get(&at)?;
        let expires = self.said.hold_ms.map(|hold| hold.after(reservation.since));
        let ended = time.since(self.since).get() / self.said.period_ms.get().max(1) > self.period;
        let expired = expires.is_some_and(|expires| time.is_past(expires));
        if ended || expired { None } else { Some(reservation) }
    }

    pub(super) fn free(&mut self, agent: &AgentName, amount: u64) {
        self.taken = self.taken.saturating_sub(amount);
        if let Some(used) = self.uses.get_mut(agent) {
            used.taken = used.taken.saturating_sub(amount);
        }
    }

    /// Notes that an agent wants some, whether or not it gets it.
    pub(super) fn want(&mut self, agent: &AgentName, amount: u64) {
        let used = match self.uses.get_mut(agent) {
            Some(used) => used,
            None => self.uses.entry(agent.clone()).or_default(),
        };
        let before = used.wants();
        used.asked = used.asked.saturating_add(amount);
        self.wanted = self.wanted.saturating_add(used.wants() - before);
    }

    /// Returns how much of what it asks for an agent could take, and how much of the free rest is kept for others.
    pub(super) fn could_take(&self, agent: &AgentName, ask: u64) -> (u64, u64) {
        let free = self.said.amount.saturating_sub(self.taken);
        if self.wanted <= self.said.amount && ask <= free {
            return (free, 0);
        }
        let weight = |agent: &AgentName| self.said.shares.get(agent).copied().unwrap_or(1);
        let others = self.uses.iter().filter(|(other, _)| *other != agent);
        let others: Vec<_> = others.collect();
        let wants = others.iter().map(|(other, used)| (used.wants(), weight(other)));
        let needs: Vec<_> = wants.chain([(self.said.amount, weight(agent))]).collect();
        // With the asker wanting everything, what the others get is what they are owed.
        let owed = max_min(self.said.amount, &needs);
        let kept =
            others.iter().zip(&owed).map(|((_, used), owed)| owed.saturating_sub(used.taken));
        let kept = kept.fold(0_u64, u64::saturating_add).min(free);
        (free - kept, kept)
    }
}
