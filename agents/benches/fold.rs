//! How many events a second the protocols fold, on one core, by workload.

use std::time::Instant;

use colony_agents::protocol::Coordination;
use colony_agents::protocol::workload::Workload;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("{:12} {:>10} {:>14}", "workload", "events", "events/s");
    for workload in Workload::ALL {
        let entries = workload.entries(300_000)?;
        let rates = (0..3).map(|_| {
            let start = Instant::now();
            let state = Coordination::fold(&entries);
            let took = start.elapsed().as_secs_f64();
            assert!(state.position() > colony_core::Position::ZERO);
            entries.len() as f64 / took
        });
        let best = rates.fold(0.0, f64::max);
        println!("{:12} {:>10} {:>14.0}", format!("{workload:?}"), entries.len(), best);
    }
    Ok(())
}
