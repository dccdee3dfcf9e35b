//! What the handle, the follower and the publisher of a document share.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use colony_core::DocumentName;
use tokio::sync::{Notify, Semaphore, watch};

use super::state::State;
use crate::bus::Bus;

/// Most bytes of changes that wait to be sent; an edit waits for room before it is made.
pub(super) const OUTGOING_BYTES: usize = 8 * 1024 * 1024;

pub(super) struct Core {
    pub(super) bus: Bus,
    pub(super) name: DocumentName,
    state: Mutex<State>,
    /// Counts what happened to the replica.
    pub(super) news: watch::Sender<u64>,
    /// How many changes of those put on their way are durable; moves also when sending stops.
    pub(super) durable: watch::Sender<u64>,
    /// Wakes the publisher.
    pub(super) work: Notify,
    /// Tells the follower that something was sent, which has to come back.
    pub(super) sent: Notify,
    pub(super) room: Arc<Semaphore>,
}

impl Core {
    pub(super) fn new(bus: Bus, name: DocumentName, state: State) -> Self {
        Self {
            bus,
            name,
            state: Mutex::new(state),
            news: watch::Sender::new(0),
            durable: watch::Sender::new(0),
            work: Notify::new(),
            sent: Notify::new(),
            room: Arc::new(Semaphore::new(OUTGOING_BYTES)),
        }
    }

    pub(super) fn lock(&self) -> Guard<'_> {
        // A closure that panicked has left the replica as it was: its transaction was rolled back.
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Guard { state, news: &self.news }
    }
}

/// The state, locked. Whoever changed it, those who wait are told when the lock is given back.
pub(super) struct Guard<'a> {
    state: MutexGuard<'a, State>,
    news: &'a watch::Sender<u64>,
}

impl Deref for Guard<'_> {
    type Target = State;
    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for Guard<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if std::mem::take(&mut self.state.untold) {
            self.news.send_modify(|count| *count = count.wrapping_add(1));
        }
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("name", &self.name).finish_non_exhaustive()
    }
}
