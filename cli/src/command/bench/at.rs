//! Everything as it stood at a cut: `colony at` as a process of its own, and with the raw client alone reading the log up
//! to there.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use async_nats::jetstream::consumer::pull;
use colony_bus::{Bus, Published};
use colony_core::SpaceName;
use futures_util::StreamExt as _;
use tokio::process::Command;

use super::append::draft;
use super::server::{Server, Servers, space};
use super::{BenchError, Effort, Row, median, raw};
use crate::failure::Failure;

/// Events in the log: each about an entity of its own, so that the state grows with the log.
const EVENTS: usize = 1_000_000;
/// Cuts of each round.
const CUTS: u64 = 3;
/// Tickets kept open while the log is filled.
const TICKETS: usize = 1_024;

pub(super) async fn measure(servers: &Servers, effort: Effort) -> Result<Vec<Row>, Failure> {
    let server = &servers.usual;
    let space = space("at", 0);
    let bus = server.bus(&space, "bench").await?;
    let events = effort.of(EVENTS);
    fill(&bus, events).await?;
    let tail = bus.tail().await?.get();
    let cache = tempfile::tempdir().map_err(Failure::file(std::env::temp_dir(), "written"))?;
    let first = at(server, &space, tail, cache.path()).await?;
    let whole = read_up_to(server, &space, tail).await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let random = RandomState::new();
    for number in 0..effort.rounds as u64 * CUTS {
        let cut = 1 + random.hash_one(number) % tail;
        ours.push(at(server, &space, cut, cache.path()).await?);
        theirs.push(read_up_to(server, &space, cut).await?);
    }
    let (ours, theirs) = (median(&mut ours), Some(median(&mut theirs)));
    let about = bus.description();
    Ok(vec![
        Row::new("at_first_time", "ms", first, Some(whole), about),
        Row::new("at_random_cut", "ms", ours, theirs, about),
    ])
}

async fn fill(bus: &Bus, events: usize) -> Result<(), Failure> {
    let mut tickets: VecDeque<Published> = VecDeque::new();
    for number in 0..events {
        #[expect(clippy::unwrap_used, reason = "a number is a name")]
        let entity = format!("entity {number}").parse().unwrap();
        tickets.push_back(bus.publish(draft().about(entity)).await?);
        if tickets.len() > TICKETS
            && let Some(oldest) = tickets.pop_front()
        {
            oldest.await?;
        }
    }
    for ticket in tickets {
        ticket.await?;
    }
    Ok(())
}

/// Runs `colony at` from start to end and returns how long it took, in milliseconds.
async fn at(server: &Server, space: &SpaceName, cut: u64, cache: &Path) -> Result<f64, Failure> {
    let process = |error: std::io::Error| BenchError::Process(error.to_string());
    let program = std::env::current_exe().map_err(process)?;
    let mut command = Command::new(program);
    command.args(["at", &cut.to_string(), "--space", space.as_str(), "--server", &server.url()]);
    command.env("COLONY_CACHE_DIR", cache).stdin(Stdio::null()).stdout(Stdio::null());
    let start = Instant::now();
    let status = command.kill_on_drop(true).status().await.map_err(process)?;
    let elapsed = start.elapsed();
    if !status.success() {
        return Err(BenchError::Process(format!("colony at ended with {status}")).into());
    }
    Ok(elapsed.as_secs_f64() * 1e3)
}

async fn read_up_to(server: &Server, space: &SpaceName, cut: u64) -> Result<f64, Failure> {
    let (context, _) = server.raw(space).await?;
    let start = Instant::now();
    let stream = context.get_stream_no_info(format!("COLONY_{space}")).await.map_err(raw)?;
    let consumer = stream.create_consumer(pull::OrderedConfig::default()).await.map_err(raw)?;
    let mut messages = consumer.messages().await.map_err(raw)?;
    while let Some(message) = messages.next().await {
        let message = message.map_err(raw)?;
        if message.info().map_err(raw)?.stream_sequence >= cut {
            break;
        }
    }
    Ok(start.elapsed().as_secs_f64() * 1e3)
}
