//! `colony team`: ready-made agents, as many as a file says.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use clap::Subcommand;
use colony_agents::protocol::CoordinationState;
use colony_agents::protocol::quota::{Command as QuotaCommand, Quotas};
use colony_agents::protocol::task::Phase;
use colony_agents::ready::{Client, Planned, Role, Shift, ShiftError, ShiftOptions, Single, Space};
use colony_agents::team::{CLIENT, Fault, Kind, Team};
use colony_agents::{Instance, InstanceError, InstanceOptions};
use colony_bus::{Bus, BusOptions, Cut, Draft, EntryError, JetStreamLog, Query};
use colony_core::{AgentName, EntityName};
use futures_util::StreamExt as _;
use serde_json::json;

use crate::context::Context;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::{Format, style};
use crate::progress;

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
    allowed(&args.file, &team, &CoordinationState::default())?;
    let agents = count(&team);
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

/// Requires that the rules would take what the team begins with, where so much was agreed.
fn allowed(path: &Path, team: &Team, agreed: &CoordinationState) -> Result<(), Failure> {
    let faults = team.refused(agreed, SystemTime::now().into());
    match faults.is_empty() {
        true => Ok(()),
        false => Err(TeamError::Faults { path: path.to_owned(), faults }.into()),
    }
}

fn count(team: &Team) -> u32 {
    team.agents.iter().map(|kind| kind.count).sum()
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
    let space = look(&client).await?;
    allowed(&args.file, &team, space.agreed())?;
    let before = space.rota().deliveries();
    define(&client, &team, space.agreed()).await?;
    drop(space);
    let mut members: Vec<(Bus, Box<dyn Role>)> = Vec::new();
    let mut instances = Vec::new();
    for kind in &team.agents {
        // The file was validated: names are names.
        for name in kind.names().unwrap_or_default() {
            match kind.instances {
                1 => members.push((client.for_agent(name), kind.duty.role(&team))),
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
    let agents = count(&team);
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
    let ended = ended?;
    let deliveries = status.deliveries.saturating_sub(before);
    let elapsed = started.elapsed().as_secs_f64();
    let mut output = context.output();
    match output.format() {
        Format::Json => output.json(&json!({
            "agents": agents, "deliveries": deliveries, "appended": status.appended,
            "ignored": status.ignored, "position": status.position, "elapsed_s": elapsed,
        }))?,
        Format::Human => output.line(format!(
            "{deliveries} deliveries of {agents} agents in {elapsed:.1} s; {} events appended, {} of them without effect",
            status.appended, status.ignored
        ))?,
    }
    output.flush()?;
    match ended {
        Ended::Asked if args.until_done => {
            let done = format!("not every task of {} is done", args.file.display());
            Err(Failure::Interrupted { done })
        }
        Ended::Asked | Ended::Done => Ok(()),
    }
}

/// Why a team is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// The user wants it to.
    Asked,
    /// There is nothing left to do.
    Done,
}

/// Waits until the team is to stop, or stops by itself.
async fn watch(
    shift: &mut Shift,
    team: &Team,
    until_done: bool,
    bar: &indicatif::ProgressBar,
    interrupt: &Interrupt,
    bus: &Bus,
) -> Result<Ended, Failure> {
    let mut status = shift.watch();
    let mut again = tokio::time::interval(Duration::from_millis(200));
    loop {
        tokio::select! {
            () = interrupt.asked() => return Ok(Ended::Asked),
            ended = shift.ended() => {
                ended.map_err(TeamError::Stopped)?;
                return Ok(Ended::Done);
            }
            _ = again.tick() => {
                let told = status.borrow_and_update().clone();
                bar.set_position(told.deliveries);
                if until_done && told.deliveries >= team.tasks.len() as u64 {
                    let space = look(bus).await?;
                    if team.tasks.keys().all(|name| is_over(space.agreed(), name)) {
                        return Ok(Ended::Done);
                    }
                }
            }
        }
    }
}

/// Returns whether nothing more will come of a task.
fn is_over(agreed: &CoordinationState, name: &EntityName) -> bool {
    let task = agreed.tasks.get(name);
    task.is_some_and(|task| task.is_done() || matches!(task.phase, Phase::Cancelled { .. }))
}

/// Reads what everybody knows.
async fn look(bus: &Bus) -> Result<Space, Failure> {
    let until = Some(Cut::Position(bus.tail().await?));
    let query = Query { filter: colony_agents::ready::filter(), until, ..Query::default() };
    let mut entries = bus.read(query).await?;
    let mut space = Space::default();
    while let Some(entry) = entries.next().await {
        match entry {
            Ok(entry) => drop(space.evolve(&entry)),
            Err(EntryError::Read(error)) => return Err(error.into()),
            Err(_) => {}
        }
    }
    Ok(space)
}

/// Defines the team's quotas, where they are not as the file says.
async fn define(bus: &Bus, team: &Team, state: &CoordinationState) -> Result<(), Failure> {
    for (name, defined) in &team.quotas {
        if state.quotas.get(name).is_some_and(|quota| quota.said == *defined) {
            continue;
        }
        let command = QuotaCommand::Define(name.clone(), defined.clone());
        // It was asked before whether anything stands against it.
        let drafts = state.decide::<Quotas>(command, bus.agent(), Some(SystemTime::now().into()));
        for draft in drafts.unwrap_or_default() {
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
