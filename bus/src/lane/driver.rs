//! The task that owns the end of a lane: group commit.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use colony_core::lane::LaneHead;
use colony_core::position::Position;
use colony_core::subject::{Lane, lane_filter};
use colony_core::{AgentName, LaneName, SpaceName};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::sealing::{Before, Sealed, SealedLink, record};
use super::{LaneOptions, Receipt, Request, Sharing, WriteError};
use crate::log::{AppendError, Condition, EventLog, Scope, Unit, Wholeness};

/// Most entries of one unit: larger ones starve readers and gain little.
const UNIT_ENTRIES: usize = 256;
/// Most bytes of one unit.
const UNIT_BYTES: usize = 4 * 1024 * 1024;

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

/// Requests that travel as one unit.
pub(super) struct Group {
    pub(super) requests: Vec<Request>,
    pub(super) wholeness: Wholeness,
    /// Whether an earlier attempt may still be on its way.
    pub(super) uncertain: bool,
}

impl Driver {
    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut waiting: VecDeque<Request> = VecDeque::new();
        let (mut company, mut took) = (1, Duration::ZERO);
        loop {
            if waiting.is_empty() {
                match requests.recv().await {
                    Some(request) => waiting.push_back(request),
                    None => return,
                }
            }
            self.gather(&mut waiting, &mut requests, company, took).await;
            let group = group(&mut waiting);
            company = group.requests.len();
            let start = Instant::now();
            self.commit(group).await;
            took = start.elapsed();
        }
    }

    /// Takes in what is queued. Callers that were just answered are about to come back: lets them do so before the unit
    /// closes.
    async fn gather(
        &self,
        waiting: &mut VecDeque<Request>,
        requests: &mut mpsc::Receiver<Request>,
        company: usize,
        took: Duration,
    ) {
        let patience = Instant::now() + took / COMPANY_SHARE;
        for round in 0.. {
            while waiting.len() < UNIT_ENTRIES
                && let Ok(request) = requests.try_recv()
            {
                waiting.push_back(request);
            }
            if waiting.len() >= company {
                return;
            }
            if round < 2 {
                tokio::task::yield_now().await;
            } else if self.log.description().sync == "always" {
                match tokio::time::timeout_at(patience, requests.recv()).await {
                    Ok(Some(request)) => waiting.push_back(request),
                    Ok(None) | Err(_) => return,
                }
            } else {
                return;
            }
        }
    }

    /// Seals a group, appends it and answers its callers.
    pub(super) async fn commit(&mut self, mut group: Group) {
        let deadline = Instant::now() + self.options.patience;
        if let Err(error) = self.know_heads(&group).await {
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
                .filter_map(|request| match self.seal(&request) {
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
                })
                .collect();
            if group.requests.is_empty() {
                return;
            }
            let records = unit.len();
            let unit = Unit { records: unit, wholeness: group.wholeness, conditions };
            let log = Arc::clone(&self.log);
            let appended = async move { log.append(unit).await?.await };
            let error = match tokio::time::timeout_at(deadline, appended).await {
                Ok(Ok(positions)) if positions.len() == records => {
                    // An earlier attempt that was given up may have arrived just before this one, which is void then.
                    // Receipts are to name what readers are given.
                    let counted = match self.options.sharing == Sharing::Private && group.uncertain
                    {
                        true => self.counted(&sealed, deadline).await,
                        false => None,
                    };
                    self.settle(group, &sealed, &positions, counted);
                    return;
                }
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

/// Takes from the front what may travel together: neighbours that agree on wholeness, within the bounds of a unit.
fn group(waiting: &mut VecDeque<Request>) -> Group {
    let mut requests: Vec<Request> = Vec::new();
    let (mut entries, mut bytes) = (0, 0);
    let mut wholeness = Wholeness::Ordered;
    while let Some(next) = waiting.front() {
        let size = next.batch.entries.len() + next.batch.heads.len();
        let weight: usize = next.batch.entries.iter().map(|(_, e)| e.event.data.len()).sum();
        let whole = if size > 1 { next.batch.wholeness } else { Wholeness::Ordered };
        let conditional = !next.batch.heads.is_empty();
        if !requests.is_empty()
            && (entries + size > UNIT_ENTRIES
                || bytes + weight > UNIT_BYTES
                || whole != wholeness
                || conditional)
        {
            break;
        }
        wholeness = whole;
        entries += size;
        bytes += weight;
        requests.extend(waiting.pop_front());
        if conditional {
            // A head that was moved by somebody else must bring down nobody else's entries.
            break;
        }
    }
    Group { requests, wholeness, uncertain: false }
}
