//! One lane of an instance: delivery, handling and committing, side by side.
//!
//! What may be committed is the [`Reactor`]'s to say. Here are the parts that wait: for the log, for the handler, for the clock.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;

use colony_bus::lane::{ConditionedError, Receipt};
use colony_bus::log::{AppendError, ReadError};
use colony_bus::{Bus, Cut, Delivery, EntryError, Subscription};
use colony_core::{EntityName, Entry, LaneName, Position};
use futures_util::StreamExt as _;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use super::error::InstanceError;
use super::handling::{Bounds, Handled, Handling, Source, handle, shorten};
use super::lanes::{Glimpse, Known, Lanes};
use super::memory::{Memory, knows_nothing};
use super::options::{InstanceOptions, Preference, Start};
use super::roll::{Present, preferred};
use super::status::LaneStatus;
use crate::agent::Agent;
use crate::derived::partition_of;
use crate::interest::Interest;
use crate::reaction::{EffectSource, Output, Patience, Recorded, Recording};
use crate::reactor::{
    EffectFate, LaneStep, LaneView, ParkReason, ParkedEvent, Phase, Reactor, Verdict,
};

/// Most events delivered and not yet handled.
const QUEUE: usize = 4_096;
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
pub(super) struct Context<A> {
    pub(super) bus: Bus,
    pub(super) agent: Arc<A>,
    pub(super) options: InstanceOptions,
    pub(super) stop: CancellationToken,
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
}

pub(super) struct LaneTask<A: Agent> {
    context: Arc<Context<A>>,
    interest: Interest,
    partition: u16,
    /// What this lane is called when instances are chosen for it.
    share: String,
    lanes: Lanes,
    reactor: Reactor<Output>,
    memory: Memory<A>,
    present: watch::Receiver<Present>,
    status: watch::Sender<LaneStatus>,

    queue: VecDeque<Arc<Entry>>,
    delivered: Position,
    current: Option<Current>,
    handler: Option<Handling>,
    appending: Waiting<Appended>,
    reading: Waiting<Reading>,
    keeping: Waiting<()>,
    recordings: (mpsc::Sender<Recording>, mpsc::Receiver<Recording>),
    recording: Option<(colony_core::EventId, oneshot::Sender<Recorded>)>,

    /// How far another instance was seen to have come, and in which lane.
    glimpsed: (u64, Position),
    looked: Instant,
    /// Since when the next event has waited for another instance.
    waits_since: Option<(Position, Instant)>,
    /// Whether this instance works although another one is preferred, because that one stands still.
    overtakes: bool,
    /// Since when events were handled without a trace.
    silent_since: Option<Instant>,
    /// Failures of the log in a row, and when to try again.
    failures: u32,
    again_at: Option<Instant>,
    stop_at: Option<Instant>,
}

impl<A: Agent> LaneTask<A> {
    /// Reads the lane, begins it if nothing is there, and loads the state.
    pub(super) async fn open(
        context: Arc<Context<A>>,
        partition: u16,
        present: watch::Receiver<Present>,
        status: watch::Sender<LaneStatus>,
    ) -> Result<Self, InstanceError> {
        let Context { bus, agent, options, .. } = context.as_ref();
        let lanes = Lanes::new(bus.clone(), partition);
        let number = retry(|| lanes.find()).await?;
        let start = match options.start {
            Start::Beginning => Position::ZERO,
            Start::After(position) => position,
            Start::Now => retry(|| bus.tail()).await?,
        };
        let mut limits = options.limits.clone();
        limits.unit_entries = limits.unit_entries.min(bus.description().max_atomic_records).max(2);
        let view = LaneView::before(number);
        let mut reactor = Reactor::new(view, options.partitions, start, limits);
        begin(&lanes, &mut reactor).await?;
        let actual = reactor.view().partitions();
        if actual != options.partitions {
            return Err(InstanceError::Partitions { asked: options.partitions, actual });
        }
        let (cache, interval) = (options.cache.as_deref(), options.cache_interval);
        let cursor = reactor.view().cursor();
        let memory = Memory::open(bus, agent, partition, cache, interval, cursor).await;
        let delivered = if knows_nothing::<A>() { cursor } else { memory.folded() };
        Ok(Self {
            interest: agent.interest(),
            partition,
            share: format!("{}/{partition}", bus.agent()),
            glimpsed: (reactor.view().number(), cursor),
            lanes,
            reactor,
            memory,
            present,
            status,
            queue: VecDeque::new(),
            delivered,
            current: None,
            handler: None,
            appending: None,
            reading: None,
            keeping: None,
            recordings: mpsc::channel(1),
            recording: None,
            looked: Instant::now(),
            waits_since: None,
            overtakes: false,
            silent_since: None,
            failures: 0,
            again_at: None,
            stop_at: None,
            context,
        })
    }

    /// Works until asked to stop.
    pub(super) async fn run(mut self) -> Result<(), InstanceError> {
        let context = Arc::clone(&self.context);
        let mut events: Option<Subscription> = None;
        loop {
            let now = Instant::now();
            self.proceed(now);
            self.tell();
            if let Some(deadline) = self.stop_at
                && self.is_through(deadline, now)
            {
                return self.close().await;
            }
            if events.is_none() && self.again_at.is_none() && self.queue.is_empty() {
                events = self.follow().await?;
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
                handled = next(&mut self.handler) => self.handled(handled),
                delivery = deliver(&mut events), if room => match delivery {
                    Some(Ok(Delivery::Entry(entry))) => self.deliver(*entry),
                    Some(Ok(Delivery::CaughtUp)) => {}
                    Some(Err(EntryError::Unreadable { position, .. })) => {
                        tracing::warn!(%position, "what is stored there is no entry; it is left out");
                    }
                    Some(Err(EntryError::Read(error))) if !error.is_retryable() => {
                        return Err(error.into());
                    }
                    Some(Err(_)) | None => {
                        events = None;
                        self.fail();
                    }
                },
                changed = self.present.changed() => {
                    if changed.is_ok() {
                        self.overtakes = false;
                    }
                }
                () = sleep_until(wake) => {}
            }
        }
    }

    async fn follow(&mut self) -> Result<Option<Subscription>, InstanceError> {
        // From a little before, so that the copy of an entry that arrives late is known to be one.
        let after = Position::new(self.delivered.get().saturating_sub(OVERLAP));
        let after = Cut::Position(after);
        match self.context.bus.subscribe(self.interest.filter(), after).await {
            Ok(events) => Ok(Some(events)),
            Err(error) if error.is_retryable() => {
                self.fail();
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Takes in a delivered entry.
    fn deliver(&mut self, entry: Entry) {
        let new = entry.position > self.delivered;
        self.delivered = self.delivered.max(entry.position);
        if new && self.interest.selects(self.context.bus.agent(), &entry) {
            self.queue.push_back(Arc::new(entry));
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
        self.take_events(now);
        if self.handler.is_none()
            && let Some(current) = &self.current
            && current.pause.is_none_or(|at| at <= now)
        {
            self.start_handler();
        }
        self.mind_silence(now);
        if self.keeping.is_none()
            && let Some(keeping) = self.memory.ripe(self.reactor.view().cursor())
        {
            self.keeping = Some(Box::pin(keeping));
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

    /// Folds events into the state up to the next one that is to be handled.
    fn take_events(&mut self, now: Instant) {
        while self.current.is_none() && !self.reactor.is_behind() {
            let works = self.works(now) && self.stop_at.is_none() && self.reactor.has_room();
            if works && let Some(parked) = self.reactor.due() {
                self.current = Some(Current {
                    event: parked.event,
                    entity: parked.entity.clone(),
                    source: Source::Log(parked.event),
                    resumed: true,
                    attempts: 0,
                    pause: None,
                });
                return;
            }
            let Some(entry) = self.queue.front().cloned() else { return };
            let (event, entity) = (entry.position, entry.event().entity.clone());
            let past = event <= self.reactor.reacted().max(self.glimpsed.1);
            let verdict = if past || !self.is_mine(&entry) {
                Verdict::Past
            } else if !works {
                return;
            } else {
                self.reactor.judge(event, entity.as_ref())
            };
            if verdict == Verdict::Full {
                return;
            }
            self.memory.fold(&entry);
            self.queue.pop_front();
            if verdict == Verdict::React {
                let source = Source::Here(entry);
                let (resumed, attempts, pause) = (false, 0, None);
                self.current = Some(Current { event, entity, source, resumed, attempts, pause });
            }
        }
    }

    /// Returns whether an event belongs to this lane.
    fn is_mine(&self, entry: &Entry) -> bool {
        partition_of(entry, self.context.options.partitions) == self.partition
    }

    /// Returns whether this instance is to work. A wrong answer costs work and nothing else.
    fn works(&mut self, now: Instant) -> bool {
        let InstanceOptions { preference, stall, .. } = self.context.options;
        let me: &LaneName = self.context.bus.instance();
        if preference == Preference::Everyone
            || self.overtakes
            || preferred(&self.present.borrow(), &self.share) == Some(me)
        {
            self.waits_since = None;
            return true;
        }
        let Some(next) = self.queue.front().map(|entry| entry.position) else {
            self.waits_since = None;
            return false;
        };
        match self.waits_since {
            Some((waiting, since)) if waiting == next => {
                self.overtakes = now.saturating_duration_since(since) >= stall;
            }
            Some(_) | None => self.waits_since = Some((next, now)),
        }
        self.overtakes
    }

    /// Returns when to look what others have written: how far the instance that works has come, or what is to be done
    /// about events set aside.
    fn look_at(&self) -> Option<Instant> {
        if self.waits_since.is_none() && self.reactor.view().parked().is_empty() {
            return None;
        }
        let pause = if self.queue.len() < QUEUE { LOOK } else { LOOK_SOON };
        Some(self.looked + pause)
    }

    fn start_handler(&mut self) {
        let Some(current) = &mut self.current else { return };
        current.pause = None;
        let Context { bus, agent, options, .. } = self.context.as_ref();
        let recorded = self.reactor.view().effects_of(current.event);
        let recordings = Some(self.recordings.0.clone());
        let effects = EffectSource {
            bus: bus.clone(),
            recorded,
            recordings,
            patience: Patience::default(),
            asked: BTreeMap::new(),
        };
        let bounds = Bounds {
            timeout: options.handler_timeout,
            max_hops: options.max_hops,
            max_outputs: self.reactor.limits().unit_entries - 1,
        };
        let (agent, source) = (Arc::clone(agent), current.source.clone());
        let handling = handle(agent, self.memory.share(), source, effects, bus.clone(), bounds);
        self.handler = Some(Box::pin(handling));
    }

    fn drop_current(&mut self) {
        self.handler = None;
        self.recording = None;
        while self.recordings.1.try_recv().is_ok() {}
        self.current = None;
    }

    fn handled(&mut self, handled: Handled) {
        let Some(mut current) = self.current.take() else { return };
        current.attempts += 1;
        let (event, entity) = (current.event, current.entity.as_ref());
        match handled {
            Handled::Done(outputs) if current.resumed => {
                self.reactor.resume(event, self.memory.folded(), outputs);
            }
            Handled::Done(outputs) => self.reactor.react(event, entity, outputs),
            Handled::Unread(error) => {
                tracing::debug!(%event, %error, "the event cannot be read yet");
                current.attempts = 0;
                current.pause = Some(Instant::now() + LONGEST_PAUSE);
                self.current = Some(current);
            }
            Handled::Failed { reason, lasting } => {
                let pause = self.context.options.retry.pause_after(current.attempts);
                match pause.filter(|_| !lasting) {
                    Some(pause) => {
                        tracing::info!(%event, %reason, attempts = current.attempts, "will try again");
                        current.pause = Some(Instant::now() + pause);
                        self.current = Some(current);
                    }
                    None => {
                        tracing::warn!(%event, %reason, "the event is set aside");
                        let Current { event, entity, attempts, .. } = current;
                        let parked = ParkedEvent { event, entity, reason, attempts, due: false };
                        self.reactor.park(parked);
                    }
                }
            }
        }
    }

    /// Lets the lane tell from time to time how far it has reacted, when no output does.
    fn mind_silence(&mut self, now: Instant) {
        if !self.reactor.is_silent() {
            self.silent_since = None;
            return;
        }
        let since = *self.silent_since.get_or_insert(now);
        let interval = self.context.options.cursor_interval;
        if now.saturating_duration_since(since) >= interval || self.stop_at.is_some() {
            self.reactor.tell_cursor();
        }
    }

    fn record(&mut self, recording: Recording) {
        let Recording { note, output, answer } = recording;
        let id = note.id.clone();
        if self.reactor.record(note, output) {
            self.recording = Some((id, answer));
        } else {
            drop(answer.send(Recorded::Nowhere));
        }
    }

    /// Tells the handler what became of the result that it wants recorded.
    fn answer_recording(&mut self, ours: bool) {
        let fate = |(id, _): &mut (_, _)| self.reactor.effect(id);
        let Some(fate) = self.recording.as_mut().map(fate) else { return };
        let told = match fate {
            EffectFate::Pending => return,
            EffectFate::Recorded(_) if ours => Recorded::Here,
            EffectFate::Recorded(position) => Recorded::There(position),
            EffectFate::Dropped => Recorded::Nowhere,
        };
        if let Some((_, answer)) = self.recording.take() {
            drop(answer.send(told));
        }
    }

    fn append(&mut self) {
        let Some(unit) = self.reactor.unit() else { return };
        let entries = self.lanes.entries(&unit);
        let lane = self.lanes.lane(unit.lane);
        self.appending = Some(Box::pin(async move { lane.append(unit.end, &entries).await }));
    }

    fn appended(&mut self, appended: Appended) -> Result<(), InstanceError> {
        settle(&mut self.reactor, appended).map_err(InstanceError::Append).map(|trouble| {
            match trouble {
                Trouble::None => self.failures = 0,
                Trouble::Overtaken => {
                    self.overtakes = false;
                    // Only if it happens again and again.
                    self.failures += 1;
                    if self.failures > 3 {
                        self.fail();
                    }
                }
                Trouble::Log => self.fail(),
            }
            self.answer_recording(true);
        })
    }

    fn read(&mut self, reading: Reading) -> Result<(), InstanceError> {
        match reading {
            Reading::Past(Ok(steps)) => {
                let through = steps.is_empty();
                steps.into_iter().for_each(|step| self.reactor.read(step));
                if through || self.reactor.view().phase() != Phase::Closed {
                    self.reactor.caught_up();
                    self.answer_recording(false);
                }
            }
            Reading::Seen(Ok(Glimpse { lane, last, cursor })) => {
                self.glimpsed = (lane, self.glimpsed.1.max(cursor));
                if self.waits_since.is_none() && last > self.reactor.view().end().last {
                    // Somebody asks for what is set aside to be retried, perhaps.
                    self.reactor.suspect();
                }
            }
            Reading::Past(Err(error)) | Reading::Seen(Err(error)) => {
                if !error.is_retryable() {
                    return Err(error.into());
                }
                self.fail();
            }
        }
        Ok(())
    }

    /// Waits before the log is asked for anything again.
    fn fail(&mut self) {
        self.failures = self.failures.saturating_add(1);
        self.again_at = Some(Instant::now() + pause_after(self.failures));
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
        let moments = [pause, silence, look, stall, self.again_at, self.stop_at, end];
        moments.into_iter().flatten().filter(|at| *at > now).min()
    }

    fn tell(&self) {
        let present = self.present.borrow();
        let view = self.reactor.view();
        let preferred = preferred(&present, &self.share).cloned();
        let idle = self.queue.is_empty() && self.current.is_none() && self.reactor.is_settled();
        let status = LaneStatus {
            through: if idle { self.delivered } else { self.status.borrow().through },
            partition: self.partition,
            lane: super::lanes::lane_name(self.partition, view.number()),
            cursor: view.cursor(),
            reacted: self.reactor.reacted().max(self.glimpsed.1),
            delivered: self.delivered,
            waiting: self.queue.len(),
            parked: view.parked().len(),
            works: self.waits_since.is_none(),
            preferred,
        };
        self.status.send_if_modified(|told| {
            let changed = *told != status;
            *told = status;
            changed
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
        self.memory.ripen();
        if let Some(keeping) = self.memory.ripe(self.reactor.view().cursor()) {
            keeping.await;
        }
        Ok(())
    }
}

/// How an append went, as far as it matters for when to go on.
enum Trouble {
    None,
    Overtaken,
    Log,
}

/// Tells the reactor how an append went.
fn settle(reactor: &mut Reactor<Output>, appended: Appended) -> Result<Trouble, ConditionedError> {
    let error = match appended {
        Ok(receipts) => {
            reactor.stored(&receipts);
            return Ok(Trouble::None);
        }
        Err(error) => error,
    };
    let message = || shorten(&error.to_string());
    match &error {
        ConditionedError::Seal { source, .. } => {
            let reason = ParkReason::Refused { message: shorten(&source.to_string()) };
            if reactor.refused(reason) { Ok(Trouble::None) } else { Err(error) }
        }
        ConditionedError::Append(AppendError::TooLarge { .. } | AppendError::TooMany { .. }) => {
            let reason = ParkReason::Refused { message: message() };
            if reactor.refused(reason) { Ok(Trouble::None) } else { Err(error) }
        }
        ConditionedError::Append(AppendError::Conflict { .. }) => {
            reactor.unsure();
            Ok(Trouble::Overtaken)
        }
        ConditionedError::Append(
            AppendError::Unanswered { .. }
            | AppendError::Interrupted { .. }
            | AppendError::Unavailable
            | AppendError::Full { .. },
        ) => {
            reactor.unsure();
            Ok(Trouble::Log)
        }
        _ => Err(error),
    }
}

/// Reads a lane to its end, and begins it if nothing is there.
async fn begin(lanes: &Lanes, reactor: &mut Reactor<Output>) -> Result<(), InstanceError> {
    let mut failures = 0;
    loop {
        if reactor.is_behind() {
            let known = Known::from(reactor.view());
            let steps = retry(|| lanes.past(known)).await?;
            let through = steps.is_empty();
            steps.into_iter().for_each(|step| reactor.read(step));
            if through || reactor.view().phase() != Phase::Closed {
                reactor.caught_up();
            }
            continue;
        }
        if reactor.view().phase() != Phase::Empty {
            return Ok(());
        }
        let Some(unit) = reactor.unit() else { return Ok(()) };
        let entries = lanes.entries(&unit);
        let appended = lanes.lane(unit.lane).append(unit.end, &entries).await;
        match settle(reactor, appended).map_err(InstanceError::Append)? {
            Trouble::None => {}
            Trouble::Overtaken | Trouble::Log => {
                failures += 1;
                tokio::time::sleep(pause_after(failures)).await;
            }
        }
    }
}

/// Asks again while the log does not answer.
async fn retry<T, F: Future<Output = Result<T, ReadError>>>(
    mut ask: impl FnMut() -> F,
) -> Result<T, ReadError> {
    let mut failures = 0;
    loop {
        match ask().await {
            Err(error) if error.is_retryable() => {
                failures += 1;
                tokio::time::sleep(pause_after(failures)).await;
            }
            answer => return answer,
        }
    }
}

fn pause_after(failures: u32) -> Duration {
    PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST_PAUSE)
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
