//! Documents in reactions: edited whole, once, and as they stood.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use colony_agents::reactor::{Limits, ParkReason};
use colony_agents::{
    Agent, HandlerError, Instance, InstanceOptions, Interest, ParkedEvents, Preference, Reaction,
    Retry, VerifyRange, compare, fork, verify,
};
use colony_bus::{Bus, BusOptions, Cut, Draft, MemoryLog, Moment, Query};
use colony_core::document::{Path, Value};
use colony_core::{DocumentName, Entry, Filter, Position};
use futures_util::TryStreamExt as _;

fn notes() -> DocumentName {
    "notes".parse().unwrap()
}

fn text() -> Path {
    "/text".parse().unwrap()
}

/// Appends each word that it hears to a shared text, and says how the text reads then.
#[derive(Clone, Default)]
struct Scribe {
    broken: Arc<AtomicBool>,
    /// Whether it writes in capital letters.
    loud: bool,
}

impl Agent for Scribe {
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
        let word: String = entry.event().data.to_value()?;
        let word = match word.strip_prefix("letters ") {
            Some(count) => letters(count.parse()?),
            None if self.loud => word.to_uppercase(),
            None => word,
        };
        let mut notes = reaction.document(&notes()).await?;
        if notes.view().value(&text())?.is_none() {
            notes.edit(|edit| edit.set(&text(), Value::Text(String::new())))?;
        }
        notes.edit(|edit| {
            let end = edit.length(&text())?;
            edit.splice_text(&text(), end, 0, &word)
        })?;
        if word == "broken" && self.broken.load(Ordering::Relaxed) {
            return Err(HandlerError::new("it is broken"));
        }
        let reads: String = notes.view().text(&text())?.chars().take(100).collect();
        reaction.emit(Draft::new("text.read".parse()?).json(&reads)?)?;
        Ok(())
    }
}

/// Makes so many letters that nothing makes smaller.
fn letters(count: usize) -> String {
    let mut bits = 1_u64;
    let mut letter = || {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040);
        char::from(b'!' + u8::try_from((bits >> 33) % 90).unwrap())
    };
    (0..count).map(|_| letter()).collect()
}

struct Lab(MemoryLog);

impl Lab {
    fn new() -> Self {
        Self(MemoryLog::new("lab"))
    }

    fn bus(&self, agent: &str) -> Bus {
        let options = BusOptions::new("lab".parse().unwrap(), agent.parse().unwrap());
        Bus::on(Arc::new(self.0.clone()), Arc::new(self.0.clone()), options)
    }

    async fn start(&self, scribe: &Scribe, options: &InstanceOptions) -> Instance {
        Instance::start(self.bus("scribe"), scribe.clone(), options.clone()).await.unwrap()
    }

    async fn say(&self, word: &str, entity: Option<&str>) -> Position {
        let draft = Draft::new("word.said".parse().unwrap()).json(&word).unwrap();
        let draft = match entity {
            Some(entity) => draft.about(entity.parse().unwrap()),
            None => draft,
        };
        self.bus("speaker").publish(draft).await.unwrap().await.unwrap().position
    }

    async fn reads(&self) -> String {
        let all = Moment::Cut(Cut::Position(Position::MAX));
        let past = self.bus("reader").document_at(&notes(), all).await.unwrap();
        assert_eq!(past.replica().missing(), []);
        past.view().unwrap().text(&text()).unwrap()
    }

    async fn read(&self) -> Vec<String> {
        let filter = Filter { types: ["text.read".parse().unwrap()].into(), ..Filter::events() };
        let query = Query { filter, ..Query::default() };
        let entries = self.bus("reader").read(query).await.unwrap();
        let entries: Vec<Entry> = entries.try_collect().await.unwrap();
        entries.iter().map(|entry| entry.event().data.to_value().unwrap()).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_works_and_dies_each_edit_is_made_once_and_sees_those_before() {
    let lab = Lab::new();
    let scribe = Scribe::default();
    let everyone =
        InstanceOptions { preference: Preference::Everyone, ..InstanceOptions::default() };
    let mut instances =
        vec![lab.start(&scribe, &everyone).await, lab.start(&scribe, &everyone).await];
    let mut expected = String::new();
    for (word, letter) in ('a'..='z').enumerate() {
        let last = lab.say(&letter.to_string(), None).await;
        expected.push(letter);
        if word % 5 == 4 {
            // Wherever it stands.
            drop(instances.remove(0));
            instances.push(lab.start(&scribe, &everyone).await);
        }
        if word % 3 == 2 {
            for instance in &instances {
                instance.reacted_to(last).await;
            }
        }
        if letter == 'z' {
            instances[0].reacted_to(last).await;
        }
    }
    assert_eq!(lab.reads().await, expected);
    let prefixes: Vec<String> = (1..=26).map(|n| expected[..n].to_owned()).collect();
    assert_eq!(lab.read().await, prefixes);
}

#[tokio::test(start_paused = true)]
async fn edits_merge_with_those_of_others_and_show_in_open_documents() {
    let lab = Lab::new();
    let other = lab.bus("other").document(&notes()).await.unwrap();
    let begun = other.edit(|edit| edit.set(&text(), Value::Text("> ".to_owned()))).await.unwrap();
    begun.durable.await.unwrap();
    let instance = lab.start(&Scribe::default(), &InstanceOptions::default()).await;
    let last = lab.say("one", None).await;
    instance.reacted_to(last).await;
    let tail = lab.bus("reader").tail().await.unwrap();
    other.until_position(tail).await.unwrap();
    let edited = other.edit(|edit| edit.splice_text(&text(), 0, 1, "$")).await.unwrap();
    edited.durable.await.unwrap();
    let last = lab.say(" two", None).await;
    instance.reacted_to(last).await;
    assert_eq!(lab.reads().await, "$ one two");
    assert_eq!(lab.read().await, ["> one", "$ one two"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_edited_before_a_failure_is_nowhere_and_a_retried_event_edits_as_any_other() {
    let lab = Lab::new();
    let scribe = Scribe::default();
    scribe.broken.store(true, Ordering::Relaxed);
    let retry = Retry { attempts: 2, ..Retry::default() };
    let options = InstanceOptions { retry, ..InstanceOptions::default() };
    let instance = lab.start(&scribe, &options).await;
    lab.say("one ", Some("a")).await;
    let broken = lab.say("broken", Some("b")).await;
    let last = lab.say("three ", Some("a")).await;
    instance.reacted_to(last).await;
    assert_eq!(lab.reads().await, "one three ");
    scribe.broken.store(false, Ordering::Relaxed);
    ParkedEvents::of(lab.bus("scribe")).retry(broken).await.unwrap();
    while lab.read().await.len() < 3 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let last = lab.say(" four", Some("a")).await;
    instance.reacted_to(last).await;
    assert_eq!(lab.reads().await, "one three broken four");
    instance.stop().await.unwrap();

    let bus = lab.bus("scribe");
    let same = verify(&bus, scribe.clone(), VerifyRange::default()).await.unwrap();
    assert_eq!((same.difference, same.reactions, same.outputs), (None, 4, 8));
    let loud = Scribe { loud: true, ..scribe };
    let changed = verify(&bus, loud, VerifyRange::default()).await.unwrap();
    assert_eq!(changed.difference.unwrap().index, 0);
}

#[tokio::test(start_paused = true)]
async fn in_a_fork_each_event_finds_the_document_as_it_stood() {
    let lab = Lab::new();
    let instance = lab.start(&Scribe::default(), &InstanceOptions::default()).await;
    let mut said = Vec::new();
    for word in ["one ", "two ", "three "] {
        said.push(lab.say(word, None).await);
        instance.reacted_to(*said.last().unwrap()).await;
    }
    instance.stop().await.unwrap();
    let forked = Lab(fork(&lab.bus("scribe"), said[0]).await.unwrap());
    let instance = forked.start(&Scribe::default(), &InstanceOptions::default()).await;
    instance.reacted_to(said[2]).await;
    assert_eq!(forked.reads().await, "one two three ");
    let parted = compare(&lab.bus("scribe"), &forked.bus("scribe"), Position::ZERO).await.unwrap();
    assert_eq!(parted, []);
}

#[tokio::test(start_paused = true)]
async fn a_large_edit_travels_in_pieces_and_one_too_large_for_a_unit_is_set_aside() {
    let lab = Lab::new();
    let limits = Limits { unit_entries: 5, ..Limits::default() };
    let options = InstanceOptions { limits, ..InstanceOptions::default() };
    let instance = lab.start(&Scribe::default(), &options).await;
    lab.say("letters 700000", None).await;
    let parked = lab.say("letters 4000000", None).await;
    let last = lab.say("the end", None).await;
    instance.reacted_to(last).await;
    let expected = format!("{}the end", letters(700_000));
    assert!(lab.reads().await == expected, "the text is another one");
    let list = ParkedEvents::of(lab.bus("scribe")).list().await.unwrap();
    assert_eq!(list.iter().map(|parked| parked.event).collect::<Vec<_>>(), [parked]);
    assert!(matches!(list[0].reason, ParkReason::TooMuch { .. }), "{:?}", list[0].reason);
}
