//! A thousand agents and ten thousand tasks on a real server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use colony_agents::protocol::task::Offered;
use colony_agents::protocol::{Coordination, Millis, Outcome};
use colony_agents::ready::{Client, Planned, Role, Shift, ShiftOptions, Space, Work, Worker};
use colony_bus::{Bus, JetStreamLog, Query};
use colony_core::EntityName;
use colony_tests::harness::{One, options, within};
use futures_util::TryStreamExt as _;

const AGENTS: usize = 1_000;
const TASKS: usize = 10_000;
/// Guards against hanging only.
const LIMIT: Duration = Duration::from_secs(600);

fn worker(silent: Millis, takes: u64) -> Box<dyn Role> {
    let work = Work::Simulated { duration_ms: Millis::new(takes) };
    Box::new(Worker { skills: Vec::new(), silent, work, capacity: 1 })
}

fn plan(tasks: usize) -> Vec<Planned> {
    let name = |n: usize| -> EntityName { format!("task-{n}").parse().unwrap() };
    (0..tasks)
        .map(|n| Planned {
            name: name(n),
            offered: Offered { done_when: "done".into(), ..Offered::of("work") },
        })
        .collect()
}

/// Joins agents over one connection each crew has.
async fn joined(url: &str, names: impl IntoIterator<Item = String>) -> Vec<Bus> {
    let log =
        JetStreamLog::connect(&options("x", url).space, &options("x", url).server).await.unwrap();
    let on =
        |name: String| Bus::on(Arc::new(log.clone()), Arc::new(log.clone()), options(&name, url));
    names.into_iter().map(on).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_agents_no_two_work_on_one_of_ten_thousand_tasks_and_none_is_lost() {
    let server = One::start().await;
    let url = server.url();
    let mut shifts = Vec::new();
    // Two crews, each with a connection and a fold of its own, so that claims do meet.
    for crew in 0..2 {
        let mut buses = joined(&url, (0..AGENTS / 2).map(|n| format!("agent-{crew}-{n}"))).await;
        if crew == 0 {
            // One of them in units of all its agents, the other with a writer for each.
            let process = buses[0].clone();
            buses = buses.iter().map(|bus| process.for_agent(bus.agent().clone())).collect();
        }
        let reader = buses[0].clone();
        let members = buses.into_iter().map(|bus| (bus, worker(Millis::from_secs(10), 1)));
        shifts
            .push(Shift::start(reader, members.collect(), ShiftOptions::default()).await.unwrap());
    }
    let client = joined(&url, ["client".to_owned()]).await.remove(0);
    let members = vec![(client.clone(), Box::new(Client { plan: plan(TASKS) }) as Box<dyn Role>)];
    let offering = Shift::start(client.clone(), members, ShiftOptions::default()).await.unwrap();
    within(LIMIT, "all tasks done", offering.delivered(TASKS as u64)).await;
    offering.stop().await.unwrap();
    for shift in shifts {
        shift.stop().await.unwrap();
    }

    let query = Query { filter: Coordination::filter(), ..Query::default() };
    let mut entries = client.read(query).await.unwrap();
    let mut space = Space::default();
    // On a busy machine somebody may be silent for too long: its task lapses, and another one's claim counts.
    let (mut held, mut done) = (BTreeMap::new(), BTreeMap::new());
    let mut messages = 0;
    while let Some(entry) = entries.try_next().await.unwrap() {
        messages += 1;
        if space.evolve(&entry) != Outcome::Applied {
            continue;
        }
        let task = entry.event().entity.clone().unwrap();
        match entry.event().ty.as_str() {
            "task.claimed" => *held.entry(task).or_insert(0) += 1,
            "task.lapsed" => *held.entry(task).or_insert(0) -= 1,
            "task.done" => *done.entry(task).or_insert(0) += 1,
            _ => {}
        }
    }
    assert_eq!((held.len(), done.len()), (TASKS, TASKS));
    assert!(held.values().chain(done.values()).all(|count: &i32| *count == 1));
    let lost = space.agreed().ignored.total();
    println!("{messages} messages for {TASKS} tasks; {lost} claims lost");
    assert!(messages < 5 * TASKS, "{messages} messages");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_silent_owner_holds_is_taken_over_once_its_time_is_over() {
    let server = One::start().await;
    let url = server.url();
    let mut buses = joined(&url, ["silent", "other", "client"].map(str::to_owned)).await;
    let (client, other, silent) = (buses.remove(2), buses.remove(1), buses.remove(0));
    let claim = Millis::from_secs(2);
    // The first to be idle holds the task for as long as anybody could wait, and then dies.
    let holder = vec![(silent.clone(), worker(claim, 600_000))];
    let holder = Shift::start(silent.clone(), holder, ShiftOptions::default()).await.unwrap();
    let offer = vec![(client.clone(), Box::new(Client { plan: plan(1) }) as Box<dyn Role>)];
    let offering = Shift::start(client.clone(), offer, ShiftOptions::default()).await.unwrap();
    let mut status = holder.watch();
    within(LIMIT, "held", status.wait_for(|status| status.working == 1)).await.unwrap();
    drop(holder);
    let heir = vec![(other.clone(), worker(claim, 0))];
    let heir = Shift::start(other, heir, ShiftOptions::default()).await.unwrap();
    within(LIMIT, "done by the other", offering.delivered(1)).await;
    heir.stop().await.unwrap();
    offering.stop().await.unwrap();

    let query = Query { filter: Coordination::filter(), ..Query::default() };
    let mut entries = client.read(query).await.unwrap();
    let mut types = Vec::new();
    while let Some(entry) = entries.try_next().await.unwrap() {
        if entry.event().ty.noun() == "task" {
            types.push(format!("{} {}", entry.event().author, entry.event().ty.as_str()));
        }
    }
    types.retain(|told| !told.ends_with("progressed"));
    assert_eq!(
        types,
        [
            "client task.offered",
            "silent task.claimed",
            "other task.lapsed",
            "other task.claimed",
            "other task.done"
        ]
    );
}
