//! The award rules.

use colony_core::{AgentName, Position, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::{AwardRule, Offering, Weights};

/// A bid in its place, once the window is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranked {
    /// The bidder.
    pub agent: AgentName,
    /// Where its bid stands.
    pub at: Position,
    /// What it offers.
    pub offering: Offering,
}

impl AwardRule {
    /// Puts bids in order, best first. `score` is an agent's reputation of 1000, `closed` the end of the window.
    pub(super) fn rank(
        self,
        mut bids: Vec<Ranked>,
        closed: Timestamp,
        score: impl Fn(&AgentName) -> u32,
    ) -> Vec<Ranked> {
        bids.sort_by_cached_key(|bid| (self.cost(bid, closed, &score), bid.at));
        bids
    }

    fn cost(self, bid: &Ranked, closed: Timestamp, score: impl Fn(&AgentName) -> u32) -> i128 {
        let Offering { price, finish } = bid.offering;
        match self {
            Self::LowestPrice => i128::from(price),
            Self::EarliestFinish => i128::from(finish.as_nanos()),
            Self::Weighted(Weights { price: for_price, second, reputation }) => {
                let nanos = i128::from(finish.as_nanos()) - i128::from(closed.as_nanos());
                let seconds = nanos.max(0) / 1_000_000_000;
                let lacking = 1_000_u32.saturating_sub(score(&bid.agent));
                i128::from(for_price) * i128::from(price)
                    + i128::from(second) * seconds
                    + i128::from(reputation) * i128::from(lacking)
            }
        }
    }
}
