//! Folding the log up to a cut, from the newest checkpoint that holds.

use colony_core::Position;
use colony_core::replay::{Fold, Projection};
use futures_util::StreamExt as _;

use crate::bus::Bus;
use crate::checkpoint::{Checkpoints, Shelf};
use crate::query::{Cut, EntryError, Query};

/// Most bytes of checkpoints for each position of the log: the larger the state, the farther apart they are.
const BYTES_PER_POSITION: u64 = 1_024;

impl Bus {
    /// Folds every entry at or before a position into a projection's state.
    ///
    /// Goes on from the newest checkpoint that holds, and keeps new ones on the way. `passed` is told how far it has come.
    /// With whatever checkpoints, the result is the same; for a log that is itself only a part (a capture) use
    /// [`Checkpoints::none`].
    ///
    /// # Errors
    /// [`EntryError::Read`]. What cannot be read as an entry is counted: [`Fold::unreadable`].
    pub async fn fold<P: Projection + Clone>(
        &self,
        projection: P,
        until: Position,
        checkpoints: &Checkpoints,
        mut passed: impl FnMut(Position),
    ) -> Result<Fold<P>, EntryError> {
        let log = self.identity();
        let shelf = checkpoints.shelf(&projection, &log);
        let (mut fold, mut kept) = self.resume(projection, until, &shelf, &log).await?;
        passed(fold.position());
        if fold.position() >= until {
            return Ok(fold);
        }
        let after = Some(Cut::Position(fold.position()));
        let query = Query { after, until: Some(Cut::Position(until)), ..Query::default() };
        let mut entries = self.read(query).await?;
        let mut saved = false;
        while let Some(entry) = entries.next().await {
            match entry {
                Ok(entry) => {
                    fold.apply(&entry);
                    passed(entry.position);
                    if shelf.is_open() && fold.last().is_some() && kept.is_due(&fold, &shelf) {
                        // One that cannot be made is not tried for at every entry that follows.
                        let bytes = shelf.save(&fold, &log);
                        saved |= bytes.is_some();
                        kept = Kept { position: entry.position, bytes: bytes.unwrap_or(0) };
                    }
                }
                Err(EntryError::Unreadable { position, .. }) => fold.pass_unreadable(position),
                Err(error @ EntryError::Read(_)) => return Err(error),
            }
        }
        if saved {
            shelf.make_room();
        }
        Ok(fold)
    }

    /// Names the log as this process reads it.
    fn identity(&self) -> String {
        let policy = self.shared.reader.verifier.digest();
        format!("{} {policy}", self.description().identity)
    }

    async fn resume<P: Projection + Clone>(
        &self,
        projection: P,
        until: Position,
        shelf: &Shelf<'_>,
        log: &str,
    ) -> Result<(Fold<P>, Kept), EntryError> {
        for position in shelf.positions(until).into_iter().rev() {
            let Some((checkpoint, bytes)) = shelf.load(position) else { continue };
            // A log that lost its end and went on holds another entry there.
            let holds = match self.get(position).await {
                Ok(entry) => entry.is_some_and(|entry| entry.digest == checkpoint.entry()),
                Err(EntryError::Unreadable { .. }) => false,
                Err(error @ EntryError::Read(_)) => return Err(error),
            };
            let resumed = holds.then(|| Fold::resume(projection.clone(), log, &checkpoint));
            match resumed {
                Some(Ok(fold)) => return Ok((fold, Kept { position, bytes })),
                Some(Err(error)) => tracing::warn!(%position, %error, "a checkpoint is left out"),
                None => tracing::warn!(%position, "the log has changed since a checkpoint"),
            }
            shelf.remove(position);
        }
        Ok((Fold::new(projection), Kept { position: Position::ZERO, bytes: 0 }))
    }
}

/// The newest checkpoint at or before where a fold stands.
#[derive(Debug, Clone, Copy)]
struct Kept {
    position: Position,
    bytes: u64,
}

impl Kept {
    fn is_due<P: Projection>(self, fold: &Fold<P>, shelf: &Shelf<'_>) -> bool {
        let distance = fold.position().get().saturating_sub(self.position.get());
        distance >= shelf.interval() && self.bytes <= distance.saturating_mul(BYTES_PER_POSITION)
    }
}
