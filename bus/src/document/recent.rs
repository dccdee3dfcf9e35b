//! What happened to a replica lately, for those who watch it.

use std::collections::VecDeque;

use colony_core::document::{ChangeHash, Patch};

/// Most steps remembered; who is further behind compares versions instead.
const STEPS: usize = 1_024;
/// Most patches and changes remembered in all steps together.
const WEIGHT: usize = 65_536;

/// One step of a replica: an edit, or changes applied together.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) changes: Vec<ChangeHash>,
    /// What it did; `None` where nobody asked in time.
    pub(super) patches: Option<Vec<Patch>>,
}

impl Step {
    fn weight(&self) -> usize {
        self.changes.len() + self.patches.as_ref().map_or(0, Vec::len)
    }
}

/// The latest steps, numbered from 0.
#[derive(Debug, Default)]
pub(super) struct Recent {
    steps: VecDeque<Step>,
    first: u64,
    weight: usize,
}

impl Recent {
    pub(super) fn push(&mut self, step: Step) {
        self.weight += step.weight();
        self.steps.push_back(step);
        while self.steps.len() > STEPS || self.weight > WEIGHT {
            let Some(step) = self.steps.pop_front() else { break };
            self.weight -= step.weight();
            self.first += 1;
        }
    }

    /// Forgets all steps; the numbers go on.
    pub(super) fn clear(&mut self) {
        self.first = self.next();
        self.steps.clear();
        self.weight = 0;
    }

    /// Returns the number that the next step will have.
    pub(super) fn next(&self) -> u64 {
        self.first + self.steps.len() as u64
    }

    /// Returns the steps from a number on; `None` if some of them are forgotten.
    pub(super) fn since(&self, number: u64) -> Option<impl Iterator<Item = &Step>> {
        let skip = usize::try_from(number.checked_sub(self.first)?).ok()?;
        (skip <= self.steps.len()).then(|| self.steps.iter().skip(skip))
    }
}
