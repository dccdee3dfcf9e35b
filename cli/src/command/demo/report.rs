//! The table at the end.

use std::time::Duration;

use colony_agents::recording::Recording;
use colony_bus::Bus;
use colony_core::Digest;
use comfy_table::Table;
use serde::Serialize;

use super::cast::Played;
use super::checks::Checked;
use super::company::Company;
use super::joiner::Found;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Format, style};

/// What came of the demonstration. The fields of `--json`.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Whether the text in the log, the recorded text and the late joiner's text are the same.
    converged: bool,
    text_sha256: String,
    expected_sha256: String,
    joiner_sha256: String,
    /// Edits in the log, each counted once, and how many there should be.
    edits: usize,
    edits_expected: usize,
    /// Imported events in the log, each counted once, and how many the file holds.
    events: usize,
    events_expected: usize,
    /// Pages that the scribe wrote, each counted once, and how many there should be.
    pages: usize,
    pages_expected: usize,
    /// Edits, events and pages that should be there and are not.
    lost: usize,
    /// Edits, events and pages that are there more than once.
    duplicated: usize,
    /// Entries that do not continue the hash chain of their lane.
    broken: usize,
    /// Whether the scribe's document says what folding all events says.
    summary_matches: bool,
    /// Who was killed with -9 and started again.
    killed: Vec<String>,
    /// Which instance of the scribe was paused, and for how long.
    paused: String,
    paused_s: f64,
    /// Reactions of the scribe that were run again over the record, and whether they did what they did.
    verified_reactions: u64,
    verify_same: bool,
    /// Edits that the restarted processes found done.
    resumed: usize,
    /// From an edit in one process to its arrival in another, in milliseconds.
    latency_p50_ms: f64,
    latency_p99_ms: f64,
    latency_max_ms: f64,
    /// How long the late joiner took to open everything, in milliseconds.
    joined_ms: u64,
    /// Entries of the log, and the bytes of what they say.
    entries: u64,
    bytes: u64,
    /// The second act, and what coordination cost there.
    company: Company,
    elapsed_s: f64,
    server: String,
    storage: String,
    sync: String,
    replicas: usize,
}

/// What was played, found and checked.
pub(super) struct Acts {
    pub(super) played: Played,
    pub(super) joined: Found,
    pub(super) checked: Checked,
    pub(super) company: Company,
}

impl Report {
    pub(super) fn new(bus: &Bus, recording: &Recording, acts: Acts, elapsed: Duration) -> Self {
        let Acts { mut played, joined, checked, company } = acts;
        let text_sha256 = Digest::of(checked.text.as_bytes()).to_string();
        let expected_sha256 = Digest::of(recording.end.as_bytes()).to_string();
        played.latencies_us.sort_unstable();
        let latency = |percent: usize| {
            let index = (played.latencies_us.len() * percent / 100)
                .min(played.latencies_us.len().saturating_sub(1));
            played.latencies_us.get(index).map_or(0.0, |us| *us as f64 / 1000.0)
        };
        let state = joined.summary.pointer("/summary/state").and_then(|state| state.as_str());
        let written = state.and_then(|state| serde_json::from_str(state).ok());
        let description = bus.description();
        Self {
            converged: text_sha256 == expected_sha256 && joined.text_sha256 == expected_sha256,
            joiner_sha256: joined.text_sha256,
            text_sha256,
            expected_sha256,
            edits: checked.edits,
            edits_expected: checked.edits_expected,
            events: checked.imported,
            events_expected: checked.imported_expected,
            pages: checked.pages,
            pages_expected: checked.pages_expected,
            lost: checked.lost,
            duplicated: checked.duplicated,
            broken: checked.broken,
            summary_matches: written == Some(checked.summary) && joined.events == checked.events,
            killed: played.killed.clone(),
            paused: played.paused.clone(),
            paused_s: played.paused_for.as_secs_f64(),
            verified_reactions: checked.verified.reactions,
            verify_same: checked.verified.difference.is_none() && checked.verified.parked == 0,
            resumed: played.resumed,
            latency_p50_ms: latency(50),
            latency_p99_ms: latency(99),
            latency_max_ms: latency(100),
            joined_ms: joined.elapsed_ms,
            entries: checked.entries,
            bytes: checked.bytes,
            company,
            elapsed_s: elapsed.as_secs_f64(),
            server: description.server.clone(),
            storage: description.storage.clone(),
            sync: description.sync.clone(),
            replicas: description.replicas,
        }
    }

    /// Returns whether everything that was promised is true.
    pub(super) fn holds(&self) -> bool {
        self.converged
            && self.summary_matches
            && self.verify_same
            && self.company.holds()
            && self.pages == self.pages_expected
            && self.lost == 0
            && self.duplicated == 0
            && self.broken == 0
            && self.edits == self.edits_expected
            && self.events == self.events_expected
    }

    pub(super) fn show(&self, context: &Context) -> Result<(), Failure> {
        let mut output = context.output();
        match output.format() {
            Format::Json => output.json(self)?,
            Format::Human => {
                let mut table = Table::new();
                table.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
                table.set_header(["what", "result"]);
                let of = |have: usize, want: usize| format!("{have} of {want}");
                let yes = |holds: bool| if holds { "yes" } else { "NO" }.to_owned();
                for (what, result) in [
                    ("text equals the recorded one, also for the late joiner", yes(self.converged)),
                    ("edits in the log", of(self.edits, self.edits_expected)),
                    ("imported events in the log", of(self.events, self.events_expected)),
                    ("pages that the scribe wrote", of(self.pages, self.pages_expected)),
                    ("lost", self.lost.to_string()),
                    ("doubled", self.duplicated.to_string()),
                    ("entries off their hash chain", self.broken.to_string()),
                    ("the scribe's summary equals a fold of the log", yes(self.summary_matches)),
                    ("killed with -9, started again", self.killed.join(", ")),
                    (
                        "paused for longer than every time-out, resumed",
                        format!("{}, {:.1} s", self.paused, self.paused_s),
                    ),
                    (
                        "the scribe does again what it did",
                        format!("{}, {} reactions", yes(self.verify_same), self.verified_reactions),
                    ),
                    (
                        "from edit to arrival in another process, p50 / p99 / max",
                        format!(
                            "{:.1} / {:.1} / {:.1} ms",
                            self.latency_p50_ms, self.latency_p99_ms, self.latency_max_ms
                        ),
                    ),
                    ("the late joiner opened everything in", format!("{} ms", self.joined_ms)),
                    ("entries, bytes", format!("{}, {}", self.entries, self.bytes)),
                    (
                        "tasks of the company done, twice, while its conductor was dead",
                        format!(
                            "{}, {}, {}",
                            of(self.company.tasks, self.company.tasks_expected),
                            self.company.done_twice,
                            self.company.done_without_conductor
                        ),
                    ),
                    (
                        "the contract ended; its stakes add up",
                        format!("{}; {}", self.company.contract, yes(self.company.ledger_adds_up)),
                    ),
                    (
                        "reasons found over two hops, steps back",
                        format!(
                            "{}, {}",
                            yes(self.company.reasons_found),
                            self.company.handoff_steps
                        ),
                    ),
                    (
                        "entries that are work, that coordinate; messages a task",
                        format!(
                            "{}, {}; {:.1}",
                            self.company.entries_work,
                            self.company.entries_coordination,
                            self.company.messages_per_task
                        ),
                    ),
                    (
                        "pairs of agents that spoke to each other",
                        format!(
                            "{} of {}",
                            self.company.channels_used, self.company.channels_possible
                        ),
                    ),
                    (
                        "waited for each other, all waits together",
                        format!("{:.1} s", self.company.waited_s),
                    ),
                    ("took", format!("{:.1} s", self.elapsed_s)),
                    ("on", format!("{}, {}, sync {}", self.server, self.storage, self.sync)),
                ] {
                    table.add_row([what.to_owned(), result]);
                }
                output.line(table)?;
                let (good, bad) = (style::GOOD, style::ERROR);
                output.line(match self.holds() {
                    true => format!("{good}everything holds{good:#}"),
                    false => format!("{bad}something does not hold{bad:#}"),
                })?;
            }
        }
        output.flush()
    }
}
