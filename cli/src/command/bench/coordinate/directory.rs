//! A directory of 1,000 agents that rest: what one host of it costs, and how soon who comes late sees everybody.

use std::time::{Duration, Instant};

use bytes::Bytes;
use colony_agents::protocol::directory::{Card, Command, Directory};
use colony_agents::protocol::{Coordination, CoordinationState};
use colony_bus::log::LiveMessage;
use colony_bus::presence::{HEARTBEAT, Status};
use colony_bus::{Bus, Checkpoints, Draft};
use colony_core::subject::live_subject;
use serde_json::json;

use super::super::server::{Server, space};
use super::super::visible::cpu_s;
use super::super::{Row, raw};
use super::join;
use crate::failure::Failure;

const AGENTS: usize = 1_000;
/// How long the host is watched.
const WATCHED: Duration = Duration::from_secs(10);

pub(super) async fn measure(server: &Server) -> Result<Vec<Row>, Failure> {
    let space = space("directory", 0);
    let buses = join(server, &space, (0..AGENTS).map(|n| format!("agent-{n}"))).await?;
    announce(&buses).await?;
    let host = server.bus(&space, "host").await?;
    host.presence().announce(Status { state: "idle".to_owned(), ..Status::default() }).await?;
    let beats = server.bus(&space, "beats").await?;
    beat(&beats, &buses).await?;
    let cpu = cpu_s();
    let begin = Instant::now();
    // The heartbeats of all the others are sent from here, too: this is an upper bound.
    let mut next = tokio::time::interval(HEARTBEAT / u32::try_from(AGENTS / 20).unwrap_or(1));
    for group in buses.chunks(20).cycle() {
        next.tick().await;
        beat(&beats, group).await?;
        if begin.elapsed() >= WATCHED {
            break;
        }
    }
    let share = (cpu_s() - cpu) / begin.elapsed().as_secs_f64() * 100.0;
    let roster = host.presence().roster().await;
    let alive = roster.members.iter().filter(|member| member.alive).count();
    let late = late_joiner(server, &space).await?;
    let row = |name, ours, unit| Row::new(name, unit, ours, None, host.description());
    Ok(vec![
        row("directory_1000_at_rest", share, "% of a core, heartbeats of all included"),
        row("directory_1000_alive", alive as f64, "instances seen"),
        row("directory_1000_late_joiner", late, "ms"),
    ])
}

async fn announce(buses: &[Bus]) -> Result<(), Failure> {
    let state = CoordinationState::default();
    let mut tickets = Vec::new();
    for bus in buses {
        let card = Card { skills: vec!["any".to_owned()], capacity: Some(1), ..Card::default() };
        let announce = Command::Announce(Box::new(card));
        for draft in state.decide::<Directory>(announce, bus.agent(), None).map_err(raw)? {
            let draft = Draft::new(draft.ty).about(draft.entity).data(draft.data);
            tickets.push(bus.publish(draft).await?);
        }
    }
    for ticket in tickets {
        ticket.await?;
    }
    Ok(())
}

/// Says that agents are here, as each would itself.
async fn beat(through: &Bus, agents: &[Bus]) -> Result<(), Failure> {
    for bus in agents {
        let (agent, instance) = (bus.agent(), bus.instance());
        let subject = live_subject(through.space(), agent, instance.as_str(), "presence");
        let says =
            json!({"agent": agent, "instance": instance, "says": {"here": {"state": "idle"}}});
        let payload = Bytes::from(says.to_string());
        through.live().send(LiveMessage { subject, payload }).await?;
    }
    Ok(())
}

/// Milliseconds from connecting to knowing every agent of the directory.
async fn late_joiner(server: &Server, space: &colony_core::SpaceName) -> Result<f64, Failure> {
    let begin = Instant::now();
    let late = server.bus(space, "late").await?;
    let tail = late.tail().await?;
    let fold = late.fold(Coordination, tail, &Checkpoints::none(), |_| ()).await?;
    let known = fold.state().directory.iter().len();
    let took = begin.elapsed().as_secs_f64() * 1e3;
    if known < AGENTS {
        return Err(raw(format!("the late joiner knows {known} of {AGENTS} agents")));
    }
    Ok(took)
}
