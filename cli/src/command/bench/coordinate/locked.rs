//! The usual alternative: agents on the same log that take a lock in Redis (`SET NX PX`) before they do a task.
//!
//! Offers and results stand in the log, as ours do. What differs is how it is decided who does what. Most who use a lock go through the
//! tasks in their order, and so the agents meet at each; agents that each begin anywhere hardly meet. Both are measured.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use colony_bus::{Bus, Cut, Delivery, Draft, Subscription};
use colony_core::{EntityName, Filter, Position, SpaceName};
use futures_util::StreamExt as _;
use rand::RngExt as _;
use tokio::sync::watch;

use super::super::raw;
use super::super::server::Server;
use super::redis::{Connection, LOCK_MS, Redis};
use super::{LIMIT, decision, event_type, join};
use crate::failure::Failure;

/// What an agent says when it has done a task.
const DONE: &str = "job.done";

/// The tasks as the log has them: one for all agents, which saves each of them a subscription.
struct Board {
    open: Mutex<Open>,
    /// How many tasks were done, as read.
    done: watch::Sender<usize>,
    /// How many tasks were offered, as read.
    offered: watch::Sender<usize>,
}

/// In which order an agent tries the tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trying {
    /// As they were offered, and again from the first one on.
    InOrder,
    /// Any of those that are not known to be done.
    Anywhere,
}

/// The tasks that are not known to be done, numbered as they were offered.
#[derive(Default)]
struct Open {
    tasks: BTreeMap<u64, EntityName>,
    numbers: BTreeMap<EntityName, u64>,
    offered: u64,
}

impl Board {
    fn new() -> Self {
        let (done, offered) = (watch::Sender::new(0), watch::Sender::new(0));
        Self { open: Mutex::default(), done, offered }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the task to try after the one of a number, with its number; `None` where there is none.
    fn next(&self, trying: Trying, after: u64) -> Option<(u64, EntityName)> {
        let open = self.open();
        let from = match trying {
            Trying::InOrder => after + 1,
            Trying::Anywhere => {
                let (first, last) = (open.tasks.keys().next()?, open.tasks.keys().next_back()?);
                rand::rng().random_range(*first..=*last)
            }
        };
        let found = open.tasks.range(from..).next();
        found.map(|(number, task)| (*number, task.clone()))
    }

    fn is_open(&self, task: &EntityName) -> bool {
        self.open().numbers.contains_key(task)
    }

    fn offer(&self, task: EntityName) {
        let mut open = self.open();
        open.offered += 1;
        let number = open.offered;
        open.numbers.insert(task.clone(), number);
        open.tasks.insert(number, task);
        drop(open);
        self.offered.send_modify(|offered| *offered += 1);
    }

    fn end(&self, task: &EntityName) {
        let mut open = self.open();
        let Some(number) = open.numbers.remove(task) else { return };
        open.tasks.remove(&number);
        drop(open);
        self.done.send_modify(|done| *done += 1);
    }

    async fn follow(&self, mut entries: Subscription) -> Result<(), Failure> {
        while let Some(delivery) = entries.next().await {
            let Delivery::Entry(entry) = delivery? else { continue };
            let Some(task) = entry.event().entity.clone() else { continue };
            match entry.event().ty.as_str() {
                "task.offered" => self.offer(task),
                DONE => self.end(&task),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Lets agents do tasks until the log says that all are done. Returns tasks a second.
pub(super) async fn run(
    server: &Server,
    redis: &Redis,
    space: &SpaceName,
    (agents, trying): (usize, Trying),
    tasks: usize,
) -> Result<f64, Failure> {
    redis.clear().await?;
    let buses = join(server, space, (0..agents).map(|n| format!("agent-{n}"))).await?;
    let client = join(server, space, ["client".to_owned()]).await?.remove(0);
    let reader = server.bus(space, "reader").await?;
    let board = Arc::new(Board::new());
    let entries = reader.subscribe(Filter::events(), Cut::Position(Position::ZERO)).await?;
    let follower = Arc::clone(&board);
    let following = tokio::spawn(async move { follower.follow(entries).await });
    let mut working = Vec::with_capacity(agents);
    for bus in buses {
        let connection = redis.connect().await.map_err(raw)?;
        working.push(tokio::spawn(work(bus, connection, Arc::clone(&board), trying, tasks)));
    }
    let begin = Instant::now();
    decision::offer(&client, tasks).await?;
    let mut done = board.done.subscribe();
    let all = tokio::time::timeout(LIMIT, done.wait_for(|done| *done >= tasks)).await;
    let seconds = begin.elapsed().as_secs_f64();
    following.abort();
    all.map_err(raw)?.map_err(raw)?;
    for agent in working {
        agent.await.map_err(raw)??;
    }
    Ok(tasks as f64 / seconds)
}

/// One agent: takes the lock of an open task, does it, says so, and leaves the lock to expire, so that nobody does it again before
/// its result is read.
async fn work(
    bus: Bus,
    mut connection: Connection,
    board: Arc<Board>,
    trying: Trying,
    tasks: usize,
) -> Result<(), Failure> {
    let mut tried = 0;
    let (mut offered, mut done) = (board.offered.subscribe(), board.done.subscribe());
    let px = LOCK_MS.to_string();
    while *done.borrow_and_update() < tasks {
        let Some((number, task)) = board.next(trying, tried) else {
            tokio::select! {
                changed = offered.changed() => changed.map_err(raw)?,
                changed = done.changed() => changed.map_err(raw)?,
            }
            tried = 0;
            continue;
        };
        tried = number;
        let lock = format!("lock:{task}");
        let take = ["SET", &lock, bus.agent().as_str(), "NX", "PX", &px];
        let locked = connection.command(&take).await.map_err(raw)?.is_some();
        if locked && board.is_open(&task) {
            let result = colony_core::Data::json(&serde_json::json!({})).map_err(raw)?;
            let draft = Draft::new(event_type(DONE)).about(task).data(result);
            bus.publish(draft).await?.await?;
        }
    }
    Ok(())
}
