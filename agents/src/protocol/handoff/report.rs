//! What handoffs retained over their hops, and the way back to the root.

use std::collections::BTreeSet;

use colony_core::{AgentName, EntityName};
use serde::Serialize;

use super::event::Why;
use super::state::{Handoff, HandoffsState};

/// One hop of a chain of handoffs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hop<'a> {
    /// The handoff.
    pub name: &'a EntityName,
    /// Who passed it on.
    pub by: &'a AgentName,
    /// What was said.
    pub handoff: &'a Handoff,
}

/// What became of the reasons of the first hop by the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retention {
    /// How many hops there are.
    pub hops: usize,
    /// How many reasons the first hop gave.
    pub given: usize,
    /// How many of them each hop still told, in their order; the first tells all.
    pub told: Vec<usize>,
    /// Those that the last hop no longer told, with the hop that dropped them, from 1.
    pub lost: Vec<(String, usize)>,
    /// How many reasons the last hop told that the first did not.
    pub added: usize,
}

impl HandoffsState {
    /// Returns the hops that led to a handoff, the root first. A bad result is walked back along them.
    pub fn hops<'a>(&'a self, handoff: &'a EntityName) -> Vec<Hop<'a>> {
        let mut hops = Vec::new();
        let mut next = Some(handoff);
        while let Some(name) = next {
            let Some((name, handoff)) = self.handoffs.get_key_value(name) else { break };
            hops.push(Hop { name, by: &handoff.by, handoff });
            // A handoff continues one that stood before it, so the walk ends.
            next = handoff.said.continues.as_ref();
        }
        hops.reverse();
        hops
    }

    /// Measures what was retained over the hops that led to a handoff; `None` if there is no such handoff.
    ///
    /// Reasons are decisions, what was decided against, assumptions and caveats. Two are the same if their words are,
    /// whatever their case, blanks and punctuation: see [`normalised`].
    pub fn retention(&self, handoff: &EntityName) -> Option<Retention> {
        let hops = self.hops(handoff);
        let reasons: Vec<_> = hops.iter().map(|hop| reasons(&hop.handoff.said.why)).collect();
        let (first, last) = (reasons.first()?, reasons.last()?);
        let told = reasons.iter().map(|r| first.intersection(r).count()).collect();
        let dropped_by = |reason: &String| {
            let holds = reasons.iter().rposition(|told| told.contains(reason));
            holds.map_or(0, |hop| hop + 1)
        };
        Some(Retention {
            hops: hops.len(),
            given: first.len(),
            told,
            lost: first.difference(last).map(|r| (r.clone(), dropped_by(r))).collect(),
            added: last.difference(first).count(),
        })
    }
}

fn reasons(why: &Why) -> BTreeSet<String> {
    let decisions = why.decisions.iter();
    let decisions = decisions.flat_map(|reason| reason.instead_of.iter().chain([&reason.what]));
    let all = decisions.chain(&why.assumptions).chain(&why.caveats);
    all.map(|text| normalised(text)).filter(|text| !text.is_empty()).collect()
}

/// Returns the words of a text: in lower case, one blank apart, without punctuation.
pub fn normalised(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}
