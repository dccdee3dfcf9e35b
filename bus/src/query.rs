//! Reading entries: ranges in both directions, and following.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use colony_core::envelope::{OpenError, open, open_next};
use colony_core::lane::LaneChecker;
use colony_core::signature::Verifier;
use colony_core::subject::{RecentSubjects, space_filter};
use colony_core::{Entry, Filter, Position, SpaceName, Timestamp};
use futures_util::{Stream, StreamExt as _, stream};

use crate::log::{EventLog, Followed, Following, Range, ReadError, Record};

/// First window of a backward read, in positions; each next one is larger, up to [`LAST_WINDOW`].
const FIRST_WINDOW: u64 = 256;
/// Largest window of a backward read, in positions.
const LAST_WINDOW: u64 = 32_768;

/// Which entries to read, and in which order.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Which entries.
    pub filter: Filter,
    /// Those past this point. Default: from the beginning.
    pub after: Option<Cut>,
    /// Those at or before this point. Default: all there are when the read begins.
    pub until: Option<Cut>,
    /// In which order. Default: as they happened.
    pub order: Order,
}

/// A point in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Right after the entry at this position.
    Position(Position),
    /// Right after the last entry recorded at or before this moment.
    Time(Timestamp),
}

/// The order of a read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    #[default]
    Forward,
    /// Newest first.
    Backward,
}

/// Why an entry could not be delivered.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// What is stored at a position is no entry. It is left out; reading goes on after it.
    #[error(
        "what is stored at position {position} under {subject} is not an entry; it is left out"
    )]
    Unreadable {
        /// Where it stands.
        position: Position,
        /// Its subject.
        subject: String,
        /// What is wrong with it.
        #[source]
        source: OpenError,
    },
    /// The log could not be read further. The stream ends.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Entries, each once; ends at the end of the range.
#[must_use = "streams do nothing unless polled"]
pub struct Entries(Pin<Box<dyn Stream<Item = Result<Entry, EntryError>> + Send>>);

impl Stream for Entries {
    type Item = Result<Entry, EntryError>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl std::fmt::Debug for Entries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entries")
    }
}

/// What a subscription delivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The next entry.
    Entry(Box<Entry>),
    /// Everything stored when the subscription began has been delivered; what comes now is new. Delivered once.
    CaughtUp,
}

/// Entries as they come, each once, without a gap, until dropped.
///
/// A slow reader holds back nobody but itself and misses nothing.
#[must_use = "streams do nothing unless polled"]
pub struct Subscription {
    following: Following,
    opener: Opener,
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Subscription")
    }
}

impl Stream for Subscription {
    type Item = Result<Delivery, EntryError>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let item = match self.following.as_mut().poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(item) => item,
            };
            return Poll::Ready(match item {
                None => None,
                Some(Err(error)) => Some(Err(error.into())),
                Some(Ok(Followed::CaughtUp)) => Some(Ok(Delivery::CaughtUp)),
                Some(Ok(Followed::Record(record))) => match self.opener.open(record) {
                    None => continue,
                    Some(Ok(entry)) => Some(Ok(Delivery::Entry(Box::new(entry)))),
                    Some(Err(error)) => Some(Err(error)),
                },
            });
        }
    }
}

/// Opens records, and leaves out what the filter does not select or what is void.
struct Opener {
    filter: Filter,
    verifier: Arc<Verifier>,
    lanes: LaneChecker,
    subjects: RecentSubjects,
}

impl Opener {
    fn open(&mut self, record: Record) -> Option<Result<Entry, EntryError>> {
        let Record { position, recorded, subject, payload } = record;
        let subjects = &mut self.subjects;
        match open_next(subjects, position, recorded, &subject, payload, &self.verifier) {
            Ok(entry) if self.lanes.is_void(&entry) => {
                tracing::warn!(%position, subject, "a copy of an earlier entry is left out");
                None
            }
            Ok(entry) => self.filter.matches(&entry).then_some(Ok(entry)),
            Err(source) => Some(Err(EntryError::Unreadable { position, subject, source })),
        }
    }
}

/// Reads a space's log.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) space: SpaceName,
    pub(crate) verifier: Arc<Verifier>,
}

impl Reader {
    fn opener(&self, filter: Filter) -> Opener {
        Opener {
            filter,
            verifier: Arc::clone(&self.verifier),
            lanes: LaneChecker::new(),
            subjects: RecentSubjects::default(),
        }
    }

    /// Opens one record.
    pub(crate) fn open(&self, record: Record) -> Result<Entry, EntryError> {
        let Record { position, recorded, subject, payload } = record;
        open(position, recorded, &subject, payload, &self.verifier)
            .map_err(|source| EntryError::Unreadable { position, subject, source })
    }

    /// Returns the position of a cut.
    pub(crate) async fn resolve(&self, cut: Cut) -> Result<Position, ReadError> {
        match cut {
            Cut::Position(position) => Ok(position),
            Cut::Time(time) => self.log.cut_at(time).await,
        }
    }

    pub(crate) async fn read(&self, query: Query) -> Result<Entries, ReadError> {
        let Query { filter, after, until, order } = query;
        let after = match after {
            Some(cut) => self.resolve(cut).await?,
            None => Position::ZERO,
        };
        let until = match until {
            Some(cut) => self.resolve(cut).await?,
            None => Position::MAX,
        };
        match order {
            Order::Forward => self.forward(filter, after, until).await,
            Order::Backward => self.backward(filter, after, until).await,
        }
    }

    /// Returns what the log is asked for. For everything no subjects are named: a server goes through all that match those,
    /// and a log may have as many subjects as entries.
    fn subjects(&self, filter: &Filter) -> Vec<String> {
        let subjects = filter.subjects(&self.space);
        if subjects == [space_filter(&self.space)] { Vec::new() } else { subjects }
    }

    async fn forward(
        &self,
        filter: Filter,
        after: Position,
        until: Position,
    ) -> Result<Entries, ReadError> {
        let subjects = self.subjects(&filter);
        let records = self.log.read(Range { after, until, subjects }).await?;
        let mut opener = self.opener(filter);
        Ok(Entries(Box::pin(records.filter_map(move |record| {
            std::future::ready(match record {
                Ok(record) => opener.open(record),
                Err(error) => Some(Err(error.into())),
            })
        }))))
    }

    async fn backward(
        &self,
        filter: Filter,
        after: Position,
        until: Position,
    ) -> Result<Entries, ReadError> {
        let until = until.min(self.log.tail().await?);
        let reader = self.clone();
        let windows = stream::unfold((until, FIRST_WINDOW), move |(end, window)| {
            let reader = reader.clone();
            let filter = filter.clone();
            async move {
                if end <= after {
                    return None;
                }
                let begin = Position::new(end.get().saturating_sub(window)).max(after);
                let found: Vec<_> = match reader.forward(filter, begin, end).await {
                    Ok(entries) => entries.collect().await,
                    Err(error) => vec![Err(error.into())],
                };
                let failed = found.iter().any(|item| matches!(item, Err(EntryError::Read(_))));
                let next = if failed { Position::ZERO } else { begin };
                let items = stream::iter(found.into_iter().rev());
                Some((items, (next, (window * 2).min(LAST_WINDOW))))
            }
        });
        Ok(Entries(Box::pin(windows.flatten())))
    }

    pub(crate) async fn follow(
        &self,
        filter: Filter,
        after: Cut,
    ) -> Result<Subscription, ReadError> {
        let after = self.resolve(after).await?;
        let following = self.log.follow(after, self.subjects(&filter)).await?;
        Ok(Subscription { following, opener: self.opener(filter) })
    }
}
