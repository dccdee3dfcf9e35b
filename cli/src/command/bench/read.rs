//! Reading from the beginning: opened entries of the bus, and bare messages of the raw client.

use std::collections::VecDeque;
use std::time::Instant;

use async_nats::jetstream::consumer::pull;
use colony_bus::{Bus, Published, Query};
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
    fill(&bus, effort.of(200_000)).await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        ours.push(opened(&bus).await?);
        theirs.push(bare(server, &space).await?);
    }
    let raw = Some(median(&mut theirs));
    let ours = median(&mut ours);
    Ok(vec![Row::new("read_and_decode", "entries/s", ours, raw, bus.description())])
}

/// Appends many events.
pub(super) async fn fill(bus: &Bus, appends: usize) -> Result<(), Failure> {
    let mut tickets: VecDeque<Published> = VecDeque::new();
    for _ in 0..appends {
        tickets.push_back(bus.publish(draft()).await?);
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

async fn bare(server: &Server, space: &colony_core::SpaceName) -> Result<f64, Failure> {
    let (context, _) = server.raw(space).await?;
    let start = Instant::now();
    let stream = context.get_stream_no_info(format!("COLONY_{space}")).await.map_err(raw)?;
    let consumer = stream.create_consumer(pull::OrderedConfig::default()).await.map_err(raw)?;
    let mut messages = consumer.messages().await.map_err(raw)?;
    let mut count = 0_u64;
    while let Some(message) = messages.next().await {
        let message = message.map_err(raw)?;
        count += 1;
        if message.info().map_err(raw)?.pending == 0 {
            break;
        }
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}
