//! An agent's state: folded from the log, and kept between runs.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use colony_bus::Bus;
use colony_core::replay::{Checkpoint, CheckpointError, Fold, Projection};
use colony_core::{Digest, Entry, Position};

use super::handling::{Bounds, Handling, Source, handle};
use crate::agent::Agent;
use crate::reaction::{Documents, EffectSource};

/// An agent and what it knows, as its lanes see them. They are the same code for all agents.
pub(super) trait Mind: Send {
    /// Returns whether it knows nothing, so that no history has to be read for it.
    fn knows_nothing(&self) -> bool;

    /// Returns up to where the state is folded.
    fn folded(&self) -> Position;

    /// Takes the next entry. No handler is looking at the state.
    fn fold(&mut self, entry: &Entry);

    /// Begins to handle an event, with the state as it is.
    fn handle(
        &self,
        source: Source,
        effects: EffectSource,
        documents: Documents,
        bus: Bus,
        bounds: Bounds,
    ) -> Handling;

    /// Notes the state as it is now, to be kept.
    fn ripen(&mut self);

    /// Returns what writes the state noted, once the lane has reacted to everything in it.
    fn ripe(&mut self, reacted: Position) -> Option<Keeping>;
}

/// The writing of a state.
pub(super) type Keeping = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An agent's fold, as a projection.
pub(crate) struct Knowledge<A> {
    agent: Arc<A>,
    name: String,
}

impl<A: Agent> Projection for Knowledge<A> {
    type State = A::State;

    fn name(&self) -> &str {
        &self.name
    }

    fn version(&self) -> u32 {
        self.agent.state_version()
    }

    fn initial(&self) -> A::State {
        A::State::default()
    }

    fn evolve(&self, state: &mut A::State, entry: &Entry) {
        self.agent.evolve(state, entry);
    }
}

fn knows_nothing<A: Agent>() -> bool {
    std::mem::size_of::<A::State>() == 0
}

/// The state of one lane's handler.
pub(crate) struct Memory<A: Agent> {
    agent: Arc<A>,
    fold: Arc<Fold<Knowledge<A>>>,
    log: String,
    file: Option<PathBuf>,
    interval: u64,
    /// Entries folded since the state was last kept.
    since: u64,
    /// A state that is kept once the lane has reacted to everything in it.
    ripening: Option<Checkpoint>,
}

impl<A: Agent> Memory<A> {
    /// Begins with what was kept, if the lane has reacted to everything in it; else with nothing.
    pub(crate) async fn open(
        bus: &Bus,
        agent: &Arc<A>,
        partition: u16,
        cache: Option<&Path>,
        interval: u64,
        reacted: Position,
    ) -> Self {
        let log = bus.description().identity.clone();
        let name = format!("{}/{}/{partition}", bus.space(), bus.agent());
        let file = cache.filter(|_| !knows_nothing::<A>()).map(|folder| {
            let key = Digest::of(format!("{log}\0{name}").as_bytes()).to_string();
            folder.join(format!("{}.state", key.get(..32).unwrap_or(&key)))
        });
        let knowledge = || Knowledge { agent: Arc::clone(agent), name: name.clone() };
        let fold = match &file {
            Some(file) => load(bus, file, knowledge(), &log, reacted).await,
            None => None,
        };
        let fold = Arc::new(fold.unwrap_or_else(|| Fold::new(knowledge())));
        Self {
            agent: Arc::clone(agent),
            fold,
            log,
            file,
            interval: interval.max(1),
            since: 0,
            ripening: None,
        }
    }

    /// Returns up to where the state is folded.
    pub(crate) fn folded(&self) -> Position {
        self.fold.position()
    }

    /// Takes the next entry. No handler is looking at the state.
    pub(crate) fn fold(&mut self, entry: &Entry) {
        #[expect(clippy::expect_used, reason = "the handler that shared it has been dropped")]
        let fold = Arc::get_mut(&mut self.fold).expect("nobody shares the state");
        fold.apply(entry);
        self.since += 1;
        if self.since >= self.interval && self.file.is_some() {
            self.since = 0;
            self.ripen();
        }
    }

    /// Shares the state with a handler.
    pub(crate) fn share(&self) -> Arc<Fold<Knowledge<A>>> {
        Arc::clone(&self.fold)
    }
}

impl<A: Agent> Mind for Memory<A> {
    fn knows_nothing(&self) -> bool {
        knows_nothing::<A>()
    }

    fn folded(&self) -> Position {
        Memory::folded(self)
    }

    fn fold(&mut self, entry: &Entry) {
        Memory::fold(self, entry);
    }

    fn handle(
        &self,
        source: Source,
        effects: EffectSource,
        documents: Documents,
        bus: Bus,
        bounds: Bounds,
    ) -> Handling {
        let (agent, knowledge) = (Arc::clone(&self.agent), self.share());
        Box::pin(handle(agent, knowledge, source, effects, documents, bus, bounds))
    }

    fn ripen(&mut self) {
        if self.fold.last().is_none() {
            return;
        }
        match self.fold.checkpoint(&self.log) {
            Ok(checkpoint) => self.ripening = Some(checkpoint),
            Err(error) => tracing::warn!(%error, "the state cannot be kept"),
        }
    }

    fn ripe(&mut self, reacted: Position) -> Option<Keeping> {
        let file = self.file.clone()?;
        let checkpoint = self.ripening.take_if(|noted| noted.position() <= reacted)?;
        Some(Box::pin(async move {
            let written = tokio::task::spawn_blocking(move || write(&file, &checkpoint)).await;
            if let Ok(Err(error)) = written {
                tracing::warn!(%error, "the state cannot be kept");
            }
        }))
    }
}

async fn load<A: Agent>(
    bus: &Bus,
    file: &Path,
    knowledge: Knowledge<A>,
    log: &str,
    reacted: Position,
) -> Option<Fold<Knowledge<A>>> {
    let bytes = tokio::fs::read(file).await.ok()?;
    let loaded = Checkpoint::decode(bytes)
        .and_then(|kept| Ok((Fold::resume(knowledge, log, &kept)?, kept.entry())));
    let (fold, entry) = match loaded {
        Ok(loaded) => loaded,
        Err(error) => {
            tracing::warn!(%error, "the kept state is not believed");
            return None;
        }
    };
    if fold.position() > reacted {
        tracing::info!("the kept state knows more than the lane has reacted to");
        return None;
    }
    // A log that lost its end goes on with other entries under the same identity.
    match bus.get(fold.position()).await {
        Ok(Some(found)) if found.digest == entry => Some(fold),
        Ok(_) | Err(_) => {
            tracing::warn!("the kept state is of entries that the log does not have");
            None
        }
    }
}

fn write(file: &Path, checkpoint: &Checkpoint) -> Result<(), WriteStateError> {
    let bytes = checkpoint.encode()?;
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let beside = file.with_extension(format!("{}.new", std::process::id()));
    std::fs::write(&beside, bytes)?;
    std::fs::rename(&beside, file)?;
    Ok(())
}

#[derive(Debug, thiserror::Error)]
enum WriteStateError {
    #[error(transparent)]
    File(#[from] std::io::Error),
    #[error(transparent)]
    State(#[from] CheckpointError),
}
