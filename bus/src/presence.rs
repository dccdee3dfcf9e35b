//! Who is here and what they are doing.

use std::sync::Arc;

use colony_core::{AgentName, LaneName, SpaceName};

use crate::log::Live;

/// Who is here.
#[derive(Debug, Clone)]
pub struct Presence {
    live: Arc<dyn Live>,
    space: SpaceName,
    agent: AgentName,
    instance: LaneName,
}

impl Presence {
    pub(crate) fn new(
        live: Arc<dyn Live>,
        space: SpaceName,
        agent: AgentName,
        instance: LaneName,
    ) -> Self {
        Self { live, space, agent, instance }
    }
}
