//! A server that has as many unfinished batches as it takes.

use std::time::Duration;

use async_nats::HeaderMap;
use colony_agents::{Agent, HandlerError, Instance, InstanceOptions, Interest, Reaction};
use colony_bus::log::{AppendError, EventLog as _, NewRecord, Outcome, Unit, Wholeness};
use colony_bus::{Bus, Draft, JetStreamLog, Query};
use colony_core::{Entry, Filter, SpaceName};
use colony_tests::harness::{One, options, within};
use futures_util::StreamExt as _;

const LIMIT: Duration = Duration::from_secs(600);
/// As many as nats-server takes for one stream.
const BATCHES: usize = 50;

/// Says three things about each word: an atomic batch.
struct Chatterer;

impl Agent for Chatterer {
    type State = ();

    fn interest(&self) -> Interest {
        Interest::in_types(["word.said".parse().unwrap()])
    }

    async fn react(&self, (): &(), _: &Entry, reaction: &mut Reaction) -> Result<(), HandlerError> {
        for word in 0..3 {
            reaction.emit(Draft::new("word.repeated".parse()?).json(&word)?)?;
        }
        Ok(())
    }
}

/// Batches that are begun and not ended. The server forgets them ten seconds after.
async fn leave_batches_open(url: &str, space: &SpaceName) {
    let client = async_nats::connect(url).await.unwrap();
    for batch in 0..BATCHES {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Batch-Id", format!("left-{batch}"));
        headers.insert("Nats-Batch-Sequence", "1");
        let subject = format!("colony.{space}.somebody.main.event.word.left._");
        client.publish_with_headers(subject, headers, "left".into()).await.unwrap();
    }
    client.flush().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_too_many_is_not_stored_and_told_as_such_and_reactions_wait() {
    within(LIMIT, "a busy server", async {
        let one = One::start().await;
        let url = one.url();
        let bus = Bus::connect(options("speaker", &url)).await.unwrap();
        let agent = Bus::connect(options("chatterer", &url)).await.unwrap();
        let instance = Instance::start(agent, Chatterer, InstanceOptions::default()).await.unwrap();
        let options = options("writer", &url);
        let log = JetStreamLog::connect(&options.space, &options.server).await.unwrap();
        leave_batches_open(&url, &options.space).await;

        let subject = format!("colony.{}.writer.main.event.word.said._", options.space);
        let record = NewRecord { subject, payload: "said".into() };
        let unit =
            Unit { records: vec![record; 3], wholeness: Wholeness::Atomic, conditions: Vec::new() };
        // The batches are begun on another connection, and may come after it.
        let refused = loop {
            if let Err(error) = log.append(unit.clone()).await.unwrap().await {
                break error;
            }
        };
        assert!(matches!(refused, AppendError::Busy { .. }), "{refused:?}");
        assert_eq!((refused.outcome(), refused.is_retryable()), (Outcome::NotApplied, true));

        let said = Draft::new("word.said".parse().unwrap());
        let position = bus.publish(said).await.unwrap().await.unwrap().position;
        instance.reacted_to(position).await;
        instance.stop().await.unwrap();
        let types = ["word.repeated".parse().unwrap()].into();
        let query = Query { filter: Filter { types, ..Filter::default() }, ..Query::default() };
        assert_eq!(bus.read(query).await.unwrap().count().await, 3);
    })
    .await;
}
