//! Cron expressions in time zones.

use colony_core::Timestamp;
use croner::parser::{CronParser, Seconds};
use croner::{Cron, Weekday};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// A cron expression in a time zone. The zones are compiled in, so that every reader of one build knows the same.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "Text")]
pub struct Calendar {
    text: Text,
    cron: Cron,
    zone: TimeZone,
}

/// The years in which days are looked for.
const YEARS: std::ops::Range<i32> = 1970..5000;
/// In so many years every day of every month falls on every day of the week, leap days across the turn of a century, too.
const CYCLE: usize = 41;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Text {
    cron: String,
    zone: String,
}

/// Why there is no such calendar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum CalendarError {
    /// The expression is not one.
    #[error("{cron:?} is not a cron expression: {problem}")]
    Cron {
        /// The expression.
        cron: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The zone is not known.
    #[error("there is no time zone {zone:?}")]
    Zone {
        /// The zone.
        zone: String,
    },
}

impl Calendar {
    /// Reads an expression and a zone.
    ///
    /// # Errors
    /// [`CalendarError`].
    pub fn new(cron: &str, zone: Option<&str>) -> Result<Self, CalendarError> {
        let text = Text { cron: cron.to_owned(), zone: zone.unwrap_or("UTC").to_owned() };
        let problem = |error: croner::errors::CronError| CalendarError::Cron {
            cron: cron.to_owned(),
            problem: error.to_string(),
        };
        let parser = CronParser::builder().seconds(Seconds::Optional).build();
        let parsed = parser.parse(cron).map_err(problem)?;
        if !ever(&parsed) {
            let problem = "no day there ever was or will be is one of it".to_owned();
            return Err(CalendarError::Cron { cron: cron.to_owned(), problem });
        }
        let zone = jiff::tz::db()
            .get(&text.zone)
            .map_err(|_| CalendarError::Zone { zone: text.zone.clone() })?;
        Ok(Self { text, cron: parsed, zone })
    }

    /// Returns the first moment after another at which the expression is due; `None` if there is none.
    pub fn after(&self, moment: Timestamp) -> Option<Timestamp> {
        let moment = jiff::Timestamp::from_nanosecond(i128::from(moment.as_nanos())).ok()?;
        let next =
            self.cron.find_next_occurrence(&moment.to_zoned(self.zone.clone()), false).ok()?;
        i64::try_from(next.timestamp().as_nanosecond()).ok().map(Timestamp::from_nanos)
    }

    /// Returns the last moment at or before another at which the expression was due; `None` if there is none.
    pub fn at_or_before(&self, moment: Timestamp) -> Option<Timestamp> {
        let moment = jiff::Timestamp::from_nanosecond(i128::from(moment.as_nanos())).ok()?;
        let last =
            self.cron.find_previous_occurrence(&moment.to_zoned(self.zone.clone()), true).ok()?;
        i64::try_from(last.timestamp().as_nanosecond()).ok().map(Timestamp::from_nanos)
    }
}

/// Returns whether an expression names any day at all. Who looks for the next 30 February looks through thousands of years.
fn ever(cron: &Cron) -> bool {
    let pattern = &cron.pattern;
    let days = |year: i32| {
        let months = (1..=12_u32).filter(|month| pattern.month_match(*month).unwrap_or(false));
        months.flat_map(move |month| (1..=31_u32).map(move |day| (year, month, day)))
    };
    let years = YEARS.filter(|year| pattern.year_match(*year).unwrap_or(false)).take(CYCLE);
    years.flat_map(days).any(|(year, month, day)| {
        let weekday = weekday(year, month, day);
        weekday.is_some_and(|of| pattern.day_match(year, month, day, of).unwrap_or(false))
    })
}

/// Returns the day of the week; `None` for a day that there is not.
fn weekday(year: i32, month: u32, day: u32) -> Option<Weekday> {
    let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    let date = jiff::civil::Date::new(i16::try_from(year).ok()?, month, day).ok()?;
    Some(match date.weekday() {
        jiff::civil::Weekday::Sunday => Weekday::Sunday,
        jiff::civil::Weekday::Monday => Weekday::Monday,
        jiff::civil::Weekday::Tuesday => Weekday::Tuesday,
        jiff::civil::Weekday::Wednesday => Weekday::Wednesday,
        jiff::civil::Weekday::Thursday => Weekday::Thursday,
        jiff::civil::Weekday::Friday => Weekday::Friday,
        jiff::civil::Weekday::Saturday => Weekday::Saturday,
    })
}

impl PartialEq for Calendar {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Calendar {}

impl TryFrom<Text> for Calendar {
    type Error = CalendarError;
    fn try_from(text: Text) -> Result<Self, CalendarError> {
        Self::new(&text.cron, Some(&text.zone))
    }
}

impl From<Calendar> for Text {
    fn from(calendar: Calendar) -> Self {
        calendar.text
    }
}
