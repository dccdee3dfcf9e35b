//! The runtime on a log in memory, with a clock that moves when all wait.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use colony_agents::{
    Agent, Clock, HandlerError, Instance, InstanceError, InstanceOptions, Interest, ParkedEvents,
    Preference, Reaction, Retry, Schedule, VerifyRange, compare, fork, verify,
};
use colony_bus::memory::Fault;
use colony_bus::{Bus, BusOptions, Draft, MemoryLog, Query};
use colony_core::{Entry, Filter, Position, Timestamp};
use futures_util::TryStreamExt as _;
use tokio::time::Instant;

/// What the tests see of all instances of the agent.
#[derive(Debug, Default)]
struct Seen {
    handled: AtomicU64,
    folded: AtomicU64,
    asked: Mutex<Vec<String>>,
    by: Mutex<BTreeMap<String, u64>>,
    broken: std::sync::atomic::AtomicBool,
}

/// Answers each `question.asked` with an `answer.given` that says how many it has heard.
struct Answerer {
    seen: Arc<Seen>,
    name: &'static str,
}

impl Agent for Answerer {
    type State = u64;

    fn interest(&self) -> Interest {
        Interest::in_types(["question.asked".parse().unwrap()])
    }

    fn evolve(&self, heard: &mut u64, _: &Entry) {
        self.seen.folded.fetch_add(1, Ordering::Relaxed);
        *heard += 1;
    }

    async fn react(
        &self,
        heard: &u64,
        entry: &Entry,
        reaction: &mut Reaction,
    ) -> Result<(), HandlerError> {
        self.seen.handled.fetch_add(1, Ordering::Relaxed);
        *self.seen.by.lock().unwrap().entry(self.name.to_owned()).or_default() += 1;
        let question: String = entry.event().data.to_value()?;
        match question.as_str() {
            "hang" => std::future::pending().await,
            "broken" if self.seen.broken.load(Ordering::Relaxed) => {
                return Err(HandlerError::new("it is broken"));
            }
            "outside, then hang" => {
                let seen = &self.seen;
                let answer: u64 = reaction
                    .effect("ask", |key| async move {
                        let mut asked = seen.asked.lock().unwrap();
                        asked.push(key.to_string());
                        Ok::<_, std::io::Error>(asked.len() as u64)
                    })
                    .await?;
                if answer == 1 && seen.handled.load(Ordering::Relaxed) == 1 {
                    std::future::pending::<()>().await;
                }
                reaction.emit(Draft::new("effect.seen".parse()?).json(&answer)?)?;
            }
            _ => {}
        }
        let mut answer = Draft::new("answer.given".parse()?).json(&(question, heard))?;
        if let Some(entity) = &entry.event().entity {
            answer = answer.about(entity.clone());
        }
        reaction.emit(answer)?;
        Ok(())
    }
}

struct Lab {
    log: MemoryLog,
    seen: Arc<Seen>,
}

impl Lab {
    fn new() -> Self {
        Self { log: MemoryLog::new("lab"), seen: Arc::default() }
    }

    fn bus(&self, agent: &str) -> Bus {
        let options = BusOptions::new("lab".parse().unwrap(), agent.parse().unwrap());
        Bus::on(Arc::new(self.log.clone()), Arc::new(self.log.clone()), options)
    }

    async fn start(&self, name: &'static str, options: &InstanceOptions) -> Instance {
        let agent = Answerer { seen: Arc::clone(&self.seen), name };
        Instance::start(self.bus("answerer"), agent, options.clone()).await.unwrap()
    }

    async fn ask(&self, question: &str, entity: Option<&str>) -> Position {
        let draft = Draft::new("question.asked".parse().unwrap()).json(&question).unwrap();
        let draft = match entity {
            Some(entity) => draft.about(entity.parse().unwrap()),
            None => draft,
        };
        self.bus("asker").publish(draft).await.unwrap().await.unwrap().position
    }

    async fn of_type(&self, ty: &str) -> Vec<Entry> {
        let filter = Filter { types: [ty.parse().unwrap()].into(), ..Filter::events() };
        let query = Query { filter, ..Query::default() };
        self.bus("reader").read(query).await.unwrap().try_collect().await.unwrap()
    }

    async fn answers(&self) -> Vec<(String, u64)> {
        let answers = self.of_type("answer.given").await;
        answers.iter().map(|entry| entry.event().data.to_value().unwrap()).collect()
    }

    /// Waits until so many answers are there; returns how long that took.
    async fn wait_for(&self, answers: usize) -> Duration {
        let began = Instant::now();
        while self.answers().await.len() < answers {
            tokio::time::sleep(Duration::from_millis(5)).await;
            assert!(began.elapsed() < Duration::from_secs(600), "{:?}", self.answers().await);
        }
        began.elapsed()
    }
}

#[tokio::test(start_paused = true)]
async fn one_works_and_the_others_stand_by() {
    let lab = Lab::new();
    let options = InstanceOptions::default();
    let instances = [lab.start("a", &options).await, lab.start("b", &options).await];
    for n in 0..50 {
        let last = lab.ask(&n.to_string(), None).await;
        for instance in &instances {
            instance.reacted_to(last).await;
        }
    }
    assert_eq!(lab.answers().await.len(), 50);
    let by = lab.seen.by.lock().unwrap().clone();
    assert_eq!(by.len(), 1, "{by:?}");
}

#[tokio::test(start_paused = true)]
async fn within_three_seconds_after_a_death_another_instance_has_taken_over() {
    for _ in 0..4 {
        let lab = Lab::new();
        let options = InstanceOptions::default();
        let mut instances = vec![lab.start("a", &options).await, lab.start("b", &options).await];
        lab.ask("first", None).await;
        lab.wait_for(1).await;
        let works = |i: &Instance| i.status()[0].works;
        let first = instances.iter().position(works).unwrap();
        // Dropped without a word, as a process that is killed.
        drop(instances.remove(first));
        lab.ask("second", None).await;
        let took = lab.wait_for(2).await;
        assert!(took < Duration::from_secs(3), "{took:?}");
        assert_eq!(lab.seen.by.lock().unwrap().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_graceful_stop_hands_over_at_once() {
    let lab = Lab::new();
    let options = InstanceOptions::default();
    let mut instances = vec![lab.start("a", &options).await, lab.start("b", &options).await];
    lab.ask("first", None).await;
    lab.wait_for(1).await;
    let first = instances.iter().position(|i| i.status()[0].works).unwrap();
    instances.remove(first).stop().await.unwrap();
    lab.ask("second", None).await;
    let took = lab.wait_for(2).await;
    assert!(took < Duration::from_millis(100), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_effect_is_recorded_before_anything_comes_of_it_and_served_after_a_death() {
    let lab = Lab::new();
    let options =
        InstanceOptions { preference: Preference::Everyone, ..InstanceOptions::default() };
    let first = lab.start("a", &options).await;
    lab.ask("outside, then hang", None).await;
    while lab.seen.asked.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Between the record and the commit.
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(first);
    let _second = lab.start("b", &options).await;
    lab.wait_for(1).await;
    assert_eq!(lab.seen.asked.lock().unwrap().len(), 1);
    let seen = lab.of_type("effect.seen").await;
    assert_eq!(seen[0].event().data.to_value::<u64>().unwrap(), 1);
    assert_eq!(lab.seen.handled.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn an_effect_that_ran_unrecorded_runs_again_with_the_same_key() {
    let lab = Lab::new();
    let options =
        InstanceOptions { preference: Preference::Everyone, ..InstanceOptions::default() };
    let first = lab.start("a", &options).await;
    lab.seen.handled.store(1, Ordering::Relaxed);
    let draft = Draft::new("question.asked".parse().unwrap());
    let draft = draft.json(&"outside, then hang").unwrap();
    // The next append after the question is lost on the way: that of the effect's result.
    lab.log.hold();
    let asked = lab.bus("asker").publish(draft).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    lab.log.release();
    lab.log.inject(Fault::LostSend);
    asked.await.unwrap();
    while lab.seen.asked.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_micros(100)).await;
    }
    drop(first);
    let _second = lab.start("b", &options).await;
    lab.wait_for(1).await;
    let asked = lab.seen.asked.lock().unwrap().clone();
    assert_eq!(asked, [asked[0].clone(), asked[0].clone()]);
    let seen = lab.of_type("effect.seen").await;
    assert_eq!((seen.len(), seen[0].event().data.to_value::<u64>().unwrap()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_cannot_be_handled_is_set_aside_and_blocks_only_its_entity() {
    let lab = Lab::new();
    lab.seen.broken.store(true, Ordering::Relaxed);
    let options = InstanceOptions {
        retry: Retry { attempts: 2, ..Retry::default() },
        ..InstanceOptions::default()
    };
    let instance = lab.start("a", &options).await;
    let broken = lab.ask("broken", Some("x")).await;
    let behind = lab.ask("behind", Some("x")).await;
    let other = lab.ask("other", Some("y")).await;
    instance.reacted_to(other).await;
    assert_eq!(lab.answers().await, [("other".to_owned(), 3)]);
    let parked = ParkedEvents::of(lab.bus("answerer"));
    let list = parked.list().await.unwrap();
    assert_eq!(list.iter().map(|p| p.event).collect::<Vec<_>>(), [broken, behind]);
    assert_eq!(list[0].reason.to_string(), "the handler failed: it is broken");
    assert_eq!((list[0].attempts, list[1].attempts), (2, 0));

    // Tried again in vain, then repaired.
    parked.retry(broken).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(parked.list().await.unwrap().len(), 2);
    lab.seen.broken.store(false, Ordering::Relaxed);
    parked.retry(broken).await.unwrap();
    lab.wait_for(3).await;
    let answers: Vec<String> = lab.answers().await.into_iter().map(|(what, _)| what).collect();
    assert_eq!(answers, ["other", "broken", "behind"]);
    assert_eq!(parked.list().await.unwrap(), []);
    assert!(parked.retry(broken).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_event_given_up_makes_room_for_those_behind_it() {
    let lab = Lab::new();
    let options = InstanceOptions {
        retry: Retry { attempts: 1, ..Retry::default() },
        handler_timeout: Duration::from_secs(1),
        ..InstanceOptions::default()
    };
    let instance = lab.start("a", &options).await;
    let hang = lab.ask("hang", Some("x")).await;
    let behind = lab.ask("behind", Some("x")).await;
    instance.reacted_to(behind).await;
    ParkedEvents::of(lab.bus("answerer")).give_up(hang).await.unwrap();
    lab.wait_for(1).await;
    assert_eq!(lab.answers().await[0].0, "behind");
}

#[tokio::test(start_paused = true)]
async fn another_number_of_lanes_is_refused() {
    let lab = Lab::new();
    lab.start("a", &InstanceOptions::default()).await.stop().await.unwrap();
    let options = InstanceOptions { partitions: 2, ..InstanceOptions::default() };
    let agent = Answerer { seen: Arc::default(), name: "b" };
    let refused = Instance::start(lab.bus("answerer"), agent, options).await;
    assert!(matches!(refused, Err(InstanceError::Partitions { asked: 2, actual: 1 })));
}

#[tokio::test]
async fn a_state_that_was_kept_is_not_folded_again() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::new();
    let cache = Some(folder.path().to_owned());
    let options = InstanceOptions { cache, ..InstanceOptions::default() };
    let first = lab.start("a", &options).await;
    let mut last = Position::ZERO;
    for n in 0..20 {
        last = lab.ask(&n.to_string(), None).await;
    }
    first.reacted_to(last).await;
    first.stop().await.unwrap();
    assert_eq!(lab.seen.folded.swap(0, Ordering::Relaxed), 20);
    let second = lab.start("b", &options).await;
    let last = lab.ask("one more", None).await;
    second.reacted_to(last).await;
    assert_eq!(lab.seen.folded.load(Ordering::Relaxed), 1);
    assert_eq!(lab.answers().await.last().unwrap().1, 21);
    second.stop().await.unwrap();

    // Damaged, it is folded anew: the same answers.
    for file in std::fs::read_dir(folder.path()).unwrap() {
        std::fs::write(file.unwrap().path(), b"damaged").unwrap();
    }
    let third = lab.start("c", &options).await;
    let last = lab.ask("and another", None).await;
    third.reacted_to(last).await;
    assert_eq!(lab.answers().await.last().unwrap().1, 22);
}

/// Answers each question after a while, and has no state.
struct Slow;

impl Agent for Slow {
    type State = ();

    fn interest(&self) -> Interest {
        Interest::in_types(["question.asked".parse().unwrap()])
    }

    async fn react(
        &self,
        (): &(),
        entry: &Entry,
        reaction: &mut Reaction,
    ) -> Result<(), HandlerError> {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let question: String = entry.event().data.to_value()?;
        reaction.emit(Draft::new("answer.given".parse()?).json(&(question, 0))?)?;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn who_stands_by_without_a_state_does_not_hear_a_backlog_and_takes_it_over_all_the_same() {
    let lab = Lab::new();
    let options = InstanceOptions { standby_events: 10, ..InstanceOptions::default() };
    let mut last = Position::ZERO;
    for n in 0..100 {
        last = lab.ask(&n.to_string(), None).await;
    }
    let mut instances = Vec::new();
    for _ in 0..2 {
        let start = Instance::start(lab.bus("slow"), Slow, options.clone());
        instances.push(start.await.unwrap());
    }
    lab.wait_for(25).await;
    let works = instances.iter().position(|i| i.status()[0].works).unwrap();
    let status = instances[1 - works].status()[0].clone();
    assert_eq!(status.waiting, 0, "it listens: {status:?}");
    assert!(status.through > Position::ZERO && status.through < last, "{status:?}");
    drop(instances.remove(works));
    lab.wait_for(26).await;
    instances[0].reacted_to(last).await;
    let mut questions: Vec<String> = lab.answers().await.into_iter().map(|(q, _)| q).collect();
    assert_eq!(questions.len(), 100);
    questions.sort_unstable();
    questions.dedup();
    assert_eq!(questions.len(), 100);
}

/// Answers whatever the other one says, for ever.
struct Echo;

impl Agent for Echo {
    type State = ();

    fn interest(&self) -> Interest {
        Interest::in_types(["word.said".parse().unwrap()])
    }

    async fn react(&self, (): &(), _: &Entry, reaction: &mut Reaction) -> Result<(), HandlerError> {
        reaction.emit(Draft::new("word.said".parse()?))?;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_conversation_that_two_agents_cannot_end_is_ended() {
    let lab = Lab::new();
    let options = InstanceOptions::default();
    let _one = Instance::start(lab.bus("one"), Echo, options.clone()).await.unwrap();
    let _other = Instance::start(lab.bus("other"), Echo, options).await.unwrap();
    let word = Draft::new("word.said".parse().unwrap());
    lab.bus("one").publish(word).await.unwrap().await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(lab.of_type("word.said").await.len(), 33);
    assert_eq!(lab.of_type("reaction.parked").await.len(), 1);
}

/// Answers as [`Answerer`] does, but counts from ten.
struct Changed(Answerer);

impl Agent for Changed {
    type State = u64;

    fn interest(&self) -> Interest {
        self.0.interest()
    }

    fn evolve(&self, heard: &mut u64, entry: &Entry) {
        self.0.evolve(heard, entry);
    }

    async fn react(
        &self,
        heard: &u64,
        entry: &Entry,
        reaction: &mut Reaction,
    ) -> Result<(), HandlerError> {
        let heard = if *heard > 3 { heard + 10 } else { *heard };
        self.0.react(&heard, entry, reaction).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_run_again_over_what_was_recorded_does_the_same_or_the_first_difference_is_shown()
{
    let lab = Lab::new();
    lab.seen.broken.store(true, Ordering::Relaxed);
    lab.seen.handled.store(1, Ordering::Relaxed);
    let retry = Retry { attempts: 1, ..Retry::default() };
    let options = InstanceOptions { retry, ..InstanceOptions::default() };
    let instance = lab.start("a", &options).await;
    let mut asked = Vec::new();
    for (question, entity) in [
        ("one", None),
        ("broken", Some("x")),
        ("behind", Some("x")),
        ("outside, then hang", None),
        ("five", None),
    ] {
        asked.push(lab.ask(question, entity).await);
    }
    instance.reacted_to(asked[4]).await;
    lab.seen.broken.store(false, Ordering::Relaxed);
    ParkedEvents::of(lab.bus("answerer")).retry(asked[1]).await.unwrap();
    lab.wait_for(5).await;
    instance.stop().await.unwrap();

    let before = lab.bus("reader").tail().await.unwrap();
    let answerer = || Answerer { seen: Arc::clone(&lab.seen), name: "again" };
    let bus = lab.bus("answerer");
    let same = verify(&bus, answerer(), VerifyRange::default()).await.unwrap();
    assert_eq!(same.difference, None);
    assert_eq!((same.reactions, same.outputs, same.parked), (5, 6, 2));
    assert_eq!(lab.seen.asked.lock().unwrap().len(), 1, "nobody outside is asked");

    let changed = verify(&bus, Changed(answerer()), VerifyRange::default()).await.unwrap();
    let difference = changed.difference.unwrap();
    assert_eq!((difference.event, difference.index), (asked[3], 1));
    let said = |event: Option<colony_core::Event>| -> (String, u64) {
        event.unwrap().data.to_value().unwrap()
    };
    assert_eq!((said(difference.recorded).1, said(difference.made).1), (4, 14));
    assert_eq!(lab.bus("reader").tail().await.unwrap(), before, "nothing is appended");
}

/// Reports each tick.
struct Reporter;

impl Agent for Reporter {
    type State = ();

    fn interest(&self) -> Interest {
        Interest::in_ticks()
    }

    fn schedules(&self) -> Vec<Schedule> {
        vec![Schedule::new("report", "* * * * *", None).unwrap()]
    }

    async fn react(&self, (): &(), _: &Entry, reaction: &mut Reaction) -> Result<(), HandlerError> {
        reaction.emit(Draft::new("report.written".parse()?))?;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn of_each_tick_there_is_one_whatever_the_number_of_instances() {
    for preference in [Preference::Everyone, Preference::Rendezvous] {
        let lab = Lab::new();
        let began = Instant::now();
        let start: Timestamp = "2026-03-01T12:00:30Z".parse().unwrap();
        let clock = Clock::function(move || {
            let nanos = i64::try_from(began.elapsed().as_nanos()).unwrap();
            Timestamp::from_nanos(start.as_nanos() + nanos)
        });
        let options = InstanceOptions { preference, clock, ..InstanceOptions::default() };
        let mut instances = Vec::new();
        for _ in 0..3 {
            let bus = lab.bus("reporter");
            instances.push(Instance::start(bus, Reporter, options.clone()).await.unwrap());
        }
        tokio::time::sleep(Duration::from_secs(600)).await;
        let first = instances.iter().position(|i| i.status()[0].works).unwrap();
        drop(instances.remove(first));
        tokio::time::sleep(Duration::from_secs(600)).await;
        let ticks = lab.of_type("schedule.ticked").await;
        let times: Vec<String> =
            ticks.iter().map(|tick| tick.event().time.as_ref().unwrap().at.to_string()).collect();
        let minutes: Vec<String> = (1..=20).map(|m| format!("2026-03-01T12:{m:02}:00Z")).collect();
        assert_eq!(times, minutes);
        assert_eq!(lab.of_type("report.written").await.len(), 20);
    }
}

#[tokio::test(start_paused = true)]
async fn a_fork_shows_what_another_handler_would_have_said_and_leaves_the_space_alone() {
    let lab = Lab::new();
    let instance = lab.start("a", &InstanceOptions::default()).await;
    let mut asked = Vec::new();
    for n in 1..=6 {
        asked.push(lab.ask(&n.to_string(), None).await);
    }
    instance.reacted_to(asked[5]).await;
    instance.stop().await.unwrap();
    let before = lab.bus("reader").tail().await.unwrap();

    let log = fork(&lab.bus("answerer"), asked[1]).await.unwrap();
    let forked = Lab { log, seen: Arc::clone(&lab.seen) };
    let answerer = Answerer { seen: Arc::clone(&lab.seen), name: "forked" };
    let bus = forked.bus("answerer");
    let instance = Instance::start(bus.clone(), Changed(answerer), InstanceOptions::default());
    let instance = instance.await.unwrap();
    instance.reacted_to(asked[5]).await;
    let parted = compare(&lab.bus("answerer"), &bus, Position::ZERO).await.unwrap();
    let events: Vec<Position> = parted.iter().map(|divergence| divergence.event).collect();
    assert_eq!(events, asked[3..]);
    let said = |events: &[colony_core::Event]| events[0].data.to_value::<(String, u64)>().unwrap();
    assert_eq!(said(&parted[0].here), ("4".to_owned(), 4));
    assert_eq!(said(&parted[0].there), ("4".to_owned(), 14));
    assert_eq!(forked.answers().await.len(), 6);
    assert_eq!(lab.bus("reader").tail().await.unwrap(), before, "nothing is appended");
}
