//! The time that a handler spends waiting for the log, which is not the handler's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::{Duration, Instant};

/// Counts the time spent waiting. Clones count together; at most one waits at a time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Patience(Arc<Mutex<Waited>>);

#[derive(Debug, Default)]
struct Waited {
    before: Duration,
    since: Option<Instant>,
}

/// Ends the waiting when dropped.
#[derive(Debug)]
pub(super) struct WaitingForLog(Patience);

impl Patience {
    /// Begins to wait.
    pub(super) fn wait(&self) -> WaitingForLog {
        self.lock().since = Some(Instant::now());
        WaitingForLog(self.clone())
    }

    /// Returns the time spent so far.
    pub(crate) fn spent(&self) -> Duration {
        let waited = self.lock();
        waited.before + waited.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, Waited> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for WaitingForLog {
    fn drop(&mut self) {
        let spent = self.0.spent();
        *self.0.lock() = Waited { before: spent, since: None };
    }
}
