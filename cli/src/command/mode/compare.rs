//! `colony mode compare`

use std::path::PathBuf;

use colony_agents::protocol::Millis;
use colony_agents::trial::{Deaths, Outcome, TaskSet, Trial, run as play};
use comfy_table::Table;

use super::ModeError;
use super::input::{LatencyArgs, TEAM, TaskArgs, Way, Who, counted, name};
use super::plot;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Format;
use crate::progress;

/// What to compare.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  colony mode compare --tasks 2000 --svg modes.svg
  colony mode compare --commits data/nats-server-commits.ndjson.gz --tasks 2000 --agents 10,50")]
pub(crate) struct Args {
    /// The sizes of the team.
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [2, 5, 10, 20, 50, 100, 1_000], value_parser = counted(TEAM))]
    agents: Vec<usize>,
    /// The ways.
    #[arg(long, value_enum, value_name = "WAY", value_delimiter = ',', default_values_t = Way::ALL)]
    ways: Vec<Way>,
    /// Who dies: each of these is tried.
    #[arg(long, value_enum, value_name = "WHO", value_delimiter = ',', default_values_t = [Who::None, Who::Workers, Who::Leader])]
    deaths: Vec<Who>,
    #[command(flatten)]
    tasks: TaskArgs,
    #[command(flatten)]
    latency: LatencyArgs,
    /// Draws the results into a file, as SVG.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let tasks = args.tasks.make()?;
    let trials = trials(&args, &tasks);
    let bar = progress::count(Some(trials.len() as u64), context.global.json, "trials");
    let outcomes = {
        let bar = bar.clone();
        tokio::task::spawn_blocking(move || {
            let each = trials.iter().map(|trial| {
                let outcome = play(trial, &tasks);
                bar.inc(1);
                outcome
            });
            each.collect::<Result<Vec<_>, _>>()
        })
    };
    let outcomes = outcomes.await.map_err(ModeError::Task)?.map_err(ModeError::Name)?;
    bar.finish_and_clear();
    if let Some(path) = &args.svg {
        std::fs::write(path, plot::svg(&outcomes)).map_err(Failure::file(path, "written"))?;
    }
    show(&outcomes, Elapsed::Virtual, args.tasks.seed, context)
}

/// In whose time a trial passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Elapsed {
    /// In that of its own clock.
    Virtual,
    /// In a server's.
    Server,
}

impl Elapsed {
    fn name(self) -> &'static str {
        match self {
            Self::Virtual => "virtual time",
            Self::Server => "the server's time",
        }
    }
}

fn trials(args: &Args, tasks: &TaskSet) -> Vec<Trial> {
    let (latency, silent) = (args.latency.latency(), args.latency.silent(tasks));
    let mut trials = Vec::new();
    for who in &args.deaths {
        for agents in &args.agents {
            for way in &args.ways {
                trials.push(Trial {
                    mode: way.mode(),
                    agents: *agents,
                    deaths: who.deaths(),
                    latency,
                    silent,
                    processes: args.latency.processes,
                    seed: args.tasks.seed,
                });
            }
        }
    }
    trials
}

pub(super) fn show(
    outcomes: &[Outcome],
    elapsed: Elapsed,
    seed: u64,
    context: &Context,
) -> Result<(), Failure> {
    let mut output = context.output();
    match output.format() {
        Format::Json => {
            for outcome in outcomes {
                output.json(outcome)?;
            }
        }
        Format::Human => {
            let mut table = Table::new();
            table.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
            table.set_header([
                "deaths",
                "agents",
                "way",
                "done",
                "lost",
                "took",
                "tasks/s",
                "begun p50",
                "p99",
                "messages/task",
                "rejected",
            ]);
            for outcome in outcomes {
                table.add_row([
                    deaths(outcome.deaths).to_owned(),
                    outcome.agents.to_string(),
                    name(outcome.mode).to_owned(),
                    outcome.done.to_string(),
                    outcome.lost.to_string(),
                    seconds(outcome.took_ms),
                    format!("{:.0}", outcome.tasks_per_second),
                    millis(outcome.begin_p50_us),
                    millis(outcome.begin_p99_us),
                    format!("{:.2}", outcome.messages_per_task),
                    outcome.rejected.to_string(),
                ]);
            }
            output.line(table)?;
            output.line(format!(
                "{}; seed {seed}; a task counts as begun from its offer on, and waits for a worker",
                elapsed.name()
            ))?;
        }
    }
    output.flush()
}

pub(super) fn deaths(deaths: Deaths) -> &'static str {
    match deaths {
        Deaths::None => "none",
        Deaths::Workers => "workers",
        Deaths::Leader => "leader",
    }
}

fn seconds(millis: Millis) -> String {
    format!("{:.2} s", millis.get() as f64 / 1e3)
}

fn millis(micros: u64) -> String {
    format!("{:.1} ms", micros as f64 / 1e3)
}
