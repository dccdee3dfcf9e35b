//! What happens to a unit: conditions, storing, faults.

use std::collections::{BTreeMap, VecDeque};

use colony_core::Position;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::clock::MemoryClock;
use super::fault::{Fault, FaultPlan, Random};
use super::store::Store;
use super::{Connection, unanswered};
use crate::log::{AppendError, Unit, Wholeness};

/// Most units that are on their way late at a time; beyond, the one that is due first arrives at once.
const LATE_UNITS: usize = 1_024;

pub(super) type Answer = Result<Vec<Position>, AppendError>;

#[derive(Debug)]
pub(super) struct State {
    pub(super) store: Store,
    pub(super) connection: Connection,
    pub(super) clock: MemoryClock,
    pub(super) plan: FaultPlan,
    pub(super) random: Random,
    /// What befalls the next append, whatever the plan says.
    pub(super) next_fault: Option<Fault>,
    pub(super) faults: Vec<(u64, Fault)>,
    /// Appends so far.
    pub(super) appends: u64,
    pub(super) follows: u64,
    pub(super) holding: bool,
    /// Admitted and not yet stored; as many as the window lets in.
    pub(super) held: VecDeque<Held>,
    /// By the append that they let pass last, and then by the one they came with.
    late: BTreeMap<(u64, u64), Unit>,
}

/// A unit that waits in the window, with its place there.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) unit: Unit,
    pub(super) answer: oneshot::Sender<Answer>,
    pub(super) _place: OwnedSemaphorePermit,
}

impl State {
    pub(super) fn new(store: Store, clock: MemoryClock, plan: FaultPlan) -> Self {
        Self {
            store,
            connection: Connection::Up,
            clock,
            plan,
            random: Random::seeded(plan.seed),
            next_fault: None,
            faults: Vec::new(),
            appends: 0,
            follows: 0,
            holding: false,
            held: VecDeque::new(),
            late: BTreeMap::new(),
        }
    }

    /// Stores a unit, or lets a fault have it; then what was late and is due arrives.
    pub(super) fn submit(&mut self, unit: Unit) -> Answer {
        self.appends += 1;
        let fault = self.draw(&unit);
        if let Some(fault) = fault {
            self.faults.push((self.appends, fault));
        }
        let answer = match fault {
            None => self.store(unit),
            Some(Fault::LostAck) => {
                drop(self.store(unit));
                Err(unanswered())
            }
            Some(Fault::LostSend) => Err(unanswered()),
            Some(Fault::Delay(appends)) => {
                self.arrive_after(appends, unit);
                Err(unanswered())
            }
            Some(Fault::Duplicate(appends)) => {
                let answer = self.store(unit.clone());
                if answer.is_ok() {
                    self.arrive_after(appends, unit);
                }
                answer
            }
            Some(Fault::Interrupt(applied)) => self.interrupt(unit, applied),
            Some(Fault::Disconnect) => {
                self.connection = Connection::Down;
                if self.random.below(2) == 0 {
                    drop(self.store(unit));
                }
                Err(unanswered())
            }
            Some(Fault::Corrupt) => {
                let answer = self.store(unit);
                let draw = self.random.next();
                if let Ok([first, ..]) = answer.as_deref() {
                    self.store.corrupt(*first, draw);
                }
                answer
            }
        };
        self.deliver_late(self.appends);
        answer
    }

    fn draw(&mut self, unit: &Unit) -> Option<Fault> {
        let planned = self.plan.draw(&mut self.random, unit.records.len());
        let breakable = unit.wholeness == Wholeness::Ordered && unit.records.len() > 1;
        match self.next_fault.take().or(planned) {
            Some(Fault::Interrupt(_)) if !breakable => None,
            fault => fault,
        }
    }

    fn store(&mut self, unit: Unit) -> Answer {
        self.store.check(&unit.conditions)?;
        Ok(unit.records.into_iter().map(|r| self.store.push(r, &self.clock)).collect())
    }

    fn interrupt(&mut self, mut unit: Unit, applied: u32) -> Answer {
        let total = unit.records.len();
        let applied = usize::try_from(applied).unwrap_or(usize::MAX).clamp(1, total - 1);
        unit.records.truncate(applied);
        self.store(unit)?;
        Err(AppendError::Interrupted { applied, total, source: Box::new(unanswered()) })
    }

    fn arrive_after(&mut self, appends: u32, unit: Unit) {
        let due = self.appends + u64::from(appends);
        self.late.insert((due, self.appends), unit);
        if self.late.len() > LATE_UNITS
            && let Some((_, first)) = self.late.pop_first()
        {
            drop(self.store(first));
        }
    }

    /// Lets units arrive that were to let pass no append later than this one.
    pub(super) fn deliver_late(&mut self, append: u64) {
        while let Some(first) = self.late.first_entry() {
            if first.key().0 > append {
                return;
            }
            // Refused where its condition no longer holds; nobody waits for the answer.
            let unit = first.remove();
            drop(self.store(unit));
        }
    }

    /// Stores what waits in the window, in order.
    pub(super) fn release(&mut self) {
        self.holding = false;
        while let Some(Held { unit, answer, _place }) = self.held.pop_front() {
            let stored = match self.connection {
                Connection::Up => self.submit(unit),
                Connection::Down => Err(unanswered()),
                Connection::Closed => Err(AppendError::Closed),
            };
            // A dropped ticket does not take the unit back.
            drop(answer.send(stored));
        }
    }

    /// Breaks the connection: for each unit in the window it is drawn whether it had arrived.
    pub(super) fn disconnect(&mut self) {
        if self.connection == Connection::Up {
            self.connection = Connection::Down;
        }
        while let Some(Held { unit, answer, _place }) = self.held.pop_front() {
            if self.random.below(2) == 0 {
                drop(self.store(unit));
            }
            drop(answer.send(Err(unanswered())));
        }
    }
}
