//! Which steps there are, written down by hand: whatever has an effect takes one of them, by somebody who may.

use colony_core::{EntityName, Entry};
use serde_json::Value;

use super::compensation::Class;
use super::coordination::CoordinationState;
use super::task::Phase;

/// By type of the event: from which phases to which, by the pages of the protocols. `-` is a thing that is not there.
const STEPS: [(&str, &[(&str, &str)]); 32] = [
    (
        "task.offered",
        &[
            ("-", "free bidding held"),
            ("free", "free bidding held"),
            ("unawarded", "free bidding held"),
        ],
    ),
    ("task.claimed", &[("free", "held")]),
    ("task.progressed", &[("held", "held")]),
    ("task.blocked", &[("held", "held")]),
    ("task.released", &[("held", "free held unawarded")]),
    ("task.lapsed", &[("held", "free held unawarded")]),
    ("task.done", &[("held", "done")]),
    ("task.verified", &[("done", "done verified")]),
    ("task.rejected", &[("done", "done free held unawarded")]),
    (
        "task.cancelled",
        &[
            ("free", "cancelled"),
            ("bidding", "cancelled"),
            ("unawarded", "cancelled"),
            ("held", "cancelled"),
            ("done", "cancelled"),
        ],
    ),
    ("task.bid", &[("bidding", "bidding")]),
    ("task.bid_revealed", &[("bidding", "bidding")]),
    ("task.closed", &[("bidding", "held unawarded")]),
    ("handoff.offered", &[("-", "offered")]),
    ("handoff.accepted", &[("offered", "accepted"), ("accepted", "accepted")]),
    ("handoff.declined", &[("offered", "offered"), ("accepted", "offered")]),
    ("handoff.completed", &[("accepted", "completed")]),
    ("action.intended", &[("-", "intended"), ("intended", "intended")]),
    ("action.taken", &[("-", "taken owing"), ("intended", "taken owing")]),
    ("action.compensated", &[("taken", "compensated"), ("owing", "compensated")]),
    ("contract.proposed", &[("-", "proposed")]),
    ("contract.signed", &[("proposed", "proposed active")]),
    ("stake.locked", &[("proposed", "proposed active")]),
    ("milestone.submitted", &[("active", "active closed")]),
    ("milestone.verified", &[("active", "active closed")]),
    ("milestone.failed", &[("active", "active")]),
    ("milestone.paid", &[("active", "active closed")]),
    ("dispute.opened", &[("active", "disputed")]),
    ("dispute.voted", &[("disputed", "disputed active closed")]),
    ("dispute.escalated", &[("disputed", "disputed")]),
    ("contract.breached", &[("active", "closed")]),
    ("contract.settled", &[("proposed", "closed"), ("active", "closed"), ("disputed", "closed")]),
];

/// Returns how far the thing is that an event of this type would be about, in a word.
fn phase(state: &CoordinationState, ty: &str, entity: &EntityName) -> String {
    let value = match ty.split('.').next() {
        Some("task") => state.tasks.get(entity).map(|task| word(&task.phase)),
        Some("handoff") => state.handoffs.get(entity).map(|handoff| word(&handoff.phase)),
        Some("action") => state.actions.get(entity).map(|action| word(&action.phase)),
        _ => state.contracts.get(entity).map(|contract| word(&contract.phase)),
    };
    value.unwrap_or_else(|| "-".to_owned())
}

fn word(phase: &impl serde::Serialize) -> String {
    match serde_json::to_value(phase).unwrap() {
        Value::String(word) => word,
        Value::Object(object) => object.keys().next().unwrap().clone(),
        other => panic!("{other}"),
    }
}

/// Requires that an event that had an effect took one of the steps that there are, and that its author could.
pub(super) fn allowed(before: &CoordinationState, entry: &Entry, after: &CoordinationState) {
    let event = entry.event();
    let (ty, entity, author) = (event.ty.as_str(), event.entity.as_ref().unwrap(), &event.author);
    if let Some((_, steps)) = STEPS.iter().find(|(of, _)| *of == ty) {
        let (from, to) = (phase(before, ty, entity), phase(after, ty, entity));
        let known = steps.iter().any(|(old, new)| *old == from && new.split(' ').any(|n| n == to));
        assert!(known, "{ty} of {author} took {entity} from {from} to {to}");
    }
    assert!(before.directory.revoked(author).is_none(), "{ty} of {author}, who is shut out");
    let above = before.charter.is_administrator(author);
    if !above && !super::gate::open_to_stopped(ty) {
        assert!(before.gate.stop_of(author).is_none(), "{ty} of {author}, who is stopped");
    }
    if !above && let Some(needed) = before.charter.needed_for(&event.ty) {
        assert!(before.reputation.score(author, after.time()) >= needed, "{ty} of {author}");
    }
    let data: Value = event.data.to_value().unwrap_or_default();
    let task = before.tasks.get(entity);
    match (ty, task.map(|task| &task.phase)) {
        ("task.progressed" | "task.blocked" | "task.released" | "task.done", phase) => {
            let Some(Phase::Held(hold)) = phase else { panic!("{ty} without a hold") };
            let fence = data["fence"].as_u64();
            assert_eq!((&hold.owner, Some(hold.fence.get())), (author, fence), "{ty}");
        }
        ("task.lapsed", phase) => {
            let Some(Phase::Held(hold)) = phase else { panic!("{ty} without a hold") };
            assert!(after.time().is_past(hold.until), "{ty} before {}", hold.until);
        }
        ("task.claimed", _) => {
            let Some(Phase::Held(hold)) = after.tasks.get(entity).map(|task| &task.phase) else {
                panic!("{ty} without a hold")
            };
            assert_eq!((&hold.owner, hold.fence), (author, entry.position));
            assert!(hold.until >= after.time().moment());
        }
        ("task.verified" | "task.rejected", phase) => {
            let Some(Phase::Done(delivery)) = phase else { panic!("{ty} without a delivery") };
            assert_ne!(&delivery.by, author, "nobody judges their own work");
            assert_eq!(Some(delivery.at.get()), data["delivery"].as_u64());
        }
        ("task.bid", Some(Phase::Bidding(auction))) => {
            assert!(!after.time().is_past(auction.terms().until), "{ty} after the window");
        }
        ("task.closed", Some(Phase::Bidding(auction))) => {
            let revealed = auction
                .bids()
                .filter_map(|(bidder, bid)| Some((bid.offering?.price, bid.at, bidder)));
            let best = revealed.min().map(|(.., bidder)| bidder);
            let hold = after.tasks.get(entity).and_then(|task| task.hold());
            assert_eq!(hold.map(|hold| &hold.owner), best, "the lowest price, then the first");
        }
        ("task.cancelled", _) => assert_eq!(&task.unwrap().offer.by, author),
        _ => {}
    }
    match ty {
        "vote.cast" => {
            let (old, new) = (before.votes.get(entity).unwrap(), after.votes.get(entity).unwrap());
            assert!(new.said.voters.contains_key(author), "{author} has no vote");
            assert!(!after.time().is_past(new.said.until));
            let again = old.ballots.contains_key(author);
            assert!(!again || new.said.counts == super::vote::Counts::Last, "{author} votes again");
            assert_eq!(new.ballots.len(), old.ballots.len() + usize::from(!again));
        }
        "schedule.ticked" => {
            let due = data["due"].as_str().unwrap().parse().unwrap();
            let old = before.schedules.get(entity).unwrap();
            assert!(old.done_until < due && due <= after.time().moment(), "{ty} for {due}");
        }
        "handoff.completed" => {
            let super::handoff::Phase::Accepted { by, fence, .. } =
                &before.handoffs.get(entity).unwrap().phase
            else {
                panic!("{ty} by nobody who has it")
            };
            assert_eq!((by, Some(fence.get())), (author, data["fence"].as_u64()));
        }
        "handoff.accepted" => {
            use super::handoff::Phase;
            let old = before.handoffs.get(entity).unwrap();
            match &old.phase {
                Phase::Offered { only } => assert!(
                    only.as_ref().is_none_or(|only| only == author)
                        || old.said.until.is_some_and(|until| after.time().is_past(until)),
                    "{ty} of {author}, who was not asked"
                ),
                Phase::Accepted { until, .. } => assert!(
                    until.is_some_and(|until| after.time().is_past(until)),
                    "{ty} of {author}, while another has it"
                ),
                phase => panic!("{ty} in {phase:?}"),
            }
        }
        "reputation.vouched" => {
            let points = u32::try_from(data["points"].as_u64().unwrap()).unwrap();
            assert!(points <= before.reputation.score(author, after.time()), "{ty} of {author}");
        }
        "space.chartered" => {
            let first = before.charter.people().is_empty();
            assert!(first || before.charter.is_administrator(author), "{ty} of {author}");
        }
        "quota.returned" => {
            let at = colony_core::Position::new(data["reservation"].as_u64().unwrap());
            let quota = before.quotas.get(entity).unwrap();
            assert_eq!(&quota.reservation(at).unwrap().by, author);
        }
        "stake.issued" | "agent.revoked" | "reputation.reversed" => {
            assert!(after.charter.is_administrator(author), "{ty} of {author}");
        }
        "milestone.verified" | "milestone.failed" => {
            let terms = &before.contracts.get(entity).unwrap().terms;
            assert_ne!(&terms.supplier.agent, author, "nobody judges their own delivery");
        }
        "milestone.submitted" => {
            let terms = &before.contracts.get(entity).unwrap().terms;
            assert_eq!(&terms.supplier.agent, author);
        }
        "dispute.voted" => {
            let terms = &before.contracts.get(entity).unwrap().terms;
            let named = terms.arbitrators.contains(author);
            assert!(named || terms.escalation.as_ref() == Some(author), "{ty} of {author}");
            let contracts = (before.contracts.get(entity), after.contracts.get(entity));
            let (Some(old), Some(new)) = contracts else { panic!("{ty} of nothing") };
            let super::contract::Phase::Disputed(dispute) = &old.phase else { panic!("{ty}") };
            let decided = !matches!(new.phase, super::contract::Phase::Disputed(_));
            let most = 2 * (dispute.votes.len() + 1) > terms.arbitrators.len();
            assert!(!decided || most || dispute.escalated.is_some(), "{ty} decided by too few");
        }
        "gate.answered" | "gate.granted" | "gate.withdrawn" | "gate.stopped" | "gate.resumed" => {
            assert!(after.charter.people().contains(author), "{ty} of {author}");
        }
        "agent.announced" | "agent.retired" => assert_eq!(entity.as_str(), author.as_str()),
        _ => {}
    }
}

/// Requires what holds of a state wherever it is looked at.
pub(super) fn sound(state: &CoordinationState) {
    // A chain of handoffs never forks: each is passed on by one other at most.
    let continued =
        state.handoffs.iter().filter_map(|(_, handoff)| handoff.said.continues.as_ref());
    let mut continued: Vec<_> = continued.collect();
    continued.sort();
    assert!(continued.windows(2).all(|pair| pair[0] != pair[1]), "{continued:?}");
    for (_, vote) in state.votes.iter() {
        assert!(vote.ballots.keys().all(|voter| vote.said.voters.contains_key(voter)));
    }
    // Of acts that do not merge no two stand on one thing at one time.
    let standing: Vec<_> = state
        .actions
        .iter()
        .filter(|(_, action)| match &action.phase {
            super::compensation::Phase::Taken { class, .. } => *class != Class::Mergeable,
            _ => false,
        })
        .collect();
    for (index, (name, one)) in standing.iter().enumerate() {
        for (other, two) in standing.iter().skip(index + 1) {
            let meet = one.resources.iter().any(|r| two.resources.iter().any(|q| r.meets(q)));
            assert!(!meet, "{name} and {other} both stand");
        }
    }
    for (name, grant) in state.gate.grants() {
        assert!(grant.said.total.is_none_or(|total| grant.used <= total), "{name}: {grant:?}");
        assert!(grant.said.times.is_none_or(|times| grant.times <= times), "{name}: {grant:?}");
    }
    for (agent, _) in state.reputation.iter() {
        assert!(state.reputation.score(agent, state.time()) <= 1_000);
    }
}
