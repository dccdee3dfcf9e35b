//! P14, which way of working together fits: read from what was measured.
//!
//! The advice rests on thresholds that are parameters; where the ways were tried, it says whether the measurement bears
//! it out. See `docs/protocols/advice.md`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::tax::{Report, WaitKind};
use super::time::Millis;

/// The ways in which agents can work together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// One agent does all of it.
    Alone,
    /// One agent plans, assigns, collects and tries again.
    Conductor,
    /// Agents negotiate by mail.
    Peer,
    /// Everybody reacts to events.
    Event,
    /// Work is announced to all and claimed; its scope is settled by mail.
    Hybrid,
}

/// What was measured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// How many agents took part.
    pub agents: u64,
    /// How many tasks were done.
    pub tasks: u64,
    /// How long a task takes, on average.
    pub task_time: Millis,
    /// How long it takes until a task that can be taken is, on average.
    pub coordination_latency: Millis,
    /// How many tasks were done in a minute.
    pub tasks_per_minute: u64,
    /// How many of a thousand tasks needed a question, a handoff or a second attempt: work whose scope was not clear.
    pub unclear_per_mille: u64,
    /// Whether agents may die, the one that conducts included.
    pub deaths: bool,
    /// Ways that were tried on the same tasks: how long each took.
    pub tried: BTreeMap<Mode, Millis>,
}

impl Measured {
    /// Reads a report of the coordination tax.
    pub fn from_report(report: &Report) -> Self {
        let tasks = report.tasks_done;
        let span =
            report.first.zip(report.last).map_or(Millis::new(0), |(a, b)| Millis::between(a, b));
        let waits = || report.waits.iter();
        let of = |kind| waits().filter(move |wait| wait.kind == kind);
        let (times, millis) = of(WaitKind::Worker)
            .fold((0, 0), |(times, sum), wait| (times + wait.times, sum + wait.millis.get()));
        let questions: u64 = [WaitKind::Answer, WaitKind::Acceptance, WaitKind::Person]
            .into_iter()
            .flat_map(of)
            .map(|wait| wait.times)
            .sum();
        let unclear = questions + report.rework.rejected;
        Self {
            agents: report.channels.agents,
            tasks,
            task_time: Millis::new(report.task_time.get() / tasks.max(1)),
            coordination_latency: Millis::new(millis / times.max(1)),
            tasks_per_minute: tasks.saturating_mul(60_000) / span.get().max(1),
            unclear_per_mille: unclear.saturating_mul(1_000) / tasks.max(1),
            deaths: report.rework.lapsed > 0,
            tried: BTreeMap::new(),
        }
    }
}

/// What the advice rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thresholds {
    /// Below this many times the coordination latency, a task is too short to be worth passing on.
    pub task_to_latency: u64,
    /// Below this many tasks a minute, one conductor suffices.
    pub conductor_tasks_per_minute: u64,
    /// Up to this many agents, talking to each other is cheap.
    pub peers: u64,
    /// From this many unclear tasks of a thousand on, scopes need to be settled first.
    pub unclear_per_mille: u64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            task_to_latency: 10,
            conductor_tasks_per_minute: 100,
            peers: 5,
            unclear_per_mille: 100,
        }
    }
}

/// Which way fits, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    /// The way.
    pub mode: Mode,
    /// Why, in the order in which it was found.
    pub reasons: Vec<Reason>,
    /// Whether what was tried bears it out.
    pub verdict: Verdict,
}

/// Something that was compared with a threshold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// A task is so short beside the coordination latency that passing it on costs more than it saves.
    TooShort {
        /// The time of a task for each time of coordination.
        ratio: u64,
        /// The threshold.
        threshold: u64,
    },
    /// There are so few tasks that one agent can hand them all out.
    Few {
        /// Tasks a minute.
        tasks_per_minute: u64,
        /// The threshold.
        threshold: u64,
    },
    /// There are more tasks than one agent should hand out.
    Many {
        /// Tasks a minute.
        tasks_per_minute: u64,
        /// The threshold.
        threshold: u64,
    },
    /// Agents die, and one that all depend on would take their work with it.
    Deaths,
    /// Scopes are not clear.
    Unclear {
        /// Unclear tasks of a thousand.
        per_mille: u64,
        /// The threshold.
        threshold: u64,
    },
    /// So few agents can just talk.
    FewAgents {
        /// How many.
        agents: u64,
        /// The threshold.
        threshold: u64,
    },
}

/// Whether what was tried bears the advice out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The way that is advised was not tried, or no other was.
    NotTried,
    /// No way that was tried was faster by more than a tenth.
    BorneOut,
    /// Another way was faster.
    Contradicted {
        /// The fastest.
        fastest: Mode,
        /// How much longer the advised way took, of a thousand.
        slower_per_mille: u64,
    },
}

/// Says which way fits what was measured.
pub fn advise(measured: &Measured, thresholds: &Thresholds) -> Advice {
    let mut reasons = Vec::new();
    let mode = mode(measured, thresholds, &mut reasons);
    Advice { mode, reasons, verdict: verdict(mode, &measured.tried) }
}

fn mode(measured: &Measured, thresholds: &Thresholds, reasons: &mut Vec<Reason>) -> Mode {
    let latency = measured.coordination_latency.get();
    let ratio = measured.task_time.get() / latency.max(1);
    if latency > 0 && ratio < thresholds.task_to_latency {
        reasons.push(Reason::TooShort { ratio, threshold: thresholds.task_to_latency });
        return Mode::Alone;
    }
    let (per_mille, threshold) = (measured.unclear_per_mille, thresholds.unclear_per_mille);
    let unclear = per_mille >= threshold;
    if unclear {
        reasons.push(Reason::Unclear { per_mille, threshold });
        if measured.agents <= thresholds.peers {
            let (agents, threshold) = (measured.agents, thresholds.peers);
            reasons.push(Reason::FewAgents { agents, threshold });
            return Mode::Peer;
        }
    }
    let tasks_per_minute = measured.tasks_per_minute;
    let threshold = thresholds.conductor_tasks_per_minute;
    let few = tasks_per_minute < threshold;
    reasons.push(match few {
        true => Reason::Few { tasks_per_minute, threshold },
        false => Reason::Many { tasks_per_minute, threshold },
    });
    if measured.deaths {
        reasons.push(Reason::Deaths);
    }
    match (few && !measured.deaths, unclear) {
        (true, _) => Mode::Conductor,
        (false, true) => Mode::Hybrid,
        (false, false) => Mode::Event,
    }
}

fn verdict(mode: Mode, tried: &BTreeMap<Mode, Millis>) -> Verdict {
    let Some(advised) = tried.get(&mode).filter(|_| tried.len() > 1) else {
        return Verdict::NotTried;
    };
    let fastest = tried.iter().min_by_key(|(_, took)| **took);
    let Some((fastest, took)) = fastest else { return Verdict::NotTried };
    let more = advised.get().saturating_sub(took.get());
    let slower_per_mille = more.saturating_mul(1_000) / took.get().max(1);
    if slower_per_mille <= 100 {
        Verdict::BorneOut
    } else {
        Verdict::Contradicted { fastest: *fastest, slower_per_mille }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::tax::{Clock, Meter};
    use crate::protocol::testing::{given, t};

    fn measured() -> Measured {
        Measured {
            agents: 20,
            tasks: 1_000,
            task_time: Millis::from_secs(10),
            coordination_latency: Millis::new(5),
            tasks_per_minute: 60,
            ..Measured::default()
        }
    }

    fn mode(measured: &Measured) -> Mode {
        advise(measured, &Thresholds::default()).mode
    }

    #[test]
    fn tasks_shorter_than_ten_times_the_latency_are_best_done_alone() {
        let short = Measured { task_time: Millis::new(49), ..measured() };
        let advice = advise(&short, &Thresholds::default());
        assert_eq!(advice.mode, Mode::Alone);
        assert_eq!(advice.reasons, [Reason::TooShort { ratio: 9, threshold: 10 }]);
        let patient = Thresholds { task_to_latency: 9, ..Thresholds::default() };
        assert_ne!(advise(&short, &patient).mode, Mode::Alone, "thresholds are parameters");
    }

    #[test]
    fn one_conductor_suffices_for_few_tasks_unless_it_may_die() {
        assert_eq!(mode(&measured()), Mode::Conductor);
        assert_eq!(mode(&Measured { deaths: true, ..measured() }), Mode::Event);
        assert_eq!(mode(&Measured { tasks_per_minute: 100, ..measured() }), Mode::Event);
    }

    #[test]
    fn unclear_work_is_talked_over_by_few_and_announced_and_settled_by_many() {
        let unclear = Measured { unclear_per_mille: 300, tasks_per_minute: 900, ..measured() };
        assert_eq!(mode(&unclear), Mode::Hybrid);
        assert_eq!(mode(&Measured { agents: 4, ..unclear }), Mode::Peer);
    }

    #[test]
    fn the_advice_says_whether_what_was_tried_bears_it_out() {
        let verdict = |tried: &[(Mode, u64)]| {
            let tried = tried.iter().map(|(mode, secs)| (*mode, Millis::from_secs(*secs)));
            let measured = Measured { tried: tried.collect(), ..measured() };
            advise(&measured, &Thresholds::default()).verdict
        };
        assert_eq!(verdict(&[]), Verdict::NotTried);
        assert_eq!(verdict(&[(Mode::Conductor, 10), (Mode::Event, 12)]), Verdict::BorneOut);
        let (fastest, slower_per_mille) = (Mode::Event, 500);
        assert_eq!(
            verdict(&[(Mode::Conductor, 12), (Mode::Event, 8)]),
            Verdict::Contradicted { fastest, slower_per_mille }
        );
    }

    #[test]
    fn a_measured_log_is_read_as_it_is() {
        let told = given()
            .says("ann", "task.offered", "x", json!({"what": "x"}))
            .at(2)
            .says("bob", "task.claimed", "x", json!({"until": t(100)}))
            .at(60)
            .says("bob", "task.done", "x", json!({"fence": 2}));
        let read = Measured::from_report(&Meter::measure(Clock::Recorded, &told.entries));
        assert_eq!((read.agents, read.tasks, read.tasks_per_minute), (2, 1, 1));
        assert_eq!(read.coordination_latency, Millis::from_secs(2));
        assert_eq!(read.task_time, Millis::from_secs(58));
    }
}
