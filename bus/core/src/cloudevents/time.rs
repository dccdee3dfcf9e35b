//! The `time` attribute.

use crate::event::EventTime;
use crate::timestamp::Timestamp;

/// Reads a moment in RFC 3339, and keeps the text where it is not the one we would write.
///
/// `None` for another shape, and outside the years that [`Timestamp`] covers. Digits of a second past
/// the ninth count for the text only.
pub(crate) fn event_time(text: &str) -> Option<EventTime> {
    let bytes = text.as_bytes();
    let (moment, rest) = bytes.split_at_checked(19)?;
    let shaped = moment.iter().zip(b"0000-00-00T00:00:00").all(|(b, shape)| match shape {
        b'0' => b.is_ascii_digit(),
        b'T' => matches!(b, b'T' | b't'),
        other => b == other,
    });
    let (fraction, offset) = match rest.split_first() {
        Some((b'.', digits)) => {
            let end = digits.iter().position(|b| !b.is_ascii_digit()).unwrap_or(digits.len());
            let (fraction, offset) = digits.split_at_checked(end)?;
            (Some(fraction), offset)
        }
        _ => (None, rest),
    };
    let offset_shaped = match offset {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => [h1, h2, m1, m2].iter().all(|b| b.is_ascii_digit()),
        _ => false,
    };
    if !shaped || !offset_shaped || fraction.is_some_and(<[u8]>::is_empty) {
        return None;
    }
    let at: Timestamp = match fraction {
        Some(fraction) if fraction.len() > 9 => {
            let kept = text.get(..29)?;
            let offset = std::str::from_utf8(offset).ok()?;
            format!("{kept}{offset}").parse().ok()?
        }
        _ => text.parse().ok()?,
    };
    Some(EventTime { at, text: (at.to_string() != text).then(|| text.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_keeps_its_text_where_we_would_write_another() {
        let canonical = event_time("2012-10-29T16:12:25Z").unwrap();
        assert_eq!(canonical.text, None);
        for text in [
            "2012-10-29T18:12:25+02:00",
            "2012-10-29t16:12:25z",
            "2012-10-29T16:12:25.000Z",
            "2012-10-29T16:12:25.0000000000Z",
            "2012-10-29T16:12:25-00:00",
        ] {
            let time = event_time(text).unwrap();
            assert_eq!((time.at, time.text.as_deref()), (canonical.at, Some(text)));
        }
    }

    #[test]
    fn only_rfc_3339_is_a_moment() {
        for text in [
            "",
            "yesterday",
            "2012-10-29",
            "2012-10-29 16:12:25Z",
            "2012-10-29T16:12Z",
            "2012-10-29T16:12:25",
            "2012-10-29T16:12:25.Z",
            "2012-10-29T16:12:25+0200",
            "2012-10-29T16:12:25Z[UTC]",
            "2012-13-29T16:12:25Z",
            "9999-10-29T16:12:25Z",
            "2012-10-29T16:12:2é",
        ] {
            assert_eq!(event_time(text), None, "{text}");
        }
    }
}
