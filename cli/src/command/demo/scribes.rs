//! Two instances of the scribe, and what is done to them: one is paused for longer than every time-out and goes on, the other one
//! is killed with -9.

use std::time::Duration;

use colony_bus::{Bus, Draft};
use colony_core::Position;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::time::Instant;

use super::cast::{Stage, kill};
use super::scribe::Writes;
use super::{DemoError, event_type};
use crate::failure::Failure;

/// How long one instance is paused: longer than an acknowledgement (2 s), a takeover (3 s) and a request (5 s) may take.
const PAUSE: Duration = Duration::from_secs(8);

/// What was done to the instances.
#[derive(Debug, Default)]
pub(super) struct Hurt {
    pub(super) paused: String,
    pub(super) paused_for: Duration,
    pub(super) killed: String,
}

/// An instance at work.
struct Desk {
    name: &'static str,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Desk {
    fn start(stage: &Stage, name: &'static str) -> Result<Self, Failure> {
        let mut child = stage.scribe(name)?;
        let failed = || DemoError::Part { part: "scribe", why: "it has no output".to_owned() };
        let lines = BufReader::new(child.stdout.take().ok_or_else(failed)?).lines();
        Ok(Self { name, child, lines })
    }

    /// Waits until it writes a page for an event at or past a position.
    async fn writes(&mut self, from: Position) -> Result<(), Failure> {
        while let Some(line) = self.lines.next_line().await.map_err(DemoError::Process)? {
            let writes: Writes = serde_json::from_str(&line)
                .map_err(|error| DemoError::Part { part: "scribe", why: error.to_string() })?;
            if writes.event >= from {
                return Ok(());
            }
        }
        Err(self.ended().await)
    }

    /// Waits until it ends by itself, which it does when the session has ended.
    async fn finish(mut self) -> Result<(), Failure> {
        while self.lines.next_line().await.map_err(DemoError::Process)?.is_some() {}
        match self.child.wait().await.map_err(DemoError::Process)?.success() {
            true => Ok(()),
            false => Err(self.ended().await),
        }
    }

    async fn ended(&mut self) -> Failure {
        let mut why = String::new();
        if let Some(stderr) = self.child.stderr.as_mut() {
            // What it complained of is all there is to tell.
            let _ = stderr.read_to_string(&mut why).await;
        }
        let why = format!("{} ended: {}", self.name, why.trim());
        DemoError::Part { part: "scribe", why }.into()
    }
}

/// Runs both instances until the session has ended, and hurts them meanwhile. `hurt` is told when that is over.
pub(super) async fn perform(
    stage: &Stage,
    bus: &Bus,
    hurt: tokio::sync::oneshot::Sender<Hurt>,
) -> Result<(), Failure> {
    let mut first = Desk::start(stage, "desk-1")?;
    let mut second = Desk::start(stage, "desk-2")?;
    // Which of them works is theirs to find out.
    let first_works = tokio::select! {
        wrote = first.writes(Position::ZERO) => wrote.map(|()| true),
        wrote = second.writes(Position::ZERO) => wrote.map(|()| false),
    }?;
    let (mut paused, mut other) = if first_works { (first, second) } else { (second, first) };

    signal(&paused.child, Signal::Stop)?;
    let since = Instant::now();
    let said = say(bus, "session.paused").await?;
    other.writes(said).await?;
    tokio::time::sleep_until(since + PAUSE).await;
    signal(&paused.child, Signal::Continue)?;
    let paused_for = since.elapsed();

    kill(&mut other.child).await?;
    let killed = other.name;
    let mut other = Desk::start(stage, killed)?;
    let said = say(bus, "session.resumed").await?;
    tokio::select! {
        wrote = paused.writes(said) => wrote?,
        wrote = other.writes(said) => wrote?,
    }
    let paused_name = paused.name.to_owned();
    // Nobody waits for it who has failed already.
    let _ = hurt.send(Hurt { paused: paused_name, paused_for, killed: killed.to_owned() });
    tokio::try_join!(paused.finish(), other.finish())?;
    Ok(())
}

async fn say(bus: &Bus, ty: &str) -> Result<Position, Failure> {
    Ok(bus.publish(Draft::new(event_type(ty))).await?.await?.position)
}

#[derive(Debug, Clone, Copy)]
enum Signal {
    Stop,
    Continue,
}

#[cfg(unix)]
fn signal(child: &Child, signal: Signal) -> Result<(), Failure> {
    use rustix::process::{self, Pid};
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    let gone = || DemoError::Part { part: "scribe", why: "it has ended".to_owned() };
    let signal = match signal {
        Signal::Stop => process::Signal::STOP,
        Signal::Continue => process::Signal::CONT,
    };
    let sent = process::kill_process(pid.ok_or_else(gone)?, signal);
    Ok(sent.map_err(|error| DemoError::Process(error.into()))?)
}

/// Where processes cannot be paused, this one goes on.
#[cfg(not(unix))]
fn signal(_: &Child, _: Signal) -> Result<(), Failure> {
    Ok(())
}
