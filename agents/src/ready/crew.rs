//! Many agents that share one fold.

use std::collections::{BTreeMap, BTreeSet};

use colony_core::{AgentName, EntityName, Entry, EventType, Position, Timestamp};

use super::act::Act;
use super::role::{News, Role, View};
use super::space::Space;
use crate::protocol::directory::{Command as DirectoryCommand, Directory};
use crate::protocol::task::{Command, Tasks};
use crate::protocol::{Json, Millis, Outcome};

/// How long the first to try a task may take before somebody else tries it.
pub(crate) const PATIENCE: Millis = Millis::new(500);
/// After how long without having read it back something is tried, or said, again.
const AGAIN: Millis = Millis::new(PATIENCE.get() * 10);
/// What roles would say at every news for as long as it has not come back.
const SAID_ONCE: [&str; 3] = ["task.bid", "task.closed", "task.lapsed"];
/// Most tasks that are taken over at a time.
const TAKEN_OVER: usize = 1_000;
/// Before how much time is left of a hold its owner says that it is still at it, beside half of what there was.
const STILL: Millis = Millis::new(200);

/// Many agents that share one fold: each entry is folded once, and told to those it concerns.
///
/// Sans IO: entries, results and the time go in, what the agents do comes out. [`Shift`](super::Shift) drives it on a log,
/// [`trial`](crate::trial) on a virtual clock.
///
/// It is for agents of which one process runs one each. What they append is theirs, but nothing keeps another process from appending under
/// the same name: the protocols make that harmless, not free. Who needs several instances of an agent runs [`Single`](super::Single).
#[derive(Default)]
pub struct Crew {
    space: Space,
    members: BTreeMap<AgentName, Member>,
    /// Members that hear of everything.
    listeners: BTreeSet<AgentName>,
    /// Members that hear of time passing.
    timed: BTreeSet<AgentName>,
    /// Whether everything stored before it began is known, so that members act.
    acts: bool,
}

struct Member {
    role: Box<dyn Role>,
    /// The task that it tries to get, and since when.
    trying: Option<(EntityName, Timestamp)>,
    /// Tasks that it works on, with their fences.
    working: BTreeMap<EntityName, Position>,
    /// What it has said and not yet read back, of what is [`SAID_ONCE`], and since when.
    said: BTreeMap<(EventType, EntityName), Timestamp>,
}

/// Something that a member does.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    /// Who does it.
    pub agent: AgentName,
    /// What.
    pub act: Act,
}

impl std::fmt::Debug for Crew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crew").field("members", &self.members.keys()).finish_non_exhaustive()
    }
}

impl Crew {
    /// Adds a member. One that is there already is replaced.
    pub fn join(&mut self, agent: AgentName, role: Box<dyn Role>) {
        if role.hears_all() {
            self.listeners.insert(agent.clone());
        }
        if role.hears_time() {
            self.timed.insert(agent.clone());
        }
        let member = Member { role, trying: None, working: BTreeMap::new(), said: BTreeMap::new() };
        self.members.insert(agent, member);
    }

    /// Takes a member out at once, as if it had died: it says nothing more.
    pub fn lose(&mut self, agent: &AgentName) -> bool {
        self.listeners.remove(agent);
        self.timed.remove(agent);
        self.members.remove(agent).is_some()
    }

    /// Returns the members' names.
    pub fn members(&self) -> impl ExactSizeIterator<Item = &AgentName> {
        self.members.keys()
    }

    /// Returns what everybody knows, as far as this crew has read.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// Begins: everything stored so far has been taken. Members announce themselves and go on with what they hold.
    pub fn begin(&mut self, now: Timestamp) -> Vec<Due> {
        self.acts = true;
        let names: Vec<_> = self.members.keys().cloned().collect();
        let mut due = Vec::new();
        for name in &names {
            self.announce(name, now, &mut due);
            self.tell(name, &News::Began, now, &mut due);
            let held: Vec<_> =
                self.space.rota().held_by(name).map(|(task, at)| (task.clone(), at)).collect();
            for (task, fence) in held {
                self.tell(name, &News::Holds { task: &task, fence }, now, &mut due);
            }
            self.try_turn(name, now, &mut due);
        }
        due
    }

    /// Takes the next entry of the log.
    pub fn take(&mut self, entry: &Entry, now: Timestamp) -> (Outcome, Vec<Due>) {
        let outcome = self.space.evolve(entry);
        let mut due = Vec::new();
        if !self.acts {
            return (outcome, due);
        }
        let event = entry.event();
        let change = self.space.latest().clone();
        let said = News::Said(entry, &outcome);
        for name in [Some(&event.author), event.recipient.as_ref()].into_iter().flatten() {
            if !self.listeners.contains(name) {
                self.tell(name, &said, now, &mut due);
            }
        }
        for name in self.listeners.iter().cloned().collect::<Vec<_>>() {
            self.tell(&name, &said, now, &mut due);
        }
        if let Some(member) = self.members.get_mut(&event.author)
            && let Some(about) = &event.entity
        {
            // Taking over is two events: what it tries is answered by the second.
            if event.ty.as_str() == "task.claimed" {
                member.trying.take_if(|(task, _)| task == about);
            }
            member.said.remove(&(event.ty.clone(), about.clone()));
        }
        for name in &change.turns {
            self.try_turn(name, now, &mut due);
        }
        if let Some(hold) = &change.hold {
            let news = News::Holds { task: &hold.task, fence: hold.fence };
            self.tell(&hold.owner, &news, now, &mut due);
        }
        (outcome, due)
    }

    /// Takes the end of a member's work.
    pub fn worked(
        &mut self,
        agent: &AgentName,
        task: &EntityName,
        fence: Position,
        result: Result<&Json, &str>,
        now: Timestamp,
    ) -> Vec<Due> {
        let mut due = Vec::new();
        if let Some(member) = self.members.get_mut(agent)
            && member.working.remove(task).is_some()
        {
            self.tell(agent, &News::Worked { task, fence, result }, now, &mut due);
        }
        due
    }

    /// Takes the time: members say that they are still at it, look for what others let lie, and hear that time has passed.
    ///
    /// To be called a few times a second.
    pub fn pass_time(&mut self, now: Timestamp) -> Vec<Due> {
        let mut due = Vec::new();
        if !self.acts {
            return due;
        }
        for name in self.timed.iter().cloned().collect::<Vec<_>>() {
            self.tell(&name, &News::Time, now, &mut due);
        }
        self.say_still(now, &mut due);
        let out: Vec<_> = self
            .members
            .keys()
            .filter(|name| self.space.rota().is_passed_over(name))
            .cloned()
            .collect();
        for name in out {
            self.announce(&name, now, &mut due);
        }
        self.take_over(now, &mut due);
        due
    }

    fn view<'a>(&'a self, me: &'a AgentName, now: Timestamp) -> View<'a> {
        View { me, space: &self.space, now }
    }

    fn tell(&mut self, name: &AgentName, news: &News<'_>, now: Timestamp, due: &mut Vec<Due>) {
        let Some(member) = self.members.get(name) else { return };
        let acts = member.role.react(&self.view(name, now), news);
        for act in acts {
            if let Act::Work { task, fence, .. } = &act
                && let Some(member) = self.members.get_mut(name)
                && member.working.insert(task.clone(), *fence) == Some(*fence)
            {
                continue;
            }
            self.do_once(name, act, now, due);
        }
    }

    /// Lets a member do something, unless it is saying the same already.
    fn do_once(&mut self, name: &AgentName, act: Act, now: Timestamp, due: &mut Vec<Due>) {
        if let Act::Say(say) = &act
            && SAID_ONCE.contains(&say.draft.ty.as_str())
            && let Some(member) = self.members.get_mut(name)
        {
            let what = (say.draft.ty.clone(), say.draft.entity.clone());
            if member.said.contains_key(&what) {
                return;
            }
            member.said.insert(what, now);
        }
        due.push(Due { agent: name.clone(), act });
    }

    fn announce(&mut self, name: &AgentName, now: Timestamp, due: &mut Vec<Due>) {
        let Some(card) = self.members.get(name).and_then(|member| member.role.card()) else {
            return;
        };
        let listed = self.space.agreed().directory.get(name);
        if listed.is_some_and(|l| l.card == card) && !self.space.rota().is_passed_over(name) {
            return;
        }
        let announce = DirectoryCommand::Announce(Box::new(card));
        for act in self.view(name, now).decide::<Directory>(announce, "") {
            self.do_once(name, act, now, due);
        }
    }

    /// Lets a member try what it is first to try, unless it does already.
    fn try_turn(&mut self, name: &AgentName, now: Timestamp, due: &mut Vec<Due>) {
        let Some(turn) = self.space.rota().turn(name) else { return };
        let task = turn.task.clone();
        self.try_task(name, task, now, due);
    }

    fn try_task(&mut self, name: &AgentName, task: EntityName, now: Timestamp, due: &mut Vec<Due>) {
        let Some(member) = self.members.get_mut(name) else { return };
        if member.trying.is_some() {
            return;
        }
        member.trying = Some((task.clone(), now));
        let before = due.len();
        self.tell(name, &News::Turn(&task), now, due);
        if due.len() == before
            && let Some(member) = self.members.get_mut(name)
        {
            member.trying = None;
        }
    }

    /// Lets members that work say so, before their time is over.
    fn say_still(&mut self, now: Timestamp, due: &mut Vec<Due>) {
        let mut said = Vec::new();
        for (name, member) in &self.members {
            for (task, fence) in &member.working {
                let Some(hold) = self.space.agreed().tasks.get(task).and_then(|t| t.hold()) else {
                    continue;
                };
                let left = Millis::between(now, hold.until);
                let half = Millis::new(Millis::between(hold.heard, hold.until).get() / 2);
                if hold.owner != *name || hold.fence != *fence || left > half.max(STILL) {
                    continue;
                }
                let progress = Command::Progress {
                    task: task.clone(),
                    fence: Some(*fence),
                    silent: None,
                    percent: None,
                    note: String::new(),
                };
                let acts = self.view(name, now).decide::<Tasks>(progress, "still at it");
                said.extend(acts.into_iter().map(|act| (name.clone(), act)));
            }
        }
        for (name, act) in said {
            self.do_once(&name, act, now, due);
        }
    }

    /// Lets idle members try what silent holders, or agents that miss their turn, let lie.
    fn take_over(&mut self, now: Timestamp, due: &mut Vec<Due>) {
        for member in self.members.values_mut() {
            member.trying.take_if(|(_, since)| Millis::between(*since, now) > AGAIN);
            member.said.retain(|_, since| Millis::between(*since, now) <= AGAIN);
        }
        let (rota, patient) = (self.space.rota(), earlier(now, PATIENCE));
        let mine = |name: &&AgentName| {
            self.members.get(*name).is_some_and(|member| member.trying.is_none())
        };
        let left = |now, patient| {
            let turns = rota.turns_since(patient).map(|(_, turn)| &turn.task);
            rota.overdue(now).chain(turns).take(TAKEN_OVER)
        };
        let own = |(name, task): (&AgentName, &EntityName)| (name.clone(), task.clone());
        // Each reader pairs them alike, so that one agent tries and not all.
        let paired = rota.idle().zip(left(now, patient)).filter(|(name, _)| mine(name));
        let mut tries: Vec<_> = paired.map(own).collect();
        // That one may be gone, too.
        let still_left = left(patient, earlier(patient, PATIENCE));
        tries.extend(rota.idle().filter(mine).zip(still_left).map(own));
        if tries.is_empty() && rota.free().next().is_some() {
            let idle = rota.idle().filter(mine).take(64);
            let found = idle.filter_map(|name| {
                Some((name.clone(), rota.for_idle(self.space.agreed(), name)?.clone()))
            });
            tries.extend(found);
        }
        // Agents whose turn it still is try again: their claim may have been lost.
        let turns = rota.turns_since(patient).map(|(name, turn)| (name, &turn.task));
        tries.extend(turns.filter(|(name, _)| mine(name)).map(own));
        for (name, task) in tries {
            self.try_task(&name, task, now, due);
        }
    }
}

fn earlier(moment: Timestamp, by: Millis) -> Timestamp {
    let nanos = i64::try_from(by.get()).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    Timestamp::from_nanos(moment.as_nanos().saturating_sub(nanos))
}
