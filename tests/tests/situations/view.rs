//! The log as a reader has it, and what it makes of it.

use std::collections::BTreeMap;

use colony_agents::protocol::task::Task;
use colony_agents::protocol::{Coordination, CoordinationState, Outcome, Rejection};
use colony_core::replay::{Checkpoint, Fold};
use colony_core::{AgentName, EntityName, Entry, Position};

/// The log as a reader has it, and what it makes of it.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) entries: Vec<Entry>,
    pub(crate) space: CoordinationState,
    outcomes: BTreeMap<Position, Outcome>,
}

pub(crate) fn agent(name: &str) -> AgentName {
    name.parse().unwrap()
}

pub(crate) fn entity(name: &str) -> EntityName {
    name.parse().unwrap()
}

impl View {
    pub(crate) fn of(entries: Vec<Entry>) -> Self {
        let (space, outcomes) = (CoordinationState::default(), BTreeMap::new());
        let mut view = Self { entries: Vec::new(), space, outcomes };
        entries.into_iter().for_each(|entry| view.take(entry));
        view
    }

    pub(crate) fn take(&mut self, entry: Entry) {
        if self.entries.last().is_some_and(|last| last.position >= entry.position) {
            return;
        }
        self.outcomes.insert(entry.position, self.space.evolve(&entry));
        self.entries.push(entry);
    }

    /// Returns the entries of a type, in order.
    pub(crate) fn all(&self, ty: &str) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.event().ty.as_str() == ty)
    }

    /// Returns the positions of the events of a type that had their effect, in order.
    pub(crate) fn applied(&self, ty: &str) -> Vec<&Entry> {
        self.all(ty).filter(|entry| self.worked(entry.position)).collect()
    }

    /// Returns whether the event at a position had its effect.
    pub(crate) fn worked(&self, position: Position) -> bool {
        self.outcomes.get(&position) == Some(&Outcome::Applied)
    }

    /// Requires that the event at a position has no effect, for a reason.
    #[track_caller]
    pub(crate) fn ignores(&self, position: Position, reason: impl Into<Rejection>) {
        assert_eq!(self.outcomes.get(&position), Some(&Outcome::Ignored(reason.into())));
    }

    /// Returns why the event at a position has no effect.
    #[track_caller]
    pub(crate) fn reason(&self, position: Position) -> &Rejection {
        match self.outcomes.get(&position) {
            Some(Outcome::Ignored(reason)) => reason,
            other => panic!("the event at {position} is not ignored: {other:?}"),
        }
    }

    pub(crate) fn task(&self, name: &str) -> &Task {
        self.space.tasks.get(&entity(name)).expect("the task was offered")
    }

    /// Returns who holds a task, and the fence.
    pub(crate) fn holder(&self, name: &str) -> Option<(&str, Position)> {
        self.task(name).hold().map(|hold| (hold.owner.as_str(), hold.fence))
    }

    /// Returns the positions of the events of a type that had their effect, by entity.
    pub(crate) fn applied_by_entity(&self, ty: &str) -> BTreeMap<String, Vec<Position>> {
        let mut by_entity: BTreeMap<String, Vec<Position>> = BTreeMap::new();
        for entry in self.applied(ty) {
            let entity = entry.event().entity.as_ref().unwrap().to_string();
            by_entity.entry(entity).or_default().push(entry.position);
        }
        by_entity
    }

    /// Requires that folding on from a checkpoint gives the same state, at some cuts.
    pub(crate) fn agrees_from_any_checkpoint(&self) {
        let step = (self.entries.len() / 7).max(1);
        for cut in (1..=self.entries.len()).step_by(step) {
            let mut fold = Fold::new(Coordination);
            self.entries[..cut].iter().for_each(|entry| fold.apply(entry));
            let checkpoint = fold.checkpoint("log").unwrap().encode().unwrap();
            let checkpoint = Checkpoint::decode(checkpoint).unwrap();
            let mut resumed = Fold::resume(Coordination, "log", &checkpoint).unwrap();
            self.entries[cut..].iter().for_each(|entry| resumed.apply(entry));
            assert!(resumed.into_state() == self.space, "from a checkpoint after {cut} entries");
        }
    }
}
