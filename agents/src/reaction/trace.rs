//! The trace of a reaction: one span of the story that the event belongs to.

use colony_core::Digest;
use colony_core::event::Trace;

/// Returns the trace that outputs carry of a reaction with this name: the trace of the event, with the reaction as the span that
/// they come from. The same one for each attempt and each instance. `None` if the event's is no trace context of W3C version 00.
pub(super) fn within(of_event: &Trace, reaction: &str) -> Option<Trace> {
    let mut parts = of_event.parent.split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    if version != "00" || !hex(trace, 32) || !hex(span, 16) || !hex(flags, 2) {
        return None;
    }
    let own = Digest::of(format!("{span}\0{reaction}").as_bytes()).to_string();
    let own = own.get(..16)?;
    let parent = format!("00-{trace}-{own}-{flags}");
    Some(Trace { parent, state: of_event.state.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reaction_is_a_span_of_the_same_trace() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned();
        let event = Trace { parent, state: Some("a=b".to_owned()) };
        let one = within(&event, "one").unwrap();
        assert!(one.parent.starts_with("00-0af7651916cd43dd8448eb211c80319c-"));
        assert!(one.parent.ends_with("-01"));
        assert_eq!(one.state, event.state);
        assert_eq!(within(&event, "one"), Some(one.clone()));
        assert_ne!(within(&event, "other"), Some(one));
        let broken = Trace { parent: "01-a-b-c".to_owned(), state: None };
        assert_eq!(within(&broken, "one"), None);
    }
}
