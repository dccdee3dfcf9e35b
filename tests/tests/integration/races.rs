//! Conditions under contention: one writer wins, each time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use colony_bus::log::AppendError;
use colony_bus::{Bus, Draft, JetStreamLog, ServerOptions, WriteError};
use colony_core::event::Data;
use colony_core::subject::lane_filter;
use colony_core::{EntityName, Lane, Position};
use colony_tests::harness::{
    Audit, Cluster, One, Progress, Race, RaceReport, Seed, agent, lane, options, race, space,
    within,
};
use futures_util::StreamExt as _;
use tokio::task::JoinSet;

const LIMIT: Duration = Duration::from_secs(600);
const WRITERS: usize = 6;

/// Kinds of entries of one lane, as its writers append them.
const SUBJECTS: [&str; 4] = [
    "colony.test.racer.l.event.some.thing.a",
    "colony.test.racer.l.event.some.thing.b",
    "colony.test.racer.l.event.other.thing._",
    "colony.test.racer.l.event.other.thing.c",
];

fn the_lanes_filter() -> String {
    lane_filter(&space(), &Lane { author: agent("racer"), name: lane("l") })
}

fn a_race(server: &ServerOptions, accepted: u64, filters: Vec<String>) -> Race {
    Race {
        server: server.clone(),
        filters,
        subjects: SUBJECTS.map(str::to_owned).to_vec(),
        accepted,
        progress: Progress::new(),
    }
}

fn assert_one_winner_each_time(report: &RaceReport) {
    assert_eq!(report.stale, [], "no append is accepted on an entry that is not the last");
    assert_eq!(report.lost, [], "what was acknowledged is there");
    assert!(report.refused > 0, "there was a race");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_writer_of_a_lane_wins_each_time_on_one_server() {
    within(LIMIT, "a race on one server", async {
        let one = One::start().await;
        let server = options("any", &one.url()).server;
        let filters = vec![the_lanes_filter(); WRITERS];
        let report = race(a_race(&server, 2_000, filters)).await;
        assert_one_winner_each_time(&report);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_writer_of_a_lane_wins_each_time_on_three_servers_also_while_nodes_are_killed() {
    within(LIMIT, "a race on three servers", async {
        let mut seed = Seed::of("race with kills");
        let mut cluster = Cluster::start().await;
        let server = cluster.options("any").server;
        let filters = vec![the_lanes_filter(); WRITERS];
        let report = race(a_race(&server, 1_500, filters.clone())).await;
        assert_one_winner_each_time(&report);

        JetStreamLog::delete(&space(), &server).await.unwrap();
        let again = a_race(&server, 2_000, filters);
        let progress = again.progress.clone();
        let hold = progress.hold();
        let racing = tokio::spawn(race(again));
        for round in 0..3 {
            progress.more(200 + seed.below(200)).await;
            let leader = cluster.leader().await;
            let victim = if round == 1 { (leader + 1) % 3 } else { leader };
            cluster.nodes.kill_node(victim).await.unwrap();
            progress.more(100).await;
            cluster.nodes.restart_node(victim).await.unwrap();
            cluster.healed().await;
        }
        drop(hold);
        assert_one_winner_each_time(&racing.await.unwrap());
    })
    .await;
}

/// The check of the races above is able to fail: conditions under filters that differ do not see each other.
#[tokio::test(flavor = "multi_thread")]
async fn writers_with_different_filters_are_caught() {
    within(LIMIT, "a race under different filters", async {
        let cluster = Cluster::start().await;
        let server = cluster.options("any").server;
        let narrow = "colony.test.racer.l.event.>".to_owned();
        let filters: Vec<String> = (0..WRITERS)
            .map(|n| if n % 2 == 0 { the_lanes_filter() } else { narrow.clone() })
            .collect();
        for attempt in 1..=10 {
            let report = race(a_race(&server, 300, filters.clone())).await;
            if !report.stale.is_empty() {
                println!("caught in attempt {attempt}");
                return;
            }
            JetStreamLog::delete(&space(), &server).await.unwrap();
        }
        panic!("the check found nothing in 10 races that must go wrong");
    })
    .await;
}

/// Moves the head of one entity from many processes; every event says which head it was made after.
async fn heads_move_one_at_a_time(make: impl Fn(&str) -> colony_bus::BusOptions, accepted: u64) {
    let entity: EntityName = "42".parse().unwrap();
    let progress = Progress::new();
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        let bus = Bus::connect(make(&format!("writer{number}"))).await.unwrap();
        let (entity, progress) = (entity.clone(), progress.clone());
        writers.spawn(async move {
            let mut won = Vec::new();
            let mut refused = 0;
            while progress.now() < accepted {
                let head = bus.head("task", &entity).await.unwrap();
                let last = head.map_or(Position::ZERO, |head| head.position);
                let data = Data::Text { text: last.to_string(), content_type: None };
                let draft = Draft::new("task.moved".parse().unwrap()).data(data);
                match bus.publish_if(draft, entity.clone(), last).await {
                    Ok(receipt) => {
                        won.push((last, receipt.position));
                        progress.step();
                    }
                    Err(WriteError::Append(AppendError::Conflict { .. })) => refused += 1,
                    Err(error) => panic!("{error}"),
                }
            }
            (won, refused)
        });
    }
    let (mut won, mut refused) = (Vec::new(), 0);
    for (theirs, lost) in writers.join_all().await {
        won.extend(theirs);
        refused += lost;
    }
    won.sort_unstable();
    println!("accepted {}, refused {refused}", won.len());
    assert!(refused > 0, "there was a race");

    let reader = Bus::connect(make("reader")).await.unwrap();
    let audit = Audit::of(&reader).await;
    let (mut head, mut stored) = (Position::ZERO, Vec::new());
    for pair in audit.entries.chunks(2) {
        let [event, moved] = pair else { panic!("an event and its head stand together") };
        assert_eq!(event.event().id, moved.event().id);
        assert!(moved.kind().is_none(), "the head comes after the event");
        let Data::Text { text, .. } = &event.event().data else {
            panic!("it says what it follows")
        };
        assert_eq!(text.parse::<u64>().unwrap(), head.get(), "the head moves one at a time");
        stored.push((head, event.position));
        head = moved.position;
    }
    assert_eq!(stored, won, "what won is what is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_head_of_an_entity_moves_one_at_a_time_on_one_server() {
    within(LIMIT, "heads on one server", async {
        let one = One::start().await;
        heads_move_one_at_a_time(|name| options(name, &one.url()), 200).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_head_of_an_entity_moves_one_at_a_time_on_three_servers() {
    within(LIMIT, "heads on three servers", async {
        let cluster = Cluster::start().await;
        heads_move_one_at_a_time(|name| cluster.options(name), 500).await;
    })
    .await;
}

/// A server tells fast batches apart by one token of their reply subjects, whichever connection they come over.
#[tokio::test(flavor = "multi_thread")]
async fn batches_of_two_connections_have_names_of_their_own() {
    within(LIMIT, "batches of two connections", async {
        let one = One::start().await;
        let bus = |name| Bus::connect(options(name, &one.url()));
        let buses = [bus("ann").await.unwrap(), bus("bob").await.unwrap()];
        let client = async_nats::connect(one.url()).await.unwrap();
        let mut seen = client.subscribe(format!("colony.{}.>", space())).await.unwrap();
        client.flush().await.unwrap();
        let mut writing = JoinSet::new();
        for bus in buses {
            writing.spawn(async move {
                for _ in 0..20 {
                    let mut tickets = Vec::new();
                    for _ in 0..50 {
                        let draft = Draft::new("some.thing".parse().unwrap());
                        tickets.push(bus.publish(draft).await.unwrap());
                    }
                    for ticket in tickets {
                        ticket.await.unwrap();
                    }
                }
            });
        }
        writing.join_all().await;
        // For each batch, by its name: who wrote it, and how many of its records there are.
        let mut batches: BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
        for _ in 0..2 * 20 * 50 {
            let message = seen.next().await.unwrap();
            let Some(reply) = message.reply.as_ref().filter(|r| r.ends_with(".$FI")) else {
                continue;
            };
            let tokens: Vec<_> = reply.rsplit('.').collect();
            let author = message.subject.split('.').nth(2).unwrap().to_owned();
            let (authors, numbers) = batches.entry(tokens[5].to_owned()).or_default();
            authors.insert(author);
            assert!(numbers.insert(tokens[2].to_owned()), "{reply}");
        }
        assert!(batches.len() > 10, "there were batches: {}", batches.len());
        assert!(batches.values().all(|(authors, _)| authors.len() == 1), "{batches:?}");
    })
    .await;
}
