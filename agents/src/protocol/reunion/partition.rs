//! What each side of a partition did, told once it has healed.

use std::collections::{BTreeMap, BTreeSet};

use colony_core::{AgentName, Entry, EventType, Kind, Lane, Position};
use serde::{Deserialize, Serialize};

use crate::protocol::compensation::{Class, Phase};
use crate::protocol::coordination::{CoordinationState, Outcome, Rejection};

/// What happened between two positions, side by side.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What each side did, by its name.
    pub sides: BTreeMap<String, Did>,
    /// What several sides touched without having seen the other's touch.
    pub meetings: Vec<Meeting>,
}

/// What one side did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Did {
    /// How many entries it appended.
    pub entries: u64,
    /// Its agents.
    pub agents: BTreeSet<AgentName>,
    /// Its events and mails, by type.
    pub types: BTreeMap<EventType, u64>,
    /// Changes of documents: these merge.
    pub changes: u64,
    /// Effects on the world outside.
    pub effects: u64,
    /// Acts that had their effect, with what became of each.
    pub acts: Vec<(Position, Deed)>,
    /// Events that everybody ignores, and why: what came too late, or lost.
    pub ignored: Vec<(Position, Rejection)>,
}

/// What became of an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// It merges with others.
    Merged,
    /// It stands, and could be undone.
    Stands,
    /// It met another and is to be undone.
    ToBeUndone,
    /// It cannot be undone, and was fenced.
    Irreversible,
}

/// Something that was touched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Touched {
    /// What events are about.
    Entity(String),
    /// A document.
    Document(String),
}

/// Something that several sides touched without having seen the other's touch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meeting {
    /// What.
    pub what: Touched,
    /// Where, by side: the entries that had not seen an earlier one of another side.
    pub unseen: BTreeMap<String, Vec<Position>>,
}

/// Reports what each side did after `from` and up to `until`, given the whole log.
///
/// `side_of` says to which side a lane belongs (`None`: to no side). What an entry had seen is told by its cause and its
/// cursor; entries that say neither had seen nothing after `from`.
pub fn report<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
    from: Position,
    until: Position,
    side_of: impl Fn(&Lane) -> Option<String>,
) -> Report {
    let mut space = CoordinationState::default();
    let mut report = Report::default();
    let mut touches: BTreeMap<Touched, Vec<(Position, String)>> = BTreeMap::new();
    let mut unseen: BTreeMap<Touched, BTreeMap<String, Vec<Position>>> = BTreeMap::new();
    for entry in entries.into_iter().take_while(|entry| entry.position <= until) {
        let outcome = space.evolve(entry);
        let colony_core::Address::Lane { lane, kind } = &entry.address else { continue };
        let Some(side) = side_of(lane).filter(|_| entry.position > from) else { continue };
        let did = report.sides.entry(side.clone()).or_default();
        did.take(entry, kind, outcome, &space);
        let Some(what) = touched(entry, kind) else { continue };
        let cause = entry.event().cause.as_ref().and_then(|cause| cause.position);
        let seen = cause.max(entry.envelope.cursor).unwrap_or(from);
        let before = touches.entry(what.clone()).or_default();
        if before.iter().any(|(position, other)| *other != side && *position > seen) {
            unseen.entry(what).or_default().entry(side.clone()).or_default().push(entry.position);
        }
        before.push((entry.position, side));
    }
    report.meetings = unseen.into_iter().map(|(what, unseen)| Meeting { what, unseen }).collect();
    report
}

fn touched(entry: &Entry, kind: &Kind) -> Option<Touched> {
    match kind {
        Kind::Document(document) => Some(Touched::Document(document.to_string())),
        Kind::Event { .. } | Kind::Mail { .. } => {
            entry.event().entity.as_ref().map(|entity| Touched::Entity(entity.to_string()))
        }
        Kind::Snapshot(_) | Kind::Effect(_) | Kind::Cursor => None,
    }
}

impl Did {
    fn take(&mut self, entry: &Entry, kind: &Kind, outcome: Outcome, space: &CoordinationState) {
        let event = entry.event();
        self.entries += 1;
        self.agents.insert(event.author.clone());
        match kind {
            Kind::Event { .. } | Kind::Mail { .. } => {
                *self.types.entry(event.ty.clone()).or_default() += 1;
            }
            Kind::Document(_) => self.changes += 1,
            Kind::Effect(_) => self.effects += 1,
            Kind::Snapshot(_) | Kind::Cursor => {}
        }
        match outcome {
            Outcome::Ignored(reason) => self.ignored.push((entry.position, reason)),
            Outcome::Applied if event.ty.as_str() == "action.taken" => {
                let action = event.entity.as_ref().and_then(|action| space.actions.get(action));
                let deed = action.and_then(|action| match &action.phase {
                    Phase::Taken { class: Class::Mergeable, .. } => Some(Deed::Merged),
                    Phase::Taken { class: Class::Compensable { .. }, .. } => Some(Deed::Stands),
                    Phase::Taken { class: Class::Irreversible { .. }, .. } => {
                        Some(Deed::Irreversible)
                    }
                    Phase::Owing { .. } => Some(Deed::ToBeUndone),
                    Phase::Intended { .. } | Phase::Compensated { .. } => None,
                });
                self.acts.extend(deed.map(|deed| (entry.position, deed)));
            }
            Outcome::Applied | Outcome::Unrelated => {}
        }
    }
}
