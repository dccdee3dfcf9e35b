//! What becomes of entries whose append failed, and of those whose fate is not known.

use std::time::Duration;

use colony_core::envelope::Link;
use colony_core::lane::LaneHead;
use colony_core::position::Position;
use colony_core::signature::Verifier;
use colony_core::subject::{Lane, lane_filter, lanes_filter};
use colony_core::{AgentName, Entry};
use futures_util::StreamExt as _;
use tokio::time::Instant;

use super::driver::Driver;
use super::queue::Group;
use super::sealing::SealedLink;
use super::{Receipt, Request, Sharing};
use crate::log::{AppendError, Outcome, Range, ReadError, Record};

/// Pause between two attempts to read the end of the lane after an unknown outcome.
const RECOVERY_PAUSE: Duration = Duration::from_millis(50);

impl Driver {
    /// Decides what becomes of a group whose append failed; returns what is to be appended again.
    pub(super) async fn recover(
        &mut self,
        group: Group,
        sealed: &[Vec<SealedLink>],
        error: AppendError,
        deadline: Instant,
    ) -> Option<Group> {
        match fate(&error) {
            Fate::Refused if !group.uncertain && error.outcome() == Outcome::NotApplied => {
                self.refuse(group, error, deadline).await;
                None
            }
            Fate::Refused => {
                // Some of it may be there: of this attempt, or of an earlier one that arrived late.
                let alone = group.requests.len() == 1;
                let rest = self.find_out(group, sealed, deadline).await?;
                self.refuse_rest(rest, alone, &error, deadline).await;
                None
            }
            Fate::NotNow => self.find_out(group, sealed, deadline).await,
            Fate::Unknown => {
                let group = Group { uncertain: true, ..group };
                self.find_out(group, sealed, deadline).await
            }
        }
    }

    /// Answers those of a refused group that are not stored.
    pub(super) async fn refuse_rest(
        &mut self,
        rest: Group,
        alone: bool,
        error: &AppendError,
        deadline: Instant,
    ) {
        let told = match error {
            AppendError::Interrupted { source, .. } => source.as_ref(),
            error => error,
        };
        // An attempt that is still on its way meets the same condition, or the same permissions: it fails, too.
        let settled = matches!(told, AppendError::Conflict { .. } | AppendError::Denied { .. });
        let uncertain = rest.uncertain && !settled;
        let wholeness = rest.wholeness;
        if !alone {
            // One of several brought the unit down: each on its own.
            for request in rest.requests {
                let requests = vec![request];
                Box::pin(self.commit(Group { requests, wholeness, uncertain }, None)).await;
            }
            return;
        }
        if let AppendError::Conflict { .. } = told {
            let author = self.lane.author.clone();
            self.refresh_until(&author, deadline).await;
        }
        if uncertain {
            self.leave_behind();
        }
        for request in rest.requests {
            let (applied, total) = (request.done.len(), request.batch.entries.len());
            if applied == 0 && !uncertain {
                request.fail(told.clone().into());
            } else {
                let source = Box::new(told.clone());
                request.fail(AppendError::Interrupted { applied, total, source }.into());
            }
        }
    }

    /// Answers a group of which nothing was stored.
    pub(super) async fn refuse(&mut self, mut group: Group, error: AppendError, deadline: Instant) {
        if let AppendError::Conflict { .. } = &error {
            // Another writer of the lane, or another mover of a head: the lane may have moved on.
            let author = self.lane.author.clone();
            self.refresh_until(&author, deadline).await;
        }
        if group.requests.len() == 1 {
            for request in group.requests.drain(..) {
                request.fail(error.clone().into());
            }
        }
        // One of several brought the unit down: each on its own.
        for request in group.requests {
            let alone = Group {
                requests: vec![request],
                wholeness: group.wholeness,
                uncertain: group.uncertain,
            };
            Box::pin(self.commit(alone, None)).await;
        }
    }

    /// Finds out what was stored of a group whose outcome is unknown; returns what was not.
    pub(super) async fn find_out(
        &mut self,
        mut group: Group,
        sealed: &[Vec<SealedLink>],
        deadline: Instant,
    ) -> Option<Group> {
        let mut found = loop {
            if Instant::now() >= deadline {
                self.give_up(group);
                return None;
            }
            if tokio::time::timeout_at(deadline, self.log.reachable()).await.is_ok() {
                match tokio::time::timeout_at(deadline, self.stored(sealed)).await {
                    Ok(Ok(found)) => break found.into_iter(),
                    Ok(Err(error)) => {
                        tracing::debug!(lane = %self.lane, %error, "the lane cannot be read yet");
                    }
                    Err(_) => continue,
                }
                self.pause(deadline).await;
            }
        };
        let mut rest = Vec::new();
        for (mut request, entries) in group.requests.into_iter().zip(sealed) {
            let receipts: Vec<Receipt> = found.by_ref().take(entries.len()).collect();
            for (entry, receipt) in entries.iter().zip(&receipts) {
                let link = Link { number: receipt.number, previous: None };
                self.heads.entry(entry.author.clone()).or_default().advance(link, receipt.digest);
            }
            let complete = receipts.len() == entries.len();
            request.done.extend(receipts);
            self.passed(&request);
            if complete { request.succeed() } else { rest.push(request) }
        }
        if rest.is_empty() {
            return None;
        }
        if self.options.sharing == Sharing::Contended {
            let (expected, author) = (self.last, self.lane.author.clone());
            self.refresh_until(&author, deadline).await;
            if self.last != expected {
                // Another instance went on while we were away: what we had to say may no longer hold.
                for request in rest {
                    let scope = self.filter.clone();
                    let conflict = AppendError::Conflict { scope, expected, winner: None };
                    request.fail(conflict.into());
                }
                return None;
            }
        }
        group.requests = rest;
        Some(group)
    }

    /// Notes how far the log goes for sure, now that a request's entries are there.
    pub(super) fn passed(&mut self, request: &Request) {
        if let Some(receipt) = request.done.last() {
            self.last = receipt.position;
            // Not the highest: a log that lost its end gives positions again.
            self.floor = receipt.position;
        }
    }

    /// Reads the ends of the lanes that a group continues, where they are not known.
    pub(super) async fn know_heads(&mut self, group: &Group) -> Result<(), ReadError> {
        for request in &group.requests {
            for (_, envelope) in &request.batch.entries {
                if !self.heads.contains_key(&envelope.event.author) {
                    self.refresh(&envelope.event.author).await?;
                }
            }
        }
        Ok(())
    }

    pub(super) async fn refresh_until(&mut self, author: &AgentName, deadline: Instant) {
        while let Err(error) = self.refresh(author).await {
            tracing::debug!(lane = %self.lane, %error, "the end of the lane cannot be read yet");
            if Instant::now() >= deadline {
                return;
            }
            self.pause(deadline).await;
        }
    }

    pub(super) async fn pause(&self, deadline: Instant) {
        tokio::time::sleep_until((Instant::now() + RECOVERY_PAUSE).min(deadline)).await;
    }

    /// Returns the receipts of those sealed entries, from the first on, that the log has.
    pub(super) async fn stored(
        &self,
        sealed: &[Vec<SealedLink>],
    ) -> Result<Vec<Receipt>, ReadError> {
        let subjects = vec![lanes_filter(&self.space, &self.lane.name)];
        let lost = self.log.tail().await? < self.floor;
        let after = if lost { Position::ZERO } else { self.floor };
        let range = Range { after, until: Position::MAX, subjects };
        let mut records = self.log.read(range).await?;
        let mut found = Vec::new();
        let mut wanted = sealed.iter().flatten().peekable();
        while let Some(record) = records.next().await {
            let record = record?;
            let Some(entry) = wanted.peek() else { break };
            if record.subject == entry.sealed.subject && record.payload == entry.sealed.payload {
                found.push(entry.receipt(record.position));
                wanted.next();
            }
        }
        Ok(found)
    }

    /// Returns the receipts of those copies of stored entries that count, which are the first ones; `None` if the log does
    /// not tell in time.
    pub(super) async fn counted(
        &self,
        sealed: &[Vec<SealedLink>],
        deadline: Instant,
    ) -> Option<Vec<Receipt>> {
        while Instant::now() < deadline {
            if let Ok(Ok(found)) = tokio::time::timeout_at(deadline, self.stored(sealed)).await {
                return (found.len() == sealed.iter().flatten().count()).then_some(found);
            }
            self.pause(deadline).await;
        }
        None
    }

    /// Reads the end of an author's lane anew.
    pub(super) async fn refresh(&mut self, author: &AgentName) -> Result<(), ReadError> {
        let lane = Lane { author: author.clone(), name: self.lane.name.clone() };
        let own = *author == self.lane.author;
        let (head, last) = match self.log.last(&lane_filter(&self.space, &lane)).await? {
            None => (LaneHead::EMPTY, Position::ZERO),
            Some(record) => {
                let last = record.position;
                match open(record).as_ref().and_then(LaneHead::of) {
                    Some(head) => (head, last),
                    None => {
                        tracing::error!(%lane, position = %last, "the lane ends with what is no entry");
                        (self.last_readable(&lane).await?, last)
                    }
                }
            }
        };
        self.heads.insert(author.clone(), head);
        if own {
            self.last = last;
        }
        Ok(())
    }

    /// Finds the end of a lane behind whose last entry stands what is no entry.
    ///
    /// Somebody may have slipped bytes under the lane's subjects that are not the author's words: they count for the
    /// condition, which asks for the last record, and not for the chain.
    pub(super) async fn last_readable(&self, lane: &Lane) -> Result<LaneHead, ReadError> {
        let subjects = vec![lane_filter(&self.space, lane)];
        let range = Range { after: Position::ZERO, until: Position::MAX, subjects };
        let mut records = self.log.read(range).await?;
        let mut head = LaneHead::EMPTY;
        while let Some(record) = records.next().await {
            let found = open(record?).as_ref().and_then(LaneHead::of);
            head = found.filter(|found| found.number() > head.number()).unwrap_or(head);
        }
        Ok(head)
    }
}

/// What an error means for what is to be done next.
enum Fate {
    /// The log said no, and nothing is on its way any more.
    Refused,
    /// It may say yes in a moment, and nothing is on its way any more.
    NotNow,
    /// It may still arrive.
    Unknown,
}

fn fate(error: &AppendError) -> Fate {
    match error {
        AppendError::Conflict { .. }
        | AppendError::TooLarge { .. }
        | AppendError::TooMany { .. }
        | AppendError::Denied { .. }
        | AppendError::Full { .. }
        | AppendError::Refused { .. }
        | AppendError::Closed => Fate::Refused,
        AppendError::Busy { .. } | AppendError::Unavailable => Fate::NotNow,
        AppendError::Unanswered { .. } => Fate::Unknown,
        AppendError::Interrupted { source, .. } => fate(source),
    }
}

fn open(record: Record) -> Option<Entry> {
    let Record { position, recorded, subject, payload } = record;
    colony_core::envelope::open(position, recorded, &subject, payload, &Verifier::default()).ok()
}
