//! Ticks: events that come because it is time, once each, whatever the number of instances.

use colony_core::name::NameError;
use colony_core::{EntityName, Timestamp};
use croner::Cron;
use croner::parser::{CronParser, Seconds};
use jiff::tz::TimeZone;

/// How late a tick may be when missed ones are skipped, in nanoseconds.
const SKIP_AFTER_NANOS: i64 = 60_000_000_000;

/// When ticks come: a cron expression in a time zone.
///
/// A tick is an event `schedule.ticked` about the schedule's name, authored by the agent itself, which hears it if it
/// [listens](crate::Interest::in_ticks). Instances decide by their own clocks when to append it. That there is one
/// for each moment follows from the lane, as for every reaction; a wrong clock makes it early or late.
///
/// The first tick comes after the agent first ran.
#[derive(Debug, Clone)]
pub struct Schedule {
    name: EntityName,
    cron: Cron,
    zone: TimeZone,
    missed: Missed,
}

/// What happens about ticks that were due while no instance ran.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Missed {
    /// The last of them comes, late.
    #[default]
    RunOnce,
    /// All of them come, late.
    RunAll,
    /// None of them comes: one that is more than a minute late is left out.
    Skip,
}

/// Why there is no such schedule.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// The name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The expression is none.
    #[error("{cron:?} is not a cron expression")]
    Cron {
        /// The expression.
        cron: String,
        /// What is wrong with it.
        #[source]
        source: croner::errors::CronError,
    },
    /// The zone is not known.
    #[error("there is no time zone {zone:?}")]
    Zone {
        /// The zone.
        zone: String,
    },
}

impl Schedule {
    /// Makes a schedule of a cron expression of five fields, or six with seconds first, in a time zone. Default zone: UTC.
    ///
    /// # Errors
    /// [`ScheduleError`].
    pub fn new(name: &str, cron: &str, zone: Option<&str>) -> Result<Self, ScheduleError> {
        let parser = CronParser::builder().seconds(Seconds::Optional).build();
        let wrong = |source| ScheduleError::Cron { cron: cron.to_owned(), source };
        let zone = match zone {
            None => TimeZone::UTC,
            Some(zone) => jiff::tz::db()
                .get(zone)
                .map_err(|_| ScheduleError::Zone { zone: zone.to_owned() })?,
        };
        let missed = Missed::default();
        Ok(Self { name: name.parse()?, cron: parser.parse(cron).map_err(wrong)?, zone, missed })
    }

    /// Says what happens about ticks that were missed.
    pub fn missed(self, missed: Missed) -> Self {
        Self { missed, ..self }
    }

    /// Returns the name that its ticks are about.
    pub fn name(&self) -> &EntityName {
        &self.name
    }

    /// Returns the tick to come now, if one is due; `last` is the moment of the last one.
    pub fn due(&self, last: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let next = self.next(last).filter(|next| *next <= now)?;
        match self.missed {
            Missed::RunAll => Some(next),
            Missed::RunOnce => self.latest(now),
            Missed::Skip => self
                .latest(now)
                .filter(|latest| now.as_nanos() - latest.as_nanos() <= SKIP_AFTER_NANOS),
        }
    }

    /// Returns the first moment of a tick after another moment.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let after = self.zoned(after)?;
        moment(self.cron.find_next_occurrence(&after, false).ok()?.timestamp())
    }

    fn latest(&self, until: Timestamp) -> Option<Timestamp> {
        let until = self.zoned(until)?;
        moment(self.cron.find_previous_occurrence(&until, true).ok()?.timestamp())
    }

    fn zoned(&self, time: Timestamp) -> Option<jiff::Zoned> {
        let time = jiff::Timestamp::from_nanosecond(i128::from(time.as_nanos())).ok()?;
        Some(time.to_zoned(self.zone.clone()))
    }
}

fn moment(time: jiff::Timestamp) -> Option<Timestamp> {
    i64::try_from(time.as_nanosecond()).ok().map(Timestamp::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn missed_ticks_come_all_or_the_last_or_not() {
        let hourly = Schedule::new("hourly", "0 * * * *", None).unwrap();
        let (last, now) = (at("2026-01-01T00:00:00Z"), at("2026-01-01T05:30:00Z"));
        let due = |missed| hourly.clone().missed(missed).due(last, now);
        assert_eq!(due(Missed::RunAll), Some(at("2026-01-01T01:00:00Z")));
        assert_eq!(due(Missed::RunOnce), Some(at("2026-01-01T05:00:00Z")));
        assert_eq!(due(Missed::Skip), None);
        let soon = at("2026-01-01T05:00:01Z");
        let skip = hourly.clone().missed(Missed::Skip);
        assert_eq!(skip.due(last, soon), Some(at("2026-01-01T05:00:00Z")));
        assert_eq!(hourly.due(at("2026-01-01T05:00:00Z"), now), None);
    }

    #[test]
    fn a_day_begins_where_the_zone_says() {
        let daily = Schedule::new("daily", "0 9 * * *", Some("Europe/Berlin")).unwrap();
        let winter = daily.next(at("2026-01-10T00:00:00Z"));
        assert_eq!(winter, Some(at("2026-01-10T08:00:00Z")));
        let summer = daily.next(at("2026-07-10T00:00:00Z"));
        assert_eq!(summer, Some(at("2026-07-10T07:00:00Z")));
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        assert!(matches!(Schedule::new("x", "soon", None), Err(ScheduleError::Cron { .. })));
        let moon = Schedule::new("x", "0 0 * * *", Some("Moon/Sea"));
        assert!(matches!(moon, Err(ScheduleError::Zone { .. })));
        assert!(matches!(Schedule::new("", "0 0 * * *", None), Err(ScheduleError::Name(_))));
    }
}
