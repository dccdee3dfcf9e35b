//! Instances of a command as processes that are killed and paused: every event is answered once.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use colony_agents::{InstanceNews, InstanceOptions, InstanceWatch, PresentInstance};
use colony_bus::{Bus, BusOptions, Cut, Delivery, Draft, Query};
use colony_core::{Entry, EntryKind, Filter, Position};
use colony_tests::harness::{Cluster, One, Seed, options, within};
use futures_util::StreamExt as _;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use tokio::sync::watch;

use crate::run::Colony;

const LIMIT: Duration = Duration::from_secs(600);
const ENTITIES: u64 = 16;
const HANDLER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/processes/handler.py");

/// A process of `colony agent run`.
pub(crate) struct Running {
    child: Child,
    /// What it said when it was ready.
    pub(crate) ready: Value,
}

impl Running {
    /// Starts it, and waits until it is ready.
    pub(crate) fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).expect("it says that it is ready");
        Self { child, ready }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Kills it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, and sees it end well.
    pub(crate) fn stop(mut self) {
        self.signal(Signal::TERM);
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

fn start(url: &str, dir: &Path) -> Running {
    start_with(url, dir, &["--partitions", "2", "--takeover", "1s"])
}

fn start_with(url: &str, dir: &Path, options: &[&str]) -> Running {
    let mut colony = Colony::new(&["agent", "run", "--name", "repeater", "--on", "word.said"]);
    colony.command.args(options).args(["--json", "--space", "test", "--server", url, "--"]);
    colony.command.args(["python3", HANDLER]).arg(dir.join("ran")).arg(dir.join("pids"));
    Running::start(&mut colony.command)
}

/// Says all words.
async fn speak(bus: &Bus, words: u64) {
    let mut tickets = Vec::new();
    for word in 0..words {
        let entity = format!("e{}", word % ENTITIES).parse().unwrap();
        let draft = Draft::new("word.said".parse().unwrap()).about(entity).json(&word).unwrap();
        tickets.push(bus.publish(draft).await.unwrap());
    }
    for ticket in tickets {
        ticket.await.unwrap();
    }
}

/// Counts what was repeated, as it comes.
async fn count(bus: Bus, words: u64, counted: watch::Sender<u64>) -> Vec<Entry> {
    let filter = Filter { types: ["word.repeated".parse().unwrap()].into(), ..Filter::events() };
    let mut entries = bus.subscribe(filter, Cut::Position(Position::ZERO)).await.unwrap();
    let mut repeated = Vec::new();
    while (repeated.len() as u64) < words {
        if let Delivery::Entry(entry) = entries.next().await.unwrap().unwrap() {
            repeated.push(*entry);
            counted.send_replace(repeated.len() as u64);
        }
    }
    repeated
}

/// Checks that each word was repeated once, in order for each entity, and with the recorded result.
async fn check(bus: &Bus, words: u64, dir: &Path) {
    let filter = Filter { types: ["word.repeated".parse().unwrap()].into(), ..Filter::events() };
    let mut entries = bus.read(Query { filter, ..Query::default() }).await.unwrap();
    let (mut repeated, mut results) = (BTreeSet::new(), BTreeMap::new());
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    while let Some(entry) = entries.next().await {
        let entry = entry.unwrap();
        let (word, result): (u64, Option<String>) = entry.event().data.to_value().unwrap();
        assert!(repeated.insert(word), "{word} is repeated again");
        let entity = entry.event().entity.as_ref().unwrap().to_string();
        let before = last.insert(entity, word);
        assert!(before.is_none_or(|before| before < word), "{word} after {before:?}");
        if let Some(result) = result {
            results.insert(entry.event().cause.as_ref().unwrap().position.unwrap(), result);
        }
    }
    assert_eq!(repeated.len() as u64, words);

    let filter = Filter { kinds: [EntryKind::Effect].into(), ..Filter::default() };
    let mut entries = bus.read(Query { filter, ..Query::default() }).await.unwrap();
    let mut records: BTreeMap<Position, String> = BTreeMap::new();
    while let Some(entry) = entries.next().await {
        let entry = entry.unwrap();
        let event = entry.event().cause.as_ref().unwrap().position.unwrap();
        let record = entry.event().data.to_value().unwrap();
        assert_eq!(records.insert(event, record), None, "{event} has two records");
    }
    assert_eq!(records, results, "what was said is what was recorded");
    let ran = std::fs::read_to_string(dir.join("ran")).unwrap();
    let ran: Vec<&str> = ran.lines().collect();
    for record in records.values() {
        assert_eq!(ran.iter().filter(|run| *run == record).count(), 1, "{record}");
    }
    println!("{} effects recorded, {} run", records.len(), ran.len());
}

/// Waits until no process of the handler is left.
async fn nothing_left(dir: &Path) {
    for pid in std::fs::read_to_string(dir.join("pids")).unwrap().lines() {
        let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
        while test_kill_process(pid).is_ok() && !is_zombie(pid) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Whose parent has died has a new one, which may take its time.
fn is_zombie(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    stat.is_ok_and(|stat| stat.contains(") Z "))
}

/// Three instances, at moments of progress killed, or paused until the next such moment. `harm` does more at each.
async fn survive(
    name: &str,
    options: impl Fn(&str) -> BusOptions,
    words: u64,
    mut harm: impl AsyncFnMut(u64),
) {
    let mut seed = Seed::of(name);
    let dir = tempfile::tempdir().unwrap();
    let bus = Bus::connect(options("speaker")).await.unwrap();
    let url = options("speaker").server.url;
    speak(&bus, words).await;
    let (counted, mut progress) = watch::channel(0);
    let mut counting = tokio::spawn(count(bus.clone(), words, counted));
    let mut instances: Vec<Running> = (0..3).map(|_| start(&url, dir.path())).collect();
    let mut paused: Option<usize> = None;
    let mut longest = Duration::ZERO;
    for (round, moment) in (0..).zip(seed.moments(6, words)) {
        progress.wait_for(|count| *count >= moment).await.unwrap();
        let victim = usize::try_from(seed.below(3)).unwrap();
        if let Some(paused) = paused.take() {
            instances[paused].signal(Signal::CONT);
        }
        let began = Instant::now();
        match seed.below(2) {
            0 => {
                instances.remove(victim).kill();
                instances.push(start(&url, dir.path()));
            }
            _ => {
                instances[victim].signal(Signal::STOP);
                paused = Some(victim);
            }
        }
        harm(round).await;
        // Work goes on, whoever is gone.
        let now = *progress.borrow_and_update();
        if now < words {
            progress.wait_for(|count| *count > now).await.unwrap();
        }
        longest = longest.max(began.elapsed());
    }
    let repeated = (&mut counting).await.unwrap();
    assert_eq!(repeated.len() as u64, words);
    println!("{name}: {longest:?} from a disturbance to the next answer, at most");
    if let Some(paused) = paused {
        instances[paused].signal(Signal::CONT);
    }
    instances.into_iter().for_each(Running::stop);
    check(&bus, words, dir.path()).await;
    nothing_left(dir.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_one_server_commands_that_are_killed_and_paused_answer_each_event_once() {
    within(LIMIT, "commands on one server", async {
        let one = One::start().await;
        let options = |name: &str| options(name, &one.url());
        survive("commands on one server", options, 12_000, async |_| {}).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_three_servers_with_a_node_killed_commands_answer_each_event_once() {
    within(LIMIT, "commands on three servers", async {
        let mut cluster = Cluster::start().await;
        let given = ["speaker"].map(|name| cluster.options(name));
        let options = move |_: &str| given[0].clone();
        survive("commands on three servers", options, 8_000, async |round| {
            if round % 3 == 1 {
                let leader = cluster.leader().await;
                cluster.nodes.kill_node(leader).await.unwrap();
                cluster.nodes.restart_node(leader).await.unwrap();
                cluster.healed().await;
            }
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_command_whose_agent_is_killed_ends_and_one_that_is_stopped_hands_over() {
    within(LIMIT, "a command without its agent", async {
        let one = One::start().await;
        let dir = tempfile::tempdir().unwrap();
        let bus = Bus::connect(options("speaker", &one.url())).await.unwrap();
        let first = start(&one.url(), dir.path());
        speak(&bus, 1).await;
        let (counted, _) = watch::channel(0);
        count(bus.clone(), 1, counted).await;
        first.kill();
        nothing_left(dir.path()).await;
        let second = start(&one.url(), dir.path());
        assert_eq!(second.ready["agent"], "repeater");
        speak(&bus, 1).await;
        let (counted, _) = watch::channel(0);
        count(bus, 2, counted).await;
        second.stop();
        nothing_left(dir.path()).await;
    })
    .await;
}

/// Waits until so many instances of the agent are there and one of them does the work, and names it.
async fn at_work(watch: &mut InstanceWatch, wanted: usize) -> String {
    let mut there: BTreeMap<String, bool> = BTreeMap::new();
    loop {
        match watch.next().await {
            InstanceNews::Present(PresentInstance { instance, lanes }) => {
                there.insert(instance.to_string(), lanes.iter().any(|lane| lane.works));
            }
            InstanceNews::Left(instance) => drop(there.remove(instance.as_str())),
        }
        let working: Vec<&String> =
            there.iter().filter(|(_, works)| **works).map(|t| t.0).collect();
        if there.len() == wanted && working.len() == 1 {
            return working[0].clone();
        }
    }
}

fn take_out(instances: &mut Vec<Running>, name: &str) -> Running {
    let at = instances.iter().position(|running| running.ready["instance"] == name).unwrap();
    instances.remove(at)
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default_another_instance_answers_seconds_after_kill_9_and_at_once_after_a_stop() {
    within(LIMIT, "taking over", async {
        let one = One::start().await;
        let dir = tempfile::tempdir().unwrap();
        let bus = Bus::connect(options("speaker", &one.url())).await.unwrap();
        let watching = Bus::connect(options("repeater", &one.url())).await.unwrap();
        let (counted, mut progress) = watch::channel(0);
        let counting = tokio::spawn(count(bus.clone(), 3, counted));
        let begin = || start_with(&one.url(), dir.path(), &[]);
        let mut instances = vec![begin(), begin()];
        speak(&bus, 1).await;
        progress.wait_for(|count| *count == 1).await.unwrap();

        let mut news = InstanceWatch::open(watching.clone()).await.unwrap();
        let working = at_work(&mut news, 2).await;
        take_out(&mut instances, &working).kill();
        let killed = Instant::now();
        speak(&bus, 1).await;
        progress.wait_for(|count| *count == 2).await.unwrap();
        let took = killed.elapsed();
        println!("{took:?} from kill -9 to the next answer");
        assert!(took < Duration::from_secs(10), "{took:?}");

        instances.push(begin());
        // The one that was killed is not to be taken for present.
        let mut news = InstanceWatch::open(watching).await.unwrap();
        let working = at_work(&mut news, 2).await;
        let stopping = Instant::now();
        take_out(&mut instances, &working).stop();
        speak(&bus, 1).await;
        progress.wait_for(|count| *count == 3).await.unwrap();
        let took = stopping.elapsed();
        println!("{took:?} from asking it to stop to the next answer");
        assert!(took < InstanceOptions::default().takeover / 2, "{took:?}");
        assert_eq!(counting.await.unwrap().len(), 3);
        instances.into_iter().for_each(Running::stop);
        nothing_left(dir.path()).await;
    })
    .await;
}
