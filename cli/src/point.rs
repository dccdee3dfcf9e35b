//! Points in the log, as people write them.

use std::time::{Duration, SystemTime};

use colony_bus::Cut;
use colony_core::{Position, Timestamp};

/// What a point looks like, for `--help`.
pub(crate) const POINT: &str = "POSITION|TIME";

/// A text is no point in the log.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "neither a position (a number, as `colony log` shows them), nor a time (2026-01-31T12:00:00Z), nor how long ago (90s, 10m, 2h, 3d)"
)]
pub(crate) struct PointError;

/// Reads a position, a time in RFC 3339, or how long ago.
pub(crate) fn parse(text: &str) -> Result<Cut, PointError> {
    if let Ok(position) = text.parse::<Position>() {
        return Ok(Cut::Position(position));
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(Cut::Time(time));
    }
    ago(text).map(Cut::Time).ok_or(PointError)
}

fn ago(text: &str) -> Option<Timestamp> {
    let unit = match text.chars().next_back()? {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let count: u64 = text.get(..text.len() - 1)?.parse().ok()?;
    let before = Duration::from_secs(count.checked_mul(unit)?);
    Some(SystemTime::now().checked_sub(before)?.into())
}

/// Where `tail` begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// With the first entry.
    Beginning,
    /// With what comes next.
    Now,
    /// After a point.
    After(Cut),
}

/// Reads `beginning`, `now`, or a point.
pub(crate) fn parse_start(text: &str) -> Result<Start, PointError> {
    match text {
        "beginning" => Ok(Start::Beginning),
        "now" => Ok(Start::Now),
        _ => parse(text).map(Start::After),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_a_position_a_time_or_how_long_ago() {
        assert_eq!(parse("42").unwrap(), Cut::Position(Position::new(42)));
        assert!(matches!(parse("2026-01-31T12:00:00+02:00"), Ok(Cut::Time(_))));
        assert!(matches!(parse("10m"), Ok(Cut::Time(_))));
        for bad in ["", "-1", "yesterday", "m", "10x", "1.5h", "99999999999999999999d", "ä"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
