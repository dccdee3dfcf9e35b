//! Agents on real servers: what a reaction asks outside, edits and is woken for, when instances die in the middle.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use colony_agents::{
    Agent, DocumentOperation, HandlerError, Instance, InstanceOptions, Interest, Preference,
    Reaction,
};
use colony_bus::{Bus, Cut, Draft, Moment, Query};
use colony_core::document::Path;
use colony_core::{DocumentName, Entry, Filter, Position};
use colony_tests::harness::{One, Seed, options, within};
use futures_util::TryStreamExt as _;
use tokio::sync::Notify;

const LIMIT: Duration = Duration::from_secs(300);
const WORDS: u64 = 300;

/// Where the first instance stops for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stops {
    /// Outside has answered; nothing is recorded.
    BeforeTheRecord,
    /// The answer is recorded; nothing that comes of it is.
    BeforeTheCommit,
    /// Nowhere.
    Never,
}

/// What the tests see of all instances.
#[derive(Debug, Default)]
struct Outside {
    keys: Mutex<Vec<String>>,
    stops: Notify,
}

impl Outside {
    async fn stop(&self) {
        self.stops.notify_one();
        std::future::pending::<()>().await;
    }

    fn asked(&self) -> Vec<String> {
        self.keys.lock().unwrap().clone()
    }
}

/// Asks outside about each word, and tells the answer.
struct Asker {
    outside: Arc<Outside>,
    stops: Stops,
}

impl Agent for Asker {
    type State = ();

    fn interest(&self) -> Interest {
        Interest::in_types(["word.said".parse().unwrap()])
    }

    async fn react(&self, (): &(), _: &Entry, reaction: &mut Reaction) -> Result<(), HandlerError> {
        let Self { outside, stops } = self;
        let answer: u64 = reaction
            .effect("ask", |key| async move {
                let number = {
                    let mut keys = outside.keys.lock().unwrap();
                    keys.push(key.to_string());
                    keys.len() as u64
                };
                if *stops == Stops::BeforeTheRecord {
                    outside.stop().await;
                }
                Ok::<_, std::io::Error>(number)
            })
            .await?;
        if *stops == Stops::BeforeTheCommit {
            outside.stop().await;
        }
        reaction.emit(Draft::new("answer.told".parse()?).json(&answer)?)?;
        Ok(())
    }
}

async fn say(url: &str, word: u64) -> Position {
    let bus = Bus::connect(options("speaker", url)).await.unwrap();
    let draft = Draft::new("word.said".parse().unwrap()).json(&word).unwrap();
    bus.publish(draft).await.unwrap().await.unwrap().position
}

async fn told(url: &str, ty: &str) -> Vec<u64> {
    let bus = Bus::connect(options("reader", url)).await.unwrap();
    let filter = Filter { types: [ty.parse().unwrap()].into(), ..Filter::events() };
    let entries = bus.read(Query { filter, ..Query::default() }).await.unwrap();
    let entries: Vec<Entry> = entries.try_collect().await.unwrap();
    entries.iter().map(|entry| entry.event().data.to_value().unwrap()).collect()
}

async fn start<A: Agent>(name: &str, url: &str, agent: A) -> Instance {
    let bus = Bus::connect(options(name, url)).await.unwrap();
    let options =
        InstanceOptions { preference: Preference::Everyone, ..InstanceOptions::default() };
    Instance::start(bus, agent, options).await.unwrap()
}

/// Lets an instance die where it stops, and another one go on. Returns the keys that outside saw, and what was told.
async fn die(stops: Stops) -> (Vec<String>, Vec<u64>) {
    let one = One::start().await;
    let outside = Arc::<Outside>::default();
    let asker = |stops| Asker { outside: Arc::clone(&outside), stops };
    let word = say(&one.url(), 1).await;
    let first = start("asker", &one.url(), asker(stops)).await;
    outside.stops.notified().await;
    drop(first);
    let second = start("asker", &one.url(), asker(Stops::Never)).await;
    second.reacted_to(word).await;
    (outside.asked(), told(&one.url(), "answer.told").await)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_dies_between_an_effect_and_its_record_asks_again_with_the_same_key() {
    within(LIMIT, "death before the record", async {
        let (keys, told) = die(Stops::BeforeTheRecord).await;
        let [first, second] = keys.as_slice() else { panic!("asked with {keys:?}") };
        assert_eq!(first, second);
        assert_eq!(told, [2], "the second answer is the one recorded");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_dies_between_the_record_and_the_commit_leaves_its_answer() {
    within(LIMIT, "death before the commit", async {
        let (keys, told) = die(Stops::BeforeTheCommit).await;
        assert_eq!((keys.len(), told), (1, vec![1]));
    })
    .await;
}

/// No agent waits on finished work: what was said while nobody was there, or while the agent was busy, wakes it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_while_nobody_listens_is_answered_once_by_who_comes() {
    within(LIMIT, "durable wakes", async {
        let one = One::start().await;
        let outside = Arc::<Outside>::default();
        let asker = || Asker { outside: Arc::clone(&outside), stops: Stops::Never };
        let mut last = Position::ZERO;
        for word in 0..3 {
            last = say(&one.url(), word).await;
        }
        let first = start("asker", &one.url(), asker()).await;
        first.reacted_to(last).await;
        first.stop().await.unwrap();
        for word in 3..6 {
            last = say(&one.url(), word).await;
        }
        let second = start("asker", &one.url(), asker()).await;
        second.reacted_to(last).await;
        assert_eq!(told(&one.url(), "answer.told").await, [1, 2, 3, 4, 5, 6]);
        assert_eq!(second.metrics().reactions, 3);
    })
    .await;
}

/// Counts each word in a shared document, and tells how many stood there.
struct Counter;

fn counts() -> DocumentName {
    "counts".parse().unwrap()
}

impl Agent for Counter {
    type State = ();

    fn interest(&self) -> Interest {
        Interest::in_types(["word.said".parse().unwrap()])
    }

    async fn react(
        &self,
        (): &(),
        entry: &Entry,
        reaction: &mut Reaction,
    ) -> Result<(), HandlerError> {
        let word: u64 = entry.event().data.to_value()?;
        let mut counts = reaction.document(&counts()).await?;
        let before = counts.view().keys(&Path::root())?.len() as u64;
        let path = Path::root().join(format!("w{word}"));
        counts.apply(&[DocumentOperation::Increment { path, by: 1 }])?;
        reaction.emit(Draft::new("word.counted".parse()?).json(&before)?)?;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_to_instances_each_edit_of_a_document_is_made_once() {
    within(LIMIT, "documents in reactions", async {
        let mut seed = Seed::of("documents in reactions");
        let one = One::start().await;
        let url = one.url();
        let mut instances = Vec::new();
        for _ in 0..2 {
            instances.push(start("counter", &url, Counter).await);
        }
        let speaker = Bus::connect(options("speaker", &url)).await.unwrap();
        let mut last = Position::ZERO;
        for word in 0..WORDS {
            let draft = Draft::new("word.said".parse().unwrap()).json(&word).unwrap();
            last = speaker.publish(draft).await.unwrap().await.unwrap().position;
            if seed.below(60) == 0 {
                // Wherever it stands.
                drop(instances.remove(0));
                instances.push(start("counter", &url, Counter).await);
            }
        }
        for instance in &instances {
            instance.reacted_to(last).await;
        }
        let reader = Bus::connect(options("reader", &url)).await.unwrap();
        let all = Moment::Cut(Cut::Position(Position::MAX));
        let document = reader.document_at(&counts(), all).await.unwrap();
        let counted = document.view().unwrap().to_json().unwrap();
        let expected = (0..WORDS).map(|word| (format!("w{word}"), 1.into())).collect();
        assert_eq!(counted, serde_json::Value::Object(expected));
        assert_eq!(told(&url, "word.counted").await, (0..WORDS).collect::<Vec<_>>());
    })
    .await;
}
