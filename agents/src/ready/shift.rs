//! A crew at work in one process, on a log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use colony_bus::log::ReadError;
use colony_bus::{Bus, Cut, Delivery, EntryError, Receipt, Subscription, WriteError};
use colony_core::{AgentName, EntityName, Entry, Position, Timestamp};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior};

use super::act::Act;
use super::crew::{Crew, Due};
use super::role::Role;
use crate::protocol::Json;
use crate::protocol::task::Offered;

#[cfg(test)]
mod tests;

/// How often members look at the time.
const LOOK: Duration = Duration::from_millis(100);
/// Most entries taken before what they led to is appended.
const AT_ONCE: usize = 256;
/// Lanes opened at a time.
const OPENINGS: usize = 64;
/// Most appends on their way; then reading waits.
const ON_THEIR_WAY: usize = 4_096;
/// Entries read again before the first wanted, so that the late copy of one is known to be one.
const OVERLAP: u64 = 10_000;

/// How a crew works.
#[derive(Debug, Clone, Default)]
pub struct ShiftOptions {
    /// Reads the log from after this position on only. What was agreed before is not known then; for tests and measurements in a
    /// space that had no coordination before.
    pub after: Position,
}

/// Why a crew stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShiftError {
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The lane of a member could not be opened, or did not take an entry.
    #[error("{agent} could not append")]
    Write {
        /// The member.
        agent: AgentName,
        /// Why.
        #[source]
        source: WriteError,
    },
    /// Its task panicked.
    #[error("the crew's own task failed")]
    Panicked,
}

/// How a crew is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShiftStatus {
    /// Up to where it has read.
    pub position: Position,
    /// How many members it has.
    pub members: usize,
    /// How many members work right now.
    pub working: usize,
    /// How many tasks are known.
    pub tasks: usize,
    /// How many deliveries were made, by anybody.
    pub deliveries: u64,
    /// How many events its members appended.
    pub appended: u64,
    /// How many of those had no effect: claims that lost, mostly.
    pub ignored: u64,
}

/// A crew at work in one process.
///
/// It follows the log once, whatever the number of its members, and each member appends to a lane of its own. Dropped, it ends at
/// once, as a process does that is killed; [`Shift::stop`] lets appends arrive first.
#[derive(Debug)]
pub struct Shift {
    task: JoinHandle<Result<(), ShiftError>>,
    orders: mpsc::Sender<Order>,
    status: watch::Receiver<ShiftStatus>,
}

#[derive(Debug)]
enum Order {
    Lose(AgentName),
    Stop,
}

impl Shift {
    /// Starts a crew. `reader` is what the log is read with; each member brings the bus that it appends with, under its own name.
    ///
    /// Waits until everything stored so far is known.
    ///
    /// # Errors
    /// [`ShiftError`].
    pub async fn start(
        reader: Bus,
        members: Vec<(Bus, Box<dyn Role>)>,
        options: ShiftOptions,
    ) -> Result<Self, ShiftError> {
        let mut crew = Crew::default();
        let mut buses = BTreeMap::new();
        for (bus, role) in members {
            crew.join(bus.agent().clone(), role);
            buses.insert(bus.agent().clone(), bus);
        }
        let openings = stream::iter(buses.values().cloned()).map(|bus| async move {
            let opened = bus.writer().await.map(|_| ());
            opened.map_err(|source| ShiftError::Write { agent: bus.agent().clone(), source })
        });
        let mut openings = openings.buffer_unordered(OPENINGS);
        while let Some(opened) = openings.next().await {
            opened?;
        }
        drop(openings);
        let after = Cut::Position(options.after);
        let mut entries = reader.subscribe(super::filter(), after).await?;
        loop {
            match entries.next().await {
                Some(Ok(Delivery::Entry(entry))) => drop(crew.take(&entry, now())),
                Some(Ok(Delivery::CaughtUp)) => break,
                Some(Err(EntryError::Read(error))) => return Err(error.into()),
                Some(Err(_)) => {}
                None => return Err(ReadError::Closed.into()),
            }
        }
        let (orders, asked) = mpsc::channel(16);
        let (told, status) = watch::channel(ShiftStatus::default());
        let hand = Hand {
            position: crew.space().agreed().position(),
            crew,
            reader,
            buses,
            work: JoinSet::new(),
            on_their_way: FuturesUnordered::new(),
            appended: 0,
            ignored: 0,
            told,
        };
        let task = tokio::spawn(hand.run(entries, asked));
        Ok(Self { task, orders, status })
    }

    /// Returns how it is doing.
    pub fn status(&self) -> ShiftStatus {
        self.status.borrow().clone()
    }

    /// Watches how it is doing.
    pub fn watch(&self) -> watch::Receiver<ShiftStatus> {
        self.status.clone()
    }

    /// Waits until as many deliveries were made, by anybody. Returns as well when the crew has ended.
    pub async fn delivered(&self, deliveries: u64) {
        let mut status = self.status.clone();
        drop(status.wait_for(|status| status.deliveries >= deliveries).await);
    }

    /// Takes a member out at once, as if it had died.
    pub async fn lose(&self, agent: AgentName) {
        drop(self.orders.send(Order::Lose(agent)).await);
    }

    /// Waits until the crew ends by itself, and returns why.
    ///
    /// # Cancel safety
    /// Dropped before it returns, nothing is lost.
    pub async fn ended(&mut self) -> Result<(), ShiftError> {
        (&mut self.task).await.unwrap_or(Err(ShiftError::Panicked))
    }

    /// Stops: nothing new is begun, what is on its way to the log arrives. Tasks that are held stay so until they lapse, or until
    /// their holders come back.
    ///
    /// # Errors
    /// [`ShiftError`].
    pub async fn stop(mut self) -> Result<(), ShiftError> {
        drop(self.orders.send(Order::Stop).await);
        self.ended().await
    }
}

impl Drop for Shift {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The end of a member's work.
struct Worked {
    agent: AgentName,
    task: EntityName,
    fence: Position,
    result: Result<Json, String>,
}

type Appended = (AgentName, Result<Receipt, WriteError>);

/// The task that owns a crew.
struct Hand {
    crew: Crew,
    reader: Bus,
    buses: BTreeMap<AgentName, Bus>,
    work: JoinSet<Worked>,
    on_their_way: FuturesUnordered<BoxFuture<'static, Appended>>,
    position: Position,
    appended: u64,
    ignored: u64,
    told: watch::Sender<ShiftStatus>,
}

impl Hand {
    async fn run(
        mut self,
        entries: Subscription,
        mut orders: mpsc::Receiver<Order>,
    ) -> Result<(), ShiftError> {
        let mut entries = Some(entries);
        let due = self.crew.begin(now());
        self.act(due, None).await?;
        let mut look = tokio::time::interval_at(Instant::now() + LOOK, LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.tell();
            let room = self.on_their_way.len() < ON_THEIR_WAY;
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Lose(agent)) => drop(self.crew.lose(&agent)),
                    Some(Order::Stop) | None => break,
                },
                Some((agent, appended)) = self.on_their_way.next() => {
                    settle(agent, appended)?;
                    // What was stored together is answered together.
                    while let Some(Some((agent, appended))) = self.on_their_way.next().now_or_never() {
                        settle(agent, appended)?;
                    }
                }
                delivery = next(&mut entries), if room => match delivery {
                    Some(delivery) => {
                        let mut delivery = Some(delivery);
                        let mut taken = 0;
                        while let Some(item) = delivery.take() {
                            self.deliver(item).await?;
                            taken += 1;
                            if taken < AT_ONCE {
                                delivery = next(&mut entries).now_or_never().flatten();
                            }
                        }
                    }
                    None => entries = None,
                },
                Some(worked) = self.work.join_next() => {
                    let mut worked = Some(worked);
                    while let Some(end) = worked.take() {
                        if let Ok(end) = end {
                            self.worked(end).await?;
                        }
                        worked = self.work.try_join_next();
                    }
                }
                _ = look.tick() => {
                    if entries.is_none() {
                        let from = self.position.get().saturating_sub(OVERLAP);
                        let filter = super::filter();
                        let cut = Cut::Position(Position::new(from));
                        entries = self.reader.subscribe(filter, cut).await.ok();
                    }
                    let due = self.crew.pass_time(now());
                    self.act(due, None).await?;
                }
            }
        }
        self.work.shutdown().await;
        while let Some((agent, appended)) = self.on_their_way.next().await {
            settle(agent, appended)?;
        }
        Ok(())
    }

    async fn deliver(&mut self, item: Result<Delivery, EntryError>) -> Result<(), ShiftError> {
        let entry = match item {
            Ok(Delivery::Entry(entry)) if entry.position > self.position => entry,
            Ok(Delivery::Entry(_) | Delivery::CaughtUp) => return Ok(()),
            Err(EntryError::Read(error)) if !error.is_retryable() => return Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, "an entry is left out");
                return Ok(());
            }
        };
        self.position = entry.position;
        let ignored_before = self.crew.space().agreed().ignored.total();
        let (_, due) = self.crew.take(&entry, now());
        if self.crew.space().agreed().ignored.total() > ignored_before
            && self.buses.contains_key(&entry.event().author)
        {
            self.ignored += 1;
        }
        self.act(due, Some(Arc::from(entry))).await
    }

    async fn worked(&mut self, end: Worked) -> Result<(), ShiftError> {
        let Worked { agent, task, fence, result } = end;
        let result = result.as_ref().map_err(String::as_str);
        let due = self.crew.worked(&agent, &task, fence, result, now());
        self.act(due, None).await
    }

    async fn act(&mut self, due: Vec<Due>, cause: Option<Arc<Entry>>) -> Result<(), ShiftError> {
        for Due { agent, act } in due {
            match act {
                Act::Say(say) => {
                    let Some(bus) = self.buses.get(&agent) else { continue };
                    let draft = say.into_draft();
                    let draft = match &cause {
                        Some(entry) => draft.because_of(entry),
                        None => draft,
                    };
                    let failed = |source| ShiftError::Write { agent: agent.clone(), source };
                    let ticket = bus.publish(draft).await.map_err(failed)?;
                    self.appended += 1;
                    self.on_their_way.push(ticket.map(move |stored| (agent, stored)).boxed());
                }
                Act::Work { task, fence, work } => {
                    let found = self.crew.space().agreed().tasks.get(&task);
                    let offered = match found {
                        Some(found) => found.offer.said.clone(),
                        None => Offered::of(task.as_str()),
                    };
                    self.work.spawn(async move {
                        let result = work.run(&task, &offered).await;
                        let result = result.map_err(|error| error.to_string());
                        Worked { agent, task, fence, result }
                    });
                }
            }
        }
        Ok(())
    }

    fn tell(&self) {
        let space = self.crew.space();
        let status = ShiftStatus {
            position: self.position,
            members: self.crew.members().len(),
            working: self.work.len(),
            tasks: space.agreed().tasks.iter().len(),
            deliveries: space.rota().deliveries(),
            appended: self.appended,
            ignored: self.ignored,
        };
        self.told.send_if_modified(|told| {
            let changed = *told != status;
            *told = status;
            changed
        });
    }
}

/// Says what became of an append. One that may or may not have been stored is looked at when its entry is read, or is missed.
fn settle(agent: AgentName, appended: Result<Receipt, WriteError>) -> Result<(), ShiftError> {
    match appended {
        Ok(_) => Ok(()),
        Err(error) if error.is_retryable() => {
            tracing::warn!(%agent, %error, "an append has no outcome");
            Ok(())
        }
        Err(source) => Err(ShiftError::Write { agent, source }),
    }
}

async fn next(entries: &mut Option<Subscription>) -> Option<Result<Delivery, EntryError>> {
    match entries {
        Some(entries) => entries.next().await,
        None => std::future::pending().await,
    }
}

fn now() -> Timestamp {
    SystemTime::now().into()
}
