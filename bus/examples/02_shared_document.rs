//! Two agents edit one text at the same time; nobody asks anybody, and both end with the same text.

use std::error::Error;
use std::sync::Arc;

use colony_bus::{Bus, BusOptions, MemoryLog};
use colony_core::DocumentName;
use colony_core::document::{Path, Value};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let log = MemoryLog::new("example");
    let join = |agent: &str| -> Result<Bus, Box<dyn Error>> {
        let options = BusOptions::new("office".parse()?, agent.parse()?);
        Ok(Bus::on(Arc::new(log.clone()), Arc::new(log.clone()), options))
    };
    let (name, text): (DocumentName, Path) = ("notes".parse()?, "/text".parse()?);

    let ada = join("ada")?.document(&name).await?;
    let made = ada.edit(|edit| edit.set(&text, Value::Text("fox".to_owned()))).await?;
    made.durable.await?;

    let ben = join("ben")?.document(&name).await?;
    let by_ada = ada.edit(|edit| edit.splice_text(&text, 0, 0, "the quick ")).await?;
    let by_ben = ben.edit(|edit| edit.splice_text(&text, 3, 0, " jumps")).await?;
    for (document, other) in [(&ada, &by_ben), (&ben, &by_ada)] {
        if let Some(change) = &other.change {
            document.until_seen(change).await?;
        }
    }

    let read = |document: &colony_bus::Document| document.read(|it| it.view().text(&text));
    let (for_ada, for_ben) = (read(&ada)??, read(&ben)??);
    println!("ada reads {for_ada:?}\nben reads {for_ben:?}");
    assert_eq!(for_ada, for_ben);
    Ok(())
}
