//! What is said about schedules.

use colony_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::protocol::json::Json;
use crate::protocol::payload::payloads;
use crate::protocol::time::Millis;

payloads! {
    /// What is said about schedules. The entity is the schedule.
    ScheduleEvent {
        "schedule.defined" => Defined(Defined),
        "schedule.removed" => Removed(Removed),
        "schedule.ticked" => Ticked(Ticked),
    }
}

/// Work recurs. Its author may define it anew; ticks are due after that from then on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Defined {
    /// When, as a cron expression: five fields, or six with seconds first.
    pub cron: String,
    /// The time zone in which the expression is meant, as the IANA names it; absent means UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// What becomes of ticks that nobody made in time.
    #[serde(default)]
    pub missed: Missed,
    /// What is to be done, for whoever reacts to the tick.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<Json>,
}

/// What becomes of ticks that nobody made in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missed {
    /// The latest of them is made, the others are passed over.
    #[default]
    RunOnce,
    /// Each is made, in order.
    RunAll,
    /// None that is later than this is made.
    Skip {
        /// How late a tick may be.
        late_ms: Millis,
    },
}

/// The schedule is no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {}

/// A tick: the work is to be done now, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticked {
    /// The moment that was due.
    pub due: Timestamp,
}
