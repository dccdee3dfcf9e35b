//! How a process takes part in a space.

use std::collections::BTreeMap;

use colony_core::signature::{PublicKey, SignaturePolicy, Signer};
use colony_core::{AgentName, LaneName, SpaceName};

use crate::jetstream::ServerOptions;
use crate::lane::Sharing;

/// How a process takes part in a space: who it is, and what it asks of others.
#[derive(Debug, Clone)]
pub struct BusOptions {
    /// The space.
    pub space: SpaceName,
    /// The agent that this process acts for.
    pub agent: AgentName,
    /// This process among the agent's instances; also the name of the lane that its own appends go to. Default: made
    /// at random, so that nobody else writes the lane.
    pub instance: Option<LaneName>,
    /// Whether another process may believe that it is this instance. Default: [`Sharing::Private`] for an instance made
    /// at random, else [`Sharing::Contended`].
    pub sharing: Option<Sharing>,
    /// How to reach the server.
    pub server: ServerOptions,
    /// Signs what this process appends. Default: nothing is signed.
    pub signer: Option<Signer>,
    /// What is asked of the signatures of others. Default: [`SignaturePolicy::IfPresent`].
    pub signatures: SignaturePolicy,
    /// The keys known of other agents.
    pub keys: BTreeMap<AgentName, PublicKey>,
}

impl BusOptions {
    /// Takes part in a space for an agent, with the defaults for everything else.
    pub fn new(space: SpaceName, agent: AgentName) -> Self {
        Self {
            space,
            agent,
            instance: None,
            sharing: None,
            server: ServerOptions::default(),
            signer: None,
            signatures: SignaturePolicy::default(),
            keys: BTreeMap::new(),
        }
    }
}
