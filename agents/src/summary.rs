//! The scribe's fold: what a shared summary of events says.

use std::collections::BTreeMap;

use colony_core::Entry;

/// What happened, counted: the state that a scribe writes into a shared document.
///
/// Folding the same entries in log order gives the same summary to everybody.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Summary {
    /// How many events.
    pub events: u64,
    /// How many of each type.
    pub types: BTreeMap<String, u64>,
    /// How many by each author.
    pub authors: BTreeMap<String, u64>,
    /// The time of the latest event, as its author tells it.
    pub latest: Option<String>,
}

impl Summary {
    /// Takes in one entry; entries that are no events change nothing.
    pub fn evolve(&mut self, entry: &Entry) {
        use colony_core::Kind;
        let Some(Kind::Event { .. } | Kind::Mail { .. }) = entry.kind() else { return };
        let event = entry.event();
        self.events += 1;
        *self.types.entry(event.ty.to_string()).or_default() += 1;
        *self.authors.entry(event.author.to_string()).or_default() += 1;
        if let Some(time) = &event.time {
            let time = time.at.to_string();
            self.latest = self.latest.take().max(Some(time));
        }
    }

    /// Returns the authors with the most events, most first; ties in the order of their names.
    pub fn busiest(&self, most: usize) -> Vec<(&str, u64)> {
        let mut authors: Vec<_> = self.authors.iter().map(|(a, n)| (a.as_str(), *n)).collect();
        authors.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        authors.truncate(most);
        authors
    }
}
