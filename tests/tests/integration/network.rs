//! A client whose wire to the server is cut or stalled.

use std::time::Duration;

use colony_bus::Bus;
use colony_tests::harness::{Audit, Follower, Load, One, Proxy, options, within};

const LIMIT: Duration = Duration::from_secs(600);
const AWAY: Duration = Duration::from_secs(10);

async fn ten_seconds_away(fault: impl Fn(&Proxy)) {
    within(LIMIT, "a client that is away for 10 s", async {
        let one = One::start().await;
        let proxy = Proxy::before(&one.url()).await;
        let away = Bus::connect(options("away", &proxy.url())).await.unwrap();
        let witness = Bus::connect(options("witness", &one.url())).await.unwrap();
        let follower = Follower::start(&away, Duration::ZERO).await;
        let mut load = Load::new();
        load.add(&away, "away", 8, usize::MAX, 100);
        let mut others = Load::new();
        others.add(&witness, "witness", 1, usize::MAX, 100);
        load.acknowledged.reach(500).await;

        fault(&proxy);
        tokio::time::sleep(AWAY).await;
        let held = load.acknowledged.now();
        others.acknowledged.more(100).await;
        assert_eq!(load.acknowledged.now(), held, "nothing comes through");
        proxy.heal();

        load.acknowledged.more(500).await;
        load.stop();
        others.stop();
        let mut told = load.finish().await;
        told.extend(others.finish().await);
        let audit = Audit::of(&witness).await;
        let (_, unknown, refused) = audit.hold_against(&told);
        assert_eq!((unknown, refused), (0, 0), "10 s are waited out");
        assert_eq!(follower.finish(audit.tail).await, audit.seen());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_cut_off_for_ten_seconds_goes_on_without_loss_or_double() {
    ten_seconds_away(Proxy::cut).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_stalled_for_ten_seconds_goes_on_without_loss_or_double() {
    ten_seconds_away(Proxy::stall).await;
}
