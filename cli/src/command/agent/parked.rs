//! `colony agent parked`

use clap::Subcommand;
use colony_agents::ParkedEvents;
use colony_agents::reactor::{ParkReason, ParkedEvent};
use colony_core::cloudevents::entry_to_json;
use colony_core::{AgentName, Position};
use serde_json::json;

use crate::context::Context;
use crate::failure::{Failure, NotFound};
use crate::output::{Format, style};
use crate::show;

/// Lists the events that an agent has set aside, and does something about them. Needs the agent's own credentials.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  colony agent parked greeter
  colony agent parked greeter show 17
  colony agent parked greeter retry --all")]
pub(crate) struct Args {
    /// The agent's name.
    #[arg(value_name = "AGENT")]
    name: AgentName,
    #[command(subcommand)]
    action: Option<Action>,
}

/// What to do [default: list them].
#[derive(Debug, Subcommand)]
enum Action {
    /// Shows an event and why it was set aside.
    Show(One),
    /// Lets the agent try an event again, and then those that wait behind it.
    Retry(Retry),
    /// Gives an event up. Those that wait behind it are handled.
    Drop(One),
}

/// Which event.
#[derive(Debug, clap::Args)]
struct One {
    /// Where it stands in the log.
    position: Position,
}

/// Which events.
#[derive(Debug, clap::Args)]
struct Retry {
    /// Where it stands in the log.
    #[arg(required_unless_present = "all")]
    position: Option<Position>,
    /// All of them.
    #[arg(long, conflicts_with = "position")]
    all: bool,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let Args { name, action } = args;
    let bus = context.acting_as(name.clone()).bus().await?;
    let parked = ParkedEvents::of(bus.clone());
    match action {
        None => list(&name, &parked.list().await?, context),
        Some(Action::Show(One { position })) => {
            let found = parked.list().await?.into_iter().find(|parked| parked.event == position);
            let Some(found) = found else {
                return Err(NotFound::Parked { position, agent: name }.into());
            };
            let entry = bus.get(position).await?;
            let mut output = context.output();
            match output.format() {
                Format::Json => {
                    let event = entry.as_ref().map(entry_to_json).transpose()?;
                    let event = event.map(serde_json::value::RawValue::from_string).transpose();
                    // It was made as JSON a moment ago.
                    output.json(&json!({ "parked": found, "entry": event.ok().flatten() }))?;
                }
                Format::Human => {
                    output.line(line(&found))?;
                    match entry {
                        Some(entry) => show::entry(&mut output, &entry)?,
                        None => output.line("the event is not in the log any more")?,
                    }
                }
            }
            output.flush()
        }
        Some(Action::Retry(Retry { position, all })) => {
            let events: Vec<Position> = match position {
                Some(position) => vec![position],
                // Those that wait behind another one follow it.
                None => {
                    let all = parked.list().await?.into_iter().filter(|_| all);
                    let first = |p: &ParkedEvent| !matches!(p.reason, ParkReason::Behind { .. });
                    all.filter(first).map(|parked| parked.event).collect()
                }
            };
            for event in &events {
                parked.retry(*event).await?;
            }
            told(context, "retried", &events)
        }
        Some(Action::Drop(One { position })) => {
            parked.give_up(position).await?;
            told(context, "dropped", &[position])
        }
    }
}

fn list(name: &AgentName, parked: &[ParkedEvent], context: &Context) -> Result<(), Failure> {
    let mut output = context.output();
    for event in parked {
        match output.format() {
            Format::Json => output.json(event)?,
            Format::Human => output.line(line(event))?,
        }
    }
    if parked.is_empty() && output.format() == Format::Human {
        output.line(format!("{name} has set nothing aside"))?;
    }
    output.flush()
}

fn line(parked: &ParkedEvent) -> String {
    let ParkedEvent { event, entity, reason, attempts, due } = parked;
    let (dim, strong) = (style::DIM, style::STRONG);
    let entity = entity.as_ref().map_or(String::new(), |entity| format!("  {entity}"));
    let due = if *due { "  (to be tried again)" } else { "" };
    let reason = show::shorten(&reason.to_string());
    format!("{strong}{event:>7}{strong:#}{entity}  {reason}  {dim}{attempts} attempts{due}{dim:#}")
}

fn told(context: &Context, what: &str, events: &[Position]) -> Result<(), Failure> {
    let mut output = context.output();
    match output.format() {
        Format::Json => output.json(&json!({ what: events }))?,
        Format::Human if events.is_empty() => output.line("nothing is set aside")?,
        Format::Human => {
            for event in events {
                output.line(format!("{what} {event}"))?;
            }
        }
    }
    output.flush()
}
