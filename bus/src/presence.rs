//! Who is here and what they are doing: told live, never stored.
//!
//! Presence is for people and for preferences. Messages may be lost, clocks and networks may stop: nothing that has to be
//! right may rest on it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use colony_core::document::{Cursor, Path};
use colony_core::subject::{live_filter, live_subject};
use colony_core::{AgentName, DocumentName, LaneName, SpaceName};
use futures_util::{Stream, stream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::log::{Live, LiveMessage, ReadError};

mod roster;
mod teller;

pub use roster::{Member, Roster};

use roster::View;

/// How often everybody says that they are here.
pub const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long after the last word somebody counts as gone.
pub const EXPIRY: Duration = Duration::from_secs(15);
/// How long one may hear nothing, not even oneself, before one's own view counts as stale.
pub const STALE: Duration = Duration::from_secs(11);
/// How long the first look at the roster waits for answers.
const FIRST_LOOK: Duration = Duration::from_millis(150);
/// The topic of live messages about presence.
const TOPIC: &str = "presence";

/// What an agent's instance says about itself.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Status {
    /// How it is: `idle`, `working`, as the agents agree.
    pub state: String,
    /// What it is working on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_on: Option<String>,
    /// Where it is in documents.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cursors: BTreeMap<DocumentName, Place>,
}

/// A place in a document that moves with its text.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// The text or list.
    pub path: Path,
    /// Where in it.
    pub cursor: Cursor,
    /// The other end of what is selected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Cursor>,
}

/// Who is here. Cheap to clone; begins to listen when it is first used.
#[derive(Debug, Clone)]
pub struct Presence {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    room: Arc<Room>,
    teller: Mutex<Option<AbortOnDropHandle<()>>>,
}

/// What the handle and its task share.
#[derive(Debug)]
struct Room {
    live: Arc<dyn Live>,
    space: SpaceName,
    agent: AgentName,
    instance: LaneName,
    view: Mutex<View>,
    mine: Mutex<Option<Status>>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Message {
    agent: AgentName,
    instance: LaneName,
    says: Says,
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Says {
    /// I am here.
    Here(Status),
    /// I am leaving.
    Left,
    /// Who is here?
    Ask,
    /// Can I hear myself?
    Probe,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Presence {
    pub(crate) fn new(
        live: Arc<dyn Live>,
        space: SpaceName,
        agent: AgentName,
        instance: LaneName,
    ) -> Self {
        let room = Room {
            live,
            space,
            agent,
            instance,
            view: Mutex::default(),
            mine: Mutex::default(),
            changes: watch::Sender::new(0),
        };
        Self { shared: Arc::new(Shared { room: Arc::new(room), teller: Mutex::default() }) }
    }

    /// Says that this instance is here and how it is, now and from time to time until [`Presence::leave`] or until the
    /// bus is dropped.
    ///
    /// # Errors
    /// [`ReadError`] if it could not be sent; it will be with the next heartbeat.
    pub async fn announce(&self, status: Status) -> Result<(), ReadError> {
        let room = &self.shared.room;
        self.start();
        *lock(&room.mine) = Some(status.clone());
        room.send(Says::Here(status)).await
    }

    /// Says that this instance leaves.
    ///
    /// # Errors
    /// [`ReadError`] if it could not be sent; the others notice after [`EXPIRY`].
    pub async fn leave(&self) -> Result<(), ReadError> {
        let room = &self.shared.room;
        *lock(&room.mine) = None;
        room.send(Says::Left).await
    }

    /// Returns who is here. The first call asks, and waits a moment for the answers.
    pub async fn roster(&self) -> Roster {
        if self.start() {
            tokio::time::sleep(FIRST_LOOK).await;
        }
        self.shared.room.roster()
    }

    /// Returns the roster, and again whenever it may have changed.
    pub fn watch(&self) -> RosterWatch {
        self.start();
        let changes = self.shared.room.changes.subscribe();
        let presence = self.clone();
        RosterWatch(Box::pin(stream::unfold(
            (presence, changes, None),
            |(presence, mut changes, last)| async move {
                loop {
                    changes.borrow_and_update();
                    let roster = presence.shared.room.roster();
                    if last.as_ref() != Some(&roster) {
                        return Some((roster.clone(), (presence, changes, Some(roster))));
                    }
                    // Somebody may expire without a word.
                    let changed = tokio::time::timeout(HEARTBEAT / 2, changes.changed()).await;
                    if matches!(changed, Ok(Err(_))) {
                        return None;
                    }
                }
            },
        )))
    }

    /// Begins to listen; returns whether it had not begun yet.
    fn start(&self) -> bool {
        let mut teller = lock(&self.shared.teller);
        let starts = teller.is_none();
        if starts {
            let task = tokio::spawn(teller::run(Arc::clone(&self.shared.room)));
            *teller = Some(AbortOnDropHandle::new(task));
        }
        starts
    }
}

impl Room {
    fn roster(&self) -> Roster {
        lock(&self.view).roster(tokio::time::Instant::now())
    }

    async fn send(&self, says: Says) -> Result<(), ReadError> {
        let message = Message { agent: self.agent.clone(), instance: self.instance.clone(), says };
        let subject = live_subject(&self.space, &self.agent, self.instance.as_str(), TOPIC);
        let malformed = |_| ReadError::Malformed { what: "the status" };
        let payload = Bytes::from(serde_json::to_vec(&message).map_err(malformed)?);
        self.live.send(LiveMessage { subject, payload }).await
    }

    /// Reads a message, if it is what its subject says: the broker vouches for the subject's author.
    fn read(&self, message: &LiveMessage) -> Option<Message> {
        let read: Message = serde_json::from_slice(&message.payload).ok()?;
        let subject = live_subject(&self.space, &read.agent, read.instance.as_str(), TOPIC);
        (subject == message.subject).then_some(read)
    }

    fn filter(&self) -> String {
        live_filter(&self.space, TOPIC)
    }
}

/// Rosters as they change.
#[must_use = "streams do nothing unless polled"]
pub struct RosterWatch(std::pin::Pin<Box<dyn Stream<Item = Roster> + Send>>);

impl Stream for RosterWatch {
    type Item = Roster;
    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Roster>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl std::fmt::Debug for RosterWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RosterWatch")
    }
}
