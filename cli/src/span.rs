//! Lengths of time and moments to come, as people write them.

use std::time::SystemTime;

use colony_agents::protocol::Millis;
use colony_core::Timestamp;

/// What a length of time looks like, for `--help`.
pub(crate) const SPAN: &str = "LENGTH";
/// What a moment to come looks like, for `--help`.
pub(crate) const MOMENT: &str = "TIME|LENGTH";

/// A text is no length of time.
#[derive(Debug, Clone, thiserror::Error)]
#[error("not a length of time (500ms, 90s, 10m, 2h, 3d)")]
pub(crate) struct SpanError;

/// A text is no moment to come.
#[derive(Debug, Clone, thiserror::Error)]
#[error("neither a time (2026-01-31T12:00:00Z) nor how long from now (500ms, 90s, 10m, 2h, 3d)")]
pub(crate) struct MomentError;

/// Reads a length of time.
pub(crate) fn parse(text: &str) -> Result<Millis, SpanError> {
    let end = text.find(|c: char| !c.is_ascii_digit()).ok_or(SpanError)?;
    let (count, unit) = text.split_at_checked(end).ok_or(SpanError)?;
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(SpanError),
    };
    let count: u64 = count.parse().map_err(|_| SpanError)?;
    count.checked_mul(millis).map(Millis::new).ok_or(SpanError)
}

/// Reads a time in RFC 3339, or how long from now by this machine's clock.
pub(crate) fn moment(text: &str) -> Result<Timestamp, MomentError> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let length = parse(text).map_err(|_| MomentError)?;
    Ok(length.after(SystemTime::now().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_has_a_unit_and_a_moment_is_a_time_or_a_length_from_now() {
        assert_eq!(parse("500ms").unwrap(), Millis::new(500));
        assert_eq!(parse("2h").unwrap(), Millis::from_secs(7_200));
        for bad in ["", "5", "s", "-1s", "1.5h", "5 s", "10µs", "99999999999999999999d"] {
            assert!(parse(bad).is_err() && moment(bad).is_err(), "{bad}");
        }
        let now: Timestamp = SystemTime::now().into();
        assert!(moment("1d").unwrap() > now);
        assert_eq!(moment("2026-01-31T12:00:00Z").unwrap().to_string(), "2026-01-31T12:00:00Z");
    }
}
