//! What was heard of whom.

use std::collections::BTreeMap;
use std::time::Duration;

use colony_core::{AgentName, LaneName};
use tokio::time::Instant;

use super::{EXPIRY, STALE, Status};

/// Most instances remembered.
const MEMBERS: usize = 10_000;
/// How long somebody who is gone is still shown as gone.
const REMEMBERED: Duration = Duration::from_secs(300);

/// Who is here, as far as this process has heard.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Roster {
    /// By agent and instance; those who are gone are shown for some minutes.
    pub members: Vec<Member>,
    /// Whether this process has lost touch: then nobody counts as gone, and this shows who was here last.
    pub stale: bool,
}

/// One instance of an agent.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Member {
    /// The agent.
    pub agent: AgentName,
    /// The instance.
    pub instance: LaneName,
    /// What it last said.
    pub status: Status,
    /// Whether it was heard within [`EXPIRY`] and did not leave.
    pub alive: bool,
}

#[derive(Debug)]
struct Known {
    status: Status,
    heard: Instant,
    left: bool,
}

/// What was heard of whom, and when anything was heard at all.
#[derive(Debug, Default)]
pub(super) struct View {
    members: BTreeMap<(AgentName, LaneName), Known>,
    contact: Option<Instant>,
}

impl View {
    /// Notes that a message came in, be it one's own. Time in which nothing was heard is nobody's fault.
    pub(super) fn hear(&mut self, now: Instant) {
        if let Some(contact) = self.contact.replace(now) {
            let silence = now - contact;
            if silence > STALE {
                for known in self.members.values_mut() {
                    known.heard += silence;
                }
            }
        }
        self.members.retain(|_, known| now.saturating_duration_since(known.heard) < REMEMBERED);
    }

    pub(super) fn here(&mut self, who: (AgentName, LaneName), status: Status, now: Instant) {
        if self.members.len() < MEMBERS || self.members.contains_key(&who) {
            self.members.insert(who, Known { status, heard: now, left: false });
        }
    }

    pub(super) fn left(&mut self, who: &(AgentName, LaneName)) {
        if let Some(known) = self.members.get_mut(who) {
            known.left = true;
        }
    }

    pub(super) fn roster(&self, now: Instant) -> Roster {
        let contact = self.contact.unwrap_or(now);
        let stale = now.saturating_duration_since(contact) > STALE;
        let until = if stale { contact } else { now };
        let member = |((agent, instance), known): (&(AgentName, LaneName), &Known)| Member {
            agent: agent.clone(),
            instance: instance.clone(),
            status: known.status.clone(),
            alive: !known.left && until.saturating_duration_since(known.heard) <= EXPIRY,
        };
        Roster { members: self.members.iter().map(member).collect(), stale }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(agent: &str) -> (AgentName, LaneName) {
        (agent.parse().unwrap(), "one".parse().unwrap())
    }

    fn alive(view: &View, now: Instant) -> Vec<bool> {
        view.roster(now).members.iter().map(|member| member.alive).collect()
    }

    #[test]
    fn who_is_silent_expires_and_who_leaves_is_gone_at_once() {
        let start = Instant::now();
        let mut view = View::default();
        view.hear(start);
        view.here(who("ada"), Status::default(), start);
        view.here(who("bob"), Status::default(), start);
        view.left(&who("bob"));
        assert_eq!(alive(&view, start), [true, false]);
        let later = start + EXPIRY + Duration::from_secs(1);
        view.hear(later - STALE / 2);
        view.hear(later);
        assert_eq!(alive(&view, later), [false, false]);
        assert!(!view.roster(later).stale);
    }

    #[test]
    fn who_hears_nothing_has_a_stale_view_and_nobody_died() {
        let start = Instant::now();
        let mut view = View::default();
        view.hear(start);
        view.here(who("ada"), Status::default(), start);
        let later = start + Duration::from_secs(120);
        let roster = view.roster(later);
        assert!(roster.stale && roster.members[0].alive);
        // In touch again: everybody gets the time to be heard.
        view.hear(later);
        let roster = view.roster(later);
        assert!(!roster.stale && roster.members[0].alive);
        view.hear(later + STALE / 2);
        view.hear(later + STALE);
        view.hear(later + EXPIRY + Duration::from_secs(1));
        assert_eq!(alive(&view, later + EXPIRY + Duration::from_secs(1)), [false]);
    }
}
