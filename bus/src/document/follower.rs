//! The task that brings in what others change.

use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use colony_core::document::ChangeHash;
use colony_core::{Entry, Filter, Position};
use futures_util::StreamExt as _;
use tokio::sync::oneshot;

use super::core::Core;
use super::own::Returned;
use super::repair::Found;
use super::state::{Arrived, End};
use super::wire::{Brought, Unpacker};
use super::{overlapped, repair};
use crate::log::ReadError;
use crate::query::{Cut, Delivery, EntryError, Subscription};

/// Changes applied under one hold of the lock, so that an edit never waits for long.
const SLICE: usize = 512;
/// Entries taken in before it is looked whether to apply.
const DRAIN: usize = 1_024;
/// How long nothing must come in before missing changes are asked for.
const QUIET: Duration = Duration::from_secs(2);
/// How often an entry of ours has to be missed in the log before it is taken for lost: a new leader may still be catching
/// up with itself.
const MISSED: u32 = 4;
/// Pause before the log is followed again after it could not be.
const PAUSE: Duration = Duration::from_millis(200);

pub(super) struct Follower {
    pub(super) core: Arc<Core>,
    pub(super) unpacker: Unpacker,
    /// Everything at or before this position has come in.
    pub(super) followed: Position,
    /// Where the log ended before it was followed.
    pub(super) tail: Position,
    /// Resolved when all that was stored has been applied.
    pub(super) ready: Option<oneshot::Sender<()>>,
    /// The changes that were missing when the history was last read again.
    pub(super) asked: Vec<ChangeHash>,
    /// How often in a row an entry of ours was missed in the log.
    pub(super) missed: u32,
}

/// Why a subscription ended.
enum Ended {
    Error(ReadError),
    /// An entry of ours that was acknowledged is not in the log.
    LostOwn,
    Stream,
    Broken,
}

impl Follower {
    pub(super) async fn run(mut self, mut subscription: Subscription) {
        loop {
            let ended = self.follow(&mut subscription).await;
            let end = match ended {
                Ended::Error(ReadError::Lost { seen, tail }) => {
                    tracing::warn!(document = %self.core.name, %seen, %tail, "the log lost entries");
                    self.followed = tail;
                    self.put_back().await;
                    None
                }
                Ended::LostOwn => {
                    tracing::warn!(document = %self.core.name, "the log lost entries of ours");
                    self.put_back().await;
                    None
                }
                Ended::Error(error) if error.is_retryable() => None,
                Ended::Error(error) => Some(End::Unfollowed(Some(error))),
                Ended::Stream => Some(End::Unfollowed(None)),
                Ended::Broken => Some(End::Broken),
            };
            if let Some(end) = end {
                tracing::error!(document = %self.core.name, ?end, "the document is not followed any further");
                let mut state = self.core.lock();
                state.end = Some(end);
                state.untold = true;
                return;
            }
            subscription = loop {
                let filter = Filter::document(self.core.name.clone());
                match self.core.bus.subscribe(filter, Cut::Position(self.followed)).await {
                    Ok(subscription) => break subscription,
                    Err(ReadError::Lost { tail, .. }) => self.followed = tail,
                    Err(error) => {
                        tracing::debug!(document = %self.core.name, %error, "cannot follow yet");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            };
        }
    }

    async fn put_back(&mut self) {
        self.missed = 0;
        self.core.lock().forget_own();
        loop {
            match repair::put_back(&self.core).await {
                Ok(count) => {
                    tracing::warn!(
                        document = %self.core.name, count, "put back changes that the log had lost"
                    );
                    return;
                }
                Err(error) if error.is_retryable() => {
                    tracing::debug!(document = %self.core.name, %error, "the log cannot be compared yet");
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => {
                    tracing::error!(
                        document = %self.core.name, %error, "lost changes could not be put back"
                    );
                    return;
                }
            }
        }
    }

    /// Tells whether the log has lost what we wrote, when it has been quiet for a while and entries of ours have not come
    /// back: nobody else may have read them before they were lost.
    async fn misses_own(&mut self) -> bool {
        match repair::find_own(&self.core).await {
            Found::There => self.missed = 0,
            Found::Nothing => self.missed += 1,
            Found::Other => self.missed = MISSED,
        }
        self.missed >= MISSED
    }

    async fn follow(&mut self, subscription: &mut Subscription) -> Ended {
        let mut heard = Instant::now();
        loop {
            let wait = self.apply_when_due().await;
            let asking = {
                let state = self.core.lock();
                if matches!(state.end, Some(End::Broken)) {
                    return Ended::Broken;
                }
                state.reread
                    || state.own.last_acknowledged().is_some()
                    || !state.replica.missing().is_empty()
            };
            let wake = match wait {
                Some(wait) => Some(Instant::now() + wait),
                None => asking.then(|| heard + QUIET),
            };
            let item = match wake {
                None => tokio::select! {
                    item = subscription.next() => item,
                    () = self.core.sent.notified() => {
                        heard = Instant::now();
                        continue;
                    }
                },
                Some(wake) => {
                    match tokio::time::timeout_at(wake.into(), subscription.next()).await {
                        Ok(item) => item,
                        Err(_) => {
                            if wait.is_none() {
                                if self.misses_own().await {
                                    return Ended::LostOwn;
                                }
                                repair::ask_for_missing(self).await;
                                heard = Instant::now();
                            }
                            continue;
                        }
                    }
                }
            };
            heard = Instant::now();
            let mut next = Some(item);
            for _ in 0..DRAIN {
                match next {
                    None => break,
                    Some(None) => return Ended::Stream,
                    Some(Some(Err(EntryError::Read(error)))) => return Ended::Error(error),
                    Some(Some(Err(error @ EntryError::Unreadable { .. }))) => {
                        tracing::warn!(document = %self.core.name, %error, "left out");
                        self.core.lock().counters.malformed += 1;
                    }
                    Some(Some(Ok(Delivery::Entry(entry)))) => {
                        if self.take(*entry) {
                            return Ended::LostOwn;
                        }
                    }
                    Some(Some(Ok(Delivery::CaughtUp))) => self.caught_up().await,
                }
                if self.core.lock().is_full() {
                    break;
                }
                // With this task's own waker: one that was told to nobody would not wake it.
                next = match futures_util::poll!(subscription.next()) {
                    Poll::Ready(item) => Some(item),
                    Poll::Pending => None,
                };
            }
        }
    }

    /// Queues what an entry brings. Our own entries are known by their ids and not even decoded.
    ///
    /// Returns whether it tells that the log lost an entry of ours.
    pub(super) fn take(&mut self, entry: Entry) -> bool {
        let position = entry.position;
        self.followed = self.followed.max(position);
        if entry.event().author == *self.core.bus.agent() {
            let mut state = self.core.lock();
            if let Some(Returned { changes: own, overtook }) = state.own.take(&entry.event().id) {
                // Of a set of pieces, only the last one counts changes.
                let whole = own > 0;
                state.arrive(Arrived { position, changes: Vec::new(), bytes: 0, own, whole });
                return overtook;
            }
        }
        let bytes = entry.event().data.len();
        let brought = self.unpacker.unpack(entry);
        let mut state = self.core.lock();
        let (changes, whole) = match brought {
            Brought::Changes(changes) => (changes, true),
            Brought::Piece => (Vec::new(), false),
            Brought::Malformed => {
                state.counters.malformed += 1;
                (Vec::new(), true)
            }
        };
        state.arrive(Arrived { position, changes, bytes, own: 0, whole });
        false
    }

    /// Applies what has arrived if it is time; returns how long to wait otherwise.
    async fn apply_when_due(&mut self) -> Option<Duration> {
        let wait = {
            let state = self.core.lock();
            if !state.has_arrived() {
                return None;
            }
            state.budget.wait(Instant::now())
        };
        let at_once = self.ready.is_some() || self.core.lock().is_full() || wait.is_zero();
        if !at_once {
            return Some(wait);
        }
        self.apply_slices().await;
        None
    }

    async fn apply_slices(&mut self) {
        loop {
            let (overlaps, more) = {
                let mut state = self.core.lock();
                state.apply(SLICE);
                (state.overlaps(), state.has_arrived())
            };
            if !overlaps.is_empty() {
                overlapped::report(&self.core, &overlaps).await;
            }
            if !more {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn caught_up(&mut self) {
        self.apply_slices().await;
        self.followed = self.followed.max(self.tail);
        let mut state = self.core.lock();
        state.position = state.position.max(self.followed);
        state.untold = true;
        drop(state);
        if let Some(ready) = self.ready.take() {
            // Who opened may have given up.
            let _ = ready.send(());
        }
    }
}
