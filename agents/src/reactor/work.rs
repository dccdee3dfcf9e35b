//! What is done and not yet in the lane.

use std::sync::Arc;

use colony_bus::lane::LaneEnd;
use colony_core::{EntityName, Position};

use super::note::{EffectNote, Note, ResumedNote, TickNote};
use super::parked::{ParkReason, ParkedEvent};
use super::view::LaneView;

/// Something done that is to be appended: whole, in this order among its kind.
///
/// `grounds` is there where outputs change documents: the position up to which they know what the lane changed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Work<O> {
    /// The outputs of a reaction. Never none.
    Reaction {
        event: Position,
        entity: Option<EntityName>,
        outputs: Vec<O>,
        grounds: Option<Position>,
    },
    /// The outputs of a reaction to an event that was set aside; there may be none.
    Resumption { note: ResumedNote, reacted: Position, outputs: Vec<O>, grounds: Option<Position> },
    /// An event set aside, for the first time or once more.
    Parking { parked: ParkedEvent, reacted: Position },
    /// The result of an effect.
    Effect { note: EffectNote, reacted: Position, output: O },
    /// It is time.
    Tick { note: TickNote, reacted: Position },
    /// Nothing but the cursor.
    Cursor { reacted: Position },
}

/// One entry to append: the cursor that it carries, and what it says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NewEntry<O> {
    /// The cursor.
    pub cursor: Position,
    /// What it is.
    pub body: Body<O>,
}

/// What an entry to append says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Body<O> {
    /// Something the agent says.
    Output(O),
    /// The result of an effect.
    Effect(EffectNote, O),
    /// Bookkeeping.
    Note(Note),
}

impl<O> Body<O> {
    pub(super) fn note(&self) -> Note {
        match self {
            Self::Output(_) => Note::Output,
            Self::Effect(note, _) => Note::Effect(note.clone()),
            Self::Note(note) => note.clone(),
        }
    }
}

/// Entries to append together, all or none, if the lane still ends where they were made for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UnitToAppend<O> {
    /// Which of the lanes that follow one another.
    pub lane: u64,
    /// Where it must end.
    pub end: LaneEnd,
    /// The entries. Never none. Shared: whoever appends them has them, and who waits for it.
    pub entries: Arc<[NewEntry<O>]>,
}

impl<O: Clone> Work<O> {
    /// Returns how many entries it makes.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Reaction { outputs, .. } => outputs.len(),
            Self::Resumption { outputs, .. } => outputs.len() + 1,
            Self::Parking { .. }
            | Self::Effect { .. }
            | Self::Tick { .. }
            | Self::Cursor { .. } => 1,
        }
    }

    /// Returns the event that it is about.
    pub(super) fn event(&self) -> Option<Position> {
        match self {
            Self::Reaction { event, .. } => Some(*event),
            Self::Resumption { note, .. } => Some(note.event),
            Self::Parking { parked, .. } => Some(parked.event),
            Self::Effect { note, .. } => Some(note.event),
            Self::Tick { .. } | Self::Cursor { .. } => None,
        }
    }

    /// Returns up to where the lane has reacted once it is there.
    pub(super) fn reacted(&self) -> Position {
        match self {
            Self::Reaction { event, .. } => *event,
            Self::Parking { parked, reacted } => parked.event.max(*reacted),
            Self::Resumption { reacted, .. }
            | Self::Effect { reacted, .. }
            | Self::Tick { reacted, .. }
            | Self::Cursor { reacted } => *reacted,
        }
    }

    /// Returns up to where its outputs know what the lane changed in documents, if they change some themselves.
    pub(super) fn grounds(&self) -> Option<Position> {
        match self {
            Self::Reaction { grounds, .. } | Self::Resumption { grounds, .. } => *grounds,
            Self::Parking { .. }
            | Self::Effect { .. }
            | Self::Tick { .. }
            | Self::Cursor { .. } => None,
        }
    }

    /// Makes the entries, with the cursor they carry.
    pub(super) fn entries(&self, cursor: Position, out: &mut Vec<NewEntry<O>>) {
        let mut push = |body| out.push(NewEntry { cursor, body });
        match self {
            Self::Reaction { outputs, .. } => {
                outputs.iter().for_each(|output| push(Body::Output(output.clone())));
            }
            Self::Resumption { note, outputs, .. } => {
                push(Body::Note(Note::Resumed(note.clone())));
                outputs.iter().for_each(|output| push(Body::Output(output.clone())));
            }
            Self::Parking { parked, .. } => push(Body::Note(Note::Parked(parked.clone()))),
            Self::Effect { note, output, .. } => push(Body::Effect(note.clone(), output.clone())),
            Self::Tick { note, .. } => push(Body::Note(Note::Tick(note.clone()))),
            Self::Cursor { .. } => push(Body::Note(Note::Cursor)),
        }
    }

    /// Returns what is left of it, now that the lane is known to be as `view` says.
    pub(super) fn upon(self, view: &LaneView) -> Option<Self> {
        match self {
            Self::Reaction { event, .. } if event <= view.cursor() => None,
            Self::Reaction { event, entity, outputs, grounds } => {
                match view.parked().ahead(entity.as_ref(), event) {
                    None => Some(Self::Reaction { event, entity, outputs, grounds }),
                    // Another instance has set aside what this one could do: order is kept all the same.
                    Some(first) => {
                        Some(Self::Parking { parked: behind(event, entity, first), reacted: event })
                    }
                }
            }
            Self::Resumption { note, reacted, outputs, grounds } => view
                .parked()
                .get(note.event)
                .is_some_and(|parked| parked.due)
                .then_some(Self::Resumption { note, reacted, outputs, grounds }),
            Self::Parking { parked, reacted } => {
                let again = view.parked().get(parked.event);
                let wanted = parked.event > view.cursor() || again.is_some_and(|again| again.due);
                wanted.then_some(Self::Parking { parked, reacted })
            }
            Self::Effect { note, reacted, output } => {
                let wanted = view.awaits(note.event) && view.effect(&note.id).is_none();
                wanted.then_some(Self::Effect { note, reacted, output })
            }
            Self::Tick { note, reacted } => {
                let wanted = view.last_tick(&note.schedule) < Some(note.at);
                wanted.then_some(Self::Tick { note, reacted })
            }
            Self::Cursor { reacted } => {
                (reacted > view.cursor()).then_some(Self::Cursor { reacted })
            }
        }
    }
}

/// Makes the mark of an event that waits behind another one of its entity.
pub(super) fn behind(event: Position, entity: Option<EntityName>, first: Position) -> ParkedEvent {
    let reason = ParkReason::Behind { event: first };
    ParkedEvent { event, entity, reason, attempts: 0, due: false }
}
