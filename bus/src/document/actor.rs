//! Who writes: one actor for each replica that is opened.

use colony_core::AgentName;
use colony_core::document::ActorId;

/// First byte of every actor made here. It differs from the first byte of derived actors.
const MARK: u8 = 0xc0;
/// Random bytes of an actor: no two replicas share one, also not two lives of one instance.
const NONCE_BYTES: usize = 8;

/// Makes an actor that nobody else has: mark, nonce, and the agent's name where it fits.
pub(super) fn new_actor(agent: &AgentName, nonce: u64) -> ActorId {
    let mut bytes = vec![MARK];
    bytes.extend(nonce.to_be_bytes());
    let name = agent.as_str().as_bytes();
    if bytes.len() + name.len() <= ActorId::MAX_BYTES {
        bytes.extend(name);
    }
    #[expect(clippy::unwrap_used, reason = "the bytes are few and begin with the mark")]
    ActorId::new(bytes).unwrap()
}

/// Returns the agent that an actor says it writes for; `None` for actors that were not made by a bus, and for
/// agents with names longer than 55 bytes.
///
/// It is the writer's own word. Who vouches for a change is the author of the entry that brought it.
pub fn agent_of(actor: &ActorId) -> Option<AgentName> {
    let actor = actor.base();
    let (mark, rest) = actor.as_bytes().split_first()?;
    let name = rest.get(NONCE_BYTES..)?;
    if *mark != MARK {
        return None;
    }
    std::str::from_utf8(name).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_names_its_agent() {
        let ada: AgentName = "ada".parse().unwrap();
        assert_eq!(agent_of(&new_actor(&ada, 7)), Some(ada.clone()));
        assert_ne!(new_actor(&ada, 7), new_actor(&ada, 8));
        let long: AgentName = "a".repeat(56).parse().unwrap();
        assert_eq!(agent_of(&new_actor(&long, 7)), None);
        assert_eq!(agent_of(&ActorId::new(*b"ann-000000000001").unwrap()), None);
    }
}
