//! Schedules, as everybody folds them.

use std::collections::BTreeMap;

use colony_core::{AgentName, EntityName, EventId, Position, Timestamp};
use serde::{Deserialize, Serialize};

use super::calendar::Calendar;
use super::event::{Missed, Ticked};
use crate::protocol::json::Json;
use crate::protocol::limits::MAX_TICKS_AT_ONCE;
use crate::protocol::time::LogTime;

/// P7: recurring work.
#[derive(Debug, Clone, Copy)]
pub struct Schedules;

/// All schedules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SchedulesState(pub(super) BTreeMap<EntityName, Schedule>);

impl SchedulesState {
    /// Returns a schedule.
    pub fn get(&self, schedule: &EntityName) -> Option<&Schedule> {
        self.0.get(schedule)
    }

    /// Returns all schedules, in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&EntityName, &Schedule)> {
        self.0.iter()
    }
}

/// One schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Who defined it.
    pub by: AgentName,
    /// Where, last.
    pub at: Position,
    /// When it is due.
    pub calendar: Calendar,
    /// What becomes of missed ticks.
    pub missed: Missed,
    /// What is to be done.
    pub work: Option<Json>,
    /// Every moment up to this one is dealt with.
    pub done_until: Timestamp,
    /// The next moment that is due; `None` if there is none.
    pub next: Option<Timestamp>,
    /// The last tick.
    pub last: Option<Tick>,
    /// How many ticks there were.
    pub ticks: u64,
}

/// A tick that counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    /// The moment that was due.
    pub due: Timestamp,
    /// Where it was made.
    pub at: Position,
    /// Who made it.
    pub by: AgentName,
}

impl Schedule {
    /// Returns the ticks that are due at a log time, oldest first, by the rule for missed ones.
    pub fn due(&self, time: LogTime) -> Vec<Ticked> {
        let now = time.moment();
        let Some(next) = self.next.filter(|next| *next <= now) else { return Vec::new() };
        match self.missed {
            Missed::RunOnce => {
                let due = self.calendar.at_or_before(now).unwrap_or(next);
                vec![Ticked { due: due.max(next) }]
            }
            Missed::RunAll => {
                let following = |due: &Timestamp| self.calendar.after(*due);
                let all = std::iter::successors(Some(next), following);
                let all = all.take_while(|due| *due <= now).take(MAX_TICKS_AT_ONCE);
                all.map(|due| Ticked { due }).collect()
            }
            Missed::Skip { late_ms } => {
                let due = self.calendar.at_or_before(now).unwrap_or(next).max(next);
                let in_time = time.since(due) <= late_ms;
                if in_time { vec![Ticked { due }] } else { Vec::new() }
            }
        }
    }
}

/// Returns the id under which to append a tick: the same for every instance that makes it.
pub fn tick_id(schedule: &EntityName, defined: Position, due: Timestamp) -> Option<EventId> {
    let digest = colony_core::Digest::of(format!("{schedule}\n{defined}\n{due}\n").as_bytes());
    format!("tick-{digest}").parse().ok()
}
