use std::collections::BTreeMap;
use std::sync::Arc;

use colony_core::subject::Address;
use futures_util::TryStreamExt as _;

use super::*;
use crate::memory::MemoryLog;

/// Lets two agents of one process publish in turn; returns the numbers of their entries, by lane.
async fn two_agents(options: BusOptions) -> BTreeMap<(String, String), Vec<u64>> {
    let log = Arc::new(MemoryLog::new("two agents"));
    let ann = Bus::on(log.clone(), log, options);
    let bob = ann.for_agent("bob".parse().unwrap());
    let mut tickets = Vec::new();
    for _ in 0..50 {
        for bus in [&ann, &bob] {
            let draft = Draft::new("some.thing".parse().unwrap());
            tickets.push((bus.agent().clone(), bus.publish(draft).await.unwrap()));
        }
    }
    for (author, ticket) in tickets {
        let receipt = ticket.await.unwrap();
        let entry = ann.get(receipt.position).await.unwrap().unwrap();
        assert_eq!(entry.event().author, author);
    }
    let mut numbers: BTreeMap<(String, String), Vec<u64>> = BTreeMap::new();
    let mut entries = bob.read(Query::default()).await.unwrap();
    while let Some(entry) = entries.try_next().await.unwrap() {
        let Address::Lane { lane, .. } = &entry.address else { continue };
        let key = (lane.author.to_string(), lane.name.to_string());
        numbers.entry(key).or_default().push(entry.envelope.link.unwrap().number);
    }
    numbers
}

#[tokio::test]
async fn agents_of_one_process_write_lanes_of_their_own() {
    let options = BusOptions::new("space".parse().unwrap(), "ann".parse().unwrap());
    let contended = BusOptions { instance: Some("main".parse().unwrap()), ..options.clone() };
    let all: Vec<u64> = (1..=50).collect();
    for options in [options, contended] {
        let numbers = two_agents(options).await;
        let authors: Vec<_> = numbers.keys().map(|(author, _)| author.as_str()).collect();
        assert_eq!(authors, ["ann", "bob"]);
        assert!(numbers.values().all(|found| *found == all), "{numbers:?}");
    }
}
