//! Edits at the same place whose authors did not know of each other.

use std::collections::{BTreeMap, BTreeSet};

use automerge::{self as am, ReadDoc};
use serde::Serialize;

use super::error::ReadError;
use super::heads::{ActorId, ChangeHash, Heads};
use super::operation::{self, Action, Key};
use super::path::Path;
use super::replica::Replica;

/// How near to each other edits of one text must be to count as edits of one region, in characters.
pub const OVERLAP_DISTANCE: usize = 16;

/// Two authors' edits at one place, made without knowledge of each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Overlap {
    /// The key or element that both set, or the text or list that both edited nearby.
    pub path: Path,
    /// The part of the text or list, as positions of the newest version; `None` for a key or element.
    pub region: Option<(usize, usize)>,
    /// One author and its changes.
    pub one: Side,
    /// The other author and its changes.
    pub other: Side,
}

/// An author's part in an [`Overlap`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Side {
    /// The author; a derived actor goes by its base, see [`ActorId::base`].
    pub actor: ActorId,
    /// The changes, in ascending order of hash.
    pub changes: Vec<ChangeHash>,
}

/// What a change touched in one object.
#[derive(Default)]
struct Touched {
    keys: BTreeSet<String>,
    /// Positions from first to last, in ascending order, apart from each other.
    ranges: Vec<(usize, usize)>,
}

/// An object, a key of it or none, and the two authors.
type Place = (am::ObjId, Option<String>, ActorId, ActorId);

#[derive(Default)]
struct Found {
    region: Option<(usize, usize)>,
    one: BTreeSet<ChangeHash>,
    other: BTreeSet<ChangeHash>,
}

impl Replica {
    /// Finds where the given changes and changes of other authors overlap that neither had seen the other.
    ///
    /// There is at most one entry for a place and a pair of authors, in the order of the places' names. Call it with the
    /// changes of [`Applied::applied`](super::Applied::applied) when they have arrived: it costs time proportional to
    /// the changes that are concurrent to them, times the number given, and nothing when it is not called.
    ///
    /// # Errors
    ///
    /// [`ReadError::UnknownHeads`] when a change is not here.
    pub fn overlaps(&self, changes: &[ChangeHash]) -> Result<Vec<Overlap>, ReadError> {
        self.require(&changes.iter().copied().collect::<Heads>())?;
        let mut touched = BTreeMap::new();
        let mut found: BTreeMap<Place, Found> = BTreeMap::new();
        for hash in changes {
            let Some(mine) = self.doc.get_change_by_hash(&hash.to_am()) else { continue };
            let concurrent = self.concurrent(mine);
            if concurrent.is_empty() {
                continue;
            }
            for change in concurrent.iter().chain([&mine]) {
                touched.entry(change.hash()).or_insert_with(|| self.touched(change));
            }
            for theirs in concurrent {
                let author = |change: &am::Change| ActorId::from_am(change.actor_id()).base();
                let (one, other) =
                    if author(mine) < author(theirs) { (mine, theirs) } else { (theirs, mine) };
                let (Some(left), Some(right)) =
                    (touched.get(&one.hash()), touched.get(&other.hash()))
                else {
                    continue;
                };
                for (object, key, region) in intersect(left, right) {
                    let place = (object, key, author(one), author(other));
                    let entry = found.entry(place).or_default();
                    entry.region = match (entry.region, region) {
                        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
                        (known, new) => known.or(new),
                    };
                    entry.one.insert(ChangeHash::from_am(one.hash()));
                    entry.other.insert(ChangeHash::from_am(other.hash()));
                }
            }
        }
        let overlaps = found.into_iter().map(|((object, key, one, other), found)| Overlap {
            path: self.path_of(&object, key),
            region: found.region,
            one: Side { actor: one, changes: found.one.into_iter().collect() },
            other: Side { actor: other, changes: found.other.into_iter().collect() },
        });
        Ok(overlaps.collect())
    }

    /// The changes of other authors that `mine` had not seen and that had not seen `mine`.
    fn concurrent(&self, mine: &am::Change) -> Vec<&am::Change> {
        let hash = mine.hash();
        let author = ActorId::from_am(mine.actor_id()).base();
        let mut later = BTreeSet::from([hash]);
        let unseen = self.doc.get_changes(&[hash]).into_iter();
        unseen
            .filter(|change| {
                let saw_mine = change.deps().iter().any(|dep| later.contains(dep));
                if saw_mine {
                    later.insert(change.hash());
                }
                !saw_mine && ActorId::from_am(change.actor_id()).base() != author
            })
            .collect()
    }

    fn touched(&self, change: &am::Change) -> BTreeMap<am::ObjId, Touched> {
        let mut touched: BTreeMap<am::ObjId, Touched> = BTreeMap::new();
        for op in operation::operations(change) {
            let entry = touched.entry(op.object.clone()).or_default();
            match (op.key, op.action) {
                // Increments add up: nobody's is lost.
                (_, Action::Increment(_)) => {}
                (Key::Map(key), _) => {
                    entry.keys.insert(key);
                }
                (Key::Element(element), _) => {
                    let at = operation::position(&self.doc, &op.object, &element, None);
                    entry.ranges.extend(at.map(|at| (at, at)));
                }
            }
        }
        for entry in touched.values_mut() {
            entry.ranges.sort_unstable();
            entry.ranges.dedup_by(|next, last| {
                let joined = next.0 <= last.1 + 1;
                if joined {
                    last.1 = last.1.max(next.1);
                }
                joined
            });
        }
        touched
    }

    fn path_of(&self, object: &am::ObjId, key: Option<String>) -> Path {
        let parents = self.doc.parents(object).map(am::Parents::path).unwrap_or_default();
        let path = Path::from_props(parents.iter().map(|(_, prop)| prop));
        match key {
            Some(key) => path.join(key),
            None => path,
        }
    }
}

type Common = (am::ObjId, Option<String>, Option<(usize, usize)>);

fn intersect(
    left: &BTreeMap<am::ObjId, Touched>,
    right: &BTreeMap<am::ObjId, Touched>,
) -> Vec<Common> {
    let mut common = Vec::new();
    for (object, left) in left {
        let Some(right) = right.get(object) else { continue };
        for key in left.keys.intersection(&right.keys) {
            common.push((object.clone(), Some(key.clone()), None));
        }
        for a in &left.ranges {
            let near = |b: &&(usize, usize)| {
                a.0 <= b.1 + OVERLAP_DISTANCE && b.0 <= a.1 + OVERLAP_DISTANCE
            };
            for b in right.ranges.iter().filter(near) {
                common.push((object.clone(), None, Some((a.0.min(b.0), a.1.max(b.1) + 1))));
            }
        }
    }
    common
}
