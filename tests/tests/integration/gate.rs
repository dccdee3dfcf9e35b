//! Servers and streams that Colony does not work with.

use std::time::Duration;

use async_nats::jetstream::{self, stream};
use colony_bus::log::ConnectError;
use colony_bus::{Bus, Credentials};
use colony_server::{Finder, Node, NodeConfig, Silent};
use colony_tests::harness::{One, options, raw, within};
use futures_util::TryStreamExt as _;
use nkeys::KeyPair;

const LIMIT: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_too_old_is_refused_and_nothing_is_created() {
    within(LIMIT, "an old server", async {
        let old = "2.11.0".parse().unwrap();
        let server = Finder::from_env().fetch_version(old, &Silent).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let node =
            Node::start(&server, NodeConfig::new("old", dir.path().join("old"))).await.unwrap();
        let error = Bus::connect(options("someone", &node.url())).await.unwrap_err();
        let ConnectError::TooOld { version, required, actual, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(version, "2.11.0");
        assert!(actual < required);
        let sentence = error.to_string();
        assert!(
            sentence.starts_with("nats-server 2.11.0 is too old: Colony needs 2.12.0"),
            "{sentence}"
        );
        let streams = jetstream::new(raw(&node.url()).await);
        let names: Vec<String> = streams.stream_names().try_collect().await.unwrap();
        assert!(names.is_empty(), "{names:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_made_by_something_else_is_refused_by_the_setting_that_differs() {
    within(LIMIT, "a foreign stream", async {
        let one = One::start().await;
        let context = jetstream::new(raw(&one.url()).await);
        let ours = stream::Config {
            name: "COLONY_test".into(),
            subjects: vec!["colony.test.>".into()],
            discard: stream::DiscardPolicy::New,
            allow_direct: true,
            allow_atomic_publish: true,
            ..Default::default()
        };
        let day = Duration::from_secs(86_400);
        let others = [
            ("max_age", stream::Config { max_age: day, ..ours.clone() }),
            ("allow_atomic", stream::Config { allow_atomic_publish: false, ..ours.clone() }),
            ("discard", stream::Config { discard: stream::DiscardPolicy::Old, ..ours.clone() }),
            ("subjects", stream::Config { subjects: vec!["colony.test.a".into()], ..ours.clone() }),
            (
                "max_msgs_per_subject",
                stream::Config { max_messages_per_subject: 1, ..ours.clone() },
            ),
        ];
        for (expected, config) in others {
            context.create_stream(config).await.unwrap();
            let error = Bus::connect(options("someone", &one.url())).await.unwrap_err();
            let ConnectError::Configuration { field, stream, .. } = &error else {
                panic!("{expected}: {error}")
            };
            assert_eq!((*field, stream.as_str()), (expected, "COLONY_test"));
            context.delete_stream("COLONY_test").await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_and_no_jetstream_are_told_apart() {
    within(LIMIT, "no server", async {
        let error = Bus::connect(options("someone", "nats://127.0.0.1:1")).await.unwrap_err();
        assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
        let mut with_key = options("someone", "nats://127.0.0.1:1");
        with_key.server.credentials = Credentials::NkeySeed(KeyPair::new_user().seed().unwrap());
        let error = Bus::connect(with_key).await.unwrap_err();
        assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
    })
    .await;
}
