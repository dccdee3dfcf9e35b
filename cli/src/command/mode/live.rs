//! A trial for real: the same roles, on a server, in the server's time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use colony_agents::protocol::advice::Mode;
use colony_agents::protocol::{Coordination, Millis, Outcome as Became};
use colony_agents::ready::{
    Assigned, Client, Conductor, Role, Settler, Shift, ShiftOptions, ShiftStatus, Space, Work,
    Worker,
};
use colony_agents::trial::{Deaths, Outcome, TaskSet, Trial};
use colony_bus::{Bus, Cut, Query};
use colony_core::{AgentName, Digest, EntityName, Position, Timestamp};
use futures_util::TryStreamExt as _;

use super::ModeError;
use crate::context::Context;
use crate::failure::Failure;

pub(super) async fn run(
    trial: &Trial,
    tasks: &TaskSet,
    limit: u64,
    context: &Context,
) -> Result<Outcome, Failure> {
    let reader = Bus::connect(context.bus_options(None)?).await?;
    let after = reader.tail().await?;
    // Names are this run's own: the space may hold others'.
    let tasks = renamed(tasks, after)?;
    let name = |text: String| text.parse::<AgentName>().map_err(ModeError::Name);
    let worker = |number: usize| -> Box<dyn Role> {
        let duration_ms = tasks.work().get().checked_div(tasks.tasks.len() as u64);
        let work = Work::Simulated { duration_ms: Millis::new(duration_ms.unwrap_or(0)) };
        let skills = tasks.skills_of(number, trial.agents);
        let worker = Worker { skills, silent: trial.silent, work, capacity: 1 };
        match trial.mode {
            Mode::Conductor => Box::new(Assigned { worker }),
            Mode::Hybrid => Box::new(Settler { worker }),
            Mode::Alone | Mode::Event | Mode::Peer => Box::new(worker),
        }
    };
    let mut members = Vec::new();
    for number in 0..trial.agents {
        let name = name(format!("agent-{number}-{after}"))?;
        members.push((reader.for_agent(name), worker(number)));
    }
    let leader = name(format!("leader-{after}"))?;
    let role: Box<dyn Role> = match trial.mode {
        Mode::Peer => return Err(ModeError::NotOnServer.into()),
        Mode::Conductor => Box::new(Conductor::new(tasks.plan(true), trial.silent)),
        Mode::Alone | Mode::Event | Mode::Hybrid => Box::new(Client { plan: tasks.plan(false) }),
    };
    members.push((reader.for_agent(leader.clone()), role));
    let shift = Shift::start(reader.clone(), members, ShiftOptions { after }).await;
    let shift = shift.map_err(ModeError::Stopped)?;
    let doomed = doomed(trial, &leader, after);
    let status = wait(&shift, trial, &tasks, &doomed, limit).await;
    let stopped = shift.stop().await.map_err(ModeError::Stopped);
    let status = status?;
    stopped?;
    read(&reader, trial, &tasks, &doomed, after, &status).await
}

/// Returns who dies on the way.
fn doomed(trial: &Trial, leader: &AgentName, after: Position) -> Vec<AgentName> {
    match trial.deaths {
        Deaths::None => Vec::new(),
        Deaths::Leader => vec![leader.clone()],
        Deaths::Workers => {
            let many = (trial.agents / 10).max(1).min(trial.agents.saturating_sub(1));
            let names =
                (trial.agents - many..trial.agents).map(|n| format!("agent-{n}-{after}").parse());
            names.flatten().collect()
        }
    }
}

fn renamed(tasks: &TaskSet, after: Position) -> Result<TaskSet, ModeError> {
    let rename = |name: &EntityName| format!("{name}-{after}").parse::<EntityName>();
    let mut tasks = tasks.clone();
    for task in &mut tasks.tasks {
        task.name = rename(&task.name)?;
        task.after = task.after.iter().map(rename).collect::<Result<_, _>>()?;
    }
    Ok(tasks)
}

/// Waits until enough was delivered, and lets die who is to die.
async fn wait(
    shift: &Shift,
    trial: &Trial,
    tasks: &TaskSet,
    doomed: &[AgentName],
    limit: u64,
) -> Result<ShiftStatus, Failure> {
    let count = tasks.tasks.len();
    // Who asked for nothing gets the first results of unclear tasks back, and they are delivered again.
    let again = match trial.mode {
        Mode::Alone | Mode::Event => tasks.tasks.iter().filter(|task| task.unclear).count(),
        Mode::Conductor | Mode::Peer | Mode::Hybrid => 0,
    };
    let wanted = (count + again) as u64;
    let all = async {
        shift.delivered((count / 4) as u64).await;
        for agent in doomed {
            shift.lose(agent.clone()).await;
        }
        shift.delivered(wanted).await;
    };
    let in_time = tokio::time::timeout(Duration::from_secs(limit), all).await;
    let status = shift.status();
    match in_time {
        Ok(()) => Ok(status),
        // With its leader gone, not all is done: that is the result.
        Err(_) if trial.deaths == Deaths::Leader => Ok(status),
        Err(_) => {
            let (done, tasks, seconds) = (status.deliveries, count, limit);
            Err(ModeError::Late { done, tasks, seconds }.into())
        }
    }
}

/// Reads from the log what came of it.
async fn read(
    bus: &Bus,
    trial: &Trial,
    tasks: &TaskSet,
    doomed: &[AgentName],
    after: Position,
    status: &ShiftStatus,
) -> Result<Outcome, Failure> {
    let query = Query {
        filter: Coordination::filter(),
        after: Some(Cut::Position(after)),
        until: Some(Cut::Position(status.position)),
        ..Query::default()
    };
    let mut entries = bus.read(query).await?;
    let mut space = Space::default();
    let mut offered: BTreeMap<EntityName, Timestamp> = BTreeMap::new();
    let (mut begun, mut messages, mut rejected) = (Vec::new(), 0_u64, 0_u64);
    let (mut first, mut last) = (None, None);
    // Of whom a task was taken that was alive, and perhaps still at it.
    let (mut robbed, mut doubled) = (BTreeSet::new(), 0);
    while let Some(entry) = entries.try_next().await? {
        messages += 1;
        let event = entry.event();
        let hold = event.entity.as_ref().and_then(|task| space.agreed().tasks.get(task)?.hold());
        let owner = hold.map(|hold| hold.owner.clone());
        let outcome = space.evolve(&entry);
        if outcome != Became::Applied {
            continue;
        }
        first = first.or(Some(entry.recorded));
        let Some(task) = &event.entity else { continue };
        match event.ty.as_str() {
            "task.offered" => drop(offered.insert(task.clone(), entry.recorded)),
            "task.done" => last = Some(entry.recorded),
            "task.rejected" => rejected += 1,
            "task.lapsed" if owner.is_some_and(|owner| !doomed.contains(&owner)) => {
                robbed.insert(task.clone());
            }
            _ => {}
        }
        if let Some(hold) = &space.latest().hold {
            doubled += usize::from(robbed.remove(&hold.task));
        }
        if let Some(hold) = &space.latest().hold
            && let Some(since) = offered.remove(&hold.task)
        {
            begun.push(Millis::between(since, entry.recorded).get() * 1_000);
        }
    }
    begun.sort_unstable();
    let at = |percent: usize| {
        begun.get((begun.len() * percent / 100).min(begun.len().saturating_sub(1))).copied()
    };
    let is_done = |name| space.agreed().tasks.get(name).is_some_and(|task| task.is_done());
    let done = tasks.tasks.iter().filter(|task| is_done(&task.name)).count();
    let took = first.zip(last).map_or(Millis::new(0), |(first, last)| Millis::between(first, last));
    Ok(Outcome {
        mode: trial.mode,
        agents: trial.agents,
        deaths: trial.deaths,
        tasks: tasks.tasks.len(),
        done,
        lost: tasks.tasks.len() - done,
        doubled,
        took_ms: took,
        tasks_per_second: done as f64 * 1e3 / took.get().max(1) as f64,
        begin_p50_us: at(50).unwrap_or(0),
        begin_p99_us: at(99).unwrap_or(0),
        messages,
        messages_per_task: messages as f64 / done.max(1) as f64,
        ignored: space.agreed().ignored.total(),
        rejected,
        trace: Digest::of(status.position.to_string().as_bytes()).to_string(),
        seed: trial.seed,
    })
}
