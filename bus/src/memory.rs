//! A log in memory: real, deterministic, and wrong on demand.
//!
//! [`MemoryLog`] keeps the whole contract of the log port, without a server. It reads no clock and no entropy unless it is
//! given one, so that the same calls give the same records, byte for byte. [`FaultPlan`] makes appends
//! fail the way a network does, from a seed; [`FollowFaults`] makes delivery worse than the port allows.
//!
//! ```
//! use colony_bus::MemoryLog;
//! use colony_bus::log::{EventLog, NewRecord, Unit};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let log = MemoryLog::new("example");
//! let record = NewRecord { subject: "colony.lab.ada.main.cursor".into(), payload: "hello".into() };
//! let positions = log.append(Unit::one(record)).await?.await?;
//! assert_eq!(log.tail().await?, positions[0]);
//! # Ok(())
//! # }
//! ```

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use colony_core::{Position, Timestamp};
use futures_util::future::BoxFuture;
use futures_util::stream;
use tokio::sync::{Semaphore, broadcast, oneshot, watch};

use crate::log::{
    AppendError, Description, EventLog, Following, Live, LiveMessage, LiveMessages, Range,
    ReadError, Record, Records, Ticket, Unit, Wholeness,
};

mod appending;
mod clock;
mod fault;
mod faulty_follow;
mod reading;
mod store;
mod subjects;

pub use clock::{ManualClock, MemoryClock};
pub use fault::{Fault, FaultPlan};
pub use faulty_follow::{FaultyFollow, FollowFaults};

use appending::{Held, State};
use reading::{Reading, Tailing};
use store::Store;
use subjects::{SubjectFilter, Subjects, is_subject};

/// Live messages that a listener may be behind before it loses some.
const LIVE_MESSAGES: usize = 1_024;

/// How a [`MemoryLog`] is to be. [`MemoryOptions::new`] has the defaults.
#[derive(Debug, Clone)]
pub struct MemoryOptions {
    /// Identity of the log: caches name it, so no two logs with different records may share one.
    pub identity: String,
    /// Where its time comes from. Default: [`MemoryClock::counting`].
    pub clock: MemoryClock,
    /// What goes wrong with appends. Default: nothing.
    pub faults: FaultPlan,
    /// How delivery to followers breaks the contract. Default: not at all. Each follower gets draws of its own.
    pub follow_faults: FollowFaults,
    /// Largest record accepted: subject and payload together, in bytes. Default: 1 MiB, as a server's.
    pub max_record_bytes: usize,
    /// Most records of one atomic unit. Default: 1,000, as a server's.
    pub max_atomic_records: usize,
    /// Most units admitted and not stored (see [`MemoryLog::hold`]); 0 counts as 1. Default: 256.
    pub max_units_in_flight: usize,
}

impl MemoryOptions {
    /// Makes options for a log without faults.
    pub fn new(identity: impl Into<String>) -> Self {
        Self {
            identity: identity.into(),
            clock: MemoryClock::default(),
            faults: FaultPlan::default(),
            follow_faults: FollowFaults::default(),
            max_record_bytes: 1_024 * 1_024,
            max_atomic_records: 1_000,
            max_units_in_flight: 256,
        }
    }
}

/// A record cannot stand where it says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a record at position {position} cannot follow one at {tail}: positions must grow from 1")]
pub struct OrderError {
    /// Where the record says it stands.
    pub position: Position,
    /// Where the one before it stands.
    pub tail: Position,
}

/// A log in memory. Clones are handles of the same log.
///
/// A unit is stored when [`EventLog::append`] admits it, and its ticket is ready at once, unless the log is told to
/// [hold](MemoryLog::hold) units or a [`Fault`] befalls it. Reading takes a chunk of records at a time, so a reader holds a
/// bounded number and never blocks writers for long.
#[derive(Clone)]
pub struct MemoryLog {
    shared: Arc<Shared>,
}

struct Shared {
    description: Description,
    follow_faults: FollowFaults,
    state: Mutex<State>,
    window: Arc<Semaphore>,
    /// Counts changes, so that who waits looks again.
    changes: watch::Sender<u64>,
    live: broadcast::Sender<LiveMessage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Connection {
    Up,
    Down,
    Closed,
}

impl MemoryLog {
    /// Makes an empty log without faults.
    pub fn new(identity: impl Into<String>) -> Self {
        Self::open(MemoryOptions::new(identity), Store::default())
    }

    /// Makes an empty log.
    pub fn with_options(options: MemoryOptions) -> Self {
        Self::open(options, Store::default())
    }

    /// Makes a log of records that stand somewhere already: a fork or a capture. Positions may have holes.
    ///
    /// # Errors
    /// [`OrderError`] where positions do not grow.
    pub fn from_records(
        identity: impl Into<String>,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<Self, OrderError> {
        Self::with_records(MemoryOptions::new(identity), records)
    }

    /// As [`MemoryLog::from_records`], with options: a fork to work in takes [`MemoryClock::system`].
    ///
    /// # Errors
    /// [`OrderError`] where positions do not grow.
    pub fn with_records(
        options: MemoryOptions,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<Self, OrderError> {
        let mut store = Store::default();
        for record in records {
            let tail = store.tail();
            store.import(record).map_err(|r| OrderError { position: r.position, tail })?;
        }
        Ok(Self::open(options, store))
    }

    fn open(options: MemoryOptions, store: Store) -> Self {
        let MemoryOptions {
            identity,
            clock,
            faults,
            follow_faults,
            max_record_bytes,
            max_atomic_records,
            max_units_in_flight,
        } = options;
        let description = Description {
            identity,
            server: "memory".to_owned(),
            storage: "memory".to_owned(),
            replicas: 1,
            sync: "unknown".to_owned(),
            acknowledgement: "the entry is in this process's memory and is lost with it".to_owned(),
            max_record_bytes,
            max_atomic_records,
        };
        let window = max_units_in_flight.clamp(1, Semaphore::MAX_PERMITS);
        let shared = Shared {
            description,
            follow_faults,
            state: Mutex::new(State::new(store, clock, faults)),
            window: Arc::new(Semaphore::new(window)),
            changes: watch::Sender::new(0),
            live: broadcast::Sender::new(LIVE_MESSAGES),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Sets what befalls the next append, whatever the plan has drawn.
    pub fn inject(&self, fault: Fault) {
        self.shared.lock().next_fault = Some(fault);
    }

    /// Returns the faults so far, each with the number of the append it befell, counted from 1.
    pub fn faults(&self) -> Vec<(u64, Fault)> {
        self.shared.lock().faults.clone()
    }

    /// Breaks the connection: appends, reads and live messages fail, followers wait. For each unit held it is drawn
    /// whether it was stored.
    pub fn disconnect(&self) {
        self.shared.change(State::disconnect);
    }

    /// Mends the connection: followers go on where they were.
    pub fn reconnect(&self) {
        self.shared.change(|state| {
            if state.connection == Connection::Down {
                state.connection = Connection::Up;
            }
        });
    }

    /// Closes the log for good: nothing held is stored, appends and reads fail, followers end with
    /// [`ReadError::Closed`].
    pub fn close(&self) {
        self.shared.change(|state| {
            state.connection = Connection::Closed;
            state.release();
        });
        self.shared.window.close();
    }

    /// Lets admitted units wait in the window, their tickets open, until [`MemoryLog::release`]. A full window makes
    /// [`EventLog::append`] wait.
    pub fn hold(&self) {
        self.shared.lock().holding = true;
    }

    /// Stores the units held, in the order in which they were admitted, and those to come at once.
    pub fn release(&self) {
        self.shared.change(State::release);
    }

    /// Lets every unit arrive that is still on its way ([`Fault::Delay`], [`Fault::Duplicate`]).
    pub fn settle(&self) {
        self.shared.change(|state| state.deliver_late(u64::MAX));
    }

    /// Forgets every record past a position, as a server does that lost its last writes. The identity stays, and
    /// positions are given again: that it happened is for readers to find out.
    pub fn truncate_to(&self, position: Position) {
        self.shared.change(|state| state.store.truncate(position));
    }

    /// Turns one bit of the payload at a position, drawn from the plan's seed; an empty payload gets a byte. Returns
    /// whether there was a record.
    pub fn corrupt(&self, position: Position) -> bool {
        let mut state = self.shared.lock();
        let draw = state.random.next();
        state.store.corrupt(position, draw)
    }

    fn admissible(&self, unit: &Unit) -> Result<(), AppendError> {
        let Description { max_record_bytes, max_atomic_records, .. } = self.shared.description;
        let total = unit.records.len();
        if unit.wholeness == Wholeness::Atomic && total > max_atomic_records {
            return Err(AppendError::TooMany { actual: total, max: max_atomic_records });
        }
        if total == 0 {
            return Err(refused("a unit holds at least one record"));
        }
        for record in &unit.records {
            let actual = record.subject.len() + record.payload.len();
            if actual > max_record_bytes {
                return Err(AppendError::TooLarge { actual, max: max_record_bytes });
            }
            if !is_subject(&record.subject) {
                return Err(refused("a record stands under a subject without wildcards"));
            }
        }
        for condition in &unit.conditions {
            let fits = match &condition.scope {
                crate::log::Scope::Subject(subject) => {
                    unit.records.iter().any(|record| record.subject == *subject)
                }
                crate::log::Scope::Lane(filter) => SubjectFilter::new(filter).exact().is_none(),
            };
            if !fits {
                return Err(refused("a condition speaks of a subject of its unit, or of a lane"));
            }
        }
        Ok(())
    }

    async fn admit(&self, unit: Unit) -> Result<Ticket, AppendError> {
        self.admissible(&unit)?;
        let place = Arc::clone(&self.shared.window).acquire_owned().await;
        let place = place.map_err(|_| AppendError::Closed)?;
        let mut state = self.shared.lock();
        match state.connection {
            Connection::Up => {}
            Connection::Down => return Err(unanswered()),
            Connection::Closed => return Err(AppendError::Closed),
        }
        if state.holding {
            let (answer, answered) = oneshot::channel();
            state.held.push_back(Held { unit, answer, _place: place });
            // The last handle of the log is gone, and what it held with it.
            return Ok(Ticket::new(async { answered.await.unwrap_or(Err(AppendError::Closed)) }));
        }
        let answer = state.submit(unit);
        drop(state);
        self.shared.changed();
        Ok(Ticket::new(std::future::ready(answer)))
    }

    fn with_state<T>(&self, ask: impl FnOnce(&mut State) -> T) -> Result<T, ReadError> {
        let mut state = self.shared.lock();
        state.connection.check_read()?;
        Ok(ask(&mut state))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed();
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }
}

impl EventLog for MemoryLog {
    fn description(&self) -> &Description {
        &self.shared.description
    }

    fn append(&self, unit: Unit) -> BoxFuture<'_, Result<Ticket, AppendError>> {
        Box::pin(self.admit(unit))
    }

    fn read(&self, range: Range) -> BoxFuture<'_, Result<Records, ReadError>> {
        Box::pin(async move {
            let Range { after, until, subjects } = range;
            let tail = self.with_state(|state| state.store.tail())?;
            let reading = Reading {
                shared: Arc::clone(&self.shared),
                subjects: Subjects::new(&subjects),
                cursor: after,
                until: until.min(tail),
                chunk: VecDeque::new(),
                ended: false,
            };
            Ok(Box::pin(reading) as Records)
        })
    }

    fn follow(
        &self,
        after: Position,
        subjects: Vec<String>,
    ) -> BoxFuture<'_, Result<Following, ReadError>> {
        Box::pin(async move {
            let changes = self.shared.changes.subscribe();
            let (tail, follower) = self.with_state(|state| {
                state.follows += 1;
                (state.store.tail(), state.follows)
            })?;
            if after > tail {
                return Err(ReadError::Lost { seen: after, tail });
            }
            let tailing = Tailing {
                shared: Arc::clone(&self.shared),
                changes,
                subjects: Subjects::new(&subjects),
                cursor: after,
                catching_up: Some(tail),
                chunk: VecDeque::new(),
                ended: false,
            };
            let following: Following = Box::pin(tailing.into_stream());
            let faults = self.shared.follow_faults;
            if faults.redeliveries_per_mille == 0 && faults.reorders_per_mille == 0 {
                return Ok(following);
            }
            let faults = FollowFaults { seed: faults.seed.wrapping_add(follower), ..faults };
            Ok(Box::pin(FaultyFollow::new(following, faults)) as Following)
        })
    }

    fn last<'a>(&'a self, subject: &'a str) -> BoxFuture<'a, Result<Option<Record>, ReadError>> {
        Box::pin(async move { self.with_state(|state| state.store.last(subject).cloned()) })
    }

    fn get(&self, position: Position) -> BoxFuture<'_, Result<Option<Record>, ReadError>> {
        Box::pin(async move { self.with_state(|state| state.store.get(position).cloned()) })
    }

    fn tail(&self) -> BoxFuture<'_, Result<Position, ReadError>> {
        Box::pin(async move { self.with_state(|state| state.store.tail()) })
    }

    fn cut_at(&self, time: Timestamp) -> BoxFuture<'_, Result<Position, ReadError>> {
        Box::pin(async move { self.with_state(|state| state.store.cut_at(time)) })
    }

    fn remove(&self, position: Position) -> BoxFuture<'_, Result<(), ReadError>> {
        Box::pin(async move { self.with_state(|state| state.store.remove(position)) })
    }

    /// Also resolves once the log is closed, so that who waits learns it from the next call.
    fn reachable(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let mut changes = self.shared.changes.subscribe();
            loop {
                changes.borrow_and_update();
                if self.shared.lock().connection != Connection::Down {
                    return;
                }
                if changes.changed().await.is_err() {
                    return;
                }
            }
        })
    }
}

impl Live for MemoryLog {
    fn send(&self, message: LiveMessage) -> BoxFuture<'_, Result<(), ReadError>> {
        Box::pin(async move {
            self.with_state(|_| ())?;
            // Nobody listens: nothing was promised.
            drop(self.shared.live.send(message));
            Ok(())
        })
    }

    fn listen(&self, filter: String) -> BoxFuture<'_, Result<LiveMessages, ReadError>> {
        Box::pin(async move {
            self.with_state(|_| ())?;
            let listening = (self.shared.live.subscribe(), SubjectFilter::new(&filter));
            let messages = stream::unfold(listening, |(mut messages, filter)| async move {
                loop {
                    match messages.recv().await {
                        Ok(message) if filter.matches(&message.subject) => {
                            return Some((message, (messages, filter)));
                        }
                        Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                        Err(broadcast::error::RecvError::Closed) => return None,
                    }
                }
            });
            Ok(Box::pin(messages) as LiveMessages)
        })
    }
}

impl fmt::Debug for MemoryLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        f.debug_struct("MemoryLog")
            .field("identity", &self.shared.description.identity)
            .field("tail", &state.store.tail())
            .field("connection", &state.connection)
            .finish_non_exhaustive()
    }
}

fn unanswered() -> AppendError {
    AppendError::Unanswered { waited_ms: 0 }
}

fn unanswered_read() -> ReadError {
    ReadError::Unanswered { waited_ms: 0 }
}

fn refused(description: &str) -> AppendError {
    AppendError::Refused { code: 0, description: description.to_owned() }
}

#[cfg(test)]
mod tests;
