//! Logs with a flaw each. A suite that passes them would prove nothing.

use std::sync::Arc;

use colony_bus::log::{
    AppendError, Description, EventLog, Followed, Following, Range, ReadError, Record, Records,
    Scope, Ticket, Unit, Wholeness,
};
use colony_bus::memory::{FaultPlan, FollowFaults, MemoryLog, MemoryOptions};
use colony_core::{Position, Timestamp};
use colony_tests::conformance::{FactoryError, FreshLog, LogFactory, RULES};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;

#[derive(Debug, Clone, Copy)]
enum Flaw {
    NoConditions,
    LaneOfOneSubject,
    AtomicUnitsInParts,
    LosesWhileFollowing,
    ReadsPastItsTail,
    OneIdentityForAll,
    Faults(FaultPlan),
    FollowFaults(FollowFaults),
}

#[derive(Debug)]
struct BrokenLog {
    log: MemoryLog,
    flaw: Flaw,
}

impl EventLog for BrokenLog {
    fn description(&self) -> &Description {
        self.log.description()
    }

    fn append(&self, mut unit: Unit) -> BoxFuture<'_, Result<Ticket, AppendError>> {
        Box::pin(async move {
            match self.flaw {
                Flaw::NoConditions => unit.conditions.clear(),
                Flaw::LaneOfOneSubject => {
                    let first = unit.records.first().map(|record| record.subject.clone());
                    for (condition, own) in unit.conditions.iter_mut().zip(first) {
                        condition.scope = Scope::Subject(own);
                    }
                }
                Flaw::AtomicUnitsInParts if unit.wholeness == Wholeness::Atomic => {
                    let mut positions = Vec::new();
                    for record in unit.records {
                        positions.extend(self.log.append(Unit::one(record)).await?.await?);
                        tokio::task::yield_now().await;
                    }
                    return Ok(Ticket::new(async { Ok(positions) }));
                }
                _ => {}
            }
            self.log.append(unit).await
        })
    }

    fn read(&self, mut range: Range) -> BoxFuture<'_, Result<Records, ReadError>> {
        if matches!(self.flaw, Flaw::ReadsPastItsTail) && range.until == Position::MAX {
            // Ends where the tail is when it gets there.
            let log = self.log.clone();
            return Box::pin(async move {
                let tail = log.tail().await?;
                let first = log.read(Range { until: tail, ..range.clone() }).await?;
                range.after = range.after.max(tail);
                let rest = futures_util::stream::once(async move { log.read(range).await });
                let rest = rest.flat_map(|rest| match rest {
                    Ok(rest) => rest,
                    Err(error) => futures_util::stream::iter([Err(error)]).boxed(),
                });
                Ok(first.chain(rest).boxed())
            });
        }
        self.log.read(range)
    }

    fn follow(
        &self,
        after: Position,
        subjects: Vec<String>,
    ) -> BoxFuture<'_, Result<Following, ReadError>> {
        let loses = matches!(self.flaw, Flaw::LosesWhileFollowing);
        Box::pin(async move {
            let followed = self.log.follow(after, subjects).await?;
            let kept = move |followed: &Result<Followed, ReadError>| {
                let lost =
                    matches!(followed, Ok(Followed::Record(r)) if r.position.get() % 50 == 11);
                std::future::ready(!(loses && lost))
            };
            Ok(followed.filter(kept).boxed())
        })
    }

    fn last<'a>(&'a self, subject: &'a str) -> BoxFuture<'a, Result<Option<Record>, ReadError>> {
        self.log.last(subject)
    }

    fn get(&self, position: Position) -> BoxFuture<'_, Result<Option<Record>, ReadError>> {
        self.log.get(position)
    }

    fn tail(&self) -> BoxFuture<'_, Result<Position, ReadError>> {
        self.log.tail()
    }

    fn cut_at(&self, time: Timestamp) -> BoxFuture<'_, Result<Position, ReadError>> {
        self.log.cut_at(time)
    }

    fn remove(&self, position: Position) -> BoxFuture<'_, Result<(), ReadError>> {
        self.log.remove(position)
    }

    fn reachable(&self) -> BoxFuture<'_, ()> {
        self.log.reachable()
    }
}

#[derive(Debug)]
struct BrokenFactory {
    flaw: Flaw,
    memory: super::MemoryFactory,
}

impl LogFactory for BrokenFactory {
    fn make(&self) -> BoxFuture<'_, Result<FreshLog, FactoryError>> {
        Box::pin(async move {
            let identity = match self.flaw {
                Flaw::OneIdentityForAll => "log".to_owned(),
                _ => self.memory.make().await?.log.description().identity.clone(),
            };
            let mut options = MemoryOptions::new(identity);
            match self.flaw {
                Flaw::Faults(faults) => options.faults = faults,
                Flaw::FollowFaults(faults) => options.follow_faults = faults,
                _ => {}
            }
            let log = MemoryLog::with_options(options);
            Ok(FreshLog {
                live: Arc::new(log.clone()),
                log: Arc::new(BrokenLog { log, flaw: self.flaw }),
                space: "conformance".parse()?,
                keep: Arc::new(()),
            })
        })
    }
}

async fn breaks(flaw: Flaw, name: &str) {
    let factory: Arc<dyn LogFactory> =
        Arc::new(BrokenFactory { flaw, memory: super::MemoryFactory::default() });
    let mut outcomes = Vec::new();
    for rule in RULES.iter().filter(|rule| rule.name == name) {
        outcomes.push(rule.run(&factory).await);
    }
    assert!(matches!(outcomes[..], [Err(_)]), "{flaw:?} and {name}: {outcomes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conditions_that_are_not_checked_are_found() {
    for rule in [
        "of_two_for_one_subject_the_first_wins",
        "one_racer_a_round_wins_a_lane",
        "one_racer_a_round_wins_a_subject",
        "every_record_of_a_raced_lane_follows_the_one_it_knew",
        "one_lost_condition_refuses_the_whole_unit",
    ] {
        breaks(Flaw::NoConditions, rule).await;
    }
    breaks(Flaw::LaneOfOneSubject, "a_lane_s_condition_sees_all_its_subjects").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_atomic_unit_in_parts_is_found() {
    breaks(Flaw::AtomicUnitsInParts, "an_atomic_unit_stands_together").await;
    breaks(Flaw::AtomicUnitsInParts, "one_lost_condition_refuses_the_whole_unit").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_lost_doubled_or_out_of_order_are_found() {
    let following = "followers_among_writers_see_no_gap_and_no_double";
    breaks(Flaw::LosesWhileFollowing, following).await;
    breaks(Flaw::LosesWhileFollowing, "a_follower_that_starts_over_sees_no_gap_and_no_double")
        .await;
    let redelivers = FollowFaults { seed: 1, redeliveries_per_mille: 50, reorders_per_mille: 0 };
    breaks(Flaw::FollowFaults(redelivers), following).await;
    let reorders = FollowFaults { seed: 1, redeliveries_per_mille: 0, reorders_per_mille: 50 };
    breaks(Flaw::FollowFaults(reorders), following).await;
    breaks(Flaw::ReadsPastItsTail, "a_read_to_the_end_ends_at_the_tail_of_its_beginning").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_changed_and_records_stored_twice_are_found() {
    let corrupts = FaultPlan { seed: 1, corruptions_per_mille: 50, ..FaultPlan::default() };
    breaks(Flaw::Faults(corrupts), "bytes_and_subjects_come_back_unchanged").await;
    let doubles = FaultPlan { seed: 1, duplicates_per_mille: 100, ..FaultPlan::default() };
    breaks(Flaw::Faults(doubles), "units_one_after_the_other_stand_in_that_order").await;
    breaks(Flaw::OneIdentityForAll, "a_log_has_an_identity_of_its_own").await;
}
