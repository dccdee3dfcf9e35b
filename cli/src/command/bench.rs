//! `colony bench`: Colony beside the raw libraries, in the same run, on the same server.

use std::path::PathBuf;

use clap::ValueEnum;
use comfy_table::Table;
use serde::Serialize;

use crate::context::Context;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::Format;

mod append;
mod apply;
mod at;
mod coordinate;
mod memory;
mod open;
mod react;
mod read;
mod server;
mod visible;

use server::Servers;

/// Measures Colony beside the raw libraries, in the same run and on the same server, and prints the ratios.
///
/// Starts servers of its own on temporary directories. Rounds of ours and raw are run in turn, and each figure is the median of
/// its rounds: compare ratios, for machines differ and are noisy.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to measure.
    #[arg(value_enum, default_value_t = What::All)]
    what: What,
    /// Rounds of each measurement.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=99))]
    rounds: u8,
    /// Work of each round, beside the usual one: 0.1 for a quick look.
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR")]
    scale: f64,
    /// The recorded session that documents are made of [default: the one that Colony brings].
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Appending: one caller, 64 and 256 callers, with and without a sync for each write.
    Append,
    /// Reading and decoding from the beginning.
    Read,
    /// Taking remote changes into a document, and what it weighs in memory.
    Apply,
    /// Opening a document from a snapshot and what came after it.
    Open,
    /// From an edit to its being visible in another process.
    Visible,
    /// Reacting: latency, backlogs, agents side by side, verifying and restarting.
    React,
    /// Everything as it stood at random points of a log of 1,000,000 events, as a process of its own.
    At,
    /// Coordination: claims by up to 1,000 agents beside a Redis lock (where `redis-server` is on the path) and one conductor; what is left
    /// when something is killed; directory, feed, folds.
    Coordinate,
    /// Everything.
    All,
}

/// Plays one part of a measurement, as a process of its own.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Part {
    /// Watches a document and tells when changes became visible.
    Reader(visible::Args),
    /// Holds a document and tells what it weighs.
    Holder(memory::Args),
}

pub(crate) async fn part(part: Part, context: &Context) -> Result<(), Failure> {
    match part {
        Part::Reader(args) => visible::part(args, context).await,
        Part::Holder(args) => memory::part(args, context).await,
    }
}

/// What can go wrong in a measurement beside what can go wrong in any command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum BenchError {
    #[error("the raw client failed: {0}")]
    Raw(Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Recording(#[from] colony_agents::recording::RecordingError),
    #[error(transparent)]
    Instance(#[from] colony_agents::InstanceError),
    #[error(transparent)]
    Verify(#[from] colony_agents::VerifyError),
    #[error(transparent)]
    Document(#[from] colony_bus::document::DocumentError),
    #[error("the agents measured stopped")]
    Shift(#[from] colony_agents::ready::ShiftError),
    #[error("a measurement's own process failed: {0}")]
    Process(String),
}

/// Makes an error of the raw client's.
fn raw(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
    BenchError::Raw(error.into()).into()
}

/// One figure. The fields of `--json`.
#[derive(Debug, Clone, Serialize)]
struct Row {
    name: &'static str,
    /// Ours.
    ours: f64,
    /// The raw library's, in the same run; absent where there is nothing to compare with.
    raw: Option<f64>,
    /// `ours / raw`.
    ratio: Option<f64>,
    unit: &'static str,
    server: String,
    storage: String,
    sync: String,
    replicas: usize,
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Effort {
    rounds: usize,
    scale: f64,
}

impl Effort {
    fn of(self, usual: usize) -> usize {
        ((usual as f64 * self.scale) as usize).max(64)
    }
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let interrupt = Interrupt::listen()?;
    tokio::select! {
        measured = measure(&args, context) => measured,
        // Dropping the measurement ends its servers and processes and removes their files.
        () = interrupt.asked() => Err(Failure::Interrupted { done: "nothing is left behind".to_owned() }),
    }
}

async fn measure(args: &Args, context: &Context) -> Result<(), Failure> {
    let effort = Effort { rounds: usize::from(args.rounds), scale: args.scale };
    let servers = Servers::start(context.global.json).await?;
    let recording = server::recording(args.trace.as_deref())?;
    let wants = |what| args.what == What::All || args.what == what;
    let mut rows = Vec::new();
    if wants(What::Append) {
        rows.extend(append::measure(&servers, effort).await?);
    }
    if wants(What::Read) {
        rows.extend(read::measure(&servers, effort).await?);
    }
    if wants(What::Apply) {
        rows.extend(apply::measure(&servers, effort)?);
        rows.extend(memory::measure(&servers, args.trace.as_deref(), &recording).await?);
    }
    if wants(What::Open) {
        rows.extend(open::measure(&servers, effort, &recording).await?);
    }
    if wants(What::Visible) {
        rows.extend(visible::measure(&servers, effort, &recording).await?);
    }
    if wants(What::React) {
        rows.extend(react::measure(&servers, effort).await?);
    }
    if wants(What::At) {
        rows.extend(at::measure(&servers, effort).await?);
    }
    if wants(What::Coordinate) {
        rows.extend(coordinate::measure(&servers, effort).await?);
    }
    servers.stop().await?;
    show(&rows, context)
}

fn show(rows: &[Row], context: &Context) -> Result<(), Failure> {
    let mut output = context.output();
    match output.format() {
        Format::Json => {
            for row in rows {
                output.json(row)?;
            }
        }
        Format::Human => {
            let mut table = Table::new();
            table.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
            table
                .set_header(["name", "ours", "raw", "ratio", "unit", "server", "sync", "replicas"]);
            let number = |value: f64| match value.abs() {
                large if large >= 100.0 => format!("{value:.0}"),
                _ => format!("{value:.2}"),
            };
            for row in rows {
                table.add_row([
                    row.name.to_owned(),
                    number(row.ours),
                    row.raw.map_or_else(|| "-".to_owned(), number),
                    row.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
                    row.unit.to_owned(),
                    format!("{}, {}", row.server, row.storage),
                    row.sync.clone(),
                    row.replicas.to_string(),
                ]);
            }
            output.line(table)?;
            output.line("ours / raw; medians of rounds run in turn on this machine")?;
        }
    }
    output.flush()
}

/// Returns the value that `percent` of the values do not exceed.
fn percentile(values: &mut [f64], percent: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = (values.len() as f64 * percent / 100.0) as usize;
    values.get(index.min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

fn median(values: &mut [f64]) -> f64 {
    percentile(values, 50.0)
}
