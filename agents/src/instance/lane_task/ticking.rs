//! Ticks of schedules.

use colony_core::Timestamp;
use tokio::time::{Duration, Instant};

use super::LaneTask;
use crate::derived::partition_of_schedule;
use crate::reactor::TickNote;
use crate::schedule::Schedule;

/// Longest sleep before the clock is asked again: it may be set.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Returns the schedules whose ticks stand in one lane of an agent.
pub(super) fn schedules(all: Vec<Schedule>, partition: u16, partitions: u16) -> Vec<Schedule> {
    let mine = |s: &Schedule| partition_of_schedule(s.name(), partitions) == partition;
    all.into_iter().filter(mine).collect()
}

impl LaneTask {
    /// Takes the ticks that are due.
    pub(super) fn mind_schedules(&mut self, now: Instant) {
        if self.schedules.is_empty()
            || self.stop_at.is_some()
            || self.reactor.is_behind()
            || !self.works(now)
        {
            return;
        }
        let time = self.context.options.clock.now();
        for schedule in &self.schedules {
            while self.reactor.has_room() {
                let last = self.reactor.last_tick(schedule.name()).unwrap_or(self.began);
                let Some(at) = schedule.due(last, time) else { break };
                self.reactor.tick(TickNote { schedule: schedule.name().clone(), at });
            }
        }
    }

    /// Returns when the next tick is due.
    pub(super) fn next_tick(&self, now: Instant) -> Option<Instant> {
        if self.schedules.is_empty() || self.stop_at.is_some() {
            return None;
        }
        let time = self.context.options.clock.now();
        let next = |schedule: &Schedule| -> Option<Timestamp> {
            let last = self.reactor.last_tick(schedule.name()).unwrap_or(self.began);
            schedule.next(last.max(time))
        };
        let soonest = self.schedules.iter().filter_map(next).min()?;
        let nanos = u64::try_from(soonest.as_nanos().saturating_sub(time.as_nanos())).ok()?;
        Some(now + Duration::from_nanos(nanos.max(1)).min(LONGEST_SLEEP))
    }
}
