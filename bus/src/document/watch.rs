//! Watching a document.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use colony_core::Position;
use colony_core::document::{ChangeHash, ChangeInfo, Heads, Patch};
use futures_util::{Stream, stream};

use super::budget::Budget;
use super::open::Open;
use super::state::State;

/// What is new in a document since the update before.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Update {
    /// The version that the update leads to.
    pub heads: Heads,
    /// The log position up to which the replica has followed.
    pub position: Position,
    /// What leads from the version of the update before to this one; of the first update, from nothing. Empty for
    /// [`Document::watch_heads`](super::Document::watch_heads).
    pub patches: Vec<Patch>,
    /// The changes between the two versions. Empty in the first update.
    pub changes: Vec<ChangeInfo>,
}

/// Updates of a document: first what it holds, then what changes, until dropped.
///
/// Keeps the document open. Whoever is slow gets several changes in one update and misses none.
#[must_use = "streams do nothing unless polled"]
pub struct Watch(Pin<Box<dyn Stream<Item = Update> + Send>>);

impl Stream for Watch {
    type Item = Update;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Update>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}

/// Counts a watcher for as long as it lives.
struct Watcher {
    open: Arc<Open>,
    patches: bool,
    news: tokio::sync::watch::Receiver<u64>,
    last: Option<Heads>,
    /// The number of the next step of the replica that was not reported.
    step: u64,
    /// Comparing versions walks the whole document: it may take only a share of the time.
    budget: Budget,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut state = self.open.core.lock();
        state.watchers -= 1;
        state.patch_watchers -= usize::from(self.patches);
    }
}

pub(super) fn watch(open: &Arc<Open>, patches: bool) -> Watch {
    let news = open.core.news.subscribe();
    let step = {
        let mut state = open.core.lock();
        state.watchers += 1;
        state.patch_watchers += usize::from(patches);
        state.recent.next()
    };
    let budget = Budget::new(Instant::now());
    let watcher = Watcher { open: Arc::clone(open), patches, news, last: None, step, budget };
    Watch(Box::pin(stream::unfold(watcher, |mut watcher| async move {
        let update = watcher.next().await?;
        Some((update, watcher))
    })))
}

impl Watcher {
    async fn next(&mut self) -> Option<Update> {
        loop {
            self.news.borrow_and_update();
            let wait = self.budget.wait(Instant::now());
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            let (update, ended) = self.look();
            if update.is_some() {
                return update;
            }
            if ended || self.news.changed().await.is_err() {
                return None;
            }
        }
    }

    fn look(&mut self) -> (Option<Update>, bool) {
        let open = Arc::clone(&self.open);
        let mut state = open.core.lock();
        if self.last.is_none() {
            // The state that the first update shows is whole.
            state.apply_all();
        }
        (self.update(&state), state.end.is_some())
    }

    fn update(&mut self, state: &State) -> Option<Update> {
        let heads = state.replica.heads();
        let since = std::mem::replace(&mut self.step, state.recent.next());
        let position = state.position;
        let Some(last) = self.last.replace(heads.clone()) else {
            let patches = self.diff(state, &Heads::empty(), &heads);
            return Some(Update { heads, position, patches, changes: Vec::new() });
        };
        if last == heads {
            return None;
        }
        let (changes, patches) = match state.recent.since(since) {
            Some(steps) => {
                let (mut changes, mut patches) = (Vec::new(), Some(Vec::new()));
                for step in steps {
                    changes.extend(step.changes.iter().copied());
                    match (&mut patches, &step.patches) {
                        (Some(all), Some(new)) => all.extend(new.iter().cloned()),
                        _ => patches = None,
                    }
                }
                (Some(changes), patches)
            }
            None => (None, None),
        };
        let info = |hash: &ChangeHash| state.replica.change(hash).map(|change| change.info());
        let changes = match changes {
            Some(changes) => changes.iter().filter_map(info).collect(),
            None => state.replica.changes_since(&last).iter().map(|change| change.info()).collect(),
        };
        let patches = match patches {
            _ if !self.patches => Vec::new(),
            Some(patches) => patches,
            None => self.diff(state, &last, &heads),
        };
        Some(Update { heads, position, patches, changes })
    }

    fn diff(&mut self, state: &State, from: &Heads, to: &Heads) -> Vec<Patch> {
        if !self.patches {
            return Vec::new();
        }
        let begun = Instant::now();
        let patches = state.replica.diff(from, to);
        let now = Instant::now();
        self.budget.spend(now, now - begun);
        patches.unwrap_or_else(|error| {
            tracing::warn!(%error, "the difference of two versions cannot be told");
            Vec::new()
        })
    }
}
