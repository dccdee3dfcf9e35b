//! Delivery that is worse than the log port allows.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;

use super::fault::Random;
use crate::log::{Followed, Following, ReadError, Record};

/// Records that may come a second time.
const REMEMBERED_RECORDS: usize = 16;

/// How often delivery breaks the contract of [`EventLog::follow`](crate::log::EventLog::follow). The default never does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FollowFaults {
    /// Where the draws begin.
    pub seed: u64,
    /// Records after which one of the last 16 comes again, in a thousand.
    pub redeliveries_per_mille: u16,
    /// Records that let the next one pass if it stands under another subject, in a thousand.
    pub reorders_per_mille: u16,
}

/// A stream of followed records with redelivery and reordering across subjects.
///
/// **Violates the contract of the port**, for consumers that claim to stand more than it allows. Records of one subject keep
/// their order (apart from redelivery), and nothing is held back while there is nothing to pass it.
pub struct FaultyFollow {
    followed: Following,
    faults: FollowFaults,
    random: Random,
    recent: VecDeque<Record>,
    held: Option<Record>,
    ready: VecDeque<Result<Followed, ReadError>>,
    ended: bool,
}

impl FaultyFollow {
    /// Makes the delivery of a stream faulty.
    pub fn new(followed: Following, faults: FollowFaults) -> Self {
        let random = Random::seeded(faults.seed);
        let (recent, ready) = (VecDeque::new(), VecDeque::new());
        Self { followed, faults, random, recent, held: None, ready, ended: false }
    }

    fn deliver(&mut self, record: Record) {
        if self.recent.len() == REMEMBERED_RECORDS {
            self.recent.pop_front();
        }
        self.recent.push_back(record.clone());
        self.ready.push_back(Ok(Followed::Record(record)));
        if self.random.per_mille(self.faults.redeliveries_per_mille) {
            let again = self.random.below(self.recent.len() as u64);
            let again = usize::try_from(again).ok().and_then(|index| self.recent.get(index));
            self.ready.extend(again.cloned().map(|record| Ok(Followed::Record(record))));
        }
    }

    fn take(&mut self, record: Record) {
        match self.held.take() {
            Some(held) if held.subject == record.subject => {
                self.deliver(held);
                self.deliver(record);
            }
            Some(held) => {
                self.deliver(record);
                self.deliver(held);
            }
            None if self.random.per_mille(self.faults.reorders_per_mille) => {
                self.held = Some(record);
            }
            None => self.deliver(record),
        }
    }
}

impl Stream for FaultyFollow {
    type Item = Result<Followed, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(followed) = self.ready.pop_front() {
                return Poll::Ready(Some(followed));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            let next = match self.followed.as_mut().poll_next(cx) {
                Poll::Ready(Some(Ok(Followed::Record(record)))) => {
                    self.take(record);
                    continue;
                }
                next => next,
            };
            // Nothing is there to pass the record held: it goes first, and what was polled comes after it.
            match (self.held.take(), next) {
                (None, Poll::Pending) => return Poll::Pending,
                (held, next) => {
                    held.into_iter().for_each(|record| self.deliver(record));
                    match next {
                        Poll::Pending => {}
                        Poll::Ready(Some(item)) => self.ready.push_back(item),
                        Poll::Ready(None) => self.ended = true,
                    }
                }
            }
        }
    }
}

impl std::fmt::Debug for FaultyFollow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultyFollow").field("faults", &self.faults).finish_non_exhaustive()
    }
}
