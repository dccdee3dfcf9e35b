//! An agent in full: what it listens to, what it knows, what it does. Two instances of it run, and each event is answered once.
//!
//! On a log in memory; with a server, `Bus::connect(options)` takes the place of `Bus::on`.

use std::error::Error;
use std::sync::Arc;

use colony_agents::{
    Agent, HandlerError, Instance, InstanceOptions, Interest, Preference, Reaction,
};
use colony_bus::{Bus, BusOptions, Draft, MemoryLog, Query};
use colony_core::{Entry, Filter};
use futures_util::TryStreamExt as _;

/// Counts the visitors, and greets each.
struct Greeter;

impl Agent for Greeter {
    type State = u64;

    fn interest(&self) -> Interest {
        Interest::in_types(["visitor.came".parse()].into_iter().flatten())
    }

    fn evolve(&self, visitors: &mut u64, _: &Entry) {
        *visitors += 1;
    }

    async fn react(
        &self,
        visitors: &u64,
        entry: &Entry,
        reaction: &mut Reaction,
    ) -> Result<(), HandlerError> {
        let name: String = entry.event().data.to_value()?;
        let greeting = format!("Welcome, {name}: you are visitor {visitors}.");
        reaction.emit(Draft::new("visitor.greeted".parse()?).json(&greeting)?)?;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let log = MemoryLog::new("example");
    let join = |agent: &str| -> Result<Bus, Box<dyn Error>> {
        let options = BusOptions::new("house".parse()?, agent.parse()?);
        Ok(Bus::on(Arc::new(log.clone()), Arc::new(log.clone()), options))
    };

    // Both instances work on everything here; by default one would stand by.
    let options =
        InstanceOptions { preference: Preference::Everyone, ..InstanceOptions::default() };
    let one = Instance::start(join("greeter")?, Greeter, options.clone()).await?;
    let other = Instance::start(join("greeter")?, Greeter, options).await?;

    let door = join("door")?;
    let mut last = door.tail().await?;
    for name in ["Ada", "Ben", "Cleo"] {
        let came = Draft::new("visitor.came".parse()?).json(&name)?;
        last = door.publish(came).await?.await?.position;
    }
    one.reacted_to(last).await;
    one.stop().await?;
    other.stop().await?;

    let filter = Filter { types: ["visitor.greeted".parse()?].into(), ..Filter::events() };
    let mut greetings = door.read(Query { filter, ..Query::default() }).await?;
    while let Some(entry) = greetings.try_next().await? {
        println!("{}", entry.event().data.to_value::<String>()?);
    }
    Ok(())
}
