//! What stands or is intended on one resource, so that whatever meets it is found without a look at all that was ever done there.

use std::collections::BTreeMap;
use std::ops::Bound;

use colony_core::{EntityName, Position, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::Resource;
use crate::protocol::limits::MAX_INTENTS;
use crate::protocol::time::LogTime;

/// A stretch of time on a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Span {
    from: Timestamp,
    /// Exclusive.
    until: Timestamp,
}

impl Span {
    fn of(resource: &Resource) -> Self {
        let ever_since = Timestamp::from_nanos(i64::MIN);
        let for_ever = Timestamp::from_nanos(i64::MAX);
        let Resource { name: _, from, until } = resource;
        Self { from: from.unwrap_or(ever_since), until: until.unwrap_or(for_ever) }
    }

    fn meets(self, other: Self) -> bool {
        other.until > self.from && self.until > other.from
    }
}

/// When an action is on each of its resources: by their names, then by when they begin. Stretches of one resource that touch are one.
pub(super) type Spans<'a> = Vec<(&'a str, Span)>;

pub(super) fn spans(resources: &[Resource]) -> Spans<'_> {
    let mut all: Spans<'_> =
        resources.iter().map(|resource| (resource.name.as_str(), Span::of(resource))).collect();
    all.sort_unstable();
    all.dedup_by(|(next_name, next), (name, last)| {
        let touches = next_name == name && last.until >= next.from;
        if touches {
            last.until = last.until.max(next.until);
        }
        touches
    });
    all
}

/// Returns the stretches of each resource together.
pub(super) fn by_resource<'a>(
    spans: &'a [(&'a str, Span)],
) -> impl Iterator<Item = (&'a str, &'a [(&'a str, Span)])> {
    let same = |(one, _): &(&str, Span), (other, _): &(&str, Span)| one == other;
    spans.chunk_by(same).filter_map(|of_one| Some((of_one.first()?.0, of_one)))
}

/// Returns whether any of these meets any of those. Both are in order, and none meets its neighbour.
fn meet(these: &[(&str, Span)], those: &[Span]) -> bool {
    let (mut these, mut those) = (these.iter().peekable(), those.iter().peekable());
    while let (Some((_, this)), Some(that)) = (these.peek(), those.peek()) {
        if this.meets(**that) {
            return true;
        }
        if this.from < that.from {
            these.next();
        } else {
            those.next();
        }
    }
    false
}

/// What stands or is intended on one resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Occupied {
    /// Acts that stand and do not merge, by when they begin. No two of them meet: of two that would, the later gives way.
    acts: BTreeMap<Timestamp, Act>,
    /// Intents, in the order of the log; at most [`MAX_INTENTS`].
    intents: BTreeMap<Position, Intent>,
}

/// A stretch of an act that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Act {
    action: EntityName,
    until: Timestamp,
}

/// An intent, as far as it is on one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Intent {
    pub(super) action: EntityName,
    /// Until when it stands.
    pub(super) ends: Timestamp,
    pub(super) spans: Vec<Span>,
}

impl Occupied {
    pub(super) fn is_empty(&self) -> bool {
        self.acts.is_empty() && self.intents.is_empty()
    }

    /// Returns the act that stands at some moment of a stretch; the first of several.
    pub(super) fn standing(&self, span: Span) -> Option<&EntityName> {
        self.first(span).map(|(_, act)| &act.action)
    }

    fn first(&self, span: Span) -> Option<(&Timestamp, &Act)> {
        // Acts are apart from each other: only the last that began by then can reach into the stretch.
        let before = self.acts.range(..=span.from).next_back();
        before.filter(|(_, act)| act.until > span.from).or_else(|| {
            let after = (Bound::Excluded(span.from), Bound::Unbounded);
            self.acts.range(after).next().filter(|(from, _)| **from < span.until)
        })
    }

    /// Returns the first live intent of another action that meets one of these stretches, and where it stands.
    pub(super) fn intended(
        &self,
        action: &EntityName,
        spans: &[(&str, Span)],
        time: LogTime,
    ) -> Option<(Position, &EntityName)> {
        let mut intents = self.intents.iter().filter(|(_, intent)| {
            intent.action != *action && !time.is_past(intent.ends) && meet(spans, &intent.spans)
        });
        intents.next().map(|(at, intent)| (*at, &intent.action))
    }

    /// Returns whether as many others intend something here as may.
    pub(super) fn is_crowded(&self, action: &EntityName, time: LogTime) -> bool {
        if self.intents.len() < MAX_INTENTS {
            return false;
        }
        let live = self
            .intents
            .values()
            .filter(|intent| intent.action != *action && !time.is_past(intent.ends));
        live.count() >= MAX_INTENTS
    }

    pub(super) fn take(&mut self, action: &EntityName, spans: &[(&str, Span)]) {
        for (_, Span { from, until }) in spans {
            let act = Act { action: action.clone(), until: *until };
            self.acts.insert(*from, act);
        }
    }

    pub(super) fn release(&mut self, spans: &[(&str, Span)]) {
        for (_, span) in spans {
            self.acts.remove(&span.from);
        }
    }

    /// Notes an intent. Those that no longer stand make room for it.
    pub(super) fn intend(&mut self, at: Position, intent: Intent, time: LogTime) {
        if self.intents.len() >= MAX_INTENTS {
            self.intents.retain(|_, intent| !time.is_past(intent.ends));
        }
        self.intents.insert(at, intent);
    }

    pub(super) fn forget(&mut self, at: Position) {
        self.intents.remove(&at);
    }

    /// Returns the part of it that these stretches can meet: of acts, one for each; and all intents.
    pub(super) fn near(&self, spans: &[(&str, Span)]) -> Self {
        let acts = spans.iter().filter_map(|(_, span)| self.first(*span));
        let acts = acts.map(|(from, act)| (*from, act.clone())).collect();
        Self { acts, intents: self.intents.clone() }
    }

    /// Returns the actions that are here.
    pub(super) fn actions(&self) -> impl Iterator<Item = &EntityName> {
        let acts = self.acts.values().map(|act| &act.action);
        acts.chain(self.intents.values().map(|intent| &intent.action))
    }

    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.acts.len(), self.intents.len())
    }
}
