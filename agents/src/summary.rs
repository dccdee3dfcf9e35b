//! A scribe: what a shared summary of events says, and the agent that keeps it.

use std::collections::BTreeMap;

use colony_core::document::Path;
use colony_core::{DocumentName, Entry, EntryKind, Filter, Kind};
use serde_json::json;

use crate::agent::{Agent, HandlerError};
use crate::interest::Interest;
use crate::reaction::Reaction;

/// Events after which a page of the summary is written.
const PAGE: u64 = 100;
/// How many of the busiest authors a page names.
const BUSIEST: usize = 5;
/// Each event of this noun gets a page.
const SESSION: &str = "session";

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
    /// Takes in one entry. Entries that are no events to all change nothing: mail is its recipient's.
    pub fn evolve(&mut self, entry: &Entry) {
        let Some(Kind::Event { .. }) = entry.kind() else { return };
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

/// Keeps a summary of all events in a shared document: a page after every hundredth event, and after every event `session.*`.
///
/// A page is the field `/summary`: `state` (the [`Summary`] as JSON text), `position` (of the event), `events`, `authors` (how
/// many), `busiest` (events by author), `latest`.
#[derive(Debug, Clone)]
pub struct Scribe {
    document: DocumentName,
}

impl Scribe {
    /// Keeps the summary in a document.
    pub fn new(document: DocumentName) -> Self {
        Self { document }
    }

    /// Returns whether an entry gets a page, when a summary has just taken it in.
    pub fn writes(summary: &Summary, entry: &Entry) -> bool {
        let page = summary.events.is_multiple_of(PAGE) || entry.event().ty.noun() == SESSION;
        page && matches!(entry.kind(), Some(Kind::Event { .. }))
    }
}

impl Agent for Scribe {
    type State = Summary;

    fn interest(&self) -> Interest {
        Interest::in_entries(Filter { kinds: [EntryKind::Event].into(), ..Filter::all() })
    }

    fn evolve(&self, summary: &mut Summary, entry: &Entry) {
        summary.evolve(entry);
    }

    async fn react(
        &self,
        summary: &Summary,
        entry: &Entry,
        reaction: &mut Reaction,
    ) -> Result<(), HandlerError> {
        if !Self::writes(summary, entry) {
            return Ok(());
        }
        let busiest: BTreeMap<_, _> = summary.busiest(BUSIEST).into_iter().collect();
        let page = json!({
            "state": serde_json::to_string(summary)?,
            "position": entry.position.get(),
            "events": summary.events,
            "authors": summary.authors.len(),
            "busiest": busiest,
            "latest": summary.latest,
        });
        let place: Path = "/summary".parse()?;
        reaction.document(&self.document).await?.edit(|edit| edit.put_json(&place, page))?;
        Ok(())
    }
}
