//! Agents on real servers: every event is answered once, whatever happens to instances, connections and servers.

use std::collections::BTreeMap;
use std::time::Duration;

use colony_agents::{
    Agent, HandlerError, Instance, InstanceOptions, Interest, Preference, Reaction,
};
use colony_bus::{Bus, BusOptions, Draft, Query};
use colony_core::{Entry, Filter, Position};
use colony_tests::harness::{Cluster, One, Proxy, Seed, options, within};
use futures_util::StreamExt as _;

const LIMIT: Duration = Duration::from_secs(600);
const EVENTS: u64 = 20_000;

/// Says twice what it heard last, for every third event; else once.
struct Repeater;

impl Agent for Repeater {
    type State = u64;

    fn interest(&self) -> Interest {
        Interest::in_types(["word.said".parse().unwrap()])
    }

    fn evolve(&self, heard: &mut u64, _: &Entry) {
        *heard += 1;
    }

    async fn react(
        &self,
        heard: &u64,
        entry: &Entry,
        reaction: &mut Reaction,
    ) -> Result<(), HandlerError> {
        let word: u64 = entry.event().data.to_value()?;
        let times = if word.is_multiple_of(3) { 2 } else { 1 };
        for time in 0..times {
            let said = Draft::new("word.repeated".parse()?).json(&(word, time, heard))?;
            reaction.emit(said)?;
        }
        Ok(())
    }
}

async fn start(options: BusOptions, preference: Preference) -> Instance {
    let bus = Bus::connect(options).await.unwrap();
    let options = InstanceOptions { preference, ..InstanceOptions::default() };
    Instance::start(bus, Repeater, options).await.unwrap()
}

/// Says all words. Returns where the last one stands.
async fn speak(options: BusOptions) -> Position {
    let bus = Bus::connect(options).await.unwrap();
    let mut tickets = Vec::new();
    for word in 0..EVENTS {
        let draft = Draft::new("word.said".parse().unwrap()).json(&word).unwrap();
        tickets.push(bus.publish(draft).await.unwrap());
        if word % 100 == 99 {
            // Not faster than an agent hears: what happens to it happens in the middle.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let mut last = Position::ZERO;
    for ticket in tickets {
        last = last.max(ticket.await.unwrap().position);
    }
    last
}

/// Checks that each word was repeated as often as it should be, with the state that it should be.
async fn check(options: BusOptions) {
    let bus = Bus::connect(options).await.unwrap();
    let filter = Filter { types: ["word.repeated".parse().unwrap()].into(), ..Filter::events() };
    let mut entries = bus.read(Query { filter, ..Query::default() }).await.unwrap();
    let mut repeated: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    let mut order = Vec::new();
    while let Some(entry) = entries.next().await {
        let entry = entry.unwrap();
        let (word, time, heard) = entry.event().data.to_value().unwrap();
        assert_eq!(repeated.insert((word, time), heard), None, "{word} is repeated again");
        assert_eq!(heard, word + 1, "the state at {word}");
        order.push((word, time));
    }
    assert!(order.is_sorted(), "in the order of the events");
    let expected: u64 = (0..EVENTS).map(|word| if word % 3 == 0 { 2 } else { 1 }).sum();
    assert_eq!(repeated.len() as u64, expected, "each word is repeated");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_one_server_with_deaths_and_cut_connections_each_event_is_answered_once() {
    within(LIMIT, "agents on one server", async {
        let mut seed = Seed::of("agents on one server");
        let one = One::start().await;
        let proxy = Proxy::before(&one.url()).await;
        let direct = || options("repeater", &one.url());
        let cut = || options("repeater", &proxy.url());
        let speaking = tokio::spawn(speak(options("speaker", &one.url())));
        let mut instances = Vec::new();
        // Two that stand by for each other, and one that does everything that the others do.
        instances.push(start(direct(), Preference::Rendezvous).await);
        instances.push(start(cut(), Preference::Rendezvous).await);
        let _everyone = start(cut(), Preference::Everyone).await;
        while !speaking.is_finished() {
            tokio::time::sleep(Duration::from_millis(100 + seed.below(400))).await;
            match seed.below(4) {
                0 => {
                    proxy.cut();
                    proxy.heal();
                }
                1 => {
                    // For longer than the client waits for an answer.
                    proxy.stall();
                    tokio::time::sleep(Duration::from_millis(seed.below(4_000))).await;
                    proxy.heal();
                }
                2 => {
                    let killed = usize::try_from(seed.below(2)).unwrap();
                    drop(instances.remove(killed));
                    instances.push(start(direct(), Preference::Rendezvous).await);
                }
                _ => {
                    instances.remove(0).stop().await.ok();
                    instances.push(start(cut(), Preference::Rendezvous).await);
                }
            }
        }
        let last = speaking.await.unwrap();
        for instance in &instances {
            instance.reacted_to(last).await;
        }
        check(options("reader", &one.url())).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_three_servers_with_a_node_killed_each_event_is_answered_once() {
    within(LIMIT, "agents on three servers", async {
        let mut seed = Seed::of("agents on three servers");
        let mut cluster = Cluster::start().await;
        // The space is made before anything happens to it.
        drop(Bus::connect(cluster.options("speaker")).await.unwrap());
        let speaking = tokio::spawn(speak(cluster.options("speaker")));
        let mut instances = Vec::new();
        for preference in [Preference::Rendezvous, Preference::Rendezvous, Preference::Everyone] {
            instances.push(start(cluster.options("repeater"), preference).await);
        }
        for round in 0..3 {
            tokio::time::sleep(Duration::from_millis(500 + seed.below(1_000))).await;
            let leader = cluster.leader().await;
            let victim = if round == 1 { (leader + 1) % 3 } else { leader };
            cluster.nodes.kill_node(victim).await.unwrap();
            tokio::time::sleep(Duration::from_millis(500 + seed.below(1_000))).await;
            drop(instances.remove(0));
            cluster.nodes.restart_node(victim).await.unwrap();
            cluster.healed().await;
            instances.push(start(cluster.options("repeater"), Preference::Rendezvous).await);
        }
        let last = speaking.await.unwrap();
        for instance in &instances {
            instance.reacted_to(last).await;
        }
        check(cluster.options("reader")).await;
    })
    .await;
}
