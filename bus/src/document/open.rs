//! Opening: one replica for all handles of a process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use colony_core::document::Replica;
use colony_core::{DocumentName, Filter, Position};
use tokio::sync::{Semaphore, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::actor::new_actor;
use super::copy::DocumentCopy;
use super::core::Core;
use super::error::DocumentError;
use super::follower::Follower;
use super::past::{Moment, Past};
use super::state::State;
use super::wire::Unpacker;
use super::{Document, past, publisher, snapshot};
use crate::bus::Bus;
use crate::query::Cut;

/// Documents that are loaded at the same time: loading needs several times the memory that the document keeps.
const LOADS: usize = 2;

/// The documents that are open in this process.
#[derive(Debug)]
pub(crate) struct Registry {
    slots: Mutex<BTreeMap<DocumentName, Slot>>,
    loads: Arc<Semaphore>,
}

/// Locked while the document is being opened, so that those who open it at the same time wait for one load.
type Slot = Arc<tokio::sync::Mutex<Weak<Open>>>;

impl Default for Registry {
    fn default() -> Self {
        Self { slots: Mutex::default(), loads: Arc::new(Semaphore::new(LOADS)) }
    }
}

/// What all handles of an open document share; ends with the last of them.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) core: Arc<Core>,
    _follower: AbortOnDropHandle<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        // The publisher sends what is left, then ends.
        self.core.lock().closing = true;
        self.core.work.notify_one();
    }
}

impl Registry {
    pub(crate) async fn open(
        &self,
        bus: &Bus,
        name: &DocumentName,
    ) -> Result<Document, DocumentError> {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.retain(|_, slot| {
                Arc::strong_count(slot) > 1
                    || slot.try_lock().is_ok_and(|open| open.strong_count() > 0)
            });
            Arc::clone(slots.entry(name.clone()).or_default())
        };
        let mut slot = slot.lock().await;
        if let Some(open) = slot.upgrade()
            && open.core.lock().end.is_none()
        {
            return Ok(Document { open });
        }
        let open = Arc::new(self.load(bus, name, false).await?);
        *slot = Arc::downgrade(&open);
        Ok(Document { open })
    }

    pub(crate) async fn open_held(
        &self,
        bus: &Bus,
        name: &DocumentName,
    ) -> Result<Document, DocumentError> {
        Ok(Document { open: Arc::new(self.load(bus, name, true).await?) })
    }

    pub(crate) async fn at(
        &self,
        bus: &Bus,
        name: &DocumentName,
        moment: Moment,
    ) -> Result<Past, DocumentError> {
        let _place = self.loads.acquire().await;
        past::at(bus, name, moment).await
    }

    pub(crate) async fn copy(
        &self,
        bus: &Bus,
        name: &DocumentName,
        nonce: u64,
        until: Position,
    ) -> Result<DocumentCopy, DocumentError> {
        let _place = self.loads.acquire().await;
        DocumentCopy::open(bus, name, nonce, until).await
    }

    async fn load(
        &self,
        bus: &Bus,
        name: &DocumentName,
        held: bool,
    ) -> Result<Open, DocumentError> {
        let _place = self.loads.acquire().await;
        let actor = new_actor(bus.agent(), rand::random());
        let tail = bus.tail().await?;
        let snapshot = match held {
            true => None,
            false => snapshot::newest(bus, name, tail, &actor).await?,
        };
        let (replica, position, snapshot) =
            snapshot.unwrap_or_else(|| (Replica::new(actor), Position::ZERO, Position::ZERO));
        let filter = Filter::document(name.clone());
        let subscription = bus.subscribe(filter, Cut::Position(position)).await?;
        let mut state = State::new(replica, position, held);
        state.snapshot_position = snapshot;
        let core = Arc::new(Core::new(bus.clone(), name.clone(), state));
        let (ready, is_ready) = oneshot::channel();
        let follower = Follower {
            core: Arc::clone(&core),
            unpacker: Unpacker::new(),
            followed: position,
            tail,
            ready: Some(ready),
            asked: Vec::new(),
            missed: 0,
        };
        let follower = AbortOnDropHandle::new(tokio::spawn(follower.run(subscription)));
        if is_ready.await.is_err() {
            let end = core.lock().end.clone();
            return Err(end.map_or(DocumentError::Unfollowed(None), |end| end.error()));
        }
        // Ends when the document is closed and everything is sent.
        drop(tokio::spawn(publisher::run(Arc::clone(&core))));
        Ok(Open { core, _follower: follower })
    }
}
