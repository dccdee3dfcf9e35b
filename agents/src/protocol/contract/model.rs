//! Every course of a contract between two parties that may cheat, before three arbitrators of whom one lies.
//!
//! The model drives the real rules and is checked to the end within its bounds; the checker is shown to find the
//! fault where a rule is broken.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde_json::{Value, json};
use stateright::{Checker, Model, Property};

use super::tests::active;
use super::{Contract, Ending, MilestoneState, Phase};
use crate::protocol::testing::{agent, at, entity, entry};
use crate::protocol::{CoordinationState, Outcome};
use colony_core::Digest;

/// Which rule is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broken {
    Nothing,
    /// Who votes is whoever they say they are: the liar votes under the others' names, too.
    NoAuthors,
    /// The person to whom disputes are escalated lies: no rule can help, and the checker has to say so.
    PersonLies,
}

struct Court {
    broken: Broken,
    most_entries: usize,
}

#[derive(Debug, Clone)]
struct World {
    said: Vec<(Step, i64)>,
    folded: Arc<CoordinationState>,
    entries: u64,
    now: i64,
    /// Whether the supplier's work is good, which only the honest tell.
    good: bool,
    /// What became of the last delivery: found wanting, rightly or wrongly, and contested.
    refused_bad: bool,
    refused_good: bool,
    contested: bool,
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        (&self.said, self.now, self.good) == (&other.said, other.now, other.good)
    }
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.said, self.now, self.good).hash(state);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Submit,
    Judge(bool),
    Contest,
    Vote(&'static str, &'static str),
    Escalate,
    Breach,
    Settle(&'static str),
    Pay,
    Tick,
}

fn contract(folded: &CoordinationState) -> &Contract {
    folded.contracts.get(&entity("map")).unwrap()
}

/// Returns what a party has, on its account and locked as stake or price.
fn wealth(world: &World, customer: bool) -> u64 {
    let ledger = world.folded.contracts.ledger();
    let escrow = contract(&world.folded).escrow;
    if customer {
        ledger.balance(&agent("ann")) + escrow.customer + escrow.price
    } else {
        ledger.balance(&agent("sam")) + escrow.supplier
    }
}

impl World {
    fn event(&self, step: Step) -> Option<(&'static str, &'static str, Value)> {
        let contract = contract(&self.folded);
        let submission = contract.work[0].submission.as_ref().map(|submission| submission.at);
        let dispute = match &contract.phase {
            Phase::Disputed(dispute) => Some(dispute.at),
            Phase::Proposed | Phase::Active | Phase::Closed(_) => None,
        };
        Some(match step {
            Step::Submit => {
                let hash = Digest::of(b"work");
                ("sam", "milestone.submitted", json!({"milestone": 0, "hash": hash}))
            }
            Step::Judge(good) => {
                let ty = if good { "milestone.verified" } else { "milestone.failed" };
                ("ann", ty, json!({"milestone": 0, "submission": submission?, "reason": ""}))
            }
            Step::Contest => ("sam", "dispute.opened", json!({"milestone": 0, "claim": ""})),
            Step::Vote(who, right) => {
                (who, "dispute.voted", json!({"dispute": dispute?, "right": right}))
            }
            Step::Escalate => ("zoe", "dispute.escalated", json!({"dispute": dispute?})),
            Step::Breach => ("ann", "contract.breached", json!({"milestone": 0})),
            Step::Settle(who) => (who, "contract.settled", json!({})),
            Step::Pay => ("sam", "milestone.paid", json!({"milestone": 0})),
            Step::Tick => return None,
        })
    }
}

impl Model for Court {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        // A stake of 10 and of 20, one milestone that pays 30 and is due at second 100, everything locked.
        let milestones =
            json!([{"name": "map", "pays": 30, "due": crate::protocol::testing::t(100)}]);
        let told = active(json!({"milestones": milestones}));
        let world = |good| World {
            said: Vec::new(),
            folded: Arc::new(told.state.clone()),
            entries: told.entries.len() as u64,
            now: 0,
            good,
            refused_bad: false,
            refused_good: false,
            contested: false,
        };
        vec![world(true), world(false)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Step>) {
        if let Phase::Closed(_) = contract(&world.folded).phase {
            return;
        }
        if world.now < 200 {
            actions.push(Step::Tick);
        }
        if world.said.len() >= self.most_entries {
            return;
        }
        let truth = if world.good { "supplier" } else { "customer" };
        let lie = if world.good { "customer" } else { "supplier" };
        actions.extend([Step::Submit, Step::Judge(true), Step::Judge(false), Step::Contest]);
        actions.extend([Step::Vote("a1", truth), Step::Vote("a2", truth)]);
        actions.extend([
            Step::Vote("a3", lie),
            Step::Vote("a3", "neither"),
            Step::Vote("a3", truth),
        ]);
        actions.extend([Step::Vote("eve", truth), Step::Escalate, Step::Breach, Step::Pay]);
        actions.extend([Step::Settle("ann"), Step::Settle("sam"), Step::Settle("zoe")]);
        if self.broken == Broken::NoAuthors {
            actions.extend([Step::Vote("a1", lie), Step::Vote("a2", lie)]);
        }
        if self.broken == Broken::PersonLies {
            actions.push(Step::Vote("eve", lie));
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        if step == Step::Tick {
            // As long as a delivery can be judged, and a little more than half of a dispute.
            next.now += 40;
            return Some(next);
        }
        let (who, ty, data) = world.event(step)?;
        let entry = entry(world.entries + 1, at(world.now), who, ty, "map", &data);
        let mut folded = (*world.folded).clone();
        // An ignored event changes nothing, which the laws of all protocols check: it needs no state of its own.
        if folded.evolve(&entry) != Outcome::Applied {
            return None;
        }
        next.folded = Arc::new(folded);
        next.entries += 1;
        next.said.push((step, world.now));
        if step == Step::Submit {
            // What was found of an earlier delivery says nothing about this one.
            (next.refused_bad, next.refused_good, next.contested) = (false, false, false);
        }
        next.refused_bad |= step == Step::Judge(false) && !world.good;
        next.refused_good |= step == Step::Judge(false) && world.good;
        next.contested |= step == Step::Contest;
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn ending(world: &World) -> Option<Ending> {
            match &contract(&world.folded).phase {
                Phase::Closed(settlement) => Some(settlement.ending),
                Phase::Proposed | Phase::Active | Phase::Disputed(_) => None,
            }
        }
        vec![
            Property::always("totals are conserved", |_, world: &World| {
                let totals = world.folded.contracts.ledger().totals();
                totals.issued == totals.free + totals.locked + totals.burned
                    && totals.locked == contract(&world.folded).escrow.total()
            }),
            Property::always(
                "a supplier that delivered good work loses nothing in court",
                |_, world: &World| {
                    let judged = matches!(
                        ending(world),
                        Some(Ending::SupplierAtFault | Ending::BothAtFault)
                    );
                    !(world.good && judged)
                },
            ),
            Property::always(
                "a customer that refused bad work loses nothing",
                |_, world: &World| !world.refused_bad || wealth(world, true) >= 100,
            ),
            Property::always(
                "a customer that refuses good work, contested, does not gain",
                |_, world: &World| {
                    let settled = ending(world).is_some() && world.contested;
                    !(world.refused_good && settled) || wealth(world, true) <= 100
                },
            ),
            Property::always("a closed contract holds nothing", |_, world: &World| {
                ending(world).is_none() || contract(&world.folded).escrow.total() == 0
            }),
            Property::sometimes("kept", |_, world: &World| ending(world) == Some(Ending::Kept)),
            Property::sometimes("the court finds for the supplier", |_, world: &World| {
                world.good && contract(&world.folded).work[0].arbitrated
            }),
            Property::sometimes("the court finds for the customer", |_, world: &World| {
                ending(world) == Some(Ending::SupplierAtFault)
            }),
            Property::sometimes("nobody decides", |_, world: &World| {
                ending(world) == Some(Ending::Undecided)
            }),
            Property::sometimes("breached", |_, world: &World| {
                matches!(ending(world), Some(Ending::Breached { .. }))
                    && contract(&world.folded).work[0].state == MilestoneState::Pending
            }),
        ]
    }
}

#[test]
fn no_course_of_events_lets_one_liar_cost_an_honest_party_its_stake() {
    let model = Court { broken: Broken::Nothing, most_entries: 6 };
    let checker = model.checker().spawn_bfs().join();
    checker.assert_properties();
    println!("{} states, {} deep", checker.unique_state_count(), checker.max_depth());
}

#[test]
fn the_checker_finds_the_theft_where_authors_are_not_enforced() {
    let model = Court { broken: Broken::NoAuthors, most_entries: 5 };
    let failures = stateright::HasDiscoveries::AnyFailures;
    let checker = model.checker().finish_when(failures).spawn_bfs().join();
    let name = "a supplier that delivered good work loses nothing in court";
    assert!(checker.discovery(name).is_some());
}

#[test]
fn the_checker_finds_the_theft_where_the_last_instance_lies() {
    let model = Court { broken: Broken::PersonLies, most_entries: 5 };
    let failures = stateright::HasDiscoveries::AnyFailures;
    let checker = model.checker().finish_when(failures).spawn_bfs().join();
    let name = "a supplier that delivered good work loses nothing in court";
    assert!(checker.discovery(name).is_some());
}
