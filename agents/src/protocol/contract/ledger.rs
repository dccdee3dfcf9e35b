//! The ledger: what can be staked is issued, locked, moved and burned, and never otherwise made or lost.

use std::collections::BTreeMap;

use colony_core::AgentName;
use serde::{Deserialize, Serialize};

/// Who has what. For every position of every log: issued = free + locked + burned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    accounts: BTreeMap<AgentName, u64>,
    issued: u64,
    locked: u64,
    burned: u64,
}

/// The totals of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Put into circulation, ever.
    pub issued: u64,
    /// On accounts.
    pub free: u64,
    /// Locked in contracts.
    pub locked: u64,
    /// Burned, ever.
    pub burned: u64,
}

impl Ledger {
    /// Returns what an agent can lock.
    pub fn balance(&self, agent: &AgentName) -> u64 {
        self.accounts.get(agent).copied().unwrap_or(0)
    }

    /// Returns all accounts, in the order of their owners' names.
    pub fn accounts(&self) -> impl ExactSizeIterator<Item = (&AgentName, u64)> {
        self.accounts.iter().map(|(agent, balance)| (agent, *balance))
    }

    /// Returns the totals. Nothing overflows: all of them are at most what was issued.
    pub fn totals(&self) -> Totals {
        let free = self.accounts.values().fold(0_u64, |sum, balance| sum.saturating_add(*balance));
        Totals { issued: self.issued, free, locked: self.locked, burned: self.burned }
    }

    /// Puts an amount into circulation; `false` if there would be more than can be counted.
    pub(super) fn issue(&mut self, to: &AgentName, amount: u64) -> bool {
        match self.issued.checked_add(amount) {
            Some(issued) => {
                self.issued = issued;
                self.credit(to, amount);
                true
            }
            None => false,
        }
    }

    /// Locks an amount of an account; `false` if there is less.
    pub(super) fn lock(&mut self, agent: &AgentName, amount: u64) -> bool {
        match self.accounts.get_mut(agent) {
            Some(balance) if *balance >= amount => {
                *balance -= amount;
                self.locked = self.locked.saturating_add(amount);
                true
            }
            Some(_) | None => amount == 0,
        }
    }

    /// Unlocks an amount that was locked, into an account.
    pub(super) fn unlock(&mut self, to: &AgentName, amount: u64) {
        self.locked = self.locked.saturating_sub(amount);
        self.credit(to, amount);
    }

    /// Burns an amount that was locked.
    pub(super) fn burn(&mut self, amount: u64) {
        self.locked = self.locked.saturating_sub(amount);
        self.burned = self.burned.saturating_add(amount);
    }

    fn credit(&mut self, to: &AgentName, amount: u64) {
        if amount > 0 {
            let balance = self.accounts.entry(to.clone()).or_default();
            *balance = balance.saturating_add(amount);
        }
    }
}
