//! Spans of time, as people write them.

use std::time::Duration;

/// A text is no span of time.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("not a span of time (500ms, 30s, 10m, 2h)")]
pub(crate) struct DurationError;

/// Reads a number of milliseconds, seconds, minutes or hours.
pub(crate) fn parse(text: &str) -> Result<Duration, DurationError> {
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or(DurationError)?;
    let (count, unit) = text.split_at(split);
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(DurationError),
    };
    let count: u64 = count.parse().map_err(|_| DurationError)?;
    count.checked_mul(milliseconds).map(Duration::from_millis).ok_or(DurationError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_number_and_a_unit() {
        assert_eq!(parse("500ms").unwrap(), Duration::from_millis(500));
        assert_eq!(parse("2h").unwrap(), Duration::from_secs(7_200));
        for bad in ["", "5", "s", "-1s", "1.5s", "5d", "99999999999999999999s"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
