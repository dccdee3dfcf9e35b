//! Conditions: one wins, and nothing of who loses is stored.

use std::sync::Arc;
use std::time::Duration;

use colony_bus::log::{AppendError, Condition, NewRecord, Range, Record, Scope, Unit, Wholeness};
use colony_core::Position;
use tokio::sync::{Barrier, oneshot};
use tokio::task::JoinSet;

use super::fixture::{differs, ensure, equal, record, unit};
use super::{Fixture, Violation};

const RACERS: usize = 6;
const ROUNDS: usize = 25;
/// After how long a condition is told that is told later.
const LATER: Duration = Duration::from_millis(2);

fn on(subject: &str, last: Position) -> Condition {
    Condition { scope: Scope::Subject(subject.to_owned()), last }
}

fn conditioned(subject: &str, payload: &str, condition: Condition) -> Unit {
    let new = record(subject.to_owned(), payload.to_owned());
    Unit { conditions: vec![condition], ..Unit::one(new) }
}

async fn one(f: &Fixture, unit: Unit) -> Result<Position, Violation> {
    Ok(f.append(unit).await?.last().copied().unwrap_or_default())
}

/// [`Position::ZERO`] stands for "there is none yet", on a subject and on a lane.
pub async fn a_subject_without_records_has_its_last_at_zero(f: Fixture) -> Result<(), Violation> {
    let (subject, other) = (f.subject("ada", 1), f.subject("bob", 1));
    f.append(conditioned(&subject, "a", on(&subject, Position::ZERO))).await?;
    f.conflicts(conditioned(&subject, "b", on(&subject, Position::ZERO))).await?;
    let lane = f.lane_last("bob", Position::ZERO)?;
    f.append(conditioned(&other, "a", lane.clone())).await?;
    f.conflicts(conditioned(&other, "b", lane)).await.map(drop)
}

/// Who comes second with the same knowledge is refused, and may append once it knows more.
pub async fn of_two_for_one_subject_the_first_wins(f: Fixture) -> Result<(), Violation> {
    let subject = f.subject("ada", 1);
    let mut last = f.append_one(subject.clone(), "0").await?;
    for _ in 0..10 {
        let first = one(&f, conditioned(&subject, "first", on(&subject, last))).await?;
        f.conflicts(conditioned(&subject, "second", on(&subject, last))).await?;
        last = one(&f, conditioned(&subject, "second", on(&subject, first))).await?;
    }
    equal("records stored", &f.all().await?.len(), &21)
}

/// What is appended under other subjects does not make a subject's condition fail.
pub async fn a_subject_s_condition_ignores_other_subjects(f: Fixture) -> Result<(), Violation> {
    let subject = f.subject("ada", 1);
    let last = f.append_one(subject.clone(), "0").await?;
    f.append_one(f.subject("ada", 2), "").await?;
    f.append_one(f.subject("ada", 11), "").await?;
    f.append_one(format!("{subject}0"), "").await?;
    f.append(conditioned(&subject, "1", on(&subject, last))).await?;
    Ok(())
}

/// A condition on a record that was never there does not hold, whether it lies ahead or stands elsewhere.
pub async fn a_condition_on_what_is_not_there_is_refused(f: Fixture) -> Result<(), Violation> {
    let (subject, other) = (f.subject("ada", 1), f.subject("bob", 1));
    f.append_one(subject.clone(), "0").await?;
    let elsewhere = f.append_one(other.clone(), "0").await?;
    for last in [elsewhere, elsewhere.next(), Position::new(1_000_000)] {
        f.conflicts(conditioned(&subject, "x", on(&subject, last))).await?;
        f.conflicts(conditioned(&subject, "x", f.lane_last("ada", last)?)).await?;
    }
    f.conflicts(conditioned(&f.subject("eve", 1), "x", f.lane_last("eve", elsewhere)?))
        .await
        .map(drop)
}

/// A lane's last record counts under whichever of its subjects it stands, and no other lane's does.
pub async fn a_lane_s_condition_sees_all_its_subjects(f: Fixture) -> Result<(), Violation> {
    let mut random = f.random(0);
    let mut last = Position::ZERO;
    let mut stale = None;
    for _ in 0..40 {
        let subject = f.subject("ada", random.below(8));
        f.append_one(f.subject("adam", random.below(8)), "").await?;
        if let Some(stale) = stale {
            f.conflicts(conditioned(&subject, "stale", f.lane_last("ada", stale)?)).await?;
        }
        let next = one(&f, conditioned(&subject, "x", f.lane_last("ada", last)?)).await?;
        stale = Some(last);
        last = next;
    }
    Ok(())
}

/// A conflict returns the record that was first, where it could be read.
pub async fn a_conflict_names_the_winner(f: Fixture) -> Result<(), Violation> {
    let subject = f.subject("ada", 1);
    f.append_one(subject.clone(), "early").await?;
    let winner = f.append_one(subject.clone(), "winner").await?;
    let expected = f.log.get(winner).await?;
    let told = f.conflicts(conditioned(&subject, "x", on(&subject, Position::new(1)))).await?;
    ensure(
        "the winner told is the last record of the subject",
        told.is_some() && told == expected,
    )?;
    let lane = f.lane_last("ada", Position::new(1))?;
    let told = f.conflicts(conditioned(&f.subject("ada", 2), "x", lane)).await?;
    ensure("the winner told is the last record of the lane", told.is_some() && told == expected)
}

async fn race(
    f: Fixture,
    make: impl Fn(usize, Position) -> Result<Unit, Violation>,
) -> Result<(), Violation> {
    let mut last = Position::ZERO;
    for round in 0..ROUNDS {
        let start = Arc::new(Barrier::new(RACERS));
        let mut racers = JoinSet::new();
        for racer in 0..RACERS {
            let (f, start, unit) = (f.clone(), Arc::clone(&start), make(racer, last)?);
            racers.spawn(async move {
                start.wait().await;
                f.append(unit).await
            });
        }
        let mut won = Vec::new();
        while let Some(raced) = racers.join_next().await {
            match raced? {
                Ok(positions) => won.extend(positions),
                Err(AppendError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        equal("winners of a round", &won.len(), &1)?;
        last = won.first().copied().unwrap_or_default();
        equal("records stored", &f.all().await?.len(), &(round + 1))?;
    }
    Ok(())
}

/// Of many who append to a subject at once with the same knowledge, exactly one is stored.
pub async fn one_racer_a_round_wins_a_subject(f: Fixture) -> Result<(), Violation> {
    let subject = f.subject("ada", 1);
    race(f, |_, last| Ok(conditioned(&subject, "x", on(&subject, last)))).await
}

/// Of many who append to a lane at once with the same knowledge, each under a subject of its own, exactly one is stored.
pub async fn one_racer_a_round_wins_a_lane(f: Fixture) -> Result<(), Violation> {
    let fixture = f.clone();
    race(f, |racer, last| {
        let condition = fixture.lane_last("ada", last)?;
        Ok(conditioned(&fixture.subject("ada", racer), "x", condition))
    })
    .await
}

/// Writers that race at their own pace, each record carrying the last position that its writer knew.
async fn chain(f: Fixture, records: usize, ahead: bool) -> Result<(), Violation> {
    let mut racers = JoinSet::new();
    for racer in 0..RACERS {
        let f = f.clone();
        racers.spawn(async move {
            let (mut random, mut won, mut last) = (f.random(racer as u64), 0_usize, Position::ZERO);
            while won < ROUNDS {
                let known = last.get().to_be_bytes().to_vec();
                let subject = |_| f.subject("ada", random.below(20));
                let subjects: Vec<_> = (0..records).map(subject).collect();
                let new = subjects.into_iter().map(|subject| record(subject, known.clone()));
                let condition = f.lane_last("ada", last)?;
                let unit = unit(Wholeness::Atomic, new.collect());
                let appended = match ahead {
                    true => told_later(&f, unit, condition).await,
                    false => f.append(Unit { conditions: vec![condition], ..unit }).await,
                };
                match appended {
                    Ok(positions) => {
                        won += 1;
                        last = positions.last().copied().unwrap_or_default();
                    }
                    Err(AppendError::Conflict { winner: Some(winner), .. }) => {
                        last = winner.position;
                    }
                    Err(AppendError::Conflict { winner: None, .. }) => {
                        let newest = f.log.last(&f.lane("ada")?).await?;
                        last = newest.map_or(Position::ZERO, |record| record.position);
                    }
                    Err(AppendError::Busy { .. }) => tokio::time::sleep(LATER).await,
                    Err(error) => return Err(error.into()),
                }
            }
            Ok::<_, Violation>(())
        });
    }
    while let Some(raced) = racers.join_next().await {
        raced??;
    }
    let read = f.all().await?;
    equal("records stored", &read.len(), &(RACERS * ROUNDS * records))?;
    let mut before = Position::ZERO;
    for unit in read.chunks(records) {
        for record in unit {
            let known = record.payload.as_ref().try_into().map(u64::from_be_bytes);
            let known = known.map_err(|_| differs("a payload", "8 bytes", "others"))?;
            equal("what the writer knew", &Position::new(known), &before)?;
        }
        before = unit.last().map_or(before, |record: &Record| record.position);
    }
    Ok(())
}

/// In a lane that many write to, every record follows the very one that its writer knew.
pub async fn every_record_of_a_raced_lane_follows_the_one_it_knew(
    f: Fixture,
) -> Result<(), Violation> {
    chain(f, 1, false).await
}

/// So does every atomic unit.
pub async fn every_atomic_unit_of_a_raced_lane_follows_the_one_it_knew(
    f: Fixture,
) -> Result<(), Violation> {
    chain(f, 3, false).await
}

/// So does every unit whose condition comes later.
pub async fn every_unit_sent_ahead_in_a_raced_lane_follows_the_one_it_knew(
    f: Fixture,
) -> Result<(), Violation> {
    chain(f, 3, true).await
}

/// Appends a unit whose condition comes when others had their turn.
async fn told_later(
    f: &Fixture,
    unit: Unit,
    condition: Condition,
) -> Result<Vec<Position>, AppendError> {
    let later = async move {
        tokio::time::sleep(LATER).await;
        Some(condition)
    };
    let appended = f.log.append_when(unit.records, Box::pin(later)).await?;
    Ok(appended.unwrap_or_default())
}

fn three(f: &Fixture) -> Vec<NewRecord> {
    (0..3).map(|entity| record(f.subject("ada", entity), "later")).collect()
}

/// A unit whose condition is told later is not there before, and whole after it.
pub async fn a_unit_whose_condition_comes_later_is_stored_when_it_has_come(
    f: Fixture,
) -> Result<(), Violation> {
    let mut last = Position::ZERO;
    for round in 0..10 {
        let (tell, told) = oneshot::channel();
        let condition = Box::pin(async { told.await.ok() });
        let log = Arc::clone(&f.log);
        let records = three(&f);
        let waiting = tokio::spawn(async move { log.append_when(records, condition).await });
        tokio::time::sleep(LATER).await;
        // What stands before it is stored after it was made.
        last = f.append_one(f.subject("ada", "before"), "before").await?.max(last);
        equal("records before it is told", &f.all().await?.len(), &(round * 4 + 1))?;
        let told = tell.send(f.lane_last("ada", last)?);
        ensure("somebody waits for the condition", told.is_ok())?;
        let stored = waiting.await??.unwrap_or_default();
        equal("positions", &stored.len(), &3)?;
        ensure("it stands behind what it was told of", stored.iter().all(|at| *at > last))?;
        last = stored.last().copied().unwrap_or_default();
    }
    let all = f.all().await?;
    let later = all.iter().filter(|record| record.payload.as_ref() == b"later").count();
    equal("records told later", &later, &30)
}

/// A unit whose condition never comes, or does not hold, is never stored, and keeps nobody else out.
pub async fn a_unit_whose_condition_never_comes_is_never_stored(
    f: Fixture,
) -> Result<(), Violation> {
    for _ in 0..60 {
        let given_up = f.log.append_when(three(&f), Box::pin(async { None })).await?;
        ensure("a unit given up has no positions", given_up.is_none())?;
    }
    let last = f.append_one(f.subject("ada", 1), "first").await?;
    let wrong = f.lane_last("ada", Position::ZERO)?;
    match told_later(&f, unit(Wholeness::Atomic, three(&f)), wrong).await {
        Err(AppendError::Conflict { .. }) => {}
        other => return Err(differs("the answer", "a conflict", &format!("{other:?}"))),
    }
    equal("records stored", &f.all().await?.len(), &1)?;
    let right = f.lane_last("ada", last)?;
    told_later(&f, unit(Wholeness::Atomic, three(&f)), right).await?;
    equal("records stored", &f.all().await?.len(), &4)
}

struct Head {
    subject: String,
    records: Vec<colony_bus::log::NewRecord>,
}

fn with_head(f: &Fixture) -> Head {
    let subject = format!("colony.{}._._.head.task.42", f.space);
    let records = vec![
        record(f.subject("ada", 1), "event"),
        record(f.subject("ada", 2), "another"),
        record(subject.clone(), "head"),
    ];
    Head { subject, records }
}

/// One unit may ask for the last of a lane and of an exact subject at once.
pub async fn an_atomic_unit_may_have_conditions_on_several_scopes(
    f: Fixture,
) -> Result<(), Violation> {
    let (mut lane, mut head) = (Position::ZERO, Position::ZERO);
    for _ in 0..5 {
        let Head { subject, records } = with_head(&f);
        let conditions = vec![f.lane_last("ada", lane)?, on(&subject, head)];
        let unit = unit(Wholeness::Atomic, records);
        let positions = f.append(Unit { conditions, ..unit }).await?;
        (lane, head) = match positions[..] {
            [_, lane, head] => (lane, head),
            _ => return Err(differs("positions", "3", &positions.len().to_string())),
        };
    }
    Ok(())
}

/// If one of several conditions does not hold, nothing of the unit is stored.
pub async fn one_lost_condition_refuses_the_whole_unit(f: Fixture) -> Result<(), Violation> {
    let Head { subject, .. } = with_head(&f);
    let head = f.append_one(subject, "head").await?;
    let lane = f.append_one(f.subject("ada", 1), "event").await?;
    for (lane, head, holds) in [
        (lane, Position::ZERO, false),
        (Position::ZERO, head, false),
        (Position::ZERO, Position::ZERO, false),
        (lane, head, true),
    ] {
        let Head { subject, records } = with_head(&f);
        let conditions = vec![f.lane_last("ada", lane)?, on(&subject, head)];
        let unit = Unit { conditions, ..unit(Wholeness::Atomic, records) };
        match holds {
            true => drop(f.append(unit).await?),
            false => drop(f.conflicts(unit).await?),
        }
    }
    let read = f.read(Range::all()).await?;
    equal("records stored", &read.len(), &5)
}

/// Whatever waits for its condition, and however much of it, what needs none is stored: it may be what the others wait for.
pub async fn units_whose_conditions_have_not_come_keep_nobody_waiting(
    f: Fixture,
) -> Result<(), Violation> {
    const WAITING: usize = 8;
    let most = f.log.description().max_atomic_records.min(1_000);
    let records = |author: &str| -> Vec<_> {
        (0..most).map(|entity| record(f.subject(author, entity % 10), "many")).collect()
    };
    let (mut waiting, mut tells) = (Vec::new(), Vec::new());
    for _ in 0..WAITING {
        let (tell, told) = oneshot::channel();
        let condition = Box::pin(async { told.await.ok() });
        let (log, records) = (Arc::clone(&f.log), records("bob"));
        waiting.push(tokio::spawn(async move { log.append_when(records, condition).await }));
        tells.push(tell);
    }
    tokio::time::sleep(LATER * 10).await;
    for _ in 0..2 {
        f.append(unit(Wholeness::Atomic, records("ada"))).await?;
    }
    drop(tells);
    for waiting in waiting {
        ensure("a unit given up has no positions", waiting.await??.is_none())?;
    }
    equal("records stored", &f.all().await?.len(), &(2 * most))
}
