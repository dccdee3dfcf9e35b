//! Sealing requests onto the ends of lanes.

use colony_core::envelope::{Envelope, SealError, SealedEntry, seal, seal_at};
use colony_core::lane::LaneHead;
use colony_core::position::Position;
use colony_core::signature::Signer;
use colony_core::subject::{Address, Kind, Lane, Subject};
use colony_core::{AgentName, SpaceName};

use super::driver::Driver;
use super::queue::Queue;
use super::{HeadMove, Receipt, Request, Sharing};
use crate::log::{Condition, NewRecord, Scope};

impl Driver {
    /// Seals what is not stored yet of a request: entries onto the end of the lane, and heads.
    ///
    /// On an error the lane is as it was before.
    pub(super) fn seal(&mut self, request: &Request) -> Result<Sealed, SealError> {
        let mut sealed = Sealed::default();
        match self.seal_onto(request, &mut sealed) {
            Ok(()) => Ok(sealed),
            Err(error) => {
                self.put_back(sealed.before);
                Err(error)
            }
        }
    }

    /// Seals what waits, in order, as far as the ends of its lanes are known. All that comes before it is sealed.
    pub(super) fn seal_ahead(&mut self, queue: &mut Queue) {
        let mut next = queue.waiting.partition_point(|request| request.sealed.is_some());
        while let Some(request) = queue.waiting.get_mut(next) {
            let mut authors = request.batch.entries.iter().map(|(_, sealed)| &sealed.event.author);
            if !authors.all(|author| self.heads.contains_key(author)) {
                return;
            }
            match self.seal(request) {
                Ok(sealed) => {
                    request.sealed = Some(sealed);
                    next += 1;
                }
                Err(error) => {
                    if let Some(request) = queue.waiting.remove(next) {
                        request.fail(error.into());
                    }
                }
            }
        }
    }

    /// Takes back what was sealed of requests, for something before it is not stored. Nothing is sealed behind them.
    pub(super) fn unseal<'a>(
        &mut self,
        requests: impl IntoIterator<Item = &'a mut Request, IntoIter: DoubleEndedIterator>,
    ) {
        for request in requests.into_iter().rev() {
            if let Some(sealed) = request.sealed.take() {
                self.put_back(sealed.before);
            }
        }
    }

    /// Moves the ends of lanes back to where they were.
    pub(super) fn put_back(&mut self, before: Before) {
        for (author, head) in before.0.into_iter().rev() {
            self.heads.insert(author, head);
        }
    }

    fn seal_onto(&mut self, request: &Request, onto: &mut Sealed) -> Result<(), SealError> {
        let signer = self.options.signer.as_ref();
        let Sealed { entries, heads, before } = onto;
        for (kind, envelope) in request.batch.entries.iter().skip(request.done.len()) {
            let author = envelope.event.author.clone();
            if author != self.lane.author && self.options.sharing == Sharing::Contended {
                return Err(SealError::Mismatch { field: "author" });
            }
            let head = self.heads.entry(author.clone()).or_default();
            before.0.push((author.clone(), *head));
            let lane = Lane { author: author.clone(), name: self.lane.name.clone() };
            let onto = (&self.space, &lane, head);
            let (sealed, number) = seal_next(onto, kind, envelope, None, signer)?;
            entries.push(SealedLink { sealed, author, number });
        }
        for HeadMove { noun, envelope, last } in &request.batch.heads {
            let entity = envelope.event.entity.clone();
            let entity = entity.ok_or(SealError::Mismatch { field: "entity" })?;
            let address = Address::Head { noun: noun.clone(), entity };
            let subject = Subject { space: self.space.clone(), address };
            let sealed = seal(&subject, envelope, signer)?;
            let condition =
                Condition { scope: Scope::Subject(sealed.subject.clone()), last: *last };
            heads.push((sealed, condition));
        }
        Ok(())
    }
}

/// Seals an entry onto the end of a lane, with a cursor if there is one, and moves the end onto it. Returns it with its number.
///
/// On an error the end stays where it was.
pub(super) fn seal_next(
    (space, lane, head): (&SpaceName, &Lane, &mut LaneHead),
    kind: &Kind,
    envelope: &Envelope,
    cursor: Option<Position>,
    signer: Option<&Signer>,
) -> Result<(SealedEntry, u64), SealError> {
    let link = head.next();
    let address = Address::Lane { lane: lane.clone(), kind: kind.clone() };
    let subject = Subject { space: space.clone(), address };
    let sealed = seal_at(link, cursor, &subject, envelope, signer)?;
    head.advance(link, sealed.digest);
    Ok((sealed, link.number))
}

/// A request, sealed.
#[derive(Debug, Default)]
pub(super) struct Sealed {
    pub(super) entries: Vec<SealedLink>,
    pub(super) heads: Vec<(SealedEntry, Condition)>,
    pub(super) before: Before,
}

/// Where the ends of lanes were before they were moved, in the order in which they were: a writer may hold those of a thousand
/// authors, and a unit moves few.
#[derive(Debug, Default)]
pub(super) struct Before(Vec<(AgentName, LaneHead)>);

impl Before {
    /// Adds what was moved later.
    pub(super) fn then(&mut self, later: Before) {
        self.0.extend(later.0);
    }
}

/// An entry sealed for a place in the lane.
#[derive(Debug, Clone)]
pub(super) struct SealedLink {
    pub(super) sealed: SealedEntry,
    pub(super) author: AgentName,
    pub(super) number: u64,
}

impl SealedLink {
    pub(super) fn receipt(&self, position: Position) -> Receipt {
        Receipt { position, number: self.number, digest: self.sealed.digest }
    }

    pub(super) fn record(&self) -> NewRecord {
        record(self.sealed.clone())
    }
}

pub(super) fn record(sealed: SealedEntry) -> NewRecord {
    NewRecord { subject: sealed.subject, payload: sealed.payload }
}
