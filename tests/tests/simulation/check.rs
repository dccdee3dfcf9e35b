//! What must hold after every run.

use std::collections::{BTreeMap, BTreeSet};

use colony_bus::{Bus, BusOptions, Cut, MemoryLog, Moment, Query};
use colony_core::{AgentName, Entry, EntryKind, Filter, Kind, LaneName, Position};
use futures_util::StreamExt as _;

use crate::actor::{Input, Output, ledger, noted_at};
use crate::world::Scenario;

/// What came of a run.
pub(crate) struct Story {
    pub(crate) log: MemoryLog,
    /// By input, the keys with which the world outside was asked.
    pub(crate) outside: BTreeMap<u64, Vec<String>>,
}

/// Checks a run, and returns what the log holds, a line for each entry.
pub(crate) async fn check(scenario: &Scenario, story: &Story) -> Vec<String> {
    let entries = entries(&story.log).await;
    if std::env::var("COLONY_SHOW").is_ok() {
        entries.iter().for_each(|entry| println!("{}", line(entry)));
    }
    let inputs = inputs(&entries);
    assert_eq!(inputs.len() as u64, scenario.inputs, "every input is there once");
    let outputs = outputs(&entries);
    let parked = parked(&entries);
    outputs_are_those_of_the_inputs(&inputs, &outputs, &parked, scenario.stateless);
    inputs_are_noted_once(&inputs, &parked, story).await;
    order_is_kept(&entries);
    effects_are_recorded_once(&entries, &outputs, story);
    lanes_are_whole(&entries);
    entries.iter().map(line).collect()
}

fn bus(log: &MemoryLog) -> Bus {
    let options = BusOptions::new("lab".parse().unwrap(), "checker".parse().unwrap());
    Bus::on(std::sync::Arc::new(log.clone()), std::sync::Arc::new(log.clone()), options)
}

async fn entries(log: &MemoryLog) -> Vec<Entry> {
    let bus = bus(log);
    let read = bus
        .read(Query { filter: Filter::all(), ..Query::default() })
        .await
        .unwrap()
        .map(|entry| entry.unwrap());
    let entries: Vec<Entry> = read.collect().await;
    entries
}

fn is(entry: &Entry, ty: &str) -> bool {
    entry.event().ty.as_str() == ty
}

fn inputs(entries: &[Entry]) -> BTreeMap<u64, (Entry, Input)> {
    let inputs = entries.iter().filter(|entry| is(entry, "input.came"));
    inputs
        .map(|entry| {
            let input: Input = entry.event().data.to_value().unwrap();
            (input.number, (entry.clone(), input))
        })
        .collect()
}

fn outputs(entries: &[Entry]) -> Vec<(Entry, Output)> {
    let outputs = entries.iter().filter(|entry| is(entry, "output.said"));
    outputs.map(|entry| (entry.clone(), entry.event().data.to_value().unwrap())).collect()
}

/// The inputs that are set aside in the end.
fn parked(entries: &[Entry]) -> BTreeSet<Position> {
    let mut parked = BTreeSet::new();
    for entry in entries {
        let at = |entry: &Entry| -> Position {
            let data: serde_json::Value = entry.event().data.to_value().unwrap();
            Position::new(data["event"].as_u64().unwrap())
        };
        match entry.event().ty.as_str() {
            "reaction.parked" => drop(parked.insert(at(entry))),
            "reaction.resumed" | "reaction.dropped" => drop(parked.remove(&at(entry))),
            _ => {}
        }
    }
    parked
}

/// What a single faultless instance would have said, worked out by hand.
fn outputs_are_those_of_the_inputs(
    inputs: &BTreeMap<u64, (Entry, Input)>,
    outputs: &[(Entry, Output)],
    parked: &BTreeSet<Position>,
    stateless: bool,
) {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut noted: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut blocked: BTreeSet<String> = BTreeSet::new();
    let mut said: BTreeMap<(u64, u64), &(Entry, Output)> = BTreeMap::new();
    for output in outputs {
        let key = (output.1.input, output.1.index);
        assert!(said.insert(key, output).is_none(), "output {key:?} stands twice");
    }
    let mut in_order: Vec<_> = inputs.values().collect();
    in_order.sort_by_key(|(entry, _)| entry.position);
    for (total, (entry, input)) in (1..).zip(in_order) {
        let entity = entry.event().entity.as_ref().map_or("", |entity| entity.as_str());
        let of_entity = counts.entry(entity.to_owned()).or_default();
        *of_entity += 1;
        if input.poison || (!entity.is_empty() && blocked.contains(entity)) {
            blocked.insert(entity.to_owned());
            assert!(parked.contains(&entry.position), "input {} is set aside", input.number);
            continue;
        }
        assert!(!parked.contains(&entry.position), "input {} is dealt with", input.number);
        for index in 0..input.outputs {
            let key = (input.number, index);
            let (at, output) = said.remove(&key).unwrap_or_else(|| panic!("no output {key:?}"));
            let state = if stateless { (0, 0) } else { (*of_entity, total) };
            assert_eq!((output.of_entity, output.total), state, "state of {key:?}");
            assert_eq!(output.now, entry.recorded.to_string(), "time of {key:?}");
            assert_eq!(output.effect.is_some(), input.effect, "effect of {key:?}");
            let before = input.edit.then(|| noted.get(entity).cloned().unwrap_or_default());
            assert_eq!(output.noted, before, "what {key:?} found in the document");
            let cause = at.event().cause.as_ref().unwrap();
            assert_eq!(cause.position, Some(entry.position), "cause of {key:?}");
            assert_eq!(at.envelope.cursor, Some(entry.position), "cursor of {key:?}");
        }
        if input.edit {
            noted.entry(entity.to_owned()).or_default().push(input.number);
        }
    }
    assert!(said.is_empty(), "nobody asked for {:?}", said.keys());
}

/// Each input that asks for it stands in the document, counted once.
async fn inputs_are_noted_once(
    inputs: &BTreeMap<u64, (Entry, Input)>,
    parked: &BTreeSet<Position>,
    story: &Story,
) {
    let until = Moment::Cut(Cut::Position(Position::MAX));
    let document = bus(&story.log).document_at(&ledger(), until).await.unwrap();
    let counted = document.view().unwrap().to_json().unwrap();
    let mut expected = serde_json::Map::new();
    for (entry, input) in inputs.values() {
        if input.edit && !parked.contains(&entry.position) {
            let entity = entry.event().entity.as_ref().map_or("", |entity| entity.as_str());
            let key = noted_at(entity, input.number);
            expected.insert(key.trim_start_matches('/').to_owned(), 1.into());
        }
    }
    assert_eq!(counted, serde_json::Value::Object(expected), "what is noted");
}

fn order_is_kept(entries: &[Entry]) {
    let mut last: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (entry, output) in outputs(entries) {
        let Some(entity) = &entry.event().entity else { continue };
        let this = (output.input, output.index);
        let before = last.insert(entity.as_str().to_owned(), this);
        assert!(before < Some(this), "{entity}: {this:?} stands after {before:?}");
    }
}

fn effects_are_recorded_once(entries: &[Entry], outputs: &[(Entry, Output)], story: &Story) {
    let mut recorded: BTreeMap<Position, u64> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| EntryKind::of(&entry.address) == EntryKind::Effect) {
        let event = entry.event().cause.as_ref().unwrap().position.unwrap();
        let value = entry.event().data.to_value().unwrap();
        assert_eq!(recorded.insert(event, value), None, "an effect of {event} is recorded twice");
    }
    for (entry, output) in outputs {
        let cause = entry.event().cause.as_ref().unwrap().position.unwrap();
        assert_eq!(
            output.effect,
            recorded.get(&cause).copied().filter(|_| output.effect.is_some())
        );
    }
    for (input, keys) in &story.outside {
        let same = keys.iter().collect::<BTreeSet<_>>().len() == 1;
        assert!(same, "input {input} was asked about under several keys");
    }
}

fn lanes_are_whole(entries: &[Entry]) {
    let mut numbers: BTreeMap<(AgentName, LaneName), (u64, Option<colony_core::Digest>)> =
        BTreeMap::new();
    let mut cursors: BTreeMap<LaneName, Position> = BTreeMap::new();
    for entry in entries {
        let colony_core::Address::Lane { lane, kind } = &entry.address else { continue };
        if lane.author.as_str() != "actor" {
            continue;
        }
        let link = entry.envelope.link.unwrap();
        let last = numbers.entry((lane.author.clone(), lane.name.clone())).or_default();
        assert_eq!((link.number, link.previous), (last.0 + 1, last.1), "{lane}");
        *last = (link.number, Some(entry.digest));
        let cursor = entry.envelope.cursor.unwrap_or(Position::ZERO);
        let before = cursors.insert(lane.name.clone(), cursor);
        assert!(before <= Some(cursor), "the cursor of {lane} goes back");
        let first = matches!(kind, Kind::Cursor) && is(entry, "lane.opened");
        assert_eq!(first, link.number == 1, "{lane} begins once");
    }
}

fn line(entry: &Entry) -> String {
    let event = entry.event();
    format!("{} {:?} {} {:?}", entry.position, entry.address, event.id, event.data)
}
