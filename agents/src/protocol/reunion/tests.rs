//! What holds when sides meet again.

use colony_core::{Cause, Lane, Position};
use serde_json::json;

use super::*;
use crate::protocol::testing::{agent, given, t};

const fn p(position: u64) -> Position {
    Position::new(position)
}

#[test]
fn a_feed_is_clean_if_each_event_left_one_effect_in_order() {
    assert!(audit([p(1), p(3), p(4)], [p(1), p(3), p(4)]).is_clean());
    let audit = audit([p(1), p(3), p(4), p(5)], [p(1), p(4), p(3), p(4), p(9)]);
    assert_eq!(audit.missing, [p(5)]);
    assert_eq!(audit.doubled, [(p(4), 2)]);
    assert_eq!(audit.strange, [p(9)]);
    assert_eq!(audit.out_of_order, [(p(3), p(4))]);
}

fn side_of(lane: &Lane) -> Option<String> {
    let side = match lane.author.as_str() {
        "ann" | "bob" => "left",
        "cid" => "right",
        _ => return None,
    };
    Some(side.to_owned())
}

#[test]
fn the_report_says_what_each_side_did_and_what_they_touched_unseen() {
    let slot = |how: &str| json!({"resources": [{"name": "slot"}], "class": {"compensable": {"how": how}}});
    let mut told = given()
        .says("zoe", "task.offered", "x", json!({"what": "x"}))
        // Here the sides part; bob and cid both go on with what they know.
        .says("bob", "task.claimed", "x", json!({"until": t(60)}))
        .says("bob", "action.taken", "a", slot("cancel"))
        .says("cid", "task.claimed", "x", json!({"until": t(60)}))
        .says("cid", "action.taken", "b", slot("rebook"))
        // Here they have met: cid knows what bob did.
        .says("cid", "note.made", "x", json!({}));
    let known = Cause { author: agent("bob"), id: "e2".parse().unwrap(), position: Some(p(4)) };
    told.entries[5].envelope.event.cause = Some(known);
    let report = report(&told.entries, p(1), p(6), side_of);
    let (left, right) = (&report.sides["left"], &report.sides["right"]);
    assert_eq!((left.entries, right.entries), (2, 3));
    assert_eq!(left.acts, [(p(3), Deed::Stands)]);
    assert_eq!(right.acts, [(p(5), Deed::ToBeUndone)]);
    assert_eq!(right.ignored.len(), 1, "the second claim lost");
    let unseen = [("right".to_owned(), vec![p(4)])].into();
    let what = Touched::Entity("x".to_owned());
    assert_eq!(report.meetings, [Meeting { what, unseen }]);
    assert!(!report.sides.contains_key("zoe"), "before they parted");
}
