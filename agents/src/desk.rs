//! Taking part in the coordination of a space: read, decide, append, and learn what came of it.

use colony_bus::log::{Outcome as Written, ReadError};
use colony_bus::{Bus, Checkpoints, Cut, Delivery, EntryError, Query, Subscription, WriteError};
use colony_core::replay::Fold;
use colony_core::{EntityName, Entry, EventId, EventType, Filter, Position};
use futures_util::StreamExt as _;

use crate::instance::Clock;
use crate::protocol::{Coordination, CoordinationState, Draft, Outcome, Protocol, Rejection, Slot};

/// A follower of a space's [`Coordination`] that acts for one agent: it decides on what it has read, appends, and reads on to
/// its own entries, where it learns what everybody makes of them.
///
/// Nothing that it says is granted by anybody, and nothing is appended on a condition: of two that want the same thing, the
/// rules let the lower position win, and the other is told what stood against it.
///
/// ```
/// # use std::sync::Arc;
/// use colony_agents::Desk;
/// use colony_agents::protocol::task::{Command, Tasks};
/// use colony_agents::protocol::{Millis, Outcome};
/// use colony_bus::{Bus, BusOptions, Checkpoints, MemoryLog};
///
/// # tokio_test(async {
/// let log = MemoryLog::new("example");
/// let join = |agent: &str| {
///     let options = BusOptions::new("office".parse().unwrap(), agent.parse().unwrap());
///     Bus::on(Arc::new(log.clone()), Arc::new(log.clone()), options)
/// };
/// let mut ann = Desk::open(join("ann"), &Checkpoints::none()).await?;
/// let work = serde_json::from_str(r#"{"what": "paint the fence"}"#)?;
/// ann.act::<Tasks>(Command::Offer("fence".parse()?, work)).await?;
///
/// let mut bob = Desk::open(join("bob"), &Checkpoints::none()).await?;
/// let claimed = bob.act::<Tasks>(Command::Claim("fence".parse()?, Millis::from_secs(60))).await?;
/// assert_eq!(claimed[0].outcome, Outcome::Applied);
/// assert_eq!(bob.state().tasks.fence(&"fence".parse()?, bob.bus().agent()), Some(claimed[0].position));
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// # fn tokio_test<F: Future>(run: F) -> F::Output {
/// #     tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run)
/// # }
/// ```
#[derive(Debug)]
pub struct Desk {
    bus: Bus,
    fold: Fold<Coordination>,
    following: Option<Subscription>,
    clock: Clock,
}

/// An event that was appended, and what everybody makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Where it stands: the fence, where it made its author a holder.
    pub position: Position,
    /// Its id.
    pub id: EventId,
    /// Its type.
    pub ty: EventType,
    /// What it is about.
    pub entity: Option<EntityName>,
    /// What came of it: never [`Outcome::Unrelated`] for an event of a protocol.
    pub outcome: Outcome,
}

/// Why a desk could not act.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeskError {
    /// What was read stands against it. Nothing was appended.
    #[error("{0}; nothing was appended")]
    Rejected(Rejection),
    /// The log did not take it.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// It was appended, but the log could not be read up to it: what came of it is not known here.
    #[error("appended at position {position}, but what came of it could not be read")]
    Untold {
        /// Where the last of the events stands.
        position: Position,
        /// Why the log could not be read.
        #[source]
        source: EntryError,
    },
}

impl DeskError {
    /// Returns what happened to the write.
    pub fn outcome(&self) -> Written {
        match self {
            Self::Rejected(_) => Written::NotApplied,
            Self::Write(error) => error.outcome(),
            Self::Untold { .. } => Written::Applied,
        }
    }

    /// Returns whether the same act may succeed later, with nothing done twice. What stands against it may go away: a
    /// holder may lapse.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Rejected(_) => true,
            Self::Write(error) => error.is_retryable(),
            Self::Untold { .. } => false,
        }
    }
}

impl Desk {
    /// Reads the log up to its end, from the newest checkpoint that holds.
    ///
    /// # Errors
    /// [`EntryError::Read`].
    pub async fn open(bus: Bus, checkpoints: &Checkpoints) -> Result<Self, EntryError> {
        let tail = bus.tail().await?;
        let fold = bus.fold(Coordination, tail, checkpoints, |_| {}).await?;
        Ok(Self::new(bus, fold))
    }

    /// Goes on from what was read of the bus's log.
    pub fn new(bus: Bus, fold: Fold<Coordination>) -> Self {
        Self { bus, fold, following: None, clock: Clock::default() }
    }

    /// Takes the time from another clock. It is believed while deciding, never when judging: see [`CoordinationState::decide`].
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Returns the bus, and with it the agent that this desk acts for.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Returns what all protocols agreed, as far as was read.
    pub fn state(&self) -> &CoordinationState {
        self.fold.state()
    }

    /// Returns up to where the log was read.
    pub fn position(&self) -> Position {
        self.fold.position()
    }

    /// Reads what the log holds beyond what was read. Not needed for safety: whoever decides on an old view is told so by
    /// what comes of it.
    ///
    /// # Errors
    /// [`EntryError::Read`].
    pub async fn catch_up(&mut self) -> Result<(), EntryError> {
        let (after, until) = (self.position(), self.bus.tail().await?);
        let cut = |position| Some(Cut::Position(position));
        let query = Query { after: cut(after), until: cut(until), ..Query::default() };
        let mut entries = self.bus.read(query).await?;
        while let Some(entry) = entries.next().await {
            match entry {
                Ok(entry) => self.fold.apply(&entry),
                Err(error) => self.pass(error)?,
            }
        }
        Ok(())
    }

    /// Waits for the next entry of the log, takes it in, and returns where it stands.
    ///
    /// # Errors
    /// [`EntryError::Read`].
    ///
    /// # Cancel safety
    /// Dropped before it returns, no entry is lost.
    pub async fn next(&mut self) -> Result<Position, EntryError> {
        loop {
            let before = self.position();
            match self.follow().await {
                Ok(Delivery::Entry(entry)) => self.fold.apply(&entry),
                Ok(Delivery::CaughtUp) => {}
                Err(error) => self.pass(error)?,
            }
            // What was read in another way is delivered once more.
            if self.position() > before {
                return Ok(self.position());
            }
        }
    }

    /// Decides a command on what was read: the events to append, or what stands against it.
    ///
    /// # Errors
    /// The [`Rejection`] that every reader would give to the event.
    pub fn decide<P>(&self, command: P::Command) -> Result<Vec<Draft>, Rejection>
    where
        P: Protocol,
        CoordinationState: Slot<P>,
        Rejection: From<P::Rejection>,
    {
        self.state().decide::<P>(command, self.bus.agent(), Some(self.clock.now()))
    }

    /// Decides a command, appends its events, all or none, and reads on to what came of them.
    ///
    /// # Errors
    /// [`DeskError`]; see its [`outcome`](DeskError::outcome).
    ///
    /// # Cancel safety
    /// Dropped before it returns, the events may have been appended; nothing that was read is lost.
    pub async fn act<P>(&mut self, command: P::Command) -> Result<Vec<Told>, DeskError>
    where
        P: Protocol,
        CoordinationState: Slot<P>,
        Rejection: From<P::Rejection>,
    {
        let drafts = self.decide::<P>(command).map_err(DeskError::Rejected)?;
        self.append(drafts.into_iter().map(colony_bus::Draft::from)).await
    }

    /// Appends events, all or none, and reads on to what came of them: for drafts of several decisions, or that name a cause.
    ///
    /// # Errors
    /// [`DeskError::Write`] and [`DeskError::Untold`].
    ///
    /// # Cancel safety
    /// As [`Desk::act`].
    pub async fn append(
        &mut self,
        drafts: impl IntoIterator<Item = colony_bus::Draft>,
    ) -> Result<Vec<Told>, DeskError> {
        let drafts: Vec<_> = drafts.into_iter().collect();
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        let receipts = self.bus.publish_all(drafts).await?;
        let own: Vec<_> = receipts.iter().map(|receipt| receipt.position).collect();
        let last = own.iter().max().copied().unwrap_or_default();
        let untold = |source| DeskError::Untold { position: last, source };
        let mut told = Vec::with_capacity(own.len());
        while self.position() < last {
            match self.follow().await {
                Ok(Delivery::Entry(entry)) => {
                    self.fold.apply(&entry);
                    if own.contains(&entry.position) {
                        told.push(self.told(&entry));
                    }
                }
                Ok(Delivery::CaughtUp) => {}
                // Whoever cannot read its own words is not told what came of them.
                Err(EntryError::Unreadable { position, subject, source })
                    if own.contains(&position) =>
                {
                    let source = EntryError::Unreadable { position, subject, source };
                    return Err(untold(source));
                }
                Err(error) => self.pass(error).map_err(untold)?,
            }
        }
        Ok(told)
    }

    /// Tells what came of the entry that was just taken in.
    fn told(&self, entry: &Entry) -> Told {
        let event = entry.event();
        let outcome = match self.state().ignored.reason(entry.position) {
            Some(reason) => Outcome::Ignored(reason.clone()),
            None if Coordination::knows(&event.ty) => Outcome::Applied,
            None => Outcome::Unrelated,
        };
        Told {
            position: entry.position,
            id: event.id.clone(),
            ty: event.ty.clone(),
            entity: event.entity.clone(),
            outcome,
        }
    }

    /// Passes what is not an entry; another error ends the reading.
    fn pass(&mut self, error: EntryError) -> Result<(), EntryError> {
        match error {
            EntryError::Unreadable { position, .. } => {
                self.fold.pass_unreadable(position);
                Ok(())
            }
            error => Err(error),
        }
    }

    /// Returns what comes next.
    async fn follow(&mut self) -> Result<Delivery, EntryError> {
        let after = Cut::Position(self.position());
        let following = match &mut self.following {
            Some(following) => following,
            None => {
                let following = self.bus.subscribe(Filter::all(), after).await?;
                self.following.insert(following)
            }
        };
        match following.next().await {
            Some(Err(error @ EntryError::Read(_))) => {
                self.following = None;
                Err(error)
            }
            Some(delivery) => delivery,
            // It ends after an error only.
            None => {
                self.following = None;
                Err(ReadError::Closed.into())
            }
        }
    }
}

impl From<Draft> for colony_bus::Draft {
    fn from(draft: Draft) -> Self {
        let Draft { ty, entity, recipient, data } = draft;
        let draft = Self::new(ty).about(entity).data(data);
        match recipient {
            Some(recipient) => draft.to(recipient),
            None => draft,
        }
    }
}
