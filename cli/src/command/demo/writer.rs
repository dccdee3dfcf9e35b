//! A writer: types one person's share of a recorded session.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use colony_agents::recording::{Recording, Transaction};
use colony_bus::document::{DurableEdit, EditOptions};
use colony_bus::{Bus, Cut, Delivery, EntryError};
use colony_core::document::{Change, ChangeHash, Heads};
use colony_core::envelope::decode_changes;
use colony_core::{Data, Entry, Filter, Position};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{DemoError, STORY, name, options, text_path};
use crate::context::Context;
use crate::failure::Failure;

/// Edits whose durability is not yet awaited.
const OPEN_TICKETS: usize = 4_096;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The recorded session.
    #[arg(long)]
    trace: PathBuf,
    /// Which of its people.
    #[arg(long)]
    number: usize,
    /// Keystrokes a second; 0 for as fast as it goes.
    #[arg(long)]
    speed: f64,
}

/// What a writer has to tell at the end.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Told {
    /// Transactions typed by this process.
    pub(super) typed: usize,
    /// Transactions found in the log when it started.
    pub(super) resumed: usize,
    /// From the edit in one process to its arrival in this one, in microseconds.
    pub(super) latencies_us: Vec<u64>,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let recording = Recording::read(&args.trace).map_err(DemoError::Recording)?;
    let mut options = options(&format!("writer-{}", args.number), &context.global.server);
    // The same name in every life: should two of them meet, the lane's condition lets one write.
    options.instance = Some(super::constant("desk"));
    let bus = Bus::connect(options).await?;
    let story = bus.document_held(&name(STORY)).await.map_err(DemoError::Document)?;
    let seen = Seen::follow(&bus).await?;
    let mut pace = Pace::new(args.speed);
    let mut told = Told::default();
    let mut tickets: VecDeque<DurableEdit> = VecDeque::new();
    for (number, transaction) in recording.transactions.iter().enumerate() {
        if transaction.writer != args.number || is_nothing(transaction) {
            continue;
        }
        if seen.has(number) {
            told.resumed += 1;
            continue;
        }
        let parents = seen.version(&recording, transaction).await?;
        for parent in parents.iter() {
            story.until_seen(&parent).await.map_err(DemoError::Document)?;
        }
        pace.tick().await;
        let how = EditOptions {
            at: Some(parents),
            message: Some(label(number, now_us())),
            ..EditOptions::default()
        };
        let edited = story.edit_with(how, |edit| {
            for patch in &transaction.patches {
                edit.splice_text(&text_path(), patch.0, patch.1, &patch.2)?;
            }
            Ok(())
        });
        let edited = edited.await.map_err(DemoError::Document)?;
        let change = edited.change.ok_or(DemoError::NoChange { number })?;
        seen.insert(number, change);
        told.typed += 1;
        tickets.push_back(edited.durable);
        if tickets.len() > OPEN_TICKETS
            && let Some(oldest) = tickets.pop_front()
        {
            oldest.await?;
        }
    }
    story.flush().await.map_err(DemoError::Document)?;
    for ticket in tickets {
        ticket.await?;
    }
    told.latencies_us = seen.latencies();
    let mut output = context.output();
    output.json(&told)?;
    output.flush()
}

/// Whether a transaction leaves the text as it is; no change stands for it.
pub(super) fn is_nothing(transaction: &Transaction) -> bool {
    transaction.patches.iter().all(|patch| patch.1 == 0 && patch.2.is_empty())
}

/// What the change of a transaction says of itself: its number, and when it was typed in microseconds.
fn label(number: usize, typed_us: u64) -> String {
    format!("{number} {typed_us}")
}

/// Reads a change's label.
pub(super) fn read_label(change: &Change) -> Option<(usize, u64)> {
    let (number, typed_us) = change.message()?.split_once(' ')?;
    Some((number.parse().ok()?, typed_us.parse().ok()?))
}

fn now_us() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| u64::try_from(d.as_micros()).unwrap_or(u64::MAX))
}

/// Returns the changes that an entry of a document carries.
pub(super) fn changes_of(entry: &Entry) -> Result<Vec<Change>, DemoError> {
    let Data::Binary { bytes, .. } = &entry.event().data else { return Ok(Vec::new()) };
    let encoded = decode_changes(bytes.clone()).map_err(DemoError::Entry)?;
    let decoded = encoded.iter().map(|bytes| Change::decode(bytes));
    decoded.collect::<Result<_, _>>().map_err(DemoError::Change)
}

/// Which transactions have been seen, as which changes.
#[derive(Debug, Clone)]
struct Seen {
    state: Arc<Mutex<State>>,
    news: watch::Receiver<u64>,
}

#[derive(Debug, Default)]
struct State {
    changes: HashMap<usize, ChangeHash>,
    /// The change that made the text.
    root: Option<ChangeHash>,
    latencies_us: Vec<u64>,
    failed: Option<String>,
}

impl Seen {
    /// Follows the story's entries; returns when everything stored so far has been seen.
    async fn follow(bus: &Bus) -> Result<Self, Failure> {
        let state = Arc::new(Mutex::new(State::default()));
        let (tell, news) = watch::channel(0_u64);
        let beginning = Cut::Position(Position::ZERO);
        let mut entries = bus.subscribe(Filter::document(name(STORY)), beginning).await?;
        let shared = Arc::clone(&state);
        let (caught_up, ready) = tokio::sync::oneshot::channel();
        let mut caught_up = Some(caught_up);
        tokio::spawn(async move {
            while let Some(delivery) = entries.next().await {
                let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
                match delivery {
                    Ok(Delivery::Entry(entry)) => state.take(&entry, caught_up.is_none()),
                    Ok(Delivery::CaughtUp) => drop(caught_up.take().map(|tell| tell.send(()))),
                    Err(EntryError::Unreadable { .. }) => {}
                    Err(error) => state.failed = Some(error.to_string()),
                }
                drop(state);
                tell.send_modify(|count| *count += 1);
            }
        });
        ready.await.map_err(|_| DemoError::Unfollowed)?;
        Ok(Self { state, news })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, number: usize) -> bool {
        self.lock().changes.contains_key(&number)
    }

    fn insert(&self, number: usize, change: ChangeHash) {
        self.lock().changes.insert(number, change);
    }

    fn latencies(&self) -> Vec<u64> {
        self.lock().latencies_us.clone()
    }

    /// Waits for what a transaction was made against.
    async fn version(
        &self,
        recording: &Recording,
        transaction: &Transaction,
    ) -> Result<Heads, Failure> {
        let mut wanted = transaction.parents.clone();
        let mut parents = Vec::new();
        let mut root = wanted.is_empty();
        // A transaction without an effect stands for its own parents.
        while let Some(number) = wanted.pop() {
            match recording.transactions.get(number) {
                Some(parent) if is_nothing(parent) => {
                    root |= parent.parents.is_empty();
                    wanted.extend(&parent.parents);
                }
                Some(_) | None => parents.push(number),
            }
        }
        let mut news = self.news.clone();
        loop {
            news.borrow_and_update();
            {
                let state = self.lock();
                if let Some(why) = &state.failed {
                    return Err(DemoError::Part { part: "writer", why: why.clone() }.into());
                }
                let mut hashes: Vec<_> =
                    parents.iter().filter_map(|number| state.changes.get(number)).collect();
                let mut complete = hashes.len() == parents.len();
                if root {
                    complete &= state.root.is_some();
                    hashes.extend(&state.root);
                }
                if complete {
                    return Ok(hashes.into_iter().copied().collect());
                }
            }
            news.changed().await.map_err(|_| DemoError::Unfollowed)?;
        }
    }
}

impl State {
    fn take(&mut self, entry: &Entry, live: bool) {
        let changes = match changes_of(entry) {
            Ok(changes) => changes,
            Err(error) => {
                self.failed = Some(error.to_string());
                return;
            }
        };
        for change in changes {
            match read_label(&change) {
                Some((number, typed_us)) => {
                    let known = self.changes.insert(number, change.hash()).is_some();
                    if live && !known {
                        self.latencies_us.push(now_us().saturating_sub(typed_us));
                    }
                }
                None => self.root = Some(change.hash()),
            }
        }
    }
}

/// Spaces keystrokes evenly; one that was held up is not made up for.
#[derive(Debug)]
struct Pace {
    gap: Option<Duration>,
    next: Instant,
}

impl Pace {
    fn new(rate: f64) -> Self {
        let gap = (rate > 0.0).then(|| Duration::from_secs_f64(1.0 / rate.max(0.001)));
        Self { gap, next: Instant::now() }
    }

    async fn tick(&mut self) {
        let Some(gap) = self.gap else { return };
        let now = Instant::now();
        if self.next > now + Duration::from_millis(1) {
            tokio::time::sleep_until(self.next).await;
        }
        self.next = self.next.max(now - gap) + gap;
    }
}
