//! One agent says what happened, another hears it: each event once, in order, whether stored before or after.
//!
//! On a log in memory; with a server, `Bus::connect(options)` takes the place of `Bus::on`.

use std::error::Error;
use std::sync::Arc;

use colony_bus::{Bus, BusOptions, Cut, Delivery, Draft, MemoryLog};
use colony_core::{Filter, Position};
use futures_util::StreamExt as _;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let log = MemoryLog::new("example");
    let join = |agent: &str| -> Result<Bus, Box<dyn Error>> {
        let options = BusOptions::new("office".parse()?, agent.parse()?);
        Ok(Bus::on(Arc::new(log.clone()), Arc::new(log.clone()), options))
    };
    let (ada, ben) = (join("ada")?, join("ben")?);

    // Two steps: the first admits the event, the second is its durability.
    let offered = Draft::new("task.offered".parse()?).about("42".parse()?).json(&"sweep")?;
    let receipt = ada.publish(offered).await?.await?;
    println!("ada: stored at position {}", receipt.position);

    let mut heard = ben.subscribe(Filter::events(), Cut::Position(Position::ZERO)).await?;
    while let Some(delivery) = heard.next().await {
        match delivery? {
            Delivery::Entry(entry) if entry.event().ty.as_str() == "task.offered" => {
                println!("ben: heard {} about {:?}", entry.event().ty, entry.event().entity);
                let claimed = Draft::new("task.claimed".parse()?).because_of(&entry);
                ben.publish(claimed.about("42".parse()?)).await?.await?;
            }
            Delivery::Entry(entry) => {
                let cause = entry.event().cause.as_ref().map(|cause| cause.position);
                println!("ben: {} because of {cause:?}", entry.event().ty);
                break;
            }
            Delivery::CaughtUp => println!("ben: everything stored so far is heard"),
        }
    }
    Ok(())
}
