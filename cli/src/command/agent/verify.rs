//! `colony agent verify`

use std::time::Duration;

use colony_agents::command::{Purpose, RecordedEffects};
use colony_agents::{Difference, Verified, VerifyRange, verify_with};
use colony_bus::{Bus, Cut};
use colony_core::{AgentName, Event, Position};
use serde_json::{Value, json};

use crate::context::Context;
use crate::duration;
use crate::failure::Failure;
use crate::handler::HandlerArgs;
use crate::interrupt::Interrupt;
use crate::output::{Format, Output};
use crate::point::{self, POINT};
use crate::progress;
use crate::show;
use crate::source::SourceArgs;

/// Runs an agent's command again over what was recorded, and shows the first thing that it does otherwise.
///
/// Nothing is appended and nothing outside is asked: results of effects come from the record. Exit code 6 if it does something else
/// than it did. The agent must listen to what it listened to then.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  colony agent verify greeter --on visitor.came -- ./greeter.sh
  colony agent verify greeter --on visitor.came --from 2h --capture night.capture -- ./greeter.sh")]
pub(crate) struct Args {
    /// The agent's name.
    #[arg(value_name = "AGENT")]
    name: AgentName,
    #[command(flatten)]
    handler: HandlerArgs,
    /// Reactions to events past this point.
    #[arg(long, value_name = POINT, value_parser = point::parse)]
    from: Option<Cut>,
    /// Reactions to events at or before this point.
    #[arg(long, value_name = POINT, value_parser = point::parse)]
    to: Option<Cut>,
    /// How long the command may take for one event.
    #[arg(long, default_value = "30s", value_name = "TIME", value_parser = duration::parse)]
    timeout: Duration,
    #[command(flatten)]
    source: SourceArgs,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let Args { name, handler, from, to, timeout, source } = args;
    let interrupt = Interrupt::listen()?;
    let agent = handler.start(&name, Purpose::Replay(RecordedEffects::default()))?;
    let verifying = async {
        let bus = context.reading_bus_of(&source, name.clone()).await?;
        let (after, until) = (resolve(&bus, from).await?, resolve(&bus, to).await?);
        let range = VerifyRange {
            after: after.unwrap_or(Position::ZERO),
            until: until.unwrap_or(Position::MAX),
            handler_timeout: timeout,
        };
        let last = bus.tail().await?.min(range.until);
        let bar = progress::count(Some(last.get()), context.global.json, "verifying");
        let passed = |at: Position| bar.set_position(at.get());
        let verified = verify_with(&bus, agent.clone(), range, passed).await;
        bar.finish_and_clear();
        Ok::<_, Failure>(verified?)
    };
    let verified = tokio::select! {
        verified = verifying => verified?,
        () = interrupt.asked() => {
            return Err(Failure::Interrupted { done: "nothing was changed".to_owned() });
        }
    };
    agent.close().await;
    let mut output = context.output();
    report(&mut output, &name, &verified)?;
    output.flush()?;
    match verified.difference {
        Some(difference) => Err(Failure::Differs { agent: name, event: difference.event }),
        None => Ok(()),
    }
}

async fn resolve(bus: &Bus, cut: Option<Cut>) -> Result<Option<Position>, Failure> {
    Ok(match cut {
        Some(cut) => Some(bus.resolve(cut).await?),
        None => None,
    })
}

fn report(output: &mut Output, name: &AgentName, verified: &Verified) -> Result<(), Failure> {
    let Verified { reactions, outputs, parked, difference, .. } = verified;
    match output.format() {
        Format::Json => output.json(&json!({
            "agent": name,
            "same": difference.is_none(),
            "reactions": reactions,
            "outputs": outputs,
            "parked": parked,
            "difference": difference.as_deref().map(to_json),
        })),
        Format::Human => {
            output.line(format!(
                "{reactions} reactions run again, {outputs} outputs as recorded, {parked} events left out because they are set aside"
            ))?;
            match difference {
                Some(difference) => describe(output, difference),
                None => Ok(()),
            }
        }
    }
}

fn to_json(difference: &Difference) -> Value {
    let Difference { event, index, recorded, made, failed } = difference;
    json!({
        "event": event,
        "index": index,
        "recorded": recorded.as_ref().map(show::event_value),
        "now": made.as_ref().map(show::event_value),
        "failed": failed,
    })
}

/// Shows the two outputs beside each other.
fn describe(output: &mut Output, difference: &Difference) -> Result<(), Failure> {
    let Difference { event, index, recorded, made, failed } = difference;
    output.line(format!("\nin answer to the event at {event}, output {}:", index + 1))?;
    if let Some(reason) = failed {
        output.line(show::safe(&reason.to_string()))?;
    }
    output.line(beside("RECORDED", recorded.as_ref(), "NOW", made.as_ref()))
}

/// Makes a table of two events, attribute by attribute; those that differ are marked.
fn beside(
    left: &str,
    one: Option<&Event>,
    right: &str,
    other: Option<&Event>,
) -> comfy_table::Table {
    let attributes = |event: Option<&Event>| match event.map(show::event_value) {
        Some(Value::Object(attributes)) => attributes,
        Some(_) | None => serde_json::Map::new(),
    };
    let (one, other) = (attributes(one), attributes(other));
    let mut names: Vec<&String> = one.keys().chain(other.keys()).collect();
    names.sort();
    names.dedup();
    let mut table = show::table(&["", "ATTRIBUTE", left, right]);
    for name in names {
        let text = |value: Option<&Value>| match value {
            None => "-".to_owned(),
            Some(Value::String(text)) => show::shorten(text),
            Some(value) => show::shorten(&value.to_string()),
        };
        let (one, other) = (one.get(name), other.get(name));
        let mark = if one == other { " " } else { "≠" };
        table.add_row([mark.to_owned(), name.clone(), text(one), text(other)]);
    }
    table
}
