//! Documents on a real server, between buses with connections of their own.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panic")]

use std::collections::HashMap;
use std::io::Read as _;
use std::time::{Duration, Instant};

use colony_bus::core::document::{ChangeHash, Path, Value};
use colony_bus::core::{DocumentName, SpaceName};
use colony_bus::{Bus, BusOptions, Document, ServerOptions};
use colony_server::{Finder, Node, NodeConfig, Silent};
use futures_util::StreamExt as _;
use tempfile::TempDir;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// One edit: position, characters deleted, text inserted.
type Keystroke = (usize, usize, String);

struct Server {
    node: Node,
    _dir: TempDir,
}

async fn server() -> Result<Server> {
    let binary = Finder::from_env().find(&Silent).await?;
    let dir = tempfile::tempdir()?;
    let node = Node::start(&binary, NodeConfig::new("documents", dir.path())).await?;
    Ok(Server { node, _dir: dir })
}

impl Server {
    async fn bus(&self, agent: &str) -> Result<Bus> {
        let space: SpaceName = "lab".parse()?;
        let server = ServerOptions { url: self.node.url(), ..ServerOptions::default() };
        Ok(Bus::connect(BusOptions { server, ..BusOptions::new(space, agent.parse()?) }).await?)
    }
}

fn keystrokes() -> Result<(Vec<Keystroke>, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/sveltecomponent.json.gz");
    let mut json = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path)?).read_to_string(&mut json)?;
    let trace: serde_json::Value = serde_json::from_str(&json)?;
    let end = trace["endContent"].as_str().ok_or("no end")?.to_owned();
    let mut keystrokes = Vec::new();
    for txn in trace["txns"].as_array().ok_or("no transactions")? {
        keystrokes.extend(serde_json::from_value::<Vec<Keystroke>>(txn["patches"].clone())?);
    }
    Ok((keystrokes, end))
}

fn name() -> DocumentName {
    "svelte".parse().unwrap()
}

fn text() -> Path {
    "/text".parse().unwrap()
}

fn shown(document: &Document) -> Result<String> {
    Ok(document.read(|replica| replica.view().text(&text()))??)
}

async fn begin(document: &Document, content: &str) -> Result {
    let value = Value::Text(content.to_owned());
    document.edit(|edit| edit.set(&text(), value)).await?.durable.await?;
    Ok(())
}

async fn strike(document: &Document, (at, delete, insert): &Keystroke) -> Result<ChangeHash> {
    let edited = document.edit(|edit| edit.splice_text(&text(), *at, *delete, insert)).await?;
    drop(edited.durable);
    Ok(edited.change.ok_or("nothing changed")?)
}

/// Types keystrokes as fast as it goes; returns how long until all of them were visible on the other bus.
async fn type_live(ada: &Document, bob: &Document, keystrokes: &[Keystroke]) -> Result<Duration> {
    let begun = Instant::now();
    let mut last = None;
    for keystroke in keystrokes {
        last = Some(strike(ada, keystroke).await?);
    }
    let typed = begun.elapsed();
    bob.until_seen(&last.ok_or("nothing typed")?).await?;
    let elapsed = begun.elapsed();
    let (sent, applied) = (ada.status(), bob.status());
    println!(
        "{} edits: typed in {typed:?}, visible after {elapsed:?}; {} entries; {} batches, {:?} applying",
        keystrokes.len(),
        sent.entries_sent,
        applied.applied_batches,
        applied.applying
    );
    Ok(elapsed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_process_types_another_shows() -> Result {
    let server = server().await?;
    let (ada, bob) = (server.bus("ada").await?, server.bus("bob").await?);
    let ada = ada.document(&name()).await?;
    begin(&ada, "").await?;
    let bob = bob.document(&name()).await?;
    let (keystrokes, _) = keystrokes()?;
    type_live(&ada, &bob, &keystrokes[..2_000]).await?;
    assert_eq!(shown(&ada)?, shown(&bob)?);
    assert_eq!(ada.heads(), bob.heads());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_session_is_visible_as_it_is_typed_and_opened_again() -> Result {
    let server = server().await?;
    let (ada, bob) = (server.bus("ada").await?, server.bus("bob").await?);
    let ada = ada.document(&name()).await?;
    begin(&ada, "").await?;
    let bob = bob.document(&name()).await?;
    let (keystrokes, end) = keystrokes()?;
    type_live(&ada, &bob, &keystrokes).await?;
    assert_eq!(shown(&bob)?, end);
    ada.flush().await?;
    // Sent only once the snapshot that was due before it is stored.
    strike(&ada, &(0, 0, "The end: ".to_owned())).await?;
    ada.flush().await?;

    let late = server.bus("late").await?;
    let begun = Instant::now();
    let late = late.document(&name()).await?;
    println!(
        "cold open from snapshot and tail: {:?}, {} changes applied",
        begun.elapsed(),
        late.status().applied_changes
    );
    assert_eq!(late.heads(), ada.heads());
    assert!(late.status().applied_changes < 10_000, "no snapshot was used");
    Ok(())
}

/// Types into the finished text at a steady rate; returns the latencies in ascending order.
async fn steady(
    ada: &Document,
    watchers: Vec<Document>,
    rate: u32,
    edits: u32,
) -> Result<Vec<Duration>> {
    let mut tasks = tokio::task::JoinSet::new();
    for document in watchers {
        let mut watch = document.watch_heads();
        watch.next().await;
        tasks.spawn(async move {
            let mut seen = Vec::new();
            while seen.len() < edits as usize {
                let Some(update) = watch.next().await else { break };
                let now = Instant::now();
                seen.extend(update.changes.iter().map(|change| (change.hash, now)));
            }
            seen
        });
    }
    let mut made: HashMap<ChangeHash, Instant> = HashMap::new();
    let mut clock = tokio::time::interval(Duration::from_secs(1) / rate);
    for n in 0..edits {
        clock.tick().await;
        let begun = Instant::now();
        let keystroke = ((n as usize * 37) % 18_000, 0, "x".to_owned());
        made.insert(strike(ada, &keystroke).await?, begun);
    }
    let seen = tasks.join_all().await.into_iter().flatten();
    let mut latencies: Vec<Duration> =
        seen.filter_map(|(change, at)| Some(at - *made.get(&change)?)).collect();
    latencies.sort_unstable();
    Ok(latencies)
}

fn report(what: &str, latencies: &[Duration], cpu: Duration) -> Duration {
    let at = |share: f64| latencies[(latencies.len() as f64 * share) as usize];
    println!(
        "{what}: p50 {:?}, p99 {:?}, most {:?}, {} seen, {cpu:?} of processor time",
        at(0.5),
        at(0.99),
        latencies.last().unwrap(),
        latencies.len()
    );
    at(0.99)
}

/// Processor time of this process, from `/proc`.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks: u64 = stat
        .rsplit(')')
        .next()
        .map(|rest| {
            rest.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u64>().ok()).sum()
        })
        .unwrap_or_default();
    Duration::from_millis(ticks * 10)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steady_typing_into_a_large_text_is_visible_soon() -> Result {
    let server = server().await?;
    let (ada, bob) = (server.bus("ada").await?, server.bus("bob").await?);
    let ada = ada.document(&name()).await?;
    begin(&ada, "").await?;
    let (keystrokes, _) = keystrokes()?;
    for keystroke in &keystrokes {
        strike(&ada, keystroke).await?;
    }
    ada.flush().await?;
    let document = bob.document(&name()).await?;
    let before = cpu();
    let latencies = steady(&ada, vec![document], 100, 500).await?;
    let p99 = report("100 edits/s, one reader, 5 s", &latencies, cpu() - before);
    assert!(p99 < Duration::from_millis(500), "p99 was {p99:?}");

    let mut fifty = Vec::new();
    for _ in 0..50 {
        fifty.push(bob.document(&name()).await?);
    }
    let before = cpu();
    let latencies = steady(&ada, fifty, 20, 100).await?;
    let p99 = report("20 edits/s, 50 readers, 5 s", &latencies, cpu() - before);
    assert!(p99 < Duration::from_millis(500), "p99 was {p99:?}");
    Ok(())
}
