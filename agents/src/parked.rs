//! What people do about events that an agent has set aside.

use colony_bus::Bus;
use colony_bus::lane::ConditionedError;
use colony_bus::log::{AppendError, ReadError};
use colony_core::{LaneName, Position};
use std::time::Duration;

use crate::derived::lane_entry_id;
use crate::instance::lanes::{Known, Lanes, lane_name};
use crate::reactor::{EventNote, LaneView, Note, ParkedEvent, Phase};

/// Attempts to append while the agent appends, too.
const ATTEMPTS: u32 = 100;
/// Pause before another look at a lane that is about to be followed by the next one.
const PAUSE: Duration = Duration::from_millis(20);

/// The events that an agent has set aside, as its lanes tell. Needs the agent's own credentials.
#[derive(Debug, Clone)]
pub struct ParkedEvents {
    bus: Bus,
}

/// Why nothing could be done about an event set aside.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParkedError {
    /// The event is not set aside.
    #[error("the agent has not set the event at {event} aside")]
    NotParked {
        /// Where it stands.
        event: Position,
    },
    /// The lane is closed, and no instance of the agent is there to open the next one.
    #[error("the lane {lane} is closed: start the agent, which opens the next one")]
    Closed {
        /// The lane.
        lane: LaneName,
    },
    /// The lane cannot be read.
    #[error("the agent's lane cannot be read")]
    Read(#[from] ReadError),
    /// The log did not take what was asked.
    #[error("the log did not take it")]
    Append(#[source] ConditionedError),
}

impl ParkedEvents {
    /// Looks at the agent that a bus acts for.
    pub fn of(bus: Bus) -> Self {
        Self { bus }
    }

    /// Returns the events that are set aside, by their place in the log.
    ///
    /// # Errors
    /// [`ParkedError::Read`].
    pub async fn list(&self) -> Result<Vec<ParkedEvent>, ParkedError> {
        let mut events = Vec::new();
        for partition in 0..self.partitions().await? {
            let view = view(&self.lanes(partition)).await?;
            events.extend(view.parked().iter().cloned());
        }
        events.sort_by_key(|parked| parked.event);
        Ok(events)
    }

    /// Lets the agent try an event again, and those that wait behind it.
    ///
    /// # Errors
    /// [`ParkedError`].
    pub async fn retry(&self, event: Position) -> Result<(), ParkedError> {
        self.tell(event, Note::Retried(EventNote { event })).await
    }

    /// Gives an event up. Those that wait behind it are handled.
    ///
    /// # Errors
    /// [`ParkedError`].
    pub async fn give_up(&self, event: Position) -> Result<(), ParkedError> {
        self.tell(event, Note::Dropped(EventNote { event })).await
    }

    async fn tell(&self, event: Position, note: Note) -> Result<(), ParkedError> {
        for partition in 0..self.partitions().await? {
            let lanes = self.lanes(partition);
            let mut attempts = 0;
            loop {
                let view = view(&lanes).await?;
                if view.parked().get(event).is_none() {
                    break;
                }
                attempts += 1;
                if view.phase() == Phase::Closed {
                    // Nothing may follow a closing entry. The agent opens the next lane, as soon as it runs.
                    if attempts >= ATTEMPTS {
                        return Err(ParkedError::Closed {
                            lane: lane_name(partition, view.number()),
                        });
                    }
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                let number = view.end().head.number() + 1;
                let name = lane_name(partition, view.number());
                let id = lane_entry_id(self.bus.agent(), &name, number);
                let (kind, mut envelope) = lanes.note(id, &note);
                envelope.cursor = Some(view.cursor()).filter(|cursor| *cursor > Position::ZERO);
                let appended =
                    lanes.lane(view.number()).append(view.end(), vec![(kind, envelope)]).await;
                match appended {
                    Ok(_) => return Ok(()),
                    Err(ConditionedError::Append(
                        AppendError::Conflict { .. } | AppendError::Unanswered { .. },
                    )) if attempts < ATTEMPTS => {}
                    Err(error) => return Err(ParkedError::Append(error)),
                }
            }
        }
        Err(ParkedError::NotParked { event })
    }

    async fn partitions(&self) -> Result<u16, ParkedError> {
        Ok(view(&self.lanes(0)).await?.partitions())
    }

    fn lanes(&self, partition: u16) -> Lanes {
        Lanes::new(self.bus.clone(), partition)
    }
}

/// Reads what is known of the last of some lanes.
pub(crate) async fn view(lanes: &Lanes) -> Result<LaneView, ReadError> {
    let mut view = LaneView::before(lanes.find().await?);
    loop {
        let steps = lanes.past(Known::from(&view)).await?;
        let through = steps.is_empty();
        steps.into_iter().for_each(|step| view.fold(step));
        if through || view.phase() != Phase::Closed {
            return Ok(view);
        }
    }
}
