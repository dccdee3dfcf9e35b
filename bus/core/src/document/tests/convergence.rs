//! Any order, any duplication, any splitting; bad bytes.

use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Splice { who: usize, at: usize, delete: usize, insert: String },
    Put { who: usize, key: u8, value: i64 },
    Delete { who: usize, key: u8 },
    Increment { who: usize, by: i64 },
    Push { who: usize, at: usize, value: i64 },
    Mark { who: usize, start: usize, length: usize },
    Merge { into: usize, from: usize },
}

const WRITERS: usize = 3;

fn step() -> impl Strategy<Value = Step> {
    let who = 0..WRITERS;
    prop_oneof![
        4 => (who.clone(), 0..30_usize, 0..3_usize, "[a-zä🐜]{0,3}")
            .prop_map(|(who, at, delete, insert)| Step::Splice { who, at, delete, insert }),
        2 => (who.clone(), 0..4_u8, any::<i64>())
            .prop_map(|(who, key, value)| Step::Put { who, key, value }),
        1 => (who.clone(), 0..4_u8).prop_map(|(who, key)| Step::Delete { who, key }),
        1 => (who.clone(), -5..5_i64).prop_map(|(who, by)| Step::Increment { who, by }),
        1 => (who.clone(), 0..9_usize, any::<i64>())
            .prop_map(|(who, at, value)| Step::Push { who, at, value }),
        1 => (who.clone(), 0..30_usize, 0..9_usize)
            .prop_map(|(who, start, length)| Step::Mark { who, start, length }),
        2 => (who.clone(), who).prop_map(|(into, from)| Step::Merge { into, from }),
    ]
}

fn run(writers: &mut [Replica], step: &Step) {
    let (text, list, hits) = (path("/text"), path("/list"), path("/hits"));
    let mut edit = |who: usize, edit: &dyn Fn(&mut Edit<'_>) -> Result<(), EditError>| {
        writers[who].edit(now(), None, |tx| edit(tx)).expect("edit succeeds");
    };
    match step {
        Step::Splice { who, at, delete, insert } => edit(*who, &|tx| {
            let length = tx.length(&text)?;
            let at = at % (length + 1);
            tx.splice_text(&text, at, (*delete).min(length - at), insert)
        }),
        Step::Put { who, key, value } => {
            edit(*who, &|tx| tx.set(&path(&format!("/map/{key}")), *value));
        }
        Step::Delete { who, key } => edit(*who, &|tx| {
            let key = path(&format!("/map/{key}"));
            if tx.value(&key)?.is_some() { tx.delete(&key) } else { Ok(()) }
        }),
        Step::Increment { who, by } => edit(*who, &|tx| tx.increment(&hits, *by)),
        Step::Push { who, at, value } => edit(*who, &|tx| {
            let length = tx.length(&list)?;
            tx.insert(&list, at % (length + 1), *value)
        }),
        Step::Mark { who, start, length } => edit(*who, &|tx| {
            let end = tx.length(&text)?;
            let start = start % (end + 1);
            let end = (start + length).min(end);
            let mark = Mark { start, end, name: "bold".into(), value: true.into() };
            tx.mark(&text, mark, Expand::After)
        }),
        Step::Merge { into, from } => {
            let news = writers[*from].changes_since(&writers[*into].heads());
            writers[*into].apply(news).expect("applies");
        }
    }
}

/// Three writers' concurrent work on one document.
fn writers(steps: &[Step]) -> Vec<Replica> {
    let mut first = Replica::new(actor(1));
    change(&mut first, |edit| {
        edit.put_json(&Path::root(), json!({"map": {}, "list": []}))?;
        edit.set(&path("/hits"), Value::Counter(0))?;
        edit.set(&path("/text"), Value::Text("abc".into()))
    });
    let mut writers: Vec<_> = (1_u8..=3).map(|number| first.fork(actor(number))).collect();
    for step in steps {
        run(&mut writers, step);
    }
    writers
}

fn all_changes(writers: &[Replica]) -> Vec<Change> {
    writers.iter().flat_map(|writer| writer.changes_since(&Heads::empty())).collect()
}

fn state(replica: &Replica) -> (Heads, serde_json::Value, Vec<Mark>) {
    let view = replica.view();
    let marks = view.marks(&path("/text")).expect("readable");
    (replica.heads(), view.to_json().expect("readable"), marks)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_order_duplication_and_splitting_of_changes_converges(
        steps in prop::collection::vec(step(), 1..40),
        order in prop::collection::vec(any::<prop::sample::Index>(), 1..200),
        split in 1..17_usize,
    ) {
        let writers = writers(&steps);
        let changes = all_changes(&writers);
        let mut reference = Replica::new(actor(8));
        reference.apply(changes.clone()).expect("applies");
        prop_assert_eq!(reference.missing(), vec![]);

        // Every change at least once, in an order drawn from `order`; each comes over the wire.
        let mut shuffled: Vec<_> = order.iter().map(|index| index.get(&changes).clone()).collect();
        let mut rest = changes.clone();
        for index in &order {
            let (a, b) = (index.index(rest.len()), rest.len() - 1);
            rest.swap(a, b);
        }
        shuffled.extend(rest);
        let mut reader = Replica::new(actor(9));
        let mut watched = String::new();
        for batch in shuffled.chunks(split) {
            let batch = batch.iter().map(|change| Change::decode(&change.encode()));
            let batch: Vec<_> = batch.collect::<Result<_, _>>().expect("decodes");
            let (applied, patches) = reader.apply_watched(batch).expect("applies");
            watched = patched(&watched, &patches);
            prop_assert_eq!(&watched, &reader.view().text(&path("/text")).unwrap_or_default());
            prop_assert_eq!(applied.parked, reader.parked().len());
            prop_assert_eq!(reader.missing().is_empty(), applied.parked == 0);
            prop_assert_eq!(applied.refused, vec![]);
        }
        prop_assert_eq!(reader.parked(), vec![]);
        prop_assert_eq!(state(&reader), state(&reference));
        let loaded = Replica::load(actor(7), &reader.save()).expect("loads");
        prop_assert_eq!(state(&loaded), state(&reference));
        for writer in writers {
            let seen = writer.heads();
            let mut behind = Replica::load(actor(7), &writer.save()).expect("loads");
            behind.apply(reference.changes_since(&seen)).expect("applies");
            prop_assert_eq!(state(&behind), state(&reference));
        }
    }

    #[test]
    fn the_past_reads_as_it_was_and_a_diff_leads_from_it_to_the_present(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let mut replica = writers(&[]).remove(0);
        let mut past = vec![state(&replica)];
        for step in &steps {
            run(std::slice::from_mut(&mut replica), &alone(step));
            past.push(state(&replica));
        }
        for (heads, json, marks) in past {
            let view = replica.at(&heads).expect("known");
            prop_assert_eq!(&view.to_json().expect("readable"), &json);
            prop_assert_eq!(view.marks(&path("/text")).expect("readable"), marks);
            let diff = replica.diff(&heads, &replica.heads()).expect("known");
            let text = json["text"].as_str().expect("text");
            let expected = replica.view().text(&path("/text")).expect("text");
            prop_assert_eq!(patched(text, &diff), expected);
        }
    }

    #[test]
    fn random_bytes_are_errors(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Change::decode(&bytes).is_err());
        prop_assert!(Replica::load(actor(1), &bytes).is_err());
    }

    #[test]
    fn damaged_bytes_are_errors(
        steps in prop::collection::vec(step(), 1..10),
        at in any::<prop::sample::Index>(),
        damage in 1..=255_u8,
        cut in any::<bool>(),
    ) {
        let writer = writers(&steps).remove(0);
        let changes = writer.changes_since(&Heads::empty());
        for bytes in [writer.save(), changes.last().expect("a change").encode().to_vec()] {
            let mut bad = bytes.clone();
            if cut { bad.truncate(at.index(bytes.len())) } else { bad[at.index(bytes.len())] ^= damage }
            prop_assert!(Change::decode(&bad).is_err());
            prop_assert!(Replica::load(actor(1), &bad).is_err());
        }
    }

    #[test]
    fn forged_changes_with_a_valid_checksum_do_no_harm(
        steps in prop::collection::vec(step(), 1..10),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let writers = writers(&steps);
        let changes = all_changes(&writers);
        let (last, earlier) = changes.split_last().expect("a change");
        let mut bytes = last.encode().to_vec();
        for (at, byte) in damage {
            let at = 8 + at.index(bytes.len() - 8);
            bytes[at] = byte;
        }
        let sum = Sha256::digest(&bytes[8..]);
        bytes[4..8].copy_from_slice(&sum[..4]);

        let mut victim = Replica::new(actor(9));
        victim.apply(earlier.to_vec()).expect("applies");
        if let Ok(forged) = Change::decode(&bytes) {
            // Whatever becomes of it, what was there stays readable, and what is saved can be loaded.
            victim.apply([forged]).expect("the replica lives on");
            let json = victim.view().to_json().expect("readable");
            let loaded = Replica::load(actor(7), &victim.save()).expect("loads");
            prop_assert_eq!(loaded.view().to_json().expect("readable"), json);
            change(&mut victim, |edit| edit.set(&path("/more"), 1));
            victim.apply([last.clone()]).expect("the replica lives on");
        }
    }
}

fn alone(step: &Step) -> Step {
    let mut step = step.clone();
    match &mut step {
        Step::Splice { who, .. }
        | Step::Put { who, .. }
        | Step::Delete { who, .. }
        | Step::Increment { who, .. }
        | Step::Push { who, .. }
        | Step::Mark { who, .. } => *who = 0,
        Step::Merge { into, from } => (*into, *from) = (0, 0),
    }
    step
}

fn patched(text: &str, patches: &[Patch]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for patch in patches.iter().filter(|patch| patch.path == path("/text")) {
        match &patch.action {
            PatchAction::SpliceText { index, text } => {
                chars.splice(index..index, text.chars());
            }
            PatchAction::Remove { index, count } => {
                chars.drain(*index..index + count);
            }
            _ => {}
        }
    }
    chars.into_iter().collect()
}
