//! Events that are too large for the server.

use std::time::Duration;

use colony_bus::log::{AppendError, Outcome};
use colony_bus::{Bus, WriteError};
use colony_tests::harness::{Audit, Load, One, draft, options, within};

#[tokio::test(flavor = "multi_thread")]
async fn an_event_larger_than_the_server_takes_is_refused_and_hurts_no_other() {
    within(Duration::from_secs(600), "an event too large", async {
        let one = One::start().await;
        let bus = Bus::connect(options("writer", &one.url())).await.unwrap();
        let mut load = Load::new();
        load.add(&bus, "small", 8, usize::MAX, 100);
        let max = bus.description().max_record_bytes;
        for (number, bytes) in [max, max + 1_024, 4 * max].into_iter().enumerate() {
            load.acknowledged.more(100).await;
            let error = bus.publish(draft(&format!("large{number}"), bytes)).await.unwrap().await;
            let error = error.unwrap_err();
            let WriteError::Append(AppendError::TooLarge { actual, max: told }) = error else {
                panic!("{error}")
            };
            assert!(actual > bytes && told == max, "{actual} of {told}");
            assert_eq!(error.outcome(), Outcome::NotApplied);
            assert!(!error.is_retryable());
        }
        load.stop();
        let told = load.finish().await;
        let audit = Audit::of(&bus).await;
        let (_, unknown, refused) = audit.hold_against(&told);
        assert_eq!((unknown, refused), (0, 0), "the others are not touched");
        assert_eq!(audit.voids, 0);
    })
    .await;
}
