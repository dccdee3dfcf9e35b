//! The board: every task in its column.

use colony_core::{AgentName, EntityName, Position, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::BlockedOn;
use super::state::{Phase, Task, TasksState};
use crate::protocol::time::LogTime;

/// The columns of the board, in the order in which work moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Column {
    /// Can be claimed or bid for.
    Free,
    /// Waits for other tasks.
    Waiting,
    /// Somebody is at it.
    Doing,
    /// Somebody holds it and cannot go on.
    Blocked,
    /// Said to be done.
    Done,
    /// Found good.
    Verified,
    /// Called off.
    Cancelled,
}

/// One task on the board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Card<'a> {
    /// The task.
    pub task: &'a EntityName,
    /// What is to be done.
    pub what: &'a str,
    /// Where it stands.
    pub column: Column,
    /// Who holds or delivered it.
    pub agent: Option<&'a AgentName>,
    /// The fence under which it is held.
    pub fence: Option<Position>,
    /// Since when it is there.
    pub since: Option<Timestamp>,
    /// What its holder waits for.
    pub blocked_on: Option<&'a BlockedOn>,
    /// Whether its holder has been silent for too long, its window is over, or its deadline has passed.
    pub overdue: bool,
    /// The round.
    pub round: u32,
}

/// Every task in its column, at a log time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Board<'a> {
    /// The cards, by column, then in the order of their names.
    pub cards: Vec<Card<'a>>,
}

impl TasksState {
    /// Returns the board at a log time.
    pub fn board(&self, time: LogTime) -> Board<'_> {
        let mut cards: Vec<_> =
            self.iter().map(|(name, task)| self.card(name, task, time)).collect();
        cards.sort_by_key(|card| card.column);
        Board { cards }
    }

    fn card<'a>(&'a self, name: &'a EntityName, task: &'a Task, time: LogTime) -> Card<'a> {
        let said = &task.offer.said;
        let late = said.deadline.is_some_and(|deadline| time.is_past(deadline));
        let mut card = Card {
            task: name,
            what: &said.what,
            column: Column::Free,
            agent: None,
            fence: None,
            since: None,
            blocked_on: None,
            overdue: late,
            round: task.round,
        };
        let waits = || said.after.iter().any(|b| !self.get(b).is_some_and(Task::is_done));
        match &task.phase {
            Phase::Free { since } | Phase::Unawarded { since } => {
                card.since = Some(*since);
                if waits() {
                    card.column = Column::Waiting;
                }
            }
            Phase::Bidding(auction) => {
                card.since = Some(task.offer.since);
                card.overdue |= auction.may_close(time);
            }
            Phase::Held(hold) => {
                card.column = Column::Doing;
                card.agent = Some(&hold.owner);
                card.fence = Some(hold.fence);
                card.since = Some(hold.since);
                card.overdue |= time.is_past(hold.until);
                if let Some(block) = &hold.blocked {
                    card.column = Column::Blocked;
                    card.since = Some(block.since);
                    card.blocked_on = Some(&block.on);
                }
            }
            Phase::Done(delivery) | Phase::Verified(delivery) => {
                card.column = match task.phase {
                    Phase::Verified(_) => Column::Verified,
                    _ => Column::Done,
                };
                card.agent = Some(&delivery.by);
                card.fence = Some(delivery.fence);
                card.since = Some(delivery.since);
                card.overdue = delivery.late;
            }
            Phase::Cancelled { .. } => {
                card.column = Column::Cancelled;
                card.overdue = false;
            }
        }
        card
    }
}

impl Board<'_> {
    /// Returns the cards of one column.
    pub fn column(&self, column: Column) -> impl Iterator<Item = &Card<'_>> {
        self.cards.iter().filter(move |card| card.column == column)
    }
}
