//! What an instance counts, and what that is called. All names are here.
//!
//! | name | unit | what |
//! | --- | --- | --- |
//! | `colony_agent_handled_total` | runs | handlers that came to an end, whatever end |
//! | `colony_agent_reactions_total` | reactions | handlers that reacted |
//! | `colony_agent_retries_total` | runs | handlers that failed and are run again |
//! | `colony_agent_parked_total` | events | events set aside because they could not be handled |
//! | `colony_agent_outputs_total` | entries | outputs stored by this instance |
//! | `colony_agent_units_total` | appends | units stored by this instance |
//! | `colony_agent_conflicts_total` | appends | units refused because another instance was faster |
//! | `colony_agent_handler_seconds` | seconds | how long handlers took, the log's part included; a histogram |
//! | `colony_agent_waiting` | events | delivered and not yet handled, now |
//! | `colony_agent_parked` | events | set aside, now, by whichever instance |
//! | `colony_agent_behind` | positions | from what is dealt with to what was delivered, now |

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::status::LaneStatus;

/// Upper bounds of the histogram's buckets, in microseconds.
const BUCKETS_MICROS: [u64; 9] =
    [100, 1_000, 10_000, 100_000, 500_000, 1_000_000, 5_000_000, 10_000_000, 30_000_000];

/// Counts for all lanes of an instance.
#[derive(Debug, Default)]
pub(super) struct Counters {
    handled: AtomicU64,
    reactions: AtomicU64,
    retries: AtomicU64,
    parked: AtomicU64,
    outputs: AtomicU64,
    units: AtomicU64,
    conflicts: AtomicU64,
    handler_micros: AtomicU64,
    /// By bucket, those that fit into none of the smaller ones.
    buckets: [AtomicU64; BUCKETS_MICROS.len()],
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Counters {
    pub(super) fn handled(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        add(&self.handled, 1);
        add(&self.handler_micros, micros);
        let mut buckets = BUCKETS_MICROS.iter().zip(&self.buckets);
        if let Some((_, bucket)) = buckets.find(|(bound, _)| micros <= **bound) {
            add(bucket, 1);
        }
    }

    pub(super) fn reacted(&self) {
        add(&self.reactions, 1);
    }

    pub(super) fn retried(&self) {
        add(&self.retries, 1);
    }

    pub(super) fn parked(&self) {
        add(&self.parked, 1);
    }

    pub(super) fn stored(&self, outputs: usize) {
        add(&self.units, 1);
        add(&self.outputs, outputs as u64);
    }

    pub(super) fn conflict(&self) {
        add(&self.conflicts, 1);
    }

    pub(super) fn snapshot(&self, lanes: &[LaneStatus]) -> Metrics {
        let behind = |lane: &LaneStatus| lane.delivered.get().saturating_sub(lane.through.get());
        let mut below = 0;
        let handler_buckets = BUCKETS_MICROS.iter().zip(&self.buckets).map(|(bound, bucket)| {
            below += read(bucket);
            (Duration::from_micros(*bound), below)
        });
        Metrics {
            handled: read(&self.handled),
            reactions: read(&self.reactions),
            retries: read(&self.retries),
            parked: read(&self.parked),
            outputs: read(&self.outputs),
            units: read(&self.units),
            conflicts: read(&self.conflicts),
            handler_time: Duration::from_micros(read(&self.handler_micros)),
            handler_buckets: handler_buckets.collect(),
            waiting: lanes.iter().map(|lane| lane.waiting as u64).sum(),
            parked_now: lanes.iter().map(|lane| lane.parked as u64).sum(),
            behind: lanes.iter().map(behind).max().unwrap_or(0),
        }
    }
}

/// What an instance has counted since it started, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Handlers that came to an end, whatever end.
    pub handled: u64,
    /// Handlers that reacted.
    pub reactions: u64,
    /// Handlers that failed and are run again.
    pub retries: u64,
    /// Events set aside because they could not be handled.
    pub parked: u64,
    /// Outputs stored by this instance.
    pub outputs: u64,
    /// Units stored by this instance.
    pub units: u64,
    /// Units refused because another instance was faster.
    pub conflicts: u64,
    /// How long handlers took in all, with what they waited for the log.
    pub handler_time: Duration,
    /// How many handlers took at most so long, for some times.
    pub handler_buckets: Vec<(Duration, u64)>,
    /// Events delivered and not yet handled.
    pub waiting: u64,
    /// Events set aside, by whichever instance.
    pub parked_now: u64,
    /// Positions from what is dealt with to what was delivered, in the lane that is farthest behind.
    pub behind: u64,
}

impl Metrics {
    /// Returns the text that Prometheus reads, each line with labels for the agent and the instance.
    pub fn to_prometheus(&self, agent: &str, instance: &str) -> String {
        let mut text = String::new();
        let escape = |label: &str| label.replace('\\', "\\\\").replace('"', "\\\"");
        let labels = format!("agent=\"{}\",instance=\"{}\"", escape(agent), escape(instance));
        let mut line = |name: &str, kind: &str, value: u64| {
            text.push_str(&format!("# TYPE {name} {kind}\n{name}{{{labels}}} {value}\n"));
        };
        line("colony_agent_handled_total", "counter", self.handled);
        line("colony_agent_reactions_total", "counter", self.reactions);
        line("colony_agent_retries_total", "counter", self.retries);
        line("colony_agent_parked_total", "counter", self.parked);
        line("colony_agent_outputs_total", "counter", self.outputs);
        line("colony_agent_units_total", "counter", self.units);
        line("colony_agent_conflicts_total", "counter", self.conflicts);
        line("colony_agent_waiting", "gauge", self.waiting);
        line("colony_agent_parked", "gauge", self.parked_now);
        line("colony_agent_behind", "gauge", self.behind);
        let name = "colony_agent_handler_seconds";
        text.push_str(&format!("# TYPE {name} histogram\n"));
        for (bound, count) in &self.handler_buckets {
            let bound = bound.as_secs_f64();
            text.push_str(&format!("{name}_bucket{{{labels},le=\"{bound}\"}} {count}\n"));
        }
        let (count, sum) = (self.handled, self.handler_time.as_secs_f64());
        text.push_str(&format!("{name}_bucket{{{labels},le=\"+Inf\"}} {count}\n"));
        text.push_str(&format!("{name}_sum{{{labels}}} {sum}\n{name}_count{{{labels}}} {count}\n"));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_told_in_the_form_that_prometheus_reads() {
        let counters = Counters::default();
        counters.handled(Duration::from_micros(50));
        counters.handled(Duration::from_millis(5));
        counters.handled(Duration::from_secs(60));
        counters.reacted();
        counters.stored(3);
        let text = counters.snapshot(&[]).to_prometheus("a\"b", "i1");
        let labels = "agent=\"a\\\"b\",instance=\"i1\"";
        for line in [
            format!("colony_agent_handled_total{{{labels}}} 3"),
            format!("colony_agent_outputs_total{{{labels}}} 3"),
            format!("colony_agent_handler_seconds_bucket{{{labels},le=\"0.0001\"}} 1"),
            format!("colony_agent_handler_seconds_bucket{{{labels},le=\"0.01\"}} 2"),
            format!("colony_agent_handler_seconds_bucket{{{labels},le=\"30\"}} 2"),
            format!("colony_agent_handler_seconds_bucket{{{labels},le=\"+Inf\"}} 3"),
            format!("colony_agent_handler_seconds_sum{{{labels}}} 60.00505"),
        ] {
            assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
        }
    }
}
