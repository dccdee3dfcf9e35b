//! An auction: the phase of a task in which bids are taken.

use std::collections::BTreeMap;

use colony_core::{AgentName, Digest, EntityName, Position, Timestamp};
use serde::{Deserialize, Serialize};

use super::award::Ranked;
use super::event::{Bid, BidRevealed, Commitment, Offering, Terms};
use crate::protocol::limits::MAX_BIDDERS;
use crate::protocol::rules::Context;
use crate::protocol::time::LogTime;

/// Bids, while they are taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Auction {
    terms: Terms,
    bids: BTreeMap<AgentName, BidState>,
}

/// The last bid of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BidState {
    /// Where it stands.
    pub at: Position,
    /// What it offers; `None` while it is sealed.
    pub offering: Option<Offering>,
    /// What a sealed bid committed to.
    pub commitment: Option<Digest>,
}

/// What stands against a bid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The terms contradict each other.
    #[error("the terms' {field} cannot hold: {}", why(field))]
    Terms {
        /// Which field.
        field: String,
    },
    /// The window is over.
    #[error("bids were taken until {until}; the log's time is {now}")]
    Over {
        /// The end of the window.
        until: Timestamp,
        /// The log time.
        now: Timestamp,
    },
    /// As many bid as may.
    #[error("{at_most} agents have bid, as many as may")]
    Full {
        /// How many may.
        at_most: u32,
    },
    /// An open bid where bids are sealed, or a sealed one where they are open.
    #[error("bids for this task are {}", if *.sealed { "sealed" } else { "open" })]
    Kind {
        /// Whether bids are sealed.
        sealed: bool,
    },
    /// The window is not over.
    #[error("the window is open until {until}; the log's time is {now}")]
    Open {
        /// The end of the window.
        until: Timestamp,
        /// The log time.
        now: Timestamp,
    },
    /// The agent has no sealed bid.
    #[error("{agent} handed in no sealed bid")]
    NoBid {
        /// The agent.
        agent: AgentName,
    },
    /// The bid was revealed.
    #[error("{agent}'s bid was revealed")]
    Revealed {
        /// The agent.
        agent: AgentName,
    },
    /// What is revealed is not what was handed in.
    #[error("what is revealed has the digest {actual}, what was handed in at {at} is {committed}")]
    Commitment {
        /// The digest handed in.
        committed: Digest,
        /// The digest of what is revealed.
        actual: Digest,
        /// Where the bid stands.
        at: Position,
    },
}

/// Returns why a field of the terms cannot hold.
fn why(field: &str) -> &'static str {
    match field {
        "until" => "the window would be over before it opens",
        "at_most" => "nobody could bid",
        "sealed_until" => "bids are revealed after the window",
        _ => "it contradicts the rest",
    }
}

impl Auction {
    /// Opens an auction.
    pub(crate) fn open(terms: &Terms, context: &Context<'_>) -> Result<Self, Rejection> {
        let wrong = |field: &str| Err(Rejection::Terms { field: field.to_owned() });
        if terms.until <= context.time.moment() {
            return wrong("until");
        }
        if terms.at_most == Some(0) {
            return wrong("at_most");
        }
        if terms.sealed_until.is_some_and(|sealed_until| sealed_until <= terms.until) {
            return wrong("sealed_until");
        }
        Ok(Self { terms: terms.clone(), bids: BTreeMap::new() })
    }

    /// Returns the terms.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Returns the bids, in the order of the bidders' names.
    pub fn bids(&self) -> impl ExactSizeIterator<Item = (&AgentName, &BidState)> {
        self.bids.iter()
    }

    pub(crate) fn bid(&mut self, bid: &Bid, context: &Context<'_>) -> Result<(), Rejection> {
        let (until, now) = (self.terms.until, context.time.moment());
        if context.time.is_past(until) {
            return Err(Rejection::Over { until, now });
        }
        let sealed = self.terms.sealed_until.is_some();
        let (offering, commitment) = match bid {
            Bid::Open(offering) if !sealed => (Some(*offering), None),
            Bid::Sealed { commitment } if sealed => (None, Some(*commitment)),
            Bid::Open(_) | Bid::Sealed { .. } => return Err(Rejection::Kind { sealed }),
        };
        let at_most = self.at_most();
        if self.is_full() && (!sealed || !self.bids.contains_key(context.author)) {
            return Err(Rejection::Full { at_most });
        }
        let bid = BidState { at: context.position, offering, commitment };
        self.bids.insert(context.author.clone(), bid);
        Ok(())
    }

    pub(crate) fn reveal(
        &mut self,
        task: &EntityName,
        revealed: &BidRevealed,
        context: &Context<'_>,
    ) -> Result<(), Rejection> {
        let (agent, now) = (context.author, context.time.moment());
        let Some(sealed_until) = self.terms.sealed_until else {
            return Err(Rejection::Kind { sealed: false });
        };
        if !context.time.is_past(self.terms.until) {
            return Err(Rejection::Open { until: self.terms.until, now });
        }
        if context.time.is_past(sealed_until) {
            return Err(Rejection::Over { until: sealed_until, now });
        }
        let bid = self.bids.get_mut(agent);
        let bid = bid.ok_or_else(|| Rejection::NoBid { agent: agent.clone() })?;
        if bid.offering.is_some() {
            return Err(Rejection::Revealed { agent: agent.clone() });
        }
        let BidRevealed { price, finish, nonce } = revealed;
        let offering = Offering { price: *price, finish: *finish };
        let actual = Commitment { task, bidder: agent, offering: &offering, nonce }.digest();
        match bid.commitment {
            Some(committed) if committed != actual => {
                Err(Rejection::Commitment { committed, actual, at: bid.at })
            }
            Some(_) | None => {
                bid.offering = Some(offering);
                Ok(())
            }
        }
    }

    /// Ranks the bids, if the window is over. Bids that were not revealed are void.
    pub(crate) fn close(&mut self, context: &Context<'_>) -> Result<Vec<Ranked>, Rejection> {
        if !self.may_close(context.time) {
            let until = self.terms.sealed_until.unwrap_or(self.terms.until);
            return Err(Rejection::Open { until, now: context.time.moment() });
        }
        let ranked = |(agent, bid): (AgentName, BidState)| {
            let BidState { at, offering, commitment: _ } = bid;
            Some(Ranked { agent, at, offering: offering? })
        };
        let bids = std::mem::take(&mut self.bids).into_iter().filter_map(ranked).collect();
        let score = |agent: &AgentName| context.space.reputation.score(agent, context.time);
        Ok(self.terms.award.rank(bids, context.time.moment(), score))
    }

    /// Returns whether anybody may say that the window is over.
    pub fn may_close(&self, time: LogTime) -> bool {
        match self.terms.sealed_until {
            None => time.is_past(self.terms.until) || self.is_full(),
            Some(sealed_until) => {
                let all_revealed = self.bids.values().all(|bid| bid.offering.is_some());
                time.is_past(sealed_until) || (time.is_past(self.terms.until) && all_revealed)
            }
        }
    }

    fn at_most(&self) -> u32 {
        self.terms.at_most.unwrap_or(MAX_BIDDERS)
    }

    fn is_full(&self) -> bool {
        self.bids.len() as u64 >= u64::from(self.at_most())
    }
}
