//! What must be true at the end, read from the log by somebody who took no part.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _};

use colony_agents::recording::Recording;
use colony_agents::summary::{Scribe, Summary};
use colony_agents::{Verified, VerifyRange, verify};
use colony_bus::{Bus, Query};
use colony_core::document::Replica;
use colony_core::lane::{LaneChecker, Verdict};
use colony_core::{Kind, Position, cloudevents};
use futures_util::StreamExt as _;

use super::input::Input;
use super::writer::{changes_of, is_nothing, read_label};
use super::{DemoError, STORY, SUMMARY, constant, name, text_path};
use crate::failure::Failure;

/// What the log holds.
#[derive(Debug, Default)]
pub(super) struct Checked {
    pub(super) text: String,
    pub(super) edits: usize,
    pub(super) edits_expected: usize,
    pub(super) imported: usize,
    pub(super) imported_expected: usize,
    pub(super) events: usize,
    pub(super) entries: u64,
    pub(super) bytes: u64,
    /// Pages that the scribe wrote, and how many events ask for one.
    pub(super) pages: usize,
    pub(super) pages_expected: usize,
    /// Events, edits and pages that should be there and are not.
    pub(super) lost: usize,
    /// Events, edits and pages that are there more than once.
    pub(super) duplicated: usize,
    /// Entries that do not continue their lane.
    pub(super) broken: usize,
    /// The fold of all events.
    pub(super) summary: Summary,
    /// What came of running the scribe again over all that is recorded.
    pub(super) verified: Verified,
}

/// Reads everything once, and lets the scribe do again what it did, as far as its record goes.
pub(super) async fn check(
    bus: &Bus,
    scribe: &Bus,
    recording: &Recording,
    input: &Input,
) -> Result<Checked, Failure> {
    let expected = expected_events(input)?;
    let mut checked = Checked { imported_expected: expected.len(), ..Checked::default() };
    let mut lanes = LaneChecker::new();
    let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut typed: BTreeMap<usize, usize> = BTreeMap::new();
    let mut asked: BTreeSet<Position> = BTreeSet::new();
    let mut written: BTreeMap<Position, usize> = BTreeMap::new();
    let mut replica = Replica::new(constant_actor());
    let mut entries = bus.read(Query::default()).await?;
    while let Some(entry) = entries.next().await {
        let entry = entry?;
        checked.entries += 1;
        checked.bytes += entry.event().data.len() as u64;
        if let Verdict::Broken { .. } | Verdict::Void = lanes.judge(&entry) {
            checked.broken += 1;
        }
        match entry.kind() {
            Some(Kind::Event { .. } | Kind::Mail { .. }) => {
                checked.events += 1;
                checked.summary.evolve(&entry);
                if Scribe::writes(&checked.summary, &entry) {
                    asked.insert(entry.position);
                }
                let event = entry.event();
                let key = (event.author.to_string(), event.id.to_string());
                *seen.entry(key).or_default() += 1;
            }
            Some(Kind::Document(document)) if document.as_str() == STORY => {
                let changes = changes_of(&entry)?;
                for (number, _) in changes.iter().filter_map(read_label) {
                    *typed.entry(number).or_default() += 1;
                }
                let applied = replica.apply(changes);
                applied
                    .map_err(|error| DemoError::Part { part: "check", why: error.to_string() })?;
            }
            Some(Kind::Document(document)) if document.as_str() == SUMMARY => {
                let cause = entry.event().cause.as_ref().and_then(|cause| cause.position);
                *written.entry(cause.unwrap_or_default()).or_default() += 1;
            }
            Some(Kind::Document(_) | Kind::Snapshot(_) | Kind::Effect(_) | Kind::Cursor) | None => {
            }
        }
    }
    checked.imported = expected.iter().filter(|key| seen.contains_key(*key)).count();
    let numbers = recording.transactions.iter().enumerate();
    let wanted: Vec<_> = numbers.filter(|(_, t)| !is_nothing(t)).map(|(n, _)| n).collect();
    checked.edits_expected = wanted.len();
    checked.edits = wanted.iter().filter(|number| typed.contains_key(number)).count();
    checked.pages_expected = asked.len();
    checked.pages = asked.iter().filter(|event| written.contains_key(event)).count();
    checked.lost = checked.imported_expected - checked.imported + checked.edits_expected
        - checked.edits
        + checked.pages_expected
        - checked.pages;
    let twice = |counts: &mut dyn Iterator<Item = &usize>| counts.map(|n| n - 1).sum::<usize>();
    let unasked = written.keys().filter(|event| !asked.contains(event)).count();
    checked.duplicated = twice(&mut seen.values())
        + twice(&mut typed.values())
        + twice(&mut written.values())
        + unasked;
    checked.text = replica.view().text(&text_path()).map_err(DemoError::Text)?;
    checked.verified = verify(scribe, Scribe::new(name(SUMMARY)), VerifyRange::default())
        .await
        .map_err(DemoError::Verify)?;
    Ok(checked)
}

fn constant_actor() -> colony_core::document::ActorId {
    constant("00")
}

/// Reads which events the file holds.
fn expected_events(input: &Input) -> Result<BTreeSet<(String, String)>, Failure> {
    let failed = || Failure::file(&input.events, "read");
    let mut bytes = Vec::new();
    let mut file = std::fs::File::open(&input.events).map_err(failed())?;
    file.read_to_end(&mut bytes).map_err(failed())?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut plain = Vec::new();
        let mut gzip = flate2::read::MultiGzDecoder::new(bytes.as_slice());
        gzip.read_to_end(&mut plain).map_err(failed())?;
        bytes = plain;
    }
    let mut expected = BTreeSet::new();
    for line in BufReader::new(bytes.as_slice()).lines() {
        let line = line.map_err(failed())?;
        if line.trim().is_empty() {
            continue;
        }
        let envelope = cloudevents::from_json(&line)?;
        let event = envelope.event;
        expected.insert((event.author.to_string(), event.id.to_string()));
    }
    Ok(expected)
}
