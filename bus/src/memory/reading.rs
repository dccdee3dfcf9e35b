//! Reading a memory log to its tail and beyond.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use colony_core::Position;
use futures_util::Stream;
use futures_util::stream;

use super::subjects::Subjects;
use super::{Connection, Shared, unanswered_read};
use crate::log::{Followed, ReadError, Record};

/// A read of a range: a chunk of records at a time, taken with the log locked.
pub(super) struct Reading {
    pub(super) shared: Arc<Shared>,
    pub(super) subjects: Subjects,
    pub(super) cursor: Position,
    /// At or before the tail when the read began.
    pub(super) until: Position,
    pub(super) chunk: VecDeque<Record>,
    pub(super) ended: bool,
}

impl Reading {
    fn refill(&mut self) -> Result<(), ReadError> {
        let state = self.shared.lock();
        state.connection.check_read()?;
        (self.cursor, self.ended) =
            state.store.scan(self.cursor, self.until, &self.subjects, &mut self.chunk);
        let tail = state.store.tail();
        match tail < self.until {
            // The tail was cut off under this reader: the rest of its range is gone.
            true => Err(ReadError::Lost { seen: self.until, tail }),
            false => Ok(()),
        }
    }
}

impl Stream for Reading {
    type Item = Result<Record, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(record) = self.chunk.pop_front() {
                return Poll::Ready(Some(Ok(record)));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            // A long read lets other tasks of its thread run.
            ready!(tokio::task::coop::poll_proceed(cx)).made_progress();
            if let Err(error) = self.refill() {
                self.ended = true;
                self.chunk.clear();
                return Poll::Ready(Some(Err(error)));
            }
        }
    }
}

/// A read that goes on with new records.
pub(super) struct Tailing {
    pub(super) shared: Arc<Shared>,
    pub(super) changes: tokio::sync::watch::Receiver<u64>,
    pub(super) subjects: Subjects,
    pub(super) cursor: Position,
    /// The tail when following began, until it was reached.
    pub(super) catching_up: Option<Position>,
    pub(super) chunk: VecDeque<Record>,
    pub(super) ended: bool,
}

impl Tailing {
    pub(super) fn into_stream(self) -> impl Stream<Item = Result<Followed, ReadError>> + Send {
        stream::unfold(self, |mut tailing| async move {
            let item = tailing.next().await?;
            Some((item, tailing))
        })
    }

    async fn next(&mut self) -> Option<Result<Followed, ReadError>> {
        loop {
            if let Some(record) = self.chunk.pop_front() {
                return Some(Ok(Followed::Record(record)));
            }
            if self.ended {
                return None;
            }
            // Seen as current before the log is looked at: what is appended after that wakes us.
            self.changes.borrow_and_update();
            match self.refill() {
                Ok(Step::More) => tokio::task::consume_budget().await,
                Ok(Step::CaughtUp) => return Some(Ok(Followed::CaughtUp)),
                Ok(Step::Wait) => {
                    if self.changes.changed().await.is_err() {
                        return None;
                    }
                }
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
    }

    fn refill(&mut self) -> Result<Step, ReadError> {
        let state = self.shared.lock();
        match state.connection {
            Connection::Up => {}
            Connection::Down => return Ok(Step::Wait),
            Connection::Closed => return Err(ReadError::Closed),
        }
        let tail = state.store.tail();
        if tail < self.cursor {
            return Err(ReadError::Lost { seen: self.cursor, tail });
        }
        let until = self.catching_up.unwrap_or(Position::MAX);
        let (reached, all) = state.store.scan(self.cursor, until, &self.subjects, &mut self.chunk);
        self.cursor = reached;
        Ok(match (all, self.chunk.is_empty()) {
            (true, true) => match self.catching_up.take() {
                Some(_) => Step::CaughtUp,
                None => Step::Wait,
            },
            (_, _) => Step::More,
        })
    }
}

enum Step {
    More,
    CaughtUp,
    Wait,
}

impl Connection {
    pub(super) fn check_read(self) -> Result<(), ReadError> {
        match self {
            Self::Up => Ok(()),
            Self::Down => Err(unanswered_read()),
            Self::Closed => Err(ReadError::Closed),
        }
    }
}
