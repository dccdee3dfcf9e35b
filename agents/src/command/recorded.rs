//! Effects that an agent has recorded, for a replay elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use colony_bus::{Bus, Cut, EntryError, Query};
use colony_core::{EffectName, EntryKind, Filter, Kind, Position};
use futures_util::StreamExt as _;
use serde_json::value::RawValue;

use crate::instance::lanes::partition_of_lane;

/// Results by the event that they were asked for, and their name. The default holds none. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct RecordedEffects {
    results: Arc<BTreeMap<(Position, EffectName), Box<RawValue>>>,
}

impl RecordedEffects {
    /// Reads what the agent has recorded that a bus acts for, for events past a position. Of a name used several times for one
    /// event it is the first.
    ///
    /// # Errors
    /// [`EntryError::Read`].
    pub async fn read(bus: &Bus, after: Position) -> Result<Self, EntryError> {
        let (kinds, authors) = ([EntryKind::Effect].into(), [bus.agent().clone()].into());
        let filter = Filter { kinds, authors, ..Filter::default() };
        let after_cut = Some(Cut::Position(after));
        let mut entries = bus.read(Query { filter, after: after_cut, ..Query::default() }).await?;
        let mut results = BTreeMap::new();
        while let Some(entry) = entries.next().await {
            let entry = match entry {
                Ok(entry) => entry,
                Err(EntryError::Unreadable { .. }) => continue,
                Err(error) => return Err(error),
            };
            let cause = entry.event().cause.as_ref().and_then(|cause| cause.position);
            if partition_of_lane(&entry.address).is_some()
                && let (Some(Kind::Effect(name)), Some(event)) = (entry.kind(), cause)
                && let Ok(result) = entry.event().data.to_value()
            {
                results.entry((event, name.clone())).or_insert(result);
            }
        }
        Ok(Self { results: Arc::new(results) })
    }

    /// Returns a result.
    pub(super) fn get(&self, event: Position, name: &EffectName) -> Option<Box<RawValue>> {
        self.results.get(&(event, name.clone())).cloned()
    }
}
