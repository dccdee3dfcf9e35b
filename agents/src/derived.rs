//! Ids and randomness made of what is reacted to, so that every instance and every replay makes the same.

use std::fmt;

use colony_core::{AgentName, Digest, EntityName, Entry, EventId, LaneName, Position, Timestamp};
use uuid::Uuid;

/// The namespace of ids made here.
const NAMESPACE: Uuid = Uuid::from_u128(0x6b6f_6c6f_6e79_5f72_8561_6374_696f_6e73);

/// What names a reaction: the agent that reacts, and the event that it reacts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    agent: AgentName,
    author: AgentName,
    event: EventId,
    position: Position,
}

impl Origin {
    /// Names the reaction of an agent to an entry.
    pub(crate) fn new(agent: AgentName, entry: &Entry) -> Self {
        let event = entry.event();
        Self {
            agent,
            author: event.author.clone(),
            event: event.id.clone(),
            position: entry.position,
        }
    }

    /// Returns the agent that reacts.
    pub(crate) fn agent(&self) -> &AgentName {
        &self.agent
    }

    /// Returns the id of an entry that the reaction appends. Two events of one id, at two positions, lead to two.
    pub(crate) fn entry_id(&self, role: &str, index: u64) -> EventId {
        uuid(&self.text(format_args!("{role}\0{}\0{index}", self.position.get())))
    }

    /// Returns the id of an effect, which is its idempotency key, too: it does not depend on where the event stands.
    pub(crate) fn effect_id(&self, name: &str, occurrence: u32) -> EventId {
        uuid(&self.text(format_args!("effect\0{name}\0{occurrence}")))
    }

    /// Returns 64 random bits, the same ones for the same reaction and index.
    pub(crate) fn random(&self, index: u64) -> u64 {
        let text = self.text(format_args!("random\0{}\0{index}", self.position.get()));
        let bytes = Digest::of(text.as_bytes());
        bytes.as_bytes().iter().take(8).fold(0, |bits, byte| bits << 8 | u64::from(*byte))
    }

    /// Joins what names something. Names hold no control characters, so no two lists run together.
    fn text(&self, what: fmt::Arguments<'_>) -> String {
        let Self { agent, author, event, position: _ } = self;
        format!("{agent}\0{author}\0{event}\0{what}")
    }
}

/// Returns the id of an entry of bookkeeping: of the one that is to have this number in a lane.
pub(crate) fn lane_entry_id(agent: &AgentName, lane: &LaneName, number: u64) -> EventId {
    uuid(&[agent.as_str(), "lane", lane.as_str(), &number.to_string()].join("\0"))
}

/// Returns the id of a tick: there is one for each moment of a schedule.
pub(crate) fn tick_id(agent: &AgentName, schedule: &EntityName, at: Timestamp) -> EventId {
    let at = at.as_nanos().to_string();
    uuid(&[agent.as_str(), "tick", schedule.as_str(), &at].join("\0"))
}

/// Returns which share of an agent's ticks a schedule belongs to.
pub(crate) fn partition_of_schedule(schedule: &EntityName, partitions: u16) -> u16 {
    spread(schedule.as_str(), partitions)
}

fn uuid(text: &str) -> EventId {
    let mut id = Uuid::encode_buffer();
    let id = Uuid::new_v5(&NAMESPACE, text.as_bytes()).hyphenated().encode_lower(&mut id);
    #[expect(clippy::unwrap_used, reason = "a UUID in text form is a name")]
    id.parse().unwrap()
}

/// Spreads names evenly over numbers below `count`; the same on every machine.
fn spread(name: &str, count: u16) -> u16 {
    let bits = weight(name, "");
    u16::try_from(bits % u64::from(count.max(1))).unwrap_or(0)
}

/// Returns which share of an agent's events an entry belongs to: those of one entity always belong to one.
pub(crate) fn partition_of(entry: &Entry, partitions: u16) -> u16 {
    if partitions <= 1 {
        return 0;
    }
    let event = entry.event();
    let key = event.entity.as_ref().map_or(event.author.as_str(), EntityName::as_str);
    spread(key, partitions)
}

/// Returns a number that is made of two names.
pub(crate) fn weight(one: &str, other: &str) -> u64 {
    let digest = Digest::of(format!("{one}\0{other}").as_bytes());
    digest.as_bytes().iter().take(8).fold(0, |bits, byte| bits << 8 | u64::from(*byte))
}
