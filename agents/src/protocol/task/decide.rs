//! What agents may want of tasks, and what may stand against it.

use colony_core::{AgentName, EntityName, Position, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::{
    Blocked, BlockedOn, Cancelled, Claimed, Done, Lapsed, Offered, Progressed, Rejected, Released,
    TaskEvent, Verified,
};
use super::state::{Phase, Task, TasksState};
use crate::protocol::bidding::{self, Bid, BidRevealed, Closed};
use crate::protocol::json::Json;
use crate::protocol::rules::{Context, Plan};
use crate::protocol::time::Millis;

/// What an agent may want.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Offer work.
    Offer(EntityName, Box<Offered>),
    /// Claim a task, for a while. Where its holder has been silent for too long, that is said first.
    Claim(EntityName, Millis),
    /// Say how far it is, and be allowed to be silent for a while again.
    Progress {
        /// The task.
        task: EntityName,
        /// The fence that the caller works under; `None` for whatever this agent holds.
        fence: Option<Position>,
        /// For how long it may be silent.
        silent: Option<Millis>,
        /// How far it is, of 100.
        percent: Option<u8>,
        /// In words.
        note: String,
    },
    /// Say what it waits for.
    Block {
        /// The task.
        task: EntityName,
        /// The fence that the caller works under; `None` for whatever this agent holds.
        fence: Option<Position>,
        /// What it waits for.
        on: BlockedOn,
        /// For how long it may be silent.
        silent: Option<Millis>,
    },
    /// Give a task back.
    Release {
        /// The task.
        task: EntityName,
        /// The fence that the caller works under; `None` for whatever this agent holds.
        fence: Option<Position>,
        /// Why.
        reason: String,
    },
    /// Say that the holder was silent for too long.
    Lapse(EntityName),
    /// Say that it is done.
    Finish {
        /// The task.
        task: EntityName,
        /// The fence that the caller works under; `None` for whatever this agent holds.
        fence: Option<Position>,
        /// What came of it.
        result: Option<Json>,
        /// Where it can be seen.
        evidence: Vec<String>,
    },
    /// Find the delivered result good.
    Verify {
        /// The task.
        task: EntityName,
        /// How it was found out.
        how: String,
    },
    /// Find the delivered result wanting.
    Reject {
        /// The task.
        task: EntityName,
        /// What is wrong with it.
        reason: String,
    },
    /// Call the task off.
    Cancel {
        /// The task.
        task: EntityName,
        /// Why.
        reason: String,
    },
    /// Bid for a task.
    Bid(EntityName, Bid),
    /// Open a sealed bid.
    Reveal(EntityName, BidRevealed),
    /// Say that the window for bids is over.
    Close(EntityName),
}

/// What stands against an event or a command about a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// There is no such task.
    #[error("no task of this name was offered")]
    Unknown,
    /// Somebody offered it already, and it is not theirs to offer again.
    #[error("{by} offered a task of this name at position {at}")]
    Offered {
        /// Who offered it.
        by: AgentName,
        /// Where.
        at: Position,
    },
    /// Somebody holds it: the lowest valid claim of the round.
    #[error("{owner} holds it in round {round}, with fence {fence}")]
    Held {
        /// The holder.
        owner: AgentName,
        /// The round.
        round: u32,
        /// The position of what made it the holder.
        fence: Position,
    },
    /// Nobody holds it.
    #[error("nobody holds it in round {round}")]
    NotHeld {
        /// The round.
        round: u32,
    },
    /// The fence is not the holder's.
    #[error("the fence {given} is not the one that holds: {owner} holds it with fence {fence}")]
    Fence {
        /// The fence given.
        given: Position,
        /// The fence that holds.
        fence: Position,
        /// The holder.
        owner: AgentName,
    },
    /// Only the holder may say this.
    #[error("only {owner}, who holds it with fence {fence}, may say this")]
    NotOwner {
        /// The holder.
        owner: AgentName,
        /// Its fence.
        fence: Position,
    },
    /// Only the author of the offer may say this.
    #[error("only {by}, who offered it, may say this")]
    NotOfferer {
        /// The author of the offer.
        by: AgentName,
    },
    /// Another task must be done first.
    #[error("task {on} must be done first")]
    After {
        /// That task.
        on: EntityName,
    },
    /// The agent has not announced a skill that is required.
    #[error("the skill {skill:?} is required, and {agent} has not announced it")]
    Skill {
        /// The skill.
        skill: String,
        /// The agent.
        agent: AgentName,
    },
    /// It must have been done by now.
    #[error("its deadline, {deadline}, has passed")]
    Deadline {
        /// The deadline.
        deadline: Timestamp,
    },
    /// The moment asked for has passed.
    #[error("until {until} is not in the future: the log's time is {now}")]
    Past {
        /// The moment asked for.
        until: Timestamp,
        /// The log time.
        now: Timestamp,
    },
    /// The holder may still be silent.
    #[error("{owner} may be silent until {until}; the log's time is {now}")]
    NotOverdue {
        /// The holder.
        owner: AgentName,
        /// Until when.
        until: Timestamp,
        /// The log time.
        now: Timestamp,
    },
    /// It is awarded by bids, not claimed.
    #[error("it is awarded by bids")]
    ByBids,
    /// It is claimed, not bid for.
    #[error("it does not take bids")]
    NoBids,
    /// It is said to be done.
    #[error("{by} delivered it at position {at}")]
    Delivered {
        /// The worker.
        by: AgentName,
        /// Where the delivery stands.
        at: Position,
    },
    /// Nothing was delivered.
    #[error("nothing was delivered that could be judged")]
    NotDelivered,
    /// Another delivery is judged than the one that stands.
    #[error("the delivery to be judged is the one at position {actual}, not at {given}")]
    OtherDelivery {
        /// The delivery named.
        given: Position,
        /// The delivery that stands.
        actual: Position,
    },
    /// The agent is not among those who judge.
    #[error("{agent} is not among those who judge the result")]
    NotVerifier {
        /// The agent.
        agent: AgentName,
    },
    /// Nobody judges their own work.
    #[error("nobody judges their own work")]
    OwnWork,
    /// The agent has judged this delivery.
    #[error("{agent} judged this delivery at position {at}")]
    Judged {
        /// The agent.
        agent: AgentName,
        /// Where.
        at: Position,
    },
    /// It is called off.
    #[error("it was cancelled at position {at}")]
    Cancelled {
        /// Where.
        at: Position,
    },
    /// An offer contradicts itself.
    #[error("the offer's {field} cannot hold: {}", why(field))]
    Offer {
        /// Which field.
        field: String,
    },
    /// A rule of bidding.
    #[error(transparent)]
    Bidding(#[from] bidding::Rejection),
}

/// Returns why a field of an offer cannot hold.
fn why(field: &str) -> &'static str {
    match field {
        "deadline" => "it is not in the future",
        "after" => "the task would wait for itself",
        "claim_ms" => "whoever holds it must be allowed to be silent for a while",
        _ => "it contradicts the rest",
    }
}

pub(super) fn plan(
    state: &TasksState,
    command: Command,
    context: &Context<'_>,
) -> Result<Plan<TaskEvent>, Rejection> {
    let task = |name: &EntityName| state.get(name).ok_or(Rejection::Unknown);
    let fence = |name: &EntityName, given: Option<Position>| match given {
        Some(given) => Ok::<_, Rejection>(given),
        None => {
            let task = task(name)?;
            let hold = task.hold().ok_or(Rejection::NotHeld { round: task.round })?;
            Ok(hold.fence)
        }
    };
    let until = |silent: Option<Millis>| silent.map(|silent| context.time.plus(silent));
    Ok(match command {
        Command::Offer(name, offered) => Plan::one(name, TaskEvent::Offered(offered)),
        Command::Claim(name, silent) => {
            let claimed = TaskEvent::Claimed(Claimed { until: context.time.plus(silent) });
            let overdue = task(&name)?.hold().filter(|hold| context.time.is_past(hold.until));
            let mut events = Vec::new();
            if let Some(hold) = overdue {
                events.push(TaskEvent::Lapsed(Lapsed { fence: hold.fence }));
            }
            events.push(claimed);
            Plan { entity: name, events }
        }
        Command::Progress { task, fence: given, silent, percent, note } => {
            let fence = fence(&task, given)?;
            let progressed = Progressed { fence, until: until(silent), percent, note };
            Plan::one(task, TaskEvent::Progressed(progressed))
        }
        Command::Block { task, fence: given, on, silent } => {
            let fence = fence(&task, given)?;
            Plan::one(task, TaskEvent::Blocked(Blocked { fence, on, until: until(silent) }))
        }
        Command::Release { task, fence: given, reason } => {
            let fence = fence(&task, given)?;
            Plan::one(task, TaskEvent::Released(Released { fence, reason }))
        }
        Command::Lapse(name) => {
            let fence = fence(&name, None)?;
            Plan::one(name, TaskEvent::Lapsed(Lapsed { fence }))
        }
        Command::Finish { task, fence: given, result, evidence } => {
            let fence = fence(&task, given)?;
            Plan::one(task, TaskEvent::Done(Box::new(Done { fence, result, evidence })))
        }
        Command::Verify { task: name, how } => {
            let delivery = delivered(task(&name)?)?;
            Plan::one(name, TaskEvent::Verified(Verified { delivery, how }))
        }
        Command::Reject { task: name, reason } => {
            let delivery = delivered(task(&name)?)?;
            Plan::one(name, TaskEvent::Rejected(Rejected { delivery, reason }))
        }
        Command::Cancel { task, reason } => {
            Plan::one(task, TaskEvent::Cancelled(Cancelled { reason }))
        }
        Command::Bid(name, bid) => Plan::one(name, TaskEvent::Bid(bid)),
        Command::Reveal(name, revealed) => Plan::one(name, TaskEvent::BidRevealed(revealed)),
        Command::Close(name) => Plan::one(name, TaskEvent::Closed(Closed {})),
    })
}

fn delivered(task: &Task) -> Result<Position, Rejection> {
    match &task.phase {
        Phase::Done(delivery) => Ok(delivery.at),
        Phase::Free { .. }
        | Phase::Bidding(_)
        | Phase::Unawarded { .. }
        | Phase::Held(_)
        | Phase::Verified(_)
        | Phase::Cancelled { .. } => Err(Rejection::NotDelivered),
    }
}
