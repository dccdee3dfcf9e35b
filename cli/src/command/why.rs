//! `colony why`

use std::collections::BTreeMap;

use colony_bus::Bus;
use colony_core::document::{ChangeHash, Kind, Origin, Path};
use colony_core::replay::{Branch, EntryKey, Step, Stories, Story, StoryNode};
use colony_core::{DocumentName, EventId, Position};
use serde_json::{Value, json};

use crate::cache::{self, CacheArgs};
use crate::carriers::{self, Carrier};
use crate::command::doc;
use crate::context::Context;
use crate::failure::{Failure, InputError, NotFound};
use crate::output::{Format, Output, style};
use crate::source::SourceArgs;

/// Tells why something is as it is: back to what began it, and forward to what it led to.
///
/// Asks about an event (its id, or the position of any entry), or about a place in a document.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  colony why 1500
  colony why 6c33e7b1607eee12533e7e9aa952cdf70a7bc24b
  colony why notes /title
  colony why notes /text --char 120")]
pub(crate) struct Args {
    /// The id of an event, the position of an entry, or the name of a document.
    #[arg(value_name = "ID|POSITION|DOCUMENT")]
    what: String,
    /// A place in the document (`/title`).
    #[arg(value_name = "PATH")]
    path: Option<Path>,
    /// Which character of the text, from 0; without it, the newest changes that the text consists of.
    #[arg(long, value_name = "N", requires = "path")]
    char: Option<usize>,
    /// Most consequences shown, and most changes of a text.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    cache: CacheArgs,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let Args { what, path, char, limit, source, cache } = args;
    let bus = context.reading_bus(&source).await?;
    let mut output = context.output();
    let checkpoints = cache.checkpoints(&source);
    let tail = bus.tail().await?;
    let story = cache::fold(&bus, Stories, tail, &checkpoints, context, "reading").await?;
    let story = story.into_state();
    match path {
        Some(path) => {
            let name: DocumentName = what.parse().map_err(InputError::Name)?;
            let place = Place { name, path, char };
            place.explain(&bus, &story, limit, &mut output).await?;
        }
        None => {
            let telling = Telling { story: &story, limit };
            for key in find(&bus, &story, &what).await? {
                match output.format() {
                    Format::Json => output.json(&telling.to_json(&key))?,
                    Format::Human => telling.describe(&mut output, &key)?,
                }
            }
        }
    }
    cache::warn(&checkpoints, &mut output)?;
    output.flush()
}

/// Finds what is asked about: an id may belong to events of several authors.
async fn find(bus: &Bus, story: &Story, what: &str) -> Result<Vec<EntryKey>, Failure> {
    let id: Option<EventId> = what.parse().ok();
    let found: Vec<EntryKey> =
        id.iter().flat_map(|id| story.find_id(id)).map(|node| node.key.clone()).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    if let Ok(position) = what.parse::<Position>() {
        if let Some(node) = story.at(position) {
            return Ok(vec![node.key.clone()]);
        }
        let (space, tail) = (bus.space().to_string(), bus.tail().await?);
        return Err(NotFound::Position { position, space, tail }.into());
    }
    Err(NotFound::Event { what: what.to_owned(), space: bus.space().to_string() }.into())
}

/// Tells the story of entries.
struct Telling<'a> {
    story: &'a Story,
    limit: usize,
}

impl Telling<'_> {
    fn to_json(&self, key: &EntryKey) -> Value {
        let back: Vec<Value> = self.story.root_path(key).iter().map(step_json).collect();
        let forward: Vec<Value> = self
            .story
            .consequences(key, self.limit)
            .iter()
            .map(|branch| {
                let Branch { depth, node } = branch;
                json!({ "depth": depth, "entry": node_json(node) })
            })
            .collect();
        let entry = self.story.find(key).map(node_json);
        json!({ "entry": entry, "causes": back, "consequences": forward })
    }

    /// Writes the way from the root to the entry, and below it what it led to.
    fn describe(&self, output: &mut Output, key: &EntryKey) -> Result<(), Failure> {
        let (good, dim) = (style::GOOD, style::DIM);
        let mut way = self.story.root_path(key);
        way.reverse();
        let last = way.len().saturating_sub(1);
        for (depth, step) in way.iter().enumerate() {
            let indent = indent(depth);
            match step {
                Step::Entry(node) if depth == last => {
                    let line = node_line(node);
                    output.line(format!("{indent}{line}  {good}<- asked about{good:#}"))?;
                }
                Step::Entry(node) => output.line(format!("{indent}{}", node_line(node)))?,
                Step::Missing(cause) => output.line(format!(
                    "{indent}{dim}{} by {}: not in the log as far as it was read{dim:#}",
                    cause.id, cause.author
                ))?,
                Step::Cycle(node) => output
                    .line(format!("{indent}{dim}goes round: back at {}{dim:#}", node.position))?,
            }
        }
        let branches = self.story.consequences(key, self.limit);
        for Branch { depth, node } in &branches {
            output.line(format!("{}{}", indent(last + depth), node_line(node)))?;
        }
        if branches.len() == self.limit {
            output.line(format!("{dim}more may follow (--limit N){dim:#}"))?;
        }
        Ok(())
    }
}

fn indent(depth: usize) -> String {
    match depth.checked_sub(1) {
        None => String::new(),
        Some(steps) => format!("{}└─ ", "   ".repeat(steps)),
    }
}

fn node_line(node: &StoryNode) -> String {
    let StoryNode { key, position, recorded: _, kind, ty, entity, cause: _, correlation: _ } = node;
    let (dim, name, strong) = (style::DIM, style::NAME, style::STRONG);
    let entity = entity.as_ref().map_or(String::new(), |entity| format!(" {entity}"));
    format!(
        "{dim}{position}{dim:#} {name}{}{name:#} {} {strong}{ty}{strong:#}{entity}",
        key.author,
        kind.token()
    )
}

fn node_json(node: &StoryNode) -> Value {
    let StoryNode { key, position, recorded, kind, ty, entity, cause, correlation } = node;
    json!({
        "position": position,
        "id": key.id,
        "author": key.author,
        "kind": kind.token(),
        "type": ty,
        "entity": entity,
        "recorded": recorded,
        "cause": cause,
        "correlation": correlation,
    })
}

fn step_json(step: &Step<'_>) -> Value {
    match step {
        Step::Entry(node) => json!({ "step": "entry", "entry": node_json(node) }),
        Step::Missing(cause) => json!({ "step": "missing", "cause": cause }),
        Step::Cycle(node) => json!({ "step": "cycle", "entry": node_json(node) }),
    }
}

/// A place in a document.
struct Place {
    name: DocumentName,
    path: Path,
    char: Option<usize>,
}

impl Place {
    async fn explain(
        &self,
        bus: &Bus,
        story: &Story,
        limit: usize,
        output: &mut Output,
    ) -> Result<(), Failure> {
        let past = doc::past(bus, &self.name, doc::newest()).await?;
        let carriers = carriers::of(bus, &self.name).await?;
        let view = past.view()?;
        let value = view.value(&self.path).map_err(Failure::View)?;
        let mut origins = match value.map(|value| value.kind()) {
            Some(Kind::Text) => {
                let spans = view.blame_text(&self.path).map_err(Failure::View)?;
                let wanted = |start: usize, len: usize| {
                    self.char.is_none_or(|at| (start..start + len).contains(&at))
                };
                let spans = spans.into_iter().filter(|span| wanted(span.start, span.len));
                spans.map(|span| span.origin).collect::<Vec<_>>()
            }
            Some(_) => {
                let fields = view.blame_field(&self.path).map_err(Failure::View)?;
                fields.into_iter().map(|field| field.origin).collect()
            }
            None => {
                let (path, document) = (self.path.to_string(), self.name.to_string());
                return Err(NotFound::Place { path, document }.into());
            }
        };
        if origins.is_empty() {
            let (path, document) = (self.path.to_string(), self.name.to_string());
            return Err(NotFound::Place { path, document }.into());
        }
        // The newest first, each change once.
        let position = |origin: &Origin| carriers.get(&origin.change).map(|c| c.position);
        origins.sort_by_key(|origin| std::cmp::Reverse((position(origin), origin.change)));
        origins.dedup_by_key(|origin| origin.change);
        let telling = Telling { story, limit };
        for origin in origins.iter().take(limit) {
            self.tell(origin, &carriers, &telling, output)?;
        }
        if origins.len() > limit && output.format() == Format::Human {
            let dim = style::DIM;
            let rest = origins.len() - limit;
            output.line(format!("{dim}and {rest} older changes (--limit N){dim:#}"))?;
        }
        Ok(())
    }

    fn tell(
        &self,
        origin: &Origin,
        carriers: &BTreeMap<ChangeHash, Carrier>,
        telling: &Telling<'_>,
        output: &mut Output,
    ) -> Result<(), Failure> {
        let Origin { change, actor, time, message, .. } = origin;
        let author = colony_bus::document::agent_of(actor);
        let carrier = carriers.get(change);
        match output.format() {
            Format::Json => output.json(&json!({
                "document": self.name,
                "path": self.path,
                "change": change,
                "author": author,
                "time": time.to_string(),
                "message": message,
                "position": carrier.map(|carrier| carrier.position),
                "story": carrier.map(|carrier| telling.to_json(&carrier.key)),
            })),
            Format::Human => {
                let (strong, dim) = (style::STRONG, style::DIM);
                let author = author.map_or(actor.to_string(), |author| author.to_string());
                output.line(format!(
                    "{}{} written by {strong}{author}{strong:#} {dim}{time}, change {}{dim:#}",
                    self.name,
                    self.path,
                    doc::short(change)
                ))?;
                match carrier {
                    Some(carrier) => telling.describe(output, &carrier.key),
                    None => output.line("  no entry of the log carries this change"),
                }
            }
        }
    }
}
