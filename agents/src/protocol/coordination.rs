//! All protocols as one fold of the log: what agents agreed, at a position.

use colony_core::replay::Projection;
use colony_core::{AgentName, Entry, EntryKind, Event, EventType, Filter, Kind, Position};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::charter::{self, Charters};
use super::compensation::{self, Compensation};
use super::contract::{self, Contracts};
use super::directory::{self, Directory};
use super::draft::Draft;
use super::gate::{self, Gate};
use super::handoff::{self, Handoffs};
use super::ignored::{Ignored, IgnoredEvents};
use super::payload::{Malformed, PAYLOAD_VERSION, Payload};
use super::quota::{self, Quotas};
use super::reputation::{self, Deed, Reputation};
use super::rules::{Context, Protocol};
use super::schedule::{self, Schedules};
use super::task::{self, Tasks};
use super::time::LogTime;
use super::vote::{self, Votes};

/// Where [`CoordinationState`] keeps the state of a protocol.
pub trait Slot<P: Protocol> {
    /// Returns the protocol's state.
    fn slot(&self) -> &P::State;
    /// Returns the protocol's state, to change it.
    fn slot_mut(&mut self) -> &mut P::State;
}

/// The table of protocols. A line makes a protocol part of the fold: its state, its rejections, its types.
macro_rules! protocols {
    ($($(#[$doc:meta])* $field:ident: $protocol:ty, $variant:ident($rejection:ty);)+) => {
        /// What all protocols agreed, up to a position.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(remote = "Self")]
        pub struct CoordinationState {
            time: LogTime,
            position: Position,
            $($(#[$doc])* pub $field: <$protocol as Protocol>::State,)+
            /// What had no effect, and why.
            pub ignored: IgnoredEvents,
        }

        /// What stands against an event or a command.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
        #[non_exhaustive]
        pub enum Rejection {
            /// The event cannot be read.
            #[error(transparent)]
            Malformed(#[from] Malformed),
            /// Its author was revoked.
            #[error("{agent} was revoked at position {at}; what it appends has no effect")]
            Revoked {
                /// The author.
                agent: AgentName,
                /// Where it was revoked.
                at: Position,
            },
            /// Its author, or the whole space, is stopped.
            #[error("{agent} is stopped by {by} since position {at}")]
            Stopped {
                /// The author.
                agent: AgentName,
                /// Who stopped it.
                by: AgentName,
                /// Where.
                at: Position,
            },
            /// Its author's standing is too low for this, by the space's charter.
            #[error("{ty} wants a reputation of {needed}, {agent} has {actual}")]
            Level {
                /// The author.
                agent: AgentName,
                /// The type of the event.
                ty: EventType,
                /// What the charter asks for, of 1000.
                needed: u32,
                /// What the author has.
                actual: u32,
            },
            $(
                #[doc = concat!("A rule of [`", stringify!($protocol), "`].")]
                #[error(transparent)]
                $variant(#[from] $rejection),
            )+
        }

        $(
            impl Slot<$protocol> for CoordinationState {
                fn slot(&self) -> &<$protocol as Protocol>::State {
                    &self.$field
                }
                fn slot_mut(&mut self) -> &mut <$protocol as Protocol>::State {
                    &mut self.$field
                }
            }
        )+

        /// Returns the types of all events that protocols know.
        pub fn types() -> impl Iterator<Item = &'static str> {
            let lists: &[&[&str]] = &[$(<<$protocol as Protocol>::Event as Payload>::TYPES),+];
            lists.iter().flat_map(|types| types.iter().copied())
        }

        fn dispatch(state: &mut CoordinationState, entry: &Entry) -> Option<Result<Vec<Deed>, Rejection>> {
            let noun = entry.event().ty.noun();
            $(
                if <$protocol as Protocol>::NOUNS.contains(&noun) {
                    return state.step::<$protocol>(entry);
                }
            )+
            None
        }
    };
}

protocols! {
    /// Who administers the space, and what it asks of agents.
    charter: Charters, Charter(charter::Rejection);
    /// Who there is.
    directory: Directory, Directory(directory::Rejection);
    /// What is to be done, by whom, and how far it is.
    tasks: Tasks, Task(task::Rejection);
    /// Work passed on with its reasons.
    handoffs: Handoffs, Handoff(handoff::Rejection);
    /// Shared budgets.
    quotas: Quotas, Quota(quota::Rejection);
    /// Recurring work.
    schedules: Schedules, Schedule(schedule::Rejection);
    /// Questions put to a vote.
    votes: Votes, Vote(vote::Rejection);
    /// Acts, and how those in conflict were made good.
    actions: Compensation, Action(compensation::Rejection);
    /// Contracts, and what is at stake in them.
    contracts: Contracts, Contract(contract::Rejection);
    /// How agents have stood by their word.
    reputation: Reputation, Reputation(reputation::Rejection);
    /// What people are asked, have allowed, and have stopped.
    gate: Gate, Gate(gate::Rejection);
}

/// Always JSON, as text where the format around it is a binary one: states hold JSON that agents sent, as it stands, and
/// payloads that leave out what they do not say.
impl Serialize for CoordinationState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return Self::serialize(self, serializer);
        }
        let json = serde_json::to_string(self).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(&json)
    }
}

impl<'de> Deserialize<'de> for CoordinationState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return Self::deserialize(deserializer);
        }
        let json = String::deserialize(deserializer)?;
        serde_json::from_str(&json).map_err(serde::de::Error::custom)
    }
}

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is of no concern to any protocol.
    Unrelated,
    /// It had its effect.
    Applied,
    /// Everybody ignores it.
    Ignored(Rejection),
}

impl CoordinationState {
    /// Returns the log time: the running maximum of the recorded times of coordination events.
    pub fn time(&self) -> LogTime {
        self.time
    }

    /// Returns where the last coordination event stands.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Takes the next entry of the log and says what became of it.
    ///
    /// An agent that waits to know whether its claim holds takes entries up to its own, and looks at the outcome.
    pub fn evolve(&mut self, entry: &Entry) -> Outcome {
        let (Some(Kind::Event { .. } | Kind::Mail { .. }), event) = (entry.kind(), entry.event())
        else {
            return Outcome::Unrelated;
        };
        match dispatch(self, entry) {
            None => Outcome::Unrelated,
            Some(Ok(deeds)) => {
                for deed in deeds {
                    self.reputation.count(deed, entry.position, self.time);
                }
                Outcome::Applied
            }
            Some(Err(reason)) => {
                self.ignored.push(Ignored {
                    position: entry.position,
                    author: event.author.clone(),
                    ty: event.ty.clone(),
                    entity: event.entity.clone(),
                    reason: reason.clone(),
                });
                Outcome::Ignored(reason)
            }
        }
    }

    /// Decides a command of an agent: the events to append, or what stands against it.
    ///
    /// `now` is what the caller believes the time to be, for deadlines that passed while the log was silent. A wrong
    /// belief does no harm: the event is judged again, by everybody, by the time at which the log recorded it.
    ///
    /// # Errors
    /// The rejection that every reader would give to the event.
    pub fn decide<P>(
        &self,
        command: P::Command,
        author: &AgentName,
        now: Option<colony_core::Timestamp>,
    ) -> Result<Vec<Draft>, Rejection>
    where
        P: Protocol,
        Self: Slot<P>,
        Rejection: From<P::Rejection>,
    {
        let time = now.map_or(self.time, |now| self.time.advanced(now));
        let context = Context { author, position: self.position.next(), time, space: self };
        let drafts = P::decide(self.slot(), command, &context)?;
        for draft in &drafts {
            self.admit(author, &draft.ty, time)?;
        }
        Ok(drafts)
    }

    /// Judges what stands above every protocol: who may speak at all.
    fn admit(&self, author: &AgentName, ty: &EventType, time: LogTime) -> Result<(), Rejection> {
        if let Some(at) = self.directory.revoked(author) {
            return Err(Rejection::Revoked { agent: author.clone(), at });
        }
        if let Some(stop) = self.gate.stop_of(author)
            && !gate::open_to_stopped(ty.as_str())
            && !self.charter.is_administrator(author)
        {
            let (by, at) = (stop.by.clone(), stop.at);
            return Err(Rejection::Stopped { agent: author.clone(), by, at });
        }
        if let Some(needed) = self.charter.needed_for(ty)
            && !self.charter.is_administrator(author)
        {
            let actual = self.reputation.score(author, time);
            if actual < needed {
                let (agent, ty) = (author.clone(), ty.clone());
                return Err(Rejection::Level { agent, ty, needed, actual });
            }
        }
        Ok(())
    }

    /// Takes an entry into one protocol; `None` if its type is not one of the protocol's.
    fn step<P>(&mut self, entry: &Entry) -> Option<Result<Vec<Deed>, Rejection>>
    where
        P: Protocol,
        Self: Slot<P>,
        Rejection: From<P::Rejection>,
    {
        let Event { ty, author, entity, version, data, .. } = entry.event();
        let payload = P::Event::read(ty.as_str(), data)?;
        self.time = self.time.advanced(entry.recorded);
        self.position = entry.position;
        let readable = if *version > PAYLOAD_VERSION {
            Err(Malformed::Version { found: *version })
        } else if entry.envelope.part.is_some() {
            Err(Malformed::InPieces)
        } else {
            payload.and_then(|payload| Ok((payload, entity.as_ref().ok_or(Malformed::NoEntity)?)))
        };
        let (payload, entity) = match readable {
            Ok(readable) => readable,
            Err(malformed) => return Some(Err(malformed.into())),
        };
        if let Err(reason) = self.admit(author, ty, self.time) {
            return Some(Err(reason));
        }
        // The state steps out of the whole while it changes, so that the rules may read the rest.
        let mut own = std::mem::take(Slot::<P>::slot_mut(self));
        let context = Context { author, position: entry.position, time: self.time, space: self };
        let result = P::evolve(&mut own, entity, payload, &context);
        *Slot::<P>::slot_mut(self) = own;
        Some(result.map_err(Rejection::from))
    }
}

/// The fold of all protocols, for [`Fold`](colony_core::replay::Fold) and its checkpoints.
///
/// It takes in what [`Coordination::filter`] selects and passes over the rest: a reader with any wider filter has
/// the same state.
#[derive(Debug, Clone, Copy, Default)]
pub struct Coordination;

impl Coordination {
    /// Selects the entries that matter here.
    pub fn filter() -> Filter {
        Filter {
            kinds: [EntryKind::Event, EntryKind::Mail].into(),
            types: types().filter_map(|ty| ty.parse().ok()).collect(),
            ..Filter::all()
        }
    }

    /// Returns whether events of this type are those of a protocol.
    pub fn knows(ty: &EventType) -> bool {
        types().any(|known| known == ty.as_str())
    }

    /// Folds entries, in log order, from the beginning.
    pub fn fold<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> CoordinationState {
        let mut state = CoordinationState::default();
        for entry in entries {
            state.evolve(entry);
        }
        state
    }
}

impl Projection for Coordination {
    type State = CoordinationState;

    fn name(&self) -> &str {
        "coordination"
    }

    fn version(&self) -> u32 {
        4
    }

    fn initial(&self) -> CoordinationState {
        CoordinationState::default()
    }

    fn evolve(&self, state: &mut CoordinationState, entry: &Entry) {
        state.evolve(entry);
    }
}

#[cfg(test)]
mod tests;
