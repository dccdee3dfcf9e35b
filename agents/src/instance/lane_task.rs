//! One lane of an instance: delivery, handling and committing, side by side.
//!
//! What may be committed is the [`Reactor`]'s to say. Here are the parts that wait: for the log, for the handler, for the clock.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use colony_bus::lane::{ConditionedError, Receipt};
use colony_bus::log::ReadError;
use colony_bus::{Bus, Cut, Delivery, EntryError, Subscription};
use colony_core::{EntityName, Entry, EventId, LaneName, Position, Timestamp};
use futures_util::StreamExt as _;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use super::error::InstanceError;
use super::handling::{Handling, Source};
use super::lanes::{Glimpse, Known, Lanes, lane_name};
use super::memory::{Memory, Mind};
use super::metrics::Counters;
use super::options::InstanceOptions;
use super::roll::{Present, preferred};
use super::status::LaneStatus;
use crate::agent::Agent;
use crate::interest::Interest;
use crate::reaction::{Asking, Desk, Edited, Recorded, Recording, SharedOutput};
use crate::reactor::{LaneStep, Reactor};
use crate::schedule::Schedule;

mod committing;
mod events;
mod sealing;
mod standing_by;
mod ticking;

use committing::open;
use sealing::Ready;
use ticking::schedules;

/// Most events delivered and not yet handled.
const QUEUE: usize = 2_048;
/// Most events handled, and most taken in, before anything else is looked at.
const BURST: usize = 64;
/// Entries before the next event that are read again when following begins.
const OVERLAP: u64 = 10_000;
/// Pause between two looks at a lane on which another instance works.
const LOOK: Duration = Duration::from_millis(500);
/// The same while more events have been delivered than may wait.
const LOOK_SOON: Duration = Duration::from_millis(20);
/// First pause after the log could not be read or written; each next one is twice as long, up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What the lanes of an instance share.
pub(super) struct Context {
    pub(super) bus: Bus,
    pub(super) options: InstanceOptions,
    pub(super) stop: CancellationToken,
    pub(super) counters: Arc<Counters>,
}

type Waiting<T> = Option<Pin<Box<dyn Future<Output = T> + Send>>>;
type Appended = Result<Vec<Receipt>, ConditionedError>;

/// What reading the lane brought.
enum Reading {
    /// What stands past the end that was known.
    Past(Result<Vec<LaneStep>, ReadError>),
    /// How far another instance has come.
    Seen(Result<Glimpse, ReadError>),
}

/// The event being handled.
struct Current {
    event: Position,
    entity: Option<EntityName>,
    source: Source,
    /// Whether it had been set aside.
    resumed: bool,
    attempts: u32,
    /// When it is handled again.
    pause: Option<Instant>,
    /// What its reaction edited, while that waits to be stored; nothing else is handled meanwhile.
    edited: Option<Edited>,
}

/// What a lane's task is made of.
struct Parts {
    context: Arc<Context>,
    partition: u16,
    present: watch::Receiver<Present>,
    status: watch::Sender<LaneStatus>,
    lanes: Lanes,
    reactor: Reactor<SharedOutput>,
    schedules: Vec<Schedule>,
    mind: Box<dyn Mind>,
}

pub(super) struct LaneTask {
    context: Arc<Context>,
    interest: Interest,
    partition: u16,
    /// What this lane is called when instances are chosen for it.
    share: String,
    /// The instance that is to work first, of those present.
    preferred: Option<LaneName>,
    /// The name of the lane of a number, for those who look.
    named: (u64, LaneName),
    lanes: Lanes,
    reactor: Reactor<SharedOutput>,
    mind: Box<dyn Mind>,
    present: watch::Receiver<Present>,
    status: watch::Sender<LaneStatus>,

    queue: VecDeque<Arc<Entry>>,
    delivered: Position,
    current: Option<Current>,
    handler: Option<Handling>,
    /// When the handler began.
    began_handling: Instant,
    appending: Waiting<Appended>,
    /// What is sealed behind that, for the next unit.
    ready: Ready,
    /// How many outputs are on their way.
    appending_outputs: usize,
    reading: Waiting<Reading>,
    keeping: Waiting<()>,
    recordings: (mpsc::Sender<Recording>, mpsc::Receiver<Recording>),
    /// The result that the handler waits for, and whether it is the one that it brought.
    recording: Option<(EventId, oneshot::Sender<Recorded>, bool)>,
    /// Handlers that want a document ask for the lane to be settled.
    asks: (mpsc::Sender<Asking>, mpsc::Receiver<Asking>),
    asking: Option<Asking>,
    desk: Desk,

    /// The schedules whose ticks stand in this lane, and when this instance began.
    schedules: Vec<Schedule>,
    began: Timestamp,

    /// How far another instance was seen to have come, and in which lane.
    glimpsed: (u64, Position),
    looked: Instant,
    /// While this instance stands by and does not listen: since when the other one was not seen to get on.
    aside: Option<Instant>,
    /// Since when the next event has waited for another instance.
    waits_since: Option<(Position, Instant)>,
    /// Whether this instance works although another one is preferred, because that one stands still.
    overtakes: bool,
    /// Whether this instance worked when it last looked.
    worked: bool,
    /// Since when events were handled without a trace.
    silent_since: Option<Instant>,
    /// Failures of the log in a row, and when to try again.
    failures: u32,
    again_at: Option<Instant>,
    stop_at: Option<Instant>,
}

impl LaneTask {
    /// Reads the lane, begins it if nothing is there, and loads the state.
    pub(super) async fn open<A: Agent>(
        context: Arc<Context>,
        agent: &Arc<A>,
        partition: u16,
        present: watch::Receiver<Present>,
        status: watch::Sender<LaneStatus>,
    ) -> Result<Self, InstanceError> {
        let lanes = Lanes::new(context.bus.clone(), partition);
        let reactor = open(&context, &lanes).await?;
        let Context { bus, options, .. } = context.as_ref();
        let (cache, interval) = (options.cache.as_deref(), options.cache_interval);
        let cursor = reactor.view().cursor();
        let memory = Memory::open(bus, agent, partition, cache, interval, cursor).await;
        let schedules = schedules(agent.schedules(), partition, options.partitions);
        let mind = Box::new(memory);
        let parts = Parts { context, partition, present, status, lanes, reactor, schedules, mind };
        Ok(Self::new(parts, agent.interest()))
    }

    fn new(parts: Parts, interest: Interest) -> Self {
        let Parts { context, partition, present, status, lanes, reactor, schedules, mind } = parts;
        let share = format!("{}/{partition}", context.bus.agent());
        let first = preferred(&present.borrow(), &share).cloned();
        let cursor = reactor.view().cursor();
        let delivered = if mind.knows_nothing() { cursor } else { mind.folded() };
        Self {
            interest,
            schedules,
            began: context.options.clock.now(),
            partition,
            preferred: first,
            share,
            named: (0, lane_name(partition, 1)),
            glimpsed: (reactor.view().number(), cursor),
            ready: Ready::nothing(&lanes),
            lanes,
            reactor,
            mind,
            present,
            status,
            queue: VecDeque::new(),
            delivered,
            current: None,
            handler: None,
            began_handling: Instant::now(),
            appending: None,
            appending_outputs: 0,
            reading: None,
            keeping: None,
            recordings: mpsc::channel(1),
            recording: None,
            asks: mpsc::channel(1),
            asking: None,
            desk: Desk::default(),
            looked: Instant::now(),
            aside: None,
            waits_since: None,
            overtakes: false,
            worked: false,
            silent_since: None,
            failures: 0,
            again_at: None,
            stop_at: None,
            context,
        }
    }

    /// Works until asked to stop.
    pub(super) async fn run(mut self) -> Result<(), InstanceError> {
        let context = Arc::clone(&self.context);
        let mut events: Option<Subscription> = None;
        let mut following: Waiting<Result<Subscription, ReadError>> = None;
        loop {
            let now = Instant::now();
            self.proceed(now);
            // Before anything else is done: so a unit is sent at once.
            let appended = futures_util::poll!(pin!(next(&mut self.appending)));
            if let Poll::Ready(appended) = appended {
                self.appended(appended)?;
                continue;
            }
            self.seal_ahead();
            self.handle_at_once().await;
            self.tell();
            if let Some(deadline) = self.stop_at
                && self.is_through(deadline, now)
            {
                return self.close().await;
            }
            if self.aside.is_some() {
                (events, following) = (None, None);
            }
            let quiet = self.again_at.is_none() && self.queue.is_empty() && self.aside.is_none();
            if events.is_none() && following.is_none() && quiet {
                following = Some(self.follow());
            }
            let room = self.queue.len() < QUEUE;
            let wake = self.wake_at(now);
            tokio::select! {
                biased;
                () = context.stop.cancelled(), if self.stop_at.is_none() => {
                    self.stop_at = Some(Instant::now() + context.options.grace);
                }
                appended = next(&mut self.appending) => self.appended(appended)?,
                read = next(&mut self.reading) => self.read(read)?,
                () = next(&mut self.keeping) => {}
                Some(recording) = self.recordings.1.recv() => self.record(recording),
                Some(asking) = self.asks.1.recv() => self.asking = Some(asking),
                handled = next(&mut self.handler) => self.handled(handled),
                followed = next(&mut following) => match followed {
                    Ok(subscription) => events = Some(subscription),
                    Err(error) if error.is_retryable() => self.fail(),
                    Err(error) => return Err(error.into()),
                },
                delivery = deliver(&mut events), if room => {
                    if !self.take_in(&mut events, delivery).await? {
                        events = None;
                        self.fail();
                    }
                }
                changed = self.present.changed() => {
                    if changed.is_ok() {
                        self.overtakes = false;
                        let present = self.present.borrow_and_update();
                        self.preferred = preferred(&present, &self.share).cloned();
                    }
                }
                () = sleep_until(wake) => {}
            }
        }
    }

    /// Handles events whose handlers need not wait: going around for each of them would cost more than that.
    async fn handle_at_once(&mut self) {
        for _ in 0..BURST {
            let Some(handler) = &mut self.handler else { return };
            let Poll::Ready(handled) = futures_util::poll!(handler.as_mut()) else { return };
            self.handler = None;
            self.handled(handled);
            self.proceed(Instant::now());
            self.seal_ahead();
        }
    }

    /// Makes the next unit ready while one is on its way.
    fn seal_ahead(&mut self) {
        if self.appending.is_some() {
            self.ready.seal_next(&self.lanes, &self.reactor);
        }
    }

    /// Takes in what is delivered, and what has come with it. Returns whether more can come.
    async fn take_in(
        &mut self,
        events: &mut Option<Subscription>,
        first: Option<Result<Delivery, EntryError>>,
    ) -> Result<bool, InstanceError> {
        let mut delivery = first;
        for left in (0..BURST).rev() {
            match delivery {
                Some(Ok(Delivery::Entry(entry))) => self.deliver(entry),
                Some(Ok(Delivery::CaughtUp)) => {}
                Some(Err(EntryError::Unreadable { position, .. })) => {
                    tracing::warn!(%position, "what is stored there is no entry; it is left out");
                }
                Some(Err(EntryError::Read(error))) if !error.is_retryable() => {
                    return Err(error.into());
                }
                Some(Err(_)) | None => return Ok(false),
            }
            if left == 0 || self.queue.len() >= QUEUE {
                break;
            }
            let Poll::Ready(next) = futures_util::poll!(std::pin::pin!(deliver(events))) else {
                break;
            };
            delivery = next;
        }
        Ok(true)
    }

    /// Follows what the agent listens to: from a little before, so that the copy of an entry that arrives late is known to
    /// be one.
    fn follow(&self) -> Pin<Box<dyn Future<Output = Result<Subscription, ReadError>> + Send>> {
        let after = Position::new(self.delivered.get().saturating_sub(OVERLAP));
        let (bus, filter) = (self.context.bus.clone(), self.interest.filter());
        Box::pin(async move { bus.subscribe(filter, Cut::Position(after)).await })
    }

    /// Takes in a delivered entry.
    fn deliver(&mut self, entry: Box<Entry>) {
        let new = entry.position > self.delivered;
        self.delivered = self.delivered.max(entry.position);
        if new && self.interest.selects(self.context.bus.agent(), &entry) {
            self.queue.push_back(Arc::from(entry));
        }
    }

    /// Does everything that can be done without waiting, and begins what has to be waited for.
    fn proceed(&mut self, now: Instant) {
        if self.again_at.is_some_and(|at| at <= now) {
            self.again_at = None;
        }
        if let Some(current) = &self.current
            && !self.reactor.wants(current.event)
        {
            tracing::debug!(event = %current.event, "another instance was faster");
            self.drop_current();
        }
        self.make_again();
        self.mind_listening(now);
        self.take_events(now);
        self.answer_asking();
        if self.handler.is_none()
            && let Some(current) = &self.current
            && current.edited.is_none()
            && current.pause.is_none_or(|at| at <= now)
        {
            self.start_handler();
        }
        self.mind_schedules(now);
        self.mind_silence(now);
        if self.keeping.is_none()
            && let Some(keeping) = self.mind.ripe(self.reactor.view().cursor())
        {
            self.keeping = Some(keeping);
        }
        if self.again_at.is_some() {
            return;
        }
        if self.reading.is_none() && self.appending.is_none() && self.reactor.is_behind() {
            let (lanes, known) = (self.lanes.clone(), Known::from(self.reactor.view()));
            self.reading = Some(Box::pin(async move { Reading::Past(lanes.past(known).await) }));
        }
        if self.reading.is_none() && self.appending.is_none() {
            self.append();
        }
        if self.reading.is_none() && self.look_at().is_some_and(|at| at <= now) {
            let (lanes, number) = (self.lanes.clone(), self.glimpsed.0);
            self.looked = now;
            self.reading =
                Some(Box::pin(async move { Reading::Seen(lanes.glimpse(number).await) }));
        }
    }

    /// Returns when something is to be done though nothing happens. What was due by `now` has been done, or waits for
    /// something else.
    fn wake_at(&self, now: Instant) -> Option<Instant> {
        let options = &self.context.options;
        let pause = self.current.as_ref().and_then(|c| c.pause).filter(|_| self.handler.is_none());
        let silence = self.silent_since.map(|since| since + options.cursor_interval);
        let look = self.look_at().filter(|_| self.reading.is_none());
        let stall = self.waits_since.map(|(_, since)| since + options.stall);
        let end = self.stop_at.map(|at| at + options.grace);
        let tick = self.next_tick(now);
        let moments = [pause, silence, look, stall, self.again_at, self.stop_at, end, tick];
        moments.into_iter().flatten().filter(|at| *at > now).min()
    }

    fn tell(&mut self) {
        let view = self.reactor.view();
        if self.named.0 != view.number() {
            self.named = (view.number(), lane_name(self.partition, view.number()));
        }
        let idle = self.queue.is_empty() && self.current.is_none() && self.reactor.is_settled();
        let works = self.is_first();
        self.status.send_if_modified(|told| {
            let through = if idle { self.delivered } else { told.through };
            // Told after each step: what rarely changes is copied only when it does.
            let changed = [
                change(&mut told.through, &through),
                change(&mut told.lane, &self.named.1),
                change(&mut told.cursor, &view.cursor()),
                change(&mut told.reacted, &self.reactor.reacted().max(self.glimpsed.1)),
                change(&mut told.delivered, &self.delivered),
                change(&mut told.waiting, &self.queue.len()),
                change(&mut told.parked, &view.parked().len()),
                change(&mut told.works, &works),
                change(&mut told.preferred, &self.preferred),
            ];
            changed.contains(&true)
        });
    }

    /// Returns whether nothing is left to be done before the instance stops, or no time for it.
    fn is_through(&mut self, deadline: Instant, now: Instant) -> bool {
        if now >= deadline {
            self.drop_current();
        } else if self.handler.is_some() {
            return false;
        } else {
            self.drop_current();
        }
        if now >= deadline + self.context.options.grace {
            return true;
        }
        self.reactor.is_settled() && !self.reactor.is_silent() && self.keeping.is_none()
    }

    /// Keeps the state and says whether everything done is stored.
    async fn close(mut self) -> Result<(), InstanceError> {
        if !self.reactor.is_settled() || self.reactor.is_silent() {
            return Err(InstanceError::Unsettled);
        }
        self.mind.ripen();
        if let Some(keeping) = self.mind.ripe(self.reactor.view().cursor()) {
            keeping.await;
        }
        Ok(())
    }
}

/// Makes a value equal to another one, and returns whether it was not.
fn change<T: PartialEq + Clone>(told: &mut T, now: &T) -> bool {
    let differs = told != now;
    if differs {
        told.clone_from(now);
    }
    differs
}

/// Waits for what is under way, and takes it out.
async fn next<T>(waiting: &mut Waiting<T>) -> T {
    match waiting {
        Some(future) => {
            let value = future.await;
            *waiting = None;
            value
        }
        None => std::future::pending().await,
    }
}

async fn deliver(events: &mut Option<Subscription>) -> Option<Result<Delivery, EntryError>> {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
