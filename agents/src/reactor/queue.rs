//! The work that is done and not yet in the lane, in order, and what is asked of it for every event.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use colony_core::Position;

use super::work::Work;

/// Pieces of work in the order in which they go into the lane.
///
/// Counts as it goes: going through all of them for every event would cost more than handling it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Queue<O> {
    pieces: VecDeque<Work<O>>,
    entries: usize,
    parkings: usize,
    reacted: Position,
}

impl<O> Default for Queue<O> {
    fn default() -> Self {
        Self { pieces: VecDeque::new(), entries: 0, parkings: 0, reacted: Position::ZERO }
    }
}

impl<O: Hash> Hash for Queue<O> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.pieces.hash(state);
    }
}

impl<O> Deref for Queue<O> {
    type Target = VecDeque<Work<O>>;

    fn deref(&self) -> &VecDeque<Work<O>> {
        &self.pieces
    }
}

impl<O: Clone> Queue<O> {
    /// Returns how many entries all of it makes.
    pub(super) fn entries(&self) -> usize {
        self.entries
    }

    /// Returns how many events it sets aside.
    pub(super) fn parkings(&self) -> usize {
        self.parkings
    }

    /// Returns up to where the lane has reacted once all of it is there; zero if there is none.
    pub(super) fn reacted(&self) -> Position {
        self.reacted
    }

    pub(super) fn push(&mut self, work: Work<O>) {
        self.count(&work);
        self.pieces.push_back(work);
    }

    /// Changes it in any way, and counts anew.
    pub(super) fn change<T>(&mut self, change: impl FnOnce(&mut VecDeque<Work<O>>) -> T) -> T {
        let result = change(&mut self.pieces);
        let pieces = std::mem::take(self).pieces;
        pieces.iter().for_each(|work| self.count(work));
        self.pieces = pieces;
        result
    }

    fn count(&mut self, work: &Work<O>) {
        self.entries += work.len();
        self.parkings += usize::from(matches!(work, Work::Parking { .. }));
        self.reacted = self.reacted.max(work.reacted());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(reacted: u64) -> Work<&'static str> {
        Work::Cursor { reacted: Position::new(reacted) }
    }

    fn reaction(event: u64, outputs: usize) -> Work<&'static str> {
        let outputs = vec!["said"; outputs];
        Work::Reaction { event: Position::new(event), entity: None, outputs, grounds: None }
    }

    #[test]
    fn what_is_counted_is_what_is_there() {
        let mut queue = Queue::default();
        [cursor(3), reaction(4, 2), reaction(7, 3)].into_iter().for_each(|work| queue.push(work));
        assert_eq!((queue.entries(), queue.reacted()), (6, Position::new(7)));
        queue.push(Work::Parking {
            parked: super::super::work::behind(Position::new(9), None, Position::new(4)),
            reacted: Position::new(8),
        });
        assert_eq!((queue.entries(), queue.parkings()), (7, 1));
        assert_eq!(queue.reacted(), Position::new(9));
        queue.change(|work| work.pop_back());
        queue.change(|work| work.pop_front());
        assert_eq!((queue.len(), queue.entries(), queue.parkings()), (2, 5, 0));
        assert_eq!(queue.reacted(), Position::new(7));
        queue.change(|work| work.clear());
        assert_eq!(queue, Queue::default());
    }
}
