//! Two agents act on one entity at once: a conditional append lets exactly one of them win, without a lock.

use std::error::Error;
use std::sync::Arc;

use colony_bus::log::AppendError;
use colony_bus::{Bus, BusOptions, Draft, MemoryLog, WriteError};
use colony_core::{EntityName, Position};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let log = MemoryLog::new("example");
    let join = |agent: &str| -> Result<Bus, Box<dyn Error>> {
        let options = BusOptions::new("office".parse()?, agent.parse()?);
        Ok(Bus::on(Arc::new(log.clone()), Arc::new(log.clone()), options))
    };
    let (ada, ben) = (join("ada")?, join("ben")?);
    let desk: EntityName = "desk-7".parse()?;
    let book = || -> Result<Draft, Box<dyn Error>> { Ok(Draft::new("desk.booked".parse()?)) };

    // Both know that nobody has booked the desk yet.
    let (first, second) = tokio::join!(
        ada.publish_if(book()?, desk.clone(), Position::ZERO),
        ben.publish_if(book()?, desk.clone(), Position::ZERO),
    );
    for (agent, result) in [("ada", first), ("ben", second)] {
        match result {
            Ok(receipt) => println!("{agent} has the desk: position {}", receipt.position),
            Err(WriteError::Append(AppendError::Conflict { .. })) => println!("{agent} was late"),
            Err(error) => return Err(error.into()),
        }
    }
    let head = ada.head("desk", &desk).await?;
    println!("booked by {:?}", head.map(|head| head.event().author.clone()));
    Ok(())
}
