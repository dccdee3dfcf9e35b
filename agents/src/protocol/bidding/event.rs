//! What is said about bids.

use colony_core::{AgentName, Digest, EntityName, Timestamp};
use serde::{Deserialize, Serialize};

/// How bids are taken and a task is awarded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Until when bids are taken.
    pub until: Timestamp,
    /// How many agents may bid; once they have, the window is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<u32>,
    /// Which bid is best.
    #[serde(default)]
    pub award: AwardRule,
    /// For sealed bids, until when they are revealed; absent means that bids are open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_until: Option<Timestamp>,
}

/// Which bid is best. Ties go to the bid that stands first in the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AwardRule {
    /// The lowest price.
    #[default]
    LowestPrice,
    /// The earliest finish.
    EarliestFinish,
    /// The lowest sum of the weighted price, time and lack of reputation.
    Weighted(Weights),
}

/// How much each side of a bid counts: `price · price + second · seconds to the finish + reputation · (1000 − score)`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weights {
    /// For each unit of price.
    #[serde(default)]
    pub price: u32,
    /// For each second from the end of the window to the finish.
    #[serde(default)]
    pub second: u32,
    /// For each point of reputation that lacks from 1000.
    #[serde(default)]
    pub reputation: u32,
}

/// What a bidder offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offering {
    /// What it wants for it.
    pub price: u64,
    /// When it will be done.
    pub finish: Timestamp,
}

/// `task.bid`: an agent's bid. Its last one within the window counts, at its own place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BidFields", into = "BidFields")]
pub enum Bid {
    /// For all to see: `price` and `finish`.
    Open(Offering),
    /// Sealed.
    Sealed {
        /// The digest that [`Commitment::digest`] makes of the bid.
        commitment: Digest,
    },
}

#[derive(Serialize, Deserialize)]
struct BidFields {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    price: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    finish: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    commitment: Option<Digest>,
}

/// A bid holds `price` and `finish`, or else `commitment`.
#[derive(Debug, thiserror::Error)]
#[error("a bid holds `price` and `finish`, or else `commitment`")]
struct BidShape;

impl TryFrom<BidFields> for Bid {
    type Error = BidShape;
    fn try_from(fields: BidFields) -> Result<Self, BidShape> {
        match fields {
            BidFields { price: Some(price), finish: Some(finish), commitment: None } => {
                Ok(Self::Open(Offering { price, finish }))
            }
            BidFields { price: None, finish: None, commitment: Some(commitment) } => {
                Ok(Self::Sealed { commitment })
            }
            BidFields { .. } => Err(BidShape),
        }
    }
}

impl From<Bid> for BidFields {
    fn from(bid: Bid) -> Self {
        match bid {
            Bid::Open(Offering { price, finish }) => {
                Self { price: Some(price), finish: Some(finish), commitment: None }
            }
            Bid::Sealed { commitment } => {
                Self { price: None, finish: None, commitment: Some(commitment) }
            }
        }
    }
}

/// `task.bid_revealed`: what a sealed bid held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BidRevealed {
    /// What the bidder wants for it.
    pub price: u64,
    /// When it will be done.
    pub finish: Timestamp,
    /// What kept the bid from being guessed.
    pub nonce: String,
}

/// `task.closed`: the window is over. Anybody may say so, once it is true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {}

/// What a sealed bid commits to.
#[derive(Debug, Clone, Copy)]
pub struct Commitment<'a> {
    /// The task.
    pub task: &'a EntityName,
    /// The bidder: so that nobody can hand in another's sealed bid as their own.
    pub bidder: &'a AgentName,
    /// What is offered.
    pub offering: &'a Offering,
    /// At least 16 random characters.
    pub nonce: &'a str,
}

impl Commitment<'_> {
    /// Returns the digest to hand in.
    ///
    /// SHA-256 over lines, each ended by `\n`: `colony.bid.v1`; the task; the bidder; the price in decimal; the finish
    /// in nanoseconds since 1970, in decimal; the nonce. Names hold no line ends.
    pub fn digest(&self) -> Digest {
        let Self { task, bidder, offering: Offering { price, finish }, nonce } = self;
        let finish = finish.as_nanos();
        let text = format!("colony.bid.v1\n{task}\n{bidder}\n{price}\n{finish}\n{nonce}\n");
        Digest::of(text.as_bytes())
    }
}
