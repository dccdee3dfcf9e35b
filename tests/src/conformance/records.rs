//! Single records: get, last, tail, the cut of a moment, remove.

use std::collections::BTreeMap;

use colony_bus::log::Record;
use colony_core::{Position, Timestamp};

use super::fixture::{ensure, equal, same_records};
use super::{Fixture, Violation};

/// `get` returns the record of a position, and none where there is none.
pub async fn get_returns_what_stands_there(f: Fixture) -> Result<(), Violation> {
    equal("an empty log at 1", &f.log.get(Position::new(1)).await?, &None)?;
    f.fill("ada", 30).await?;
    for record in f.all().await? {
        equal("the record", &f.log.get(record.position).await?, &Some(record))?;
    }
    for position in [Position::ZERO, Position::new(31), Position::new(1_000_000)] {
        equal("where nothing stands", &f.log.get(position).await?, &None)?;
    }
    Ok(())
}

/// `last` returns the newest record of a subject and of a filter as soon as it is acknowledged.
pub async fn last_reflects_acknowledged_appends(f: Fixture) -> Result<(), Violation> {
    let mut random = f.random(0);
    let lanes = [f.lane("ada")?, f.lane("bob")?];
    equal("the last of none", &f.log.last(&f.subject("ada", 0)).await?, &None)?;
    equal("the last of none", &f.log.last(&lanes[0]).await?, &None)?;
    let mut expected: BTreeMap<String, Position> = BTreeMap::new();
    for _ in 0..60 {
        let (author, lane) = match random.below(2) {
            0 => ("ada", &lanes[0]),
            _ => ("bob", &lanes[1]),
        };
        let subject = f.subject(author, random.below(5));
        let position = f.append_one(subject.clone(), random.bytes(4)).await?;
        expected.insert(subject.clone(), position);
        expected.insert(lane.clone(), position);
        for asked in [&subject, &lanes[0], &lanes[1]] {
            let last = f.log.last(asked).await?.map(|record| record.position);
            equal("the last record", &last, &expected.get(asked).copied())?;
        }
    }
    for (asked, position) in expected {
        equal("the last record", &f.log.last(&asked).await?, &f.log.get(position).await?)?;
    }
    Ok(())
}

/// The tail is the position of the newest acknowledged record.
pub async fn the_tail_reflects_acknowledged_appends(f: Fixture) -> Result<(), Violation> {
    equal("the tail of an empty log", &f.log.tail().await?, &Position::ZERO)?;
    for n in 0..20 {
        let position = f.append_one(f.subject("ada", n), "x").await?;
        equal("the tail", &f.log.tail().await?, &position)?;
    }
    Ok(())
}

/// The cut of a moment holds the records stored at or before it, and no other.
pub async fn a_moment_s_cut_is_the_last_record_before_it(f: Fixture) -> Result<(), Violation> {
    let moment = Timestamp::from_nanos;
    equal("an empty log's cut", &f.log.cut_at(moment(i64::MAX / 2)).await?, &Position::ZERO)?;
    for n in 0..30 {
        f.append_one(f.subject("ada", n), "x").await?;
    }
    let all = f.all().await?;
    let cut = |time: Timestamp| {
        let before = all.iter().rev().find(|record| record.recorded <= time);
        before.map_or(Position::ZERO, |record| record.position)
    };
    for Record { recorded, .. } in &all {
        for time in [*recorded, moment(recorded.as_nanos() - 1), moment(recorded.as_nanos() + 1)] {
            equal("the cut", &f.log.cut_at(time).await?, &cut(time))?;
        }
    }
    equal("the cut of long ago", &f.log.cut_at(moment(0)).await?, &Position::ZERO)
}

/// A removed record is skipped by readers and is nobody's last, and all others stay where they are.
pub async fn a_removed_record_leaves_a_hole(f: Fixture) -> Result<(), Violation> {
    let subject = f.subject("ada", "one");
    for n in 0..9 {
        let subject = if n % 3 == 0 { subject.clone() } else { f.subject("ada", n) };
        f.append_one(subject, "x").await?;
    }
    // 7 is the last of the subject, 4 the one before it.
    let (gone, before) = (Position::new(7), Position::new(4));
    let mut expected = f.all().await?;
    expected.retain(|record| record.position != gone);
    f.log.remove(gone).await?;
    equal("the hole", &f.log.get(gone).await?, &None)?;
    same_records("what is left", &f.all().await?, &expected)?;
    let last = f.log.last(&subject).await?.map(|record| record.position);
    equal("the last of the subject", &last, &Some(before))?;
    equal("the tail", &f.log.tail().await?, &Position::new(9))
}

/// A position is not given again, not even that of the last record.
pub async fn a_removed_position_is_not_used_again(f: Fixture) -> Result<(), Violation> {
    f.append_one(f.subject("ada", 1), "x").await?;
    let last = f.append_one(f.subject("ada", 2), "x").await?;
    f.log.remove(last).await?;
    let next = f.append_one(f.subject("ada", 3), "x").await?;
    ensure("positions grow past one removed", next > last)?;
    equal("the hole", &f.log.get(last).await?, &None)
}

/// The description names the log, and no other log has its name.
pub async fn a_log_has_an_identity_of_its_own(f: Fixture) -> Result<(), Violation> {
    let other = f.another().await?;
    let (description, of_other) = (f.log.description(), other.log.description());
    ensure("the identity is not empty", !description.identity.is_empty())?;
    ensure("identities differ", description.identity != of_other.identity)?;
    ensure("an acknowledgement means something", !description.acknowledgement.is_empty())
}
