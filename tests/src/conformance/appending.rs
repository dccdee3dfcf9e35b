//! Units: order, wholeness, limits, bytes.

use std::collections::BTreeSet;

use colony_bus::log::{AppendError, Range, Unit, Wholeness};
use colony_core::Position;
use tokio::task::JoinSet;

use super::fixture::{ensure, equal, follow_until, record, unit};
use super::{Fixture, Violation};

const MORE_THAN_A_WINDOW: usize = 10_000;

/// The first record stands at 1, and each later one further on.
pub async fn positions_count_from_one_and_grow(f: Fixture) -> Result<(), Violation> {
    let mut last = Position::ZERO;
    for n in 0..20_u8 {
        let position = f.append_one(f.subject("ada", n % 3), vec![n]).await?;
        ensure("positions grow", position > last)?;
        if n == 0 {
            equal("the first position", &position, &Position::new(1))?;
        }
        last = position;
    }
    Ok(())
}

/// Units whose tickets resolved one after the other stand in that order, whole.
pub async fn units_one_after_the_other_stand_in_that_order(f: Fixture) -> Result<(), Violation> {
    let (mut random, mut expected) = (f.random(0), Vec::new());
    for n in 0..60_u8 {
        let count = 1 + random.below(4);
        let wholeness = if random.below(2) == 0 { Wholeness::Ordered } else { Wholeness::Atomic };
        let records = (0..count).map(|_| record(f.subject("ada", random.below(5)), vec![n]));
        let positions = f.append(unit(wholeness, records.collect())).await?;
        expected.extend(positions.into_iter().map(|position| (position, n)));
    }
    let read = f.all().await?.into_iter();
    let read: Vec<_> =
        read.map(|r| (r.position, r.payload.first().copied().unwrap_or(0))).collect();
    equal("positions and payloads", &read, &expected)
}

async fn units_at_once(f: &Fixture, wholeness: Wholeness) -> Result<Vec<Vec<Position>>, Violation> {
    let mut writers = JoinSet::new();
    for writer in 0..4_u8 {
        let f = f.clone();
        writers.spawn(async move {
            let mut random = f.random(u64::from(writer));
            let mut units = Vec::new();
            for n in 0..25_u8 {
                let count = 1 + random.below(12) as u8;
                let subject = |index: u8| f.subject(&format!("w{writer}"), index % 3);
                let records = (0..count).map(|i| record(subject(i), vec![writer, n, i]));
                units.push(f.append(unit(wholeness, records.collect())).await?);
            }
            Ok::<_, Violation>(units)
        });
    }
    let mut units = Vec::new();
    while let Some(written) = writers.join_next().await {
        units.extend(written??);
    }
    let read = f.all().await?;
    equal("records stored", &read.len(), &units.iter().map(Vec::len).sum())?;
    for positions in &units {
        ensure("a unit's positions grow", positions.is_sorted_by(|a, b| a < b))?;
        let mut found = Vec::new();
        for position in positions {
            let at = read.binary_search_by_key(position, |record| record.position);
            let record = at.ok().and_then(|index| read.get(index));
            found.push(record.map(|record| record.payload.to_vec()).unwrap_or_default());
        }
        let of_unit = found.first().and_then(|first| first.get(..2)).unwrap_or_default().to_vec();
        let expected: Vec<Vec<u8>> =
            (0..positions.len()).map(|i| [&of_unit[..], &[i as u8]].concat()).collect();
        equal("a unit's records at its positions", &found, &expected)?;
    }
    Ok(units)
}

/// Records of an ordered unit stand in its order while others append.
pub async fn an_ordered_unit_keeps_its_order_among_others(f: Fixture) -> Result<(), Violation> {
    units_at_once(&f, Wholeness::Ordered).await.map(drop)
}

/// No other record stands between those of an atomic unit.
pub async fn an_atomic_unit_stands_together(f: Fixture) -> Result<(), Violation> {
    for positions in units_at_once(&f, Wholeness::Atomic).await? {
        let together = positions.is_sorted_by(|a, b| a.next() == *b);
        ensure("positions of an atomic unit follow one another", together)?;
    }
    Ok(())
}

/// An atomic unit may have as many records as the description says.
pub async fn an_atomic_unit_may_have_the_most_records(f: Fixture) -> Result<(), Violation> {
    let max = f.log.description().max_atomic_records;
    let records = (0..max).map(|n| record(f.subject("ada", n % 7), "x")).collect();
    let positions = f.append(unit(Wholeness::Atomic, records)).await?;
    equal("positions", &positions.len(), &max)?;
    equal("records stored", &f.all().await?.len(), &max)
}

/// An atomic unit with one record more than the description says is refused with `TooMany`.
pub async fn an_atomic_unit_of_too_many_is_refused_whole(f: Fixture) -> Result<(), Violation> {
    let max = f.log.description().max_atomic_records;
    let records = (0..=max).map(|n| record(f.subject("ada", n % 7), "x")).collect();
    let error = f.refuses(unit(Wholeness::Atomic, records)).await?;
    let told =
        matches!(error, AppendError::TooMany { actual, max: m } if actual == max + 1 && m == max);
    ensure("the error is TooMany, with both numbers", told)
}

/// A record may be as large as the description says.
pub async fn the_largest_record_is_stored(f: Fixture) -> Result<(), Violation> {
    let subject = f.subject("ada", "large");
    let payload = f.random(0).bytes(f.log.description().max_record_bytes - subject.len());
    let position = f.append_one(subject, payload.clone()).await?;
    let stored = f.log.get(position).await?.map(|record| record.payload);
    ensure("the largest record comes back unchanged", stored == Some(payload))
}

/// A record of one byte more is refused with `TooLarge`, and its unit with it.
pub async fn a_record_too_large_is_refused_with_its_unit(f: Fixture) -> Result<(), Violation> {
    f.append_one(f.subject("ada", "before"), "x").await?;
    let subject = f.subject("ada", "large");
    let max = f.log.description().max_record_bytes;
    let large = vec![7; max + 1 - subject.len()];
    for wholeness in [Wholeness::Ordered, Wholeness::Atomic] {
        let small = record(f.subject("ada", "small"), "x");
        let records = vec![small, record(subject.clone(), large.clone())];
        let error = f.refuses(unit(wholeness, records)).await?;
        let told = matches!(error, AppendError::TooLarge { actual, max: m } if actual == max + 1 && m == max);
        ensure("the error is TooLarge, with both sizes", told)?;
    }
    Ok(())
}

/// Payloads of every length from none to 255 bytes, any bytes, and escaped subjects come back as they were.
pub async fn bytes_and_subjects_come_back_unchanged(f: Fixture) -> Result<(), Violation> {
    let mut random = f.random(0);
    let mut expected = Vec::new();
    let entities = ["_", "a", "=C3=A9", "A-b_C", "x".repeat(300).as_str()].map(str::to_owned);
    for length in 0..=255_usize {
        let entity = random.choose(&entities).map(String::as_str).unwrap_or_default();
        let new = record(f.subject("ada", entity), random.bytes(length));
        expected.push((new.subject.clone(), new.payload.clone()));
        f.append(Unit::one(new)).await?;
    }
    let control = record(f.subject("ada", "bytes"), (0..=255).collect::<Vec<u8>>());
    let empty = record(f.subject("ada", "empty"), "");
    expected.extend([&control, &empty].map(|r| (r.subject.clone(), r.payload.clone())));
    f.append(unit(Wholeness::Atomic, vec![control, empty])).await?;
    let read = f.all().await?;
    let found: Vec<_> = read.into_iter().map(|r| (r.subject, r.payload)).collect();
    equal("subjects and payloads", &found, &expected)
}

/// Tickets resolve, each with a position of its own where its record stands, though none is polled before all units
/// are admitted, and those are more than any window holds.
pub async fn tickets_that_nobody_polls_do_not_fill_the_window(f: Fixture) -> Result<(), Violation> {
    let mut tickets = Vec::new();
    for number in 0..MORE_THAN_A_WINDOW {
        let new = record(f.subject("ada", number % 10), number.to_be_bytes().to_vec());
        tickets.push(f.log.append(Unit::one(new)).await?);
    }
    let mut positions = BTreeSet::new();
    for ticket in tickets {
        positions.extend(ticket.await?);
    }
    equal("distinct positions", &positions.len(), &MORE_THAN_A_WINDOW)?;
    let read: BTreeSet<_> = f.all().await?.iter().map(|record| record.position).collect();
    ensure("records stand where the tickets say", read == positions)
}

/// Who drops a ticket only does not learn where the record stands.
pub async fn a_dropped_ticket_does_not_take_the_unit_back(f: Fixture) -> Result<(), Violation> {
    for n in 0..50_u8 {
        drop(f.log.append(Unit::one(record(f.subject("ada", n), vec![n]))).await?);
    }
    let mut followed = f.log.follow(Position::ZERO, Vec::new()).await?;
    let seen = follow_until(&mut followed, |seen| seen.records.len() == 50).await?;
    let payloads: BTreeSet<_> = seen.records.iter().map(|r| r.payload.to_vec()).collect();
    equal("records stored", &payloads, &(0..50).map(|n| vec![n]).collect())
}

/// Dropped before it returns, an append has appended nothing.
pub async fn an_append_never_polled_appends_nothing(f: Fixture) -> Result<(), Violation> {
    drop(f.log.append(Unit::one(record(f.subject("ada", 1), "never"))));
    f.append_one(f.subject("ada", 2), "stored").await?;
    let read = f.read(Range::all()).await?;
    equal(
        "records stored",
        &read.iter().map(|r| r.payload.to_vec()).collect(),
        &vec![b"stored".to_vec()],
    )
}
