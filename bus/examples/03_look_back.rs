//! What did everything look like back then? The log knows, and reading it changes nothing.

use std::error::Error;
use std::sync::Arc;

use colony_bus::document::Moment;
use colony_bus::{Bus, BusOptions, Cut, Draft, MemoryLog, Order, Query};
use colony_core::DocumentName;
use colony_core::document::Path;
use futures_util::StreamExt as _;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let log = MemoryLog::new("example");
    let options = BusOptions::new("office".parse()?, "ada".parse()?);
    let bus = Bus::on(Arc::new(log.clone()), Arc::new(log), options);
    let (name, colour): (DocumentName, Path) = ("settings".parse()?, "/colour".parse()?);

    let settings = bus.document(&name).await?;
    settings.edit(|edit| edit.set(&colour, "red")).await?.durable.await?;
    let before = bus.publish(Draft::new("meeting.held".parse()?)).await?.await?.position;
    settings.edit(|edit| edit.set(&colour, "blue")).await?.durable.await?;

    let then = bus.document_at(&name, Moment::Cut(Cut::Position(before))).await?;
    println!("at position {before}: {:?}", then.view()?.value(&colour)?);
    println!("now: {:?}", settings.read(|it| it.view().value(&colour))??);

    let backwards = Query { order: Order::Backward, ..Query::default() };
    let mut entries = bus.read(backwards).await?;
    while let Some(entry) = entries.next().await {
        let entry = entry?;
        println!("{} {} by {}", entry.position, entry.event().ty, entry.event().author);
    }
    Ok(())
}
