//! Why: causation back to the root, and forward to the consequences.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Projection;
use crate::envelope::Entry;
use crate::event::Cause;
use crate::filter::EntryKind;
use crate::name::{AgentName, EntityName, EventId, EventType};
use crate::position::Position;
use crate::timestamp::Timestamp;

/// Indexes who caused what: events, mail, document changes and effects.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stories;

/// Names an entry: ids are unique within one author only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntryKey {
    /// Its author.
    pub author: AgentName,
    /// Its id.
    pub id: EventId,
}

impl From<&Cause> for EntryKey {
    fn from(cause: &Cause) -> Self {
        Self { author: cause.author.clone(), id: cause.id.clone() }
    }
}

/// What the story tells of one entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoryNode {
    /// Its name.
    pub key: EntryKey,
    /// Where it stands.
    pub position: Position,
    /// When the log stored it.
    pub recorded: Timestamp,
    /// Its kind.
    pub kind: EntryKind,
    /// Its type.
    pub ty: EventType,
    /// What it is about: an entity, a document, the name of an effect.
    pub entity: Option<EntityName>,
    /// What it reacts to.
    pub cause: Option<Cause>,
    /// The event that began the story.
    pub correlation: Option<EventId>,
}

/// One step on the way from an entry back to its root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<'a> {
    /// An entry of the log.
    Entry(&'a StoryNode),
    /// The entry before names a cause that is not in the log as far as it was read. The way ends here.
    Missing(&'a Cause),
    /// The entry before names a cause that was passed already. The way ends here.
    Cycle(&'a StoryNode),
}

/// One consequence of an entry, in a tree written as a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch<'a> {
    /// How many steps from the entry asked for: 1 for what it caused itself.
    pub depth: usize,
    /// The consequence.
    pub node: &'a StoryNode,
}

/// The index behind `why`: which entry was caused by which.
///
/// An entry that reached the log twice is indexed where it stood first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<StoryNode>", into = "Vec<StoryNode>")]
pub struct Story {
    nodes: BTreeMap<Position, StoryNode>,
    positions: BTreeMap<EntryKey, Position>,
    /// Consequences by cause, whether or not the cause itself is known.
    effects: BTreeMap<EntryKey, Vec<Position>>,
}

impl Projection for Stories {
    type State = Story;

    fn name(&self) -> &str {
        "stories"
    }

    fn version(&self) -> u32 {
        1
    }

    fn initial(&self) -> Story {
        Story::default()
    }

    fn evolve(&self, state: &mut Story, entry: &Entry) {
        let kind = EntryKind::of(&entry.address);
        match kind {
            EntryKind::Event | EntryKind::Mail | EntryKind::Document | EntryKind::Effect => {}
            // A snapshot is a cache; a head repeats an event; a cursor says nothing.
            EntryKind::Snapshot | EntryKind::Cursor | EntryKind::Head => return,
        }
        let event = entry.event();
        state.insert(StoryNode {
            key: EntryKey { author: event.author.clone(), id: event.id.clone() },
            position: entry.position,
            recorded: entry.recorded,
            kind,
            ty: event.ty.clone(),
            entity: event.entity.clone(),
            cause: event.cause.clone(),
            correlation: event.correlation.clone(),
        });
    }
}

impl Story {
    fn insert(&mut self, node: StoryNode) {
        let position = node.position;
        if self.positions.contains_key(&node.key) || self.nodes.contains_key(&position) {
            return;
        }
        if let Some(cause) = &node.cause {
            self.effects.entry(cause.into()).or_default().push(position);
        }
        self.positions.insert(node.key.clone(), position);
        self.nodes.insert(position, node);
    }

    /// Returns how many entries are indexed.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Returns whether none is.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Returns all entries, in the order of the log.
    pub fn nodes(&self) -> impl Iterator<Item = &StoryNode> {
        self.nodes.values()
    }

    /// Returns the entry at a position.
    pub fn at(&self, position: Position) -> Option<&StoryNode> {
        self.nodes.get(&position)
    }

    /// Returns the entry of a name.
    pub fn find(&self, key: &EntryKey) -> Option<&StoryNode> {
        self.at(*self.positions.get(key)?)
    }

    /// Returns entries of any author with an id, in the order of the log. Looks at every entry.
    pub fn find_id<'a>(&'a self, id: &'a EventId) -> impl Iterator<Item = &'a StoryNode> {
        self.nodes.values().filter(move |node| node.key.id == *id)
    }

    /// Returns the way from an entry back to the root of its story, the entry itself first.
    ///
    /// Empty if the entry is not known. Ends at the entry without a cause, at a cause that is missing, or where the way
    /// would go round.
    pub fn root_path(&self, key: &EntryKey) -> Vec<Step<'_>> {
        let mut path = Vec::new();
        let mut passed = BTreeSet::new();
        let mut next = self.find(key);
        while let Some(node) = next {
            passed.insert(node.position);
            path.push(Step::Entry(node));
            let Some(cause) = &node.cause else { break };
            next = match self.find(&cause.into()) {
                Some(before) if passed.contains(&before.position) => {
                    path.push(Step::Cycle(before));
                    None
                }
                Some(before) => Some(before),
                None => {
                    path.push(Step::Missing(cause));
                    None
                }
            };
        }
        path
    }

    /// Returns what an entry led to, as a tree written depth first; siblings stand in the order of the log.
    ///
    /// The entry itself is left out, and need not be known. Each consequence is there once, at most `limit` of them.
    pub fn consequences(&self, key: &EntryKey, limit: usize) -> Vec<Branch<'_>> {
        let mut branches = Vec::new();
        let mut seen: BTreeSet<Position> = self.positions.get(key).copied().into_iter().collect();
        // A stack of our own: a story may be as deep as the log is long.
        let mut stack: Vec<(usize, Position)> = Vec::new();
        let push = |stack: &mut Vec<_>, depth, key: &EntryKey| {
            let effects = self.effects.get(key).map(Vec::as_slice).unwrap_or_default();
            stack.extend(effects.iter().rev().map(|position| (depth, *position)));
        };
        push(&mut stack, 1, key);
        while let Some((depth, position)) = stack.pop() {
            if branches.len() == limit {
                break;
            }
            if !seen.insert(position) {
                continue;
            }
            let Some(node) = self.at(position) else { continue };
            branches.push(Branch { depth, node });
            push(&mut stack, depth + 1, &node.key);
        }
        branches
    }
}

impl From<Vec<StoryNode>> for Story {
    fn from(nodes: Vec<StoryNode>) -> Self {
        let mut story = Self::default();
        nodes.into_iter().for_each(|node| story.insert(node));
        story
    }
}

impl From<Story> for Vec<StoryNode> {
    fn from(story: Story) -> Self {
        story.nodes.into_values().collect()
    }
}
