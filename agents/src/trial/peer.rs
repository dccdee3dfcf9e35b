//! A peer: has its own share of the tasks, and talks others into doing some of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use colony_core::{AgentName, Data, EntityName, Position, Timestamp};

use crate::protocol::directory::Card;
use crate::protocol::handoff::{Command, Handoffs, Offered, Phase};
use crate::protocol::{Draft, Millis, Outcome};
use crate::ready::{Act, News, Planned, Role, Say, View, Work};

/// What a peer says of a task of its own that is done.
pub(super) const DONE: &str = "work.done";

/// Does its own share of the tasks, offers what waits to its peers by mail, one at a time, and takes on what it is offered while it has
/// nothing to do.
///
/// Nobody else knows its share: what it has not passed on dies with it.
pub(super) struct Peer {
    skills: Vec<String>,
    peers: Vec<AgentName>,
    silent: Millis,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Planned>,
    done: BTreeSet<EntityName>,
    /// What it is at: a task of its own, or a handoff.
    busy: Option<EntityName>,
    /// What it has passed on, and until when it waits for that.
    passed: BTreeMap<EntityName, (Planned, Timestamp)>,
    /// How many it has asked; whom to ask next.
    asked: usize,
    /// Whether somebody it asked has not answered.
    asking: bool,
}

impl Peer {
    /// Makes a peer with a share of the tasks. `first` tells where among its peers it begins to ask.
    pub(super) fn new(
        share: Vec<Planned>,
        skills: Vec<String>,
        peers: Vec<AgentName>,
        first: usize,
        silent: Millis,
    ) -> Self {
        let state = State { waiting: share.into(), asked: first, ..State::default() };
        Self { skills, peers, silent, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn can(&self, planned: &Planned) -> bool {
        planned.offered.skills.iter().all(|skill| self.skills.contains(skill))
    }

    /// Begins the next task of its own, and offers another one to a peer.
    fn go_on(&self, view: &View<'_>, state: &mut State) -> Vec<Act> {
        let mut acts = Vec::new();
        let ready = |state: &State, planned: &Planned| {
            planned.offered.after.iter().all(|on| state.done.contains(on))
        };
        if state.busy.is_none()
            && let Some(index) = state.waiting.iter().position(|p| ready(state, p) && self.can(p))
            && let Some(Planned { name, .. }) = state.waiting.remove(index)
        {
            state.busy = Some(name.clone());
            let work = Work::Simulated { duration_ms: Millis::default() };
            acts.push(Act::Work { task: name, fence: Position::ZERO, work });
        }
        if state.asking || self.peers.is_empty() {
            return acts;
        }
        let Some(index) = state.waiting.iter().position(|p| ready(state, p)) else { return acts };
        let Some(planned) = state.waiting.get(index).cloned() else { return acts };
        let able = |peer: &&AgentName| {
            let directory = &view.agreed().directory;
            planned.offered.skills.iter().all(|skill| directory.has_skill(peer, skill))
        };
        let asked = state.asked;
        let around =
            (0..self.peers.len()).filter_map(|n| self.peers.get((asked + n) % self.peers.len()));
        let Some((n, to)) = around.enumerate().find(|(_, peer)| able(peer)) else { return acts };
        state.asked += n + 1;
        let until = self.silent.after(view.now);
        let what = planned.name.as_str().to_owned();
        let offered = Offered { to: Some(to.clone()), what, ..Offered::default() };
        let Ok(handoff) = format!("{}.{}", planned.name, state.asked).parse::<EntityName>() else {
            return acts;
        };
        let offer = Command::Offer(handoff.clone(), Box::new(offered));
        let offer = view.decide::<Handoffs>(offer, "it waits, and perhaps you do not");
        let offer = mailed(offer, to);
        if !offer.is_empty() {
            state.waiting.remove(index);
            state.passed.insert(handoff, (planned, until));
            state.asking = true;
        }
        acts.extend(offer);
        acts
    }

    fn said(&self, view: &View<'_>, ty: &str, handoff: &EntityName, mine: bool) -> Vec<Act> {
        let mut state = self.state();
        let found = view.agreed().handoffs.get(handoff);
        match ty {
            DONE => {
                state.done.insert(handoff.clone());
                self.go_on(view, &mut state)
            }
            "handoff.offered" if !mine => match state.busy {
                None => {
                    let accept = Command::Accept(handoff.clone(), Some(self.silent));
                    let accept = view.decide::<Handoffs>(accept, "nothing else to do");
                    if !accept.is_empty() {
                        state.busy = Some(handoff.clone());
                    }
                    to_giver(view, handoff, accept)
                }
                Some(_) => {
                    let reason = "busy".to_owned();
                    let decline = Command::Decline { handoff: handoff.clone(), reason };
                    to_giver(view, handoff, view.decide::<Handoffs>(decline, ""))
                }
            },
            "handoff.accepted" => match found.map(|found| &found.phase) {
                Some(Phase::Accepted { by, fence, .. }) if mine && by == view.me => {
                    let work = Work::Simulated { duration_ms: Millis::default() };
                    vec![Act::Work { task: handoff.clone(), fence: *fence, work }]
                }
                _ if state.passed.contains_key(handoff) => {
                    if let Some((_, until)) = state.passed.get_mut(handoff) {
                        *until = self.silent.after(view.now);
                    }
                    state.asking = false;
                    self.go_on(view, &mut state)
                }
                _ => Vec::new(),
            },
            "handoff.declined" => match state.passed.remove(handoff) {
                // Peers are asked again when something has changed, and not pestered.
                Some((planned, _)) => {
                    state.waiting.push_back(planned);
                    self.go_on(view, &mut state)
                }
                None => Vec::new(),
            },
            "handoff.completed" => {
                if let Some(found) = found
                    && let Ok(task) = found.said.what.parse()
                {
                    state.done.insert(task);
                }
                state.passed.remove(handoff);
                self.go_on(view, &mut state)
            }
            _ => Vec::new(),
        }
    }
}

impl Role for Peer {
    fn card(&self) -> Option<Card> {
        Some(Card { skills: self.skills.clone(), ..Card::default() })
    }

    fn hears_all(&self) -> bool {
        let state = self.state();
        state.waiting.iter().any(|planned| !planned.offered.after.is_empty())
    }

    fn hears_time(&self) -> bool {
        true
    }

    fn react(&self, view: &View<'_>, news: &News<'_>) -> Vec<Act> {
        match news {
            News::Began => self.go_on(view, &mut self.state()),
            News::Said(entry, outcome) => {
                let event = entry.event();
                let Some(name) = &event.entity else { return Vec::new() };
                if matches!(outcome, Outcome::Ignored(_)) {
                    return Vec::new();
                }
                let mine = event.author == *view.me;
                // It hears of others' offers, too, and leaves them alone.
                if event.ty.as_str() == "handoff.offered"
                    && event.recipient.as_ref() != Some(view.me)
                {
                    return Vec::new();
                }
                self.said(view, event.ty.as_str(), name, mine)
            }
            News::Worked { task, fence, result } => {
                let mut state = self.state();
                state.busy = None;
                // One that declined may have time now.
                state.asking = false;
                let mut acts = Vec::new();
                if *fence == Position::ZERO {
                    if let Ok(ty) = DONE.parse() {
                        let draft = Draft {
                            ty,
                            entity: (*task).clone(),
                            recipient: None,
                            data: Data::None,
                        };
                        acts.push(Act::Say(Say { draft, why: String::new() }));
                    }
                    state.done.insert((*task).clone());
                } else {
                    let result = result.ok().cloned();
                    let complete =
                        Command::Complete { handoff: (*task).clone(), fence: Some(*fence), result };
                    acts.extend(to_giver(view, task, view.decide::<Handoffs>(complete, "")));
                }
                acts.extend(self.go_on(view, &mut state));
                acts
            }
            News::Time => {
                let mut state = self.state();
                let late = state.passed.iter().filter(|(_, (_, until))| *until < view.now);
                let late: Vec<_> = late.map(|(handoff, _)| handoff.clone()).collect();
                let at_a_loss = state.busy.is_none() && !state.waiting.is_empty();
                if late.is_empty() && !at_a_loss {
                    return Vec::new();
                }
                for handoff in &late {
                    if let Some((planned, _)) = state.passed.remove(handoff) {
                        state.waiting.push_front(planned);
                    }
                }
                state.asking = false;
                self.go_on(view, &mut state)
            }
            News::Turn(_) | News::Holds { .. } => Vec::new(),
        }
    }
}

fn to_giver(view: &View<'_>, handoff: &EntityName, acts: Vec<Act>) -> Vec<Act> {
    match view.agreed().handoffs.get(handoff) {
        Some(handoff) => mailed(acts, &handoff.by),
        None => acts,
    }
}

/// Addresses what is said to one agent.
fn mailed(mut acts: Vec<Act>, to: &AgentName) -> Vec<Act> {
    for act in &mut acts {
        if let Act::Say(say) = act {
            say.draft.recipient = Some(to.clone());
        }
    }
    acts
}
