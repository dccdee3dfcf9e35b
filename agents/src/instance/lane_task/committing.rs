//! Appending to the lane, reading it, and what to do when the log does not answer.

use colony_bus::lane::ConditionedError;
use colony_bus::log::{AppendError, ReadError};
use colony_core::Position;
use tokio::time::{Duration, Instant};

use super::sealing::Ready;
use super::{Appended, Context, LONGEST_PAUSE, LaneTask, PAUSE, Reading};
use crate::instance::error::InstanceError;
use crate::instance::handling::shorten;
use crate::instance::lanes::{Glimpse, Known, Lanes};
use crate::instance::options::Start;
use crate::reaction::SharedOutput;
use crate::reactor::{Body, LaneView, NewEntry, ParkReason, Phase, Reactor};

impl LaneTask {
    pub(super) fn append(&mut self) {
        let Some(unit) = self.reactor.unit() else { return };
        let is_output = |entry: &&NewEntry<SharedOutput>| matches!(entry.body, Body::Output(_));
        self.appending_outputs = unit.entries.iter().filter(is_output).count();
        let sealed = self.ready.unit(&self.lanes, &unit);
        self.appending = Some(Box::pin(async move { sealed?.append(unit.end.last).await }));
    }

    pub(super) fn appended(&mut self, appended: Appended) -> Result<(), InstanceError> {
        let stored = appended.is_ok();
        if !stored {
            self.ready.unstage();
        }
        settle(&mut self.reactor, appended).map_err(InstanceError::Append).map(|trouble| {
            match trouble {
                Trouble::None => {
                    self.failures = 0;
                    if stored {
                        self.context.counters.stored(self.appending_outputs);
                        self.keep_edited();
                    }
                }
                Trouble::Overtaken => {
                    self.context.counters.conflict();
                    self.overtakes = false;
                    // Only if it happens again and again.
                    self.failures += 1;
                    if self.failures > 3 {
                        self.fail();
                    }
                }
                Trouble::Log => self.fail(),
            }
            self.answer_recording(true);
        })
    }

    pub(super) fn read(&mut self, reading: Reading) -> Result<(), InstanceError> {
        match reading {
            Reading::Past(Ok(steps)) => {
                let through = steps.is_empty();
                steps.into_iter().for_each(|step| self.reactor.read(step));
                if through || self.reactor.view().phase() != Phase::Closed {
                    self.reactor.caught_up();
                    self.answer_recording(false);
                }
            }
            Reading::Seen(Ok(Glimpse { lane, last, cursor })) => {
                self.saw(lane, cursor);
                if self.aside.is_none()
                    && self.waits_since.is_none()
                    && last > self.reactor.view().end().last
                {
                    // Somebody asks for what is set aside to be retried, perhaps.
                    self.reactor.suspect();
                }
            }
            Reading::Past(Err(error)) | Reading::Seen(Err(error)) => {
                if !error.is_retryable() {
                    return Err(error.into());
                }
                self.fail();
            }
        }
        Ok(())
    }

    /// Waits before the log is asked for anything again.
    pub(super) fn fail(&mut self) {
        self.failures = self.failures.saturating_add(1);
        self.again_at = Some(Instant::now() + pause_after(self.failures));
    }
}

/// How an append went, as far as it matters for when to go on.
enum Trouble {
    None,
    Overtaken,
    Log,
}

/// Tells the reactor how an append went.
fn settle(
    reactor: &mut Reactor<SharedOutput>,
    appended: Appended,
) -> Result<Trouble, ConditionedError> {
    let error = match appended {
        Ok(receipts) => {
            reactor.stored(&receipts);
            return Ok(Trouble::None);
        }
        Err(error) => error,
    };
    let message = || shorten(&error.to_string());
    match &error {
        ConditionedError::Seal { source, .. } => {
            let reason = ParkReason::Refused { message: shorten(&source.to_string()) };
            if reactor.refused(reason) { Ok(Trouble::None) } else { Err(error) }
        }
        ConditionedError::Append(AppendError::TooLarge { .. } | AppendError::TooMany { .. }) => {
            let reason = ParkReason::Refused { message: message() };
            if reactor.refused(reason) { Ok(Trouble::None) } else { Err(error) }
        }
        ConditionedError::Append(AppendError::Conflict { .. }) => {
            reactor.unsure();
            Ok(Trouble::Overtaken)
        }
        ConditionedError::Append(
            AppendError::Unanswered { .. }
            | AppendError::Interrupted { .. }
            | AppendError::Unavailable
            | AppendError::Busy { .. }
            | AppendError::Full { .. },
        ) => {
            reactor.unsure();
            Ok(Trouble::Log)
        }
        _ => Err(error),
    }
}

/// Finds the last lane of a share of the events, reads it, and begins it if nothing is there.
pub(super) async fn open(
    context: &Context,
    lanes: &Lanes,
) -> Result<Reactor<SharedOutput>, InstanceError> {
    let Context { bus, options, .. } = context;
    let number = retry(|| lanes.find()).await?;
    let start = match options.start {
        Start::Beginning => Position::ZERO,
        Start::After(position) => position,
        Start::Now => retry(|| bus.tail()).await?,
    };
    let mut limits = options.limits.clone();
    limits.unit_entries = limits.unit_entries.min(bus.description().max_atomic_records).max(2);
    let view = LaneView::before(number);
    let mut reactor = Reactor::new(view, options.partitions, start, limits);
    begin(lanes, &mut reactor).await?;
    let actual = reactor.view().partitions();
    if actual != options.partitions {
        return Err(InstanceError::Partitions { asked: options.partitions, actual });
    }
    Ok(reactor)
}

/// Reads a lane to its end, and begins it if nothing is there.
async fn begin(lanes: &Lanes, reactor: &mut Reactor<SharedOutput>) -> Result<(), InstanceError> {
    let mut failures = 0;
    loop {
        if reactor.is_behind() {
            let known = Known::from(reactor.view());
            let steps = retry(|| lanes.past(known)).await?;
            let through = steps.is_empty();
            steps.into_iter().for_each(|step| reactor.read(step));
            if through || reactor.view().phase() != Phase::Closed {
                reactor.caught_up();
            }
            continue;
        }
        if reactor.view().phase() != Phase::Empty {
            return Ok(());
        }
        let Some(unit) = reactor.unit() else { return Ok(()) };
        let appended = match Ready::nothing(lanes).unit(lanes, &unit) {
            Ok(sealed) => sealed.append(unit.end.last).await,
            Err(error) => Err(error),
        };
        match settle(reactor, appended).map_err(InstanceError::Append)? {
            Trouble::None => {}
            Trouble::Overtaken | Trouble::Log => {
                failures += 1;
                tokio::time::sleep(pause_after(failures)).await;
            }
        }
    }
}

/// Asks again while the log does not answer.
async fn retry<T, F: Future<Output = Result<T, ReadError>>>(
    mut ask: impl FnMut() -> F,
) -> Result<T, ReadError> {
    let mut failures = 0;
    loop {
        match ask().await {
            Err(error) if error.is_retryable() => {
                failures += 1;
                tokio::time::sleep(pause_after(failures)).await;
            }
            answer => return answer,
        }
    }
}

fn pause_after(failures: u32) -> Duration {
    PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST_PAUSE)
}
