//! Records that are fetched ahead of their reader, by a task of their own, in chunks: handing over each by itself would
//! cost as much as opening it.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::log::{ReadError, Record};

/// Most records of a chunk.
const CHUNK_RECORDS: usize = 128;
/// Bytes with which a chunk is full.
const CHUNK_BYTES: usize = 256 * 1024;
/// Chunks that wait for the reader.
const CHUNKS: usize = 2;

type Item = Result<Record, ReadError>;

/// What a task fetches, as a stream; the task ends with it.
pub(super) struct Ahead {
    chunk: std::vec::IntoIter<Item>,
    chunks: mpsc::Receiver<Vec<Item>>,
    _task: AbortOnDropHandle<()>,
}

impl Ahead {
    /// Begins to fetch.
    pub(super) fn fetch<F: Future<Output = ()> + Send + 'static>(
        fetch: impl FnOnce(Chunks) -> F,
    ) -> Self {
        let (queue, chunks) = mpsc::channel(CHUNKS);
        let task = tokio::spawn(fetch(Chunks { queue, chunk: Vec::new(), bytes: 0 }));
        Self { chunk: Vec::new().into_iter(), chunks, _task: AbortOnDropHandle::new(task) }
    }
}

impl Stream for Ahead {
    type Item = Item;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        loop {
            if let Some(item) = self.chunk.next() {
                return Poll::Ready(Some(item));
            }
            match self.chunks.poll_recv(cx) {
                Poll::Ready(Some(chunk)) => self.chunk = chunk.into_iter(),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// Where the task puts what it fetched.
pub(super) struct Chunks {
    queue: mpsc::Sender<Vec<Item>>,
    chunk: Vec<Item>,
    bytes: usize,
}

impl Chunks {
    /// Adds a record, waiting for the reader when enough is there.
    pub(super) async fn push(&mut self, record: Record) {
        self.bytes += record.payload.len();
        self.chunk.push(Ok(record));
        if self.chunk.len() >= CHUNK_RECORDS || self.bytes >= CHUNK_BYTES {
            self.hand_over().await;
        }
    }

    /// Gives the reader what there is, because the next record has to be waited for.
    pub(super) async fn hand_over(&mut self) {
        self.bytes = 0;
        if !self.chunk.is_empty() {
            let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK_RECORDS));
            // A reader that is gone takes the task with it.
            drop(self.queue.send(chunk).await);
        }
    }

    /// Ends the stream with what there is.
    pub(super) async fn end(mut self) {
        self.hand_over().await;
    }

    /// Ends the stream with an error.
    pub(super) async fn fail(mut self, error: ReadError) {
        self.chunk.push(Err(error));
        self.hand_over().await;
    }
}
