//! Reacting to events: how long one reaction takes, how many a second, and what it costs to stand by, to verify and to start
//! again.

use std::sync::Arc;
use std::time::Instant;

use async_nats::jetstream;
use colony_agents::reactor::Limits;
use colony_agents::{Agent, Instance, InstanceOptions, VerifyRange, verify};
use colony_bus::{Bus, Query};
use colony_core::{Filter, Position, SpaceName};
use futures_util::StreamExt as _;
use futures_util::future::{select_all, try_join_all};

use super::memory::resident;
use super::server::{Cluster, Server, Servers, space};
use super::{BenchError, Effort, Row, median, raw as failed, read};
use crate::failure::Failure;

mod agents;
mod raw;

use agents::{Answerer, Counter, Times, asked, asked_filter};

/// Events of one caller, one after the other.
const ONE_BY_ONE: usize = 2_000;
/// Events that wait when an agent starts.
const BACKLOG: usize = 200_000;
/// Agents that work side by side, and the events that wait for each.
const AGENTS: usize = 16;
const BACKLOG_EACH: usize = 12_500;
/// Events behind an agent that is verified and started again.
const HISTORY: usize = 1_000_000;
/// The agent of most measurements.
const AGENT: &str = "answerer";

pub(super) async fn measure(servers: &Servers, effort: Effort) -> Result<Vec<Row>, Failure> {
    let one = &servers.usual;
    let alone = async |name, agent: &str| one.bus(&space(name, 0), agent).await;
    let pair = (alone("react_one", "asker").await?, alone("react_one", AGENT).await?);
    let raw = one.raw(&space("react_one", 0)).await?;
    let mut rows = vec![latency("react_one_output_p50", pair, raw, 1, effort).await?];
    let cluster = Cluster::start(servers).await?;
    for (name, short, outputs) in [
        ("react_one_output_three_servers_p50", "react_three_one", 1),
        ("react_three_outputs_three_servers_p50", "react_three_three", 3),
    ] {
        let space = space(short, 0);
        let pair = (cluster.bus(&space, "asker").await?, cluster.bus(&space, AGENT).await?);
        let raw = cluster.raw(&space).await?;
        rows.push(latency(name, pair, raw, outputs, effort).await?);
    }
    cluster.stop().await?;
    rows.extend(backlog(one, effort).await?);
    rows.extend(side_by_side(one, effort).await?);
    rows.extend(history(one, effort).await?);
    Ok(rows)
}

async fn start<A: Agent>(
    bus: Bus,
    agent: A,
    options: InstanceOptions,
) -> Result<Instance, Failure> {
    Ok(Instance::start(bus, agent, options).await.map_err(BenchError::Instance)?)
}

async fn stop(instance: Instance) -> Result<(), Failure> {
    Ok(instance.stop().await.map_err(BenchError::Instance)?)
}

/// Measures single reactions, from when the handler is given the event until everything is acknowledged, beside acknowledged
/// publishes of the raw client.
async fn latency(
    name: &'static str,
    (asker, answerer): (Bus, Bus),
    raw: (jetstream::Context, String),
    outputs: u64,
    effort: Effort,
) -> Result<Row, Failure> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let times = Times::default();
    let agent = Answerer { outputs, times: Some(times.clone()), ..Answerer::default() };
    let instance = start(answerer, agent, InstanceOptions::default()).await?;
    for _ in 0..effort.rounds {
        for _ in 0..effort.of(ONE_BY_ONE) {
            let position = asker.publish(asked(0)).await?.await?.position;
            instance.reacted_to(position).await;
            ours.extend(times.since(position));
        }
        theirs.push(raw::one_by_one(&raw, effort.of(ONE_BY_ONE)).await?);
    }
    stop(instance).await?;
    let raw = Some(median(&mut theirs));
    Ok(Row::new(name, "us", median(&mut ours), raw, asker.description()))
}

/// Measures how fast an agent works off what waits for it: alone, and with another instance that stands by.
async fn backlog(server: &Server, effort: Effort) -> Result<Vec<Row>, Failure> {
    let (mut alone, mut beside, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    let events = effort.of(BACKLOG);
    let about = server.bus(&space("react_backlog", 0), "asker").await?;
    for round in 0..effort.rounds {
        let space = space("react_backlog", round);
        let bus = server.bus(&space, "asker").await?;
        read::fill(&bus, events, |_| asked(0)).await?;
        let tail = bus.tail().await?;
        alone.push(events as f64 / work_off(server, &space, "alone", 1, tail).await?);
        theirs.push(raw::batches(&server.raw(&space).await?, events, unit()).await?);
        beside.push(events as f64 / work_off(server, &space, "beside", 2, tail).await?);
    }
    let (alone, about) = (median(&mut alone), about.description());
    let beside = median(&mut beside);
    Ok(vec![
        Row::new("react_backlog", "reactions/s", alone, Some(median(&mut theirs)), about),
        // Not a raw figure: the same agent without the other instance.
        Row::new("react_backlog_with_a_standby", "reactions/s", beside, Some(alone), about),
    ])
}

/// Entries of one unit of a lane.
fn unit() -> usize {
    Limits::default().unit_entries
}

/// Lets instances of an agent work off what stands up to a position; returns the seconds it took.
async fn work_off(
    server: &Server,
    space: &SpaceName,
    agent: &str,
    instances: usize,
    until: Position,
) -> Result<f64, Failure> {
    let mut running = Vec::new();
    let begun = Instant::now();
    for _ in 0..instances {
        let bus = server.bus(space, agent).await?;
        let answerer = Answerer::default();
        running.push(start(bus, answerer, InstanceOptions::default()).await?);
    }
    let through = running.iter().map(|instance| Box::pin(instance.reacted_to(until)));
    select_all(through).await;
    let took = begun.elapsed();
    for instance in running {
        stop(instance).await?;
    }
    Ok(took.as_secs_f64())
}

/// Measures agents that work off a backlog each, at the same time: beside as many raw writers of batches, and beside as many raw
/// clients that read what they answer.
async fn side_by_side(server: &Server, effort: Effort) -> Result<Vec<Row>, Failure> {
    let (mut ours, mut writing, mut answering) = (Vec::new(), Vec::new(), Vec::new());
    let events = effort.of(BACKLOG_EACH);
    let rate = |begun: Instant| (events * AGENTS) as f64 / begun.elapsed().as_secs_f64();
    let about = server.bus(&space("react_many", 0), "asker").await?;
    for round in 0..effort.rounds {
        let space = space("react_many", round);
        let bus = server.bus(&space, "asker").await?;
        read::fill(&bus, events * AGENTS, |number| asked(number % AGENTS)).await?;
        let tail = bus.tail().await?;
        let mut buses = Vec::new();
        for kind in 0..AGENTS {
            buses.push(server.bus(&space, &format!("{AGENT}-{kind}")).await?);
        }
        let begun = Instant::now();
        let starting = buses.into_iter().enumerate().map(|(kind, bus)| {
            start(bus, Answerer { kind, ..Answerer::default() }, InstanceOptions::default())
        });
        let running = try_join_all(starting).await?;
        for (kind, instance) in running.iter().enumerate() {
            // The last event of this kind stands a few positions before the end.
            let last = tail.get().saturating_sub((AGENTS - 1 - kind) as u64);
            instance.reacted_to(Position::new(last)).await;
        }
        ours.push(rate(begun));
        for instance in running {
            stop(instance).await?;
        }
        let mut clients = Vec::new();
        for _ in 0..AGENTS {
            clients.push(Arc::new(server.raw(&space).await?));
        }
        let begun = Instant::now();
        let write = clients.iter().map(Arc::clone);
        all(write.map(|raw| async move { raw::batches(&raw, events, unit()).await })).await?;
        writing.push(rate(begun));
        let stream = format!("COLONY_{space}");
        let begun = Instant::now();
        let answer = clients.iter().enumerate().map(|(kind, raw)| {
            let (raw, stream) = (Arc::clone(raw), stream.clone());
            let filter = asked_filter(kind).subjects(&space).remove(0);
            async move { raw::answers(&raw, (&stream, filter), events, unit()).await }
        });
        all(answer).await?;
        answering.push(rate(begun));
    }
    let (ours, about) = (median(&mut ours), about.description());
    let beside =
        |name, raw: &mut Vec<f64>| Row::new(name, "reactions/s", ours, Some(median(raw)), about);
    Ok(vec![
        beside("react_16_agents", &mut writing),
        beside("react_16_agents_vs_raw_answers", &mut answering),
    ])
}

/// Waits for all of them, each a task of its own.
async fn all<T: Send + 'static>(
    each: impl Iterator<Item = impl Future<Output = Result<T, Failure>> + Send + 'static>,
) -> Result<(), Failure> {
    for task in each.map(tokio::spawn).collect::<Vec<_>>() {
        task.await.map_err(failed)??;
    }
    Ok(())
}

/// Measures what an agent with a long history costs to verify and to start again, and the memory of this whole process once the
/// agent has reacted to all of it.
async fn history(server: &Server, effort: Effort) -> Result<Vec<Row>, Failure> {
    let space = space("react_history", 0);
    let asker = server.bus(&space, "asker").await?;
    let events = effort.of(HISTORY);
    read::fill(&asker, events, |_| asked(0)).await?;
    let tail = asker.tail().await?;
    let cache = tempfile::tempdir().map_err(Failure::file(std::env::temp_dir(), "written"))?;
    let options = InstanceOptions { cache: Some(cache.path().to_owned()), ..Default::default() };
    let counter = async || {
        let bus = server.bus(&space, "counter").await?;
        start(bus, Counter, options.clone()).await
    };
    let instance = counter().await?;
    instance.reacted_to(tail).await;
    let weight = resident() / 1e6;
    stop(instance).await?;
    let (mut verified, mut reading, mut starting) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        let begun = Instant::now();
        let bus = server.bus(&space, "counter").await?;
        let found = verify(&bus, Counter, VerifyRange::default()).await;
        let found = found.map_err(BenchError::Verify)?;
        if let Some(difference) = found.difference {
            let text = format!("a handler that did not change differs: {difference:?}");
            return Err(BenchError::Process(text).into());
        }
        verified.push(found.reactions as f64 / begun.elapsed().as_secs_f64());
        let begun = Instant::now();
        reading.push(count(&asker).await? as f64 / begun.elapsed().as_secs_f64());
        let begun = Instant::now();
        let instance = counter().await?;
        let next = asker.publish(asked(0)).await?.await?.position;
        instance.reacted_to(next).await;
        starting.push(begun.elapsed().as_secs_f64() * 1e3);
        stop(instance).await?;
    }
    let about = asker.description();
    let (verified, reading) = (median(&mut verified), Some(median(&mut reading)));
    Ok(vec![
        // Not a raw figure: reading and opening the same entries.
        Row::new("react_verify", "reactions/s", verified, reading, about),
        Row::new("react_restart", "ms", median(&mut starting), None, about),
        Row::new("react_memory", "MB", weight, None, about),
    ])
}

/// Reads and opens all events.
async fn count(bus: &Bus) -> Result<u64, Failure> {
    let query = Query { filter: Filter::events(), ..Query::default() };
    let mut entries = bus.read(query).await?;
    let mut count = 0;
    while let Some(entry) = entries.next().await {
        entry?;
        count += 1;
    }
    Ok(count)
}
