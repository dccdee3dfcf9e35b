//! What a lane's entries say to those who react: the bookkeeping of reactions.

use colony_core::envelope::Entry;
use colony_core::{EntityName, EventId, Kind, Position, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::parked::ParkedEvent;

/// The noun of the events in which a lane tells what became of events set aside. No agent may emit one.
pub const NOUN: &str = "reaction";
/// The type of an entry that sets an event aside.
pub const PARKED: &str = "reaction.parked";
/// The type of an entry that asks for an event set aside to be tried again.
pub const RETRIED: &str = "reaction.retried";
/// The type of an entry that gives an event set aside up.
pub const DROPPED: &str = "reaction.dropped";
/// The type of an entry that stands with the outputs of an event that was set aside.
pub const RESUMED: &str = "reaction.resumed";
/// The type of a tick of a schedule. No agent may emit one.
pub const TICKED: &str = "schedule.ticked";
/// The type of a recorded effect.
pub const EFFECT: &str = "effect.recorded";
/// The type of an entry that only moves the cursor.
pub const CURSOR: &str = "cursor.moved";
/// The type of a lane's first entry.
pub const OPENED: &str = "lane.opened";
/// The type of a lane's last entry.
pub const CLOSED: &str = "lane.closed";

/// What an entry of a lane means for the lane.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Note {
    /// It is something the agent says; it moves the cursor.
    Output,
    /// It changes a document; it moves the cursor.
    Changes,
    /// It holds the result of an effect.
    Effect(EffectNote),
    /// An event is set aside.
    Parked(ParkedEvent),
    /// An event that was set aside is reacted to. Its outputs stand in the same unit.
    Resumed(ResumedNote),
    /// An event set aside is to be tried again.
    Retried(EventNote),
    /// An event set aside will not be tried again.
    Dropped(EventNote),
    /// It is time.
    Tick(TickNote),
    /// The cursor has moved.
    Cursor,
    /// The lane begins.
    Opened(Opening),
    /// The lane ends, and another goes on.
    Closed(Closing),
}

/// Which effect's result an entry holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EffectNote {
    /// The entry's id: made of agent, event, name.
    pub id: EventId,
    /// The event whose reaction asked for it.
    pub event: Position,
}

/// Which event is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EventNote {
    /// Where it stands.
    pub event: Position,
}

/// A tick of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TickNote {
    /// The schedule's name.
    pub schedule: EntityName,
    /// The moment for which it is.
    pub at: Timestamp,
}

/// How an event that was set aside has been reacted to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ResumedNote {
    /// Where it stands.
    pub event: Position,
    /// The state that the handler was given was folded up to here.
    pub folded: Position,
}

/// What a lane begins with: everything that is needed of the lanes before it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Opening {
    /// How many lanes the agent's events are spread over.
    pub partitions: u16,
    /// Events that are set aside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parked: Vec<ParkedEvent>,
    /// The last tick of each schedule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ticks: Vec<TickNote>,
    /// Effects recorded for events that are not yet reacted to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<CarriedEffect>,
}

/// A recorded effect that stands in an earlier lane.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CarriedEffect {
    /// Which one.
    #[serde(flatten)]
    pub effect: EffectNote,
    /// Where the entry with its result stands.
    pub recorded: Position,
}

/// Where the entries of a lane go on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Closing {
    /// The number of the next lane.
    pub next: u64,
}

impl Note {
    /// Reads what an entry of a reaction lane means; `None` for bookkeeping that makes no sense, which changes nothing.
    pub fn of(entry: &Entry) -> Option<Self> {
        let event = entry.event();
        match entry.kind()? {
            Kind::Event { ty, .. } if ty.noun() == NOUN => match ty.as_str() {
                PARKED => read(entry).map(Self::Parked),
                RESUMED => read(entry).map(Self::Resumed),
                RETRIED => read(entry).map(Self::Retried),
                DROPPED => read(entry).map(Self::Dropped),
                _ => None,
            },
            Kind::Event { ty, .. } if ty.as_str() == TICKED => read(entry).map(Self::Tick),
            Kind::Document(_) => Some(Self::Changes),
            Kind::Event { .. } | Kind::Mail { .. } | Kind::Snapshot(_) => Some(Self::Output),
            Kind::Effect(_) => {
                let event_at = event.cause.as_ref().and_then(|cause| cause.position)?;
                Some(Self::Effect(EffectNote { id: event.id.clone(), event: event_at }))
            }
            Kind::Cursor => match event.ty.as_str() {
                OPENED => read(entry).map(Self::Opened),
                CLOSED => read(entry).map(Self::Closed),
                _ => Some(Self::Cursor),
            },
        }
    }
}

fn read<T: DeserializeOwned>(entry: &Entry) -> Option<T> {
    entry.event().data.to_value().ok()
}
