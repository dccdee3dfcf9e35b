//! The processes of the demonstration: started, killed half-way, started again, awaited.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use colony_agents::protocol::CanonicalError;
use colony_agents::ready::ShiftError;
use colony_agents::recording::{Recording, RecordingError};
use colony_agents::{DeskError, InstanceError, VerifyError};
use colony_bus::document::DocumentError;
use colony_bus::{Bus, Cut, Delivery, Draft};
use colony_core::document::{DecodeError, ReadError};
use colony_core::envelope::OpenError;
use colony_core::signature::KeyError;
use colony_core::{Filter, Position};
use colony_server::Node;
use futures_util::StreamExt as _;
use indicatif::ProgressBar;
use serde::de::DeserializeOwned;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

use super::input::Input;
use super::joiner::Found;
use super::scribes::{self, Hurt};
use super::writer::{Told, changes_of, is_nothing, read_label};
use super::{STORY, event_type, name, options};
use crate::failure::Failure;
use crate::progress;

/// What can go wrong in the demonstration beside what can go wrong in any command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum DemoError {
    #[error(transparent)]
    Recording(#[from] RecordingError),
    #[error(transparent)]
    Document(DocumentError),
    #[error("a document cannot be read")]
    Text(#[source] ReadError),
    #[error("an entry of the story does not hold changes")]
    Entry(#[source] OpenError),
    #[error("a change of the story cannot be read")]
    Change(#[source] DecodeError),
    #[error("transaction {number} of the session changed nothing where it should have")]
    NoChange { number: usize },
    #[error("the log could not be followed to its end")]
    Unfollowed,
    #[error("the {part} failed: {why}")]
    Part { part: &'static str, why: String },
    #[error("an instance of an agent cannot go on")]
    Instance(#[source] InstanceError),
    #[error(transparent)]
    Desk(DeskError),
    #[error("a member of the company stopped")]
    Shift(#[source] ShiftError),
    #[error("what is said cannot be written")]
    Json(#[source] serde_json::Error),
    #[error("the terms of the contract cannot be signed")]
    Canonical(#[source] CanonicalError),
    #[error("a key cannot sign")]
    Key(#[source] KeyError),
    #[error("the scribe cannot be run again")]
    Verify(#[source] VerifyError),
    #[error("a process of the demonstration could not be run")]
    Process(#[source] std::io::Error),
    #[error("the demonstration does not hold: see the table")]
    DoesNotHold,
}

/// What the processes need to know.
#[derive(Debug)]
pub(super) struct Stage {
    program: PathBuf,
    server: String,
    /// Where the server's monitoring pages are.
    monitor: Option<String>,
    trace: PathBuf,
    events: PathBuf,
    speed: f64,
    json: bool,
}

/// What the performance told.
#[derive(Debug, Default)]
pub(super) struct Played {
    pub(super) killed: Vec<String>,
    /// The instance of the scribe that was paused, and for how long.
    pub(super) paused: String,
    pub(super) paused_for: Duration,
    pub(super) latencies_us: Vec<u64>,
    pub(super) typed: usize,
    pub(super) resumed: usize,
}

impl Stage {
    pub(super) fn new(node: &Node, input: &Input, speed: f64, json: bool) -> Result<Self, Failure> {
        let program = std::env::current_exe().map_err(DemoError::Process)?;
        let Input { trace, events } = input;
        Ok(Self {
            program,
            server: node.url(),
            monitor: node.monitor_url(),
            trace: trace.clone(),
            events: events.clone(),
            speed,
            json,
        })
    }

    pub(super) async fn bus(&self, agent: &str) -> Result<Bus, Failure> {
        let mut options = options(agent, &self.server);
        options.server.monitor.clone_from(&self.monitor);
        Ok(Bus::connect(options).await?)
    }

    fn command(&self, space: &str) -> Command {
        let mut command = Command::new(&self.program);
        let inherited = std::env::vars_os()
            .filter(|(name, _)| name.to_str().is_some_and(|name| name.starts_with("COLONY_")));
        for (name, _) in inherited {
            command.env_remove(name);
        }
        command.args(["--server", &self.server, "--space", space]);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    fn spawn(&self, what: &[&str]) -> Result<Child, Failure> {
        let mut command = self.command(super::SPACE);
        command.arg("--json").args(what);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command.spawn().map_err(DemoError::Process)?)
    }

    fn writer(&self, number: usize) -> Result<Child, Failure> {
        let trace = self.trace.to_string_lossy();
        let (number, speed) = (number.to_string(), self.speed.to_string());
        let rest = ["--trace", &trace, "--number", &number, "--speed", &speed];
        self.spawn(&[&["demo-part", "writer"], rest.as_slice()].concat())
    }

    pub(super) fn server(&self) -> &str {
        &self.server
    }

    pub(super) fn json(&self) -> bool {
        self.json
    }

    /// Starts a process of the company.
    pub(super) fn member(&self, what: &[&str]) -> Result<Child, Failure> {
        self.spawn(&[&["demo-part", "member"], what].concat())
    }

    /// Starts an instance of the scribe.
    pub(super) fn scribe(&self, desk: &str) -> Result<Child, Failure> {
        self.spawn(&["demo-part", "scribe", "--desk", desk])
    }

    /// Lets somebody come late.
    pub(super) async fn join(&self) -> Result<Found, Failure> {
        told(self.spawn(&["demo-part", "joiner"])?, "joiner").await
    }

    /// Shows the middle of the story with the commands that anybody would use.
    pub(super) async fn show_the_middle(&self, bus: &Bus, passed_on: &str) -> Result<(), Failure> {
        let middle = Position::new(bus.tail().await?.get() / 2).to_string();
        for (space, line) in [
            (super::SPACE, vec!["at", &middle]),
            (super::SPACE, vec!["why", super::SUMMARY, "/summary/events"]),
            (super::COMPANY, vec!["why", passed_on]),
        ] {
            println!("\n$ colony --space {space} {}", line.join(" "));
            let mut command = self.command(space);
            let status = command.args(line).status().await.map_err(DemoError::Process)?;
            if !status.success() {
                return Err(DemoError::Part { part: "look back", why: status.to_string() }.into());
            }
        }
        println!();
        Ok(())
    }
}

/// Waits for a process to end and reads what it told; `None`-like defaults are not accepted.
async fn told<T: DeserializeOwned>(child: Child, part: &'static str) -> Result<T, Failure> {
    let output = finished(child, part).await?;
    let last = output.lines().next_back().unwrap_or_default();
    serde_json::from_str(last)
        .map_err(|error| DemoError::Part { part, why: error.to_string() }.into())
}

pub(super) async fn finished(mut child: Child, part: &'static str) -> Result<String, Failure> {
    let mut stdout = child.stdout.take();
    let mut stderr = child.stderr.take();
    let (mut out, mut err) = (String::new(), String::new());
    let read_out = async {
        match stdout.as_mut() {
            Some(pipe) => pipe.read_to_string(&mut out).await,
            None => Ok(0),
        }
    };
    let read_err = async {
        match stderr.as_mut() {
            Some(pipe) => pipe.read_to_string(&mut err).await,
            None => Ok(0),
        }
    };
    let (read, complained, status) = tokio::join!(read_out, read_err, child.wait());
    read.and(complained).map_err(DemoError::Process)?;
    let status = status.map_err(DemoError::Process)?;
    if status.success() {
        Ok(out)
    } else {
        Err(DemoError::Part { part, why: format!("{status}: {}", err.trim()) }.into())
    }
}

/// Resolves when a writer ends with an error, and tells which.
async fn failure(writers: &mut [Child]) -> Failure {
    let all = writers.iter_mut().map(|writer| Box::pin(failed(writer, "writer")));
    futures_util::future::select_all(all).await.0
}

pub(super) async fn failed(child: &mut Child, part: &'static str) -> Failure {
    match child.wait().await {
        // A writer may be done before the others are half-way.
        Ok(status) if status.success() => std::future::pending().await,
        Ok(status) => {
            let mut why = String::new();
            if let Some(stderr) = child.stderr.as_mut() {
                // What it complained of is all there is to tell.
                let _ = stderr.read_to_string(&mut why).await;
            }
            DemoError::Part { part, why: format!("{status}: {}", why.trim()) }.into()
        }
        Err(error) => DemoError::Process(error).into(),
    }
}

/// Kills a process as `kill -9` does, and sees it end.
pub(super) async fn kill(child: &mut Child) -> Result<(), Failure> {
    child.start_kill().map_err(DemoError::Process)?;
    child.wait().await.map_err(DemoError::Process)?;
    Ok(())
}

/// Runs all parts to the end.
pub(super) async fn perform(
    stage: &Stage,
    bus: &Bus,
    recording: &Recording,
) -> Result<Played, Failure> {
    let (told, hurt) = oneshot::channel();
    let scribes = scribes::perform(stage, bus, told);
    let rest = async {
        let mut played = write(stage, bus, recording).await?;
        // Both instances go on until the end is said, so it is said after they were hurt.
        let Hurt { paused, paused_for, killed } = hurt.await.map_err(|_| DemoError::Unfollowed)?;
        played.killed.push(format!("scribe/{killed}"));
        (played.paused, played.paused_for) = (format!("scribe/{paused}"), paused_for);
        bus.publish(Draft::new(event_type("session.ended"))).await?.await?;
        Ok(played)
    };
    let ((), played) = tokio::try_join!(scribes, rest)?;
    Ok(played)
}

/// Runs the writers and the import to the end. The last writer dies in the middle of what it does, and lives again.
async fn write(stage: &Stage, bus: &Bus, recording: &Recording) -> Result<Played, Failure> {
    let mut played = Played::default();
    let total = recording.transactions.iter().filter(|t| !is_nothing(t)).count();
    let bar = progress::count(Some(total as u64), stage.json, "typing");
    let events = stage.events.to_string_lossy().into_owned();
    let import = stage.spawn(&["import", &events])?;
    let mut writers =
        (0..recording.writers).map(|n| stage.writer(n)).collect::<Result<Vec<_>, _>>()?;
    tokio::select! {
        reached = half_way(bus, total / 2, &bar) => reached?,
        failed = failure(&mut writers) => return Err(failed),
    }
    if let Some(writer) = writers.last_mut() {
        let number = recording.writers - 1;
        kill(writer).await?;
        played.killed.push(format!("writer-{number}"));
        *writer = stage.writer(number)?;
    }
    let watched = watch(bus, &bar);
    let wait = async {
        let told = writers.into_iter().map(|writer| told::<Told>(writer, "writer"));
        let told = futures_util::future::try_join_all(told).await?;
        finished(import, "import").await?;
        Ok::<_, Failure>(told)
    };
    let told = tokio::select! {
        told = wait => told?,
        failed = watched => return Err(failed.err().unwrap_or_else(|| DemoError::Unfollowed.into())),
    };
    bar.finish_and_clear();
    for Told { typed, resumed, latencies_us } in told {
        played.typed += typed;
        played.resumed += resumed;
        played.latencies_us.extend(latencies_us);
    }
    Ok(played)
}

/// Waits until half of the session is in the log.
async fn half_way(bus: &Bus, half: usize, bar: &ProgressBar) -> Result<(), Failure> {
    let beginning = Cut::Position(Position::ZERO);
    let mut entries = bus.subscribe(Filter::document(name(STORY)), beginning).await?;
    let mut typed = 0;
    while typed < half {
        match entries.next().await.ok_or(DemoError::Unfollowed)?? {
            Delivery::Entry(entry) => {
                typed += changes_of(&entry)?.iter().filter_map(read_label).count();
                bar.set_position(typed as u64);
            }
            Delivery::CaughtUp => {}
        }
    }
    Ok(())
}

/// Moves the bar, for as long as it is polled.
async fn watch(bus: &Bus, bar: &ProgressBar) -> Result<(), Failure> {
    let tail = Cut::Position(bus.tail().await?);
    let mut entries = bus.subscribe(Filter::document(name(STORY)), tail).await?;
    while let Some(delivery) = entries.next().await {
        if let Delivery::Entry(entry) = delivery? {
            bar.inc(changes_of(&entry)?.iter().filter_map(read_label).count() as u64);
        }
    }
    Ok(())
}
