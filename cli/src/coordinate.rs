//! Taking part in the coordination of a space, and looking at it: what all commands of protocols share.

use std::time::SystemTime;

use clap::Args;
use colony_agents::protocol::{
    Coordination, CoordinationState, LogTime, Outcome, Protocol, Rejection, Slot,
};
use colony_agents::{Desk, DeskError, Told};
use colony_bus::{Bus, Checkpoints, Cut, Draft, EntryError, Query};
use colony_core::{AgentName, EntityName, Entry, Position};
use futures_util::StreamExt as _;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::cache::{self, CacheArgs};
use crate::command::at;
use crate::context::Context;
use crate::failure::{Failure, NoEffect, NotFound};
use crate::outline;
use crate::output::{Format, Output, style};
use crate::point::{self, POINT};
use crate::source::SourceArgs;

/// Options of every command that says something in a protocol.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ActArgs {
    /// Position of the entry that this answers.
    #[arg(long, value_name = "POSITION")]
    cause: Option<Position>,
    #[command(flatten)]
    cache: CacheArgs,
}

/// Options of every command that looks at what was agreed.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct LookArgs {
    /// Shows it as it stood at this point.
    #[arg(long, value_name = POINT, value_parser = point::parse)]
    at: Option<Cut>,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    cache: CacheArgs,
}

impl LookArgs {
    /// Returns whether the end of a live log is looked at.
    pub(crate) fn is_live(&self) -> bool {
        self.at.is_none() && !self.source.is_capture()
    }
}

/// A place from which an agent acts: the log is read up to its end.
pub(crate) struct Seat {
    desk: Desk,
    cause: Option<Entry>,
    checkpoints: Checkpoints,
    output: Output,
}

impl Seat {
    /// Joins the space, and reads what was agreed so far.
    pub(crate) async fn take(context: &Context, args: ActArgs) -> Result<Self, Failure> {
        let ActArgs { cause, cache } = args;
        let bus = context.bus().await?;
        let cause = match cause {
            None => None,
            Some(position) => Some(find(&bus, position).await?),
        };
        let checkpoints = cache.checkpoints(&SourceArgs::default());
        let tail = bus.tail().await?;
        let fold = cache::fold(&bus, Coordination, tail, &checkpoints, context, "reading").await?;
        Ok(Self { desk: Desk::new(bus, fold), cause, checkpoints, output: context.output() })
    }

    /// Returns what was agreed, as far as was read.
    pub(crate) fn state(&self) -> &CoordinationState {
        self.desk.state()
    }

    /// Returns the agent that acts.
    pub(crate) fn agent(&self) -> &AgentName {
        self.desk.bus().agent()
    }

    pub(crate) fn bus(&self) -> &Bus {
        self.desk.bus()
    }

    /// Returns the error for something that is not there.
    pub(crate) fn unknown(&self, what: &'static str, name: impl ToString) -> Failure {
        let (name, space) = (name.to_string(), self.bus().space().to_string());
        NotFound::Agreed { what, name, space, position: self.desk.position() }.into()
    }

    /// Returns a text that nobody can guess.
    pub(crate) fn nonce(&self) -> String {
        self.desk.bus().new_id().to_string()
    }

    /// Waits for the next entry of the log.
    pub(crate) async fn next(&mut self) -> Result<(), Failure> {
        self.desk.next().await?;
        Ok(())
    }

    /// Decides a command, appends what it takes, and reads on to what came of it.
    pub(crate) async fn act<P>(&mut self, command: P::Command) -> Result<Vec<Told>, Failure>
    where
        P: Protocol,
        CoordinationState: Slot<P>,
        Rejection: From<P::Rejection>,
    {
        let drafts = self.desk.decide::<P>(command).map_err(DeskError::Rejected)?;
        let cause = self.cause.as_ref();
        let drafts = drafts.into_iter().map(|draft| match cause {
            Some(entry) => Draft::from(draft).because_of(entry),
            None => Draft::from(draft),
        });
        Ok(self.desk.append(drafts.collect::<Vec<_>>()).await?)
    }

    /// Prints what came of the events, and how what they are about stands now. Fails if any had no effect.
    pub(crate) fn tell(
        mut self,
        told: &[Told],
        key: &str,
        stands: Option<Value>,
    ) -> Result<(), Failure> {
        let against = told.iter().find_map(NoEffect::of);
        match self.output.format() {
            Format::Json => {
                let mut object = Map::new();
                object.insert("space".into(), json!(self.desk.bus().space()));
                object.insert("author".into(), json!(self.agent()));
                let applied = if against.is_none() { "applied" } else { "ignored" };
                object.insert("outcome".into(), json!(applied));
                object.insert("events".into(), told.iter().map(told_json).collect());
                object.insert(key.to_owned(), stands.unwrap_or_default());
                self.output.json(&object)?;
            }
            Format::Human => {
                told.iter().try_for_each(|told| self.output.line(told_line(told)))?;
                if let Some(stands) = stands {
                    outline::write(&mut self.output, key, &stands)?;
                }
            }
        }
        cache::warn(&self.checkpoints, &mut self.output)?;
        self.output.flush()?;
        against.map_or(Ok(()), |against| Err(against.into()))
    }
}

async fn find(bus: &Bus, position: Position) -> Result<Entry, Failure> {
    match bus.get(position).await? {
        Some(entry) => Ok(entry),
        None => {
            let (space, tail) = (bus.space().to_string(), bus.tail().await?);
            Err(NotFound::Position { position, space, tail }.into())
        }
    }
}

fn told_json(told: &Told) -> Value {
    let Told { position, id, ty, entity, outcome } = told;
    let (applied, against) = match outcome {
        Outcome::Applied => ("applied", None),
        Outcome::Unrelated => ("unrelated", None),
        Outcome::Ignored(reason) => ("ignored", Some(against(reason))),
    };
    json!({
        "position": position,
        "id": id,
        "type": ty,
        "entity": entity,
        "outcome": applied,
        "against": against,
    })
}

fn told_line(told: &Told) -> String {
    let Told { position, id: _, ty, entity, outcome } = told;
    let (strong, good, bad) = (style::STRONG, style::GOOD, style::ERROR);
    let about = entity.as_ref().map_or(String::new(), |entity| format!(" {entity}"));
    let outcome = match outcome {
        Outcome::Applied | Outcome::Unrelated => format!("{good}applied{good:#}"),
        Outcome::Ignored(_) => format!("{bad}ignored{bad:#}"),
    };
    format!("{strong}{ty}{strong:#}{about} at position {strong}{position}{strong:#}: {outcome}")
}

/// Returns what stood against something: whose rule, which, what it names, and in words.
pub(crate) fn against(reason: &Rejection) -> Value {
    let mut path: Vec<String> = Vec::new();
    let mut rest = serde_json::to_value(reason).unwrap_or_default();
    // Rejections of a protocol stand under its name, those of a part of it under the part's.
    loop {
        match rest {
            Value::String(last) => {
                path.push(last);
                rest = Value::Null;
                break;
            }
            Value::Object(ref object) => match object.iter().next() {
                Some((name, under)) if object.len() == 1 && is_variant(name) => {
                    path.push(name.clone());
                    rest = under.clone();
                }
                Some(_) | None => break,
            },
            _ => break,
        }
    }
    let rule = path.pop();
    json!({
        "protocol": path.first().map(|name| name.to_lowercase()),
        "rule": rule,
        "fields": rest,
        "message": reason.to_string(),
    })
}

fn is_variant(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
}

/// What was agreed, as somebody sees it who looks at it.
pub(crate) struct View {
    bus: Bus,
    state: CoordinationState,
    position: Position,
    /// The log's time; for one who looks at the end of a live log, no earlier than now.
    time: LogTime,
    checkpoints: Checkpoints,
    output: Output,
}

impl View {
    /// Reads what was agreed, up to the end or to a point.
    pub(crate) async fn open(context: &Context, args: LookArgs) -> Result<Self, Failure> {
        let live = args.is_live();
        let LookArgs { at: cut, source, cache } = args;
        let bus = context.reading_bus(&source).await?;
        let position = match cut {
            Some(cut) => at::resolve(&bus, cut).await?,
            None => bus.tail().await?,
        };
        let checkpoints = cache.checkpoints(&source);
        let what = "reading";
        let fold = cache::fold(&bus, Coordination, position, &checkpoints, context, what).await?;
        let state = fold.into_state();
        let time = match live {
            true => state.time().advanced(SystemTime::now().into()),
            false => state.time(),
        };
        Ok(Self { bus, state, position, time, checkpoints, output: context.output() })
    }

    pub(crate) fn bus(&self) -> &Bus {
        &self.bus
    }

    pub(crate) fn state(&self) -> &CoordinationState {
        &self.state
    }

    pub(crate) fn time(&self) -> LogTime {
        self.time
    }

    pub(crate) fn format(&self) -> Format {
        self.output.format()
    }

    /// Returns the error for something that is not there.
    pub(crate) fn unknown(&self, what: &'static str, name: impl ToString) -> Failure {
        let space = self.bus.space().to_string();
        NotFound::Agreed { what, name: name.to_string(), space, position: self.position }.into()
    }

    /// Reads on to the end of a live log.
    pub(crate) async fn read_on(&mut self) -> Result<(), Failure> {
        let tail = self.bus.tail().await?;
        let query = Query {
            filter: Coordination::filter(),
            after: Some(Cut::Position(self.position)),
            until: Some(Cut::Position(tail)),
            ..Query::default()
        };
        let mut entries = self.bus.read(query).await?;
        while let Some(entry) = entries.next().await {
            match entry {
                Ok(entry) => drop(self.state.evolve(&entry)),
                Err(EntryError::Read(error)) => return Err(error.into()),
                // What cannot be read says nothing, here as for every reader.
                Err(_) => {}
            }
        }
        self.position = tail;
        self.time = self.state.time().advanced(SystemTime::now().into());
        Ok(())
    }

    /// Prints one thing: an object with where it was looked at, or its fields for people.
    pub(crate) fn show(mut self, key: &str, stands: &Value) -> Result<(), Failure> {
        self.put(key, stands)?;
        self.close()
    }

    fn put(&mut self, key: &str, stands: &Value) -> Result<(), Failure> {
        match self.output.format() {
            Format::Json => {
                let mut object = Map::new();
                object.insert("space".into(), json!(self.bus.space()));
                object.insert("position".into(), json!(self.position));
                object.insert("time".into(), json!(self.time));
                object.insert(key.to_owned(), stands.clone());
                self.output.json(&object)
            }
            Format::Human => outline::write(&mut self.output, key, stands),
        }
    }

    /// Prints many things: an object with all of them, or a table for people.
    pub(crate) fn list(
        mut self,
        key: &str,
        all: &Value,
        heading: &[&str],
        rows: impl IntoIterator<Item = Vec<String>>,
    ) -> Result<(), Failure> {
        self.put_all(key, all, heading, rows)?;
        self.close()
    }

    /// As [`View::list`], to look again.
    pub(crate) fn put_all(
        &mut self,
        key: &str,
        all: &Value,
        heading: &[&str],
        rows: impl IntoIterator<Item = Vec<String>>,
    ) -> Result<(), Failure> {
        if self.output.format() == Format::Json {
            self.put(key, all)?;
            return self.output.flush();
        }
        let mut table = crate::show::table(heading);
        for row in rows {
            table.add_row(row.iter().map(|cell| crate::show::shorten(cell)));
        }
        match table.is_empty() {
            true => self.output.line("nothing")?,
            false => self.output.line(table)?,
        }
        self.output.flush()
    }

    /// Prints one line as it is.
    pub(crate) fn print(mut self, line: &str) -> Result<(), Failure> {
        self.output.line(line)?;
        self.close()
    }

    /// Tells something on the side.
    pub(crate) fn warn(&mut self, text: &str) -> Result<(), Failure> {
        self.output.warn(text)
    }

    /// Ends the looking.
    pub(crate) fn close(mut self) -> Result<(), Failure> {
        cache::warn(&self.checkpoints, &mut self.output)?;
        self.output.flush()
    }
}

/// Returns a thing with its name, for printing.
pub(crate) fn named(key: &str, name: &EntityName, thing: &impl Serialize) -> Value {
    let mut object = match value(thing) {
        Value::Object(object) => object,
        other => [("value".to_owned(), other)].into_iter().collect(),
    };
    object.insert(key.to_owned(), json!(name));
    Value::Object(object)
}

/// Returns a thing as JSON.
pub(crate) fn value(thing: &impl Serialize) -> Value {
    serde_json::to_value(thing).unwrap_or_default()
}

/// Returns the name of a variant, as it stands in JSON: how far something is, in a word.
pub(crate) fn word(phase: &impl Serialize) -> String {
    match value(phase) {
        Value::String(word) => word,
        Value::Object(object) => object.into_iter().next().map_or(String::new(), |(word, _)| word),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use colony_agents::protocol::{Malformed, bidding, contract, handoff, task};

    use super::*;

    #[test]
    fn what_stood_against_something_names_the_protocol_the_rule_and_its_fields() {
        let held = task::Rejection::Held {
            owner: "bob".parse().unwrap(),
            round: 2,
            fence: Position::new(7),
        };
        let told = against(&held.into());
        let fields = json!({"owner": "bob", "round": 2, "fence": 7});
        let message = "bob holds it in round 2, with fence 7";
        assert_eq!(
            told,
            json!({"protocol": "task", "rule": "Held", "fields": fields, "message": message})
        );
        let rule = |reason: Rejection| {
            let told = against(&reason);
            (
                told["protocol"].as_str().map(str::to_owned),
                told["rule"].as_str().unwrap().to_owned(),
            )
        };
        let of = |protocol: &str, name: &str| (Some(protocol.to_owned()), name.to_owned());
        assert_eq!(rule(task::Rejection::ByBids.into()), of("task", "ByBids"));
        let full = bidding::Rejection::Full { at_most: 3 };
        assert_eq!(rule(task::Rejection::from(full).into()), of("task", "Full"));
        assert_eq!(rule(handoff::Rejection::NoResult.into()), of("handoff", "NoResult"));
        assert_eq!(rule(contract::Rejection::Overflow.into()), of("contract", "Overflow"));
        assert_eq!(rule(Malformed::NoEntity.into()), of("malformed", "NoEntity"));
    }
}
