//! Measuring a log.

use std::collections::{BTreeMap, BTreeSet};

use colony_core::{AgentName, EntityName, Entry, Kind, Timestamp};
use serde::Deserialize;

use super::path::Paths;
use super::purpose::{Amount, Purpose, count};
use super::report::{Channels, Handovers, Passage, Report, Rework, Span};
use super::waits::Waits;
use crate::protocol::coordination::{CoordinationState, Outcome};
use crate::protocol::time::Millis;

/// Whose time is measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Clock {
    /// When the log recorded an entry.
    #[default]
    Recorded,
    /// When its author says that it happened, where it does: for logs of what happened before they were written.
    Told,
}

/// How many spans the timeline has at most; they are widened to fit.
const MAX_SPANS: usize = 256;
/// How many things are named that passed from agent to agent.
const MAX_HANDOVERS: usize = 100;

/// Takes the entries of a log and measures what they cost.
///
/// Keeps a few words for every entry, for the critical path.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    clock: Clock,
    space: CoordinationState,
    report: Report,
    authors: BTreeSet<AgentName>,
    pairs: BTreeSet<(AgentName, AgentName)>,
    waits: Waits,
    paths: Paths,
    touched: BTreeMap<String, (AgentName, u64)>,
    passages: BTreeMap<(AgentName, AgentName), u64>,
    spans: BTreeMap<i64, BTreeMap<Purpose, u64>>,
    span_nanos: i64,
}

/// What events of no protocol may say of themselves: the ids of those they were made upon, and the files they touched.
#[derive(Default, Deserialize)]
struct Made {
    #[serde(default)]
    parents: Vec<String>,
    #[serde(default)]
    files: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    path: String,
}

impl Meter {
    /// Makes a meter.
    pub fn new(clock: Clock) -> Self {
        Self { clock, span_nanos: 1_000_000_000, ..Self::default() }
    }

    /// Measures a whole log.
    pub fn measure<'a>(clock: Clock, entries: impl IntoIterator<Item = &'a Entry>) -> Report {
        let mut meter = Self::new(clock);
        entries.into_iter().for_each(|entry| meter.take(entry));
        meter.report()
    }

    /// Passes an entry that stands before what is measured, so that what was agreed by then is known.
    pub fn pass(&mut self, entry: &Entry) {
        self.space.evolve(entry);
    }

    /// Takes the next entry.
    pub fn take(&mut self, entry: &Entry) {
        let event = entry.event();
        let told = event.time.as_ref().filter(|_| self.clock == Clock::Told);
        let now = told.map_or(entry.recorded, |time| time.at);
        let (purpose, amount) = (Purpose::of(entry), Amount::of(entry));
        let report = &mut self.report;
        count(&mut report.purposes, &purpose, amount);
        let by_agent = report.agents.entry(event.author.clone()).or_default();
        count(by_agent, &purpose, amount);
        report.first = Some(report.first.map_or(now, |first| first.min(now)));
        report.last = Some(report.last.map_or(now, |last| last.max(now)));
        self.span(now, purpose);
        if purpose == Purpose::Bookkeeping {
            return;
        }
        if let Some(entity) = &event.entity {
            let by_entity = self.report.entities.entry(entity.clone()).or_default();
            count(by_entity, &purpose, amount);
        }
        self.authors.insert(event.author.clone());
        let made = self.touch(entry, purpose);
        let cause = event.cause.as_ref().map(|cause| &cause.author);
        let parents = made.parents.iter().filter_map(|id| self.paths.author(id));
        let others = event.recipient.iter().chain(cause).chain(parents);
        for other in others.filter(|other| **other != event.author) {
            let pair =
                (event.author.clone().min(other.clone()), event.author.clone().max(other.clone()));
            self.pairs.insert(pair);
        }
        self.paths.take(entry, now, &made.parents);
        self.coordinate(entry, now);
    }

    /// Takes the entry into the protocols, and measures what it meant there.
    fn coordinate(&mut self, entry: &Entry, now: Timestamp) {
        let event = entry.event();
        let ty = event.ty.as_str();
        let held = |space: &CoordinationState, task: &EntityName| {
            let hold = space.tasks.get(task)?.hold()?;
            Some(hold.since)
        };
        let since = event.entity.as_ref().and_then(|task| held(&self.space, task));
        let delivered = event.entity.as_ref().and_then(|task| {
            let delivery = self.space.tasks.get(task)?.delivery()?;
            Some((delivery.at, delivery.since))
        });
        let rounds = |space: &CoordinationState| {
            let task = event.entity.as_ref().and_then(|task| space.tasks.get(task));
            task.map_or(0, |task| task.round)
        };
        let round = rounds(&self.space);
        match self.space.evolve(entry) {
            Outcome::Unrelated => return,
            Outcome::Ignored(_) => {
                self.report.rework.ignored += 1;
                return;
            }
            Outcome::Applied => {}
        }
        let Some(entity) = &event.entity else { return };
        self.waits.take(ty, entity, &event.author, now, &self.space);
        let rework: &mut Rework = &mut self.report.rework;
        let lost = |since: Option<Timestamp>| since.map_or(0, |s| Millis::between(s, now).get());
        match ty {
            "task.done" => {
                self.report.tasks_done += 1;
                let time = lost(since).saturating_add(self.report.task_time.get());
                self.report.task_time = Millis::new(time);
            }
            "task.lapsed" => {
                rework.lapsed += 1;
                rework.lost = Millis::new(rework.lost.get().saturating_add(lost(since)));
            }
            "task.rejected" if rounds(&self.space) > round => {
                rework.rejected += 1;
                self.report.tasks_done = self.report.tasks_done.saturating_sub(1);
                let since = delivered.map(|(_, since)| since);
                rework.lost = Millis::new(rework.lost.get().saturating_add(lost(since)));
            }
            "milestone.submitted" => self.report.tasks_done += 1,
            _ => {}
        }
    }

    /// Notes what an entry of work touched.
    fn touch(&mut self, entry: &Entry, purpose: Purpose) -> Made {
        let event = entry.event();
        let is_event = matches!(entry.kind(), Some(Kind::Event { .. }));
        let made: Made = match purpose {
            Purpose::Work if is_event => event.data.to_value().unwrap_or_default(),
            _ => Made::default(),
        };
        let files = made.files.iter().map(|file| file.path.as_str());
        let entity = event.entity.as_ref().map(|entity| entity.as_str());
        let entity = entity.filter(|_| purpose == Purpose::Work && made.files.is_empty());
        for thing in files.chain(entity) {
            match self.touched.get_mut(thing) {
                Some((last, times)) => {
                    self.report.handovers.touches += 1;
                    if *last != event.author {
                        let from = std::mem::replace(last, event.author.clone());
                        *self.passages.entry((from, event.author.clone())).or_default() += 1;
                        *times += 1;
                        self.report.handovers.times += 1;
                    }
                }
                None => drop(self.touched.insert(thing.to_owned(), (event.author.clone(), 0))),
            }
        }
        made
    }

    fn span(&mut self, now: Timestamp, purpose: Purpose) {
        let width = self.span_nanos.max(1);
        let spans = self.spans.entry(now.as_nanos().div_euclid(width)).or_default();
        *spans.entry(purpose).or_default() += 1;
        while self.spans.len() > MAX_SPANS {
            self.span_nanos = self.span_nanos.saturating_mul(2);
            for (index, purposes) in std::mem::take(&mut self.spans) {
                let wider = self.spans.entry(index.div_euclid(2)).or_default();
                for (purpose, entries) in purposes {
                    *wider.entry(purpose).or_default() += entries;
                }
            }
        }
    }

    /// Returns what the entries taken so far cost.
    pub fn report(&self) -> Report {
        let width = self.span_nanos;
        let span = |(index, entries): (&i64, &BTreeMap<Purpose, u64>)| Span {
            from: Timestamp::from_nanos(index.saturating_mul(width)),
            length: Millis::new(u64::try_from(width / 1_000_000).unwrap_or(0)),
            entries: entries.clone(),
        };
        let mut most: Vec<_> = self.touched.iter().map(|(t, (_, n))| (t.clone(), *n)).collect();
        most.retain(|(_, times)| *times > 0);
        most.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        most.truncate(MAX_HANDOVERS);
        let passage = |((from, to), times): (&(AgentName, AgentName), &u64)| Passage {
            from: from.clone(),
            to: to.clone(),
            times: *times,
        };
        let mut matrix: Vec<_> = self.passages.iter().map(passage).collect();
        matrix.sort_by_key(|passage| std::cmp::Reverse(passage.times));
        let agents = self.authors.len() as u64;
        let possible = agents * agents.saturating_sub(1) / 2;
        Report {
            timeline: self.spans.iter().map(span).collect(),
            channels: Channels { agents, used: self.pairs.len() as u64, possible },
            waits: self.waits.ended(),
            handovers: Handovers { most, matrix, ..self.report.handovers.clone() },
            critical_path: self.paths.critical(),
            ..self.report.clone()
        }
    }
}
