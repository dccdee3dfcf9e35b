//! What is left undone when the one that all depend on is killed, and how soon a silent owner is replaced.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use colony_agents::protocol::{Coordination, Millis};
use colony_agents::ready::{Assigned, Client, Conductor, Role, Shift, ShiftOptions};
use colony_bus::{Bus, Query};
use colony_core::Timestamp;
use futures_util::TryStreamExt as _;

use super::super::server::{Server, Servers, space};
use super::super::{Effort, Row, raw};
use super::claims::audit;
use super::redis::{LOCK_MS, Redis, work};
use super::{LIMIT, SILENT, agent, boxed, crew, join, plan, stopped, worker};
use crate::failure::Failure;

const AGENTS: usize = 20;
/// Nothing more comes of it after so long a silence.
const QUIET: Duration = Duration::from_secs(3);

pub(super) async fn measure(effort: Effort) -> Result<Vec<Row>, Failure> {
    let tasks = effort.of(4_000);
    let mut servers = Servers::start(true).await?;
    let server = &servers.usual;
    let description = server.bus(&space("kills", 0), "bench").await?.description().clone();
    let row = |name, ours, raw, unit| Row::new(name, unit, ours, raw, &description);
    let mut rows = vec![
        row(
            "replaced_after_silence",
            silence(server).await?,
            redis_silence().await?,
            "ms past the claim's time",
        ),
        row(
            "left_after_leader_kill",
            led(server, "kill-client", boxed(Client { plan: plan(tasks) }), tasks, false).await?,
            Some(
                led(
                    server,
                    "kill-conductor",
                    boxed(Conductor::new(plan(tasks), SILENT)),
                    tasks,
                    true,
                )
                .await?,
            ),
            "tasks",
        ),
    ];
    let left = server_kill(&mut servers.usual, tasks).await?;
    rows.push(row("left_after_server_kill", left, redis_kill(tasks).await?, "tasks"));
    servers.stop().await?;
    Ok(rows)
}

async fn workers(
    server: &Server,
    name: &str,
    assigned: bool,
    takes: Millis,
) -> Result<(Shift, Bus), Failure> {
    let role = || -> Box<dyn Role> {
        let worker = worker(SILENT, takes);
        if assigned { boxed(Assigned { worker }) } else { boxed(worker) }
    };
    crew(server, &space(name, 0), (0..AGENTS).map(|_| role()).collect()).await
}

/// Kills the leader when a quarter is done; how many tasks are left in the end.
async fn led(
    server: &Server,
    name: &str,
    leader: Box<dyn Role>,
    tasks: usize,
    assigned: bool,
) -> Result<f64, Failure> {
    let (shift, _) = workers(server, name, assigned, Millis::new(5)).await?;
    let leading = join(server, &space(name, 0), ["leader".to_owned()]).await?.remove(0);
    let led = Shift::start(leading.clone(), vec![(leading, leader)], ShiftOptions::default()).await;
    let led = led.map_err(stopped)?;
    tokio::time::timeout(LIMIT, shift.delivered((tasks / 4) as u64)).await.map_err(raw)?;
    drop(led);
    let done = settled(&shift, tasks as u64).await;
    shift.stop().await.map_err(stopped)?;
    Ok(tasks as f64 - done as f64)
}

/// Waits until all is done, or nothing was for a while.
async fn settled(shift: &Shift, tasks: u64) -> u64 {
    let mut seen = (shift.status().deliveries, Instant::now());
    while seen.0 < tasks && seen.1.elapsed() < QUIET {
        drop(tokio::time::timeout(QUIET, shift.delivered(seen.0 + 1)).await);
        let deliveries = shift.status().deliveries;
        if deliveries > seen.0 {
            seen = (deliveries, Instant::now());
        }
    }
    seen.0
}

/// Kills the server with -9 half-way and starts it again; how many tasks had not one worker and one result in the end.
async fn server_kill(server: &mut Server, tasks: usize) -> Result<f64, Failure> {
    let name = "kill-server";
    let (shift, reader) = workers(server, name, false, Millis::new(5)).await?;
    let leading = join(server, &space(name, 0), ["leader".to_owned()]).await?.remove(0);
    let client = boxed(Client { plan: plan(tasks) });
    let led = Shift::start(leading.clone(), vec![(leading, client)], ShiftOptions::default()).await;
    let led = led.map_err(stopped)?;
    tokio::time::timeout(LIMIT, shift.delivered((tasks / 2) as u64)).await.map_err(raw)?;
    server.kill_and_restart().await?;
    tokio::time::timeout(LIMIT, shift.delivered(tasks as u64)).await.map_err(raw)?;
    drop(led);
    shift.stop().await.map_err(stopped)?;
    let (_, wrong) = audit(&reader, tasks).await?;
    Ok(wrong as f64)
}

/// Milliseconds from the end of a silent owner's time to its replacement.
async fn silence(server: &Server) -> Result<f64, Failure> {
    let space = space("silence", 0);
    let claim = Millis::from_secs(2);
    let mut buses = join(server, &space, ["silent", "other", "client"].map(str::to_owned)).await?;
    let (client, other, silent) = (buses.remove(2), buses.remove(1), buses.remove(0));
    let holder = vec![(silent.clone(), boxed(worker(claim, Millis::from_secs(600))))];
    let holder = Shift::start(silent, holder, ShiftOptions::default()).await.map_err(stopped)?;
    let offer = vec![(client.clone(), boxed(Client { plan: plan(1) }))];
    let offering =
        Shift::start(client.clone(), offer, ShiftOptions::default()).await.map_err(stopped)?;
    let mut status = holder.watch();
    let held = status.wait_for(|status| status.working == 1);
    tokio::time::timeout(LIMIT, held).await.map_err(raw)?.map_err(raw)?;
    drop(holder);
    let heir = vec![(other.clone(), boxed(worker(claim, Millis::new(0))))];
    let heir = Shift::start(other, heir, ShiftOptions::default()).await.map_err(stopped)?;
    tokio::time::timeout(LIMIT, offering.delivered(1)).await.map_err(raw)?;
    heir.stop().await.map_err(stopped)?;
    offering.stop().await.map_err(stopped)?;
    let mut state = colony_agents::protocol::CoordinationState::default();
    let mut entries =
        client.read(Query { filter: Coordination::filter(), ..Query::default() }).await?;
    let mut until: Option<Timestamp> = None;
    while let Some(entry) = entries.try_next().await? {
        let before = state.tasks.iter().find_map(|(_, task)| task.hold().map(|hold| hold.until));
        until = before.or(until);
        state.evolve(&entry);
        if entry.event().author == agent("other") && entry.event().ty.as_str() == "task.claimed" {
            let past = until.map(|until| entry.recorded.as_nanos() - until.as_nanos());
            return Ok(past.unwrap_or(0) as f64 / 1e6);
        }
    }
    Err(raw("nobody took over"))
}

/// The same with a lock: whoever wants it asks every 100 ms, as a crew looks at the time.
async fn redis_silence() -> Result<Option<f64>, Failure> {
    let Some(redis) = Redis::start().await? else { return Ok(None) };
    let mut holder = redis.connect().await.map_err(raw)?;
    let mut other = redis.connect().await.map_err(raw)?;
    let px = LOCK_MS.to_string();
    holder.command(&["SET", "lock", "silent", "NX", "PX", &px]).await.map_err(raw)?;
    let end = Instant::now() + Duration::from_millis(LOCK_MS);
    drop(holder);
    while other.command(&["SET", "lock", "other", "NX", "PX", &px]).await.map_err(raw)?.is_none() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(Some(end.elapsed().as_secs_f64() * 1e3))
}

/// Kills the lock server half-way; how many tasks are left.
async fn redis_kill(tasks: usize) -> Result<Option<f64>, Failure> {
    let Some(mut redis) = Redis::start().await? else { return Ok(None) };
    let done = Arc::new(AtomicUsize::new(0));
    let mut agents = Vec::new();
    for number in 0..AGENTS {
        let connection = redis.connect().await.map_err(raw)?;
        agents.push(tokio::spawn(work(connection, number, AGENTS, tasks, Arc::clone(&done))));
    }
    while done.load(std::sync::atomic::Ordering::Relaxed) < tasks / 2 {
        tokio::task::yield_now().await;
    }
    redis.kill().await?;
    for agent in agents {
        // Each ends with the connection.
        drop(agent.await);
    }
    Ok(Some((tasks - done.load(std::sync::atomic::Ordering::Relaxed)) as f64))
}
