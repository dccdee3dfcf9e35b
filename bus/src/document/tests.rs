use std::sync::Arc;

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

fn blob() -> Path {
    "/blob".parse().unwrap()
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

#[tokio::test]
async fn what_was_acknowledged_is_there_after_the_process_is_gone() -> Result {
    let log = MemoryLog::new("log");
    let heads = {
        let ada = bus(&log, "ada").document(&notes()).await?;
        begin(&ada).await?;
        for n in 0..50 {
            insert(&ada, n, "x").await?;
        }
        ada.flush().await?;
        ada.heads()
    };
    let again = bus(&log, "ada").document(&notes()).await?;
    assert_eq!(again.heads(), heads);
    insert(&again, 0, "y").await?;
    again.flush().await?;
    assert_eq!(bus(&log, "bob").document(&notes()).await?.heads(), again.heads());
    Ok(())
}

#[tokio::test]
async fn edits_are_sent_after_the_last_handle_is_dropped() -> Result {
    let log = MemoryLog::new("log");
    let ada = bus(&log, "ada").document(&notes()).await?;
    begin(&ada).await?;
    let reader = bus(&log, "bob").document(&notes()).await?;
    log.hold();
    let last = insert(&ada, 0, "last").await?;
    drop(ada);
    log.release();
    reader.until_seen(&last).await?;
    assert_eq!(shown(&reader)?, "last");
    Ok(())
}

async fn typed(log: &MemoryLog, edits: usize) -> Result<Document> {
    let ada = bus(log, "ada").document(&notes()).await?;
    begin(&ada).await?;
    for n in 0..edits {
        insert(&ada, n, "x").await?;
    }
    ada.flush().await?;
    Ok(ada)
}

#[tokio::test]
async fn a_snapshot_saves_reading_the_history() -> Result {
    let log = MemoryLog::new("log");
    let ada = typed(&log, 100).await?;
    ada.snapshot().await?;
    insert(&ada, 0, "tail").await?;
    ada.flush().await?;
    let late = bus(&log, "late").document(&notes()).await?;
    assert_eq!(late.heads(), ada.heads());
    assert_eq!(late.status().applied_changes, 1);
    Ok(())
}

#[tokio::test]
async fn snapshots_are_taken_as_the_document_grows() -> Result {
    let log = MemoryLog::new("log");
    let ada = typed(&log, 2_500).await?;
    insert(&ada, 0, "more").await?;
    ada.flush().await?;
    let late = bus(&log, "late").document(&notes()).await?;
    assert_eq!(late.heads(), ada.heads());
    assert!(late.status().applied_changes < 2_000);
    Ok(())
}

#[tokio::test]
async fn a_snapshot_that_is_torn_deleted_or_of_another_log_is_done_without() -> Result {
    use crate::log::EventLog as _;
    let log = MemoryLog::new("log");
    let ada = typed(&log, 100).await?;
    let first = ada.snapshot().await?;
    insert(&ada, 0, "between").await?;
    let second = ada.snapshot().await?;
    let opens = async |changes: u64| -> Result {
        let late = bus(&log, "late").document(&notes()).await?;
        assert_eq!(late.heads(), ada.heads());
        assert_eq!(late.status().applied_changes, changes);
        Ok(())
    };
    opens(0).await?;
    for _ in 0..64 {
        log.corrupt(second);
    }
    opens(1).await?;
    log.remove(first).await?;
    opens(102).await?;

    let mut records = Vec::new();
    let mut all = log.read(crate::log::Range::all()).await?;
    while let Some(record) = all.next().await {
        records.push(record?);
    }
    let elsewhere = MemoryLog::from_records("elsewhere", records)?;
    let late = bus(&elsewhere, "late").document(&notes()).await?;
    assert_eq!(late.status().applied_changes, 102);
    Ok(())
}

#[tokio::test]
async fn a_snapshot_that_lies_is_not_believed() -> Result {
    use colony_core::envelope::{SnapshotRecord, seal};
    use colony_core::subject::{Address, Kind, Lane, Subject};
    let log = MemoryLog::new("log");
    let ada = typed(&log, 100).await?;
    let other = Replica::new(actor::new_actor(&"eve".parse()?, 1));
    let lies = [
        // Another document's content, an honest document with other heads, and one that claims to know too much.
        (other.save(), ada.heads(), Position::new(5)),
        (ada.read(Replica::save)?, Heads::empty(), Position::new(5)),
        (other.save(), Heads::empty(), Position::new(5)),
        (vec![1, 2, 3], ada.heads(), Position::new(5)),
    ];
    for (document, heads, position) in lies {
        let record = SnapshotRecord {
            position,
            heads: heads.iter().map(|hash| *hash.as_bytes()).collect(),
            log: "log".to_owned(),
            document: document.into(),
        };
        let eve = bus(&log, "eve");
        let heading = wire::Heading {
            author: eve.agent(),
            document: &notes(),
            ty: "document.saved",
            content_type: wire::SNAPSHOT,
            time: crate::bus::now(),
            reason: Reason::default(),
        };
        for envelope in heading.envelopes(record.encode(), || eve.new_id()).ok_or("too large")? {
            let lane = Lane { author: eve.agent().clone(), name: "snapshots".parse()? };
            let address = Address::Lane { lane, kind: Kind::Snapshot(notes()) };
            let subject = Subject { space: eve.space().clone(), address };
            let sealed = seal(&subject, &envelope, None)?;
            let record = crate::log::NewRecord { subject: sealed.subject, payload: sealed.payload };
            eve.log().append(crate::log::Unit::one(record)).await?.await?;
        }
        let late = bus(&log, "late").document(&notes()).await?;
        assert_eq!(late.heads(), ada.heads());
        assert_eq!(late.status().applied_changes, 101);
    }
    Ok(())
}

/// Text that does not compress.
fn noise(bytes: usize) -> String {
    let mut seed = 7_u64;
    (0..bytes)
        .map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(33 + (seed >> 57) as u8 % 90)
        })
        .collect()
}

#[tokio::test]
async fn a_change_larger_than_a_message_travels_in_pieces() -> Result {
    let log = MemoryLog::new("log");
    let ada = bus(&log, "ada").document(&notes()).await?;
    begin(&ada).await?;
    let bob = bus(&log, "bob").document(&notes()).await?;
    let large = noise(3 * 1024 * 1024);
    let edited = ada.edit(|edit| edit.set(&blob(), Value::Str(large))).await?;
    edited.durable.await?;
    let after = insert(&ada, 0, "!").await?;
    bob.until_seen(&after).await?;
    assert_eq!(bob.heads(), ada.heads());
    assert!(ada.status().entries_sent > 5);
    ada.snapshot().await?;
    let late = bus(&log, "late").document(&notes()).await?;
    assert_eq!((late.heads(), late.status().applied_changes), (ada.heads(), 0));
    Ok(())
}

#[tokio::test]
async fn edits_wait_for_room_while_the_log_takes_nothing() -> Result {
    use futures_util::FutureExt as _;
    let log = MemoryLog::new("log");
    let ada = bus(&log, "ada").document(&notes()).await?;
    begin(&ada).await?;
    log.hold();
    let large = noise(1024 * 1024);
    let mut made = 0;
    let write = async |n: usize| -> Result {
        let value = Value::Str(format!("{n}{large}"));
        drop(ada.edit(|edit| edit.set(&blob(), value)).await?.durable);
        Ok(())
    };
    while write(made).now_or_never().transpose()?.is_some() {
        made += 1;
        assert!(made < 64, "there is no bound");
    }
    assert!(made >= 4);
    log.release();
    insert(&ada, 0, "now").await?;
    ada.flush().await?;
    Ok(())
}

async fn append_changes(bus: &Bus, changes: &[&colony_core::document::Change]) -> Result {
    let heading = wire::Heading {
        author: bus.agent(),
        document: &notes(),
        ty: "doc.changed",
        content_type: wire::CHANGES,
        time: crate::bus::now(),
        reason: Reason::default(),
    };
    let value = wire::changes_value(changes.iter().map(|change| change.encode()));
    let entries = heading.envelopes(value, || bus.new_id()).ok_or("too large")?;
    let kind = colony_core::Kind::Document(notes());
    let batch = crate::lane::Batch {
        entries: entries.into_iter().map(|envelope| (kind.clone(), envelope)).collect(),
        wholeness: crate::log::Wholeness::Ordered,
        heads: Vec::new(),
    };
    bus.writer().await?.append(batch).await?.await?;
    Ok(())
}

#[tokio::test]
async fn a_change_whose_dependency_comes_late_is_parked_and_released() -> Result {
    let log = MemoryLog::new("log");
    let eve = bus(&log, "eve");
    let mut replica = Replica::new(actor::new_actor(eve.agent(), 1));
    let now = jiff::Timestamp::UNIX_EPOCH;
    let (_, first) = replica.edit(now, None, |edit| edit.set(&text(), 1))?;
    let (_, second) = replica.edit(now, None, |edit| edit.set(&text(), 2))?;
    let (first, second) = (first.ok_or("none")?, second.ok_or("none")?);
    append_changes(&eve, &[&second]).await?;
    let bob = bus(&log, "bob").document(&notes()).await?;
    let status = bob.status();
    assert_eq!((status.changes, status.parked), (0, 1));
    assert_eq!(status.missing, [first.hash().to_string()]);
    append_changes(&eve, &[&first]).await?;
    bob.until_seen(&second.hash()).await?;
    assert_eq!(bob.heads(), replica.heads());
    assert_eq!(bob.status().parked, 0);
    Ok(())
}

#[tokio::test]
async fn what_the_log_lost_a_replica_puts_back() -> Result {
    use crate::log::EventLog as _;
    let log = MemoryLog::new("log");
    let ada = typed(&log, 20).await?;
    let bob = bus(&log, "bob").document(&notes()).await?;
    log.truncate_to(Position::new(1));
    assert_eq!(ada.check().await?.lost.len() + 1, 21);
    assert_eq!(log.tail().await?, Position::new(1));
    assert!(ada.repair().await? > 0);
    ada.flush().await?;
    assert!(ada.check().await?.is_equal());
    let late = bus(&log, "late").document(&notes()).await?;
    assert_eq!(late.heads(), bob.heads());
    Ok(())
}

#[tokio::test]
async fn a_watcher_sees_the_state_and_then_everything() -> Result {
    let log = MemoryLog::new("log");
    let ada = typed(&log, 5).await?;
    let bob = bus(&log, "bob").document(&notes()).await?;
    let (mut watch, mut heads) = (bob.watch(), bob.watch_heads());
    let first = watch.next().await.ok_or("ended")?;
    assert_eq!(first.heads, ada.heads());
    assert!(!first.patches.is_empty());
    heads.next().await.ok_or("ended")?;
    let mut wanted = Vec::new();
    for n in 0..100 {
        let document = if n % 2 == 0 { &ada } else { &bob };
        wanted.push(insert(document, 0, "y").await?);
        if n % 10 == 0 {
            tokio::task::yield_now().await;
        }
    }
    wanted.sort_unstable();
    for watch in [&mut watch, &mut heads] {
        let mut seen = Vec::new();
        while seen.len() < wanted.len() {
            let update = watch.next().await.ok_or("ended")?;
            seen.extend(update.changes.iter().map(|change| change.hash));
        }
        seen.sort_unstable();
        assert_eq!(seen, wanted);
    }
    Ok(())
}

#[tokio::test]
async fn patches_lead_from_one_update_to_the_next() -> Result {
    use colony_core::document::PatchAction;
    let log = MemoryLog::new("log");
    let ada = typed(&log, 0).await?;
    let bob = bus(&log, "bob").document(&notes()).await?;
    let mut watch = bob.watch();
    watch.next().await.ok_or("ended")?;
    let mut copy = String::new();
    for n in 0..30 {
        let document = if n % 3 == 0 { &bob } else { &ada };
        let change = insert(document, n.min(shown(document)?.len()), "z").await?;
        bob.until_seen(&change).await?;
        ada.until_seen(&change).await?;
        let update = watch.next().await.ok_or("ended")?;
        for patch in update.patches {
            if let PatchAction::SpliceText { index, text } = patch.action {
                copy.insert_str(index, &text);
            }
        }
        assert_eq!(copy, shown(&bob)?);
    }
    Ok(())
}

#[tokio::test]
async fn edits_at_one_place_made_unseen_are_told_to_both() -> Result {
    let log = MemoryLog::new("log");
    let (ada, bob) = (bus(&log, "ada"), bus(&log, "bob"));
    let (one, two) = (ada.document(&notes()).await?, bob.document(&notes()).await?);
    begin(&one).await?;
    two.until_position(one.position()).await?;
    // Nothing awaited in between lets the other's change in.
    let (first, second) = futures_util::join!(insert(&one, 0, "one"), insert(&two, 0, "two"));
    one.until_seen(&second?).await?;
    two.until_seen(&first?).await?;
    let filter = colony_core::Filter {
        types: ["document.overlapped".parse()?].into(),
        ..colony_core::Filter::events()
    };
    let mut told =
        ada.subscribe(filter, crate::Cut::Position(Position::ZERO)).await?.filter_map(|item| {
            std::future::ready(match item {
                Ok(crate::Delivery::Entry(entry)) => entry.event().recipient.clone(),
                _ => None,
            })
        });
    let mut recipients = vec![told.next().await, told.next().await];
    recipients.sort_unstable();
    assert_eq!(recipients, [Some("ada".parse()?), Some("bob".parse()?)]);
    Ok(())
}

#[tokio::test]
async fn a_document_can_be_read_as_it_stood() -> Result {
    let log = MemoryLog::new("log");
    let ada = bus(&log, "ada").document(&notes()).await?;
    begin(&ada).await?;
    let edited = ada.edit(|edit| edit.splice_text(&text(), 0, 0, "first")).await?;
    let position = edited.durable.await?;
    let heads = ada.heads();
    insert(&ada, 5, ", second").await?;
    ada.snapshot().await?;
    let bus = bus(&log, "late");
    for moment in [Moment::Cut(crate::Cut::Position(position)), Moment::Heads(heads)] {
        let past = bus.document_at(&notes(), moment).await?;
        assert_eq!(past.view()?.text(&text())?, "first");
    }
    assert!(bus.document_exists(&notes()).await?);
    assert!(!bus.document_exists(&"other".parse()?).await?);
    let listed = bus.documents(None).await?;
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0].name, listed[0].author.as_str()), (&notes(), "ada"));
    Ok(())
}

#[tokio::test]
async fn a_held_replica_takes_in_only_what_its_edits_ask_for() -> Result {
    let log = MemoryLog::new("log");
    let ada = typed(&log, 3).await?;
    let base = ada.heads();
    let seen = insert(&ada, 0, "unseen").await?;
    let bus = bus(&log, "bob");
    let bob = bus.document_held(&notes()).await?;
    bob.until_seen(&seen).await?;
    let edited = bob
        .edit_with(EditOptions::default().at(base), |edit| {
            assert_eq!(edit.text(&text())?, "xxx");
            edit.splice_text(&text(), 3, 0, "end")
        })
        .await?;
    edited.durable.await?;
    assert_eq!(shown(&bob)?, "xxxend");
    bob.advance(None);
    assert_eq!(shown(&bob)?, "unseenxxxend");
    Ok(())
}

#[tokio::test]
async fn an_edit_carries_its_cause() -> Result {
    let log = MemoryLog::new("log");
    let bus = bus(&log, "ada");
    let receipt = bus.publish(crate::Draft::new("task.claimed".parse()?)).await?;
    let id = receipt.id.clone();
    let position = receipt.await?.position;
    let entry = bus.get(position).await?.ok_or("gone")?;
    let ada = bus.document(&notes()).await?;
    let options = EditOptions::because_of(&entry);
    let edited = ada.edit_with(options, |edit| edit.set(&text(), 1)).await?;
    let stored = bus.get(edited.durable.await?).await?.ok_or("gone")?;
    assert_eq!(stored.event().cause.as_ref().map(|cause| &cause.id), Some(&id));
    assert_eq!(stored.event().correlation.as_ref(), Some(&id));
    let change = edited.change.ok_or("none")?;
    let message = ada.read(|replica| {
        replica.change(&change).and_then(|change| change.message().map(str::to_owned))
    })?;
    assert_eq!(message.as_deref(), Some(id.as_str()));
    Ok(())
}

#[tokio::test]
async fn edits_survive_lost_acknowledgements() -> Result {
    use crate::memory::Fault;
    let log = MemoryLog::new("log");
    let ada = bus(&log, "ada").document(&notes()).await?;
    begin(&ada).await?;
    for fault in [Fault::LostAck, Fault::LostSend, Fault::Duplicate(1)] {
        log.inject(fault);
        insert(&ada, 0, "q").await?;
        ada.flush().await?;
    }
    let late = bus(&log, "late").document(&notes()).await?;
    assert_eq!(shown(&late)?, "qqq");
    Ok(())
}
