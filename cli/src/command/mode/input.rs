//! What is done in a trial, and what a message takes, as the command line tells.

use std::io::{BufRead as _, BufReader, Read};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use clap::builder::RangedU64ValueParser;
use colony_agents::protocol::Millis;
use colony_agents::protocol::advice::Mode;
use colony_agents::team::MAX_AGENTS;
use colony_agents::trial::{Deaths, Latency, Synthetic, TaskSet, from_commits};
use colony_core::cloudevents;
use flate2::bufread::MultiGzDecoder;

use super::ModeError;
use crate::failure::Failure;

/// The longest that a task or a line may take, in milliseconds.
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// The longest that a message may take, in microseconds.
const HOUR_US: u64 = 60 * 60 * 1_000_000;
/// How many agents may be tried.
pub(super) const TEAM: RangeInclusive<u64> = 1..=MAX_AGENTS as u64;

/// Reads a number of things within bounds.
pub(super) fn counted(bounds: RangeInclusive<u64>) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(bounds)
}

/// The ways of working together that can be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Way {
    /// One agent plans, assigns and collects.
    Conductor,
    /// Agents share the tasks out beforehand and pass them on by mail.
    Peer,
    /// Tasks are announced to all and claimed.
    Event,
    /// As event; and who claims a task settles its scope by mail first.
    Hybrid,
}

impl Way {
    pub(super) const ALL: [Way; 4] = [Self::Conductor, Self::Peer, Self::Event, Self::Hybrid];

    pub(super) fn mode(self) -> Mode {
        match self {
            Self::Conductor => Mode::Conductor,
            Self::Peer => Mode::Peer,
            Self::Event => Mode::Event,
            Self::Hybrid => Mode::Hybrid,
        }
    }
}

/// Returns how people call a mode.
pub(super) fn name(mode: Mode) -> &'static str {
    match mode {
        Mode::Alone => "alone",
        Mode::Conductor => "conductor",
        Mode::Peer => "peer",
        Mode::Event => "event",
        Mode::Hybrid => "hybrid",
    }
}

/// Who dies, once a quarter of the tasks is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Who {
    /// Nobody.
    None,
    /// A tenth of the workers, at least one.
    Workers,
    /// The conductor, the client who offered the tasks, or the first of the peers.
    Leader,
}

impl Who {
    pub(super) fn deaths(self) -> Deaths {
        match self {
            Self::None => Deaths::None,
            Self::Workers => Deaths::Workers,
            Self::Leader => Deaths::Leader,
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Tasks")]
pub(super) struct TaskArgs {
    /// How many tasks.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = counted(1..=1_000_000))]
    pub(super) tasks: usize,
    /// How long a task takes on average, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 100, value_parser = clap::value_parser!(u64).range(..=DAY_MS))]
    pub(super) task_ms: u64,
    /// Of how many tasks in a thousand the scope is not clear.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(0..=1000))]
    pub(super) unclear: u64,
    /// How many tasks in a thousand wait for an earlier one.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=1000))]
    pub(super) dependent: u64,
    /// Makes tasks of the `commit.made` events of a file (CloudEvents, one a line, plain or gzip): each waits for its parents and asks for
    /// the area of its files as a skill; --tasks limits how many, from the first on.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["task_ms", "unclear", "dependent"])]
    pub(super) commits: Option<PathBuf>,
    /// How long each line of a commit takes, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 1, requires = "commits", value_parser = clap::value_parser!(u64).range(..=DAY_MS))]
    pub(super) line_ms: u64,
    /// The seed of everything that is drawn.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
}

impl TaskArgs {
    pub(super) fn make(&self) -> Result<TaskSet, Failure> {
        if let Some(path) = &self.commits {
            return commits(path, self.tasks, Millis::new(self.line_ms));
        }
        let synthetic = Synthetic {
            tasks: self.tasks,
            takes: Millis::new(self.task_ms),
            unclear_per_mille: self.unclear,
            dependent_per_mille: self.dependent,
        };
        Ok(synthetic.make(self.seed).map_err(ModeError::Name)?)
    }
}

fn commits(path: &Path, most: usize, line: Millis) -> Result<TaskSet, Failure> {
    let fail = |source| Failure::file(path, "read")(source);
    let file = std::fs::File::open(path).map_err(fail)?;
    let mut raw = BufReader::new(file);
    let zipped = raw.fill_buf().map_err(fail)?.starts_with(&[0x1f, 0x8b]);
    let reader: Box<dyn Read> =
        if zipped { Box::new(MultiGzDecoder::new(raw)) } else { Box::new(raw) };
    let mut events = Vec::new();
    for (number, text) in BufReader::new(reader).lines().take(most).enumerate() {
        let text = text.map_err(fail)?;
        let bad = |source| ModeError::Event { path: path.to_owned(), line: number + 1, source };
        events.push(cloudevents::from_json(&text).map_err(bad)?.event);
    }
    Ok(from_commits(&events, line).map_err(ModeError::Commits)?)
}

/// What a message takes, and how patient agents are.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Messages")]
pub(super) struct LatencyArgs {
    /// From saying something to its being stored, in microseconds; `colony bench append` measures it.
    #[arg(long, value_name = "US", default_value_t = Latency::default().append_us, value_parser = clap::value_parser!(u64).range(..=HOUR_US))]
    pub(super) append_us: u64,
    /// From being stored to being read elsewhere, in microseconds.
    #[arg(long, value_name = "US", default_value_t = Latency::default().delivery_us, value_parser = clap::value_parser!(u64).range(..=HOUR_US))]
    pub(super) delivery_us: u64,
    /// What an agent needs to decide and say one thing, in microseconds. It does one at a time.
    #[arg(long, value_name = "US", default_value_t = Latency::default().decision_us, value_parser = clap::value_parser!(u64).range(..=HOUR_US))]
    pub(super) decision_us: u64,
    /// What the log needs for each entry, one after the other, in microseconds.
    #[arg(long, value_name = "US", default_value_t = Latency::default().log_us, value_parser = clap::value_parser!(u64).range(..=HOUR_US))]
    pub(super) log_us: u64,
    /// How long a holder may be silent, in milliseconds [default: three times the longest task, at least 1000].
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=30 * DAY_MS))]
    pub(super) silent_ms: Option<u64>,
    /// Over how many processes the agents are spread, each of which reads for itself.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = counted(1..=1_000))]
    pub(super) processes: usize,
}

impl LatencyArgs {
    pub(super) fn latency(&self) -> Latency {
        let Self { append_us, delivery_us, decision_us, log_us, .. } = *self;
        Latency { append_us, delivery_us, decision_us, log_us }
    }

    pub(super) fn silent(&self, tasks: &TaskSet) -> Millis {
        let longest = tasks.tasks.iter().map(|task| task.takes.get()).max().unwrap_or(0);
        Millis::new(self.silent_ms.unwrap_or_else(|| longest.saturating_mul(3).max(1_000)))
    }
}
