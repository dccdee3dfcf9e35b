//! Ranges and filters.

use colony_bus::log::{Range, Record};
use colony_core::Position;
use futures_util::StreamExt;
use tokio::task::JoinSet;

use super::fixture::{ensure, equal, same_records};
use super::{Fixture, Violation};

/// More than any reader may hold that is not polled.
const MORE_THAN_HELD: u64 = 10_000;

fn range(after: Position, until: Position) -> Range {
    Range { after, until, subjects: Vec::new() }
}

/// An empty log has no records, whatever is asked of it.
pub async fn an_empty_log_reads_empty(f: Fixture) -> Result<(), Violation> {
    equal("the tail", &f.log.tail().await?, &Position::ZERO)?;
    for until in [Position::ZERO, Position::new(7), Position::MAX] {
        equal("records", &f.read(range(Position::ZERO, until)).await?, &Vec::new())?;
    }
    let subjects = vec![f.subject("ada", "*")];
    equal("records", &f.read(Range { subjects, ..Range::all() }).await?, &Vec::new())
}

/// A read begins past `after` and goes up to `until`, and ends at the tail if that lies further on.
pub async fn a_range_excludes_after_and_includes_until(f: Fixture) -> Result<(), Violation> {
    f.fill("ada", 300).await?;
    let (all, mut random) = (f.all().await?, f.random(0));
    equal("records stored", &all.len(), &300)?;
    let mut ranges =
        vec![(0, u64::MAX), (299, 300), (300, u64::MAX), (400, u64::MAX), (5, 5), (6, 5)];
    ranges.extend((0..20).map(|_| (random.below(310), random.below(310))));
    for (after, until) in ranges {
        let (after, until) = (Position::new(after), Position::new(until));
        let expected: Vec<Record> = all
            .iter()
            .filter(|record| after < record.position && record.position <= until)
            .cloned()
            .collect();
        same_records("a range", &f.read(range(after, until)).await?, &expected)?;
    }
    Ok(())
}

/// With [`Position::MAX`], a read ends at the tail as it stood when it began, though others append.
pub async fn a_read_to_the_end_ends_at_the_tail_of_its_beginning(
    f: Fixture,
) -> Result<(), Violation> {
    f.fill("ada", 100).await?;
    let before = f.all().await?;
    let mut reading = f.log.read(Range::all()).await?;
    let first = reading.next().await.transpose()?;
    f.fill("bob", 50).await?;
    let mut read: Vec<Record> = first.into_iter().collect();
    while let Some(record) = reading.next().await {
        read.push(record?);
    }
    same_records("the read", &read, &before)
}

/// `*` stands for one token, a last `>` for one or more; a record is yielded if one of the filters matches, once.
pub async fn filters_select_by_wildcard(f: Fixture) -> Result<(), Violation> {
    let mut random = f.random(0);
    let authors = ["ada", "adam", "bob"];
    for _ in 0..150 {
        let author = random.choose(&authors).copied().unwrap_or_default();
        let subject = match random.below(3) {
            0 => format!("colony.{}.{author}.side.doc.d{}", f.space, random.below(3)),
            _ => f.subject(author, random.below(4)),
        };
        f.append_one(subject, random.bytes(3)).await?;
    }
    let all = f.all().await?;
    let space = format!("colony.{}", f.space);
    let token = |record: &Record, index: usize| {
        record.subject.split('.').nth(index).unwrap_or_default().to_owned()
    };
    type Wanted<'a> = &'a (dyn Fn(&Record) -> bool + Sync);
    let ada = |r: &Record| token(r, 2) == "ada";
    let bob_side = |r: &Record| token(r, 2) == "bob" && token(r, 3) == "side";
    let any = |_: &Record| true;
    let none = |_: &Record| false;
    let docs = |r: &Record| token(r, 4) == "doc";
    let doc_1 = |r: &Record| token(r, 5) == "d1";
    let two = |r: &Record| ada(r) || bob_side(r);
    let exact = |r: &Record| r.subject == f.subject("adam", 2);
    let ends_2 = |r: &Record| token(r, 7) == "2";
    let cases: [(Vec<String>, Wanted<'_>); 10] = [
        (vec![], &any),
        (vec![format!("{space}.>")], &any),
        (vec![format!("{space}.ada.>")], &ada),
        (vec![format!("{space}.*.*.doc.*")], &docs),
        (vec![format!("{space}.*.*.doc.d1")], &doc_1),
        (vec![format!("{space}.ada.>"), format!("{space}.bob.side.>")], &two),
        (vec![f.subject("adam", 2)], &exact),
        (vec![f.subject("*", 2)], &ends_2),
        (vec![format!("{space}.*")], &none),
        (vec![format!("{space}.nobody.>")], &none),
    ];
    for (subjects, wanted) in cases {
        let expected: Vec<Record> = all.iter().filter(|record| wanted(record)).cloned().collect();
        let read = f.read(Range { subjects: subjects.clone(), ..Range::all() }).await?;
        same_records("a filtered read", &read, &expected)?;
        let (after, until) = (Position::new(40), Position::new(110));
        let part = expected.into_iter().filter(|r| after < r.position && r.position <= until);
        let read = f.read(Range { after, until, subjects }).await?;
        same_records("a filtered range", &read, &part.collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Readers do not disturb one another.
pub async fn readers_at_once_read_the_same(f: Fixture) -> Result<(), Violation> {
    f.fill("ada", 1_000).await?;
    let all = f.all().await?;
    let mut readers = JoinSet::new();
    for _ in 0..8 {
        let f = f.clone();
        readers.spawn(async move { f.all().await });
    }
    while let Some(read) = readers.join_next().await {
        same_records("what a reader read", &read??, &all)?;
    }
    Ok(())
}

/// A reader that is not polled does not hold what lies far ahead: what is removed there meanwhile, it does not yield.
pub async fn a_reader_that_waits_holds_a_bounded_number(f: Fixture) -> Result<(), Violation> {
    f.fill("ada", MORE_THAN_HELD).await?;
    let mut reading = f.log.read(Range::all()).await?;
    ensure("there is a first record", reading.next().await.transpose()?.is_some())?;
    let far = Position::new(MORE_THAN_HELD - 1);
    f.log.remove(far).await?;
    let mut count = 1;
    while let Some(record) = reading.next().await {
        ensure("the record removed is not held", record?.position != far)?;
        count += 1;
    }
    equal("records read", &count, &(MORE_THAN_HELD - 1))
}
