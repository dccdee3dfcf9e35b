//! One server that is killed, or paused for longer than anybody waits.

use std::collections::BTreeSet;
use std::time::Duration;

use colony_bus::Bus;
use colony_core::Address;
use colony_tests::harness::{Audit, Follower, Load, One, Said, Seed, options, within};

const LIMIT: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_events_survive_kill_9_once_and_in_order() {
    within(LIMIT, "kill -9 during 100,000 appends", async {
        const EVENTS: usize = 100_000;
        const CALLERS: usize = 50;
        let mut seed = Seed::of("kill -9");
        let mut one = One::start().await;
        let first = Bus::connect(options("first", &one.url())).await.unwrap();
        let second = Bus::connect(options("second", &one.url())).await.unwrap();
        let reader = Bus::connect(options("reader", &one.url())).await.unwrap();
        let follower = Follower::start(&reader, Duration::ZERO).await;

        let mut load = Load::new();
        for (bus, tag) in [(&first, "first"), (&second, "second")] {
            load.add(bus, tag, CALLERS, EVENTS / (2 * CALLERS), 100);
        }
        for moment in seed.moments(4, EVENTS as u64) {
            load.acknowledged.reach(moment).await;
            one.node.kill().await.unwrap();
            one.node.restart().await.unwrap();
        }
        let told = load.finish().await;

        let audit = Audit::of(&reader).await;
        assert_eq!(audit.hold_against(&told), (EVENTS, 0, 0));
        assert_eq!(audit.voids, 0, "nothing that was not acknowledged is doubled");
        assert_eq!(follower.finish(audit.tail).await, audit.seen());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_longer_than_every_time_out_loses_and_doubles_nothing() {
    within(LIMIT, "a paused server", async {
        let one = One::start().await;
        let writer = Bus::connect(options("writer", &one.url())).await.unwrap();
        let reader = Bus::connect(options("reader", &one.url())).await.unwrap();
        let follower = Follower::start(&reader, Duration::ZERO).await;
        let mut load = Load::new();
        load.add(&writer, "writer", 8, usize::MAX, 100);
        load.acknowledged.reach(1_000).await;

        one.node.pause().unwrap();
        // Longer than an acknowledgement, a request, two missed pings and a writer's patience.
        tokio::time::sleep(Duration::from_secs(35)).await;
        one.node.resume().unwrap();

        let before = load.acknowledged.now();
        load.acknowledged.reach(before + 1_000).await;
        load.stop();
        let told = load.finish().await;

        let audit = Audit::of(&reader).await;
        let (_, unknown, _) = audit.hold_against(&told);
        assert!(unknown > 0, "nobody waits that long");
        // What was on its way when patience ended may have arrived since: it shares no lane with what came later.
        let lanes: BTreeSet<_> = audit
            .entries
            .iter()
            .map(|entry| &entry.address)
            .filter_map(|address| match address {
                Address::Lane { lane, .. } => Some(lane),
                Address::Head { .. } => None,
            })
            .collect();
        assert!(lanes.len() > 1, "the lane was left behind: {lanes:?}");
        assert_eq!(follower.finish(audit.tail).await, audit.seen());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_longer_than_an_acknowledgement_is_waited_out_and_doubles_nothing() {
    within(LIMIT, "short pauses", async {
        let mut seed = Seed::of("short pauses");
        let one = One::start().await;
        let reader = Bus::connect(options("reader", &one.url())).await.unwrap();
        let mut told = Vec::new();
        for round in 0..5 {
            let name = format!("writer{round}");
            let writer = Bus::connect(options(&name, &one.url())).await.unwrap();
            let mut load = Load::new();
            load.add(&writer, &name, 4, 200 + seed.below(200) as usize, 10);
            load.acknowledged.reach(50 + seed.below(100)).await;
            one.node.pause().unwrap();
            // Longer than an acknowledgement may take, shorter than the connection lives.
            tokio::time::sleep(Duration::from_millis(2_100 + seed.below(900))).await;
            one.node.resume().unwrap();
            told.extend(load.finish().await);
        }
        let audit = Audit::of(&reader).await;
        let (_, unknown, refused) = audit.hold_against(&told);
        assert_eq!((unknown, refused), (0, 0), "a short pause is waited out");
        assert!(told.iter().flatten().all(|(_, said)| matches!(said, Said::Acknowledged(_))));
    })
    .await;
}
