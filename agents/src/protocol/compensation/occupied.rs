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
    /// Exclusive; absent means for ever.
    until: Option<Timestamp>,
}

impl Span {
    fn meets(self, other: Self) -> bool {
        other.goes_beyond(self.from) && self.goes_beyond(other.from)
    }

    fn goes_beyond(self, moment: Timestamp) -> bool {
        self.until.is_none_or(|until| until > moment)
    }
}

/// When an action is on each of its resources, by their names, in order; stretches of one resource that touch are one.
pub(super) type Spans<'a> = Vec<(&'a str, Vec<Span>)>;

pub(super) fn spans(resources: &[Resource]) -> Spans<'_> {
    let span = |Resource { name: _, from, until }: &Resource| {
        let from = from.unwrap_or(Timestamp::from_nanos(i64::MIN));
        Span { from, until: *until }
    };
    if let [resource] = resources {
        // Nearly every action is on one.
        return vec![(&resource.name, vec![span(resource)])];
    }
    let mut all: BTreeMap<&str, Vec<Span>> = BTreeMap::new();
    for resource in resources {
        all.entry(&resource.name).or_default().push(span(resource));
    }
    for spans in all.values_mut() {
        spans.sort();
        spans.dedup_by(|next, last| {
            let touches = last.until.is_none_or(|until| until >= next.from);
            if touches {
                let ends = last.until.zip(next.until);
                last.until = ends.map(|(one, other)| one.max(other));
            }
            touches
        });
    }
    all.into_iter().collect()
}

/// Returns whether any of these meets any of those. Both are in order, and none meets its neighbour.
fn meet(these: &[Span], those: &[Span]) -> bool {
    let (mut these, mut those) = (these.iter().peekable(), those.iter().peekable());
    while let (Some(this), Some(that)) = (these.peek(), those.peek()) {
        if this.meets(**that) {
            return true;
        }
        if this.from < that.from {
            these.next()
        } else {
            those.next()
        };
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
    until: Option<Timestamp>,
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
        let before = before.filter(|(_, act)| act.until.is_none_or(|until| until > span.from));
        let within = || {
            let after = (Bound::Excluded(span.from), Bound::Unbounded);
            self.acts.range(after).next().filter(|(from, _)| span.goes_beyond(**from))
        };
        before.or_else(within)
    }

    /// Returns the first live intent of another action that meets one of these stretches, and where it stands.
    pub(super) fn intended(
        &self,
        action: &EntityName,
        spans: &[Span],
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

    pub(super) fn take(&mut self, action: &EntityName, spans: &[Span]) {
        for Span { from, until } in spans {
            let act = Act { action: action.clone(), until: *until };
            self.acts.insert(*from, act);
        }
    }

    pub(super) fn release(&mut self, spans: &[Span]) {
        for span in spans {
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
    pub(super) fn near(&self, spans: &[Span]) -> Self {
        let acts = spans.iter().filter_map(|span| self.first(*span));
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
