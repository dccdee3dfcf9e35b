//! The same tasks, claimed by 10, 100 and 1,000 agents: beside a Redis lock and a central conductor in the same run.

use std::collections::BTreeMap;
use std::time::Instant;

use colony_agents::protocol::{Coordination, Millis, Outcome};
use colony_agents::ready::{Assigned, Conductor, Shift, ShiftOptions, Space};
use colony_bus::{Bus, Query};
use colony_core::SpaceName;
use futures_util::TryStreamExt as _;

use super::super::server::{Server, space};
use super::super::{Effort, Row, median, raw};
use super::locked::Trying;
use super::redis::Redis;
use super::{LIMIT, SILENT, boxed, crew, decision, join, locked, plan, stopped, worker};
use crate::failure::Failure;

/// How many agents, and what their rows are called.
const SIZES: [(usize, [&str; 6]); 3] = [
    (
        10,
        [
            "claims_10_agents_vs_redis_lock_in_order",
            "claims_10_agents_vs_redis_lock",
            "claims_10_agents_vs_bare_redis_lock",
            "claims_10_agents_vs_conductor",
            "messages_per_task_10_agents",
            "claims_10_agents_wrong",
        ],
    ),
    (
        100,
        [
            "claims_100_agents_vs_redis_lock_in_order",
            "claims_100_agents_vs_redis_lock",
            "claims_100_agents_vs_bare_redis_lock",
            "claims_100_agents_vs_conductor",
            "messages_per_task_100_agents",
            "claims_100_agents_wrong",
        ],
    ),
    (
        1_000,
        [
            "claims_1000_agents_vs_redis_lock_in_order",
            "claims_1000_agents_vs_redis_lock",
            "claims_1000_agents_vs_bare_redis_lock",
            "claims_1000_agents_vs_conductor",
            "messages_per_task_1000_agents",
            "claims_1000_agents_wrong",
        ],
    ),
];
/// Tasks of each run.
const TASKS: usize = 10_000;

/// What came of a run.
struct Run {
    tasks_per_s: f64,
    messages_per_task: f64,
    /// Tasks with two workers, and tasks without a result.
    wrong: usize,
}

pub(super) async fn measure(server: &Server, effort: Effort) -> Result<Vec<Row>, Failure> {
    let tasks = effort.of(TASKS);
    let redis = Redis::start().await?;
    let mut rows = Vec::new();
    for (agents, [in_order, anywhere, beside_bare, beside_conductor, messages, wrong]) in SIZES {
        let (mut ours, mut conducted) = (Vec::new(), Vec::new());
        let mut locked = [(Trying::InOrder, "in-order"), (Trying::Anywhere, "anywhere")]
            .map(|(trying, name)| (trying, name, Vec::new()));
        let mut bare = Vec::new();
        let (mut per_task, mut bad) = (0.0_f64, 0);
        let mut description = None;
        for round in 0..effort.rounds {
            let run =
                claimed(server, &space(&format!("claims-{agents}"), round), agents, tasks).await?;
            ours.push(run.tasks_per_s);
            per_task = per_task.max(run.messages_per_task);
            bad += run.wrong;
            if let Some(redis) = &redis {
                for (trying, name, rates) in &mut locked {
                    let space = space(&format!("locked-{name}-{agents}"), round);
                    // A thousand that meet at each task would take minutes for all.
                    let tasks = match trying {
                        Trying::InOrder => tasks.min(tasks * 100 / agents),
                        Trying::Anywhere => tasks,
                    };
                    let agents = (agents, *trying);
                    rates.push(locked::run(server, redis, &space, agents, tasks).await?);
                }
                bare.push(redis.work(agents, tasks).await?);
            }
            let space = space(&format!("led-{agents}"), round);
            conducted.push(conducted_by_one(server, &space, agents, tasks).await?);
            description = Some(server.bus(&space, "bench").await?.description().clone());
        }
        let Some(description) = description else { continue };
        let row = |name, ours, raw, unit| Row::new(name, unit, ours, raw, &description);
        let ours = median(&mut ours);
        let unit = match &redis {
            Some(_) => "tasks/s",
            None => "tasks/s (no redis-server on PATH)",
        };
        let [(_, _, first), (_, _, second)] = locked;
        for (name, mut beside) in [(in_order, first), (anywhere, second), (beside_bare, bare)] {
            let beside = redis.as_ref().map(|_| median(&mut beside));
            rows.push(row(name, ours, beside, unit));
        }
        rows.push(row(beside_conductor, ours, Some(median(&mut conducted)), "tasks/s"));
        rows.push(row(messages, per_task, None, "events"));
        rows.push(row(wrong, bad as f64, None, "tasks"));
    }
    Ok(rows)
}

/// Lets agents claim tasks until all are done. Who offers them only offers, as beside the lock.
async fn claimed(
    server: &Server,
    space: &SpaceName,
    agents: usize,
    tasks: usize,
) -> Result<Run, Failure> {
    let members = (0..agents).map(|_| boxed(worker(SILENT, Millis::new(0)))).collect();
    let (shift, reader) = crew(server, space, members).await?;
    let client = join(server, space, ["client".to_owned()]).await?.remove(0);
    let begin = Instant::now();
    decision::offer(&client, tasks).await?;
    let seconds = end(shift, tasks, begin).await?;
    let (messages, wrong) = audit(&reader, tasks).await?;
    Ok(Run {
        tasks_per_s: tasks as f64 / seconds,
        messages_per_task: messages as f64 / tasks as f64,
        wrong,
    })
}

/// Lets a conductor hand tasks out until all are done.
async fn conducted_by_one(
    server: &Server,
    space: &SpaceName,
    agents: usize,
    tasks: usize,
) -> Result<f64, Failure> {
    let assigned = || boxed(Assigned { worker: worker(SILENT, Millis::new(0)) });
    let (shift, _) = crew(server, space, (0..agents).map(|_| assigned()).collect()).await?;
    let leading = join(server, space, ["leader".to_owned()]).await?.remove(0);
    let begin = Instant::now();
    let members = vec![(leading.clone(), boxed(Conductor::new(plan(tasks), SILENT)))];
    let led = Shift::start(leading, members, ShiftOptions::default()).await.map_err(stopped)?;
    let seconds = end(shift, tasks, begin).await?;
    led.stop().await.map_err(stopped)?;
    Ok(tasks as f64 / seconds)
}

/// Waits until all is delivered; the seconds since the beginning.
async fn end(shift: Shift, tasks: usize, begin: Instant) -> Result<f64, Failure> {
    let late = |_| raw("the tasks were not done in time");
    tokio::time::timeout(LIMIT, shift.delivered(tasks as u64)).await.map_err(late)?;
    let seconds = begin.elapsed().as_secs_f64();
    shift.stop().await.map_err(stopped)?;
    Ok(seconds)
}

/// Reads what happened: how many events there are, and how many tasks had not exactly one worker and one result.
pub(super) async fn audit(reader: &Bus, tasks: usize) -> Result<(usize, usize), Failure> {
    let query = Query { filter: Coordination::filter(), ..Query::default() };
    let mut entries = reader.read(query).await?;
    let (mut space, mut messages) = (Space::default(), 0);
    let mut claims: BTreeMap<_, (u32, u32)> = BTreeMap::new();
    while let Some(entry) = entries.try_next().await? {
        messages += 1;
        let applied = space.evolve(&entry) == Outcome::Applied;
        let Some(task) = entry.event().entity.clone().filter(|_| applied) else { continue };
        match entry.event().ty.as_str() {
            "task.claimed" => claims.entry(task).or_default().0 += 1,
            "task.done" => claims.entry(task).or_default().1 += 1,
            _ => {}
        }
    }
    let right = claims.values().filter(|counts| **counts == (1, 1)).count();
    Ok((messages, tasks.saturating_sub(right)))
}
