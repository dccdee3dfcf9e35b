//! A lane that several instances write, one append at a time: whoever knows its last entry may add the next ones.
//!
//! It keeps no end of its own and repeats nothing. The caller says which end its entries were made for, and they are stored
//! there or nowhere: they are never chained onto what somebody else has written meanwhile.

use std::hash::{Hash, Hasher};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use colony_core::envelope::{Envelope, Link, SealError, open};
use colony_core::lane::LaneHead;
use colony_core::signature::{Signer, Verifier};
use colony_core::subject::{Kind, Lane, lane_filter};
use colony_core::{Digest, Entry, Position, SpaceName};
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Receipt;
use super::sealing::{record, seal_next};
use crate::log::{
    AppendError, Condition, EventLog, NewRecord, Outcome, Range, ReadError, Record, Scope, Unit,
    Wholeness,
};

/// Where a lane ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LaneEnd {
    /// Number and digest of its last entry: what the next one is chained to.
    pub head: LaneHead,
    /// Where its last record stands: what the condition asks for. [`Position::ZERO`] for a lane without any.
    pub last: Position,
}

impl LaneEnd {
    /// The end of a lane in which nothing is.
    pub const EMPTY: LaneEnd = LaneEnd { head: LaneHead::EMPTY, last: Position::ZERO };

    /// Returns the end after an entry just stored.
    pub fn after(receipt: &Receipt) -> Self {
        let mut head = LaneHead::EMPTY;
        let link = Link { number: receipt.number, previous: None };
        head.advance(link, receipt.digest);
        Self { head, last: receipt.position }
    }
}

impl Hash for LaneEnd {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.last.hash(state);
        self.head.number().hash(state);
    }
}

/// A record of a lane, as somebody finds it who reads the lane alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// Where it stands.
    pub position: Position,
    /// The entry; `None` for what is none, which counts for the condition and for nothing else.
    pub entry: Option<Entry>,
}

/// An entry sealed as the next one of a lane.
#[derive(Debug, Clone)]
pub struct NextEntry {
    number: u64,
    digest: Digest,
    record: NewRecord,
}

impl NextEntry {
    /// Returns the head of the lane after it.
    pub fn head(&self) -> LaneHead {
        let mut head = LaneHead::EMPTY;
        head.advance(Link { number: self.number, previous: None }, self.digest);
        head
    }
}

/// Why entries are not in a conditioned lane.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ConditionedError {
    /// An entry cannot be sealed. Nothing was stored.
    #[error("the entry at index {index} cannot be sealed; nothing was stored")]
    Seal {
        /// Which of the entries given.
        index: usize,
        /// Why.
        #[source]
        source: SealError,
    },
    /// The log did not take them.
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl ConditionedError {
    /// Returns what happened to the write.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Seal { .. } => Outcome::NotApplied,
            Self::Append(error) => error.outcome(),
        }
    }

    /// Returns whether the same write may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Seal { .. } => false,
            Self::Append(error) => error.is_retryable(),
        }
    }
}

/// A lane that several instances write. Cheap to clone; holds no state.
#[derive(Debug, Clone)]
pub struct ConditionedLane {
    log: Arc<dyn EventLog>,
    space: SpaceName,
    lane: Lane,
    filter: String,
    signer: Option<Signer>,
    verifier: Arc<Verifier>,
}

impl ConditionedLane {
    pub(crate) fn new(
        log: Arc<dyn EventLog>,
        space: SpaceName,
        lane: Lane,
        signer: Option<Signer>,
        verifier: Arc<Verifier>,
    ) -> Self {
        let filter = lane_filter(&space, &lane);
        Self { log, space, lane, filter, signer, verifier }
    }

    /// Returns whose lane it is, and its name.
    pub fn lane(&self) -> &Lane {
        &self.lane
    }

    /// Appends entries, all or none, if the lane still ends at `end`. One receipt per entry.
    ///
    /// # Errors
    /// [`AppendError::Conflict`] where the lane has moved on. After an error whose
    /// [`outcome`](ConditionedError::outcome) is unknown, the entries may still arrive, but only at this same end: once anything
    /// else follows it, they never will.
    ///
    /// # Cancel safety
    /// Dropped before it returns, the outcome is unknown.
    pub async fn append(
        &self,
        end: LaneEnd,
        entries: Vec<(Kind, Envelope)>,
    ) -> Result<Vec<Receipt>, ConditionedError> {
        let mut head = end.head;
        let mut sealed = Vec::with_capacity(entries.len());
        for (index, (kind, envelope)) in entries.iter().enumerate() {
            let entry = self.seal(&mut head, kind, envelope, None);
            sealed.push(entry.map_err(|source| ConditionedError::Seal { index, source })?);
        }
        self.append_sealed(end.last, sealed).await
    }

    /// Seals an entry as the next one of the lane after `head`, with a cursor if there is one, and moves `head` on to it.
    ///
    /// So what is to follow entries that are on their way can be made ready meanwhile.
    ///
    /// # Errors
    /// [`SealError`]; `head` is as it was.
    pub fn seal(
        &self,
        head: &mut LaneHead,
        kind: &Kind,
        envelope: &Envelope,
        cursor: Option<Position>,
    ) -> Result<NextEntry, SealError> {
        let onto = (&self.space, &self.lane, head);
        let (sealed, number) = seal_next(onto, kind, envelope, cursor, self.signer.as_ref())?;
        Ok(NextEntry { number, digest: sealed.digest, record: record(sealed) })
    }

    /// Appends entries that were [sealed](Self::seal) one after the other, all or none, if the lane's last record still stands at
    /// `last`, which is that of the entry that the first one was sealed after. For the rest as [`ConditionedLane::append`].
    ///
    /// # Errors
    /// As [`ConditionedLane::append`].
    ///
    /// # Cancel safety
    /// Dropped before it returns, the outcome is unknown.
    pub async fn append_sealed(
        &self,
        last: Position,
        entries: Vec<NextEntry>,
    ) -> Result<Vec<Receipt>, ConditionedError> {
        let (records, links) = apart(entries);
        let condition = Condition { scope: Scope::Lane(self.filter.clone()), last };
        let wholeness = if records.len() > 1 { Wholeness::Atomic } else { Wholeness::Ordered };
        let unit = Unit { records, wholeness, conditions: vec![condition] };
        let positions = self.log.append(unit).await?.await?;
        Ok(receipts(positions, links))
    }

    /// Lets the log take entries along that were [sealed](Self::seal) behind others that are on their way. They are stored only when
    /// [`Staged::append`] tells where those have come to stand; dropped, they never are.
    pub fn stage<'a>(&self, entries: impl IntoIterator<Item = &'a NextEntry>) -> Staged {
        let (records, links) = apart(entries.into_iter().cloned());
        let (tell, told) = oneshot::channel();
        let log = Arc::clone(&self.log);
        let scope = Scope::Lane(self.filter.clone());
        // Ends by itself when the sender is dropped.
        let landing = tokio::spawn(async move {
            let condition = told.map(|last| Some(Condition { scope, last: last.ok()? })).boxed();
            log.append_when(records, condition).await
        });
        Staged { tell, landing, links }
    }

    /// Reads what stands in the lane past a position, to its end.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn read_after(&self, after: Position) -> Result<LaneRecords, ReadError> {
        let range = Range { after, until: Position::MAX, subjects: vec![self.filter.clone()] };
        let records = self.log.read(range).await?;
        let lane = self.clone();
        Ok(LaneRecords(Box::pin(records.map(move |record| record.map(|record| lane.open(record))))))
    }

    /// Returns the lane's last record; `None` for a lane in which nothing is.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn last(&self) -> Result<Option<StoredEntry>, ReadError> {
        Ok(self.log.last(&self.filter).await?.map(|record| self.open(record)))
    }

    fn open(&self, record: Record) -> StoredEntry {
        let Record { position, recorded, subject, payload } = record;
        let opened = open(position, recorded, &subject, payload, &self.verifier);
        if let Err(error) = &opened {
            tracing::error!(lane = %self.lane, %position, %error, "what stands in the lane is no entry");
        }
        StoredEntry { position, entry: opened.ok() }
    }
}

/// Entries that wait at the log for where they are to be appended.
#[derive(Debug)]
#[must_use = "what is staged is not stored"]
pub struct Staged {
    tell: oneshot::Sender<Position>,
    landing: JoinHandle<Result<Option<Vec<Position>>, AppendError>>,
    links: Vec<(u64, Digest)>,
}

impl Staged {
    /// Appends them, all or none, if the lane's last record stands at `last`. For the rest as [`ConditionedLane::append_sealed`].
    ///
    /// # Errors
    /// As [`ConditionedLane::append`].
    ///
    /// # Cancel safety
    /// Dropped before it returns, the outcome is unknown.
    pub async fn append(self, last: Position) -> Result<Vec<Receipt>, ConditionedError> {
        let Self { tell, landing, links } = self;
        // Where nobody listens any more, the landing tells why.
        let _ = tell.send(last);
        match landing.await {
            Ok(Ok(Some(positions))) => Ok(receipts(positions, links)),
            Ok(Ok(None)) | Err(_) => Err(AppendError::Unanswered { waited_ms: 0 }.into()),
            Ok(Err(error)) => Err(error.into()),
        }
    }
}

/// Takes sealed entries apart into what is stored and what is known of it before.
fn apart(entries: impl IntoIterator<Item = NextEntry>) -> (Vec<NewRecord>, Vec<(u64, Digest)>) {
    entries
        .into_iter()
        .map(|NextEntry { number, digest, record }| (record, (number, digest)))
        .unzip()
}

fn receipts(positions: Vec<Position>, links: Vec<(u64, Digest)>) -> Vec<Receipt> {
    let stored = positions.into_iter().zip(links);
    stored.map(|(position, (number, digest))| Receipt { position, number, digest }).collect()
}

/// The records of a lane, in its order.
#[must_use = "streams do nothing unless polled"]
pub struct LaneRecords(Pin<Box<dyn Stream<Item = Result<StoredEntry, ReadError>> + Send>>);

impl Stream for LaneRecords {
    type Item = Result<StoredEntry, ReadError>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl std::fmt::Debug for LaneRecords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LaneRecords")
    }
}

#[cfg(test)]
mod tests {
    use colony_core::event::Event;

    use super::*;
    use crate::{Bus, BusOptions, MemoryLog};

    fn lane(log: &MemoryLog) -> ConditionedLane {
        let options = BusOptions::new("lab".parse().unwrap(), "ada".parse().unwrap());
        let bus = Bus::on(Arc::new(log.clone()), Arc::new(log.clone()), options);
        bus.conditioned_lane("main".parse().unwrap())
    }

    fn entries(ids: &[&str]) -> Vec<(Kind, Envelope)> {
        let event = |id: &&str| {
            Event::new("ada".parse().unwrap(), id.parse().unwrap(), "x.done".parse().unwrap())
        };
        let kind = |event: &Event| Kind::Event { ty: event.ty.clone(), entity: None };
        ids.iter().map(event).map(|event| (kind(&event), event.into())).collect()
    }

    async fn ids(lane: &ConditionedLane) -> Vec<String> {
        let records = lane.read_after(Position::ZERO).await.unwrap();
        let id = |stored: StoredEntry| stored.entry.unwrap().event().id.as_str().to_owned();
        records.map(|record| id(record.unwrap())).collect().await
    }

    #[tokio::test]
    async fn of_two_writers_that_know_the_same_end_one_is_stored() {
        let log = MemoryLog::new("races");
        let (one, other) = (lane(&log), lane(&log));
        let stored = one.append(LaneEnd::EMPTY, entries(&["a", "b"])).await.unwrap();
        let lost = other.append(LaneEnd::EMPTY, entries(&["c"])).await.unwrap_err();
        assert!(matches!(lost, ConditionedError::Append(AppendError::Conflict { .. })));
        let end = LaneEnd::after(stored.last().unwrap());
        other.append(end, entries(&["d"])).await.unwrap();
        assert_eq!(ids(&one).await, ["a", "b", "d"]);
        let numbers: Vec<u64> = stored.iter().map(|receipt| receipt.number).collect();
        assert_eq!(numbers, [1, 2]);
    }

    #[tokio::test]
    async fn a_unit_appended_again_after_a_lost_acknowledgement_is_refused() {
        let log = MemoryLog::new("lost");
        let lane = lane(&log);
        log.inject(crate::memory::Fault::LostAck);
        let unknown = lane.append(LaneEnd::EMPTY, entries(&["a"])).await.unwrap_err();
        assert_eq!(unknown.outcome(), Outcome::Unknown);
        let again = lane.append(LaneEnd::EMPTY, entries(&["a"])).await.unwrap_err();
        assert_eq!(again.outcome(), Outcome::NotApplied);
        assert_eq!(ids(&lane).await, ["a"]);
    }

    #[tokio::test]
    async fn bytes_that_are_no_entry_count_for_the_condition_alone() {
        let log = MemoryLog::new("bytes");
        let lane = lane(&log);
        let subject = "colony.lab.ada.main.cursor".to_owned();
        let bytes = crate::log::NewRecord { subject, payload: "bytes".into() };
        log.append(Unit::one(bytes)).await.unwrap().await.unwrap();
        let last = lane.last().await.unwrap().unwrap();
        assert_eq!(last.entry, None);
        let end = LaneEnd { last: last.position, ..LaneEnd::EMPTY };
        assert_eq!(lane.append(end, entries(&["a"])).await.unwrap()[0].number, 1);
    }
}
