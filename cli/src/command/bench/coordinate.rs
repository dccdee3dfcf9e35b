//! Coordination: claims beside a Redis lock and a central conductor, what a decision takes, who notices silence, directory, feed, folds.

use std::time::Duration;

use colony_agents::protocol::Millis;
use colony_agents::protocol::task::Offered;
use colony_agents::ready::{Planned, Role, Shift, ShiftError, ShiftOptions, Work, Worker};
use colony_bus::Bus;
use colony_core::{AgentName, EventType, SpaceName};

use super::server::{Server, Servers};
use super::{BenchError, Effort, Row};
use crate::failure::Failure;

mod claims;
mod decision;
mod directory;
mod feed;
mod fold;
mod kills;
mod locked;
mod redis;

/// How long a holder may be silent where that is not what is measured.
const SILENT: Millis = Millis::from_secs(60);
/// Nothing measured here takes longer, unless it hangs.
const LIMIT: Duration = Duration::from_secs(120);

pub(super) async fn measure(servers: &Servers, effort: Effort) -> Result<Vec<Row>, Failure> {
    let mut rows = decision::measure(&servers.usual, effort).await?;
    rows.extend(claims::measure(&servers.usual, effort).await?);
    rows.extend(kills::measure(effort).await?);
    rows.extend(directory::measure(&servers.usual).await?);
    rows.extend(feed::measure(&servers.usual, effort).await?);
    rows.extend(fold::measure(effort)?);
    Ok(rows)
}

/// Joins agents of one process: over one connection, and in the same units.
async fn join(
    server: &Server,
    space: &SpaceName,
    names: impl IntoIterator<Item = String>,
) -> Result<Vec<Bus>, Failure> {
    let process = server.bus(space, "bench").await?;
    Ok(names.into_iter().map(|name| process.for_agent(agent(&name))).collect())
}

/// Starts workers of one process. Returns them, and who reads for them.
async fn crew(
    server: &Server,
    space: &SpaceName,
    workers: Vec<Box<dyn Role>>,
) -> Result<(Shift, Bus), Failure> {
    let buses = join(server, space, (0..workers.len()).map(|n| format!("agent-{n}"))).await?;
    let reader = server.bus(space, "reader").await?;
    let members = buses.into_iter().zip(workers).collect();
    let shift = Shift::start(reader.clone(), members, ShiftOptions::default()).await;
    Ok((shift.map_err(stopped)?, reader))
}

fn stopped(error: ShiftError) -> Failure {
    BenchError::Shift(error).into()
}

#[expect(clippy::unwrap_used, reason = "constants of the measurements, which are names")]
fn agent(name: &str) -> AgentName {
    name.parse().unwrap()
}

#[expect(clippy::unwrap_used, reason = "constants of the measurements, which are types")]
fn event_type(ty: &str) -> EventType {
    ty.parse().unwrap()
}

/// A worker that claims its next task while it finishes one.
fn worker(silent: Millis, takes: Millis) -> Worker {
    let work = Work::Simulated { duration_ms: takes };
    Worker { skills: Vec::new(), silent, work, capacity: 2 }
}

fn boxed(role: impl Role) -> Box<dyn Role> {
    Box::new(role)
}

#[expect(clippy::unwrap_used, reason = "constants of the measurements, which are names")]
fn plan(tasks: usize) -> Vec<Planned> {
    let offered = || Offered { done_when: "it is done".to_owned(), ..Offered::of("work") };
    let name = |n| format!("task-{n}").parse().unwrap();
    (0..tasks).map(|n| Planned { name: name(n), offered: offered() }).collect()
}
