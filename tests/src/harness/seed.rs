//! Randomness that can be had again.

use std::hash::{BuildHasher as _, RandomState};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// Names the environment variable that holds the seed of a run to repeat.
const VARIABLE: &str = "COLONY_TEST_SEED";

/// The source of a test's choices. Printed when made, so that a failure can be repeated.
#[derive(Debug)]
pub struct Seed {
    random: StdRng,
}

impl Seed {
    /// Takes the seed of the environment, else a new one, and prints it.
    pub fn of(test: &str) -> Self {
        let given =
            std::env::var(VARIABLE).ok().map(|text| text.parse().expect("a seed is a number"));
        let seed = given.unwrap_or_else(|| RandomState::new().hash_one(test));
        println!("{test}: {VARIABLE}={seed}");
        Self { random: StdRng::seed_from_u64(seed) }
    }

    /// Returns a number below a bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.random.random_range(0..bound)
    }

    /// Returns `count` numbers that grow from above `0` to below `total`, each in its own share of the way.
    pub fn moments(&mut self, count: u64, total: u64) -> Vec<u64> {
        let share = total / (count + 1);
        (0..count).map(|n| n * share + share / 4 + self.below(share / 2)).collect()
    }
}
