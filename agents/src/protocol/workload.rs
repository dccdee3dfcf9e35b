//! Logs made to measure: the same for the same numbers, for benchmarks and for reading what a protocol looks like at work.

use colony_core::name::NameError;
use colony_core::{
    Address, AgentName, Data, Digest, EntityName, Entry, Envelope, Event, EventId, EventType, Kind,
    Lane, LaneName, Position, Timestamp,
};

/// What a made log is full of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Workload {
    /// Tasks offered, claimed (by two, of whom one loses), progressed, done, verified.
    Tasks,
    /// Tasks offered to bidders, ten bids each, closed, done.
    Bids,
    /// Announcements of a thousand agents, again and again.
    Directory,
    /// A quota taken and returned by a hundred agents.
    Quota,
    /// A schedule ticking each second.
    Schedule,
    /// Work handed off, asked about, answered, completed.
    Handoffs,
    /// Votes of nine voters.
    Votes,
    /// Slots acted on, half of them twice and compensated.
    Actions,
    /// One room's slots announced, and then taken for good.
    Intents,
    /// Stakes issued.
    Stakes,
    /// Points vouched and withdrawn.
    Reputation,
    /// Questions asked and answered.
    Gate,
}

impl Workload {
    /// Every workload.
    pub const ALL: [Workload; 12] = [
        Self::Tasks,
        Self::Bids,
        Self::Directory,
        Self::Quota,
        Self::Schedule,
        Self::Handoffs,
        Self::Votes,
        Self::Actions,
        Self::Intents,
        Self::Stakes,
        Self::Reputation,
        Self::Gate,
    ];

    /// Makes at least so many entries, one each millisecond.
    ///
    /// # Errors
    /// [`NameError`], which no workload gives.
    pub fn entries(self, at_least: usize) -> Result<Vec<Entry>, NameError> {
        let mut log = Log::begin()?;
        let mut round = 0;
        while log.entries.len() < at_least {
            self.round(round, &mut log)?;
            round += 1;
        }
        Ok(log.entries)
    }

    fn round(self, round: u64, log: &mut Log) -> Result<(), NameError> {
        match self {
            Self::Tasks => {
                let task = format!("task-{round}");
                let worker = format!("worker-{}", round % 100);
                let until = log.later(60);
                log.say("ann", "task.offered", &task, r#"{"what":"paint the fence"}"#)?;
                let claim = format!(r#"{{"until":"{until}"}}"#);
                let fence = log.say(&worker, "task.claimed", &task, &claim)?;
                log.say("late", "task.claimed", &task, &claim)?;
                let progress = format!(r#"{{"fence":{fence},"percent":50}}"#);
                log.say(&worker, "task.progressed", &task, &progress)?;
                let done =
                    log.say(&worker, "task.done", &task, &format!(r#"{{"fence":{fence}}}"#))?;
                log.say("ann", "task.verified", &task, &format!(r#"{{"delivery":{done}}}"#))?;
            }
            Self::Bids => {
                let task = format!("task-{round}");
                let offer = r#"{"what":"dig","mode":{"bid":{"until":"2100-01-01T00:00:00Z","at_most":10}}}"#;
                log.say("ann", "task.offered", &task, offer)?;
                for bidder in 0..10_u64 {
                    let price = (bidder * 7 + round) % 11;
                    let bid = format!(r#"{{"price":{price},"finish":"2030-01-01T00:00:00Z"}}"#);
                    log.say(&format!("bidder-{bidder}"), "task.bid", &task, &bid)?;
                }
                log.say("ann", "task.closed", &task, "{}")?;
            }
            Self::Directory => {
                let agent = format!("agent-{}", round % 1_000);
                let card = r#"{"skills":["rust","sql"],"version":"1.4","capacity":2}"#;
                log.say(&agent, "agent.announced", &agent, card)?;
            }
            Self::Quota => {
                if round == 0 {
                    let quota = r#"{"amount":1000000,"period_ms":1000}"#;
                    log.say("ann", "quota.defined", "api", quota)?;
                }
                let agent = format!("agent-{}", round % 100);
                let taken = log.say(&agent, "quota.taken", "api", r#"{"amount":10}"#)?;
                let back = format!(r#"{{"reservation":{taken},"used":4}}"#);
                log.say(&agent, "quota.returned", "api", &back)?;
            }
            Self::Schedule => {
                if round == 0 {
                    log.say("ann", "schedule.defined", "tidy", r#"{"cron":"* * * * * *"}"#)?;
                }
                log.now += 999_000_000;
                let due = Timestamp::from_nanos(log.now / 1_000_000_000 * 1_000_000_000);
                let tick = format!(r#"{{"due":"{due}"}}"#);
                log.say("ann", "schedule.ticked", "tidy", &tick)?;
            }
            Self::Handoffs => {
                let (name, question) = (format!("handoff-{round}"), format!("question-{round}"));
                let offer = r#"{"what":"port the parser","why":{"decisions":[{"what":"recursive descent","instead_of":["a generator"]}],"caveats":["line 80"]}}"#;
                log.say("ann", "handoff.offered", &name, offer)?;
                let fence = log.say("bob", "handoff.accepted", &name, "{}")?;
                let asked = format!(r#"{{"handoff":"{name}","question":"tabs?"}}"#);
                log.say("bob", "clarification.asked", &question, &asked)?;
                log.say("cid", "clarification.answered", &question, r#"{"answer":"spaces"}"#)?;
                let done = format!(r#"{{"fence":{fence},"result":{{"files":3}}}}"#);
                log.say("bob", "handoff.completed", &name, &done)?;
            }
            Self::Votes => {
                let name = format!("vote-{round}");
                let voters: Vec<_> = (0..9).map(|n| format!(r#""voter-{n}":null"#)).collect();
                let voters = voters.join(",");
                let call = format!(
                    r#"{{"question":"ship?","voters":{{{voters}}},"until":"2100-01-01T00:00:00Z"}}"#
                );
                log.say("ann", "vote.called", &name, &call)?;
                for voter in 0..9 {
                    log.say(&format!("voter-{voter}"), "vote.cast", &name, r#"{"choice":"yes"}"#)?;
                }
            }
            Self::Actions => {
                let (one, two) = (format!("one-{round}"), format!("two-{round}"));
                let act = format!(
                    r#"{{"resources":[{{"name":"slot-{round}"}}],"class":{{"compensable":{{"how":"cancel"}}}}}}"#
                );
                log.say("ann", "action.taken", &one, &act)?;
                log.say("bob", "action.taken", &two, &act)?;
                let undone = format!(r#"{{"gave_way_to":"{one}"}}"#);
                log.say("bob", "action.compensated", &two, &undone)?;
            }
            Self::Intents => {
                let name = format!("slot-{round}");
                let slot = |number: u64| {
                    let millis =
                        i64::try_from(number).unwrap_or(i64::MAX).saturating_mul(1_000_000);
                    Timestamp::from_nanos(START.saturating_add(millis))
                };
                let (from, until) = (slot(round), slot(round + 1));
                let resources = format!(
                    r#""resources":[{{"name":"room 1","from":"{from}","until":"{until}"}}]"#
                );
                let ends = Timestamp::from_nanos(log.now + 100_000_000);
                let intent = format!(r#"{{{resources},"until":"{ends}"}}"#);
                let fence = log.say("ann", "action.intended", &name, &intent)?;
                let act =
                    format!(r#"{{{resources},"class":{{"irreversible":{{"fence":{fence}}}}}}}"#);
                log.say("ann", "action.taken", &name, &act)?;
            }
            Self::Stakes => {
                let to = format!("agent-{}", round % 1_000);
                let issue = format!(r#"{{"to":"{to}","amount":5}}"#);
                log.say("root", "stake.issued", "issue", &issue)?;
            }
            Self::Reputation => {
                let agent = format!("agent-{}", round % 100);
                let vouch = r#"{"points":0,"until":"2100-01-01T00:00:00Z"}"#;
                log.say("ann", "reputation.vouched", &agent, vouch)?;
                log.say("ann", "reputation.withdrawn", &agent, "{}")?;
            }
            Self::Gate => {
                let name = format!("question-{round}");
                log.say("bob", "gate.asked", &name, r#"{"question":"deploy?"}"#)?;
                log.say("root", "gate.answered", &name, r#"{"answer":"yes"}"#)?;
            }
        }
        Ok(())
    }
}

/// When every log begins: 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000_000_000;

/// A log being made.
struct Log {
    entries: Vec<Entry>,
    lane: LaneName,
    now: i64,
}

impl Log {
    /// Begins a log with its charter.
    fn begin() -> Result<Self, NameError> {
        let mut log = Self { entries: Vec::new(), lane: "main".parse()?, now: START };
        log.say("root", "space.chartered", "space", r#"{"administrators":["root"]}"#)?;
        Ok(log)
    }

    fn later(&self, secs: i64) -> Timestamp {
        Timestamp::from_nanos(self.now + secs * 1_000_000_000)
    }

    fn say(&mut self, author: &str, ty: &str, about: &str, data: &str) -> Result<u64, NameError> {
        let position = self.entries.len() as u64 + 1;
        self.now += 1_000_000;
        let author: AgentName = author.parse()?;
        let id: EventId = format!("e{position}").parse()?;
        let ty: EventType = ty.parse()?;
        let entity: EntityName = about.parse()?;
        let mut event = Event::new(author.clone(), id, ty.clone());
        event.entity = Some(entity.clone());
        event.data = Data::Json { text: data.to_owned(), content_type: None };
        let lane = Lane { author, name: self.lane.clone() };
        self.entries.push(Entry {
            position: Position::new(position),
            recorded: Timestamp::from_nanos(self.now),
            address: Address::Lane { lane, kind: Kind::Event { ty, entity: Some(entity) } },
            envelope: Envelope::from(event),
            digest: Digest::of(&position.to_be_bytes()),
            signature: None,
        });
        Ok(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Coordination;

    #[test]
    fn what_workloads_say_has_its_effect_but_for_the_claims_that_lose() {
        for workload in Workload::ALL {
            let entries = workload.entries(300).unwrap();
            let state = Coordination::fold(&entries);
            let losers = match workload {
                Workload::Tasks => entries.len() as u64 / 6,
                _ => 0,
            };
            let ignored: Vec<_> = state.ignored.latest().map(|i| i.reason.to_string()).collect();
            assert_eq!(state.ignored.total(), losers, "{workload:?}: {ignored:?}");
        }
    }
}
