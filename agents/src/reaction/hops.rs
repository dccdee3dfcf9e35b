//! How many reactions in a row led to an event: what ends a conversation that agents cannot end.

use colony_core::Event;

/// The extension attribute that counts.
const ATTRIBUTE: &str = "colonyhops";

/// Returns how many reactions in a row led to an event.
pub(crate) fn hops_of(event: &Event) -> u32 {
    event.extensions.get(ATTRIBUTE).and_then(|json| json.parse().ok()).unwrap_or(0)
}

/// Marks an output of the reaction to an event that so many reactions led to.
pub(super) fn count(output: &mut Event, hops: u32) {
    output.extensions.insert(ATTRIBUTE.to_owned(), hops.saturating_add(1).to_string());
}
