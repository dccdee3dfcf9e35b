//! `colony bisect`

use std::ffi::OsString;
use std::path::Path as FilePath;
use std::process::Stdio;

use clap::Args as ClapArgs;
use colony_bus::{Bus, Checkpoints, Cut, Moment};
use colony_core::cloudevents::entry_to_json;
use colony_core::document::Path;
use colony_core::replay::Overview;
use colony_core::{DocumentName, EntityName, Position};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::at;
use crate::cache::CacheArgs;
use crate::context::Context;
use crate::failure::{Failure, InputError, NotFound};
use crate::interrupt::Interrupt;
use crate::output::{Format, style};
use crate::point::{self, POINT};
use crate::show;
use crate::source::SourceArgs;

/// Finds the first position at which something is so, by halving a range of the log. Changes nothing.
///
/// What is asked is either a command, which is given each cut as `colony at --json` shows it on standard input, its position in
/// COLONY_CUT and the file of `--capture`, if that is read, in COLONY_CAPTURE, and exits with 0 (it is so) or 1 (it is not); or a question about a document or an entity. It is taken to
/// stay so once it is.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  colony bisect --document notes --path /title --equals '\"Draft\"'
  colony bisect --from 1h --entity 42 --count-at-least 3
  colony bisect --capture space.capture -- sh -c 'colony log --capture $COLONY_CAPTURE --until $COLONY_CUT | grep -q Draft'
  colony bisect --from 100 --to 5000 -- sh -c 'jq -e \".statistics.types[\\\"task.done\\\"] >= 10\"'")]
pub(crate) struct Args {
    /// A point at which it is not so [default: before the first entry].
    #[arg(long, value_name = POINT, value_parser = point::parse)]
    from: Option<Cut>,
    /// A point at which it is so [default: the end of the log].
    #[arg(long, value_name = POINT, value_parser = point::parse)]
    to: Option<Cut>,
    #[command(flatten)]
    question: QuestionArgs,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    cache: CacheArgs,
    /// A command that exits with 0 where it is so and with 1 where it is not.
    #[arg(last = true, value_name = "PREDICATE", required_unless_present_any = ["document", "entity"], conflicts_with_all = ["document", "entity"])]
    predicate: Vec<OsString>,
}

/// What to ask instead of a command.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "What is asked, instead of a command")]
struct QuestionArgs {
    /// Something stands in this document.
    #[arg(long, value_name = "NAME", requires = "path", conflicts_with = "entity")]
    document: Option<DocumentName>,
    /// Where (`/title`).
    #[arg(long, value_name = "PATH", requires = "document")]
    path: Option<Path>,
    /// What stands there is equal to this.
    #[arg(long, value_name = "JSON", requires = "document", conflicts_with = "exists")]
    equals: Option<String>,
    /// Anything at all stands there. The default, if nothing else is said.
    #[arg(long, requires = "document")]
    exists: bool,
    /// There are events about this entity.
    #[arg(long, value_name = "NAME")]
    entity: Option<EntityName>,
    /// At least so many.
    #[arg(long, value_name = "N", requires = "entity", default_value_t = 1)]
    count_at_least: u64,
}

/// What is asked of a cut.
#[derive(Debug)]
enum Question {
    /// A command says so.
    Command(Vec<OsString>),
    /// Something stands at a place in a document; this, if told.
    Document { name: DocumentName, path: Path, value: Option<Value> },
    /// There are so many events about an entity.
    Entity { name: EntityName, events: u64 },
}

/// Answers a question at cuts.
struct Asking<'a> {
    bus: &'a Bus,
    question: Question,
    checkpoints: Checkpoints,
    capture: Option<&'a FilePath>,
    context: &'a Context,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let Args { from, to, question, source, cache, predicate } = args;
    let interrupt = Interrupt::listen()?;
    let question = question.with(predicate)?;
    let bus = context.reading_bus(&source).await?;
    let from = match from {
        Some(cut) => at::resolve(&bus, cut).await?,
        None => Position::ZERO,
    };
    let to = match to {
        Some(cut) => at::resolve(&bus, cut).await?,
        None => bus.tail().await?,
    };
    let checkpoints = cache.checkpoints(&source);
    let capture = source.capture();
    let asking = Asking { bus: &bus, question, checkpoints, capture, context };
    let asked = std::cell::Cell::new(0_u64);
    let searching = async {
        let holds = async |cut: Position| {
            asked.set(asked.get() + 1);
            asking.holds(cut).await
        };
        if from > Position::ZERO && holds(from).await? {
            return Err(NotFound::BisectedBefore { from }.into());
        }
        colony_agents::bisect(from, to, holds).await
    };
    let found: Option<Position> = tokio::select! {
        found = searching => found?,
        () = interrupt.asked() => {
            return Err(Failure::Interrupted { done: "nothing was changed".to_owned() });
        }
    };
    let Some(position) = found else { return Err(NotFound::Bisected { from, to }.into()) };
    let entry = bus.get(position).await?;
    let mut output = context.output();
    match output.format() {
        Format::Json => {
            let entry = entry.as_ref().map(entry_to_json).transpose()?;
            // It was made as JSON a moment ago.
            let entry = entry.and_then(|json| RawValue::from_string(json).ok());
            output.json(&json!({
                "position": position,
                "from": from,
                "to": to,
                "asked": asked.get(),
                "entry": entry,
            }))?;
        }
        Format::Human => {
            let strong = style::STRONG;
            output.line(format!("it is so from position {strong}{position}{strong:#} on:"))?;
            match entry {
                Some(entry) => show::entry(&mut output, &entry)?,
                None => output.line("what stood there is not in the log any more")?,
            }
        }
    }
    output.flush()
}

impl QuestionArgs {
    fn with(self, predicate: Vec<OsString>) -> Result<Question, InputError> {
        let Self { document, path, equals, exists: _, entity, count_at_least } = self;
        Ok(match (document, path, entity) {
            (Some(name), Some(path), _) => {
                let read = |text: String| {
                    serde_json::from_str(&text)
                        .map_err(|source| InputError::Value { value: text, source })
                };
                Question::Document { name, path, value: equals.map(read).transpose()? }
            }
            (_, _, Some(name)) => Question::Entity { name, events: count_at_least },
            (Some(_) | None, _, None) => Question::Command(predicate),
        })
    }
}

impl Asking<'_> {
    async fn holds(&self, cut: Position) -> Result<bool, Failure> {
        match &self.question {
            Question::Command(words) => {
                let standing = at::standing(self.bus, cut, &self.checkpoints, self.context).await?;
                ask(words, cut, self.capture, &standing).await
            }
            Question::Document { name, path, value } => {
                let moment = Moment::Cut(Cut::Position(cut));
                let past = self.bus.document_at(name, moment).await?;
                // Where a part of the way is missing, nothing stands there.
                let found = past.view()?.value(path).ok().flatten();
                Ok(match value {
                    None => found.is_some(),
                    Some(value) => found.is_some_and(|found| found.to_json() == *value),
                })
            }
            Question::Entity { name, events } => {
                let fold =
                    self.bus.fold(Overview, cut, &self.checkpoints, |_| {}).await?.into_state();
                Ok(fold.entities.get(name).map_or(0, |entity| entity.events) >= *events)
            }
        }
    }
}

/// Runs a command on a cut.
async fn ask(
    words: &[OsString],
    cut: Position,
    capture: Option<&FilePath>,
    standing: &at::Standing,
) -> Result<bool, Failure> {
    let Some((program, arguments)) = words.split_first() else { return Ok(false) };
    let failed = |source| Failure::Predicate { program: program.clone(), source };
    let input = serde_json::to_vec(standing).map_err(|error| failed(error.into()))?;
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).env("COLONY_CUT", cut.to_string()).kill_on_drop(true);
    command.env_remove("COLONY_CAPTURE").envs(capture.map(|file| ("COLONY_CAPTURE", file)));
    // What it prints is not the result of this command.
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.spawn().map_err(failed)?;
    let stdin = child.stdin.take();
    let write = async {
        if let Some(mut stdin) = stdin {
            // It need not read what it is given.
            drop(stdin.write_all(&input).await);
        }
    };
    let ((), status) = tokio::join!(write, child.wait());
    let status = status.map_err(failed)?;
    match status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        Some(_) | None => Err(Failure::PredicateStatus { cut, status }),
    }
}
