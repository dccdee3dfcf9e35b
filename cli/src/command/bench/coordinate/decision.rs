//! What it takes to know whether one's claim holds: beside a raw acknowledged publish and its delivery.

use std::time::Instant;

use async_nats::jetstream::consumer;
use bytes::Bytes;
use colony_agents::protocol::task::{Command, Tasks};
use colony_agents::protocol::{Coordination, CoordinationState, Millis, Outcome};
use colony_bus::{Bus, Cut, Delivery, Draft, Subscription};
use colony_core::{Position, SpaceName};
use futures_util::StreamExt as _;

use super::super::server::{Server, space};
use super::super::{Effort, Row, median, raw};
use super::{join, plan};
use crate::failure::Failure;

pub(super) async fn measure(server: &Server, effort: Effort) -> Result<Vec<Row>, Failure> {
    let claims = effort.of(2_000);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut row = None;
    for round in 0..effort.rounds {
        let space = space("claim-decision", round);
        let buses = join(server, &space, ["client".to_owned(), "worker".to_owned()]).await?;
        let [client, worker] = buses.as_slice() else { continue };
        offer(client, claims).await?;
        ours.push(decide(worker, claims).await?);
        theirs.push(appended_and_delivered(server, &space, claims).await?);
        let (us, raw) = (median(&mut ours), Some(median(&mut theirs)));
        row = Some(Row::new("claim_decision_p50", "us", us, raw, worker.description()));
    }
    Ok(row.into_iter().collect())
}

pub(super) async fn offer(client: &Bus, tasks: usize) -> Result<(), Failure> {
    let state = CoordinationState::default();
    let mut tickets = Vec::with_capacity(tasks);
    for planned in plan(tasks) {
        let offer = Command::Offer(planned.name, Box::new(planned.offered));
        for draft in state.decide::<Tasks>(offer, client.agent(), None).map_err(raw)? {
            let draft = Draft::new(draft.ty).about(draft.entity).data(draft.data);
            tickets.push(client.publish(draft).await?);
        }
    }
    for ticket in tickets {
        ticket.await?;
    }
    Ok(())
}

/// Median microseconds from wanting a task to having read that it is one's own.
async fn decide(worker: &Bus, claims: usize) -> Result<f64, Failure> {
    let mut state = CoordinationState::default();
    let mut entries =
        worker.subscribe(Coordination::filter(), Cut::Position(Position::ZERO)).await?;
    read_to(&mut entries, &mut state, None).await?;
    let mut times = Vec::with_capacity(claims);
    for planned in plan(claims) {
        let begin = Instant::now();
        let claim = Command::Claim(planned.name, Millis::from_secs(60));
        let now = Some(std::time::SystemTime::now().into());
        let mut ticket = None;
        for draft in state.decide::<Tasks>(claim, worker.agent(), now).map_err(raw)? {
            let draft = Draft::new(draft.ty).about(draft.entity).data(draft.data);
            ticket = Some(worker.publish(draft).await?);
        }
        let Some(ticket) = ticket else { continue };
        let id = ticket.id.clone();
        let (stored, read) = tokio::join!(ticket, read_to(&mut entries, &mut state, Some(&id)));
        stored?;
        read?;
        times.push(begin.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(&mut times))
}

/// Takes entries up to an event, or until everything stored is known.
async fn read_to(
    entries: &mut Subscription,
    state: &mut CoordinationState,
    id: Option<&colony_core::EventId>,
) -> Result<(), Failure> {
    while let Some(delivery) = entries.next().await {
        match delivery? {
            Delivery::CaughtUp if id.is_none() => return Ok(()),
            Delivery::CaughtUp => {}
            Delivery::Entry(entry) => {
                let outcome = state.evolve(&entry);
                if id == Some(&entry.event().id) {
                    return match outcome {
                        Outcome::Applied => Ok(()),
                        other => Err(raw(format!("a claim that nobody contested: {other:?}"))),
                    };
                }
            }
        }
    }
    Err(raw("the subscription ended"))
}

/// Median microseconds of an acknowledged publish whose message an ordered consumer has brought.
async fn appended_and_delivered(
    server: &Server,
    space: &SpaceName,
    count: usize,
) -> Result<f64, Failure> {
    let (context, subject) = server.raw(space).await?;
    let (reading, _) = server.raw(space).await?;
    let stream = reading.get_stream(format!("COLONY_{space}")).await.map_err(raw)?;
    let config = consumer::pull::OrderedConfig {
        filter_subject: subject.clone(),
        ..consumer::pull::OrderedConfig::default()
    };
    let consumer = stream.create_consumer(config).await.map_err(raw)?;
    let mut messages = consumer.messages().await.map_err(raw)?;
    // What a claim weighs.
    let payload = Bytes::from(vec![7; 300]);
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begin = Instant::now();
        let ticket = context.publish(subject.clone(), payload.clone()).await.map_err(raw)?;
        let (stored, read) =
            tokio::join!(std::future::IntoFuture::into_future(ticket), messages.next());
        stored.map_err(raw)?;
        read.ok_or_else(|| raw("the consumer ended"))?.map_err(raw)?;
        times.push(begin.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(&mut times))
}
