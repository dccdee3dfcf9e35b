//! Appending: through the bus, and with the raw client.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use async_nats::jetstream;
use colony_bus::{Bus, Draft};
use colony_core::Data;
use colony_core::event::Data as EventData;
use futures_util::future::try_join_all;

use super::{BenchError, Server, median, percentile};

/// What the data of one event weighs.
pub(super) const DATA_BYTES: usize = 256;
/// Window of the raw pipelined publish: the best one measured.
const RAW_WINDOW: usize = 256;
/// Concurrent callers of the bus.
const CALLERS: usize = 64;

fn data() -> EventData {
    Data::Binary { bytes: vec![7; DATA_BYTES].into(), content_type: None }
}

/// Appends per second of 64 callers, each awaiting its own acknowledgement.
pub(super) async fn callers(server: &Server, appends: usize) -> Result<f64, BenchError> {
    let bus = server.bus("callers").await?;
    let ty = "bench.appended".parse()?;
    let start = Instant::now();
    let tasks = (0..CALLERS).map(|_| {
        let (bus, draft): (Bus, _) = (bus.clone(), Draft::new(Clone::clone(&ty)).data(data()));
        tokio::spawn(async move {
            for _ in 0..appends / CALLERS {
                bus.publish(draft.clone()).await?.await?;
            }
            Ok::<_, BenchError>(())
        })
    });
    for done in try_join_all(tasks).await? {
        done?;
    }
    Ok((appends / CALLERS * CALLERS) as f64 / start.elapsed().as_secs_f64())
}

/// Acknowledged publishes per second of the raw client, as many in flight as serve it best.
pub(super) async fn raw_pipelined(server: &Server, appends: usize) -> Result<f64, BenchError> {
    let (context, subject) = server.raw("pipelined").await?;
    let payload = bytes::Bytes::from(vec![7; DATA_BYTES]);
    let start = Instant::now();
    let mut window: VecDeque<jetstream::context::PublishAckFuture> = VecDeque::new();
    for _ in 0..appends {
        if window.len() >= RAW_WINDOW && let Some(oldest) = window.pop_front() {
            oldest.await?;
        }
        window.push_back(context.publish(subject.clone(), payload.clone()).await?);
    }
    for ticket in window {
        ticket.await?;
    }
    Ok(appends as f64 / start.elapsed().as_secs_f64())
}

/// Median time of one append by one caller.
pub(super) async fn one_caller(server: &Server, appends: usize) -> Result<Duration, BenchError> {
    let bus = server.bus("one").await?;
    let draft = Draft::new("bench.appended".parse()?).data(data());
    let mut times = Vec::with_capacity(appends);
    for _ in 0..appends {
        let start = Instant::now();
        bus.publish(draft.clone()).await?.await?;
        times.push(start.elapsed());
    }
    Ok(percentile(&mut times, 50))
}

/// Median time of one acknowledged publish of the raw client.
pub(super) async fn raw_one(server: &Server, appends: usize) -> Result<Duration, BenchError> {
    let (context, subject) = server.raw("one").await?;
    let payload = bytes::Bytes::from(vec![7; DATA_BYTES]);
    let mut times = Vec::with_capacity(appends);
    for _ in 0..appends {
        let start = Instant::now();
        context.publish(subject.clone(), payload.clone()).await?.await?;
        times.push(start.elapsed());
    }
    Ok(percentile(&mut times, 50))
}

/// Runs two measurements in turn and returns the median of each.
pub(super) async fn in_turn<F, G>(
    rounds: usize,
    mut ours: impl FnMut() -> F,
    mut raw: impl FnMut() -> G,
) -> Result<(f64, f64), BenchError>
where
    F: Future<Output = Result<f64, BenchError>>,
    G: Future<Output = Result<f64, BenchError>>,
{
    let (mut our_figures, mut raw_figures) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        our_figures.push(ours().await?);
        raw_figures.push(raw().await?);
    }
    Ok((median(&mut our_figures), median(&mut raw_figures)))
}
