//! `colony mode run`

use colony_agents::trial::{Trial, run as play};

use super::ModeError;
use super::compare::{Elapsed, show};
use super::input::{LatencyArgs, TEAM, TaskArgs, Way, Who, counted};
use super::live;
use crate::context::Context;
use crate::failure::Failure;

/// What to do.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  colony mode run --way event --agents 20
  colony mode run --way conductor --agents 20 --deaths leader
  colony mode run --way hybrid --agents 5 --tasks 50 --on-server --space try-1")]
pub(crate) struct Args {
    /// The way.
    #[arg(long, value_enum)]
    way: Way,
    /// How many workers.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = counted(TEAM))]
    agents: usize,
    /// Who dies, once a quarter of the tasks is done.
    #[arg(long, value_enum, default_value_t = Who::None)]
    deaths: Who,
    /// Does it for real, in the space given, on the server given. Tasks are those of this run only, and take their time.
    #[arg(long)]
    on_server: bool,
    /// How long it may take on a server, in seconds.
    #[arg(long, value_name = "S", default_value_t = 600, requires = "on_server", value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    #[command(flatten)]
    tasks: TaskArgs,
    #[command(flatten)]
    latency: LatencyArgs,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let tasks = args.tasks.make()?;
    let trial = Trial {
        mode: args.way.mode(),
        agents: args.agents,
        deaths: args.deaths.deaths(),
        latency: args.latency.latency(),
        silent: args.latency.silent(&tasks),
        processes: args.latency.processes,
        seed: args.tasks.seed,
    };
    let (outcome, elapsed) = if args.on_server {
        (live::run(&trial, &tasks, args.limit, context).await?, Elapsed::Server)
    } else {
        (play(&trial, &tasks).map_err(ModeError::Name)?, Elapsed::Virtual)
    };
    show(&[outcome], elapsed, args.tasks.seed, context)
}
