//! Following: no gap, no double, caught up once.

use std::sync::Arc;

use colony_bus::log::{Range, Record, Unit, Wholeness};
use colony_core::Position;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::fixture::{Seen, ensure, equal, follow_until, record, same_records, unit};
use super::{Fixture, Violation};

const WRITERS: u64 = 4;
const UNITS_EACH: u64 = 150;
const FOLLOWERS: u64 = 8;

/// A follower of an empty log is told at once, and once, that it has caught up.
pub async fn an_empty_log_is_caught_up_with_at_once(f: Fixture) -> Result<(), Violation> {
    let mut followed = f.log.follow(Position::ZERO, Vec::new()).await?;
    let seen = follow_until(&mut followed, |seen| !seen.caught_up.is_empty()).await?;
    equal("records before anything was stored", &seen.records.len(), &0)?;
    f.fill("ada", 20).await?;
    let seen = follow_until(&mut followed, |seen| seen.records.len() == 20).await?;
    equal("further times caught up", &seen.caught_up.len(), &0)
}

/// What was stored when following began comes before [`CaughtUp`](colony_bus::log::Followed::CaughtUp), what is new after it.
pub async fn what_is_stored_comes_first_and_once_caught_up_what_is_new(
    f: Fixture,
) -> Result<(), Violation> {
    f.fill("ada", 700).await?;
    let mut followed = f.log.follow(Position::ZERO, Vec::new()).await?;
    let stored = follow_until(&mut followed, |seen| !seen.caught_up.is_empty()).await?;
    same_records("what was stored", &stored.records, &f.all().await?)?;
    f.fill("ada", 300).await?;
    let new = follow_until(&mut followed, |seen| seen.records.len() == 300).await?;
    equal("further times caught up", &new.caught_up.len(), &0)?;
    let after = Range { after: Position::new(700), ..Range::all() };
    same_records("what is new", &new.records, &f.read(after).await?)
}

/// Following begins with the first record past its position.
pub async fn following_begins_after_its_position(f: Fixture) -> Result<(), Violation> {
    f.fill("ada", 40).await?;
    for after in [0, 1, 17, 39, 40] {
        let after = Position::new(after);
        let mut followed = f.log.follow(after, Vec::new()).await?;
        let seen = follow_until(&mut followed, |seen| !seen.caught_up.is_empty()).await?;
        let expected = f.read(Range { after, ..Range::all() }).await?;
        same_records("what was stored past the position", &seen.records, &expected)?;
    }
    Ok(())
}

/// A follower with filters sees what they match, and is told that it has caught up though they match nothing.
pub async fn a_filtered_follower_sees_its_subjects_only(f: Fixture) -> Result<(), Violation> {
    f.fill("ada", 30).await?;
    f.fill("bob", 30).await?;
    let subjects = vec![f.subject("bob", 3), f.lane("eve")?];
    let mut followed = f.log.follow(Position::ZERO, subjects.clone()).await?;
    let mut nothing = f.log.follow(Position::ZERO, vec![f.lane("nobody")?]).await?;
    let seen = follow_until(&mut nothing, |seen| !seen.caught_up.is_empty()).await?;
    equal("records that match nothing", &seen.records.len(), &0)?;
    let mut seen = follow_until(&mut followed, |seen| !seen.caught_up.is_empty()).await?;
    f.fill("ada", 10).await?;
    f.fill("eve", 10).await?;
    f.fill("bob", 10).await?;
    let new = follow_until(&mut followed, |seen| seen.records.len() == 11).await?;
    seen.records.extend(new.records);
    let expected = f.read(Range { subjects, ..Range::all() }).await?;
    same_records("what the filters match", &seen.records, &expected)
}

/// Writers at work, how many units were acknowledged so far, and a last record after all of theirs.
struct Traffic {
    writers: JoinSet<Result<(), Violation>>,
    acknowledged: watch::Receiver<u64>,
}

impl Traffic {
    fn start(f: &Fixture) -> Self {
        let (count, acknowledged) = watch::channel(0);
        let count = Arc::new(count);
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let (f, count) = (f.clone(), Arc::clone(&count));
            writers.spawn(async move {
                let mut random = f.random(1_000 + writer);
                let author = format!("w{writer}");
                for n in 0..UNITS_EACH {
                    let subject = f.subject(&author, random.below(4));
                    let new = record(subject, n.to_be_bytes().to_vec());
                    let written = match random.below(4) {
                        0 => unit(Wholeness::Ordered, vec![new.clone(), new]),
                        _ => Unit::one(new),
                    };
                    f.append(written).await?;
                    count.send_modify(|count| *count += 1);
                }
                Ok(())
            });
        }
        Self { writers, acknowledged }
    }

    /// Waits until all is written, then appends the record that everybody waits for.
    async fn finish(mut self, f: &Fixture) -> Result<(), Violation> {
        while let Some(written) = self.writers.join_next().await {
            written??;
        }
        f.append(Unit::one(end(f))).await?;
        Ok(())
    }
}

fn end(f: &Fixture) -> colony_bus::log::NewRecord {
    record(f.subject("end", "end"), "")
}

fn is_end(record: &Record) -> bool {
    record.subject.ends_with(".end")
}

/// A follower's position, filters and what it saw.
struct Followed {
    after: Position,
    subjects: Vec<String>,
    /// The tail just before following began.
    tail: Position,
    seen: Seen,
}

async fn check(f: &Fixture, followed: Followed) -> Result<(), Violation> {
    let Followed { after, subjects, tail, seen } = followed;
    let expected = f.read(Range { after, subjects, ..Range::all() }).await?;
    same_records("what a follower saw", &seen.records, &expected)?;
    equal("times caught up", &seen.caught_up.len(), &1)?;
    let stored = expected.iter().filter(|record| record.position <= tail).count();
    let before = seen.caught_up.first().copied().unwrap_or_default();
    ensure("what was stored when following began came before caught up", before >= stored)
}

/// Followers that begin at any moment, anywhere, while others write, see every record once and in order.
pub async fn followers_among_writers_see_no_gap_and_no_double(f: Fixture) -> Result<(), Violation> {
    let traffic = Traffic::start(&f);
    let mut followers = JoinSet::new();
    // Closes once every follower has begun: one that began past the last record would wait for ever.
    let (beginning, mut begun) = mpsc::channel::<()>(1);
    for follower in 0..FOLLOWERS {
        let (f, mut acknowledged) = (f.clone(), traffic.acknowledged.clone());
        let beginning = beginning.clone();
        followers.spawn(async move {
            let mut random = f.random(follower);
            let moment = random.below(WRITERS * UNITS_EACH);
            // The writers may be done and gone: then it is late enough in any case.
            let _ = acknowledged.wait_for(|count| *count >= moment).await;
            let tail = f.log.tail().await?;
            let after = match random.below(3) {
                0 => tail,
                _ => Position::new(random.below(tail.get() + 1)),
            };
            let subjects = match random.below(2) {
                0 => Vec::new(),
                _ => vec![f.lane("w0")?, f.subject("w1", "*"), f.subject("end", "end")],
            };
            let mut followed = f.log.follow(after, subjects.clone()).await?;
            drop(beginning);
            let ended =
                |seen: &Seen| seen.records.last().is_some_and(is_end) && !seen.caught_up.is_empty();
            let seen = follow_until(&mut followed, ended).await?;
            Ok::<_, Violation>(Followed { after, subjects, tail, seen })
        });
    }
    drop(beginning);
    while begun.recv().await.is_some() {}
    traffic.finish(&f).await?;
    while let Some(followed) = followers.join_next().await {
        check(&f, followed??).await?;
    }
    Ok(())
}

/// A follower that is dropped anywhere, at catching up too, and starts again after its last record misses nothing.
pub async fn a_follower_that_starts_over_sees_no_gap_and_no_double(
    f: Fixture,
) -> Result<(), Violation> {
    let traffic = Traffic::start(&f);
    let mut followers = JoinSet::new();
    for follower in 0..3 {
        let f = f.clone();
        followers.spawn(async move {
            let mut random = f.random(follower);
            let mut records: Vec<Record> = Vec::new();
            while !records.last().is_some_and(is_end) {
                let after = records.last().map_or(Position::ZERO, |record| record.position);
                let mut followed = f.log.follow(after, Vec::new()).await?;
                let (some, at_catching_up) = (1 + random.below(60), random.below(3) == 0);
                let enough = |seen: &Seen| {
                    seen.records.len() as u64 >= some
                        || seen.records.last().is_some_and(is_end)
                        || at_catching_up && !seen.caught_up.is_empty()
                };
                records.extend(follow_until(&mut followed, enough).await?.records);
            }
            Ok::<_, Violation>(records)
        });
    }
    traffic.finish(&f).await?;
    let all = f.all().await?;
    while let Some(records) = followers.join_next().await {
        same_records("what a follower saw in all its lives", &records??, &all)?;
    }
    Ok(())
}

/// A follower that is not polled holds back neither writers nor other followers, and sees all once it is.
pub async fn a_slow_follower_loses_nothing_and_holds_back_nobody(
    f: Fixture,
) -> Result<(), Violation> {
    const RECORDS: u64 = 5_000;
    let mut slow = f.log.follow(Position::ZERO, Vec::new()).await?;
    let mut quick = f.log.follow(Position::ZERO, Vec::new()).await?;
    let writer = {
        let f = f.clone();
        tokio::spawn(async move { f.fill("ada", RECORDS).await })
    };
    let enough = |seen: &Seen| seen.records.len() as u64 == RECORDS;
    let of_quick = follow_until(&mut quick, enough).await?;
    writer.await??;
    let all = f.all().await?;
    same_records("what the quick follower saw", &of_quick.records, &all)?;
    let of_slow = follow_until(&mut slow, enough).await?;
    same_records("what the slow follower saw", &of_slow.records, &all)
}
