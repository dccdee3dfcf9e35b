//! How fast each protocol is folded, on one core, once the process has the memory for it.

use std::time::Instant;

use colony_agents::protocol::Coordination;
use colony_agents::protocol::workload::Workload;

use super::super::{Effort, Row, median, raw};
use crate::failure::Failure;

const WORKLOADS: [(&str, Workload); 11] = [
    ("fold_tasks", Workload::Tasks),
    ("fold_bids", Workload::Bids),
    ("fold_directory", Workload::Directory),
    ("fold_quota", Workload::Quota),
    ("fold_schedule", Workload::Schedule),
    ("fold_handoffs", Workload::Handoffs),
    ("fold_votes", Workload::Votes),
    ("fold_actions", Workload::Actions),
    ("fold_stakes", Workload::Stakes),
    ("fold_reputation", Workload::Reputation),
    ("fold_gate", Workload::Gate),
];

pub(super) fn measure(effort: Effort) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for (name, workload) in WORKLOADS {
        let entries = workload.entries(effort.of(200_000)).map_err(raw)?;
        drop(Coordination::fold(&entries));
        let rates = (0..effort.rounds).map(|_| {
            let begin = Instant::now();
            let state = Coordination::fold(&entries);
            let rate = entries.len() as f64 / begin.elapsed().as_secs_f64();
            drop(state);
            rate
        });
        rows.push(Row::local(name, "events/s", median(&mut rates.collect::<Vec<_>>()), None));
    }
    Ok(rows)
}
