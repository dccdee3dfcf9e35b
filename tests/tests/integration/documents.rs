//! Documents that are edited while servers and wires are hurt.

use std::time::Duration;

use colony_bus::{Bus, Document, Sharing};
use colony_tests::harness::{
    Cluster, One, Proxy, Seed, Typist, begin_notes, converged, lane, notes_of, options, shown,
    text, within,
};

const LIMIT: Duration = Duration::from_secs(600);

/// Opens the document once more, in a process that was not there, and compares.
async fn opened_anew_it_is_the_same(url: &str, document: &Document) {
    let late = Bus::connect(options("late", url)).await.unwrap();
    let late = notes_of(&late).await;
    assert_eq!(late.heads(), document.heads());
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_go_on_through_kill_9_of_the_server_and_nothing_acknowledged_is_lost() {
    within(LIMIT, "edits and kill -9", async {
        const EDITS: usize = 1_500;
        let mut seed = Seed::of("edits and kill -9");
        let mut one = One::start().await;
        let ada = Bus::connect(options("ada", &one.url())).await.unwrap();
        let bob = Bus::connect(options("bob", &one.url())).await.unwrap();
        let ada = begin_notes(&ada).await;
        let bob = notes_of(&bob).await;
        let typists = [Typist::start(&ada, "a", EDITS), Typist::start(&bob, "b", EDITS)];
        for moment in seed.moments(3, EDITS as u64) {
            typists[0].acknowledged.reach(moment).await;
            one.node.kill().await.unwrap();
            one.node.restart().await.unwrap();
        }
        let mut acknowledged = Vec::new();
        for typist in typists {
            acknowledged.extend(typist.finish().await);
        }
        let text = converged(&[&ada, &bob], &acknowledged).await;
        assert_eq!(text.len(), 2 * EDITS);
        opened_anew_it_is_the_same(&one.url(), &ada).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_go_on_while_a_node_of_three_is_killed_and_a_client_is_cut_off() {
    within(LIMIT, "edits on three nodes", async {
        const EDITS: usize = 1_500;
        let mut cluster = Cluster::start().await;
        let ada = Bus::connect(cluster.options("ada")).await.unwrap();
        let ada = begin_notes(&ada).await;
        let leader = cluster.leader().await;
        // Bob knows of one node only, which is neither the leader nor the one that is killed.
        let near = cluster.nodes.urls()[(leader + 1) % 3].clone();
        let proxy = Proxy::before(&near).await;
        let bob = Bus::connect(options("bob", &proxy.url())).await.unwrap();
        let bob = notes_of(&bob).await;
        let typists = [Typist::start(&ada, "a", EDITS), Typist::start(&bob, "b", EDITS)];
        let progress = [typists[0].acknowledged.clone(), typists[1].acknowledged.clone()];
        let hold = [progress[0].hold(), progress[1].hold()];
        progress[1].reach(200).await;
        proxy.cut();
        cluster.nodes.kill_node(leader).await.unwrap();
        progress[0].more(200).await;
        proxy.heal();
        progress[1].more(200).await;
        cluster.nodes.restart_node(leader).await.unwrap();
        drop(hold);
        let mut acknowledged = Vec::new();
        for typist in typists {
            acknowledged.extend(typist.finish().await);
        }
        let text = converged(&[&ada, &bob], &acknowledged).await;
        let typed = progress[0].now() + progress[1].now();
        assert_eq!(text.len() as u64, typed, "each edit is one character");
        opened_anew_it_is_the_same(&cluster.url(), &ada).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_instances_of_one_name_edit_one_document_and_lose_nothing() {
    within(LIMIT, "instances that share a lane", async {
        const EDITS: usize = 200;
        let one = One::start().await;
        let mut documents = Vec::new();
        for _ in 0..3 {
            let mut options = options("ada", &one.url());
            options.instance = Some(lane("main"));
            options.sharing = Some(Sharing::Contended);
            let bus = Bus::connect(options).await.unwrap();
            documents.push(match documents.is_empty() {
                true => begin_notes(&bus).await,
                false => notes_of(&bus).await,
            });
        }
        let marks = ["a", "b", "c"];
        let typists: Vec<_> = documents
            .iter()
            .zip(marks)
            .map(|(document, mark)| Typist::start(document, mark, EDITS))
            .collect();
        let mut acknowledged = Vec::new();
        for typist in typists {
            acknowledged.extend(typist.finish().await);
        }
        let documents: Vec<&Document> = documents.iter().collect();
        let text = converged(&documents, &acknowledged).await;
        for mark in marks {
            assert_eq!(text.matches(mark).count(), EDITS);
        }
        opened_anew_it_is_the_same(&one.url(), documents[0]).await;
    })
    .await;
}

/// Edits that are acknowledged one by one.
async fn typed(document: &Document, edits: usize) {
    for _ in 0..edits {
        let edited = document.edit(|edit| edit.splice_text(&text(), 0, 0, "a")).await.unwrap();
        edited.durable.await.unwrap();
    }
}

/// A server is put back to an earlier state, and nobody but the writer has what came after it. It must come back whether
/// or not the writer goes on, and whether or not the log has grown past where it was.
async fn what_a_restored_server_lost_comes_back(edits_afterwards: usize) {
    const EDITS: usize = 20;
    let mut one = One::start().await;
    let ada = Bus::connect(options("ada", &one.url())).await.unwrap();
    let ada = begin_notes(&ada).await;
    typed(&ada, EDITS).await;
    one.node.kill().await.unwrap();
    let backup = one.backup();
    one.node.restart().await.unwrap();
    // The server may be gone before these have come back to their writer, which then never read them.
    typed(&ada, EDITS).await;
    one.node.kill().await.unwrap();
    one.restore(&backup);
    one.node.restart().await.unwrap();
    typed(&ada, edits_afterwards).await;
    let late = Bus::connect(options("late", &one.url())).await.unwrap();
    let late = notes_of(&late).await;
    for head in ada.heads().iter() {
        late.until_seen(&head).await.unwrap();
    }
    assert_eq!(shown(&late).len(), 2 * EDITS + edits_afterwards);
    assert_eq!(late.heads(), ada.heads());
    opened_anew_it_is_the_same(&one.url(), &ada).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_restored_server_lost_comes_back_from_a_writer_that_is_silent() {
    within(LIMIT, "restored, and silence", what_a_restored_server_lost_comes_back(0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_restored_server_lost_comes_back_from_a_writer_that_goes_on() {
    within(LIMIT, "restored, and some edits", what_a_restored_server_lost_comes_back(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_restored_server_lost_comes_back_though_the_log_has_grown_past_it() {
    within(LIMIT, "restored, and many edits", what_a_restored_server_lost_comes_back(40)).await;
}
