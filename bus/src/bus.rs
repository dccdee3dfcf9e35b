//! The handle of a space: publish, read, subscribe.

use std::sync::Arc;

use colony_core::envelope::Envelope;
use colony_core::event::EventTime;
use colony_core::signature::{Signer, Verifier};
use colony_core::subject::{Address, Lane, Subject};
use colony_core::{
    AgentName, DocumentName, EntityName, Entry, Event, EventId, Filter, LaneName, Position,
    SpaceName, Timestamp,
};
use tokio::sync::OnceCell;

use crate::document::{self, Document, DocumentCopy, DocumentError, DocumentSummary, Moment, Past};
use crate::draft::{Draft, kind_of};
use crate::jetstream::JetStreamLog;
use crate::lane::{
    Batch, ConditionedLane, Durable, HeadMove, LaneOptions, LaneWriter, Receipt, Sharing,
    WriteError,
};
use crate::log::{ConnectError, Description, EventLog, Live, ReadError, Wholeness};
use crate::options::BusOptions;
use crate::presence::Presence;
use crate::query::{Cut, Entries, EntryError, Query, Reader, Subscription};

#[cfg(test)]
mod tests;

/// A space, as one process takes part in it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bus {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) reader: Reader,
    agent: AgentName,
    instance: LaneName,
    lane: LaneOptions,
    live: Arc<dyn Live>,
    /// Shared with the other agents that this process acts for.
    writer: Arc<OnceCell<LaneWriter>>,
    documents: document::Registry,
    presence: Presence,
}

/// Resolves when an event is durable.
#[must_use = "an event is durable only when its ticket has resolved"]
#[derive(Debug)]
pub struct Published {
    /// The event's id.
    pub id: EventId,
    durable: Durable,
}

impl Future for Published {
    type Output = Result<Receipt, WriteError>;
    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        std::pin::Pin::new(&mut self.durable).poll(cx).map(|receipts| {
            receipts.and_then(|receipts| receipts.first().copied().ok_or(WriteError::Closed))
        })
    }
}

impl Bus {
    /// Joins a space on a NATS server, creating it if it does not exist.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect(options: BusOptions) -> Result<Self, ConnectError> {
        let log = JetStreamLog::connect(&options.space, &options.server).await?;
        Ok(Self::on(Arc::new(log.clone()), Arc::new(log), options))
    }

    /// Joins a space on any log: a [`MemoryLog`](crate::MemoryLog), say.
    pub fn on(log: Arc<dyn EventLog>, live: Arc<dyn Live>, options: BusOptions) -> Self {
        let BusOptions { space, agent, instance, sharing, server: _, signer, signatures, keys } =
            options;
        let named = instance.is_some();
        let sharing = sharing.unwrap_or(if named { Sharing::Contended } else { Sharing::Private });
        let instance = instance.unwrap_or_else(random_lane);
        let verifier = Arc::new(Verifier::new(signatures, keys));
        let lane = LaneOptions { sharing, signer, ..LaneOptions::default() };
        let presence =
            Presence::new(Arc::clone(&live), space.clone(), agent.clone(), instance.clone());
        Self {
            shared: Arc::new(Shared {
                reader: Reader { log, space, verifier },
                agent,
                instance,
                lane,
                live,
                writer: Arc::default(),
                documents: document::Registry::default(),
                presence,
            }),
        }
    }

    /// Returns the bus of another agent that this process acts for, over the same connection.
    ///
    /// What the two append travels in the same units, each onto a lane of its author: that costs a fraction of what lanes written
    /// apart do. Credentials must cover both authors, and both are signed for with this bus's key. On a bus whose lane is
    /// [`Sharing::Contended`], each writes its own.
    #[must_use]
    pub fn for_agent(&self, agent: AgentName) -> Self {
        let Shared { reader, agent: _, instance, lane, live, writer, documents: _, presence: _ } =
            &*self.shared;
        let writer = match lane.sharing {
            Sharing::Private => Arc::clone(writer),
            Sharing::Contended => Arc::default(),
        };
        let space = self.space().clone();
        let presence = Presence::new(Arc::clone(live), space, agent.clone(), instance.clone());
        Self {
            shared: Arc::new(Shared {
                reader: reader.clone(),
                agent,
                instance: instance.clone(),
                lane: lane.clone(),
                live: Arc::clone(live),
                writer,
                documents: document::Registry::default(),
                presence,
            }),
        }
    }

    /// Returns the space's name.
    pub fn space(&self) -> &SpaceName {
        &self.shared.reader.space
    }

    /// Returns the agent that this process acts for.
    pub fn agent(&self) -> &AgentName {
        &self.shared.agent
    }

    /// Returns the name of this process among the agent's instances.
    pub fn instance(&self) -> &LaneName {
        &self.shared.instance
    }

    /// Returns what the log is and promises.
    pub fn description(&self) -> &Description {
        self.log().description()
    }

    /// Returns the log itself.
    pub fn log(&self) -> &Arc<dyn EventLog> {
        &self.shared.reader.log
    }

    /// Returns a new event id: a UUID of version 7, so ids sort by time.
    pub fn new_id(&self) -> EventId {
        let id = uuid::Uuid::now_v7().to_string();
        #[expect(clippy::unwrap_used, reason = "a UUID in text form is a name")]
        id.parse().unwrap()
    }

    /// Publishes an event and returns the ticket of its durability.
    ///
    /// Events of one process stand in the order of its calls.
    ///
    /// # Errors
    /// [`WriteError`]; see its [`outcome`](WriteError::outcome).
    ///
    /// # Cancel safety
    /// Dropped before it returns, nothing was published. Dropping the ticket later changes nothing.
    pub async fn publish(&self, draft: Draft) -> Result<Published, WriteError> {
        let event = draft.into_event(self.agent().clone(), self.new_id(), now());
        self.append_event(event).await
    }

    /// Publishes events, all or none, next to each other in the log.
    ///
    /// # Errors
    /// [`WriteError`]; see its [`outcome`](WriteError::outcome).
    pub async fn publish_all(&self, drafts: Vec<Draft>) -> Result<Vec<Receipt>, WriteError> {
        let entries = drafts
            .into_iter()
            .map(|draft| {
                let event = draft.into_event(self.agent().clone(), self.new_id(), now());
                (kind_of(&event), Envelope::from(event))
            })
            .collect();
        let batch = Batch { entries, wholeness: Wholeness::Atomic, heads: Vec::new() };
        self.writer().await?.append(batch).await?.await
    }

    /// Publishes an event about an entity if nobody has done so since: if the entity's head still stands at `last`.
    ///
    /// The event and the new head are stored together or not at all.
    ///
    /// # Errors
    /// [`AppendError::Conflict`](crate::log::AppendError::Conflict) with the head that won.
    pub async fn publish_if(
        &self,
        draft: Draft,
        entity: EntityName,
        last: Position,
    ) -> Result<Receipt, WriteError> {
        let draft = draft.about(entity);
        let event = draft.into_event(self.agent().clone(), self.new_id(), now());
        let head = Event { data: Default::default(), ..event.clone() };
        let noun = event.ty.noun().to_owned();
        let batch = Batch {
            entries: vec![(kind_of(&event), Envelope::from(event))],
            wholeness: Wholeness::Atomic,
            heads: vec![HeadMove { noun, envelope: head.into(), last }],
        };
        let receipts = self.writer().await?.append(batch).await?.await?;
        receipts.first().copied().ok_or(WriteError::Closed)
    }

    /// Returns the head of an entity: what [`publish_if`](Self::publish_if) last moved; `None` if it never did.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn head(&self, noun: &str, entity: &EntityName) -> Result<Option<Entry>, ReadError> {
        let address = Address::Head { noun: noun.to_owned(), entity: entity.clone() };
        let subject = Subject { space: self.space().clone(), address };
        let malformed = ReadError::Malformed { what: "the entity's name" };
        let subject = subject.encode().map_err(|_| malformed)?;
        let record = self.log().last(&subject).await?;
        Ok(record.and_then(|record| self.shared.reader.open(record).ok()))
    }

    /// Appends an event as it is, in the name of its author. For importing what others recorded.
    ///
    /// # Errors
    /// [`WriteError`]; the server refuses an author that the credentials do not cover.
    pub async fn append_event(&self, event: Event) -> Result<Published, WriteError> {
        let id = event.id.clone();
        let writer = self.writer().await?;
        let batch = Batch {
            entries: vec![(kind_of(&event), Envelope::from(event))],
            wholeness: Wholeness::Ordered,
            heads: Vec::new(),
        };
        Ok(Published { id, durable: writer.append(batch).await? })
    }

    /// Returns the writer of this process's lane.
    ///
    /// # Errors
    /// [`WriteError::Lane`] if the lane's end cannot be read.
    pub async fn writer(&self) -> Result<&LaneWriter, WriteError> {
        let open = || {
            let lane = Lane { author: self.agent().clone(), name: self.instance().clone() };
            let options = self.shared.lane.clone();
            LaneWriter::open(Arc::clone(self.log()), self.space().clone(), lane, options)
        };
        self.shared.writer.get_or_try_init(open).await
    }

    /// Returns a lane of this agent that several of its instances write, each on the condition that it knows the
    /// lane's last entry.
    ///
    /// Nothing else may write a lane of this name.
    pub fn conditioned_lane(&self, name: LaneName) -> ConditionedLane {
        let lane = Lane { author: self.agent().clone(), name };
        let Reader { log, space, verifier } = self.shared.reader.clone();
        ConditionedLane::new(log, space, lane, self.shared.lane.signer.clone(), verifier)
    }

    /// Returns the messages between those who listen right now.
    pub fn live(&self) -> &Arc<dyn Live> {
        &self.shared.live
    }

    /// Reads entries.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn read(&self, query: Query) -> Result<Entries, ReadError> {
        self.shared.reader.read(query).await
    }

    /// Follows the log from a point on: what is stored after it, then what comes.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn subscribe(&self, filter: Filter, after: Cut) -> Result<Subscription, ReadError> {
        self.shared.reader.follow(filter, after).await
    }

    /// Returns the position of a cut.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn resolve(&self, cut: Cut) -> Result<Position, ReadError> {
        self.shared.reader.resolve(cut).await
    }

    /// Returns the position of the last entry.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn tail(&self) -> Result<Position, ReadError> {
        self.log().tail().await
    }

    /// Opens a document, or begins it.
    ///
    /// There is one replica of it in this process, however often it is opened. Waits until everything stored so far is
    /// in it; afterwards no read and no edit asks a server.
    ///
    /// # Errors
    /// [`DocumentError::Log`] if the log cannot be read.
    pub async fn document(&self, name: &DocumentName) -> Result<Document, DocumentError> {
        self.shared.documents.open(self, name).await
    }

    /// Opens a document in a replica of its own, which takes in of others' changes only what its edits ask for.
    ///
    /// For repeating recorded edits: what [`Document::edit_with`] is given as `at` is taken in, nothing else, so that the
    /// edits merge as they once did. [`Document::advance`] takes in the rest. Reads the whole history, without snapshots.
    ///
    /// # Errors
    /// As [`Bus::document`].
    pub async fn document_held(&self, name: &DocumentName) -> Result<Document, DocumentError> {
        self.shared.documents.open_held(self, name).await
    }

    /// Returns whether anything was ever written to a document.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn document_exists(&self, name: &DocumentName) -> Result<bool, ReadError> {
        document::exists(self, name).await
    }

    /// Lists the documents of the space, by name; those begun at or before a cut, as they stood there, if one is given.
    ///
    /// Reads every change there is.
    ///
    /// # Errors
    /// [`EntryError::Read`].
    pub async fn documents(&self, until: Option<Cut>) -> Result<Vec<DocumentSummary>, EntryError> {
        document::list(self, until).await
    }

    /// Reads a document as it stood at a moment, from the log alone, without joining those who edit it.
    ///
    /// # Errors
    /// [`DocumentError::View`] for heads that the log does not have; [`DocumentError::Log`].
    pub async fn document_at(
        &self,
        name: &DocumentName,
        moment: Moment,
    ) -> Result<Past, DocumentError> {
        self.shared.documents.at(self, name, moment).await
    }

    /// Makes a copy of a document as it stands at a position, that nobody sees.
    ///
    /// It edits as an actor made of the agent's name and `nonce`. Whoever uses that actor again has to have all that it has
    /// written in the copy: see [`DocumentCopy::add`].
    ///
    /// # Errors
    /// [`DocumentError::Log`].
    pub async fn document_copy(
        &self,
        name: &DocumentName,
        nonce: u64,
        until: Position,
    ) -> Result<DocumentCopy, DocumentError> {
        self.shared.documents.copy(self, name, nonce, until).await
    }

    /// Returns who is here.
    pub fn presence(&self) -> Presence {
        self.shared.presence.clone()
    }

    /// Returns what signs this process's entries.
    pub(crate) fn signer(&self) -> Option<&Signer> {
        self.shared.lane.signer.as_ref()
    }

    /// Opens a record of the log.
    pub(crate) fn open_record(&self, record: crate::log::Record) -> Result<Entry, EntryError> {
        self.shared.reader.open(record)
    }

    /// Returns the entry at a position; `None` if there is none.
    ///
    /// # Errors
    /// [`EntryError`].
    pub async fn get(&self, position: Position) -> Result<Option<Entry>, EntryError> {
        match self.log().get(position).await? {
            None => Ok(None),
            Some(record) => self.shared.reader.open(record).map(Some),
        }
    }
}

/// Returns the time, by this machine's clock.
pub(crate) fn now() -> EventTime {
    Timestamp::from(std::time::SystemTime::now()).into()
}

fn random_lane() -> LaneName {
    let name = format!("i{:016x}", rand::random::<u64>());
    #[expect(clippy::unwrap_used, reason = "hexadecimal digits are a name")]
    name.parse().unwrap()
}
