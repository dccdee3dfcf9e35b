//! Taking part in the coordination of a space, on a log in memory.

use std::sync::Arc;

use colony_agents::protocol::handoff::{Asked, Handoffs};
use colony_agents::protocol::task::{Command, Offered, Rejection, Tasks};
use colony_agents::protocol::{Coordination, Millis, Outcome, Rejection as Against, handoff};
use colony_agents::{Clock, Desk, DeskError};
use colony_bus::log::Outcome as Written;
use colony_bus::{Bus, BusOptions, Checkpoints, Draft, MemoryLog, Query};
use colony_core::{EntityName, Position, Timestamp};
use futures_util::TryStreamExt as _;

const MINUTE: Millis = Millis::from_secs(60);

fn bus(log: &MemoryLog, agent: &str) -> Bus {
    let options = BusOptions::new("office".parse().unwrap(), agent.parse().unwrap());
    Bus::on(Arc::new(log.clone()), Arc::new(log.clone()), options)
}

async fn desk(log: &MemoryLog, agent: &str) -> Desk {
    Desk::open(bus(log, agent), &Checkpoints::none()).await.unwrap()
}

fn task() -> EntityName {
    "fence".parse().unwrap()
}

fn offer() -> Command {
    let offered: Offered = serde_json::from_str(r#"{"what": "paint the fence"}"#).unwrap();
    Command::Offer(task(), Box::new(offered))
}

fn finish(fence: Option<Position>) -> Command {
    Command::Finish { task: task(), fence, result: None, evidence: Vec::new() }
}

#[tokio::test]
async fn of_two_who_claim_unseen_the_second_is_told_owner_round_and_fence() {
    let log = MemoryLog::new("desk");
    // The log's time is years before that of this machine: by its own clock a desk would take the task over.
    let clock = Clock::function(|| Timestamp::from_nanos(0));
    let mut ann = desk(&log, "ann").await.with_clock(clock.clone());
    assert_eq!(ann.act::<Tasks>(offer()).await.unwrap()[0].outcome, Outcome::Applied);
    let mut bob = desk(&log, "bob").await.with_clock(clock.clone());
    let mut cid = desk(&log, "cid").await.with_clock(clock);

    let won = bob.act::<Tasks>(Command::Claim(task(), MINUTE)).await.unwrap();
    let held = Rejection::Held { owner: "bob".parse().unwrap(), round: 1, fence: won[0].position };
    // cid has not read bob's claim: it appends its own, and is told what everybody makes of it.
    let lost = cid.act::<Tasks>(Command::Claim(task(), MINUTE)).await.unwrap();
    assert_eq!(lost[0].outcome, Outcome::Ignored(Against::Task(held.clone())));
    // Now it knows, and appends nothing.
    let tail = cid.bus().tail().await.unwrap();
    let refused = cid.act::<Tasks>(Command::Claim(task(), MINUTE)).await.unwrap_err();
    assert!(matches!(&refused, DeskError::Rejected(Against::Task(by)) if *by == held), "{refused}");
    assert_eq!((refused.outcome(), refused.is_retryable()), (Written::NotApplied, true));
    assert_eq!(cid.bus().tail().await.unwrap(), tail);

    for desk in [&mut ann, &mut bob] {
        desk.catch_up().await.unwrap();
        assert_eq!(desk.state(), cid.state());
    }
}

#[tokio::test]
async fn a_silent_holder_is_replaced_in_one_append_and_its_old_fence_counts_no_more() {
    let log = MemoryLog::new("desk");
    // Desks whose clocks stand still go by the log's time, which moves a millisecond with each entry.
    let clock = Clock::function(|| Timestamp::from_nanos(0));
    let mut ann = desk(&log, "ann").await.with_clock(clock.clone());
    ann.act::<Tasks>(offer()).await.unwrap();
    let mut bob = desk(&log, "bob").await.with_clock(clock.clone());
    let fence = bob.act::<Tasks>(Command::Claim(task(), Millis::new(5))).await.unwrap()[0].position;

    let mut cid = desk(&log, "cid").await.with_clock(clock);
    let until = cid.state().tasks.get(&task()).unwrap().hold().unwrap().until;
    let early = cid.act::<Tasks>(Command::Lapse(task())).await;
    let log_is_behind =
        matches!(early, Err(DeskError::Rejected(Against::Task(Rejection::NotOverdue { .. }))));
    assert!(log_is_behind, "{early:?}");
    // Whatever is recorded later brings its time along.
    while cid.state().time().moment() <= until {
        let asked = Asked { handoff: "none".parse().unwrap(), question: "?".to_owned() };
        let question = Draft::new("clarification.asked".parse().unwrap());
        let question = question.about(task()).json(&asked).unwrap();
        let told = cid.append([question]).await.unwrap();
        let unknown = handoff::Rejection::Unknown { name: "none".parse().unwrap() };
        assert_eq!(told[0].outcome, Outcome::Ignored(Against::Handoff(unknown)));
    }
    let taken = cid.act::<Tasks>(Command::Claim(task(), MINUTE)).await.unwrap();
    let types: Vec<_> = taken.iter().map(|told| told.ty.as_str()).collect();
    assert_eq!(types, ["task.lapsed", "task.claimed"]);
    assert!(taken.iter().all(|told| told.outcome == Outcome::Applied), "{taken:?}");

    // bob still believes that it holds the task.
    let late = bob.act::<Tasks>(finish(Some(fence))).await.unwrap();
    let owner = "cid".parse().unwrap();
    let not_owner = Rejection::NotOwner { owner, fence: taken[1].position };
    assert_eq!(late[0].outcome, Outcome::Ignored(Against::Task(not_owner)));
    let done = cid.act::<Tasks>(finish(None)).await.unwrap();
    assert_eq!(done[0].outcome, Outcome::Applied);
}

#[tokio::test]
async fn following_and_reading_on_take_in_each_entry_once_and_pass_what_is_of_no_protocol() {
    let log = MemoryLog::new("desk");
    let mut watcher = desk(&log, "eve").await;
    let mut ann = desk(&log, "ann").await;
    ann.act::<Tasks>(offer()).await.unwrap();
    let note = Draft::new("note.made".parse().unwrap());
    let cancel = Command::Cancel { task: task(), reason: "rain".to_owned() };
    let cancel = ann.decide::<Tasks>(cancel).unwrap().into_iter().map(Draft::from);
    let told = ann.append(std::iter::once(note).chain(cancel)).await.unwrap();
    let outcomes: Vec<_> = told.iter().map(|told| told.outcome.clone()).collect();
    assert_eq!(outcomes, [Outcome::Unrelated, Outcome::Applied]);

    assert_eq!(watcher.next().await.unwrap(), Position::new(1));
    watcher.catch_up().await.unwrap();
    assert_eq!((watcher.position(), watcher.state()), (ann.position(), ann.state()));
    let asked = Asked { handoff: "none".parse().unwrap(), question: "?".to_owned() };
    let ask = handoff::Command::Ask { question: "q".parse().unwrap(), asked };
    assert!(matches!(ann.act::<Handoffs>(ask).await, Err(DeskError::Rejected(_))));
    ann.act::<Tasks>(Command::Offer("gate".parse().unwrap(), offered())).await.unwrap();
    assert_eq!(watcher.next().await.unwrap(), ann.position());

    let entries = ann.bus().read(Query::default()).await.unwrap();
    let entries: Vec<_> = entries.try_collect().await.unwrap();
    assert_eq!(Coordination::fold(&entries), *watcher.state());
}

fn offered() -> Box<Offered> {
    Box::new(serde_json::from_str(r#"{"what": "oil the gate"}"#).unwrap())
}
