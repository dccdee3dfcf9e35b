//! A feed: 100 subscribers, 1,000 events a second.

use std::time::{Duration, Instant};

use colony_bus::{Bus, Cut, Delivery, Draft};
use colony_core::{Filter, Position};
use futures_util::StreamExt as _;

use super::super::server::{Server, space};
use super::super::{Effort, Row, percentile, raw};
use super::join;
use crate::failure::Failure;

const SUBSCRIBERS: usize = 100;
const RATE: u64 = 1_000;

pub(super) async fn measure(server: &Server, effort: Effort) -> Result<Vec<Row>, Failure> {
    let events = effort.of(10_000) as u64;
    let space = space("feed", 0);
    // Ten processes would have a connection each.
    let mut readers = Vec::new();
    for process in 0..10 {
        readers.extend(join(server, &space, [format!("process-{process}")]).await?);
    }
    let mut tasks = Vec::new();
    for number in 0..SUBSCRIBERS {
        let Some(bus) = readers.get(number % readers.len()) else { continue };
        let entries = bus.subscribe(Filter::events(), Cut::Position(Position::ZERO)).await?;
        tasks.push(tokio::spawn(follow(entries, events)));
    }
    let speaker = server.bus(&space, "speaker").await?;
    speak(&speaker, events).await?;
    let (mut latencies, mut lost, mut doubled) = (Vec::new(), 0, 0);
    for task in tasks {
        let heard = task.await.map_err(raw)?;
        latencies.extend(heard.latencies_ms);
        lost += heard.lost;
        doubled += heard.doubled;
    }
    let row = |name, ours, unit| Row::new(name, unit, ours, None, speaker.description());
    Ok(vec![
        row("feed_100_subscribers_p50", percentile(&mut latencies, 50.0), "ms"),
        row("feed_100_subscribers_p99", percentile(&mut latencies, 99.0), "ms"),
        row("feed_100_subscribers_lost", lost as f64, "events"),
        row("feed_100_subscribers_doubled", doubled as f64, "events"),
    ])
}

async fn speak(speaker: &Bus, events: u64) -> Result<(), Failure> {
    let begin = Instant::now();
    let mut tickets = Vec::new();
    for number in 0..events {
        let due = begin + Duration::from_micros(number * 1_000_000 / RATE);
        tokio::time::sleep_until(due.into()).await;
        let draft =
            Draft::new("feed.said".parse().map_err(raw)?).json(&(number, now_us())).map_err(raw)?;
        tickets.push(speaker.publish(draft).await?);
    }
    for ticket in tickets {
        ticket.await?;
    }
    Ok(())
}

/// What one subscriber heard.
#[derive(Default)]
struct Heard {
    latencies_ms: Vec<f64>,
    lost: u64,
    doubled: u64,
}

async fn follow(mut entries: colony_bus::Subscription, events: u64) -> Heard {
    let mut heard = Heard::default();
    let mut next = 0;
    while next < events {
        let Some(delivery) = entries.next().await else { break };
        let Ok(Delivery::Entry(entry)) = delivery else { continue };
        let Ok((number, said)) = entry.event().data.to_value::<(u64, u64)>() else { continue };
        heard.latencies_ms.push(now_us().saturating_sub(said) as f64 / 1e3);
        match number.cmp(&next) {
            std::cmp::Ordering::Less => heard.doubled += 1,
            std::cmp::Ordering::Equal => next += 1,
            std::cmp::Ordering::Greater => {
                heard.lost += number - next;
                next = number + 1;
            }
        }
    }
    heard.lost += events - next;
    heard
}

fn now_us() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}
