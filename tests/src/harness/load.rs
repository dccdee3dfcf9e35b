//! Writers that remember what they were told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use colony_bus::log::Outcome;
use colony_bus::{Bus, Draft, Receipt, WriteError};
use colony_core::event::Data;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What a writer was told of one event.
#[derive(Debug, Clone)]
pub enum Said {
    /// It is durable.
    Acknowledged(Receipt),
    /// It may be there.
    Unknown(WriteError),
    /// It is not there.
    Refused(WriteError),
}

/// Counts what has happened, so that faults come at a moment of progress and not of time.
#[derive(Debug, Clone)]
pub struct Progress {
    count: Arc<watch::Sender<u64>>,
    holds: Arc<AtomicUsize>,
}

/// Keeps work from ending, however much of it is done: faults take as long as they take, and there must be progress to wait
/// for until the last of them.
#[derive(Debug)]
pub struct Hold {
    holds: Arc<AtomicUsize>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.holds.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Progress {
    /// Begins at none.
    pub fn new() -> Self {
        Self { count: Arc::new(watch::Sender::new(0)), holds: Arc::default() }
    }

    /// Keeps the work that is counted going for as long as the returned value lives.
    pub fn hold(&self) -> Hold {
        self.holds.fetch_add(1, Ordering::Relaxed);
        Hold { holds: Arc::clone(&self.holds) }
    }

    /// Returns whether work of which so much was asked for is to go on.
    pub fn goes_on(&self, asked: u64) -> bool {
        self.now() < asked || self.holds.load(Ordering::Relaxed) > 0
    }

    /// Counts one more.
    pub fn step(&self) {
        self.count.send_modify(|count| *count += 1);
    }

    /// Returns the count.
    pub fn now(&self) -> u64 {
        *self.count.borrow()
    }

    /// Waits until so much has happened.
    pub async fn reach(&self, count: u64) {
        self.count.subscribe().wait_for(|now| *now >= count).await.expect("we hold the sender");
    }

    /// Waits until so much more has happened.
    pub async fn more(&self, count: u64) {
        self.reach(self.now() + count).await;
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

/// Concurrent callers that publish through buses, one event after the other each.
#[derive(Debug)]
pub struct Load {
    /// Acknowledged events.
    pub acknowledged: Progress,
    /// Answered events.
    pub answered: Progress,
    stop: Arc<AtomicBool>,
    callers: JoinSet<Vec<(String, Said)>>,
}

/// Makes an event with an id and some data.
pub fn draft(id: &str, bytes: usize) -> Draft {
    let data = Data::Text { text: "x".repeat(bytes), content_type: None };
    Draft::new("load.said".parse().unwrap()).id(id.parse().unwrap()).data(data)
}

impl Load {
    /// Begins with no callers.
    pub fn new() -> Self {
        Self {
            acknowledged: Progress::new(),
            answered: Progress::new(),
            stop: Arc::new(AtomicBool::new(false)),
            callers: JoinSet::new(),
        }
    }

    /// Adds callers of a bus, each of which publishes `each` events or until stopped. `tag` begins the ids. Who waits for
    /// progress adds callers that publish until stopped.
    pub fn add(&mut self, bus: &Bus, tag: &str, callers: usize, each: usize, bytes: usize) {
        for caller in 0..callers {
            let (bus, stop) = (bus.clone(), Arc::clone(&self.stop));
            let (acknowledged, answered) = (self.acknowledged.clone(), self.answered.clone());
            let tag = format!("{tag}-{caller}");
            self.callers.spawn(async move {
                let mut told = Vec::new();
                for number in 0..each {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let id = format!("{tag}-{number}");
                    let result = match bus.publish(draft(&id, bytes)).await {
                        Ok(ticket) => ticket.await,
                        Err(error) => Err(error),
                    };
                    let said = match result {
                        Ok(receipt) => {
                            acknowledged.step();
                            Said::Acknowledged(receipt)
                        }
                        Err(error) => match error.outcome() {
                            Outcome::NotApplied => Said::Refused(error),
                            Outcome::Unknown => Said::Unknown(error),
                            Outcome::Applied => {
                                panic!("an error that says it was applied: {error}")
                            }
                        },
                    };
                    answered.step();
                    told.push((id, said));
                }
                told
            });
        }
    }

    /// Tells the callers to end after the event they are at.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Waits for the callers and returns what each was told, in its order.
    pub async fn finish(self) -> Vec<Vec<(String, Said)>> {
        self.callers.join_all().await
    }
}

impl Default for Load {
    fn default() -> Self {
        Self::new()
    }
}
