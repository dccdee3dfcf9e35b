//! P7, schedule: recurring work, once for each tick whatever the number of instances.
//!
//! A tick is an event with the moment that was due in it; the first for a moment counts. See
//! `docs/protocols/schedule.md`.

mod calendar;
mod event;
mod evolve;
mod state;

pub use calendar::{Calendar, CalendarError};
pub use event::{Defined, Missed, Removed, ScheduleEvent, Ticked};
pub use evolve::{Command, Rejection};
pub use state::{Schedule, Schedules, SchedulesState, tick_id};

#[cfg(test)]
mod tests;
