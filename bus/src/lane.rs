//! Writing a lane: sealing, group commit, and what to do when an outcome is unknown.
//!
//! One task owns the end of the lane. Callers queue; whatever is queued when the last unit has been acknowledged travels as the
//! next one, so that many callers share a round trip (and a disk sync) and a single caller pays for none.
//!
//! At most one unit of a lane is on its way. When its outcome is unknown (the connection broke, an acknowledgement was
//! lost), the task waits until the log can be reached, reads the end of the lane, and knows from the hash chain which of its
//! entries are there; the others are appended again, in order. Readers leave out an entry whose number came before
//! ([`Verdict::Void`](colony_core::lane::Verdict::Void)), so that even a copy that was delayed in the network and arrives after all has no effect.
//!
//! When patience ends first, entries may still be on their way that nobody will send again. An entry that took the number of one of
//! them would be void if that arrived before it. So a private lane is left behind then, and the writer goes on with a new one; on a contended lane
//! the condition decides.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use colony_core::envelope::{Envelope, Link, SealError, SealedEntry, seal};
use colony_core::lane::LaneHead;
use colony_core::position::Position;
use colony_core::signature::{Signer, Verifier};
use colony_core::subject::{Address, Kind, Lane, Subject, lane_filter, lanes_filter};
use colony_core::{AgentName, Entry, LaneName, SpaceName};
use futures_util::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use crate::log::{
    AppendError, Condition, EventLog, NewRecord, Outcome, Range, ReadError, Record, Scope, Unit,
    Wholeness,
};

/// Most requests waiting for a lane; more wait in [`LaneWriter::append`].
const QUEUE_REQUESTS: usize = 1_024;
/// Most bytes waiting for a lane.
const QUEUE_BYTES: usize = 64 * 1024 * 1024;
/// Most entries of one unit: larger ones starve readers and gain little.
const UNIT_ENTRIES: usize = 256;
/// Most bytes of one unit.
const UNIT_BYTES: usize = 4 * 1024 * 1024;
/// Pause between two attempts to read the end of the lane after an unknown outcome.
const RECOVERY_PAUSE: Duration = Duration::from_millis(50);

/// Who else may write the lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Nobody: its name is this process's own. No condition is sent. Entries of other authors are taken, too, each onto
    /// the lane of this name of its author: so an import keeps the order of what it imports.
    Private,
    /// Another instance may believe that it is the writer. Every append asks that the lane's last entry is the one
    /// known, so that one of them wins each time.
    Contended,
}

/// How a lane is written.
#[derive(Debug, Clone)]
pub struct LaneOptions {
    /// Who else may write it.
    pub sharing: Sharing,
    /// Signs the entries.
    pub signer: Option<Signer>,
    /// How long an append may stay unresolved while the server is away, before its outcome is reported as unknown.
    /// Default 30 s.
    pub patience: Duration,
}

impl Default for LaneOptions {
    fn default() -> Self {
        Self { sharing: Sharing::Private, signer: None, patience: Duration::from_secs(30) }
    }
}

/// What is appended together.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Entries for the lane, in order.
    pub entries: Vec<(Kind, Envelope)>,
    /// Whether all or nothing must be stored. A batch of one is whole by nature.
    pub wholeness: Wholeness,
    /// Heads of entities to move, each in the same instant, if the last move of it is the one known.
    pub heads: Vec<HeadMove>,
}

/// A conditional append on an entity: nobody else has moved its head since.
#[derive(Debug, Clone)]
pub struct HeadMove {
    /// The noun of the events about the entity.
    pub noun: String,
    /// What stands in the head's entry; its `entity` names the entity.
    pub envelope: Envelope,
    /// Where the head stood; [`Position::ZERO`] for "nowhere yet".
    pub last: Position,
}

/// An entry that is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Where it stands.
    pub position: Position,
    /// Its number in the lane.
    pub number: u64,
    /// Its digest.
    pub digest: colony_core::Digest,
}

/// Why entries could not be appended.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The entry cannot be sealed. Nothing was stored.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The log did not take it.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The end of the lane could not be read. Nothing was stored.
    #[error("the end of the lane could not be read; nothing was stored")]
    Lane(#[source] ReadError),
    /// The server was away for too long.
    #[error(
        "the server could not be reached for {waited_s} s; the entry may have been stored: read the log to know"
    )]
    Lost {
        /// How long was waited.
        waited_s: u64,
    },
    /// The writer was shut down first. Nothing was stored.
    #[error("the lane's writer was shut down; nothing was stored")]
    Closed,
}

impl WriteError {
    /// Returns what happened to the write.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Seal(_) | Self::Lane(_) | Self::Closed => Outcome::NotApplied,
            Self::Append(error) => error.outcome(),
            Self::Lost { .. } => Outcome::Unknown,
        }
    }

    /// Returns whether the same write may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Append(error) => error.is_retryable(),
            Self::Lane(error) => error.is_retryable(),
            Self::Lost { .. } => true,
            Self::Seal(_) | Self::Closed => false,
        }
    }
}

/// Resolves when a batch is durable: one receipt per entry, heads not counted.
#[must_use = "entries are durable only when their ticket has resolved"]
#[derive(Debug)]
pub struct Durable(oneshot::Receiver<Result<Vec<Receipt>, WriteError>>);

impl Future for Durable {
    type Output = Result<Vec<Receipt>, WriteError>;
    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        std::pin::Pin::new(&mut self.0)
            .poll(cx)
            .map(|answer| answer.unwrap_or(Err(WriteError::Closed)))
    }
}

/// Writes one lane. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LaneWriter {
    lane: Lane,
    queue: mpsc::Sender<Request>,
    bytes: Arc<Semaphore>,
}

#[derive(Debug)]
struct Request {
    batch: Batch,
    /// Receipts of the entries, from the first on, that are stored already.
    done: Vec<Receipt>,
    answer: oneshot::Sender<Result<Vec<Receipt>, WriteError>>,
    _room: OwnedSemaphorePermit,
}

impl LaneWriter {
    /// Opens a lane, continuing where it ends.
    ///
    /// # Errors
    /// [`WriteError::Lane`] if its end cannot be read.
    pub async fn open(
        log: Arc<dyn EventLog>,
        space: SpaceName,
        lane: Lane,
        options: LaneOptions,
    ) -> Result<Self, WriteError> {
        let mut driver = Driver {
            log,
            filter: lane_filter(&space, &lane),
            space,
            lane: lane.clone(),
            opened: lane.name.clone(),
            left_behind: 0,
            options,
            heads: BTreeMap::new(),
            last: Position::ZERO,
            floor: Position::ZERO,
        };
        driver.floor = driver.log.tail().await.map_err(WriteError::Lane)?;
        driver.refresh(&lane.author).await.map_err(WriteError::Lane)?;
        let (queue, requests) = mpsc::channel(QUEUE_REQUESTS);
        tokio::spawn(driver.run(requests));
        Ok(Self { lane, queue, bytes: Arc::new(Semaphore::new(QUEUE_BYTES)) })
    }

    /// Returns the lane that was opened. A private writer may have gone on with another since.
    pub fn lane(&self) -> &Lane {
        &self.lane
    }

    /// Admits a batch, waiting while too much is on its way, and returns the ticket of its durability.
    ///
    /// Batches of one caller stand in the order admitted.
    ///
    /// # Errors
    /// [`WriteError::Closed`].
    ///
    /// # Cancel safety
    /// Dropped before it returns, nothing was appended. Dropping the ticket later changes nothing.
    pub async fn append(&self, batch: Batch) -> Result<Durable, WriteError> {
        let size: usize = batch.entries.iter().map(|(_, e)| e.event.data.len() + 256).sum();
        let permits = u32::try_from(size.min(QUEUE_BYTES)).unwrap_or(u32::MAX);
        let closed = |_| WriteError::Closed;
        let room = Arc::clone(&self.bytes).acquire_many_owned(permits).await.map_err(closed)?;
        let (answer, ticket) = oneshot::channel();
        let request = Request { batch, done: Vec::new(), answer, _room: room };
        self.queue.send(request).await.map_err(|_| WriteError::Closed)?;
        Ok(Durable(ticket))
    }
}

/// The task that owns the end of the lane.
struct Driver {
    log: Arc<dyn EventLog>,
    space: SpaceName,
    lane: Lane,
    /// The lane's name when it was opened.
    opened: LaneName,
    /// How many lanes were left behind with entries of unknown outcome.
    left_behind: u32,
    filter: String,
    options: LaneOptions,
    /// The ends of the lanes of this name, by author: one, or several of an import.
    heads: BTreeMap<AgentName, LaneHead>,
    /// Where the lane's last entry stands.
    last: Position,
    /// Nothing that is on its way stands at or before this position.
    floor: Position,
}

/// Requests that travel as one unit.
struct Group {
    requests: Vec<Request>,
    wholeness: Wholeness,
    /// Whether an earlier attempt may still be on its way.
    uncertain: bool,
}

impl Driver {
    async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut waiting: VecDeque<Request> = VecDeque::new();
        let mut company = 1;
        loop {
            if waiting.is_empty() {
                match requests.recv().await {
                    Some(request) => waiting.push_back(request),
                    None => return,
                }
            }
            // Callers that were just answered are about to come back: let them run before the unit closes.
            for _ in 0..2 {
                while waiting.len() < UNIT_ENTRIES {
                    match requests.try_recv() {
                        Ok(request) => waiting.push_back(request),
                        Err(_) => break,
                    }
                }
                if waiting.len() >= company {
                    break;
                }
                tokio::task::yield_now().await;
            }
            let group = group(&mut waiting);
            company = group.requests.len();
            self.commit(group).await;
        }
    }

    /// Seals a group, appends it and answers its callers.
    async fn commit(&mut self, mut group: Group) {
        let deadline = Instant::now() + self.options.patience;
        if let Err(error) = self.know_heads(&group).await {
            for request in group.requests {
                request.fail(WriteError::Lane(error.clone()));
            }
            return;
        }
        loop {
            let before = self.heads.clone();
            let (mut unit, mut sealed) = (Vec::new(), Vec::new());
            let mut conditions = Vec::new();
            if self.options.sharing == Sharing::Contended {
                conditions
                    .push(Condition { scope: Scope::Lane(self.filter.clone()), last: self.last });
            }
            group.requests = std::mem::take(&mut group.requests)
                .into_iter()
                .filter_map(|request| match self.seal(&request) {
                    Ok(Sealed { entries, heads }) => {
                        unit.extend(entries.iter().map(SealedLink::record));
                        sealed.push(entries);
                        for (entry, condition) in heads {
                            unit.push(record(entry));
                            conditions.push(condition);
                        }
                        Some(request)
                    }
                    Err(error) => {
                        request.fail(error.into());
                        None
                    }
                })
                .collect();
            if group.requests.is_empty() {
                return;
            }
            let records = unit.len();
            let unit = Unit { records: unit, wholeness: group.wholeness, conditions };
            let log = Arc::clone(&self.log);
            let appended = async move { log.append(unit).await?.await };
            let error = match tokio::time::timeout_at(deadline, appended).await {
                Ok(Ok(positions)) if positions.len() == records => {
                    self.settle(group, &sealed, &positions);
                    return;
                }
                Ok(Ok(_)) => {
                    tracing::error!(lane = %self.lane, "the log acknowledged another number of entries");
                    AppendError::Unanswered { waited_ms: 0 }
                }
                Ok(Err(error)) => error,
                Err(_) => {
                    self.give_up(group);
                    return;
                }
            };
            self.heads = before;
            tracing::debug!(lane = %self.lane, %error, "append failed");
            match self.recover(group, &sealed, error, deadline).await {
                Some(rest) => group = rest,
                None => return,
            }
        }
    }

    /// Answers a group of which it is not known in time what became of it.
    fn give_up(&mut self, group: Group) {
        for request in group.requests {
            request.fail(WriteError::Lost { waited_s: self.options.patience.as_secs() });
        }
        self.leave_behind();
    }

    /// Makes sure that what comes next is not mistaken for what may still be on its way.
    fn leave_behind(&mut self) {
        // Whatever comes next continues the lanes as the log has them.
        self.heads.clear();
        if self.options.sharing == Sharing::Private {
            self.left_behind += 1;
            match format!("{}-{}", self.opened, self.left_behind).parse() {
                Ok(name) => self.lane.name = name,
                Err(error) => tracing::error!(lane = %self.lane, %error, "no name for a new lane"),
            }
            self.filter = lane_filter(&self.space, &self.lane);
            tracing::info!(lane = %self.lane, "goes on with a new lane");
        }
    }

    /// Answers a group that was stored.
    fn settle(&mut self, group: Group, sealed: &[Vec<SealedLink>], positions: &[Position]) {
        let mut positions = positions.iter().copied();
        for (mut request, entries) in group.requests.into_iter().zip(sealed) {
            let stored = entries.iter().zip(positions.by_ref());
            request.done.extend(stored.map(|(entry, position)| entry.receipt(position)));
            self.passed(&request);
            // The heads of this request follow its entries.
            for _ in &request.batch.heads {
                positions.next();
            }
            request.succeed();
        }
    }

    /// Decides what becomes of a group whose append failed; returns what is to be appended again.
    async fn recover(
        &mut self,
        group: Group,
        sealed: &[Vec<SealedLink>],
        error: AppendError,
        deadline: Instant,
    ) -> Option<Group> {
        match fate(&error) {
            Fate::Refused if !group.uncertain && error.outcome() == Outcome::NotApplied => {
                self.refuse(group, error, deadline).await;
                None
            }
            Fate::Refused => {
                // Some of it may be there: of this attempt, or of an earlier one that arrived late.
                let alone = group.requests.len() == 1;
                let rest = self.find_out(group, sealed, deadline).await?;
                self.refuse_rest(rest, alone, &error, deadline).await;
                None
            }
            Fate::NotNow => self.find_out(group, sealed, deadline).await,
            Fate::Unknown => {
                let group = Group { uncertain: true, ..group };
                self.find_out(group, sealed, deadline).await
            }
        }
    }

    /// Answers those of a refused group that are not stored.
    async fn refuse_rest(
        &mut self,
        rest: Group,
        alone: bool,
        error: &AppendError,
        deadline: Instant,
    ) {
        let told = match error {
            AppendError::Interrupted { source, .. } => source.as_ref(),
            error => error,
        };
        // An attempt that is still on its way meets the same condition, or the same permissions: it fails, too.
        let settled = matches!(told, AppendError::Conflict { .. } | AppendError::Denied { .. });
        let uncertain = rest.uncertain && !settled;
        let wholeness = rest.wholeness;
        if !alone {
            // One of several brought the unit down: each on its own.
            for request in rest.requests {
                let requests = vec![request];
                Box::pin(self.commit(Group { requests, wholeness, uncertain })).await;
            }
            return;
        }
        if let AppendError::Conflict { .. } = told {
            let author = self.lane.author.clone();
            self.refresh_until(&author, deadline).await;
        }
        if uncertain {
            self.leave_behind();
        }
        for request in rest.requests {
            let (applied, total) = (request.done.len(), request.batch.entries.len());
            if applied == 0 && !uncertain {
                request.fail(told.clone().into());
            } else {
                let source = Box::new(told.clone());
                request.fail(AppendError::Interrupted { applied, total, source }.into());
            }
        }
    }

    /// Answers a group of which nothing was stored.
    async fn refuse(&mut self, mut group: Group, error: AppendError, deadline: Instant) {
        if let AppendError::Conflict { .. } = &error {
            // Another writer of the lane, or another mover of a head: the lane may have moved on.
            let author = self.lane.author.clone();
            self.refresh_until(&author, deadline).await;
        }
        if group.requests.len() == 1 {
            for request in group.requests.drain(..) {
                request.fail(error.clone().into());
            }
        }
        // One of several brought the unit down: each on its own.
        for request in group.requests {
            let alone = Group {
                requests: vec![request],
                wholeness: group.wholeness,
                uncertain: group.uncertain,
            };
            Box::pin(self.commit(alone)).await;
        }
    }

    /// Finds out what was stored of a group whose outcome is unknown; returns what was not.
    async fn find_out(
        &mut self,
        mut group: Group,
        sealed: &[Vec<SealedLink>],
        deadline: Instant,
    ) -> Option<Group> {
        let mut found = loop {
            if Instant::now() >= deadline {
                self.give_up(group);
                return None;
            }
            if tokio::time::timeout_at(deadline, self.log.reachable()).await.is_ok() {
                match tokio::time::timeout_at(deadline, self.stored(sealed)).await {
                    Ok(Ok(found)) => break found.into_iter(),
                    Ok(Err(error)) => {
                        tracing::debug!(lane = %self.lane, %error, "the lane cannot be read yet");
                    }
                    Err(_) => continue,
                }
                self.pause(deadline).await;
            }
        };
        let mut rest = Vec::new();
        for (mut request, entries) in group.requests.into_iter().zip(sealed) {
            let receipts: Vec<Receipt> = found.by_ref().take(entries.len()).collect();
            for (entry, receipt) in entries.iter().zip(&receipts) {
                let link = Link { number: receipt.number, previous: None };
                self.heads.entry(entry.author.clone()).or_default().advance(link, receipt.digest);
            }
            let complete = receipts.len() == entries.len();
            request.done.extend(receipts);
            self.passed(&request);
            if complete { request.succeed() } else { rest.push(request) }
        }
        if rest.is_empty() {
            return None;
        }
        if self.options.sharing == Sharing::Contended {
            let (expected, author) = (self.last, self.lane.author.clone());
            self.refresh_until(&author, deadline).await;
            if self.last != expected {
                // Another instance went on while we were away: what we had to say may no longer hold.
                for request in rest {
                    let scope = self.filter.clone();
                    let conflict = AppendError::Conflict { scope, expected, winner: None };
                    request.fail(conflict.into());
                }
                return None;
            }
        }
        group.requests = rest;
        Some(group)
    }

    /// Notes how far the log goes for sure, now that a request's entries are there.
    fn passed(&mut self, request: &Request) {
        if let Some(receipt) = request.done.last() {
            self.last = receipt.position;
            self.floor = self.floor.max(receipt.position);
        }
    }

    /// Reads the ends of the lanes that a group continues, where they are not known.
    async fn know_heads(&mut self, group: &Group) -> Result<(), ReadError> {
        for request in &group.requests {
            for (_, envelope) in &request.batch.entries {
                if !self.heads.contains_key(&envelope.event.author) {
                    self.refresh(&envelope.event.author).await?;
                }
            }
        }
        Ok(())
    }

    async fn refresh_until(&mut self, author: &AgentName, deadline: Instant) {
        while let Err(error) = self.refresh(author).await {
            tracing::debug!(lane = %self.lane, %error, "the end of the lane cannot be read yet");
            if Instant::now() >= deadline {
                return;
            }
            self.pause(deadline).await;
        }
    }

    async fn pause(&self, deadline: Instant) {
        tokio::time::sleep_until((Instant::now() + RECOVERY_PAUSE).min(deadline)).await;
    }

    /// Returns the receipts of those sealed entries, from the first on, that the log has.
    async fn stored(&self, sealed: &[Vec<SealedLink>]) -> Result<Vec<Receipt>, ReadError> {
        let subjects = vec![lanes_filter(&self.space, &self.lane.name)];
        let range = Range { after: self.floor, until: Position::MAX, subjects };
        let mut records = self.log.read(range).await?;
        let mut found = Vec::new();
        let mut wanted = sealed.iter().flatten().peekable();
        while let Some(record) = records.next().await {
            let record = record?;
            let Some(entry) = wanted.peek() else { break };
            if record.subject == entry.sealed.subject && record.payload == entry.sealed.payload {
                found.push(entry.receipt(record.position));
                wanted.next();
            }
        }
        Ok(found)
    }

    /// Reads the end of an author's lane anew.
    async fn refresh(&mut self, author: &AgentName) -> Result<(), ReadError> {
        let lane = Lane { author: author.clone(), name: self.lane.name.clone() };
        let own = *author == self.lane.author;
        let (head, last) = match self.log.last(&lane_filter(&self.space, &lane)).await? {
            None => (LaneHead::EMPTY, Position::ZERO),
            Some(record) => {
                let last = record.position;
                match open(record).as_ref().and_then(LaneHead::of) {
                    Some(head) => (head, last),
                    None => {
                        tracing::error!(%lane, position = %last, "the lane ends with what is no entry");
                        (self.last_readable(&lane).await?, last)
                    }
                }
            }
        };
        self.heads.insert(author.clone(), head);
        if own {
            self.last = last;
        }
        Ok(())
    }

    /// Finds the end of a lane behind whose last entry stands what is no entry.
    ///
    /// Somebody may have slipped bytes under the lane's subjects that are not the author's words: they count for the
    /// condition, which asks for the last record, and not for the chain.
    async fn last_readable(&self, lane: &Lane) -> Result<LaneHead, ReadError> {
        let subjects = vec![lane_filter(&self.space, lane)];
        let range = Range { after: Position::ZERO, until: Position::MAX, subjects };
        let mut records = self.log.read(range).await?;
        let mut head = LaneHead::EMPTY;
        while let Some(record) = records.next().await {
            let found = open(record?).as_ref().and_then(LaneHead::of);
            head = found.filter(|found| found.number() > head.number()).unwrap_or(head);
        }
        Ok(head)
    }

    /// Seals what is not stored yet of a request: entries onto the end of the lane, and heads.
    ///
    /// On an error the lane is as it was before.
    fn seal(&mut self, request: &Request) -> Result<Sealed, SealError> {
        let mut before = Vec::new();
        let sealed = self.seal_onto(request, &mut before);
        if sealed.is_err() {
            for (author, head) in before.into_iter().rev() {
                self.heads.insert(author, head);
            }
        }
        sealed
    }

    fn seal_onto(
        &mut self,
        request: &Request,
        before: &mut Vec<(AgentName, LaneHead)>,
    ) -> Result<Sealed, SealError> {
        let signer = self.options.signer.as_ref();
        let mut entries = Vec::with_capacity(request.batch.entries.len());
        for (kind, envelope) in request.batch.entries.iter().skip(request.done.len()) {
            let author = envelope.event.author.clone();
            if author != self.lane.author && self.options.sharing == Sharing::Contended {
                return Err(SealError::Mismatch { field: "author" });
            }
            let head = self.heads.entry(author.clone()).or_default();
            before.push((author.clone(), *head));
            let link = head.next();
            let lane = Lane { author: author.clone(), name: self.lane.name.clone() };
            let subject = Subject {
                space: self.space.clone(),
                address: Address::Lane { lane, kind: kind.clone() },
            };
            let mut envelope = envelope.clone();
            envelope.link = Some(link);
            let sealed = seal(&subject, envelope, signer)?;
            head.advance(link, sealed.digest);
            entries.push(SealedLink { sealed, author, number: link.number });
        }
        let mut heads = Vec::with_capacity(request.batch.heads.len());
        for HeadMove { noun, envelope, last } in &request.batch.heads {
            let entity = envelope.event.entity.clone();
            let entity = entity.ok_or(SealError::Mismatch { field: "entity" })?;
            let address = Address::Head { noun: noun.clone(), entity };
            let subject = Subject { space: self.space.clone(), address };
            let sealed = seal(&subject, envelope.clone(), signer)?;
            let condition =
                Condition { scope: Scope::Subject(sealed.subject.clone()), last: *last };
            heads.push((sealed, condition));
        }
        Ok(Sealed { entries, heads })
    }
}

/// A request, sealed.
struct Sealed {
    entries: Vec<SealedLink>,
    heads: Vec<(SealedEntry, Condition)>,
}

/// An entry sealed for a place in the lane.
#[derive(Debug, Clone)]
struct SealedLink {
    sealed: SealedEntry,
    author: AgentName,
    number: u64,
}

impl SealedLink {
    fn receipt(&self, position: Position) -> Receipt {
        Receipt { position, number: self.number, digest: self.sealed.digest }
    }

    fn record(&self) -> NewRecord {
        record(self.sealed.clone())
    }
}

impl Request {
    fn succeed(self) {
        // The caller may have dropped its ticket.
        drop(self.answer.send(Ok(self.done)));
    }

    fn fail(self, error: WriteError) {
        drop(self.answer.send(Err(error)));
    }
}

/// Takes from the front what may travel together: neighbours that agree on wholeness, within the bounds of a unit.
fn group(waiting: &mut VecDeque<Request>) -> Group {
    let mut requests: Vec<Request> = Vec::new();
    let (mut entries, mut bytes) = (0, 0);
    let mut wholeness = Wholeness::Ordered;
    while let Some(next) = waiting.front() {
        let size = next.batch.entries.len() + next.batch.heads.len();
        let weight: usize = next.batch.entries.iter().map(|(_, e)| e.event.data.len()).sum();
        let whole = if size > 1 { next.batch.wholeness } else { Wholeness::Ordered };
        let conditional = !next.batch.heads.is_empty();
        if !requests.is_empty()
            && (entries + size > UNIT_ENTRIES
                || bytes + weight > UNIT_BYTES
                || whole != wholeness
                || conditional)
        {
            break;
        }
        wholeness = whole;
        entries += size;
        bytes += weight;
        requests.extend(waiting.pop_front());
        if conditional {
            // A head that was moved by somebody else must bring down nobody else's entries.
            break;
        }
    }
    Group { requests, wholeness, uncertain: false }
}

/// What an error means for what is to be done next.
enum Fate {
    /// The log said no, and nothing is on its way any more.
    Refused,
    /// It may say yes in a moment, and nothing is on its way any more.
    NotNow,
    /// It may still arrive.
    Unknown,
}

fn fate(error: &AppendError) -> Fate {
    match error {
        AppendError::Conflict { .. }
        | AppendError::TooLarge { .. }
        | AppendError::TooMany { .. }
        | AppendError::Denied { .. }
        | AppendError::Full { .. }
        | AppendError::Refused { .. }
        | AppendError::Closed => Fate::Refused,
        AppendError::Unavailable => Fate::NotNow,
        AppendError::Unanswered { .. } => Fate::Unknown,
        AppendError::Interrupted { source, .. } => fate(source),
    }
}

fn record(sealed: SealedEntry) -> NewRecord {
    NewRecord { subject: sealed.subject, payload: sealed.payload }
}

fn open(record: Record) -> Option<Entry> {
    let Record { position, recorded, subject, payload } = record;
    colony_core::envelope::open(position, recorded, &subject, payload, &Verifier::default()).ok()
}
