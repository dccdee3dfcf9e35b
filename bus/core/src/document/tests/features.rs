//! Conflicts, blame, undo, cursors, marks, overlaps, old versions, structs.

use super::*;

fn pair(json: serde_json::Value, text: &str) -> (Replica, Replica) {
    let mut ann = Replica::new(actor(1));
    change(&mut ann, |edit| {
        edit.put_json(&Path::root(), json)?;
        edit.set(&path("/text"), Value::Text(text.into()))
    });
    let bob = ann.fork(actor(2));
    (ann, bob)
}

fn sync(one: &mut Replica, other: &mut Replica) {
    let news = one.changes_since(&other.heads());
    other.apply(news).expect("applies");
    let news = other.changes_since(&one.heads());
    one.apply(news).expect("applies");
    assert_eq!(one.heads(), other.heads());
}

fn text_of(replica: &Replica) -> String {
    replica.view().text(&path("/text")).expect("text")
}

fn splice(replica: &mut Replica, at: usize, delete: usize, insert: &str) -> ChangeHash {
    change(replica, |edit| edit.splice_text(&path("/text"), at, delete, insert)).hash()
}

#[test]
fn concurrent_values_are_all_shown_with_their_authors() {
    let (mut ann, mut bob) = pair(json!({"task": {"owner": null}, "list": [0]}), "");
    let owner = path("/task/owner");
    ann.edit(now(), Some("event-a"), |edit| edit.set(&owner, "ann")).expect("edits");
    bob.edit(now(), Some("event-b"), |edit| edit.set(&owner, "bob")).expect("edits");
    let before = ann.heads();
    sync(&mut ann, &mut bob);
    let conflicts = ann.view().conflicts(&owner).expect("readable");
    assert_eq!(conflicts, bob.view().conflicts(&owner).expect("readable"));
    let values: Vec<_> = conflicts
        .iter()
        .map(|conflict| (conflict.value.clone(), conflict.origin.actor.clone()))
        .collect();
    assert_eq!(values, [("ann".into(), actor(1)), ("bob".into(), actor(2))]);
    assert_eq!(conflicts[0].origin.message.as_deref(), Some("event-a"));
    let shown = conflicts.iter().find(|conflict| conflict.shown).map(|conflict| &conflict.value);
    assert_eq!(shown, ann.view().value(&owner).expect("readable").as_ref());
    assert_eq!(ann.view().conflicts_everywhere().expect("readable"), [(owner.clone(), conflicts)]);
    assert_eq!(ann.at(&before).expect("known").conflicts_everywhere().expect("readable"), []);
    change(&mut ann, |edit| edit.set(&owner, "both"));
    assert_eq!(ann.view().conflicts(&owner).expect("readable"), []);
}

#[test]
fn blame_names_the_change_of_every_character_and_key() {
    let (mut ann, mut bob) = pair(json!({"map": {"a": 1}}), "hello");
    let first = ann.heads().as_slice()[0];
    let second = splice(&mut bob, 5, 0, " world");
    let third = splice(&mut ann, 0, 1, "J");
    let set = change(&mut bob, |edit| edit.set(&path("/map/b"), 2)).hash();
    sync(&mut ann, &mut bob);
    let blame = ann.view().blame_text(&path("/text")).expect("readable");
    let spans: Vec<_> =
        blame.iter().map(|span| (span.start, span.len, span.origin.change)).collect();
    assert_eq!(text_of(&ann), "Jello world");
    assert_eq!(spans, [(0, 1, third), (1, 4, first), (5, 6, second)]);
    let fields = ann.view().blame_field(&path("/map")).expect("readable");
    let fields: Vec<_> =
        fields.iter().map(|field| (field.path.to_string(), field.origin.change)).collect();
    assert_eq!(fields, [("/map".into(), first), ("/map/a".into(), first), ("/map/b".into(), set)]);
}

#[test]
fn undo_takes_back_ones_own_edits_and_leaves_those_of_others() {
    let (mut ann, mut bob) =
        pair(json!({"a": 1, "b": 1, "list": [1, {"x": 1}, 3]}), "one two three");
    let typed = splice(&mut ann, 3, 0, " and a half");
    let cut = splice(&mut ann, 0, 3, "");
    let cut_more = splice(&mut ann, 0, 2, "");
    let set = change(&mut ann, |edit| edit.set(&path("/a"), 2)).hash();
    let set_again = change(&mut ann, |edit| edit.set(&path("/a"), 3)).hash();
    let dropped = change(&mut ann, |edit| edit.delete(&path("/b"))).hash();
    let item = change(&mut ann, |edit| edit.splice_list(&path("/list"), 1, 1, [])).hash();
    let made = change(&mut ann, |edit| edit.set(&path("/new"), true)).hash();
    let item_set = change(&mut ann, |edit| edit.set(&path("/list/0"), 9)).hash();
    splice(&mut bob, 13, 0, "!");
    sync(&mut ann, &mut bob);
    assert_eq!(text_of(&ann), "nd a half two three!");
    let all = [typed, cut, cut_more, set, set_again, dropped, item, made, item_set];
    let undo = ann.undo(&all, now(), Some("undo")).expect("undoes").expect("not empty");
    let expected = json!({"a": 1, "b": 1, "list": [1, {"x": 1}, 3], "text": "one two three!"});
    assert_eq!(ann.view().to_json().expect("readable"), expected);
    sync(&mut ann, &mut bob);
    assert_eq!(bob.view().to_json().expect("readable"), expected);
    ann.undo(&[undo.hash()], now(), None).expect("redoes");
    assert_eq!(
        ann.view().to_json().expect("readable"),
        json!({"a": 3, "list": [9, 3], "text": "nd a half two three!", "new": true})
    );
}

#[test]
fn undo_leaves_a_key_that_somebody_else_has_set() {
    let (mut ann, mut bob) = pair(json!({"a": 1}), "");
    let set = change(&mut ann, |edit| edit.set(&path("/a"), 2)).hash();
    sync(&mut ann, &mut bob);
    change(&mut bob, |edit| edit.set(&path("/a"), 7));
    sync(&mut ann, &mut bob);
    assert_eq!(ann.undo(&[set], now(), None).expect("undoes"), None);
    assert_eq!(ann.view().value(&path("/a")).expect("readable"), Some(Value::Int(7)));
}

#[test]
fn a_cursor_stays_at_its_character() {
    let (ann, mut bob) = pair(json!({}), "hello world");
    let text = path("/text");
    let cursor = ann.view().cursor(&text, 6).expect("in range");
    let end = ann.view().cursor(&text, 11).expect("in range");
    let cursor: Cursor = cursor.to_string().parse().expect("reads back");
    splice(&mut bob, 0, 5, "dear old");
    assert_eq!(bob.view().cursor_position(&text, &cursor).expect("known"), 9);
    assert_eq!(bob.view().cursor_position(&text, &end).expect("known"), 14);
    splice(&mut bob, 8, 3, "");
    assert_eq!(bob.view().cursor_position(&text, &cursor).expect("known"), 8);
    assert!(matches!(ann.view().cursor(&text, 12), Err(ReadError::OutOfBounds { .. })));
    for bad in ["", "ä", "-", "1@", "@00", "99999999999@00", "1@zz", "s1"] {
        assert!(bad.parse::<Cursor>().is_err(), "{bad}");
    }
}

#[test]
fn marks_survive_merging_and_can_be_taken_off() {
    let (mut ann, mut bob) = pair(json!({}), "hello world");
    let text = path("/text");
    let bold = |start, end| Mark { start, end, name: "bold".into(), value: true.into() };
    change(&mut ann, |edit| edit.mark(&text, bold(0, 5), Expand::After));
    splice(&mut bob, 5, 0, "!");
    sync(&mut ann, &mut bob);
    splice(&mut bob, 0, 0, ">");
    assert_eq!(bob.view().marks(&text).expect("readable"), [bold(1, 6)]);
    change(&mut bob, |edit| edit.unmark(&text, "bold", 1..3, Expand::Neither));
    assert_eq!(bob.view().marks(&text).expect("readable"), [bold(3, 6)]);
}

#[test]
fn concurrent_edits_nearby_or_of_one_key_are_overlaps_and_others_are_not() {
    let (mut ann, mut bob) = pair(json!({"a": 1, "b": 1}), &"x".repeat(200));
    let seen = splice(&mut ann, 0, 0, "seen");
    sync(&mut ann, &mut bob);
    let near = splice(&mut ann, 10, 2, "ann");
    let far = splice(&mut ann, 150, 0, "ann");
    let set = change(&mut ann, |edit| edit.set(&path("/a"), 2)).hash();
    let his = splice(&mut bob, 14, 0, "bob");
    let his_set = change(&mut bob, |edit| {
        edit.set(&path("/a"), 3)?;
        edit.set(&path("/b"), 3)
    })
    .hash();
    sync(&mut ann, &mut bob);
    let overlaps = ann.overlaps(&[his, his_set]).expect("known");
    let sides = |one, other| {
        (
            Side { actor: actor(1), changes: vec![one] },
            Side { actor: actor(2), changes: vec![other] },
        )
    };
    let found: Vec<_> = overlaps
        .iter()
        .map(|overlap| (overlap.path.to_string(), (overlap.one.clone(), overlap.other.clone())))
        .collect();
    assert_eq!(found, [("/a".into(), sides(set, his_set)), ("/text".into(), sides(near, his))]);
    assert_eq!(ann.overlaps(&[near, far, set]).expect("known"), overlaps);
    assert_eq!(ann.overlaps(&[seen]).expect("known"), []);
}

#[test]
fn an_edit_of_an_old_version_is_concurrent_to_what_came_after() {
    let (mut ann, _) = pair(json!({}), "abc");
    let old = ann.heads();
    splice(&mut ann, 0, 3, "");
    for expected in ["X", "XY"] {
        let insert = expected.chars().last().expect("a char").to_string();
        let (length, made) = ann
            .edit_at(&old, now(), None, |edit| {
                edit.splice_text(&path("/text"), 3, 0, &insert)?;
                Ok(edit.length(&path("/text"))?)
            })
            .expect("edits");
        assert_eq!(length, 4);
        let made = made.expect("not empty").info();
        assert_eq!(made.deps, old.as_slice());
        assert_ne!(made.actor, actor(1));
        assert_eq!(made.actor.base(), actor(1));
        assert_eq!(text_of(&ann).len(), expected.len());
    }
    let mut other = Replica::new(actor(3));
    other.apply(ann.changes_since(&Heads::empty())).expect("applies");
    assert_eq!(other.view().to_json().expect("json"), ann.view().to_json().expect("json"));
    let unknown = Heads::from(ChangeHash::from_bytes([7; 32]));
    let failed = ann.edit_at(&unknown, now(), None, |_| Ok(()));
    assert!(matches!(failed, Err(EditError::Read(ReadError::UnknownHeads { .. }))));
}

#[test]
fn a_second_change_with_an_actors_number_is_refused_with_all_that_waits_for_it() {
    let (mut ann, _) = pair(json!({}), "");
    let mut twin = ann.fork(actor(1));
    splice(&mut ann, 0, 0, "a");
    let stolen = change(&mut twin, |edit| edit.set(&path("/x"), 1));
    let after = change(&mut twin, |edit| edit.set(&path("/x"), 2));
    let before = ann.view().to_json().expect("readable");
    assert_eq!(ann.apply([after.clone()]).expect("parks").parked, 1);
    let applied = ann.apply([stolen.clone()]).expect("refuses");
    assert!(applied.applied.is_empty() && applied.parked == 0);
    let refused: Vec<_> = applied.refused.iter().map(|(hash, _)| *hash).collect();
    assert_eq!(refused, [after.hash(), stolen.hash()]);
    assert!(matches!(applied.refused[1].1, Refusal::DuplicateNumber { seq: 2, .. }));
    assert_eq!(ann.apply([after]).expect("refuses again").refused.len(), 1);
    assert_eq!((ann.missing(), ann.view().to_json().expect("readable")), (vec![], before));
}

#[test]
fn a_struct_goes_in_and_comes_out() {
    #[derive(Debug, Clone, PartialEq, Reconcile, Hydrate)]
    struct Task {
        title: String,
        tags: Vec<String>,
    }
    let mut replica = Replica::new(actor(1));
    let task = Task { title: "dig".into(), tags: vec!["deep".into()] };
    change(&mut replica, |edit| edit.reconcile_at(&path("/tasks/7"), &task));
    let then = replica.heads();
    assert_eq!(replica.view().hydrate_at::<Task>(&path("/tasks/7")).expect("fits"), task);
    change(&mut replica, |edit| edit.set(&path("/tasks/7/title"), "fill"));
    let past = replica.at(&then).expect("known");
    assert_eq!(past.hydrate_at::<Task>(&path("/tasks/7")).expect("fits"), task);
    let misfit = replica.view().hydrate::<Task>();
    assert!(matches!(misfit, Err(ReadError::Hydrate(_))));
}

#[test]
fn counters_add_up_and_history_tells_who_did_what() {
    let (mut ann, mut bob) = pair(json!({}), "");
    let hits = path("/hits");
    change(&mut ann, |edit| edit.set(&hits, Value::Counter(5)));
    sync(&mut ann, &mut bob);
    change(&mut ann, |edit| edit.increment(&hits, 2));
    bob.edit(now(), Some("event-9"), |edit| edit.increment(&hits, -1)).expect("edits");
    sync(&mut ann, &mut bob);
    assert_eq!(ann.view().to_json().expect("readable")["hits"], json!(6));
    let last = bob.history().find(|info| info.message.as_deref() == Some("event-9"));
    let last = last.expect("recorded");
    assert_eq!((last.actor, last.seq, last.time, last.ops), (actor(2), 1, now(), 1));
    assert_eq!(ann.change_count(), 4);
    let wrong = ann.edit(now(), None, |edit| edit.increment(&path("/text"), 1));
    assert!(matches!(wrong, Err(EditError::Read(ReadError::WrongKind { .. }))));
}

#[test]
fn a_large_change_is_compressed_and_has_the_same_hash() {
    let mut ann = Replica::new(actor(1));
    let made = change(&mut ann, |edit| edit.set(&path("/text"), Value::Text("ä".repeat(5000))));
    let bytes = made.encode();
    assert!(bytes.len() < 1000);
    let read = Change::decode(&bytes).expect("decodes");
    assert_eq!(read.hash(), made.hash());
    let tail: Vec<u8> = [bytes.as_ref(), bytes.as_ref()].concat();
    assert!(matches!(Change::decode(&tail), Err(DecodeError::Trailing { .. })));
    assert_eq!(Change::decode_all(&tail).expect("decodes").len(), 2);
    let mut bob = Replica::load(actor(2), &ann.save_after(&Heads::empty())).expect("loads");
    assert_eq!(bob.heads(), ann.heads());
    assert_eq!(bob.apply([read]).expect("applies").duplicates, 1);
}
