//! Three servers, one of which is killed.

use std::time::Duration;

use colony_bus::log::{EventLog as _, NewRecord, Range, Unit};
use colony_bus::{Bus, JetStreamLog};
use colony_core::Position;
use colony_tests::harness::{Audit, Cluster, Follower, Load, Seed, space, within};
use futures_util::StreamExt as _;

const LIMIT: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread")]
async fn killing_one_node_of_three_loses_and_doubles_nothing() {
    within(LIMIT, "one node of three killed", async {
        let mut seed = Seed::of("one of three");
        let mut cluster = Cluster::start().await;
        let first = Bus::connect(cluster.options("first")).await.unwrap();
        let second = Bus::connect(cluster.options("second")).await.unwrap();
        let reader = Bus::connect(cluster.options("reader")).await.unwrap();
        assert_eq!(reader.description().replicas, 3);
        let follower = Follower::start(&reader, Duration::ZERO).await;

        let mut load = Load::new();
        load.add(&first, "first", 16, usize::MAX, 100);
        load.add(&second, "second", 16, usize::MAX, 100);
        load.acknowledged.reach(500).await;
        for round in 0..4 {
            let leader = cluster.leader().await;
            let other = (leader + 1 + seed.below(2) as usize) % 3;
            let victim = if round % 2 == 0 { leader } else { other };
            println!("round {round}: node {victim} is killed, {leader} leads");
            cluster.nodes.kill_node(victim).await.unwrap();
            load.acknowledged.more(1_000 + seed.below(500)).await;
            follower.seen.more(500).await;
            cluster.nodes.restart_node(victim).await.unwrap();
            cluster.healed().await;
            load.acknowledged.more(500).await;
        }
        load.stop();
        let told = load.finish().await;

        let audit = Audit::of(&reader).await;
        let (_, unknown, refused) = audit.hold_against(&told);
        assert_eq!((unknown, refused), (0, 0), "a majority was there all the time");
        assert_eq!(follower.finish(audit.tail).await, audit.seen());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_on_three_nodes_sees_every_append_acknowledged_before() {
    within(LIMIT, "reads after appends", async {
        let cluster = Cluster::start().await;
        let server = cluster.options("any").server;
        let mut readers = Vec::new();
        for _ in 0..3 {
            readers.push(JetStreamLog::connect(&space(), &server).await.unwrap());
        }
        let writer = JetStreamLog::connect(&space(), &server).await.unwrap();
        let subject = "colony.test.a.l.event.some.thing._".to_owned();
        for round in 1..=60 {
            let mut last = Position::ZERO;
            for _ in 0..20 {
                let record = NewRecord { subject: subject.clone(), payload: "x".into() };
                last = writer.append(Unit::one(record)).await.unwrap().await.unwrap()[0];
            }
            let reader = &readers[round % readers.len()];
            let range = Range { subjects: vec!["colony.test.a.>".into()], ..Range::all() };
            let found: Vec<_> = reader.read(range).await.unwrap().collect().await;
            assert_eq!(found.len(), 20 * round, "in round {round}");
            assert_eq!(found.last().unwrap().as_ref().unwrap().position, last);
        }
    })
    .await;
}
