//! A team in one file: which agents there are, how many of each, what they can do, and what there is to do.
//!
//! The file is JSON; `docs/team.md` shows one. [`Team::read`] says where it cannot be read, and [`Team::validate`] lists
//! everything in it that cannot work.

use std::collections::{BTreeMap, BTreeSet};

use colony_core::name::NameError;
use colony_core::{AgentName, EntityName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::protocol::CoordinationState;
use crate::protocol::quota::{self, Defined, Quotas};
use crate::protocol::task::{self, Mode, Offered, Tasks};

mod duty;
mod fault;

pub use duty::{Duty, PricingFields, ReviewField};
pub use fault::{Fault, Problem};

/// Most agents of a team in one process; each instance counts.
pub const MAX_AGENTS: u32 = 10_000;
/// The agent that offers a team's tasks and defines its quotas.
pub const CLIENT: &str = "client";

/// A team.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Team {
    /// Its agents.
    pub agents: Vec<Kind>,
    /// Shared budgets, by name, defined when the team starts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quotas: BTreeMap<EntityName, Defined>,
    /// What there is to do, by name, offered when the team starts: by the agent `client`, or handed out by the conductor if there is one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tasks: BTreeMap<EntityName, Offered>,
}

/// Agents of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kind {
    /// The agent's name; of several agents of one kind, what their names begin with: `painter-1`, `painter-2`.
    pub name: AgentName,
    /// How many agents of this kind. Default: 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: u32,
    /// How many instances each of them has in this process. Those of several react once all the same, and record their work. Default: 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub instances: u32,
    /// What they do.
    #[serde(rename = "does")]
    pub duty: Duty,
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_one(count: &u32) -> bool {
    *count == 1
}

impl Kind {
    /// Returns the names of its agents.
    ///
    /// # Errors
    /// [`NameError`] where a name becomes too long with its number.
    pub fn names(&self) -> Result<Vec<AgentName>, NameError> {
        match self.count {
            1 => Ok(vec![self.name.clone()]),
            count => (1..=count).map(|n| format!("{}-{n}", self.name).parse()).collect(),
        }
    }
}

impl Team {
    /// Reads a team.
    ///
    /// # Errors
    /// Where the text stops being a team: line, column, and what was expected.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Returns whether a conductor hands out the tasks.
    pub fn has_conductor(&self) -> bool {
        self.agents.iter().any(|kind| matches!(kind.duty, Duty::Conductor { .. }))
    }

    /// Lists everything that cannot work, in the order of the file.
    pub fn validate(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |place: String, problem| faults.push(Fault { place, problem });
        let mut names = BTreeSet::new();
        let mut total = 0_u32;
        if self.agents.is_empty() {
            fault("agents".to_owned(), Problem::None);
        }
        for (index, kind) in self.agents.iter().enumerate() {
            let place = |field: &str| format!("agents[{index}].{field}");
            total = total.saturating_add(kind.count.saturating_mul(kind.instances.max(1)));
            match kind.count {
                0 => fault(place("count"), Problem::None),
                count if count > MAX_AGENTS => fault(place("count"), Problem::TooMany { count }),
                _ => match kind.names() {
                    Ok(all) => {
                        for name in all {
                            if name.as_str() == CLIENT {
                                fault(place("name"), Problem::Client);
                            } else if !names.insert(name.clone()) {
                                fault(place("name"), Problem::Twice { name });
                            }
                        }
                    }
                    Err(source) => fault(place("name"), Problem::Name { source }),
                },
            }
            if kind.instances == 0 {
                fault(place("instances"), Problem::None);
            }
            for problem in kind.duty.problems(kind.instances, self) {
                fault(place("does"), problem);
            }
        }
        if total > MAX_AGENTS {
            fault("agents".to_owned(), Problem::TooMany { count: total });
        }
        let conductors = self.agents.iter().filter(|k| matches!(k.duty, Duty::Conductor { .. }));
        let conductors: u32 = conductors.map(|kind| kind.count).sum();
        if conductors > 1 {
            fault("agents".to_owned(), Problem::Conductors { count: conductors });
        }
        let skills: BTreeSet<&String> =
            self.agents.iter().flat_map(|kind| kind.duty.skills()).collect();
        for (name, offered) in &self.tasks {
            let place = |field: &str| format!("tasks.{name}.{field}");
            for skill in offered.skills.iter().filter(|skill| !skills.contains(skill)) {
                fault(place("skills"), Problem::Skill { skill: skill.clone() });
            }
            for on in offered.after.iter().filter(|on| !self.tasks.contains_key(*on)) {
                fault(place("after"), Problem::Task { name: on.clone() });
            }
            if let Some(reviewer) = self.asks_in_vain(offered) {
                fault(place("verifiers"), Problem::Evidence { reviewer });
            }
            if self.waits_for_itself(name) {
                fault(place("after"), Problem::Circle);
            }
        }
        faults
    }

    /// Lists the quotas and tasks that the rules would not take, where so much was agreed: what is there already is not said again.
    pub fn refused(&self, agreed: &CoordinationState, now: Timestamp) -> Vec<Fault> {
        let Ok(client) = CLIENT.parse::<AgentName>() else { return Vec::new() };
        let fault = |place, rejection| {
            let problem = Problem::Refused { rejection: Box::new(rejection) };
            Fault { place, problem }
        };
        let mut faults = Vec::new();
        for (name, defined) in &self.quotas {
            let command = quota::Command::Define(name.clone(), defined.clone());
            let is_there = agreed.quotas.get(name).is_some_and(|quota| quota.said == *defined);
            if !is_there
                && let Err(rejection) = agreed.decide::<Quotas>(command, &client, Some(now))
            {
                faults.push(fault(format!("quotas.{name}"), rejection));
            }
        }
        for (name, offered) in &self.tasks {
            let mut offered = offered.clone();
            if self.has_conductor() {
                offered.mode = Mode::Assigned { to: client.clone() };
            }
            let command = task::Command::Offer(name.clone(), Box::new(offered));
            if agreed.tasks.get(name).is_none()
                && let Err(rejection) = agreed.decide::<Tasks>(command, &client, Some(now))
            {
                faults.push(fault(format!("tasks.{name}"), rejection));
            }
        }
        faults
    }

    /// Returns a reviewer of a task that asks for evidence, where nobody's work gives any.
    fn asks_in_vain(&self, offered: &Offered) -> Option<AgentName> {
        if self.agents.iter().any(|kind| kind.duty.gives_evidence()) {
            return None;
        }
        let asking = self.agents.iter().filter(|kind| kind.duty.asks_for_evidence());
        let mut names = asking.flat_map(|kind| kind.names().unwrap_or_default());
        names.find(|name| offered.verifiers.contains(name))
    }

    fn waits_for_itself(&self, name: &EntityName) -> bool {
        let mut open = vec![name];
        let mut seen = BTreeSet::new();
        while let Some(next) = open.pop() {
            for on in self.tasks.get(next).into_iter().flat_map(|offered| &offered.after) {
                if on == name {
                    return true;
                }
                if seen.insert(on) {
                    open.push(on);
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = include_str!("../examples/team/painters.json");

    #[test]
    fn the_example_is_a_team_without_faults() {
        let team = Team::read(GOOD).unwrap();
        assert_eq!(team.validate(), []);
        let text = serde_json::to_string(&team).unwrap();
        assert_eq!(Team::read(&text).unwrap(), team);
    }

    #[test]
    fn every_fault_is_listed_with_its_place() {
        let team = Team::read(
            r#"{"agents": [
                {"name": "a", "count": 0, "does": {"worker": {"work": {"command": {"run": []}}}}},
                {"name": "b", "does": {"reviewer": {}}},
                {"name": "b", "does": {"caller": {"quota": "api", "cost": 1, "work": {"simulated": {"duration_ms": 5}}}}}
            ],
            "tasks": {"x": {"what": "x", "skills": ["dig"], "after": ["y", "x"]}}}"#,
        );
        let told: Vec<_> = team.unwrap().validate().iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "agents[0].count: there must be at least one",
                "agents[0].does: the command is empty",
                "agents[2].name: there is another agent b",
                "agents[2].does: the quota api is not defined",
                "tasks.x.skills: nobody has the skill \"dig\"",
                "tasks.x.after: there is no task y",
                "tasks.x.after: it waits for itself",
            ]
        );
    }

    #[test]
    fn what_could_never_run_is_a_fault_too() {
        let team = |agents: &str, more: &str| {
            let text = format!(r#"{{"agents": [{agents}]{more}}}"#);
            let told = Team::read(&text).unwrap().validate();
            told.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(team("", ""), ["agents: there must be at least one"]);
        let client = r#"{"name": "client", "does": {"arbiter": {}}}"#;
        assert_eq!(team(client, ""), ["agents[0].name: client is who offers the team's tasks"]);
        let many = r#"{"name": "a", "count": 5000, "instances": 3, "does": {"arbiter": {}}}"#;
        let over = "agents: 15000 agents are more than one process runs, which is 10000";
        assert_eq!(team(many, ""), [over]);
        let hasty = r#"{"name": "a", "does": {"worker": {"silent_ms": 0, "work": {"simulated": {"duration_ms": 1}}}}}"#;
        let never = "agents[0].does: whoever holds a task must be allowed to be silent for a while";
        assert_eq!(team(hasty, ""), [never]);
        let strict = r#"{"name": "w", "does": {"worker": {"work": {"simulated": {"duration_ms": 1}}}}},
            {"name": "r", "does": {"reviewer": {"asks": "evidence"}}}"#;
        let judged = r#", "tasks": {"x": {"what": "x", "verifiers": ["r"]}}"#;
        let vain = "tasks.x.verifiers: r asks for evidence, and nobody's work gives any";
        assert_eq!(team(strict, judged), [vain]);
        let able = strict
            .replace(r#"{"simulated": {"duration_ms": 1}}"#, r#"{"command": {"run": ["true"]}}"#);
        assert_eq!(team(&able, judged), [""; 0]);
    }

    #[test]
    fn what_the_rules_would_not_take_is_told_before_anything_is_said() {
        use crate::protocol::testing::{at, given};
        let team = Team::read(
            r#"{"agents": [{"name": "a", "does": {"arbiter": {}}}],
            "quotas": {"api": {"amount": 0, "period_ms": 5}, "vans": {"amount": 1, "period_ms": 5}},
            "tasks": {"x": {"what": "x", "mode": {"bid": {"until": "2026-01-01T00:00:05Z"}}}, "y": {"what": "y"}}}"#,
        );
        let told = |state: &CoordinationState, seconds| -> Vec<String> {
            let refused = team.as_ref().unwrap().refused(state, at(seconds));
            refused.iter().map(ToString::to_string).collect()
        };
        let amount = "quotas.api: amount cannot be 0";
        assert_eq!(told(&CoordinationState::default(), 0), [amount]);
        let late =
            "tasks.x: the terms' until cannot hold: the window would be over before it opens";
        assert_eq!(told(&CoordinationState::default(), 6), [amount, late]);
        let vans = serde_json::json!({"amount": 2, "period_ms": 5});
        let taken = given().says("bob", "quota.defined", "vans", vans);
        assert_eq!(told(&taken.state, 0), [amount, "quotas.vans: bob defined it at position 1"]);
    }

    #[test]
    fn what_is_no_team_is_told_with_its_line() {
        let error = Team::read("{\n  \"agents\": [],\n  \"agent\": 3\n}").unwrap_err();
        assert_eq!(error.line(), 3);
    }
}
