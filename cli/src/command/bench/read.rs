//! Reading from the beginning: opened entries of the bus, and bare messages of the raw client.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::pull;
use colony_bus::{Bus, Draft, Published, Query};
use colony_core::SpaceName;
use futures_util::StreamExt as _;

use super::append::draft;
use super::server::{Server, Servers, space};
use super::{Effort, Row, median, raw};
use crate::failure::Failure;

/// Tickets kept open while the log is filled.
const TICKETS: usize = 1_024;

pub(super) async fn measure(servers: &Servers, effort: Effort) -> Result<Vec<Row>, Failure> {
    let server = &servers.usual;
    let space = space("read_and_decode", 0);
    let bus = server.bus(&space, "bench").await?;
    fill(&bus, effort.of(200_000), |_| draft()).await?;
    let tail = bus.tail().await?.get();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        ours.push(opened(&bus).await?);
        theirs.push(tail as f64 / bare(server, &space, tail).await?.as_secs_f64());
    }
    let raw = Some(median(&mut theirs));
    let ours = median(&mut ours);
    Ok(vec![Row::new("read_and_decode", "entries/s", ours, raw, bus.description())])
}

/// Appends many events, made from their number.
pub(super) async fn fill(
    bus: &Bus,
    appends: usize,
    make: impl Fn(usize) -> Draft,
) -> Result<(), Failure> {
    let mut tickets: VecDeque<Published> = VecDeque::new();
    for number in 0..appends {
        tickets.push_back(bus.publish(make(number)).await?);
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

async fn opened(bus: &Bus) -> Result<f64, Failure> {
    let start = Instant::now();
    let mut entries = bus.read(Query::default()).await?;
    let mut count = 0_u64;
    while let Some(entry) = entries.next().await {
        entry?;
        count += 1;
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

/// Reads up to a position with the raw client alone, and returns how long that took.
pub(super) async fn bare(
    server: &Server,
    space: &SpaceName,
    until: u64,
) -> Result<Duration, Failure> {
    let (context, _) = server.raw(space).await?;
    let start = Instant::now();
    let stream = context.get_stream_no_info(format!("COLONY_{space}")).await.map_err(raw)?;
    let consumer = stream.create_consumer(pull::OrderedConfig::default()).await.map_err(raw)?;
    let mut messages = consumer.messages().await.map_err(raw)?;
    while let Some(message) = messages.next().await {
        let message = message.map_err(raw)?;
        if message.info().map_err(raw)?.stream_sequence >= until {
            break;
        }
    }
    Ok(start.elapsed())
}
