//! The scribe: an agent that keeps a shared summary of all events. Each process is one instance of it.

use colony_agents::summary::{Scribe, Summary};
use colony_agents::{Agent, HandlerError, Instance, InstanceOptions, Interest, Reaction};
use colony_bus::{Bus, Cut, Delivery};
use colony_core::{Entry, Filter, LaneName, Position};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};

use super::{DemoError, SUMMARY, event_type, name, options};
use crate::context::Context;
use crate::failure::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which instance of the scribe it is.
    #[arg(long)]
    desk: LaneName,
}

/// A line that an instance prints when it writes a page. Whether it is that one which counts is the log's to say.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Writes {
    /// The event that the page is written for.
    pub(super) event: Position,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let mut options = options("scribe", &context.global.server);
    options.instance = Some(args.desk);
    let bus = Bus::connect(options).await?;
    let beginning = Cut::Position(Position::ZERO);
    let ended = Filter { types: [event_type("session.ended")].into(), ..Filter::events() };
    let mut ended = bus.subscribe(ended, beginning).await?;
    let agent = Loud { scribe: Scribe::new(name(SUMMARY)), json: context.global.json };
    let started = Instance::start(bus, agent, InstanceOptions::default()).await;
    let mut instance = started.map_err(DemoError::Instance)?;
    let end = async {
        while let Some(delivery) = ended.next().await {
            if let Delivery::Entry(entry) = delivery? {
                return Ok(entry.position);
            }
        }
        Err(Failure::from(DemoError::Unfollowed))
    };
    let end = tokio::select! {
        end = end => end?,
        error = instance.failed() => return Err(DemoError::Instance(error).into()),
    };
    // Resolves also where a lane has failed; why, the end tells.
    instance.reacted_to(end).await;
    Ok(instance.stop().await.map_err(DemoError::Instance)?)
}

/// A scribe that can be watched.
struct Loud {
    scribe: Scribe,
    json: bool,
}

impl Agent for Loud {
    type State = Summary;

    fn interest(&self) -> Interest {
        self.scribe.interest()
    }

    fn evolve(&self, summary: &mut Summary, entry: &Entry) {
        self.scribe.evolve(summary, entry);
    }

    async fn react(
        &self,
        summary: &Summary,
        entry: &Entry,
        reaction: &mut Reaction,
    ) -> Result<(), HandlerError> {
        self.scribe.react(summary, entry, reaction).await?;
        if Scribe::writes(summary, entry) && self.json {
            let mut output = crate::output::Output::new(true);
            let told = output.json(&Writes { event: entry.position }).and_then(|()| output.flush());
            told.map_err(|error| HandlerError::new(error.to_string()))?;
        }
        Ok(())
    }
}
