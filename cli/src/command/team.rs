//! `colony team`: ready-made agents, as many as a file says.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Subcommand;
use colony_agents::protocol::CoordinationState;
use colony_agents::protocol::quota::{Command as QuotaCommand, Quotas};
use colony_agents::ready::{Client, Planned, Role, Shift, ShiftError, ShiftOptions, Single};
use colony_agents::team::{Fault, Kind, Team};
use colony_agents::{Instance, InstanceError, InstanceOptions};
use colony_bus::{Bus, BusOptions, Draft, JetStreamLog};
use colony_core::AgentName;
use serde_json::json;

use crate::context::Context;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::{Format, style};
use crate::progress;

/// The agent that offers the team's tasks.
const CLIENT: &str = "client";

/// Commands of `colony team`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs a team in the foreground, until Ctrl-C.
    Up(UpArgs),
    /// Says whether a team's file can work, and lists everything in it that cannot.
    Check(CheckArgs),
}

/// The team to run.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  colony team up agents/examples/team/painters.json
  colony team up team.json --until-done --json")]
pub(crate) struct UpArgs {
    /// The team's file: JSON, see docs/team.md.
    file: PathBuf,
    /// Ends when every task of the file is done, instead of on Ctrl-C.
    #[arg(long)]
    until_done: bool,
}

/// The file to look at.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The team's file.
    file: PathBuf,
}

/// What can go wrong with a team beside what can go wrong in any command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TeamError {
    #[error("{} is no team's file", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("{} cannot work:{}", path.display(), list(faults))]
    Faults { path: PathBuf, faults: Vec<Fault> },
    #[error("the team stopped")]
    Stopped(#[from] ShiftError),
    #[error("an agent of several instances stopped")]
    Instance(#[from] InstanceError),
}

impl TeamError {
    /// Returns whether the file is at fault.
    pub(crate) fn is_input(&self) -> bool {
        match self {
            Self::File { .. } | Self::Faults { .. } => true,
            Self::Stopped(_) | Self::Instance(_) => false,
        }
    }
}

fn list(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("\n  {fault}")).collect()
}

pub(crate) async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Up(args) => up(args, context).await,
        Command::Check(args) => check(&args, context),
    }
}

fn check(args: &CheckArgs, context: &Context) -> Result<(), Failure> {
    let team = read(&args.file)?;
    let agents: u32 = team.agents.iter().map(|kind| kind.count).sum();
    let mut output = context.output();
    match output.format() {
        Format::Json => output.json(&json!({
            "file": args.file, "agents": agents, "kinds": team.agents.len(),
            "tasks": team.tasks.len(), "quotas": team.quotas.len(), "conductor": team.has_conductor(),
        }))?,
        Format::Human => {
            let good = style::GOOD;
            let tasks = team.tasks.len();
            output.line(format!("{good}good{good:#}: {agents} agents, {tasks} tasks"))?;
        }
    }
    output.flush()
}

/// Reads a file that can work.
fn read(path: &Path) -> Result<Team, Failure> {
    let text = std::fs::read_to_string(path).map_err(Failure::file(path, "read"))?;
    let fail = |source| TeamError::File { path: path.to_owned(), source };
    let team = Team::read(&text).map_err(fail)?;
    let faults = team.validate();
    if !faults.is_empty() {
        return Err(TeamError::Faults { path: path.to_owned(), faults }.into());
    }
    Ok(team)
}

async fn up(args: UpArgs, context: &Context) -> Result<(), Failure> {
    let team = read(&args.file)?;
    let interrupt = Interrupt::listen()?;
    let options = context.bus_options(None)?;
    let log = JetStreamLog::connect(&options.space, &options.server).await?;
    let join = |agent: AgentName| {
        let options = BusOptions { agent, ..options.clone() };
        Bus::on(Arc::new(log.clone()), Arc::new(log.clone()), options)
    };
    let started = Instant::now();
    let client = join(client());
    define(&client, &team).await?;
    let mut members: Vec<(Bus, Box<dyn Role>)> = Vec::new();
    let mut instances = Vec::new();
    for kind in &team.agents {
        // The file was validated: names are names.
        for name in kind.names().unwrap_or_default() {
            match kind.instances {
                1 => members.push((join(name), kind.duty.role(&team))),
                count => {
                    for _ in 0..count {
                        instances.push(start_one(join(name.clone()), kind, &team).await?);
                    }
                }
            }
        }
    }
    if !team.has_conductor() && !team.tasks.is_empty() {
        let plan = team
            .tasks
            .iter()
            .map(|(name, offered)| Planned { name: name.clone(), offered: offered.clone() });
        members.push((client.clone(), Box::new(Client { plan: plan.collect() })));
    }
    let agents = members.len() + instances.len();
    let shift = Shift::start(client.clone(), members, ShiftOptions::default());
    let mut shift = shift.await.map_err(TeamError::Stopped)?;
    let bar = progress::count(Some(team.tasks.len() as u64), context.global.json, "deliveries");
    let ended = watch(&mut shift, &team, args.until_done, &bar, &interrupt, &client).await;
    bar.finish_and_clear();
    let status = shift.status();
    shift.stop().await.map_err(TeamError::Stopped)?;
    for instance in instances {
        instance.stop().await.map_err(TeamError::Instance)?;
    }
    ended?;
    let elapsed = started.elapsed().as_secs_f64();
    let mut output = context.output();
    match output.format() {
        Format::Json => output.json(&json!({
            "agents": agents, "deliveries": status.deliveries, "appended": status.appended,
            "ignored": status.ignored, "position": status.position, "elapsed_s": elapsed,
        }))?,
        Format::Human => output.line(format!(
            "{} deliveries of {agents} agents in {elapsed:.1} s; {} events appended, {} of them without effect",
            status.deliveries, status.appended, status.ignored
        ))?,
    }
    output.flush()
}

/// Waits until the team is to stop, or stops by itself.
async fn watch(
    shift: &mut Shift,
    team: &Team,
    until_done: bool,
    bar: &indicatif::ProgressBar,
    interrupt: &Interrupt,
    bus: &Bus,
) -> Result<(), Failure> {
    let mut status = shift.watch();
    let mut look = tokio::time::interval(Duration::from_millis(200));
    loop {
        tokio::select! {
            () = interrupt.asked() => return Ok(()),
            ended = shift.ended() => return Ok(ended.map_err(TeamError::Stopped)?),
            _ = look.tick() => {
                let told = status.borrow_and_update().clone();
                bar.set_position(told.deliveries);
                if until_done && told.deliveries >= team.tasks.len() as u64 {
                    let state = fold(bus).await?;
                    let done = |name| state.tasks.get(name).is_some_and(|task| task.is_done());
                    if team.tasks.keys().all(done) {
                        return Ok(());
                    }
                }
            }
        }
    }
}

async fn fold(bus: &Bus) -> Result<CoordinationState, Failure> {
    let (tail, none) = (bus.tail().await?, colony_bus::Checkpoints::none());
    let fold = bus.fold(colony_agents::protocol::Coordination, tail, &none, |_| ()).await?;
    Ok(fold.state().clone())
}

/// Defines the team's quotas, where they are not as the file says.
async fn define(bus: &Bus, team: &Team) -> Result<(), Failure> {
    if team.quotas.is_empty() {
        return Ok(());
    }
    let state = fold(bus).await?;
    for (name, defined) in &team.quotas {
        if state.quotas.get(name).is_some_and(|quota| quota.said == *defined) {
            continue;
        }
        let command = QuotaCommand::Define(name.clone(), defined.clone());
        // What stands against it, the members' own requests will meet, and say.
        for draft in state.decide::<Quotas>(command, bus.agent(), None).unwrap_or_default() {
            let draft = Draft::new(draft.ty).about(draft.entity).data(draft.data);
            bus.publish(draft).await?.await?;
        }
    }
    Ok(())
}

async fn start_one(bus: Bus, kind: &Kind, team: &Team) -> Result<Instance, Failure> {
    let role = Single::new(bus.agent().clone(), kind.duty.role(team));
    let started = Instance::start(bus, role, InstanceOptions::default()).await;
    Ok(started.map_err(TeamError::Instance)?)
}

fn client() -> AgentName {
    #[expect(clippy::unwrap_used, reason = "a constant that is a name")]
    CLIENT.parse().unwrap()
}
