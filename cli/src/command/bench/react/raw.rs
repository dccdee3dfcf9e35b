//! The same messages with the raw client: single publishes, atomic batches, and batches of answers.

use std::time::Instant;

use async_nats::jetstream::consumer;
use async_nats::{HeaderMap, jetstream};
use bytes::Bytes;
use futures_util::StreamExt as _;

use super::super::append::DATA_BYTES;
use super::super::{BenchError, median, raw as failed};
use crate::failure::Failure;

/// Median microseconds of an acknowledged publish.
pub(super) async fn one_by_one(
    (context, subject): &(jetstream::Context, String),
    publishes: usize,
) -> Result<f64, Failure> {
    let payload = Bytes::from(vec![7; DATA_BYTES]);
    let mut times = Vec::with_capacity(publishes);
    for _ in 0..publishes {
        let start = Instant::now();
        let ticket = context.publish(subject.clone(), payload.clone()).await;
        ticket.map_err(failed)?.await.map_err(failed)?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(&mut times))
}

/// Messages per second in atomic batches of a size, each sent when the one before is acknowledged.
pub(super) async fn batches(
    raw: &(jetstream::Context, String),
    messages: usize,
    size: usize,
) -> Result<f64, Failure> {
    let batches = messages.div_ceil(size);
    let start = Instant::now();
    for _ in 0..batches {
        batch(raw, size).await?;
    }
    Ok((batches * size) as f64 / start.elapsed().as_secs_f64())
}

/// Reads messages with an ordered consumer and sends as many, in batches as [`batches`] does: an agent without Colony.
pub(super) async fn answers(
    raw: &(jetstream::Context, String),
    (stream, filter): (&str, String),
    messages: usize,
    size: usize,
) -> Result<(), Failure> {
    let config = consumer::pull::OrderedConfig { filter_subject: filter, ..Default::default() };
    let stream = raw.0.get_stream(stream).await.map_err(failed)?;
    let consumer = stream.create_consumer(config).await.map_err(failed)?;
    let mut asked = consumer.messages().await.map_err(failed)?.take(messages);
    let mut waiting = 0;
    while let Some(message) = asked.next().await {
        message.map_err(failed)?;
        waiting += 1;
        if waiting == size {
            batch(raw, waiting).await?;
            waiting = 0;
        }
    }
    if waiting > 0 {
        batch(raw, waiting).await?;
    }
    Ok(())
}

/// Sends an atomic batch and waits for its acknowledgement.
async fn batch(
    (context, subject): &(jetstream::Context, String),
    size: usize,
) -> Result<(), Failure> {
    let payload = Bytes::from(vec![7; DATA_BYTES]);
    let client = context.client();
    let id = client.new_inbox();
    let id = id.get(id.len().saturating_sub(64)..).unwrap_or(&id);
    for sequence in 1..=size {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Batch-Id", id);
        headers.insert("Nats-Batch-Sequence", sequence.to_string());
        let (subject, payload) = (subject.clone(), payload.clone());
        if sequence < size {
            client.publish_with_headers(subject, headers, payload).await.map_err(failed)?;
            continue;
        }
        headers.insert("Nats-Batch-Commit", "1");
        let request = async_nats::Request::new().headers(headers).payload(payload);
        let answer = client.send_request(subject, request).await.map_err(failed)?;
        if String::from_utf8_lossy(&answer.payload).contains("\"error\"") {
            let text = String::from_utf8_lossy(&answer.payload).into_owned();
            return Err(BenchError::Process(format!("a batch was refused: {text}")).into());
        }
    }
    Ok(())
}
