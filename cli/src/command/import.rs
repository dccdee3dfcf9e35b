//! `colony import`

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::time::Instant;

use colony_bus::{Bus, EntryError, Published, Query, Receipt, WriteError};
use colony_core::{AgentName, Event, Filter, Position};
use futures_util::StreamExt as _;
use serde_json::json;

use crate::context::Context;
use crate::failure::{BadLines, Failure, InputError};
use crate::interrupt::Interrupt;
use crate::output::{Format, style};
use crate::progress;

mod check;
mod source;

use check::{Checker, Key};
use source::Source;

/// Most appends whose acknowledgement is awaited.
const MAX_OPEN: usize = 1_024;
/// Most bad lines reported one by one.
const MAX_REPORTED: usize = 100;

/// Imports CloudEvents, one JSON object a line, plain or gzip.
///
/// Every line is checked first. Where one is bad, all bad ones are told and nothing is imported. Events stand in the log
/// in the order of the file, each in the name of its `source`. Events that are in the space already (same `source` and
/// `id`) are left out: importing a file twice adds nothing, and an import that was interrupted is completed by running
/// it again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  colony import data/nats-server-commits.ndjson.gz
  colony log --json --kind event | colony import - --space copy")]
pub(crate) struct Args {
    /// The file; `-` for stdin.
    file: String,
    /// Imports the good lines of a file that has bad ones. The exit code still tells.
    #[arg(long)]
    keep_going: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let Args { file, keep_going } = args;
    let began = Instant::now();
    let interrupt = Interrupt::listen()?;
    let bus = tokio::select! {
        bus = context.importing_bus() => bus?,
        () = interrupt.asked() => return Err(interrupted(0)),
    };
    let mut source = Source::open(&file)?;
    let checked = check_all(&mut source, &bus, &interrupt, context)?;
    let bad = (checked.bad_total > 0).then(|| BadLines {
        name: source.name().to_owned(),
        first: checked.bad.clone(),
        total: checked.bad_total,
        imported: None,
    });
    if let (Some(bad), false) = (&bad, keep_going) {
        return Err(InputError::Lines(bad.clone()).into());
    }
    let stored = tokio::select! {
        stored = already_stored(&bus, &checked, context) => stored?,
        () = interrupt.asked() => return Err(interrupted(0)),
    };
    let mut import = Import { bus: &bus, open: VecDeque::new(), done: Done::default() };
    let appended = append_all(&mut source, &mut import, stored, &checked, &interrupt, context);
    let appended = appended.await;
    let Import { done, .. } = import;
    let skipped = appended?;
    report(&source, &checked, &done, skipped, began, context)?;
    match bad {
        Some(bad) => Err(InputError::Lines(BadLines { imported: Some(done.count), ..bad }).into()),
        None => Ok(()),
    }
}

/// What the first pass found.
struct Checked {
    lines: u64,
    good: u64,
    keys: HashSet<Key>,
    authors: BTreeSet<AgentName>,
    bad: Vec<(u64, String)>,
    bad_total: u64,
}

fn check_all(
    source: &mut Source,
    bus: &Bus,
    interrupt: &Interrupt,
    context: &Context,
) -> Result<Checked, Failure> {
    let bar = progress::bytes(source.size(), context.global.json, "checking");
    let checker = Checker::new(bus);
    let mut lines = source.lines(&bar)?;
    let mut checked = Checked {
        lines: 0,
        good: 0,
        keys: HashSet::new(),
        authors: BTreeSet::new(),
        bad: Vec::new(),
        bad_total: 0,
    };
    while let Some(line) = lines.next()? {
        if interrupt.is_asked() {
            return Err(interrupted(0));
        }
        checked.lines = line.number;
        match checker.check(&line) {
            Ok(None) => {}
            Ok(Some(event)) => {
                checked.good += 1;
                checked.keys.insert(Key::of(&event));
                checked.authors.insert(event.author);
            }
            Err(error) => {
                checked.bad_total += 1;
                if checked.bad.len() < MAX_REPORTED {
                    checked.bad.push((line.number, error.describe()));
                }
            }
        }
    }
    bar.finish_and_clear();
    Ok(checked)
}

/// Returns which of the events are in the space already, by one pass over what their authors wrote.
async fn already_stored(
    bus: &Bus,
    checked: &Checked,
    context: &Context,
) -> Result<HashSet<Key>, Failure> {
    let tail = bus.tail().await?;
    let mut stored = HashSet::new();
    if tail == Position::ZERO || checked.keys.is_empty() {
        return Ok(stored);
    }
    let bar = progress::count(Some(tail.get()), context.global.json, "looking for known events");
    let filter = Filter { authors: checked.authors.clone(), ..Filter::events() };
    let mut entries = bus.read(Query { filter, ..Query::default() }).await?;
    while let Some(entry) = entries.next().await {
        match entry {
            Ok(entry) => {
                bar.set_position(entry.position.get());
                let key = Key::of(entry.event());
                if checked.keys.contains(&key) {
                    stored.insert(key);
                }
            }
            Err(EntryError::Unreadable { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    bar.finish_and_clear();
    Ok(stored)
}

#[derive(Debug, Default)]
struct Done {
    count: u64,
    first: Option<Position>,
    last: Option<Position>,
}

/// Appends on their way, in order.
struct Import<'a> {
    bus: &'a Bus,
    open: VecDeque<Published>,
    done: Done,
}

impl Import<'_> {
    async fn append(&mut self, event: Event) -> Result<(), Failure> {
        if self.open.len() >= MAX_OPEN {
            self.settle_one().await?;
        }
        match self.bus.append_event(event).await {
            Ok(ticket) => {
                self.open.push_back(ticket);
                Ok(())
            }
            Err(error) => Err(self.stopped(error)),
        }
    }

    async fn settle_one(&mut self) -> Result<(), Failure> {
        let Some(ticket) = self.open.pop_front() else { return Ok(()) };
        match ticket.await {
            Ok(Receipt { position, .. }) => {
                self.done.count += 1;
                self.done.first.get_or_insert(position);
                self.done.last = Some(position);
                Ok(())
            }
            Err(error) => Err(self.stopped(error)),
        }
    }

    async fn settle_all(&mut self) -> Result<(), Failure> {
        while !self.open.is_empty() {
            self.settle_one().await?;
        }
        Ok(())
    }

    fn stopped(&self, source: WriteError) -> Failure {
        Failure::ImportStopped { imported: self.done.count, source }
    }
}

/// Appends what is not there yet and returns how many events were.
async fn append_all(
    source: &mut Source,
    import: &mut Import<'_>,
    mut stored: HashSet<Key>,
    checked: &Checked,
    interrupt: &Interrupt,
    context: &Context,
) -> Result<u64, Failure> {
    let bar = progress::count(Some(checked.good), context.global.json, "importing");
    let hidden = indicatif::ProgressBar::hidden();
    let name = source.name().to_owned();
    let checker = Checker::new(import.bus);
    let mut lines = source.lines(&hidden)?;
    let mut skipped = 0;
    while let Some(line) = lines.next()? {
        if interrupt.is_asked() {
            import.settle_all().await?;
            return Err(interrupted(import.done.count));
        }
        let Ok(Some(event)) = checker.check(&line) else { continue };
        let key = Key::of(&event);
        if !checked.keys.contains(&key) {
            import.settle_all().await?;
            let (line, imported) = (line.number, import.done.count);
            return Err(InputError::Changed { name, line, imported }.into());
        }
        // Also what stands twice in the file is imported once.
        if stored.insert(key) {
            import.append(event).await?;
        } else {
            skipped += 1;
        }
        bar.inc(1);
    }
    import.settle_all().await?;
    bar.finish_and_clear();
    Ok(skipped)
}

fn report(
    source: &Source,
    checked: &Checked,
    done: &Done,
    skipped: u64,
    began: Instant,
    context: &Context,
) -> Result<(), Failure> {
    let elapsed = began.elapsed().as_secs_f64();
    let mut output = context.output();
    match output.format() {
        Format::Json => output.json(&json!({
            "file": source.name(),
            "space": context.global.space,
            "lines": checked.lines,
            "imported": done.count,
            "skipped": skipped,
            "bad": checked.bad_total,
            "authors": checked.authors.len(),
            "first_position": done.first,
            "last_position": done.last,
            "elapsed_s": elapsed,
        }))?,
        Format::Human => {
            let strong = style::STRONG;
            let mut line = format!("imported {strong}{}{strong:#} events", done.count);
            if let (Some(first), Some(last)) = (done.first, done.last) {
                line.push_str(&format!(" at positions {first} to {last}"));
            }
            line.push_str(&format!(" in {elapsed:.1} s; {skipped} were there already"));
            output.line(line)?;
        }
    }
    output.flush()
}

fn interrupted(imported: u64) -> Failure {
    let done = format!(
        "{imported} events are in the log; run the same command again: it goes on where this one stopped"
    );
    Failure::Interrupted { done }
}
