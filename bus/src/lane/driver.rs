//! The task that owns the end of a lane: group commit.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use colony_core::lane::LaneHead;
use colony_core::position::Position;
use colony_core::subject::{Lane, lane_filter};
use colony_core::{AgentName, LaneName, SpaceName};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::queue::{Group, Queue};
use super::sealing::{Before, Sealed, SealedLink, record};
use super::{LaneOptions, Receipt, Request, Sharing, WriteError};
use crate::log::{AppendError, Condition, EventLog, Scope, Unit};

/// Where each unit waits for the disk, the part of a unit's time that the next one waits for the callers it answered.
const COMPANY_SHARE: u32 = 4;

/// The task that owns the end of the lane.
pub(super) struct Driver {
    pub(super) log: Arc<dyn EventLog>,
    pub(super) space: SpaceName,
    pub(super) lane: Lane,
    /// The lane's name when it was opened.
    pub(super) opened: LaneName,
    /// How many lanes were left behind with entries of unknown outcome.
    pub(super) left_behind: u32,
    pub(super) filter: String,
    pub(super) options: LaneOptions,
    /// The ends of the lanes of this name, by author: one, or several of an import.
    pub(super) heads: BTreeMap<AgentName, LaneHead>,
    /// Where the lane's last entry stands.
    pub(super) last: Position,
    /// Nothing that is on its way stands at or before this position.
    pub(super) floor: Position,
}

impl Driver {
    pub(super) async fn run(mut self, requests: mpsc::Receiver<Request>) {
        let mut queue = Queue::new(requests);
        let (mut company, mut took) = (1, Duration::ZERO);
        while !queue.waiting.is_empty() || queue.one_more().await {
            self.gather(&mut queue, company, took).await;
            let group = queue.group();
            company = group.requests.len();
            let start = Instant::now();
            self.commit(group, Some(&mut queue)).await;
            took = start.elapsed();
        }
    }

    /// Takes in what is queued. Callers that were just answered are about to come back: lets them do so before the unit
    /// closes.
    async fn gather(&mut self, queue: &mut Queue, company: usize, took: Duration) {
        let patience = Instant::now() + took / COMPANY_SHARE;
        for round in 0.. {
            self.seal_ahead(queue);
            while queue.take_in() {
                self.seal_ahead(queue);
            }
            if queue.waiting.len() >= company {
                return;
            }
            if round < 2 {
                tokio::task::yield_now().await;
            } else if self.log.description().sync == "always" {
                match tokio::time::timeout_at(patience, queue.one_more()).await {
                    Ok(true) => {}
                    Ok(false) | Err(_) => return,
                }
            } else {
                return;
            }
        }
    }

    /// Waits for what is on its way, and seals meanwhile what comes to follow it.
    async fn meanwhile<T>(
        &mut self,
        queue: Option<&mut Queue>,
        on_its_way: impl Future<Output = T>,
    ) -> T {
        let mut on_its_way = pin!(on_its_way);
        if let Some(queue) = queue {
            loop {
                let came = tokio::select! {
                    biased;
                    outcome = &mut on_its_way => return outcome,
                    came = queue.one_more(), if queue.has_room() => came,
                };
                if !came {
                    break;
                }
                self.seal_ahead(queue);
            }
        }
        on_its_way.await
    }

    /// Seals a group, appends it and answers its callers. While it is on its way, what waits in the queue, whose turn is next, is
    /// sealed behind it.
    pub(super) async fn commit(&mut self, mut group: Group, mut queue: Option<&mut Queue>) {
        let deadline = Instant::now() + self.options.patience;
        if let Err(error) = self.know_heads(&group).await {
            self.unseal(queue.into_iter().flat_map(|queue| &mut queue.waiting));
            self.unseal(&mut group.requests);
            for request in group.requests {
                request.fail(WriteError::Lane(error.clone()));
            }
            return;
        }
        loop {
            let mut before = Before::default();
            let (mut unit, mut sealed) = (Vec::new(), Vec::new());
            let mut conditions = Vec::new();
            if self.options.sharing == Sharing::Contended {
                conditions
                    .push(Condition { scope: Scope::Lane(self.filter.clone()), last: self.last });
            }
            group.requests = std::mem::take(&mut group.requests)
                .into_iter()
                .filter_map(|mut request| {
                    let ahead = request.sealed.take();
                    match ahead.map_or_else(|| self.seal(&request), Ok) {
                        Ok(Sealed { entries, heads, before: moved }) => {
                            before.then(moved);
                            unit.extend(entries.iter().map(SealedLink::record));
                            sealed.push(entries);
                            for (entry, condition) in heads {
                                unit.push(record(entry));
                                conditions.push(condition);
                            }
                            Some(request)
                        }
                        Err(error) => {
                            request.fail(error.into());
                            None
                        }
                    }
                })
                .collect();
            if group.requests.is_empty() {
                return;
            }
            let records = unit.len();
            let unit = Unit { records: unit, wholeness: group.wholeness, conditions };
            let log = Arc::clone(&self.log);
            let appended = async move { log.append(unit).await?.await };
            let appended = tokio::time::timeout_at(deadline, appended);
            let outcome = self.meanwhile(queue.as_deref_mut(), appended).await;
            if let Ok(Ok(positions)) = &outcome
                && positions.len() == records
            {
                // An earlier attempt that was given up may have arrived just before this one, which is void then.
                // Receipts are to name what readers are given.
                let counted = match self.options.sharing == Sharing::Private && group.uncertain {
                    true => self.counted(&sealed, deadline).await,
                    false => None,
                };
                self.settle(group, &sealed, positions, counted);
                return;
            }
            self.unseal(queue.iter_mut().flat_map(|queue| &mut queue.waiting));
            let error = match outcome {
                Ok(Ok(_)) => {
                    tracing::error!(lane = %self.lane, "the log acknowledged another number of entries");
                    AppendError::Unanswered { waited_ms: 0 }
                }
                Ok(Err(error)) => error,
                Err(_) => {
                    self.give_up(group);
                    return;
                }
            };
            self.put_back(before);
            tracing::debug!(lane = %self.lane, %error, "append failed");
            match self.recover(group, &sealed, error, deadline).await {
                Some(rest) => group = rest,
                None => return,
            }
        }
    }

    /// Answers a group of which it is not known in time what became of it.
    pub(super) fn give_up(&mut self, group: Group) {
        for request in group.requests {
            request.fail(WriteError::Lost { waited_s: self.options.patience.as_secs() });
        }
        self.leave_behind();
    }

    /// Makes sure that what comes next is not mistaken for what may still be on its way.
    pub(super) fn leave_behind(&mut self) {
        // Whatever comes next continues the lanes as the log has them.
        self.heads.clear();
        if self.options.sharing == Sharing::Private {
            self.left_behind += 1;
            match format!("{}-{}", self.opened, self.left_behind).parse() {
                Ok(name) => self.lane.name = name,
                Err(error) => tracing::error!(lane = %self.lane, %error, "no name for a new lane"),
            }
            self.filter = lane_filter(&self.space, &self.lane);
            tracing::info!(lane = %self.lane, "goes on with a new lane");
        }
    }

    /// Answers a group that was stored; with the receipts of the copies that count, where others were made.
    pub(super) fn settle(
        &mut self,
        group: Group,
        sealed: &[Vec<SealedLink>],
        positions: &[Position],
        counted: Option<Vec<Receipt>>,
    ) {
        let mut positions = positions.iter().copied();
        let mut counted = counted.map(Vec::into_iter);
        for (mut request, entries) in group.requests.into_iter().zip(sealed) {
            let stored = entries.iter().zip(positions.by_ref());
            let stored: Vec<_> = stored.map(|(entry, position)| entry.receipt(position)).collect();
            match &mut counted {
                Some(counted) => request.done.extend(counted.take(stored.len())),
                None => request.done.extend(stored),
            }
            self.passed(&request);
            // The heads of this request follow its entries.
            for _ in &request.batch.heads {
                positions.next();
            }
            request.succeed();
        }
    }
}
