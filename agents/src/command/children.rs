//! The processes of a command that have nothing to do, and when the next one may be started.

use std::ffi::OsString;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::{Duration, Instant};

use super::child::{Child, Idleness};
use super::error::CommandError;

/// Pause before a process is started in place of one that failed; after each further failure it is twice as long, up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Starts processes, and keeps those that wait for an event: never more than there are lanes.
#[derive(Debug)]
pub(super) struct Children {
    program: OsString,
    arguments: Vec<OsString>,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    idle: Vec<Child>,
    /// Failures in a row, and when the last one was.
    failures: u32,
    failed: Option<Instant>,
}

impl Children {
    pub(super) fn new(program: OsString, arguments: Vec<OsString>) -> Self {
        Self { program, arguments, waiting: Mutex::default() }
    }

    /// Starts a process.
    pub(super) fn start(&self) -> Result<Child, CommandError> {
        Child::start(&self.program, &self.arguments)
    }

    /// Returns a process that waits for an event. Where there is none, starts one, after a pause if the last ones failed.
    pub(super) async fn take(&self) -> Result<Child, CommandError> {
        loop {
            let Some(mut child) = self.lock().idle.pop() else { break };
            match child.idleness() {
                Idleness::Quiet => return Ok(child),
                Idleness::Gone => tracing::info!("the command has ended and is started again"),
                Idleness::Spoke(line) => {
                    self.failed();
                    return Err(CommandError::Unasked { line });
                }
            }
        }
        let next = self.lock().next_start();
        if let Some(at) = next {
            tokio::time::sleep_until(at).await;
        }
        self.start().inspect_err(|_| self.failed())
    }

    /// Keeps a process for the next event.
    pub(super) fn put(&self, child: Child) {
        self.lock().idle.push(child);
    }

    /// Notes that a process did what it should.
    pub(super) fn succeeded(&self) {
        let mut waiting = self.lock();
        waiting.failures = 0;
        waiting.failed = None;
    }

    /// Notes that a process did not.
    pub(super) fn failed(&self) {
        let mut waiting = self.lock();
        waiting.failures = waiting.failures.saturating_add(1);
        waiting.failed = Some(Instant::now());
    }

    /// Lets those that have nothing to do end.
    pub(super) async fn close(&self) {
        let idle = std::mem::take(&mut self.lock().idle);
        futures_util::future::join_all(idle.into_iter().map(Child::close)).await;
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn next_start(&self) -> Option<Instant> {
        let doublings = self.failures.saturating_sub(1).min(10);
        let pause = PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
        self.failed.map(|at| at + pause)
    }
}
