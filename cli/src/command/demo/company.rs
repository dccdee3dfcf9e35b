//! The second act: a company without a manager, in a space of its own.
//!
//! A client offers tasks, ten bidders and three workers do them, a conductor hands some of them out and is killed half-way; a contract is
//! broken and arbitrated; work is passed on over two hops. Then the log says what all of that cost.

use std::collections::BTreeMap;

use colony_agents::Desk;
use colony_agents::protocol::task::Phase;
use colony_agents::protocol::tax::{Clock, Meter, Purpose};
use colony_agents::protocol::{CoordinationState, Outcome};
use colony_bus::{Bus, Checkpoints, Draft, EntryError, Query};
use colony_core::Position;
use futures_util::StreamExt as _;
use indicatif::ProgressBar;
use serde::Serialize;
use tokio::process::Child;

use super::cast::{Stage, failed, finished, kill};
use super::{COMPANY, DemoError, constant, event_type, options_in};
use crate::failure::Failure;
use crate::progress;

pub(super) mod member;
mod scenes;

/// How many bidders there are, each a process.
const BIDDERS: usize = 10;
/// Tasks that bidders bid for.
const BID_TASKS: usize = 900;
/// Tasks that the conductor hands out to workers.
const CONDUCTED_TASKS: usize = 100;
/// Tasks of the conductor after which it is killed.
const KILLED_AFTER: usize = 30;
/// What everybody stops at.
const CLOSED: &str = "company.closed";

/// What came of the act, and what coordination cost. Part of the fields of `--json`.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Company {
    /// Tasks done, and how many there are.
    pub(super) tasks: usize,
    pub(super) tasks_expected: usize,
    /// Deliveries of tasks that had been delivered before, and had an effect.
    pub(super) done_twice: usize,
    /// Tasks that somebody did while the conductor was dead.
    pub(super) done_without_conductor: usize,
    /// How the contract ended, and whether its stakes add up to what was issued.
    pub(super) contract: String,
    pub(super) ledger_adds_up: bool,
    /// Steps from the result of the work that was passed on twice back to its beginning, and whether the reasons stand there.
    pub(super) handoff_steps: usize,
    pub(super) reasons_found: bool,
    /// The result of that work, for `why`.
    pub(super) handoff_result: String,
    /// Entries that are work, and entries that coordinate.
    pub(super) entries_work: u64,
    pub(super) entries_coordination: u64,
    /// Coordinating entries for each task.
    pub(super) messages_per_task: f64,
    /// Time that agents waited for each other, all waits added up.
    pub(super) waited_s: f64,
    /// Pairs of agents that spoke to each other, and how many pairs there are.
    pub(super) channels_used: u64,
    pub(super) channels_possible: u64,
    pub(super) elapsed_s: f64,
}

impl Company {
    /// Returns whether everything that was promised is true.
    pub(super) fn holds(&self) -> bool {
        self.tasks == self.tasks_expected
            && self.done_twice == 0
            && self.contract == "supplier-at-fault"
            && self.ledger_adds_up
            && self.reasons_found
    }
}

/// Plays the act.
pub(super) async fn perform(stage: &Stage) -> Result<Company, Failure> {
    let start = std::time::Instant::now();
    let bus = Bus::connect(options_in(COMPANY, "stage", stage.server())).await?;
    let mut desk = Desk::open(bus, &Checkpoints::none()).await?;
    let mut members = Vec::new();
    for number in 0..BIDDERS {
        members.push(stage.member(&["bidder", "--number", &number.to_string()])?);
    }
    for role in ["workers", "arbiters", "client"] {
        members.push(stage.member(&[role])?);
    }
    let bar = progress::count(Some((BID_TASKS + CONDUCTED_TASKS) as u64), stage.json(), "tasks");
    let mut conductor = stage.member(&["conductor"])?;
    tokio::select! {
        reached = until(&mut desk, &bar, |done| done.conducted >= KILLED_AFTER) => reached?,
        failure = any_failed(&mut members) => return Err(failure),
    };
    kill(&mut conductor).await?;
    let before = Done::of(&desk);
    // The others go on without it: until they have done as much again, or all that there is.
    let goal = (before.bid + KILLED_AFTER).min(BID_TASKS);
    tokio::select! {
        reached = until(&mut desk, &bar, |done| done.bid >= goal) => reached?,
        failure = any_failed(&mut members) => return Err(failure),
    };
    let without = Done::of(&desk);
    let conductor = stage.member(&["conductor"])?;
    members.push(conductor);
    let all = Done { bid: BID_TASKS, conducted: CONDUCTED_TASKS };
    let scenes = async {
        let contract = scenes::contract(stage).await?;
        let handoff = scenes::handoff(stage).await?;
        until(&mut desk, &bar, |done| done == all).await?;
        Ok::<_, Failure>((contract, handoff))
    };
    let (contract, handoff) = tokio::select! {
        played = scenes => played?,
        failure = any_failed(&mut members) => return Err(failure),
    };
    desk.append([Draft::new(event_type(CLOSED))]).await.map_err(DemoError::Desk)?;
    for member in members {
        finished(member, "member of the company").await?;
    }
    bar.finish_and_clear();
    desk.catch_up().await?;
    let mut company = measured(&desk).await?;
    company.tasks = Done::of(&desk).all();
    company.tasks_expected = all.all();
    company.done_without_conductor = without.all().saturating_sub(before.all());
    company.contract = contract.ending;
    company.ledger_adds_up = contract.adds_up;
    company.handoff_steps = handoff.steps;
    company.reasons_found = handoff.reasons_found;
    company.handoff_result = handoff.result;
    company.elapsed_s = start.elapsed().as_secs_f64();
    Ok(company)
}

/// How many tasks are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Done {
    bid: usize,
    conducted: usize,
}

impl Done {
    fn of(desk: &Desk) -> Self {
        let done = desk.state().tasks.iter().filter(|(_, task)| match task.phase {
            Phase::Done(_) | Phase::Verified(_) => true,
            Phase::Free { .. }
            | Phase::Bidding(_)
            | Phase::Unawarded { .. }
            | Phase::Held(_)
            | Phase::Cancelled { .. } => false,
        });
        let (conducted, bid): (Vec<_>, Vec<_>) =
            done.partition(|(name, _)| name.as_str().starts_with(member::CONDUCTED));
        Self { bid: bid.len(), conducted: conducted.len() }
    }

    fn all(self) -> usize {
        self.bid + self.conducted
    }
}

/// Follows the log until enough is done.
async fn until(
    desk: &mut Desk,
    bar: &ProgressBar,
    enough: impl Fn(Done) -> bool,
) -> Result<(), Failure> {
    let mut looked = Position::ZERO;
    loop {
        // Counting takes longer than reading an entry.
        if desk.position().get() >= looked.get() + 50 || desk.bus().tail().await? <= desk.position()
        {
            looked = desk.position();
            let done = Done::of(desk);
            bar.set_position(done.all() as u64);
            if enough(done) {
                return Ok(());
            }
        }
        desk.next().await?;
    }
}

/// Resolves when a member ends with an error.
async fn any_failed(members: &mut [Child]) -> Failure {
    let all = members.iter_mut().map(|member| Box::pin(failed(member, "member of the company")));
    futures_util::future::select_all(all).await.0
}

/// Reads what the log cost.
async fn measured(desk: &Desk) -> Result<Company, Failure> {
    let mut meter = Meter::new(Clock::Recorded);
    let mut space = CoordinationState::default();
    let mut delivered: BTreeMap<String, usize> = BTreeMap::new();
    let mut entries = desk.bus().read(Query::default()).await?;
    while let Some(entry) = entries.next().await {
        let entry = match entry {
            Ok(entry) => entry,
            Err(EntryError::Unreadable { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        meter.take(&entry);
        let outcome = space.evolve(&entry);
        if entry.event().ty.as_str() == "task.done"
            && outcome == Outcome::Applied
            && let Some(task) = &entry.event().entity
        {
            *delivered.entry(task.to_string()).or_default() += 1;
        }
    }
    let report = meter.report();
    let all: u64 = report.purposes.values().map(|amount| amount.entries).sum();
    let work = report.amount(Purpose::Work).entries;
    Ok(Company {
        done_twice: delivered.values().map(|times| times - 1).sum(),
        entries_work: work,
        entries_coordination: all - work,
        messages_per_task: report.messages_per_task_milli() as f64 / 1e3,
        waited_s: report.waited().get() as f64 / 1e3,
        channels_used: report.channels.used,
        channels_possible: report.channels.possible,
        ..Company::default()
    })
}

/// Joins the company's space as an agent.
async fn join(stage: &Stage, agent: &str) -> Result<Desk, Failure> {
    let bus = Bus::connect(options_in(COMPANY, agent, stage.server())).await?;
    Ok(Desk::open(bus, &Checkpoints::none()).await?)
}

fn entity(name: &str) -> colony_core::EntityName {
    constant(name)
}
