//! `colony agent run`

use std::time::Duration;

use colony_agents::command::Purpose;
use colony_agents::{Instance, InstanceOptions, Preference, Retry, Start};
use colony_bus::presence::Status;
use colony_core::{AgentName, Position};
use serde_json::json;

use crate::context::Context;
use crate::duration;
use crate::failure::{Failure, InputError};
use crate::handler::HandlerArgs;
use crate::interrupt::Interrupt;
use crate::output::{Format, style};
use crate::point;

/// Runs an instance of an agent whose handler is a command in any language, until Ctrl-C.
///
/// The command is given events as lines of JSON and answers each with what it wants to say; what it says is stored whole and once,
/// however many instances run, die and are paused. Any number of them may run, anywhere.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  colony agent run --name greeter --on visitor.came -- ./greeter.sh
  colony agent run --name counter --on text.written --partitions 4 -- python3 word_count.py
  colony agent run --name keeper --mail --schedule 'nightly=0 3 * * *@Europe/Berlin' -- ./keeper")]
pub(crate) struct Args {
    /// The agent's name.
    #[arg(long, value_name = "AGENT")]
    name: AgentName,
    #[command(flatten)]
    handler: HandlerArgs,
    /// Over how many lanes the agent's events are spread, by entity. Fixed once the agent has begun.
    #[arg(long, value_name = "N", default_value_t = 1)]
    partitions: u16,
    /// Where an agent begins that has never run: `beginning`, `now`, or after a position or time.
    #[arg(long, default_value = "beginning", value_name = "POINT", value_parser = point::parse_start)]
    start: point::Start,
    /// How long the command may take for one event.
    #[arg(long, default_value = "30s", value_name = "TIME", value_parser = duration::parse)]
    timeout: Duration,
    /// How often an event is handed out again before it is set aside.
    #[arg(long, default_value_t = 3, value_name = "N")]
    retries: u32,
    /// How long after an instance has fallen silent another one takes over.
    #[arg(long, default_value = "3s", value_name = "TIME", value_parser = duration::parse)]
    takeover: Duration,
    /// Lets every instance work on every event, instead of one of them while the others stand by.
    #[arg(long)]
    everyone: bool,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let Args { name, handler, partitions, start, timeout, retries, takeover, everyone } = args;
    if !handler.listens() {
        return Err(InputError::ListensToNothing.into());
    }
    let interrupt = Interrupt::listen()?;
    let context = context.acting_as(name.clone());
    let agent = handler.start(&name, Purpose::Work)?;
    let joined = async {
        let bus = context.bus().await?;
        let start = match start {
            point::Start::Beginning => Start::Beginning,
            point::Start::Now => Start::Now,
            point::Start::After(cut) => Start::After(bus.resolve(cut).await?),
        };
        let preference = if everyone { Preference::Everyone } else { Preference::Rendezvous };
        let retry = Retry { attempts: retries.saturating_add(1), ..Retry::default() };
        let defaults = InstanceOptions::default();
        let options = InstanceOptions {
            partitions,
            start,
            preference,
            takeover,
            // What a handler with all its attempts may take.
            stall: defaults.stall.max(timeout.saturating_mul(retries.saturating_add(2))),
            handler_timeout: timeout,
            retry,
            ..defaults
        };
        let instance = Instance::start(bus.clone(), agent.clone(), options).await?;
        Ok::<_, Failure>((bus, instance))
    };
    let (bus, mut instance) = tokio::select! {
        joined = joined => joined?,
        () = interrupt.asked() => return Ok(()),
    };
    let status = Status { state: "reacting".to_owned(), ..Status::default() };
    if let Err(error) = bus.presence().announce(status).await {
        tracing::debug!(%error, "presence could not be told");
    }
    let mut output = context.output();
    match output.format() {
        Format::Json => output.json(&json!({
            "ready": true,
            "agent": name,
            "instance": bus.instance(),
            "space": bus.space(),
            "partitions": partitions,
            "cursors": cursors(&instance),
        }))?,
        Format::Human => {
            let strong = style::STRONG;
            output.line(format!(
                "{strong}{name}{strong:#}/{} reacts in space {}; Ctrl-C ends it",
                bus.instance(),
                bus.space()
            ))?;
        }
    }
    output.flush()?;
    let failed = tokio::select! {
        error = instance.failed() => Some(error),
        () = interrupt.asked() => None,
    };
    let outcome = match failed {
        Some(error) => Err(error),
        None => instance.stop().await,
    };
    agent.close().await;
    // Whoever is not told notices after a while.
    let _ = bus.presence().leave().await;
    Ok(outcome?)
}

fn cursors(instance: &Instance) -> Vec<Position> {
    instance.status().iter().map(|lane| lane.cursor).collect()
}
