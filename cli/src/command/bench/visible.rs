//! From an edit in one process to its being visible in another.

use std::process::Stdio;
use std::time::{Duration, Instant};

use colony_agents::recording::Recording;
use colony_bus::document::EditOptions;
use colony_bus::{Bus, Document};
use colony_core::document::{Path, Value};
use colony_core::{DocumentName, SpaceName};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};

use super::server::{Server, Servers, space};
use super::{BenchError, Effort, Row, percentile, raw};
use crate::context::Context;
use crate::failure::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many labelled changes to wait for.
    #[arg(long)]
    changes: usize,
    /// How many handles of the document watch it.
    #[arg(long, default_value_t = 1)]
    watchers: usize,
}

/// What a reader has to tell.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    /// From edit to visible, in milliseconds, for each change and watcher.
    latencies_ms: Vec<f64>,
    /// When the last change was visible, in microseconds since 1970.
    last_us: u64,
    /// Processor time of the reader while it watched.
    cpu_s: f64,
    /// How long it watched.
    elapsed_s: f64,
}

pub(super) fn name() -> DocumentName {
    #[expect(clippy::unwrap_used, reason = "a constant that is a name")]
    "bench".parse().unwrap()
}

pub(super) fn text() -> Path {
    #[expect(clippy::unwrap_used, reason = "a constant that is a path")]
    "/text".parse().unwrap()
}

fn now_us() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| u64::try_from(d.as_micros()).unwrap_or(u64::MAX))
}

/// Processor time of this process so far, in seconds; 0 where the system does not tell.
pub(super) fn cpu_s() -> f64 {
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS_A_SECOND
}

pub(super) async fn part(args: Args, context: &Context) -> Result<(), Failure> {
    let bus = context.bus().await?;
    let document = bus.document(&name()).await.map_err(BenchError::Document)?;
    println!("ready");
    let (start, cpu) = (Instant::now(), cpu_s());
    let watchers = (0..args.watchers).map(|_| {
        let document = document.clone();
        tokio::spawn(async move {
            let mut latencies = Vec::new();
            let mut updates = document.watch_heads();
            while latencies.len() < args.changes {
                let Some(update) = updates.next().await else { break };
                let now = now_us();
                for change in &update.changes {
                    let typed =
                        change.message.as_deref().and_then(|label| label.parse::<u64>().ok());
                    latencies.extend(typed.map(|typed| now.saturating_sub(typed) as f64 / 1e3));
                }
            }
            latencies
        })
    });
    let mut latencies_ms = Vec::new();
    for watcher in watchers.collect::<Vec<_>>() {
        latencies_ms.extend(watcher.await.map_err(raw)?);
    }
    let told = Told {
        latencies_ms,
        last_us: now_us(),
        cpu_s: cpu_s() - cpu,
        elapsed_s: start.elapsed().as_secs_f64(),
    };
    let mut output = context.output();
    output.json(&told)?;
    output.flush()
}

/// A process that reads.
struct Reader {
    child: Child,
    lines: tokio::io::Lines<tokio::io::BufReader<tokio::process::ChildStdout>>,
}

impl Reader {
    /// Starts a reader; returns when it has the document open.
    async fn start(
        server: &Server,
        space: &SpaceName,
        changes: usize,
        watchers: usize,
    ) -> Result<Self, Failure> {
        use tokio::io::AsyncBufReadExt as _;
        let process = |error: std::io::Error| BenchError::Process(error.to_string());
        let program = std::env::current_exe().map_err(process)?;
        let mut child = Command::new(program)
            .args(["--json", "--agent", "reader", "--server", &server.url()])
            .args(["--space", space.as_str(), "bench-part", "reader"])
            .args(["--changes", &changes.to_string(), "--watchers", &watchers.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(process)?;
        let ended = || BenchError::Process("the reader ended early".to_owned());
        let stdout = child.stdout.take().ok_or_else(ended)?;
        let mut lines = tokio::io::BufReader::new(stdout).lines();
        match lines.next_line().await.map_err(process)? {
            Some(line) if line == "ready" => Ok(Self { child, lines }),
            Some(_) | None => Err(ended().into()),
        }
    }

    async fn told(mut self) -> Result<Told, Failure> {
        let process = |error: std::io::Error| BenchError::Process(error.to_string());
        let line = self.lines.next_line().await.map_err(process)?.unwrap_or_default();
        self.child.wait().await.map_err(process)?;
        let told = serde_json::from_str(&line);
        Ok(told.map_err(|error| BenchError::Process(error.to_string()))?)
    }
}

/// Runs a part of a measurement that needs no server.
pub(super) async fn spawn<T: DeserializeOwned>(part: &[&str]) -> Result<T, Failure> {
    let process = |error: std::io::Error| BenchError::Process(error.to_string());
    let program = std::env::current_exe().map_err(process)?;
    let mut command = Command::new(program);
    command.args(["--json", "bench-part"]).args(part).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.map_err(process)?;
    let told = serde_json::from_slice(&output.stdout);
    Ok(told.map_err(|error| BenchError::Process(error.to_string()))?)
}

/// Types one labelled character somewhere.
pub(super) async fn type_one(document: &Document, number: usize) -> Result<(), Failure> {
    let how = EditOptions { message: Some(now_us().to_string()), ..EditOptions::default() };
    let edited = document.edit_with(how, |edit| {
        let length = edit.length(&text())?;
        edit.splice_text(&text(), number * 37 % (length + 1), 0, "x")
    });
    drop(edited.await.map_err(BenchError::Document)?.durable);
    Ok(())
}

/// Types a whole session, one labelled change for each edit, as fast as it goes; returns how many.
pub(super) async fn type_all(document: &Document, recording: &Recording) -> Result<usize, Failure> {
    let mut edits = 0;
    for transaction in &recording.transactions {
        for patch in &transaction.patches {
            let how = EditOptions { message: Some(now_us().to_string()), ..EditOptions::default() };
            let edited = document
                .edit_with(how, |edit| edit.splice_text(&text(), patch.0, patch.1, &patch.2));
            let edited = edited.await.map_err(BenchError::Document)?;
            edits += usize::from(edited.change.is_some());
        }
    }
    document.flush().await.map_err(BenchError::Document)?;
    Ok(edits)
}

async fn begin(bus: &Bus, recording: &Recording) -> Result<Document, Failure> {
    let document = bus.document(&name()).await.map_err(BenchError::Document)?;
    let start = recording.start.clone();
    let made = document.edit(|edit| edit.set(&text(), Value::Text(start))).await;
    made.map_err(BenchError::Document)?.durable.await?;
    Ok(document)
}

/// Types at an even rate.
async fn type_at(document: &Document, rate: f64, edits: usize) -> Result<(), Failure> {
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
    for number in 0..edits {
        ticks.tick().await;
        type_one(document, number).await?;
    }
    Ok(())
}

pub(super) async fn measure(
    servers: &Servers,
    effort: Effort,
    recording: &Recording,
) -> Result<Vec<Row>, Failure> {
    let server = &servers.usual;
    let mut rows = Vec::new();
    // Live typing of the whole session, as fast as it goes.
    let space = space("visible", 0);
    let bus = server.bus(&space, "writer").await?;
    let description = bus.description().clone();
    let row = |name, unit, ours| Row::new(name, unit, ours, None, &description);
    let document = begin(&bus, recording).await?;
    let changes = recording.transactions.iter().flat_map(|t| &t.patches);
    let changes = changes.filter(|p| p.1 > 0 || !p.2.is_empty()).count();
    let reader = Reader::start(server, &space, changes, 1).await?;
    let start = now_us();
    type_all(&document, recording).await?;
    let told = reader.told().await?;
    let seconds = told.last_us.saturating_sub(start) as f64 / 1e6;
    rows.push(row("typing_all_visible", "s", seconds));

    // On the finished text, at the rate of a hundred edits a second.
    let edits = effort.of(1_000);
    let reader = Reader::start(server, &space, edits, 1).await?;
    type_at(&document, 100.0, edits).await?;
    let mut told = reader.told().await?;
    rows.push(row("visible_100_per_s_p50", "ms", percentile(&mut told.latencies_ms, 50.0)));
    rows.push(row("visible_100_per_s_p99", "ms", percentile(&mut told.latencies_ms, 99.0)));
    rows.push(row(
        "visible_100_per_s_reader_cpu",
        "% of a core",
        told.cpu_s / told.elapsed_s * 100.0,
    ));

    // Fifty agents in one process, twenty edits a second.
    let edits = effort.of(200);
    let reader = Reader::start(server, &space, edits, 50).await?;
    type_at(&document, 20.0, edits).await?;
    let mut told = reader.told().await?;
    rows.push(row("fifty_readers_p99", "ms", percentile(&mut told.latencies_ms, 99.0)));
    rows.push(row("fifty_readers_cpu_for_10_s", "CPU s", told.cpu_s / told.elapsed_s * 10.0));

    // Ten processes.
    let mut readers = Vec::new();
    for _ in 0..10 {
        readers.push(Reader::start(server, &space, edits, 1).await?);
    }
    type_at(&document, 20.0, edits).await?;
    let mut latencies = Vec::new();
    for reader in readers {
        latencies.extend(reader.told().await?.latencies_ms);
    }
    rows.push(row("ten_processes_p99", "ms", percentile(&mut latencies, 99.0)));
    Ok(rows)
}
