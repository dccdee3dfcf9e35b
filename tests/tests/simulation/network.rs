//! A log as one instance reaches it: with delays before and after everything, and pauses of the whole instance.

use std::collections::VecDeque;
use std::future::ready as ready_ok;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use colony_bus::MemoryLog;
use colony_bus::log::{
    AppendError, Description, EventLog, Followed, Following, Live, LiveMessage, LiveMessages,
    Range, ReadError, Record, Records, Ticket, Unit,
};
use colony_bus::memory::{FaultyFollow, FollowFaults};
use colony_core::{Position, Timestamp};
use futures_util::future::BoxFuture;
use futures_util::{StreamExt as _, stream};
use tokio::sync::Notify;

use crate::chance::Chance;

/// One instance's way to the log.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    log: MemoryLog,
    chance: Chance,
    /// Longest delay of a step, in milliseconds.
    delay: u64,
    paused: Arc<AtomicBool>,
    resumed: Arc<Notify>,
    changes: Changes,
    /// The step at which the instance dies, if it is to.
    death: Option<Arc<Death>>,
}

/// When an instance dies: at one of its steps to or from the log.
#[derive(Debug)]
pub(crate) struct Death {
    steps: AtomicU64,
    came: Notify,
}

/// Wakes who follows the log. The log's own way of waking draws from a source of chance that is not the run's.
#[derive(Debug, Clone)]
pub(crate) struct Changes {
    notify: Arc<Notify>,
    /// How delivery breaks the contract.
    faults: FollowFaults,
}

impl Changes {
    pub(crate) fn new(faults: FollowFaults) -> Self {
        Self { notify: Arc::default(), faults }
    }

    pub(crate) fn wake(&self) {
        self.notify.notify_waiters();
    }
}

impl Network {
    pub(crate) fn new(log: MemoryLog, chance: Chance, delay: u64, changes: Changes) -> Self {
        let (paused, resumed) = (Arc::default(), Arc::default());
        Self { log, chance, delay, paused, resumed, changes, death: None }
    }

    /// Lets the instance die at one of its steps, counted from 1: it takes no other one.
    pub(crate) fn dies_at(self, step: u64) -> Self {
        let death = Death { steps: AtomicU64::new(step), came: Notify::new() };
        Self { death: Some(Arc::new(death)), ..self }
    }

    /// Waits until the instance has come to the step at which it dies.
    pub(crate) async fn died(&self) {
        match &self.death {
            Some(death) => death.came.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Reads on from a position, for ever.
    fn tailing(
        &self,
        after: Position,
        subjects: Vec<String>,
    ) -> impl futures_util::Stream<Item = Result<Followed, ReadError>> + Send + use<> {
        let network = self.clone();
        let state = (network, after, VecDeque::new(), true);
        stream::unfold(state, move |(network, mut after, mut ready, mut first)| {
            let subjects = subjects.clone();
            async move {
                loop {
                    if let Some(item) = ready.pop_front() {
                        return Some((Ok(item), (network, after, ready, first)));
                    }
                    let changes = network.changes.notify.clone();
                    let mut changed = pin!(changes.notified());
                    changed.as_mut().enable();
                    let range = Range { after, until: Position::MAX, subjects: subjects.clone() };
                    let read = network.log.read(range).await;
                    let records: Vec<Record> = match read {
                        Ok(records) => records.filter_map(|r| ready_ok(r.ok())).collect().await,
                        Err(_) => Vec::new(),
                    };
                    if let Some(last) = records.last() {
                        after = last.position;
                    }
                    let none = records.is_empty();
                    ready.extend(records.into_iter().map(Followed::Record));
                    if first {
                        first = false;
                        ready.push_back(Followed::CaughtUp);
                    } else if none {
                        changed.await;
                    }
                }
            }
        })
    }

    /// Stops everything that this instance sends and receives, until it is healed.
    pub(crate) fn stall(&self) {
        self.paused.store(true, Ordering::Relaxed);
    }

    /// Lets everything through again.
    pub(crate) fn heal(&self) {
        self.paused.store(false, Ordering::Relaxed);
        self.resumed.notify_waiters();
    }

    async fn step(&self) {
        if let Some(death) = &self.death {
            let before = death.steps.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |steps| {
                Some(steps.saturating_sub(1))
            });
            if before.is_ok_and(|before| before <= 1) {
                death.came.notify_one();
                std::future::pending::<()>().await;
            }
        }
        if self.delay > 0 {
            self.chance.pause(self.delay).await;
        }
        while self.paused.load(Ordering::Relaxed) {
            self.resumed.notified().await;
        }
    }
}

impl EventLog for Network {
    fn description(&self) -> &Description {
        self.log.description()
    }

    fn append(&self, unit: Unit) -> BoxFuture<'_, Result<Ticket, AppendError>> {
        Box::pin(async move {
            self.step().await;
            let ticket = self.log.append(unit).await?;
            self.changes.wake();
            let network = self.clone();
            Ok(Ticket::new(async move {
                let answer = ticket.await;
                network.step().await;
                answer
            }))
        })
    }

    fn read(&self, range: Range) -> BoxFuture<'_, Result<Records, ReadError>> {
        Box::pin(async move {
            self.step().await;
            let read = self.log.read(range).await;
            self.step().await;
            read
        })
    }

    fn follow(
        &self,
        after: Position,
        subjects: Vec<String>,
    ) -> BoxFuture<'_, Result<Following, ReadError>> {
        Box::pin(async move {
            self.step().await;
            self.log.tail().await?;
            let followed = Box::pin(self.tailing(after, subjects));
            let followed = FaultyFollow::new(followed, self.changes.faults);
            let network = self.clone();
            let followed = followed.then(move |item| {
                let network = network.clone();
                async move {
                    network.step().await;
                    item
                }
            });
            Ok(Box::pin(followed) as Following)
        })
    }

    fn last<'a>(&'a self, subject: &'a str) -> BoxFuture<'a, Result<Option<Record>, ReadError>> {
        Box::pin(async move {
            self.step().await;
            let last = self.log.last(subject).await;
            self.step().await;
            last
        })
    }

    fn get(&self, position: Position) -> BoxFuture<'_, Result<Option<Record>, ReadError>> {
        Box::pin(async move {
            self.step().await;
            self.log.get(position).await
        })
    }

    fn tail(&self) -> BoxFuture<'_, Result<Position, ReadError>> {
        self.log.tail()
    }

    fn cut_at(&self, time: Timestamp) -> BoxFuture<'_, Result<Position, ReadError>> {
        self.log.cut_at(time)
    }

    fn remove(&self, position: Position) -> BoxFuture<'_, Result<(), ReadError>> {
        self.log.remove(position)
    }

    fn reachable(&self) -> BoxFuture<'_, ()> {
        self.log.reachable()
    }
}

impl Live for Network {
    fn send(&self, message: LiveMessage) -> BoxFuture<'_, Result<(), ReadError>> {
        Box::pin(async move {
            self.step().await;
            self.log.send(message).await
        })
    }

    fn listen(&self, filter: String) -> BoxFuture<'_, Result<LiveMessages, ReadError>> {
        Box::pin(async move {
            let heard = self.log.listen(filter).await?;
            let network = self.clone();
            let heard = heard.then(move |message| {
                let network = network.clone();
                async move {
                    network.step().await;
                    message
                }
            });
            Ok(Box::pin(heard) as LiveMessages)
        })
    }
}
