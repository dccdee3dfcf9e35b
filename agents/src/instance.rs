//! An instance of an agent at work.

use std::collections::BTreeMap;
use std::sync::Arc;

use colony_bus::Bus;
use colony_core::{LaneName, Position};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

mod clock;
mod error;
pub(crate) mod handling;
mod lane_task;
pub(crate) mod lanes;
pub(crate) mod memory;
mod metrics;
mod options;
mod roll;
mod status;

pub use clock::Clock;
pub use error::InstanceError;
pub use metrics::Metrics;
pub use options::{InstanceOptions, Preference, Retry, Start};
pub use roll::{InstanceNews, InstanceWatch, PresentInstance};
pub use status::LaneStatus;

use crate::agent::Agent;
use lane_task::{Context, LaneTask};
use metrics::Counters;
use roll::Roll;

/// Most lanes of one agent.
pub const MAX_PARTITIONS: u16 = 1_024;

/// An instance of an agent: a process's part in it. Any number of them may run at once, anywhere.
///
/// Whatever they do, each event is reacted to once. Dropped, it stops at once, like a process that is killed;
/// [`Instance::stop`] hands over.
#[derive(Debug)]
pub struct Instance {
    lanes: JoinSet<Result<(), InstanceError>>,
    statuses: BTreeMap<u16, watch::Receiver<LaneStatus>>,
    stop: CancellationToken,
    roll: Roll,
    counters: Arc<Counters>,
}

impl Instance {
    /// Starts an instance of an agent, under the name and with the rights of a bus.
    ///
    /// Waits until every lane is read. The bus must be of an instance of its own: two that call themselves alike cannot
    /// tell which of them works first.
    ///
    /// # Errors
    /// [`InstanceError`].
    pub async fn start<A: Agent>(
        bus: Bus,
        agent: A,
        options: InstanceOptions,
    ) -> Result<Self, InstanceError> {
        let partitions = options.partitions;
        if partitions == 0 || partitions > MAX_PARTITIONS {
            return Err(InstanceError::NoPartitions { asked: partitions, max: MAX_PARTITIONS });
        }
        let (roll, present) = Roll::start(bus.clone(), options.takeover, partitions).await;
        let (agent, stop) = (Arc::new(agent), CancellationToken::new());
        let counters = Arc::<Counters>::default();
        let agent_name = bus.agent().clone();
        let context =
            Arc::new(Context { bus, options, stop: stop.clone(), counters: Arc::clone(&counters) });
        let mut tasks = Vec::new();
        let mut statuses = BTreeMap::new();
        for (partition, present) in (0..partitions).zip(present) {
            let (sender, status) = watch::channel(LaneStatus {
                partition,
                lane: lanes::lane_name(partition, 1),
                cursor: Position::ZERO,
                reacted: Position::ZERO,
                through: Position::ZERO,
                delivered: Position::ZERO,
                waiting: 0,
                parked: 0,
                works: false,
                preferred: None,
            });
            let context = Arc::clone(&context);
            tasks.push(LaneTask::open(context, &agent, partition, present, sender).await?);
            statuses.insert(partition, status);
        }
        roll.tell_of(statuses.values().cloned().collect());
        let mut lanes = JoinSet::new();
        for (partition, task) in tasks.into_iter().enumerate() {
            let span = tracing::info_span!("lane", agent = %agent_name, partition);
            lanes.spawn(task.run().instrument(span));
        }
        Ok(Self { lanes, statuses, stop, roll, counters })
    }

    /// Returns how its lanes are doing.
    pub fn status(&self) -> Vec<LaneStatus> {
        self.statuses.values().map(|status| status.borrow().clone()).collect()
    }

    /// Returns what it has counted since it started.
    pub fn metrics(&self) -> Metrics {
        self.counters.snapshot(&self.status())
    }

    /// Waits until nothing is left to do up to an event that the agent listens to, by this or another instance.
    ///
    /// Resolves as well when a lane has failed; [`Instance::failed`] tells.
    pub async fn reacted_to(&self, position: Position) {
        for status in self.statuses.values() {
            let mut status = status.clone();
            // An error says that the lane's task has ended.
            drop(status.wait_for(|lane| lane.through >= position).await);
        }
    }

    /// Waits until a lane has failed, and returns why. Other lanes go on until the instance is dropped.
    ///
    /// # Cancel safety
    /// Dropped before it returns, nothing is lost.
    pub async fn failed(&mut self) -> InstanceError {
        loop {
            match self.lanes.join_next().await {
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(error))) => return error,
                Some(Err(_)) => return InstanceError::Panicked,
                None => std::future::pending().await,
            }
        }
    }

    /// Stops: finishes what can be finished within the grace of the options, stores what was done, and hands over at once.
    ///
    /// # Errors
    /// [`InstanceError::Unsettled`] if something done could not be stored; it will be done again by another instance.
    pub async fn stop(mut self) -> Result<(), InstanceError> {
        self.stop.cancel();
        let mut outcome = Ok(());
        while let Some(ended) = self.lanes.join_next().await {
            let ended = ended.unwrap_or(Err(InstanceError::Panicked));
            outcome = outcome.and(ended);
        }
        self.roll.leave().await;
        outcome
    }

    /// Returns the name of the lane that a share of the agent's events is reacted to in, as this instance knows it.
    pub fn lane(&self, partition: u16) -> Option<LaneName> {
        self.statuses.get(&partition).map(|status| status.borrow().lane.clone())
    }
}
