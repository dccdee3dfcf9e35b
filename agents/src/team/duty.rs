//! What an agent of a team does, as its file says it.

use colony_core::EntityName;
use serde::{Deserialize, Serialize};

use super::Team;
use super::fault::Problem;
use crate::protocol::Millis;
use crate::ready::{
    Arbiter, Assigned, Bidder, Caller, Conductor, Judgement, Planned, Pricing, Review, Reviewer,
    Role, Scribe, Settler, Work, Worker,
};

/// How long a holder may be silent, where the file does not say.
const SILENT: Millis = Millis::from_secs(5);

/// What an agent of a team does. Each is one of the [ready-made agents](crate::ready).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Duty {
    /// A [`Worker`]; with a conductor in the team, an [`Assigned`] one.
    Worker {
        /// What it can do.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        skills: Vec<String>,
        /// How long it may be silent.
        #[serde(default = "silent")]
        silent_ms: Millis,
        /// Its work.
        work: Work,
        /// Whether it asks for the scope where an offer leaves it open: a [`Settler`].
        #[serde(default)]
        settles: bool,
    },
    /// A [`Bidder`].
    Bidder {
        /// What it can do.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        skills: Vec<String>,
        /// How long it may be silent.
        #[serde(default = "silent")]
        silent_ms: Millis,
        /// Its work.
        work: Work,
        /// What it asks for.
        pricing: PricingFields,
    },
    /// A [`Caller`].
    Caller {
        /// The budget.
        quota: EntityName,
        /// What a task costs of it.
        cost: u64,
        /// What it can do.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        skills: Vec<String>,
        /// How long it may be silent.
        #[serde(default = "silent")]
        silent_ms: Millis,
        /// Its work.
        work: Work,
    },
    /// A [`Reviewer`].
    Reviewer {
        /// What it asks of a delivery.
        #[serde(default)]
        asks: ReviewField,
    },
    /// A [`Conductor`] of the team's tasks.
    Conductor {
        /// How long a worker may be silent.
        #[serde(default = "silent")]
        silent_ms: Millis,
    },
    /// An [`Arbiter`] that goes by what verifiers said.
    Arbiter {},
    /// A [`Scribe`].
    Scribe {
        /// What its notes are about.
        board: EntityName,
        /// After how many deliveries it notes.
        every: u64,
    },
}

fn silent() -> Millis {
    SILENT
}

/// What a bidder asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PricingFields {
    /// Its price for a task.
    pub price: u64,
    /// What it asks more for each task that it has.
    #[serde(default)]
    pub for_each_held: u64,
    /// How long a task takes it.
    pub takes_ms: Millis,
}

/// What a reviewer asks of a delivery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReviewField {
    /// A result.
    #[default]
    Result,
    /// A result, and where it can be seen.
    Evidence,
}

impl Duty {
    /// Makes the role of one agent.
    pub fn role(&self, team: &Team) -> Box<dyn Role> {
        match self.clone() {
            Self::Worker { skills, silent_ms, work, settles } => {
                let worker = Worker { skills, silent: silent_ms, work, capacity: 1 };
                match (team.has_conductor(), settles) {
                    (true, _) => Box::new(Assigned { worker }),
                    (false, true) => Box::new(Settler { worker }),
                    (false, false) => Box::new(worker),
                }
            }
            Self::Bidder { skills, silent_ms, work, pricing } => {
                let PricingFields { price, for_each_held, takes_ms } = pricing;
                let pricing = Pricing { price, for_each_held, takes: takes_ms };
                Box::new(Bidder { skills, pricing, silent: silent_ms, work })
            }
            Self::Caller { quota, cost, skills, silent_ms, work } => {
                let worker = Worker { skills, silent: silent_ms, work, capacity: 1 };
                Box::new(Caller { quota, cost, worker })
            }
            Self::Reviewer { asks } => Box::new(Reviewer {
                review: match asks {
                    ReviewField::Result => Review::Result,
                    ReviewField::Evidence => Review::Evidence,
                },
            }),
            Self::Conductor { silent_ms } => {
                let plan = team.tasks.iter().map(|(name, offered)| Planned {
                    name: name.clone(),
                    offered: offered.clone(),
                });
                Box::new(Conductor::new(plan.collect(), silent_ms))
            }
            Self::Arbiter {} => Box::new(Arbiter { judgement: Judgement::Verifiers }),
            Self::Scribe { board, every } => Box::new(Scribe { board, every }),
        }
    }

    /// Returns what it can do.
    pub(super) fn skills(&self) -> &[String] {
        match self {
            Self::Worker { skills, .. }
            | Self::Bidder { skills, .. }
            | Self::Caller { skills, .. } => skills,
            Self::Reviewer { .. }
            | Self::Conductor { .. }
            | Self::Arbiter {}
            | Self::Scribe { .. } => &[],
        }
    }

    /// Returns whether it asks for evidence when it judges.
    pub(super) fn asks_for_evidence(&self) -> bool {
        matches!(self, Self::Reviewer { asks: ReviewField::Evidence })
    }

    /// Returns whether its work may say where it can be seen: what a command prints may, and who settled the scope does.
    pub(super) fn gives_evidence(&self) -> bool {
        match self {
            Self::Worker { settles: true, .. } => true,
            Self::Worker { work, .. } | Self::Bidder { work, .. } | Self::Caller { work, .. } => {
                matches!(work, Work::Command { .. })
            }
            Self::Reviewer { .. }
            | Self::Conductor { .. }
            | Self::Arbiter {}
            | Self::Scribe { .. } => false,
        }
    }

    /// Lists what cannot work in it.
    pub(super) fn problems(&self, instances: u32, team: &Team) -> Vec<Problem> {
        let mut problems = Vec::new();
        match self {
            Self::Worker { silent_ms, work, .. }
            | Self::Bidder { silent_ms, work, .. }
            | Self::Caller { silent_ms, work, .. } => match work {
                _ if silent_ms.is_zero() => problems.push(Problem::NoTime),
                Work::Command { run } if run.is_empty() => problems.push(Problem::Command),
                Work::Simulated { duration_ms } if instances > 1 && duration_ms >= silent_ms => {
                    let (takes_ms, silent_ms) = (duration_ms.get(), silent_ms.get());
                    problems.push(Problem::Silent { takes_ms, silent_ms });
                }
                Work::Command { .. } | Work::Simulated { .. } => {}
            },
            Self::Conductor { silent_ms } if silent_ms.is_zero() => problems.push(Problem::NoTime),
            Self::Conductor { .. } if instances > 1 => problems.push(Problem::OneInstance),
            Self::Reviewer { .. }
            | Self::Conductor { .. }
            | Self::Arbiter {}
            | Self::Scribe { .. } => {}
        }
        if let Self::Caller { quota, .. } = self
            && !team.quotas.contains_key(quota)
        {
            problems.push(Problem::Quota { quota: quota.clone() });
        }
        problems
    }
}
