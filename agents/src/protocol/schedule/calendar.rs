//! Cron expressions in time zones.

use colony_core::Timestamp;
use croner::Cron;
use croner::parser::{CronParser, Seconds};
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
        let cron = parser.parse(cron).map_err(problem)?;
        let zone = jiff::tz::db()
            .get(&text.zone)
            .map_err(|_| CalendarError::Zone { zone: text.zone.clone() })?;
        Ok(Self { text, cron, zone })
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
