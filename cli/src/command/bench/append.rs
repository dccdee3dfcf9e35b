//! Appending events of 256 bytes: through the bus, and with the raw client.

use std::collections::VecDeque;
use std::time::Instant;

use async_nats::jetstream;
use bytes::Bytes;
use colony_bus::{Bus, Draft};
use colony_core::Data;

use super::server::{Server, Servers, space};
use super::{Effort, Row, median, raw};
use crate::failure::Failure;

/// What the data of one event weighs.
pub(super) const DATA_BYTES: usize = 256;
/// Publishes of the raw client in flight: the number that serves it best.
const RAW_WINDOW: usize = 256;

pub(super) async fn measure(servers: &Servers, effort: Effort) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    let many = [
        (
            ["append_64_callers", "append_64_callers_vs_raw_callers"],
            &servers.usual,
            64,
            effort.of(100_000),
        ),
        (
            ["append_256_callers", "append_256_callers_vs_raw_callers"],
            &servers.usual,
            256,
            effort.of(100_000),
        ),
        (
            ["append_64_callers_sync_always", "append_64_callers_sync_always_vs_raw_callers"],
            &servers.synced,
            64,
            effort.of(5_000),
        ),
        (
            ["append_256_callers_sync_always", "append_256_callers_sync_always_vs_raw_callers"],
            &servers.synced,
            256,
            effort.of(10_000),
        ),
    ];
    for ([name, beside], server, concurrent, appends) in many {
        let (mut ours, mut theirs, mut alike) = (Vec::new(), Vec::new(), Vec::new());
        let mut description = None;
        for round in 0..effort.rounds {
            let space = space(name, round);
            let bus = server.bus(&space, "bench").await?;
            ours.push(callers(&bus, concurrent, appends).await?);
            theirs.push(raw_pipelined(server, &space, appends).await?);
            alike.push(raw_callers(server, &space, concurrent, appends).await?);
            description = Some(bus.description().clone());
        }
        let Some(description) = description else { continue };
        let ours = median(&mut ours);
        for (name, mut raw) in [(name, theirs), (beside, alike)] {
            let raw = Some(median(&mut raw));
            rows.push(Row::new(name, "appends/s", ours, raw, &description));
        }
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let space = space("append_one_caller_p50", 0);
    let bus = servers.usual.bus(&space, "bench").await?;
    for _ in 0..effort.rounds {
        ours.push(one(&bus, effort.of(3_000)).await?);
        theirs.push(raw_one(&servers.usual, &space, effort.of(3_000)).await?);
    }
    let raw = Some(median(&mut theirs));
    let row = Row::new("append_one_caller_p50", "us", median(&mut ours), raw, bus.description());
    rows.push(row);
    Ok(rows)
}

pub(super) fn draft() -> Draft {
    #[expect(clippy::unwrap_used, reason = "a constant that is a type")]
    let draft = Draft::new("bench.appended".parse().unwrap());
    draft.data(data())
}

pub(super) fn data() -> Data {
    Data::Binary { bytes: vec![7; DATA_BYTES].into(), content_type: None }
}

/// Appends per second of many callers through the bus.
async fn callers(bus: &Bus, concurrent: usize, appends: usize) -> Result<f64, Failure> {
    bus.publish(draft()).await?.await?;
    let bus = bus.clone();
    side_by_side(concurrent, appends, move || {
        let bus = bus.clone();
        async move {
            bus.publish(draft()).await?.await?;
            Ok(())
        }
    })
    .await
}

/// Acknowledged publishes per second of the raw client.
async fn raw_pipelined(
    server: &Server,
    space: &colony_core::SpaceName,
    appends: usize,
) -> Result<f64, Failure> {
    let (context, subject) = server.raw(space).await?;
    let payload = Bytes::from(vec![7; DATA_BYTES]);
    let start = Instant::now();
    let mut window: VecDeque<jetstream::context::PublishAckFuture> = VecDeque::new();
    for _ in 0..appends {
        if window.len() >= RAW_WINDOW
            && let Some(oldest) = window.pop_front()
        {
            oldest.await.map_err(raw)?;
        }
        let ticket = context.publish(subject.clone(), payload.clone()).await;
        window.push_back(ticket.map_err(raw)?);
    }
    for ticket in window {
        ticket.await.map_err(raw)?;
    }
    Ok(appends as f64 / start.elapsed().as_secs_f64())
}

/// Acknowledged publishes per second of many callers of the raw client.
async fn raw_callers(
    server: &Server,
    space: &colony_core::SpaceName,
    concurrent: usize,
    appends: usize,
) -> Result<f64, Failure> {
    let (context, subject) = server.raw(space).await?;
    let payload = Bytes::from(vec![7; DATA_BYTES]);
    side_by_side(concurrent, appends, move || {
        let (context, subject, payload) = (context.clone(), subject.clone(), payload.clone());
        async move {
            context.publish(subject, payload).await.map_err(raw)?.await.map_err(raw)?;
            Ok(())
        }
    })
    .await
}

/// Appends per second of many callers, each of which awaits its own acknowledgement before it goes on.
async fn side_by_side<F: Future<Output = Result<(), Failure>> + Send>(
    concurrent: usize,
    appends: usize,
    append: impl Fn() -> F + Clone + Send + 'static,
) -> Result<f64, Failure> {
    let start = Instant::now();
    let tasks: Vec<_> = (0..concurrent)
        .map(|_| {
            let append = append.clone();
            tokio::spawn(async move {
                for _ in 0..appends / concurrent {
                    append().await?;
                }
                Ok::<_, Failure>(())
            })
        })
        .collect();
    for task in tasks {
        task.await.map_err(raw)??;
    }
    Ok((appends / concurrent * concurrent) as f64 / start.elapsed().as_secs_f64())
}

/// Median microseconds of an append by one caller.
async fn one(bus: &Bus, appends: usize) -> Result<f64, Failure> {
    let mut times = Vec::with_capacity(appends);
    for _ in 0..appends {
        let start = Instant::now();
        bus.publish(draft()).await?.await?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(&mut times))
}

/// Median microseconds of an acknowledged publish of the raw client.
async fn raw_one(
    server: &Server,
    space: &colony_core::SpaceName,
    appends: usize,
) -> Result<f64, Failure> {
    let (context, subject) = server.raw(space).await?;
    let payload = Bytes::from(vec![7; DATA_BYTES]);
    let mut times = Vec::with_capacity(appends);
    for _ in 0..appends {
        let start = Instant::now();
        let ticket = context.publish(subject.clone(), payload.clone()).await;
        ticket.map_err(raw)?.await.map_err(raw)?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(&mut times))
}
