//! The one source of chance of a run.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// Draws from a seed. Clones draw from the same sequence.
#[derive(Debug, Clone)]
pub(crate) struct Chance(Arc<Mutex<StdRng>>);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    pub(crate) fn below(&self, bound: u64) -> u64 {
        self.0.lock().unwrap().random_range(0..bound)
    }

    pub(crate) fn per_mille(&self, odds: u64) -> bool {
        self.below(1_000) < odds
    }

    /// Waits up to so many milliseconds; often not at all.
    pub(crate) async fn pause(&self, milliseconds: u64) {
        if self.per_mille(400) {
            tokio::time::sleep(Duration::from_millis(self.below(milliseconds.max(1)))).await;
        } else if self.per_mille(300) {
            tokio::task::yield_now().await;
        }
    }
}
