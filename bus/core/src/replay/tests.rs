use proptest::collection::vec;
use proptest::prelude::*;

use std::collections::BTreeMap;

use super::*;
use crate::Digest;
use crate::envelope::Envelope;
use crate::event::{Cause, Event};
use crate::lane::LaneHead;
use crate::subject::{Address, Kind, Lane};
use crate::timestamp::Timestamp;

const LOG: &str = "lab@1";

fn event(author: &str, id: &str, cause: Option<(&str, &str)>) -> Event {
    let mut event =
        Event::new(author.parse().unwrap(), id.parse().unwrap(), "task.done".parse().unwrap());
    event.cause = cause.map(|(author, id)| Cause {
        author: author.parse().unwrap(),
        id: id.parse().unwrap(),
        position: None,
    });
    event
}

fn entry(position: u64, event: Event, kind: Option<Kind>) -> Entry {
    let kind =
        kind.unwrap_or_else(|| Kind::Event { ty: event.ty.clone(), entity: event.entity.clone() });
    let lane = Lane { author: event.author.clone(), name: "main".parse().unwrap() };
    Entry {
        position: Position::new(position),
        recorded: Timestamp::from_nanos(position as i64),
        address: Address::Lane { lane, kind },
        envelope: Envelope::from(event),
        digest: Digest::of(&position.to_be_bytes()),
        signature: None,
    }
}

fn fold<P: Projection>(projection: P, entries: &[Entry]) -> Fold<P> {
    let mut fold = Fold::new(projection);
    entries.iter().for_each(|entry| fold.apply(entry));
    fold
}

fn key(author: &str, id: &str) -> EntryKey {
    EntryKey { author: author.parse().unwrap(), id: id.parse().unwrap() }
}

fn told(steps: &[Step<'_>]) -> Vec<String> {
    steps
        .iter()
        .map(|step| match step {
            Step::Entry(node) => node.key.id.to_string(),
            Step::Missing(cause) => format!("missing {}", cause.id),
            Step::Cycle(node) => format!("cycle {}", node.key.id),
        })
        .collect()
}

fn tree(story: &Story, of: &EntryKey, limit: usize) -> Vec<(usize, String)> {
    let branches = story.consequences(of, limit);
    branches.iter().map(|b| (b.depth, b.node.key.id.to_string())).collect()
}

/// a <- b <- document change c; a <- d; and e whose cause is not in the log.
fn tale() -> Vec<Entry> {
    vec![
        entry(1, event("ada", "a", None), None),
        entry(2, event("bob", "b", Some(("ada", "a"))), None),
        entry(
            4,
            event("bob", "c", Some(("bob", "b"))),
            Some(Kind::Document("notes".parse().unwrap())),
        ),
        entry(5, event("cy", "d", Some(("ada", "a"))), None),
        entry(6, event("cy", "e", Some(("zoe", "lost"))), None),
    ]
}

#[test]
fn why_goes_back_to_the_root_over_events_and_documents() {
    let story = fold(Stories, &tale()).into_state();
    assert_eq!(told(&story.root_path(&key("bob", "c"))), ["c", "b", "a"]);
    assert_eq!(told(&story.root_path(&key("cy", "e"))), ["e", "missing lost"]);
    assert!(story.root_path(&key("ada", "nothing")).is_empty());
}

#[test]
fn why_goes_forward_to_every_consequence() {
    let story = fold(Stories, &tale()).into_state();
    let expected = [(1, "b"), (2, "c"), (1, "d")].map(|(depth, id)| (depth, id.to_owned()));
    assert_eq!(tree(&story, &key("ada", "a"), 10), expected);
    assert_eq!(tree(&story, &key("ada", "a"), 2), expected[..2]);
    assert_eq!(tree(&story, &key("zoe", "lost"), 10), [(1, "e".to_owned())]);
}

#[test]
fn a_cycle_ends_the_story_and_not_the_program() {
    let entries = [
        entry(1, event("ada", "a", Some(("ada", "b"))), None),
        entry(2, event("ada", "b", Some(("ada", "a"))), None),
        entry(3, event("ada", "self", Some(("ada", "self"))), None),
    ];
    let story = fold(Stories, &entries).into_state();
    assert_eq!(told(&story.root_path(&key("ada", "a"))), ["a", "b", "cycle a"]);
    assert_eq!(told(&story.root_path(&key("ada", "self"))), ["self", "cycle self"]);
    assert_eq!(tree(&story, &key("ada", "a"), 10), [(1, "b".to_owned())]);
    assert_eq!(tree(&story, &key("ada", "self"), 10), []);
}

#[test]
fn a_story_may_be_as_deep_as_the_log() {
    let mut entries = vec![entry(1, event("ada", "0", None), None)];
    for n in 1..100_000_u64 {
        let cause = (n - 1).to_string();
        entries.push(entry(n + 1, event("ada", &n.to_string(), Some(("ada", &cause))), None));
    }
    let story = fold(Stories, &entries).into_state();
    assert_eq!(story.root_path(&key("ada", "99999")).len(), 100_000);
    assert_eq!(story.consequences(&key("ada", "0"), usize::MAX).len(), 99_999);
}

#[test]
fn statistics_count_what_there_is() {
    let state = fold(Statistics, &tale()).into_state();
    assert_eq!((state.entries, state.kinds.len(), state.documents.len()), (5, 2, 1));
    assert_eq!(state.authors[&"bob".parse().unwrap()], 2);
    assert_eq!(state.first.unwrap().position, Position::new(1));
    assert_eq!(state.last.unwrap().position, Position::new(6));
}

#[test]
fn entities_keep_what_happened_last() {
    let about = |position, id| {
        let mut event = event("ada", id, None);
        event.entity = Some("42".parse().unwrap());
        entry(position, event, None)
    };
    let state = fold(Entities, &[about(3, "x"), about(7, "y")]).into_state();
    let known = state.get(&"42".parse().unwrap()).unwrap();
    assert_eq!((known.events, known.first.position), (2, Position::new(3)));
    assert_eq!((known.last.id.as_str(), known.last.moment.position), ("y", Position::new(7)));
}

#[test]
fn an_entry_taken_twice_counts_once() {
    let entries = tale();
    let twice: Vec<_> = entries.iter().flat_map(|e| [e.clone(), e.clone()]).collect();
    assert_eq!(fold(Statistics, &twice).state(), fold(Statistics, &entries).state());
}

#[test]
fn an_overview_is_its_parts_and_a_document_is_counted_once_an_entry() {
    let state = fold(Overview, &tale()).into_state();
    assert_eq!(state.statistics, fold(Statistics, &tale()).into_state());
    assert_eq!(state.entities, fold(Entities, &tale()).into_state());
    let notes = &state.documents[&"notes".parse().unwrap()];
    assert_eq!((notes.entries, notes.last.position), (1, Position::new(4)));
    assert_eq!(notes.author.as_str(), "bob");
}

#[test]
fn a_late_copy_changes_nothing() {
    let entries = with_late_copies(&tale());
    assert_eq!(entries.len(), tale().len() + 1);
    assert_eq!(fold(Statistics, &entries).state().entries, 5);
}

#[test]
fn deleting_a_snapshot_changes_no_state() {
    let mut entries = tale();
    let kind = Kind::Snapshot("notes".parse().unwrap());
    entries.push(entry(7, event("bob", "s", None), Some(kind)));
    let with = fold(Statistics, &entries);
    assert_eq!(with.state(), fold(Statistics, &tale()).state());
    // Nor is the log known by it.
    assert!(matches!(with.checkpoint(LOG), Err(CheckpointError::NoEntry { .. })));
}

#[test]
fn a_checkpoint_of_another_log_or_projection_is_never_believed() {
    let checkpoint = fold(Statistics, &tale()).checkpoint(LOG).unwrap();
    assert!(Fold::resume(Statistics, LOG, &checkpoint).is_ok());
    assert!(matches!(
        Fold::resume(Statistics, "lab@2", &checkpoint),
        Err(CheckpointError::Log { .. })
    ));
    assert!(matches!(
        Fold::resume(Entities, LOG, &checkpoint),
        Err(CheckpointError::Projection { .. })
    ));
}

#[test]
fn an_altered_checkpoint_is_never_believed() {
    let bytes = fold(Entities, &tale()).checkpoint(LOG).unwrap().encode().unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        let believed = Checkpoint::decode(altered).is_ok_and(|checkpoint| {
            Fold::resume(Entities, LOG, &checkpoint).is_ok()
                && checkpoint.encode().unwrap() != bytes
        });
        assert!(!believed, "bit {bit}");
    }
    for end in 0..bytes.len() {
        assert!(Checkpoint::decode(bytes[..end].to_vec()).is_err());
    }
}

fn log() -> impl Strategy<Value = Vec<Entry>> {
    let one = ("[ab]", "[a-f]", proptest::option::of(("[ab]", "[a-f]")), 0_u8..4, 1_u64..4);
    vec(one, 0..24).prop_map(|list| {
        let mut position = 0;
        list.into_iter()
            .map(|(author, id, cause, kind, gap)| {
                position += gap;
                let cause = cause.as_ref().map(|(author, id)| (author.as_str(), id.as_str()));
                let mut event = event(&author, &id, cause);
                let name = format!("e{}", kind % 2);
                event.entity = Some(name.parse().unwrap());
                let kind = match kind {
                    0 | 1 => None,
                    2 => Some(Kind::Document(name.parse().unwrap())),
                    _ => Some(Kind::Cursor),
                };
                entry(position, event, kind)
            })
            .collect()
    })
}

/// Gives each entry its place in its author's lane; every third one comes again, late, as a copy.
fn with_late_copies(entries: &[Entry]) -> Vec<Entry> {
    let mut heads: BTreeMap<String, LaneHead> = BTreeMap::new();
    let mut out = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let head = heads.entry(entry.event().author.to_string()).or_default();
        let mut linked = entry.clone();
        linked.position = Position::new(entry.position.get() * 2);
        let link = head.next();
        head.advance(link, linked.digest);
        linked.envelope.link = Some(link);
        out.push(linked);
        if index % 3 == 2 {
            let mut copy = out[index / 3].clone();
            copy.position = Position::new(entry.position.get() * 2 + 1);
            out.push(copy);
        }
    }
    out
}

fn resumed_equals_anew<P>(projection: P, entries: &[Entry]) -> Result<(), TestCaseError>
where
    P: Projection + Clone,
    P::State: PartialEq + std::fmt::Debug,
{
    let entries = &with_late_copies(entries)[..];
    let whole = fold(projection.clone(), entries);
    for cut in 1..=entries.len() {
        let bytes = fold(projection.clone(), &entries[..cut]).checkpoint(LOG).unwrap().encode();
        let checkpoint = Checkpoint::decode(bytes.unwrap()).unwrap();
        let mut fold = Fold::resume(projection.clone(), LOG, &checkpoint).unwrap();
        entries.iter().for_each(|entry| fold.apply(entry));
        prop_assert_eq!(fold.state(), whole.state());
        prop_assert_eq!(fold.position(), whole.position());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn folding_on_from_any_checkpoint_equals_folding_anew(entries in log()) {
        resumed_equals_anew(Statistics, &entries)?;
        resumed_equals_anew(Entities, &entries)?;
        resumed_equals_anew(Stories, &entries)?;
        resumed_equals_anew(Overview, &entries)?;
    }

    #[test]
    fn every_known_cause_is_found_both_ways(entries in log()) {
        let story = fold(Stories, &entries).into_state();
        for node in story.nodes() {
            let path = story.root_path(&node.key);
            for step in path.iter().skip(1) {
                if let Step::Entry(cause) = step {
                    let led_to = story.consequences(&cause.key, usize::MAX);
                    prop_assert!(led_to.iter().any(|branch| branch.node == node));
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_a_checkpoint_or_an_error(bytes in vec(any::<u8>(), 0..200)) {
        let _ = Checkpoint::decode(bytes);
    }
}
