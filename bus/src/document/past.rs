//! Documents as they stood, and which there are.

use std::collections::BTreeMap;

use colony_core::document::{ActorId, Heads, Replica, View};
use colony_core::{AgentName, DocumentName, EntryKind, Filter, Kind, Position, Timestamp};
use futures_util::StreamExt as _;

use super::error::DocumentError;
use super::{repair, snapshot};
use crate::bus::Bus;
use crate::log::ReadError;
use crate::query::{Cut, EntryError, Query};

/// A moment in a document's past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// What the log held at a cut.
    Cut(Cut),
    /// A version.
    Heads(Heads),
}

/// A document as it stood at a moment. It cannot edit, and nothing that comes later changes it.
#[derive(Debug)]
pub struct Past {
    replica: Replica,
    heads: Heads,
    position: Position,
}

impl Past {
    /// Returns the version.
    pub fn heads(&self) -> &Heads {
        &self.heads
    }

    /// Returns the cut up to which the log was read.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Reads the version.
    ///
    /// # Errors
    /// [`DocumentError::View`] where an older version cannot be rebuilt.
    pub fn view(&self) -> Result<View<'_>, DocumentError> {
        Ok(self.replica.at(&self.heads)?)
    }

    /// Returns the replica that the version was read from: for history, blame and differences. Of a moment given by
    /// heads, it also holds what came later.
    pub fn replica(&self) -> &Replica {
        &self.replica
    }
}

/// Never writes: nothing that this actor did exists anywhere.
fn reader() -> ActorId {
    #[expect(clippy::unwrap_used, reason = "the bytes are few and do not look derived")]
    ActorId::new(*b"reader").unwrap()
}

pub(super) async fn at(
    bus: &Bus,
    name: &DocumentName,
    moment: Moment,
) -> Result<Past, DocumentError> {
    let tail = bus.tail().await?;
    let position = match &moment {
        Moment::Cut(cut) => bus.resolve(*cut).await?.min(tail),
        Moment::Heads(_) => tail,
    };
    // A snapshot that was stored by then holds nothing that came later.
    let snapshot = snapshot::newest(bus, name, position, &reader()).await?;
    let (mut replica, after) = match snapshot {
        Some((replica, after, _)) => (replica, after),
        None => (Replica::new(reader()), Position::ZERO),
    };
    let mut broken = false;
    repair::read_changes(bus, name, after, position, |_, changes| {
        broken |= replica.apply(changes).is_err();
    })
    .await?;
    if broken {
        return Err(DocumentError::Broken);
    }
    let heads = match moment {
        Moment::Cut(_) => replica.heads(),
        Moment::Heads(heads) => {
            drop(replica.at(&heads)?);
            heads
        }
    };
    Ok(Past { replica, heads, position })
}

/// What a list of documents says of one.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct DocumentSummary {
    /// Its name.
    pub name: DocumentName,
    /// Where its last change stands.
    pub position: Position,
    /// When that was stored.
    pub time: Timestamp,
    /// Who wrote that.
    pub author: AgentName,
    /// How many entries carry changes of it.
    pub entries: u64,
    /// How many bytes of changes they carry.
    pub bytes: u64,
}

pub(crate) async fn list(
    bus: &Bus,
    until: Option<Cut>,
) -> Result<Vec<DocumentSummary>, EntryError> {
    let filter = Filter { kinds: [EntryKind::Document].into(), ..Filter::default() };
    let mut entries = bus.read(Query { filter, until, ..Query::default() }).await?;
    let mut found: BTreeMap<DocumentName, DocumentSummary> = BTreeMap::new();
    while let Some(entry) = entries.next().await {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error @ EntryError::Read(_)) => return Err(error),
            Err(EntryError::Unreadable { .. }) => continue,
        };
        let Some(Kind::Document(name)) = entry.kind() else { continue };
        let bytes = entry.event().data.len() as u64;
        let author = entry.event().author.clone();
        let summary = found.entry(name.clone()).or_insert_with(|| DocumentSummary {
            name: name.clone(),
            position: entry.position,
            time: entry.recorded,
            author: author.clone(),
            entries: 0,
            bytes: 0,
        });
        summary.position = entry.position;
        summary.time = entry.recorded;
        summary.author = author;
        summary.entries += 1;
        summary.bytes += bytes;
    }
    Ok(found.into_values().collect())
}

pub(crate) async fn exists(bus: &Bus, name: &DocumentName) -> Result<bool, ReadError> {
    let subjects = Filter::document(name.clone()).subjects(bus.space());
    for subject in &subjects {
        if bus.log().last(subject).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
