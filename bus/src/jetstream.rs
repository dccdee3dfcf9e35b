//! The log on NATS JetStream. The only module that names async-nats.

use std::sync::Arc;

use colony_core::{Position, SpaceName, Timestamp};
use futures_util::future::BoxFuture;

use crate::log::{
    AppendError, Condition, ConnectError, Description, EventLog, Following, Live, LiveMessage,
    LiveMessages, NewRecord, Range, ReadError, Record, Records, Ticket, Unit,
};

mod ahead;
mod answer;
mod append;
mod batch;
mod connection;
mod gate;
mod locate;
mod monitor;
mod options;
mod read;

pub use options::{Credentials, ServerOptions, Storage};

use append::Appender;
use connection::Connection;

/// The log of one space on a NATS server or cluster.
///
/// Cheap to clone; all clones share two connections, one for writing and one for reading.
#[derive(Debug, Clone)]
pub struct JetStreamLog {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    description: Description,
    stream: String,
    /// The filter of everything in the space.
    subjects: String,
    writing: Connection,
    reading: Connection,
    appender: Appender,
}

impl JetStreamLog {
    /// Connects to a server and opens a space there, creating it if it does not exist.
    ///
    /// Refuses a server whose JetStream API level is too old, and a stream whose configuration did not come
    /// back as Colony needs it: older servers silently ignore what they do not know.
    ///
    /// # Errors
    /// [`ConnectError`]; nothing was created unless the error says so.
    ///
    /// # Cancel safety
    /// Dropped half-way, the space may have been created, empty.
    pub async fn connect(space: &SpaceName, options: &ServerOptions) -> Result<Self, ConnectError> {
        let writing = Connection::open(options, "write").await?;
        let opened = gate::open(&writing, space, options).await?;
        let reading = Connection::open(options, "read").await?;
        let appender = Appender::new(&writing, &opened).await?;
        Ok(Self {
            shared: Arc::new(Shared {
                description: opened.description,
                stream: opened.stream,
                subjects: colony_core::subject::space_filter(space),
                writing,
                reading,
                appender,
            }),
        })
    }

    /// Removes a space with everything in it, for good.
    ///
    /// # Errors
    /// [`ConnectError::Refused`] if the server refuses or there is no such space.
    pub async fn delete(space: &SpaceName, options: &ServerOptions) -> Result<(), ConnectError> {
        let connection = Connection::open(options, "delete").await?;
        gate::delete(&connection, space).await
    }
}

impl EventLog for JetStreamLog {
    fn description(&self) -> &Description {
        &self.shared.description
    }

    fn append(&self, unit: Unit) -> BoxFuture<'_, Result<Ticket, AppendError>> {
        // A unit is sent as one: it must not stop half-way for the sake of other tasks.
        Box::pin(tokio::task::unconstrained(append::append(self.clone(), unit)))
    }

    fn append_when(
        &self,
        records: Vec<NewRecord>,
        condition: BoxFuture<'static, Option<Condition>>,
    ) -> BoxFuture<'_, Result<Option<Vec<Position>>, AppendError>> {
        Box::pin(append::append_when(self.clone(), records, condition))
    }

    fn read(&self, range: Range) -> BoxFuture<'_, Result<Records, ReadError>> {
        Box::pin(read::read(self.clone(), range))
    }

    fn follow(
        &self,
        after: Position,
        subjects: Vec<String>,
    ) -> BoxFuture<'_, Result<Following, ReadError>> {
        Box::pin(read::follow(self.clone(), after, subjects))
    }

    fn last<'a>(&'a self, subject: &'a str) -> BoxFuture<'a, Result<Option<Record>, ReadError>> {
        Box::pin(read::get(&self.shared, serde_json::json!({ "last_by_subj": subject })))
    }

    fn get(&self, position: Position) -> BoxFuture<'_, Result<Option<Record>, ReadError>> {
        Box::pin(async move {
            if position == Position::ZERO {
                return Ok(None);
            }
            read::get(&self.shared, serde_json::json!({ "seq": position.get() })).await
        })
    }

    fn tail(&self) -> BoxFuture<'_, Result<Position, ReadError>> {
        Box::pin(read::tail(&self.shared))
    }

    fn cut_at(&self, time: Timestamp) -> BoxFuture<'_, Result<Position, ReadError>> {
        Box::pin(read::cut_at(self, time))
    }

    fn remove(&self, position: Position) -> BoxFuture<'_, Result<(), ReadError>> {
        Box::pin(read::remove(&self.shared, position))
    }

    fn reachable(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.shared.writing.connected())
    }
}

impl Live for JetStreamLog {
    fn send(&self, message: LiveMessage) -> BoxFuture<'_, Result<(), ReadError>> {
        Box::pin(async move {
            let LiveMessage { subject, payload } = message;
            let sent = self.shared.writing.client.publish(subject, payload).await;
            sent.map_err(|_| ReadError::Closed)
        })
    }

    fn listen(&self, filter: String) -> BoxFuture<'_, Result<LiveMessages, ReadError>> {
        use futures_util::StreamExt as _;
        Box::pin(async move {
            let messages = self.shared.reading.client.subscribe(filter).await;
            let messages = messages.map_err(|_| ReadError::Closed)?;
            Ok(messages
                .map(|m| LiveMessage { subject: m.subject.to_string(), payload: m.payload })
                .boxed())
        })
    }
}
