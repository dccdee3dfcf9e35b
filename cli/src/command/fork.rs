//! `colony fork`

use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use colony_agents::command::{CommandAgent, Purpose, RecordedEffects};
use colony_agents::reactor::MAX_PARKED;
use colony_agents::{
    Agent as _, Divergence, Instance, InstanceOptions, Preference, Retry, Start, beginning, compare,
};
use colony_bus::{Bus, BusOptions, Cut, EntryError, MemoryLog, Query};
use colony_core::cloudevents::from_json;
use colony_core::{Event, Position};
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::{at, capture};
use crate::context::Context;
use crate::duration;
use crate::failure::{BadLines, Failure, InputError, NotFound};
use crate::handler::HandlerArgs;
use crate::interrupt::Interrupt;
use crate::output::{Format, Output, style};
use crate::point::{self, POINT};
use crate::show;
use crate::source::SourceArgs;

/// How often it is looked whether the agent has come to a standstill.
const LOOK: Duration = Duration::from_millis(200);

/// Runs an agent with another handler from a cut on, in memory, and compares with what happened.
///
/// The space in memory holds everything that was stored, but for what the agent said after the cut. The command given is
/// handed the same events again, and new ones after them if wanted; effects are served from the record. Nothing is appended to the space itself.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  colony fork --at 1500 --agent greeter --on visitor.came -- ./greeter-2.sh
  colony fork --at 2h --agent greeter --on visitor.came --inputs what-if.ndjson --into what-if.capture -- ./greeter.sh")]
pub(crate) struct Args {
    /// The cut: what the agent said after it is left out.
    #[arg(long, value_name = POINT, value_parser = point::parse)]
    at: Cut,
    #[command(flatten)]
    handler: HandlerArgs,
    /// Events that come after all others: CloudEvents, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    inputs: Option<PathBuf>,
    /// Keeps the space as a file that opens like a capture.
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,
    /// How long the command may take for one event.
    #[arg(long, default_value = "30s", value_name = "TIME", value_parser = duration::parse)]
    timeout: Duration,
    #[command(flatten)]
    source: SourceArgs,
}

/// What came of it.
struct Forked {
    cut: Position,
    events: u64,
    parked: usize,
    /// The agent stood still before the last event, because too much was set aside.
    stuck: bool,
    divergences: Vec<Divergence>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let Args { at: cut, handler, inputs, into, timeout, source } = args;
    if !handler.listens() {
        return Err(InputError::ListensToNothing.into());
    }
    if let Some(path) = into.as_ref().filter(|path| path.exists()) {
        return Err(Failure::Exists { path: path.clone() });
    }
    let interrupt = Interrupt::listen()?;
    let inputs = inputs.as_deref().map(read).transpose()?.unwrap_or_default();
    let name = context.agent();
    let forking = async {
        let here = context.reading_bus_of(&source, name.clone()).await?;
        let cut = at::resolve(&here, cut).await?;
        let Some(begun) = beginning(&here).await? else {
            let space = here.space().to_string();
            return Err(NotFound::Agent { agent: name.clone(), space }.into());
        };
        let effects = RecordedEffects::read(&here, Position::ZERO).await?;
        let log = colony_agents::fork(&here, cut).await?;
        let there = join(&log, &here);
        append(&there, inputs).await?;
        let agent = handler.start(&name, Purpose::Replay(effects))?;
        let defaults = InstanceOptions::default();
        let options = InstanceOptions {
            partitions: begun.partitions,
            start: Start::After(begun.after),
            preference: Preference::Everyone,
            handler_timeout: timeout,
            retry: Retry { attempts: 1, ..defaults.retry },
            ..defaults
        };
        let forked = react(&here, &there, cut, agent, options).await?;
        if let Some(path) = &into {
            let tail = there.tail().await?;
            capture::write(&there, path, Position::ZERO, tail, false, context).await?;
        }
        Ok::<_, Failure>(forked)
    };
    let forked = tokio::select! {
        forked = forking => forked?,
        () = interrupt.asked() => {
            return Err(Failure::Interrupted { done: "nothing was changed".to_owned() });
        }
    };
    let mut output = context.output();
    match output.format() {
        Format::Json => output.json(&json!({
            "agent": name,
            "cut": forked.cut,
            "events": forked.events,
            "same": forked.divergences.is_empty(),
            "parked": forked.parked,
            "stuck": forked.stuck,
            "file": into,
            "divergences": forked.divergences.iter().map(to_json).collect::<Vec<_>>(),
        }))?,
        Format::Human => describe(&mut output, &forked)?,
    }
    if forked.stuck {
        output
            .warn("the agent stood still before the last event: too many events are set aside")?;
    }
    output.flush()
}

/// Takes part in the space in memory.
fn join(log: &MemoryLog, here: &Bus) -> Bus {
    let options = BusOptions::new(here.space().clone(), here.agent().clone());
    Bus::on(Arc::new(log.clone()), Arc::new(log.clone()), options)
}

/// Lets the agent react to everything past the cut, and compares.
async fn react(
    here: &Bus,
    there: &Bus,
    cut: Position,
    agent: CommandAgent,
    options: InstanceOptions,
) -> Result<Forked, Failure> {
    let (events, last) = heard(there, &agent, cut).await?;
    let mut instance = Instance::start(there.clone(), agent.clone(), options).await?;
    let mut look = tokio::time::interval(LOOK);
    let done = loop {
        tokio::select! {
            () = instance.reacted_to(last) => break true,
            _ = look.tick() => {
                if instance.status().iter().any(|lane| lane.parked >= MAX_PARKED) {
                    break false;
                }
            }
        }
    };
    // A lane that has failed resolves the wait, too.
    if let Some(error) = futures_util::FutureExt::now_or_never(instance.failed()) {
        return Err(error.into());
    }
    let parked = instance.status().iter().map(|lane| lane.parked).sum();
    instance.stop().await?;
    agent.close().await;
    let divergences = compare(here, there, cut).await?;
    Ok(Forked { cut, events, parked, stuck: !done, divergences })
}

/// Returns how many events past the cut the agent hears, and where the last one stands.
async fn heard(bus: &Bus, agent: &CommandAgent, cut: Position) -> Result<(u64, Position), Failure> {
    let interest = agent.interest();
    let query = Query { after: Some(Cut::Position(cut)), ..Query::default() };
    let mut entries = bus.read(query).await?;
    let (mut events, mut last) = (0, Position::ZERO);
    while let Some(entry) = entries.next().await {
        match entry {
            Ok(entry) if interest.selects(bus.agent(), &entry) => {
                events += 1;
                last = entry.position;
            }
            Ok(_) | Err(EntryError::Unreadable { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok((events, last))
}

fn read(path: &Path) -> Result<Vec<Event>, Failure> {
    let fail = || Failure::file(path, "read");
    let file = std::fs::File::open(path).map_err(fail())?;
    let (mut events, mut bad) = (Vec::new(), Vec::new());
    for (number, line) in (1..).zip(std::io::BufReader::new(file).lines()) {
        let line = line.map_err(fail())?;
        if line.trim().is_empty() {
            continue;
        }
        match from_json(&line) {
            Ok(envelope) => events.push(envelope.event),
            Err(error) => bad.push((number, error.to_string())),
        }
    }
    if bad.is_empty() {
        return Ok(events);
    }
    let name = path.display().to_string();
    let total = u64::try_from(bad.len()).unwrap_or(u64::MAX);
    bad.truncate(100);
    Err(InputError::Lines(BadLines { name, first: bad, total, imported: None }).into())
}

async fn append(there: &Bus, inputs: Vec<Event>) -> Result<(), Failure> {
    for event in inputs {
        there.append_event(event).await?.await?;
    }
    Ok(())
}

/// Says what was added, what is missing, and what is different, output by output.
fn changes(divergence: &Divergence) -> Vec<(&'static str, Option<&Event>, Option<&Event>)> {
    let Divergence { event: _, here, there } = divergence;
    (0..here.len().max(there.len()))
        .filter_map(|index| match (here.get(index), there.get(index)) {
            (Some(one), Some(other)) if one == other => None,
            (Some(one), Some(other)) => Some(("different", Some(one), Some(other))),
            (one @ Some(_), None) => Some(("missing", one, None)),
            (None, other) => Some(("added", None, other)),
        })
        .collect()
}

fn to_json(divergence: &Divergence) -> Value {
    let outputs: Vec<Value> = changes(divergence)
        .into_iter()
        .map(|(change, here, there)| {
            let (here, there) = (here.map(show::event_value), there.map(show::event_value));
            json!({ "change": change, "recorded": here, "forked": there })
        })
        .collect();
    json!({ "event": divergence.event, "outputs": outputs })
}

fn describe(output: &mut Output, forked: &Forked) -> Result<(), Failure> {
    let Forked { cut, events, parked, stuck: _, divergences } = forked;
    let (strong, dim) = (style::STRONG, style::DIM);
    output.line(format!(
        "{strong}{}{strong:#} of {events} events past {cut} lead to something else; {parked} are set aside",
        divergences.len()
    ))?;
    for divergence in divergences {
        output.line(format!("{dim}event at{dim:#} {strong}{}{strong:#}", divergence.event))?;
        for (change, here, there) in changes(divergence) {
            let line = |mark: &str, event: &Event| {
                let entity = event.entity.as_ref().map_or(String::new(), |e| format!(" {e}"));
                let data = show::data_line(&event.data).unwrap_or_default();
                format!("  {mark} {}{entity}  {data}", event.ty)
            };
            if let Some(event) = here {
                output.line(line("-", event))?;
            }
            if let Some(event) = there {
                output.line(line("+", event))?;
            }
            if change == "different" && here.map(|e| &e.data) == there.map(|e| &e.data) {
                output.line(format!(
                    "  {dim}they differ in other attributes: --json shows all{dim:#}"
                ))?;
            }
        }
    }
    Ok(())
}
