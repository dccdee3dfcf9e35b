//! Readers that are slow, and readers that come and go.

use std::time::Duration;

use colony_bus::Bus;
use colony_core::Position;
use colony_tests::harness::{
    Audit, Follower, Load, One, Proxy, Seed, continue_after, options, within,
};

const LIMIT: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_subscriber_misses_nothing_and_holds_back_nobody() {
    within(LIMIT, "a slow subscriber", async {
        const EVENTS: usize = 50_000;
        const DATA: usize = 256;
        let one = One::start().await;
        let proxy = Proxy::before(&one.url()).await;
        let writer = Bus::connect(options("writer", &one.url())).await.unwrap();
        // Both on the same connection: the harder case.
        let readers = Bus::connect(options("readers", &proxy.url())).await.unwrap();
        let slow = Follower::start(&readers, Duration::from_millis(5)).await;
        let fast = Follower::start(&readers, Duration::ZERO).await;

        let mut load = Load::new();
        load.add(&writer, "writer", 50, EVENTS / 50, DATA);
        fast.seen.reach(EVENTS as u64).await;
        let (behind, bytes) = (slow.seen.now(), proxy.bytes_down());
        assert!(behind < EVENTS as u64 / 2, "the slow one has read {behind} of {EVENTS}");
        // What came over the wire is what was read and a window of what was not: the server keeps the rest.
        let each = bytes / (EVENTS as u64 + behind);
        assert!(each < 2 * (DATA as u64 + 400), "{bytes} bytes for {behind} and {EVENTS} entries");

        let told = load.finish().await;
        let audit = Audit::of(&writer).await;
        assert_eq!(audit.hold_against(&told), (EVENTS, 0, 0));
        assert_eq!(fast.finish(audit.tail).await, audit.seen());
        assert_eq!(slow.finish(audit.tail).await, audit.seen());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_dropped_between_catch_up_and_live_goes_on_where_it_was() {
    within(LIMIT, "a subscriber that comes and goes", async {
        let mut seed = Seed::of("comes and goes");
        let one = One::start().await;
        let writer = Bus::connect(options("writer", &one.url())).await.unwrap();
        let reader = Bus::connect(options("reader", &one.url())).await.unwrap();
        let mut load = Load::new();
        load.add(&writer, "writer", 2, usize::MAX, 50);
        load.acknowledged.reach(500).await;

        let mut seen: Vec<(Position, String)> = Vec::new();
        let last = |seen: &[(Position, String)]| seen.last().map_or(Position::ZERO, |(at, _)| *at);
        for round in 0..40 {
            // In the middle of catching up, right at its end, or shortly after.
            let (count, live) = match round % 4 {
                0 => (1 + seed.below(300), false),
                1 => (0, true),
                2 => (1 + seed.below(3), true),
                _ => (1 + seed.below(150), true),
            };
            let after = last(&seen);
            seen.extend(continue_after(&reader, after, count, live, None).await);
        }
        load.stop();
        let told = load.finish().await;
        let audit = Audit::of(&writer).await;
        audit.hold_against(&told);
        let after = last(&seen);
        seen.extend(continue_after(&reader, after, 0, true, Some(audit.tail)).await);
        assert_eq!(seen, audit.seen());
    })
    .await;
}
