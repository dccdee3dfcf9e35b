//! One agent of a situation: it appends, looks, and decides as any program would.

use colony_agents::protocol::{CoordinationState, Draft, Protocol, Rejection, Slot};
use colony_bus::{Bus, Cut, Delivery, EntryError, Query};
use colony_core::{Data, Entry, EventId, Filter, Position};
use colony_tests::harness::Proxy;
use futures_util::StreamExt as _;
use serde_json::Value;

use crate::network::Network;
use crate::stage::Stage;
use crate::view::View;

/// An agent of a situation, and its way to the log.
#[derive(Debug)]
pub(crate) struct Player {
    pub(crate) bus: Bus,
    pub(crate) wire: Wire,
    pub(crate) stage: Stage,
}

/// An agent's way to the log.
#[derive(Debug)]
pub(crate) enum Wire {
    /// In simulation.
    Network(Network),
    /// To a server, through something that can be cut.
    Proxy(Proxy),
    /// To a server.
    Direct,
}

impl Wire {
    /// Lets nothing through, and tells nobody.
    pub(crate) fn stall(&self) {
        match self {
            Self::Network(network) => network.stall(),
            Self::Proxy(proxy) => proxy.stall(),
            Self::Direct => panic!("nothing is between this agent and the server"),
        }
    }

    /// Lets everything through again.
    pub(crate) fn heal(&self) {
        match self {
            Self::Network(network) => network.heal(),
            Self::Proxy(proxy) => proxy.heal(),
            Self::Direct => panic!("nothing is between this agent and the server"),
        }
    }
}

/// Makes what is published of what was decided.
pub(crate) fn draft(decided: Draft) -> colony_bus::Draft {
    let Draft { ty, entity, recipient, data } = decided;
    let draft = colony_bus::Draft::new(ty).about(entity).data(data);
    match recipient {
        Some(recipient) => draft.to(recipient),
        None => draft,
    }
}

impl Player {
    /// Appends an event about an entity, whatever anybody makes of it. Returns where it stands.
    pub(crate) async fn say(&self, ty: &str, about: &str, data: Value) -> Position {
        let draft = colony_bus::Draft::new(ty.parse().unwrap())
            .about(about.parse().unwrap())
            .data(Data::json(&data).unwrap());
        let published = self.bus.publish(draft).await.unwrap();
        let id = published.id.clone();
        published.await.unwrap();
        self.read_back(&id).await
    }

    /// Returns where readers find an event of this agent.
    ///
    /// Not where its receipt says: an append that was given up as lost may arrive after all, before the one that was acknowledged.
    async fn read_back(&self, id: &EventId) -> Position {
        let view = self.look().await;
        let own = |entry: &&Entry| entry.event().id == *id && entry.kind().is_some();
        view.entries.iter().find(own).expect("what is durable is there").position
    }

    /// Reads the whole log.
    pub(crate) async fn look(&self) -> View {
        'again: loop {
            let query = Query { filter: Filter::all(), ..Query::default() };
            let mut read = self.bus.read(query).await.unwrap();
            let mut entries = Vec::new();
            while let Some(entry) = read.next().await {
                match entry {
                    Ok(entry) => entries.push(entry),
                    // What nobody can read is nobody's: readers leave it out.
                    Err(EntryError::Unreadable { .. }) => {}
                    // Half a log is no view of it.
                    Err(error) => {
                        println!("read again: {error}");
                        continue 'again;
                    }
                }
            }
            return View::of(entries);
        }
    }

    /// Decides by what it sees now, and appends what comes of it. Returns where the last event stands.
    pub(crate) async fn tries<P>(&self, command: P::Command) -> Result<Position, Rejection>
    where
        P: Protocol,
        CoordinationState: Slot<P>,
        Rejection: From<P::Rejection>,
    {
        let view = self.look().await;
        self.acts::<P>(&view, command).await
    }

    /// Decides by a view, however old, and appends what comes of it.
    pub(crate) async fn acts<P>(
        &self,
        view: &View,
        command: P::Command,
    ) -> Result<Position, Rejection>
    where
        P: Protocol,
        CoordinationState: Slot<P>,
        Rejection: From<P::Rejection>,
    {
        let now = Some(self.stage.now());
        let drafts = view.space.decide::<P>(command, self.bus.agent(), now)?;
        let last = self.bus.new_id();
        let mut drafts: Vec<_> = drafts.into_iter().map(draft).collect();
        let said = drafts.pop().expect("a decision says something").id(last.clone());
        drafts.push(said);
        self.bus.publish_all(drafts).await.unwrap();
        Ok(self.read_back(&last).await)
    }

    /// Follows the log until what everybody agrees on is as asked.
    pub(crate) async fn until(&self, holds: impl Fn(&View) -> bool) -> View {
        let start = Cut::Position(Position::ZERO);
        let mut log = self.bus.subscribe(Filter::all(), start).await.unwrap();
        let mut view = View::of(Vec::new());
        while let Some(delivery) = log.next().await {
            if let Ok(Delivery::Entry(entry)) = delivery {
                view.take(*entry);
                if holds(&view) {
                    return view;
                }
            }
        }
        panic!("the log does not end");
    }
}
