//! `colony mode advise`

use std::collections::BTreeMap;

use colony_agents::protocol::Millis;
use colony_agents::protocol::advice::{
    Advice, Measured, Mode, Reason, Thresholds, Verdict, advise,
};
use colony_agents::protocol::tax::{Clock, Meter};
use colony_agents::trial::{Deaths, Latency, Synthetic, Trial, run as play};
use colony_bus::{EntryError, Query};
use futures_util::StreamExt as _;
use serde::Serialize;

use super::ModeError;
use super::input::name;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Format, style};
use crate::source::SourceArgs;

/// Most tasks of a trial that stands for a log.
const MAX_TASKS: u64 = 2_000;

/// What the advice rests on.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  colony mode advise
  colony mode advise --capture week.capture --conductor-tasks 500 --no-try")]
pub(crate) struct Args {
    #[command(flatten)]
    source: SourceArgs,
    /// Below this many times the coordination latency, a task is too short to be worth passing on.
    #[arg(long, value_name = "N", default_value_t = Thresholds::default().task_to_latency)]
    task_to_latency: u64,
    /// Below this many tasks a minute, one conductor suffices.
    #[arg(long, value_name = "N", default_value_t = Thresholds::default().conductor_tasks_per_minute)]
    conductor_tasks: u64,
    /// Up to this many agents, talking to each other is cheap.
    #[arg(long, value_name = "N", default_value_t = Thresholds::default().peers)]
    peers: u64,
    /// From this many unclear tasks of a thousand on, scopes need to be settled first.
    #[arg(long, value_name = "N", default_value_t = Thresholds::default().unclear_per_mille)]
    unclear: u64,
    /// Goes by the times that authors wrote, instead of those at which the log recorded.
    #[arg(long)]
    happened: bool,
    /// Does not try the ways on tasks like those measured.
    #[arg(long)]
    no_try: bool,
    /// The seed of the trials.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Serialize)]
struct Told {
    measured: Measured,
    thresholds: Thresholds,
    advice: Advice,
    seed: u64,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let bus = context.reading_bus(&args.source).await?;
    let mut meter = Meter::new(if args.happened { Clock::Told } else { Clock::Recorded });
    let mut entries = bus.read(Query::default()).await?;
    while let Some(entry) = entries.next().await {
        match entry {
            Ok(entry) => meter.take(&entry),
            Err(EntryError::Read(error)) => return Err(error.into()),
            Err(_) => {}
        }
    }
    let mut measured = Measured::from_report(&meter.report());
    if measured.tasks == 0 {
        return Err(ModeError::NothingDone { space: bus.space().to_string() }.into());
    }
    if !args.no_try {
        measured.tried = tried(&measured, args.seed)?;
    }
    let thresholds = Thresholds {
        task_to_latency: args.task_to_latency,
        conductor_tasks_per_minute: args.conductor_tasks,
        peers: args.peers,
        unclear_per_mille: args.unclear,
    };
    let advice = advise(&measured, &thresholds);
    show(&Told { measured, thresholds, advice, seed: args.seed }, context)
}

/// Tries the ways on tasks as many, as long and as unclear as those measured, with as many agents.
fn tried(measured: &Measured, seed: u64) -> Result<BTreeMap<Mode, Millis>, Failure> {
    let synthetic = Synthetic {
        tasks: usize::try_from(measured.tasks.min(MAX_TASKS)).unwrap_or(0),
        takes: measured.task_time,
        unclear_per_mille: measured.unclear_per_mille.min(1_000),
        dependent_per_mille: 0,
    };
    let tasks = synthetic.make(seed).map_err(ModeError::Name)?;
    let modes = [Mode::Alone, Mode::Conductor, Mode::Peer, Mode::Event, Mode::Hybrid];
    let mut tried = BTreeMap::new();
    for mode in modes {
        let trial = Trial {
            mode,
            agents: usize::try_from(measured.agents).unwrap_or(1).clamp(1, 1_000),
            deaths: Deaths::None,
            latency: Latency::default(),
            silent: Millis::new((measured.task_time.get() * 3).max(1_000)),
            processes: 1,
            seed,
        };
        tried.insert(mode, play(&trial, &tasks).map_err(ModeError::Name)?.took_ms);
    }
    Ok(tried)
}

fn show(told: &Told, context: &Context) -> Result<(), Failure> {
    let mut output = context.output();
    match output.format() {
        Format::Json => output.json(told)?,
        Format::Human => {
            let strong = style::STRONG;
            let Measured {
                agents, tasks, task_time, coordination_latency, tasks_per_minute, ..
            } = &told.measured;
            output.line(format!("advice: {strong}{}{strong:#}", name(told.advice.mode)))?;
            output.line(format!(
                "measured: {agents} agents, {tasks} tasks, {tasks_per_minute} a minute; a task takes {} ms, and waits {} ms for a worker",
                task_time.get(),
                coordination_latency.get()
            ))?;
            for reason in &told.advice.reasons {
                output.line(format!("because {}", because(reason)))?;
            }
            for (mode, took) in &told.measured.tried {
                output.line(format!(
                    "tried: {} took {:.2} s",
                    name(*mode),
                    took.get() as f64 / 1e3
                ))?;
            }
            output.line(verdict(&told.advice.verdict))?;
        }
    }
    output.flush()
}

fn because(reason: &Reason) -> String {
    match reason {
        Reason::TooShort { ratio, threshold } => {
            format!("a task takes {ratio} times the coordination latency, less than {threshold}")
        }
        Reason::Few { tasks_per_minute, threshold } => {
            format!("there are {tasks_per_minute} tasks a minute, fewer than {threshold}")
        }
        Reason::Many { tasks_per_minute, threshold } => {
            format!("there are {tasks_per_minute} tasks a minute, at least {threshold}")
        }
        Reason::Deaths => "agents die, and would take with them what only they know".to_owned(),
        Reason::Unclear { per_mille, threshold } => {
            format!("{per_mille} tasks of a thousand are unclear, at least {threshold}")
        }
        Reason::FewAgents { agents, threshold } => {
            format!("{agents} agents can just talk: at most {threshold}")
        }
    }
}

fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::NotTried => "not tried".to_owned(),
        Verdict::BorneOut => "borne out: no other way was faster by more than a tenth".to_owned(),
        Verdict::Contradicted { fastest, slower_per_mille } => format!(
            "contradicted: {} was fastest, and this way took {:.1} % longer",
            name(*fastest),
            *slower_per_mille as f64 / 10.0
        ),
    }
}
