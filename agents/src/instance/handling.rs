//! Running a handler once: what contains its errors, panics and delays.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use colony_bus::{Bus, EntryError};
use colony_core::limits::MAX_CHUNKS;
use colony_core::replay::Fold;
use colony_core::{Entry, Position};
use futures_util::FutureExt as _;
use tokio::time::Instant;

use super::memory::Knowledge;
use crate::agent::Agent;
use crate::derived::Origin;
use crate::reaction::{Concluded, Documents, EffectSource, Patience, Reaction, hops_of};
use crate::reactor::ParkReason;

/// Most bytes of a reason, of what a handler said.
const REASON_BYTES: usize = 500;

/// What became of one run of a handler.
#[derive(Debug)]
pub(crate) enum Handled {
    /// It reacted.
    Done(Concluded),
    /// It could not. `lasting` if it could not another time either.
    Failed { reason: ParkReason, lasting: bool },
    /// The event could not be read again.
    Unread(EntryError),
}

/// A handler at work.
pub(crate) type Handling = Pin<Box<dyn Future<Output = Handled> + Send>>;

/// Where the event to handle is.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// Here.
    Here(Arc<Entry>),
    /// In the log, because it was set aside.
    Log(Position),
}

/// What bounds a handler.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) timeout: Duration,
    pub(crate) max_hops: u32,
    pub(crate) max_outputs: usize,
}

/// Handles an event once.
pub(crate) async fn handle<A: Agent>(
    agent: Arc<A>,
    knowledge: Arc<Fold<Knowledge<A>>>,
    source: Source,
    effects: EffectSource,
    documents: Documents,
    bus: Bus,
    bounds: Bounds,
) -> Handled {
    let entry = match source {
        Source::Here(entry) => entry,
        Source::Log(position) => match bus.get(position).await {
            Ok(Some(entry)) => Arc::new(entry),
            Ok(None) => return failed("the event is not in the log any more", true),
            Err(EntryError::Unreadable { .. }) => return failed("the event cannot be read", true),
            Err(error) => return Handled::Unread(error),
        },
    };
    let hops = hops_of(entry.event());
    if hops >= bounds.max_hops {
        return Handled::Failed { reason: ParkReason::TooManyHops { hops }, lasting: true };
    }
    if let Some(trace) = &entry.event().trace {
        tracing::debug!(traceparent = trace.parent, "the event carries a trace");
    }
    let origin = Origin::new(bus.agent().clone(), &entry);
    let patience = effects.patience.clone();
    let mut reaction = Reaction::new(origin, Arc::clone(&entry), effects, documents);
    let work = agent.react(knowledge.state(), &entry, &mut reaction);
    let work = AssertUnwindSafe(work).catch_unwind();
    match in_time(work, bounds.timeout, &patience).await {
        Some(Ok(Ok(()))) => {}
        Some(Ok(Err(error))) => return failed(&error.message(), error.is_lasting()),
        Some(Err(panic)) => {
            let reason = ParkReason::Panicked { message: shorten(&panic_message(&*panic)) };
            return Handled::Failed { reason, lasting: false };
        }
        None => {
            let after_ms = u64::try_from(bounds.timeout.as_millis()).unwrap_or(u64::MAX);
            return Handled::Failed { reason: ParkReason::TimedOut { after_ms }, lasting: false };
        }
    }
    let too_much =
        |outputs| Handled::Failed { reason: ParkReason::TooMuch { outputs }, lasting: true };
    match reaction.conclude() {
        None => too_much(usize::try_from(MAX_CHUNKS).unwrap_or(usize::MAX)),
        Some(concluded) if concluded.outputs.len() > bounds.max_outputs => {
            too_much(concluded.outputs.len())
        }
        Some(concluded) => Handled::Done(concluded),
    }
}

/// Gives work its time, not counting what it waits for the log; `None` when it takes longer.
async fn in_time<T>(
    work: impl Future<Output = T>,
    timeout: Duration,
    patience: &Patience,
) -> Option<T> {
    let mut work = pin!(work);
    let began = Instant::now();
    loop {
        let deadline = began + timeout + patience.spent();
        tokio::select! {
            biased;
            done = &mut work => return Some(done),
            () = tokio::time::sleep_until(deadline) => {
                if Instant::now() >= began + timeout + patience.spent() {
                    return None;
                }
            }
        }
    }
}

fn failed(message: &str, lasting: bool) -> Handled {
    Handled::Failed { reason: ParkReason::Failed { message: shorten(message) }, lasting }
}

/// Cuts a text that somebody else wrote to what a reason may hold.
pub(crate) fn shorten(message: &str) -> String {
    let mut end = message.len().min(REASON_BYTES);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message.get(..end).unwrap_or_default().to_owned()
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "something that is no text".to_owned())
}
