use std::sync::Arc;
use std::time::{Duration, Instant};

use colony_core::document::{Path, Value};
use colony_core::{DocumentName, Position};
use futures_util::StreamExt as _;

use super::*;
use crate::{Bus, BusOptions, MemoryLog};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn bus(log: &MemoryLog, agent: &str) -> Bus {
    let options = BusOptions::new("lab".parse().unwrap(), agent.parse().unwrap());
    Bus::on(Arc::new(log.clone()), Arc::new(log.clone()), options)
}

fn notes() -> DocumentName {
    "notes".parse().unwrap()
}

fn text() -> Path {
    "/text".parse().unwrap()
}

async fn begin(document: &Document) -> Result {
    let edited = document.edit(|edit| edit.set(&text(), Value::Text(String::new()))).await?;
    edited.durable.await?;
    Ok(())
}

async fn insert(document: &Document, at: usize, what: &str) -> Result<ChangeHash> {
    let edited = document.edit(|edit| edit.splice_text(&text(), at, 0, what)).await?;
    drop(edited.durable);
    Ok(edited.change.ok_or("nothing changed")?)
}

fn shown(document: &Document) -> Result<String> {
    Ok(document.read(|replica| replica.view().text(&text()))??)
}

#[tokio::test]
async fn two_processes_converge_under_concurrent_edits() -> Result {
    let log = MemoryLog::new("log");
    let (ada, bob) = (bus(&log, "ada"), bus(&log, "bob"));
    let ada = ada.document(&notes()).await?;
    begin(&ada).await?;
    let bob = bob.document(&notes()).await?;
    let mut last = Vec::new();
    for n in 0..200 {
        last = vec![insert(&ada, n / 2, "a").await?, insert(&bob, 0, "b").await?];
    }
    for change in &last {
        ada.until_seen(change).await?;
        bob.until_seen(change).await?;
    }
    assert_eq!(ada.heads(), bob.heads());
    assert_eq!(shown(&ada)?, shown(&bob)?);
    assert_eq!(shown(&ada)?.len(), 400);
    Ok(())
}

#[tokio::test]
async fn edits_made_while_an_append_is_on_its_way_travel_as_one_entry() -> Result {
    let log = MemoryLog::new("log");
    let ada = bus(&log, "ada").document(&notes()).await?;
    begin(&ada).await?;
    log.hold();
    for _ in 0..500 {
        insert(&ada, 0, "a").await?;
    }
    log.release();
    ada.flush().await?;
    let status = ada.status();
    assert_eq!(status.changes_sent, 501);
    assert!(status.entries_sent < 10, "{} entries", status.entries_sent);
    assert_eq!(status.unsent, 0);
    Ok(())
}

#[tokio::test]
async fn all_handles_of_a_process_share_one_replica() -> Result {
    let log = MemoryLog::new("log");
    let bus = bus(&log, "ada");
    let handles: Vec<_> =
        futures_util::future::join_all((0..50).map(|_| async { bus.document(&notes()).await }))
            .await
            .into_iter()
            .collect::<std::result::Result<_, _>>()?;
    for handle in &handles {
        assert!(Arc::ptr_eq(&handle.open, &handles[0].open));
    }
    Ok(())
}
