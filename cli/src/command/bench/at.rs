//! Everything as it stood at a cut: `colony at` as a process of its own, and with the raw client alone reading the log up
//! to there.

use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use colony_bus::Draft;
use colony_core::SpaceName;
use tokio::process::Command;

use super::append::draft;
use super::server::{Server, Servers, space};
use super::{BenchError, Effort, Row, median, read};
use crate::failure::Failure;

/// Events in the log: each about an entity of its own, so that the state grows with the log.
const EVENTS: usize = 1_000_000;
/// Cuts of each round.
const CUTS: u64 = 3;

pub(super) async fn measure(servers: &Servers, effort: Effort) -> Result<Vec<Row>, Failure> {
    let server = &servers.usual;
    let space = space("at", 0);
    let bus = server.bus(&space, "bench").await?;
    let events = effort.of(EVENTS);
    read::fill(&bus, events, about_an_entity_of_its_own).await?;
    let tail = bus.tail().await?.get();
    let cache = tempfile::tempdir().map_err(Failure::file(std::env::temp_dir(), "written"))?;
    let first = at(server, &space, tail, cache.path()).await?;
    let whole = in_ms(read::bare(server, &space, tail).await?);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let random = RandomState::new();
    for number in 0..effort.rounds as u64 * CUTS {
        let cut = 1 + random.hash_one(number) % tail;
        ours.push(at(server, &space, cut, cache.path()).await?);
        theirs.push(in_ms(read::bare(server, &space, cut).await?));
    }
    let (ours, theirs) = (median(&mut ours), Some(median(&mut theirs)));
    let about = bus.description();
    Ok(vec![
        Row::new("at_first_time", "ms", first, Some(whole), about),
        Row::new("at_random_cut", "ms", ours, theirs, about),
    ])
}

fn about_an_entity_of_its_own(number: usize) -> Draft {
    #[expect(clippy::unwrap_used, reason = "a number is a name")]
    let entity = format!("entity {number}").parse().unwrap();
    draft().about(entity)
}

fn in_ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Runs `colony at` from start to end and returns how long it took, in milliseconds.
async fn at(server: &Server, space: &SpaceName, cut: u64, cache: &Path) -> Result<f64, Failure> {
    let process = |error: std::io::Error| BenchError::Process(error.to_string());
    let program = std::env::current_exe().map_err(process)?;
    let mut command = Command::new(program);
    command.args(["at", &cut.to_string(), "--space", space.as_str(), "--server", &server.url()]);
    command.env("COLONY_CACHE_DIR", cache).stdin(Stdio::null()).stdout(Stdio::null());
    let start = Instant::now();
    let status = command.kill_on_drop(true).status().await.map_err(process)?;
    let elapsed = start.elapsed();
    if !status.success() {
        return Err(BenchError::Process(format!("colony at ended with {status}")).into());
    }
    Ok(in_ms(elapsed))
}
