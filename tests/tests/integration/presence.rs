//! Who is here, between processes that share nothing but a server.

use std::collections::BTreeMap;
use std::time::Duration;

use colony_bus::Bus;
use colony_bus::presence::{EXPIRY, Member, Place, Presence, Status};
use colony_core::document::Cursor;
use colony_tests::harness::{One, Proxy, Typist, agent, begin_notes, notes, options, text, within};
use futures_util::StreamExt as _;

const LIMIT: Duration = Duration::from_secs(600);

/// Waits until ada is as expected, and returns what is known of her.
async fn until(presence: &Presence, expected: impl Fn(Option<&Member>) -> bool) -> Option<Member> {
    let mut roster = presence.watch();
    loop {
        let now = roster.next().await.unwrap();
        let ada = now.members.iter().find(|member| member.agent == agent("ada"));
        if expected(ada) {
            return ada.cloned();
        }
    }
}

fn alive(member: Option<&Member>) -> bool {
    member.is_some_and(|member| member.alive)
}

fn at(cursor: Cursor) -> Status {
    let place = Place { path: text(), cursor, anchor: None };
    let cursors = BTreeMap::from([(notes(), place)]);
    Status { state: "writing".into(), working_on: Some("notes".into()), cursors }
}

#[tokio::test(flavor = "multi_thread")]
async fn others_see_an_agent_join_move_its_cursor_and_leave() {
    within(LIMIT, "presence", async {
        let one = One::start().await;
        let ada = Bus::connect(options("ada", &one.url())).await.unwrap();
        let bob = Bus::connect(options("bob", &one.url())).await.unwrap();
        let document = begin_notes(&ada).await;
        Typist::start(&document, "x", 10).finish().await;
        let theirs = bob.document(&notes()).await.unwrap();

        let cursor = document.read(|replica| replica.view().cursor(&text(), 4)).unwrap().unwrap();
        ada.presence().announce(at(cursor.clone())).await.unwrap();
        let seen = until(&bob.presence(), alive).await.unwrap();
        assert_eq!(seen.status, at(cursor));
        // Somebody types before it: on the other side, too, it stands before the same character.
        let typed = theirs.edit(|edit| edit.splice_text(&text(), 0, 0, "__")).await.unwrap();
        typed.durable.await.unwrap();
        let place = &seen.status.cursors[&notes()];
        let found = |replica: &colony_core::document::Replica| {
            replica.view().cursor_position(&place.path, &place.cursor)
        };
        assert_eq!(theirs.read(found).unwrap().unwrap(), 6);

        let cursor = document.read(|replica| replica.view().cursor(&text(), 8)).unwrap().unwrap();
        ada.presence().announce(at(cursor.clone())).await.unwrap();
        until(&bob.presence(), |ada| ada.is_some_and(|ada| ada.status == at(cursor.clone()))).await;
        ada.presence().leave().await.unwrap();
        until(&bob.presence(), |ada| !alive(ada)).await;
        // It leaves no trace in history.
        assert_eq!(bob.tail().await.unwrap().get(), 1 + document.status().entries_sent);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_cut_off_is_gone_within_its_expiry_and_back_when_it_is_heard() {
    within(LIMIT, "presence of one who is cut off", async {
        let one = One::start().await;
        let proxy = Proxy::before(&one.url()).await;
        let ada = Bus::connect(options("ada", &proxy.url())).await.unwrap();
        let bob = Bus::connect(options("bob", &one.url())).await.unwrap();
        ada.presence().announce(Status::default()).await.unwrap();
        until(&bob.presence(), alive).await;
        proxy.cut();
        let (presence, late) = (bob.presence(), EXPIRY + Duration::from_secs(30));
        let gone = until(&presence, |ada| !alive(ada));
        tokio::time::timeout(late, gone).await.unwrap();
        proxy.heal();
        until(&bob.presence(), alive).await;
    })
    .await;
}
