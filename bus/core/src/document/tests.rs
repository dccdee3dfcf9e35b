//! What several replicas do together.

#![allow(clippy::disallowed_methods, reason = "some of them tell how long they took")]

use std::time::Instant;

use jiff::Timestamp;
use serde_json::json;

use super::*;

mod convergence;
mod features;

fn actor(number: u8) -> ActorId {
    ActorId::new([number; 16]).expect("valid actor")
}

fn path(text: &str) -> Path {
    text.parse().expect("valid path")
}

fn now() -> Timestamp {
    Timestamp::from_second(1_700_000_000).expect("valid time")
}

/// Edits and returns the change, which must not be empty.
fn change(
    replica: &mut Replica,
    edit: impl FnOnce(&mut Edit<'_>) -> Result<(), EditError>,
) -> Change {
    replica.edit(now(), None, edit).expect("edit succeeds").1.expect("edit is not empty")
}

fn trace(name: &str) -> serde_json::Value {
    let file = format!("{}/../../data/{name}.json.gz", env!("CARGO_MANIFEST_DIR"));
    let file = std::fs::File::open(file).expect("trace is there");
    serde_json::from_reader(std::io::BufReader::new(flate2::read::GzDecoder::new(file)))
        .expect("trace is JSON")
}

fn patches(transaction: &serde_json::Value) -> Vec<(usize, usize, &str)> {
    let number = |value: &serde_json::Value| value.as_u64().expect("a number") as usize;
    let patches = transaction["patches"].as_array().expect("patches");
    patches
        .iter()
        .map(|patch| (number(&patch[0]), number(&patch[1]), patch[2].as_str().expect("a text")))
        .collect()
}

#[test]
fn the_recorded_edits_of_one_writer_give_the_recorded_text() {
    let trace = trace("sveltecomponent");
    let text = path("/text");
    let mut writer = Replica::new(actor(1));
    change(&mut writer, |edit| edit.set(&text, Value::Text(String::new())));
    let mut changes = Vec::new();
    let start = Instant::now();
    for transaction in trace["txns"].as_array().expect("transactions") {
        let made = change(&mut writer, |edit| {
            patches(transaction)
                .into_iter()
                .try_for_each(|(at, delete, insert)| edit.splice_text(&text, at, delete, insert))
        });
        changes.push(made);
    }
    println!("local edits {:.0}/s", changes.len() as f64 / start.elapsed().as_secs_f64());
    let expected = trace["endContent"].as_str().expect("content");
    assert_eq!(writer.view().text(&text).expect("text"), expected);

    let mut reader = Replica::new(actor(2));
    reader.apply(writer.changes_since(&Heads::empty()).into_iter().take(1)).expect("applies");
    let encoded: Vec<_> = changes.iter().map(Change::encode).collect();
    let start = Instant::now();
    let decoded: Vec<_> =
        encoded.iter().map(|bytes| Change::decode(bytes).expect("decodes")).collect();
    println!("decode {:.0}/s", decoded.len() as f64 / start.elapsed().as_secs_f64());
    let start = Instant::now();
    let applied = reader.apply(decoded).expect("applies");
    println!("apply {:.0}/s", changes.len() as f64 / start.elapsed().as_secs_f64());
    assert_eq!(applied.applied.len(), changes.len());
    assert_eq!(reader.view().text(&text).expect("text"), expected);
    assert_eq!(reader.heads(), writer.heads());
    let start = Instant::now();
    let saved = reader.save();
    println!("save {:?} {} bytes", start.elapsed(), saved.len());
    let start = Instant::now();
    let loaded = Replica::load(actor(3), &saved).expect("loads");
    println!("load {:?}", start.elapsed());
    assert_eq!(loaded.view().text(&text).expect("text"), expected);
    assert_eq!(loaded.heads(), writer.heads());
}

#[test]
fn json_comes_out_as_it_went_in() {
    let mut replica = Replica::new(actor(1));
    let json = json!({"a": {"b": [1, "x", null, true, 1.5, {"c": []}]}, "~/": "ä"});
    change(&mut replica, |edit| edit.put_json(&Path::root(), json.clone()));
    assert_eq!(replica.view().to_json().expect("readable"), json);
    assert_eq!(
        replica.view().value(&path("/a/b/5/c")).expect("readable"),
        Some(Value::List(vec![]))
    );
    assert_eq!(replica.view().value(&path("/~0~1")).expect("readable"), Some("ä".into()));
}

#[test]
fn an_edit_that_fails_leaves_nothing_behind() {
    let mut replica = Replica::new(actor(1));
    change(&mut replica, |edit| edit.set(&path("/a"), 1));
    let (before, heads) = (replica.view().to_json().expect("readable"), replica.heads());
    let failed = replica.edit(now(), None, |edit| {
        edit.set(&path("/a"), 2)?;
        edit.set(&path("/b/c"), Value::Text("x".into()))?;
        edit.splice_text(&path("/b/c"), 5, 0, "y")
    });
    assert!(matches!(failed, Err(EditError::Read(ReadError::OutOfBounds { .. }))));
    assert_eq!((replica.view().to_json().expect("readable"), replica.heads()), (before, heads));
    let (_, nothing) = replica.edit(now(), None, |edit| edit.set(&path("/a"), 1)).expect("edits");
    assert_eq!(nothing, None);
    let next = change(&mut replica, |edit| edit.set(&path("/a"), 3));
    let mut other = Replica::new(actor(2));
    other.apply([next]).expect("parks");
    assert_eq!(other.missing().len(), 1);
    other.apply(replica.changes_since(&Heads::empty())).expect("applies");
    assert_eq!(other.missing(), []);
    assert_eq!(other.view().to_json().expect("readable"), json!({"a": 3}));
    let again = Replica::load(actor(3), &replica.save()).expect("loads");
    assert_eq!(again.heads(), other.heads());
}

#[test]
fn the_recorded_edits_of_two_writers_at_their_recorded_versions_give_the_recorded_text() {
    let trace = trace("friendsforever");
    let text = path("/text");
    let mut first = Replica::new(actor(9));
    let skeleton = change(&mut first, |edit| edit.set(&text, Value::Text(String::new())));
    let mut writers = [first.fork(actor(1)), first.fork(actor(2))];
    let mut backlogs = [Backlog::default(), Backlog::default()];
    let transactions = trace["txns"].as_array().expect("transactions");
    let mut versions: Vec<Heads> = Vec::with_capacity(transactions.len());
    let start = Instant::now();
    for transaction in transactions {
        let agent = transaction["agent"].as_u64().expect("agent") as usize;
        let parents = transaction["parents"].as_array().expect("parents").iter();
        let parents = parents.map(|parent| &versions[parent.as_u64().expect("index") as usize]);
        let mut heads: Heads = parents.flat_map(Heads::iter).collect();
        if heads.is_empty() {
            heads = Heads::from(skeleton.hash());
        }
        writers[agent].apply(backlogs[agent].take(&heads)).expect("applies");
        assert_eq!(writers[agent].heads(), heads);
        let (_, made) = writers[agent]
            .edit_at(&heads, now(), None, |edit| {
                patches(transaction).into_iter().try_for_each(|(at, delete, insert)| {
                    edit.splice_text(&text, at, delete, insert)
                })
            })
            .expect("edits");
        let made = made.expect("every transaction changes something");
        versions.push(Heads::from(made.hash()));
        backlogs[1 - agent].push(made);
    }
    for (writer, backlog) in writers.iter_mut().zip(&mut backlogs) {
        writer.apply(backlog.take_all()).expect("applies");
        assert_eq!((backlog.len(), backlog.bytes()), (0, 0));
    }
    println!("two writers: {:?} for {} transactions", start.elapsed(), transactions.len());
    let expected = trace["endContent"].as_str().expect("content");
    for writer in &writers {
        assert!(writer.view().text(&text).expect("text") == expected, "the texts differ");
        assert!(writer.parked().is_empty());
    }
    assert_eq!(writers[0].heads(), writers[1].heads());
}

/// Where every call walks the document, as in later versions of the library, the rate falls to a hundredth; the margin
/// is for noisy machines. Prints the library's own rate in the same run.
#[test]
fn a_long_history_is_applied_and_blamed_whole() {
    let text = path("/text");
    let mut writer = Replica::new(actor(1));
    change(&mut writer, |edit| edit.set(&text, Value::Text(String::new())));
    let mut reader = writer.fork(actor(2));
    let mut raw = writer.fork(actor(3)).doc;
    const WINDOW: usize = 1_000;
    let mut length = 0_usize;
    let mut count = 0_usize;
    for goal in [1_000, 20_000, 40_000] {
        loop {
            let start = Instant::now();
            let made: Vec<Change> = (0..WINDOW)
                .map(|index| {
                    // Typing in runs of 32 at scattered places.
                    let run = (count + index) / 32;
                    let at = (run * 7_919 + (count + index) % 32) % (length + index + 1);
                    change(&mut writer, |edit| edit.splice_text(&text, at, 0, "x"))
                })
                .collect();
            let edits = WINDOW as f64 / start.elapsed().as_secs_f64();
            length += WINDOW;
            count += WINDOW;
            let start = Instant::now();
            for change in made.clone() {
                raw.apply_changes([change.0]).expect("applies");
            }
            let library = WINDOW as f64 / start.elapsed().as_secs_f64();
            let start = Instant::now();
            for change in made {
                reader.apply([change]).expect("applies");
            }
            let ours = WINDOW as f64 / start.elapsed().as_secs_f64();
            if count >= goal {
                println!("{count}: edit {edits:.0}/s, apply {ours:.0}/s, library {library:.0}/s");
                break;
            }
        }
    }
    let start = Instant::now();
    let blame = reader.view().blame_text(&text).expect("readable");
    println!("blame of {length} characters: {:?}, {} spans", start.elapsed(), blame.len());
    assert_eq!(blame.iter().map(|span| span.len).sum::<usize>(), length);
    assert_eq!(reader.heads(), writer.heads());
}
