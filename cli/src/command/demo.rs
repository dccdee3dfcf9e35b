//! `colony demo`: the main job, acted out by separate processes on a real server.

use std::path::PathBuf;
use std::time::Instant;

use colony_agents::recording::Recording;
use colony_bus::{Bus, BusOptions, Draft};
use colony_core::document::{Path, Value};
use colony_core::{DocumentName, SpaceName};
use colony_server::{Finder, Node, NodeConfig};

use crate::context::Context;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::progress::Fetching;

mod cast;
mod checks;
mod company;
mod input;
mod joiner;
mod report;
mod scribe;
mod scribes;
mod writer;

pub(crate) use cast::DemoError;

/// The space that the demonstration runs in.
const SPACE: &str = "demo";
/// The space of the second act.
const COMPANY: &str = "company";
/// The document that the writers share.
const STORY: &str = "story";
/// The document that the scribe keeps.
const SUMMARY: &str = "summary";
/// Where the text stands in the story.
const TEXT: &str = "/text";

/// Shows what Colony does, in about a minute: separate processes on a real server.
///
/// Two writers type a recorded session into one text, at the same time, each waiting for what it depends on. Two
/// instances of a scribe follow thousands of events that are imported meanwhile and keep a shared summary: one is paused for longer
/// than every time-out and resumed, the other is killed with -9, and so is a writer half-way. Someone who comes late opens everything
/// at the end.
///
/// Then a company works without a manager: ten bidders and three workers do a thousand tasks while the conductor of some of them is
/// killed, a contract is broken and arbitrated, and work is passed on over two hops. At last it shows the middle of the story with
/// `at`, causes with `why`, runs the scribe again over what is recorded, and ends with a table of what came of it and what the
/// coordination cost. Exit code 0 only if nothing was lost or doubled, the texts agree, and all of the work is done.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A recorded editing session to act out, JSON or gzip [default: the one that Colony brings].
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// CloudEvents to import, JSON lines or gzip [default: the ones that Colony brings].
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// Keystrokes a second of each writer; 0 for as fast as it goes.
    #[arg(long, default_value_t = 700.0, value_name = "RATE")]
    speed: f64,
    /// Keeps the server's data here afterwards [default: a temporary directory].
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// Plays one part of the demonstration, as a process of its own.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Part {
    /// Types one person's share of a recorded session.
    Writer(writer::Args),
    /// Keeps a summary of all events, as one instance of the scribe.
    Scribe(scribe::Args),
    /// Opens everything, late.
    Joiner(joiner::Args),
    /// Works in the company.
    Member(company::member::Args),
}

pub(crate) async fn part(part: Part, context: &Context) -> Result<(), Failure> {
    match part {
        Part::Writer(args) => writer::run(args, context).await,
        Part::Scribe(args) => scribe::run(args, context).await,
        Part::Joiner(args) => joiner::run(args, context).await,
        Part::Member(args) => company::member::run(args, context).await,
    }
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let interrupt = Interrupt::listen()?;
    tokio::select! {
        played = play(&args, context) => played,
        // Dropping the play ends its processes and removes its files.
        () = interrupt.asked() => Err(Failure::Interrupted { done: "nothing is left behind".to_owned() }),
    }
}

async fn play(args: &Args, context: &Context) -> Result<(), Failure> {
    let json = context.global.json;
    let scratch = tempfile::tempdir().map_err(Failure::file(std::env::temp_dir(), "written"))?;
    let input =
        input::Input::prepare(args.trace.as_deref(), args.events.as_deref(), scratch.path())?;
    let recording = Recording::read(&input.trace).map_err(DemoError::Recording)?;
    let fetching = Fetching::new(json);
    let found = Finder::from_env().find(&fetching).await;
    fetching.finish();
    let directory = args.keep.clone().unwrap_or_else(|| scratch.path().join("server"));
    let node = Node::start(&found?, NodeConfig::new("demo", &directory)).await?;
    let start = Instant::now();
    let stage = cast::Stage::new(&node, &input, args.speed, json)?;
    let bus = stage.bus("stage").await?;
    begin(&bus, &recording).await?;
    let played = cast::perform(&stage, &bus, &recording).await?;
    let joined = stage.join().await?;
    let scribe = stage.bus("scribe").await?;
    let checked = checks::check(&bus, &scribe, &recording, &input).await?;
    let company = company::perform(&stage).await?;
    let passed_on = company.handoff_result.clone();
    let acts = report::Acts { played, joined, checked, company };
    let report = report::Report::new(&bus, &recording, acts, start.elapsed());
    if !json {
        stage.show_the_middle(&bus, &passed_on).await?;
    }
    report.show(context)?;
    node.stop().await?;
    if report.holds() { Ok(()) } else { Err(DemoError::DoesNotHold.into()) }
}

/// Makes the shared text, so that nobody has to be first.
async fn begin(bus: &Bus, recording: &Recording) -> Result<(), Failure> {
    let failed = DemoError::Document;
    let story = bus.document(&name(STORY)).await.map_err(failed)?;
    let start = recording.start.clone();
    let edited = story.edit(|edit| edit.set(&text_path(), Value::Text(start))).await;
    edited.map_err(failed)?.durable.await?;
    let draft = Draft::new(event_type("session.begun"));
    bus.publish(draft).await?.await?;
    Ok(())
}

fn options(agent: &str, server: &str) -> BusOptions {
    options_in(SPACE, agent, server)
}

fn options_in(space: &str, agent: &str, server: &str) -> BusOptions {
    let space: SpaceName = constant(space);
    let mut options = BusOptions::new(space, constant(agent));
    options.server.url = server.to_owned();
    options
}

fn name(document: &str) -> DocumentName {
    constant(document)
}

fn text_path() -> Path {
    constant(TEXT)
}

fn event_type(ty: &str) -> colony_core::EventType {
    constant(ty)
}

/// Reads one of this module's own names.
fn constant<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    #[expect(clippy::unwrap_used, reason = "constants of this module, which are names")]
    text.parse().unwrap()
}
