use std::collections::{BTreeSet, HashSet};
use std::mem::discriminant;

use futures_util::{FutureExt, StreamExt};

use super::*;
use crate::log::{Condition, Followed, NewRecord, Outcome, Scope};

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

fn record(subject: &str, payload: impl Into<bytes::Bytes>) -> NewRecord {
    NewRecord { subject: subject.to_owned(), payload: payload.into() }
}

fn ordered(count: u8) -> Unit {
    let records = (0..count).map(|n| record("s.unit", vec![n])).collect();
    Unit { records, wholeness: Wholeness::Ordered, conditions: Vec::new() }
}

async fn append(log: &MemoryLog, unit: Unit) -> Result<Vec<Position>, AppendError> {
    log.append(unit).await?.await
}

async fn payloads(log: &MemoryLog) -> Result<Vec<Vec<u8>>> {
    let mut records = log.read(Range::all()).await?;
    let mut out = Vec::new();
    while let Some(record) = records.next().await {
        out.push(record?.payload.to_vec());
    }
    Ok(out)
}

#[tokio::test]
async fn a_record_is_there_though_its_ack_was_lost() -> Result {
    let log = MemoryLog::new("t");
    log.inject(Fault::LostAck);
    let error = append(&log, Unit::one(record("s.a", "x"))).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert_eq!(payloads(&log).await?, [b"x"]);
    assert_eq!(log.faults(), [(1, Fault::LostAck)]);
    Ok(())
}

#[tokio::test]
async fn a_record_that_was_lost_on_the_way_is_not_there() -> Result {
    let log = MemoryLog::new("t");
    log.inject(Fault::LostSend);
    let error = append(&log, Unit::one(record("s.a", "x"))).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert_eq!(log.tail().await?, Position::ZERO);
    Ok(())
}

#[tokio::test]
async fn a_delayed_record_lets_others_pass() -> Result {
    let log = MemoryLog::new("t");
    log.inject(Fault::Delay(2));
    append(&log, Unit::one(record("s.a", "late"))).await.unwrap_err();
    for payload in ["1", "2", "3"] {
        append(&log, Unit::one(record("s.b", payload))).await?;
    }
    assert_eq!(payloads(&log).await?, [&b"1"[..], b"2", b"late", b"3"]);
    Ok(())
}

#[tokio::test]
async fn a_late_unit_whose_condition_was_lost_is_refused() -> Result {
    let log = MemoryLog::new("t");
    let first = |payload: &'static str| Unit {
        conditions: vec![Condition { scope: Scope::Lane("s.>".into()), last: Position::ZERO }],
        ..Unit::one(record("s.a", payload))
    };
    log.inject(Fault::Delay(5));
    append(&log, first("late")).await.unwrap_err();
    append(&log, first("first")).await?;
    log.settle();
    assert_eq!(payloads(&log).await?, [b"first"]);
    Ok(())
}

#[tokio::test]
async fn a_duplicate_arrives_later() -> Result {
    let log = MemoryLog::new("t");
    log.inject(Fault::Duplicate(1));
    append(&log, Unit::one(record("s.a", "twice"))).await?;
    append(&log, Unit::one(record("s.a", "once"))).await?;
    assert_eq!(payloads(&log).await?, [&b"twice"[..], b"once", b"twice"]);
    Ok(())
}

#[tokio::test]
async fn an_interrupted_unit_leaves_a_prefix_and_says_so() -> Result {
    let log = MemoryLog::new("t");
    log.inject(Fault::Interrupt(2));
    let error = append(&log, ordered(5)).await.unwrap_err();
    assert!(matches!(error, AppendError::Interrupted { applied: 2, total: 5, .. }), "{error}");
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert_eq!(payloads(&log).await?, [[0], [1]]);
    log.inject(Fault::Interrupt(2));
    let atomic = Unit { wholeness: Wholeness::Atomic, ..ordered(5) };
    assert_eq!(append(&log, atomic).await?.len(), 5);
    Ok(())
}

#[tokio::test]
async fn a_follower_goes_on_after_a_disconnect() -> Result {
    let log = MemoryLog::new("t");
    let mut followed = log.follow(Position::ZERO, Vec::new()).await?;
    assert_eq!(followed.next().await.transpose()?, Some(Followed::CaughtUp));
    append(&log, Unit::one(record("s.a", "1"))).await?;
    log.disconnect();
    assert!(log.tail().await.is_err_and(|e| e.is_retryable()));
    let error = append(&log, Unit::one(record("s.a", "no"))).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert!(followed.next().now_or_never().is_none());
    let mut reachable = log.reachable();
    assert!((&mut reachable).now_or_never().is_none());
    log.reconnect();
    reachable.await;
    let next = followed.next().await.transpose()?;
    assert!(matches!(next, Some(Followed::Record(r)) if r.payload == "1"));
    log.close();
    assert!(matches!(followed.next().await, Some(Err(ReadError::Closed))));
    assert!(followed.next().await.is_none());
    Ok(())
}

#[tokio::test]
async fn a_full_window_makes_append_wait() -> Result {
    let options = MemoryOptions { max_units_in_flight: 2, ..MemoryOptions::new("t") };
    let log = MemoryLog::with_options(options);
    log.hold();
    let first = log.append(ordered(1)).await?;
    drop(log.append(ordered(2)).await?);
    let mut third = log.append(ordered(3));
    assert!((&mut third).now_or_never().is_none());
    log.release();
    assert_eq!(first.await?, [Position::new(1)]);
    assert_eq!(third.await?.await?.len(), 3);
    assert_eq!(log.tail().await?, Position::new(6));
    Ok(())
}

#[tokio::test]
async fn units_in_the_window_of_a_broken_connection_are_unknown() -> Result {
    let log = MemoryLog::new("t");
    log.hold();
    let mut tickets = Vec::new();
    for _ in 0..20 {
        tickets.push(log.append(ordered(1)).await?);
    }
    log.disconnect();
    for ticket in tickets {
        assert_eq!(ticket.await.unwrap_err().outcome(), Outcome::Unknown);
    }
    log.reconnect();
    let stored = log.tail().await?.get();
    assert!((1..20).contains(&stored), "{stored}");
    Ok(())
}

#[tokio::test]
async fn a_truncated_tail_is_noticed_by_who_read_it() -> Result {
    let log = MemoryLog::new("t");
    append(&log, ordered(3)).await?;
    let mut followed = log.follow(Position::ZERO, Vec::new()).await?;
    for _ in 0..4 {
        followed.next().await.transpose()?;
    }
    let mut reading = log.read(Range::all()).await?;
    log.truncate_to(Position::new(1));
    assert!(matches!(followed.next().await, Some(Err(ReadError::Lost { seen, tail }))
        if seen == Position::new(3) && tail == Position::new(1)));
    assert!(matches!(reading.next().await, Some(Err(ReadError::Lost { .. }))));
    assert!(log.follow(Position::new(2), Vec::new()).await.is_err());
    assert_eq!(log.last("s.unit").await?.map(|r| r.position), Some(Position::new(1)));
    assert_eq!(append(&log, ordered(1)).await?, [Position::new(2)]);
    assert_eq!(log.description().identity, "t");
    Ok(())
}

#[tokio::test]
async fn corruption_turns_one_bit() -> Result {
    let log = MemoryLog::new("t");
    append(&log, Unit::one(record("s.a", vec![0; 8]))).await?;
    append(&log, Unit::one(record("s.a", ""))).await?;
    assert!(log.corrupt(Position::new(1)) && log.corrupt(Position::new(2)));
    assert!(!log.corrupt(Position::new(3)));
    let read = payloads(&log).await?;
    assert_eq!(read[0].iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
    assert_eq!(read[1].len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_fork_goes_on_where_its_records_end() -> Result {
    let source = MemoryLog::new("source");
    append(&source, ordered(4)).await?;
    source.remove(Position::new(2)).await?;
    let records: Vec<_> = source.read(Range::all()).await?.collect().await;
    let records = records.into_iter().collect::<Result<Vec<_>, _>>()?;
    let fork = MemoryLog::from_records("fork", records.clone())?;
    assert_eq!(append(&fork, ordered(1)).await?, [Position::new(5)]);
    assert_eq!(fork.get(Position::new(4)).await?.as_ref(), records.last());
    assert_eq!(fork.get(Position::new(2)).await?, None);
    assert_eq!(source.tail().await?, Position::new(4));
    let backwards = records.into_iter().rev();
    assert!(MemoryLog::from_records("fork", backwards).is_err());
    Ok(())
}

#[tokio::test]
async fn removing_the_last_of_a_lane_shows_the_one_before() -> Result {
    let log = MemoryLog::new("t");
    for subject in ["s.a", "s.b", "s.a", "r.a"] {
        append(&log, Unit::one(record(subject, ""))).await?;
    }
    for (removed, lane, exact) in [(3, Some(2), Some(1)), (1, Some(2), None), (2, None, None)] {
        // Asked before and after, so that what is remembered is what is asked of.
        log.last("s.>").await?;
        log.remove(Position::new(removed)).await?;
        let at = |found: Option<Record>| found.map(|record| record.position.get());
        assert_eq!(at(log.last("s.>").await?), lane, "after removing {removed}");
        assert_eq!(at(log.last("s.a").await?), exact, "after removing {removed}");
    }
    Ok(())
}

#[tokio::test]
async fn the_cut_of_a_moment_stands_in_imported_disorder_too() -> Result {
    let at = |position, nanos| Record {
        position: Position::new(position),
        recorded: Timestamp::from_nanos(nanos),
        subject: "s".into(),
        payload: "".into(),
    };
    let log = MemoryLog::from_records("t", [at(1, 10), at(2, 30), at(5, 20)])?;
    for (time, cut) in [(9, 0), (10, 1), (19, 1), (20, 5), (30, 5)] {
        assert_eq!(log.cut_at(Timestamp::from_nanos(time)).await?, Position::new(cut), "{time}");
    }
    Ok(())
}

async fn trace(seed: u64) -> Result<(Vec<Record>, Vec<(u64, Fault)>, Vec<Outcome>)> {
    let faults = FaultPlan {
        seed,
        lost_acks_per_mille: 50,
        lost_sends_per_mille: 50,
        delays_per_mille: 50,
        duplicates_per_mille: 50,
        interrupts_per_mille: 100,
        disconnects_per_mille: 20,
        corruptions_per_mille: 20,
        max_delay_appends: 9,
    };
    let log = MemoryLog::with_options(MemoryOptions { faults, ..MemoryOptions::new("t") });
    let mut outcomes = Vec::new();
    for n in 0..1_000_u16 {
        let mut unit = ordered(3);
        unit.records.push(record("s.number", n.to_be_bytes().to_vec()));
        outcomes.push(match append(&log, unit).await {
            Ok(_) => Outcome::Applied,
            Err(error) => error.outcome(),
        });
        log.reconnect();
    }
    log.settle();
    let records: Vec<_> = log.read(Range::all()).await?.collect().await;
    Ok((records.into_iter().collect::<Result<_, _>>()?, log.faults(), outcomes))
}

#[tokio::test]
async fn one_seed_gives_one_trace() -> Result {
    let (first, again, other) = (trace(1).await?, trace(1).await?, trace(2).await?);
    assert_eq!(first, again);
    assert_ne!(first.0, other.0);
    let kinds: HashSet<_> = first.1.iter().map(|(_, fault)| discriminant(fault)).collect();
    assert_eq!(kinds.len(), 7, "every kind of fault occurs");
    Ok(())
}

async fn delivered(faults: FollowFaults) -> Result<Vec<u64>> {
    let log =
        MemoryLog::with_options(MemoryOptions { follow_faults: faults, ..MemoryOptions::new("t") });
    for n in 0..500_u16 {
        append(&log, Unit::one(record(&format!("s.{}", n % 3), ""))).await?;
    }
    let mut followed = log.follow(Position::ZERO, Vec::new()).await?;
    let mut positions = Vec::new();
    loop {
        match followed.next().await.transpose()? {
            Some(Followed::Record(record)) => positions.push(record.position.get()),
            Some(Followed::CaughtUp) | None => return Ok(positions),
        }
    }
}

#[tokio::test]
async fn faulty_delivery_repeats_and_reorders_and_loses_nothing() -> Result {
    let faults = FollowFaults { seed: 3, redeliveries_per_mille: 100, reorders_per_mille: 100 };
    let positions = delivered(faults).await?;
    assert_eq!(positions, delivered(faults).await?);
    assert!(positions.len() > 520 && !positions.is_sorted());
    assert_eq!(positions.iter().copied().collect::<BTreeSet<_>>(), (1..=500).collect());
    let reordered = delivered(FollowFaults { redeliveries_per_mille: 0, ..faults }).await?;
    assert_eq!(reordered.len(), 500);
    for subject in 0..3 {
        assert!(reordered.iter().filter(|position| *position % 3 == subject).is_sorted());
    }
    Ok(())
}

#[tokio::test]
async fn a_quiet_log_holds_nothing_back() -> Result {
    let faults = FollowFaults { seed: 3, redeliveries_per_mille: 0, reorders_per_mille: 1_000 };
    let log =
        MemoryLog::with_options(MemoryOptions { follow_faults: faults, ..MemoryOptions::new("t") });
    let mut followed = log.follow(Position::ZERO, Vec::new()).await?;
    assert_eq!(followed.next().await.transpose()?, Some(Followed::CaughtUp));
    append(&log, ordered(1)).await?;
    assert!(matches!(followed.next().await, Some(Ok(Followed::Record(_)))));
    Ok(())
}

#[tokio::test]
async fn a_unit_that_breaks_the_contract_is_refused() -> Result {
    let log = MemoryLog::new("t");
    let elsewhere = Condition { scope: Scope::Subject("s.other".into()), last: Position::ZERO };
    let units = [
        ordered(0),
        Unit::one(record("s.*", "")),
        Unit { conditions: vec![elsewhere], ..ordered(1) },
    ];
    for unit in units {
        let error = append(&log, unit).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::NotApplied, "{error}");
    }
    assert_eq!(log.tail().await?, Position::ZERO);
    Ok(())
}
