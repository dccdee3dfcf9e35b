//! `colony tax`

use std::path::PathBuf;

use colony_agents::protocol::tax::{Amount, Clock, Meter, OnPath, Purpose, Report};
use colony_agents::protocol::{LogTime, Millis};
use colony_bus::{Bus, Cut, EntryError, Query};
use colony_core::{AgentName, Position, Timestamp};
use futures_util::StreamExt as _;
use serde_json::{Map, Value, json};

use crate::context::Context;
use crate::coordinate::{value, word};
use crate::failure::Failure;
use crate::output::{Format, Output, style};
use crate::point::{self, POINT};
use crate::progress;
use crate::show;
use crate::source::SourceArgs;

mod picture;

/// Most agents, tasks, waits and things that people are shown.
const SHOWN: usize = 12;
/// How many times longer the told time must be than the recorded one to be worth a hint.
const TOLD_LONGER: u64 = 10;

/// Measures what it cost that many worked: work and coordination apart, waiting, rework, and the critical path.
///
/// Works on any log: where no protocol was used there is no coordination to be seen, but what passed from hand to hand
/// and what waited for what is told all the same.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  colony tax --from 1h --svg tax.svg
  colony tax --clock told --json --capture commits.capture")]
pub(crate) struct Args {
    /// Measures entries past this point. What was agreed before is known, and not counted.
    #[arg(long, value_name = POINT, value_parser = point::parse)]
    from: Option<Cut>,
    /// Measures entries at or before this point.
    #[arg(long, value_name = POINT, value_parser = point::parse)]
    to: Option<Cut>,
    /// Whose time is measured: when the log recorded, or when authors say it happened (for what was imported).
    #[arg(long, value_enum, default_value_t = Whose::Recorded)]
    clock: Whose,
    /// Draws a picture, too.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    source: SourceArgs,
}

/// Whose time is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Whose {
    /// The log's.
    Recorded,
    /// The authors'.
    Told,
}

impl From<Whose> for Clock {
    fn from(whose: Whose) -> Self {
        match whose {
            Whose::Recorded => Self::Recorded,
            Whose::Told => Self::Told,
        }
    }
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let Args { from, to, clock, svg, source } = args;
    let bus = context.reading_bus(&source).await?;
    let mut output = context.output();
    let from = match from {
        Some(cut) => bus.resolve(cut).await?,
        None => Position::ZERO,
    };
    let until = match to {
        Some(cut) => super::at::resolve(&bus, cut).await?,
        None => bus.tail().await?,
    };
    let measured = measure(&bus, from, until, clock.into(), context).await?;
    let space = bus.space().to_string();
    if let Some(path) = &svg {
        let picture = picture::draw(&space, &measured.report);
        std::fs::write(path, picture).map_err(Failure::file(path, "written"))?;
    }
    match output.format() {
        Format::Json => output.json(&measured.to_json(&space, from, until))?,
        Format::Human => measured.describe(&mut output, &space)?,
    }
    if clock == Whose::Recorded && measured.is_imported() {
        output.warn(
            "the log was recorded in far less time than its authors say that it took, as if it was imported: --clock told measures their time",
        )?;
    }
    output.flush()
}

/// A report, and what both clocks say of its length.
struct Measured {
    report: Report,
    unreadable: u64,
    recorded: Span,
    told: Span,
}

/// From the first moment to the last.
#[derive(Default)]
struct Span(Option<(LogTime, Timestamp)>);

impl Span {
    fn take(&mut self, moment: Timestamp) {
        self.0 = Some(match self.0 {
            None => (LogTime::default().advanced(moment), moment),
            Some((last, first)) => (last.advanced(moment), first.min(moment)),
        });
    }

    fn length(&self) -> Millis {
        self.0.map_or(Millis::new(0), |(last, first)| last.since(first))
    }
}

async fn measure(
    bus: &Bus,
    from: Position,
    until: Position,
    clock: Clock,
    context: &Context,
) -> Result<Measured, Failure> {
    let mut meter = Meter::new(clock);
    let (mut recorded, mut told, mut unreadable) = (Span::default(), Span::default(), 0);
    let query = Query { until: Some(Cut::Position(until)), ..Query::default() };
    let mut entries = bus.read(query).await?;
    let bar = progress::count(Some(until.get()), context.global.json, "measuring");
    while let Some(entry) = entries.next().await {
        match entry {
            Ok(entry) if entry.position <= from => meter.pass(&entry),
            Ok(entry) => {
                meter.take(&entry);
                recorded.take(entry.recorded);
                told.take(entry.event().time.as_ref().map_or(entry.recorded, |time| time.at));
                bar.set_position(entry.position.get());
            }
            Err(EntryError::Unreadable { .. }) => unreadable += 1,
            Err(error) => return Err(error.into()),
        }
    }
    bar.finish_and_clear();
    Ok(Measured { report: meter.report(), unreadable, recorded, told })
}

impl Measured {
    /// Returns whether authors tell of far more time than went by while the log was recorded.
    fn is_imported(&self) -> bool {
        self.told.length().get() / TOLD_LONGER > self.recorded.length().get()
    }

    fn to_json(&self, space: &str, from: Position, until: Position) -> Value {
        let report = &self.report;
        let (own, waited) = report.critical_time();
        let on_path: Map<_, _> = report
            .critical_agents()
            .into_iter()
            .map(|(agent, on_path)| (agent.to_string(), value(&on_path)))
            .collect();
        json!({
            "space": space,
            "from": from,
            "until": until,
            "unreadable": self.unreadable,
            "tax_per_mille": report.tax_per_mille(),
            "context_per_mille": report.context_per_mille(),
            "verification_per_mille": report.verification_per_mille(),
            "waited_ms": report.waited(),
            "messages_per_task_milli": report.messages_per_task_milli(),
            "critical_own_ms": own,
            "critical_waited_ms": waited,
            "critical_agents": on_path,
            "report": value(report),
        })
    }

    fn describe(&self, output: &mut Output, space: &str) -> Result<(), Failure> {
        let report = &self.report;
        let (strong, dim) = (style::STRONG, style::DIM);
        let entries: u64 = report.purposes.values().map(|amount| amount.entries).sum();
        let length = report.first.zip(report.last).map(|(a, b)| Millis::between(a, b));
        output.line(format!(
            "{strong}{space}{strong:#}: {entries} entries of {} agents in {}",
            report.channels.agents,
            length.map_or("no time".to_owned(), span)
        ))?;
        let mut table = show::table(&["PURPOSE", "ENTRIES", "BYTES", "TOKENS", "OF 1000"]);
        for (purpose, Amount { entries: count, bytes, tokens }) in &report.purposes {
            let share = count * 1_000 / entries.max(1);
            table.add_row([
                word(purpose),
                count.to_string(),
                bytes.to_string(),
                tokens.to_string(),
                share.to_string(),
            ]);
        }
        output.line(format!("\n{table}\n"))?;
        for (name, figure) in self.figures() {
            output.line(format!("{dim}{name:<20}{dim:#} {figure}"))?;
        }
        self.tables(output)
    }

    fn figures(&self) -> Vec<(&'static str, String)> {
        let report = &self.report;
        let (own, waited) = report.critical_time();
        let (channels, rework) = (&report.channels, &report.rework);
        let handovers = &report.handovers;
        let mut figures = vec![
            ("coordination", format!("{} of 1000 entries", report.tax_per_mille())),
            ("context", format!("{} bytes for 1000 of work", report.context_per_mille())),
            (
                "verification",
                format!("{} entries for 1000 of work", report.verification_per_mille()),
            ),
            ("synchronisation", format!("{} waited in all", span(report.waited()))),
            (
                "rework",
                format!(
                    "{} rejected, {} lapsed, {} lost, {} ignored",
                    rework.rejected,
                    rework.lapsed,
                    span(rework.lost),
                    rework.ignored
                ),
            ),
            (
                "channels",
                format!("{} used of {} that there could be", channels.used, channels.possible),
            ),
            (
                "handovers",
                format!(
                    "{} of {} touches by another agent than before",
                    handovers.times, handovers.touches
                ),
            ),
            (
                "critical path",
                format!(
                    "{} steps: {} at work, {} waiting for another agent",
                    report.critical_path.len(),
                    span(own),
                    span(waited)
                ),
            ),
        ];
        if let Some(each) = report.task_time.get().checked_div(report.tasks_done).map(Millis::new) {
            let messages = report.messages_per_task_milli();
            figures.push((
                "tasks",
                format!(
                    "{} done, {} each, {}.{:03} messages each",
                    report.tasks_done,
                    span(each),
                    messages / 1_000,
                    messages % 1_000
                ),
            ));
        }
        figures
    }

    fn tables(&self, output: &mut Output) -> Result<(), Failure> {
        let report = &self.report;
        let mut agents: Vec<_> = report
            .agents
            .iter()
            .map(|(agent, amounts)| {
                let all: u64 = amounts.values().map(|amount| amount.entries).sum();
                let work = amounts.get(&Purpose::Work).map_or(0, |amount| amount.entries);
                (all, agent, work)
            })
            .collect();
        agents.sort_by_key(|(all, agent, _)| (std::cmp::Reverse(*all), *agent));
        let mut table = show::table(&["AGENT", "WORK", "COORDINATION"]);
        for (all, agent, work) in agents.iter().take(SHOWN) {
            table.add_row([agent.to_string(), work.to_string(), (all - work).to_string()]);
        }
        print(output, &table, agents.len())?;
        let mut table = show::table(&["WAITED FOR", "ON", "TIMES", "TIME"]);
        for wait in report.waits.iter().take(SHOWN) {
            let on =
                wait.on.as_ref().map_or("nobody in particular".to_owned(), ToString::to_string);
            table.add_row([word(&wait.kind), on, wait.times.to_string(), span(wait.millis)]);
        }
        print(output, &table, report.waits.len())?;
        let mut table = show::table(&["ON THE CRITICAL PATH", "AT WORK", "WAITED FOR"]);
        let mut on_path: Vec<(&AgentName, OnPath)> = report.critical_agents().into_iter().collect();
        on_path.sort_by_key(|(_, on_path)| std::cmp::Reverse(on_path.waited.max(on_path.own)));
        for (agent, OnPath { own, waited, .. }) in on_path.iter().take(SHOWN) {
            table.add_row([agent.to_string(), span(*own), span(*waited)]);
        }
        print(output, &table, on_path.len())?;
        let mut table = show::table(&["PASSED FROM", "TO", "TIMES"]);
        for passage in report.handovers.matrix.iter().take(SHOWN) {
            let (from, to) = (passage.from.to_string(), passage.to.to_string());
            table.add_row([from, to, passage.times.to_string()]);
        }
        print(output, &table, report.handovers.matrix.len())?;
        let mut table = show::table(&["PASSED MOST", "TIMES"]);
        for (thing, times) in report.handovers.most.iter().take(SHOWN) {
            table.add_row([show::shorten(thing), times.to_string()]);
        }
        print(output, &table, report.handovers.most.len())
    }
}

fn print(output: &mut Output, table: &comfy_table::Table, all: usize) -> Result<(), Failure> {
    if table.is_empty() {
        return Ok(());
    }
    output.line(format!("\n{table}"))?;
    match all.checked_sub(SHOWN).filter(|rest| *rest > 0) {
        Some(rest) => {
            let dim = style::DIM;
            output.line(format!("{dim}and {rest} more (--json shows all){dim:#}"))
        }
        None => Ok(()),
    }
}

/// Returns a length of time in its two largest units.
fn span(length: Millis) -> String {
    let millis = length.get();
    let (seconds, minutes) = (millis / 1_000, millis / 60_000);
    let (hours, days) = (minutes / 60, minutes / 1_440);
    match () {
        () if days > 0 => format!("{days} d {} h", hours % 24),
        () if hours > 0 => format!("{hours} h {} min", minutes % 60),
        () if minutes > 0 => format!("{minutes} min {} s", seconds % 60),
        () if seconds > 0 => format!("{seconds}.{:03} s", millis % 1_000),
        () => format!("{millis} ms"),
    }
}
