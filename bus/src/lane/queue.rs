//! What waits for the end of a lane.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use super::Request;
use crate::log::Wholeness;

/// Most entries of one unit: larger ones starve readers and gain little.
pub(super) const UNIT_ENTRIES: usize = 256;
/// Most bytes of one unit.
const UNIT_BYTES: usize = 4 * 1024 * 1024;

/// Requests in their order. Those at the front may be sealed ahead, onto what is on its way.
pub(super) struct Queue {
    requests: mpsc::Receiver<Request>,
    pub(super) waiting: VecDeque<Request>,
}

/// Requests that travel as one unit.
pub(super) struct Group {
    pub(super) requests: Vec<Request>,
    pub(super) wholeness: Wholeness,
    /// Whether an earlier attempt may still be on its way.
    pub(super) uncertain: bool,
}

impl Queue {
    pub(super) fn new(requests: mpsc::Receiver<Request>) -> Self {
        Self { requests, waiting: VecDeque::new() }
    }

    /// Waits for one more. Returns whether one came: none does once all callers are gone.
    ///
    /// # Cancel safety
    /// Dropped before it returns, nothing is lost.
    pub(super) async fn one_more(&mut self) -> bool {
        let came = self.requests.recv().await;
        let came = came.map(|request| self.waiting.push_back(request));
        came.is_some()
    }

    /// Takes one that is there already, if the next unit has room for it.
    pub(super) fn take_in(&mut self) -> bool {
        let room = self.has_room();
        let came = if room { self.requests.try_recv().ok() } else { None };
        came.map(|request| self.waiting.push_back(request)).is_some()
    }

    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < UNIT_ENTRIES
    }

    /// Takes from the front what may travel together: neighbours that agree on wholeness, within the bounds of a unit.
    pub(super) fn group(&mut self) -> Group {
        let mut requests: Vec<Request> = Vec::new();
        let (mut entries, mut bytes) = (0, 0);
        let mut wholeness = Wholeness::Ordered;
        while let Some(next) = self.waiting.front() {
            let size = next.batch.entries.len() + next.batch.heads.len();
            let weight: usize = next.batch.entries.iter().map(|(_, e)| e.event.data.len()).sum();
            let whole = if size > 1 { next.batch.wholeness } else { Wholeness::Ordered };
            let conditional = !next.batch.heads.is_empty();
            if !requests.is_empty()
                && (entries + size > UNIT_ENTRIES
                    || bytes + weight > UNIT_BYTES
                    || whole != wholeness
                    || conditional)
            {
                break;
            }
            wholeness = whole;
            entries += size;
            bytes += weight;
            requests.extend(self.waiting.pop_front());
            if conditional {
                // A head that was moved by somebody else must bring down nobody else's entries.
                break;
            }
        }
        Group { requests, wholeness, uncertain: false }
    }
}
