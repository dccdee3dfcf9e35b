//! Reputations, as everybody folds them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use colony_core::{AgentName, EntityName, Position, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::{ReputationEvent, Reversed, Vouched, Withdrawn};
use super::score::{Deed, DeedKind, Tally};
use crate::protocol::limits::{MAX_RECENT_DEEDS, MAX_VOUCHERS, MAX_VOUCHES};
use crate::protocol::rules::{Context, Plan, Protocol};
use crate::protocol::time::LogTime;

/// P12: how agents have stood by their word.
#[derive(Debug, Clone, Copy)]
pub struct Reputation;

/// The reputations of all agents that ever did something that others remember.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReputationState {
    records: BTreeMap<AgentName, Record>,
    /// For whom an agent vouches: all that it does now, and no more than it once did at a time.
    vouches: BTreeMap<AgentName, BTreeSet<AgentName>>,
}

/// What is remembered of one agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What it earned itself.
    pub earned: Tally,
    /// How many good deeds it has with each other agent.
    pub with: BTreeMap<AgentName, u32>,
    /// How often it did what, ever.
    pub counts: BTreeMap<DeedKind, u64>,
    /// Its latest deeds, oldest first.
    pub recent: VecDeque<Remembered>,
    /// Who answers for it, and with how much.
    pub vouchers: BTreeMap<AgentName, Vouch>,
    /// Points that it lost as a voucher.
    pub lost: Vec<Loss>,
}

/// A deed that is still shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// Where the event stands that proved it.
    pub at: Position,
    /// When.
    pub since: Timestamp,
    /// What it was.
    pub kind: DeedKind,
    /// Which of the good deeds with the same other agent it was; 1 for a bad one.
    pub nth: u32,
    /// Whether an administrator reversed it.
    pub reversed: bool,
}

/// One agent's word for another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vouch {
    /// Points of the voucher's score.
    pub points: u32,
    /// Until when.
    pub until: Timestamp,
    /// Where it was given.
    pub at: Position,
}

/// Points lost with a word that was not worth it. They come back when the vouch would have ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// How many.
    pub points: u32,
    /// Until when.
    pub until: Timestamp,
}

/// What an agent may want.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Answer for another agent.
    Vouch(AgentName, Vouched),
    /// Take that back.
    Withdraw(AgentName),
    /// As an administrator, take a deed out of the count.
    Reverse(AgentName, Reversed),
}

/// What stands against a vouch or a reversal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The entity is no agent's name.
    #[error("{entity} is not an agent's name")]
    NotAgent {
        /// The entity.
        entity: EntityName,
    },
    /// Nobody answers for themselves.
    #[error("nobody vouches for themselves")]
    Oneself,
    /// It has not earned what it would stake.
    #[error("{agent} has {free} points that are earned and not staked, and would stake {points}")]
    Points {
        /// The voucher.
        agent: AgentName,
        /// What it could stake.
        free: u32,
        /// What it would.
        points: u32,
    },
    /// It vouches for as many as it may, or as many vouch for the other as may.
    #[error("no more than {limit} at once")]
    Limit {
        /// How many may.
        limit: usize,
    },
    /// The moment has passed.
    #[error("until {until} is not in the future: the log's time is {now}")]
    Past {
        /// The moment asked for.
        until: Timestamp,
        /// The log time.
        now: Timestamp,
    },
    /// It does not vouch for the other.
    #[error("{agent} does not vouch for it")]
    NoVouch {
        /// The agent.
        agent: AgentName,
    },
    /// Only an administrator may.
    #[error("{agent} does not administer the space")]
    NotAdministrator {
        /// The agent.
        agent: AgentName,
    },
    /// No such deed is remembered, or it was reversed already.
    #[error("no deed of {agent} at position {deed} can be reversed")]
    NoDeed {
        /// The agent.
        agent: AgentName,
        /// The position named.
        deed: Position,
    },
}

impl Record {
    fn new(now: Timestamp) -> Self {
        Self {
            earned: Tally::new(now),
            with: BTreeMap::new(),
            counts: BTreeMap::new(),
            recent: VecDeque::new(),
            vouchers: BTreeMap::new(),
            lost: Vec::new(),
        }
    }

    /// Returns what it earned, less what it lost as a voucher.
    fn own(&self, time: LogTime) -> u32 {
        let lost = self.lost.iter().filter(|loss| !time.is_past(loss.until));
        let lost = lost.fold(0_u32, |sum, loss| sum.saturating_add(loss.points));
        self.earned.score(time).saturating_sub(lost)
    }
}

impl ReputationState {
    /// Returns what is remembered of an agent.
    pub fn get(&self, agent: &AgentName) -> Option<&Record> {
        self.records.get(agent)
    }

    /// Returns everybody of whom something is remembered, in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&AgentName, &Record)> {
        self.records.iter()
    }

    /// Returns an agent's score at a log time, 0 to 1000: what it earned, plus what others lend it by vouching.
    ///
    /// What is lent cannot be lent on, so a ring of agents that vouch for each other adds nothing.
    pub fn score(&self, agent: &AgentName, time: LogTime) -> u32 {
        let Some(record) = self.records.get(agent) else { return 0 };
        let lent = record.vouchers.values().filter(|vouch| !time.is_past(vouch.until));
        lent.fold(record.own(time), |sum, vouch| sum.saturating_add(vouch.points)).min(1_000)
    }

    /// Counts a deed that the event at this position proved.
    pub(crate) fn count(&mut self, deed: Deed, at: Position, time: LogTime) {
        let now = time.moment();
        let Deed { agent, kind, with } = deed;
        let record = match self.records.get_mut(&agent) {
            Some(record) => record,
            None => self.records.entry(agent).or_insert_with(|| Record::new(now)),
        };
        let nth = if kind.is_good() {
            let nth = record.with.entry(with).or_default();
            *nth = nth.saturating_add(1);
            *nth
        } else {
            1
        };
        record.earned.count(kind, nth, now);
        *record.counts.entry(kind).or_default() += 1;
        if record.recent.len() == MAX_RECENT_DEEDS {
            record.recent.pop_front();
        }
        record.recent.push_back(Remembered { at, since: now, kind, nth, reversed: false });
        if matches!(kind, DeedKind::Broken | DeedKind::Disputed) {
            let vouchers = std::mem::take(&mut record.vouchers);
            for (voucher, Vouch { points, until, at: _ }) in vouchers {
                if !time.is_past(until) {
                    let record = self.records.entry(voucher).or_insert_with(|| Record::new(now));
                    record.lost.retain(|loss| !time.is_past(loss.until));
                    record.lost.push(Loss { points, until });
                }
            }
        }
    }

    /// Returns for whom an agent vouches now, and with how many points in all.
    fn given(&self, voucher: &AgentName, except: &AgentName, time: LogTime) -> (usize, u32) {
        let given = self.vouches.get(voucher).into_iter().flatten();
        let given = given.filter(|agent| *agent != except).filter_map(|agent| self.get(agent));
        let given = given.filter_map(|record| record.vouchers.get(voucher));
        let given = given.filter(|vouch| !time.is_past(vouch.until));
        given.fold((0, 0), |(count, sum), vouch| (count + 1, sum.saturating_add(vouch.points)))
    }

    fn vouch(
        &mut self,
        agent: AgentName,
        said: &Vouched,
        context: &Context<'_>,
    ) -> Result<(), Rejection> {
        let (time, voucher) = (context.time, context.author);
        if agent == *voucher {
            return Err(Rejection::Oneself);
        }
        if said.until <= time.moment() {
            return Err(Rejection::Past { until: said.until, now: time.moment() });
        }
        let (given, staked) = self.given(voucher, &agent, time);
        if given >= MAX_VOUCHES {
            return Err(Rejection::Limit { limit: MAX_VOUCHES });
        }
        let own = self.get(voucher).map_or(0, |record| record.own(time));
        let free = own.saturating_sub(staked);
        if said.points > free {
            return Err(Rejection::Points { agent: voucher.clone(), free, points: said.points });
        }
        let others = self.get(&agent).map_or(0, |record| {
            let others = record.vouchers.iter().filter(|(other, _)| *other != voucher);
            others.filter(|(_, vouch)| !time.is_past(vouch.until)).count()
        });
        if others >= MAX_VOUCHERS {
            return Err(Rejection::Limit { limit: MAX_VOUCHERS });
        }
        let mut vouches = self.vouches.remove(voucher).unwrap_or_default();
        let lasts = |agent: &AgentName| {
            let vouch = self.get(agent).and_then(|record| record.vouchers.get(voucher));
            vouch.is_some_and(|vouch| !time.is_past(vouch.until))
        };
        vouches.retain(lasts);
        vouches.insert(agent.clone());
        self.vouches.insert(voucher.clone(), vouches);
        let record = self.records.entry(agent).or_insert_with(|| Record::new(time.moment()));
        record.vouchers.retain(|_, vouch| !time.is_past(vouch.until));
        let vouch = Vouch { points: said.points, until: said.until, at: context.position };
        record.vouchers.insert(voucher.clone(), vouch);
        Ok(())
    }

    fn reverse(
        &mut self,
        agent: AgentName,
        said: &Reversed,
        context: &Context<'_>,
    ) -> Result<(), Rejection> {
        if !context.space.charter.is_administrator(context.author) {
            return Err(Rejection::NotAdministrator { agent: context.author.clone() });
        }
        let now = context.time.moment();
        let none = || Rejection::NoDeed { agent: agent.clone(), deed: said.deed };
        let record = self.records.get_mut(&agent).ok_or_else(none)?;
        let known = record.recent.iter_mut().find(|deed| deed.at == said.deed && !deed.reversed);
        let deed = known.ok_or_else(none)?;
        deed.reversed = true;
        let (kind, nth, since) = (deed.kind, deed.nth, deed.since);
        record.earned.reverse(kind, nth, since, now);
        if let Some(count) = record.counts.get_mut(&kind) {
            *count = count.saturating_sub(1);
        }
        Ok(())
    }
}

impl Protocol for Reputation {
    const NOUNS: &'static [&'static str] = &["reputation"];
    type Event = ReputationEvent;
    type Command = Command;
    type State = ReputationState;
    type Rejection = Rejection;

    fn plan(
        _: &ReputationState,
        command: Command,
        _: &Context<'_>,
    ) -> Result<Plan<ReputationEvent>, Rejection> {
        let (agent, event) = match command {
            Command::Vouch(agent, said) => (agent, ReputationEvent::Vouched(said)),
            Command::Withdraw(agent) => (agent, ReputationEvent::Withdrawn(Withdrawn {})),
            Command::Reverse(agent, said) => (agent, ReputationEvent::Reversed(said)),
        };
        Ok(Plan::one(crate::protocol::entity_of(&agent), event))
    }

    fn excerpt(
        state: &ReputationState,
        plan: &Plan<ReputationEvent>,
        context: &Context<'_>,
    ) -> ReputationState {
        // Whom it is about; who speaks; and for whom that one answers already.
        let about: Option<AgentName> = plan.entity.as_str().parse().ok();
        let vouches = state.vouches.get_key_value(context.author);
        let others = vouches.into_iter().flat_map(|(_, vouches)| vouches);
        let named = about.iter().chain([context.author]).chain(others);
        let copy = |agent: &AgentName| Some((agent.clone(), state.get(agent)?.clone()));
        ReputationState {
            records: named.filter_map(copy).collect(),
            vouches: vouches
                .map(|(agent, vouches)| (agent.clone(), vouches.clone()))
                .into_iter()
                .collect(),
        }
    }

    fn evolve(
        state: &mut ReputationState,
        entity: &EntityName,
        event: ReputationEvent,
        context: &Context<'_>,
    ) -> Result<Vec<Deed>, Rejection> {
        let agent: AgentName =
            entity.as_str().parse().map_err(|_| Rejection::NotAgent { entity: entity.clone() })?;
        match event {
            ReputationEvent::Vouched(said) => state.vouch(agent, &said, context)?,
            ReputationEvent::Withdrawn(Withdrawn {}) => {
                let record = state.records.get_mut(&agent);
                let vouch = record.and_then(|record| record.vouchers.remove(context.author));
                vouch.ok_or_else(|| Rejection::NoVouch { agent: context.author.clone() })?;
            }
            ReputationEvent::Reversed(said) => state.reverse(agent, &said, context)?,
        }
        Ok(Vec::new())
    }
}
