//! What runs by itself in situations: agents of the runtime, and workers on the bus alone.

use std::collections::BTreeMap;
use std::time::Duration;

use colony_agents::protocol::task::{Command, Tasks};
use colony_agents::protocol::{Coordination, CoordinationState, Millis};
use colony_agents::{
    Agent, Clock, HandlerError, Instance, InstanceOptions, Interest, Preference, Reaction, Schedule,
};
use colony_bus::{Bus, Cut, Delivery, Draft};
use colony_core::{EntityName, Entry, EventId, Position};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::player::draft;

/// What an agent does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Answers mail, each request once.
    Desk,
    /// Runs a job each second.
    Ticker,
    /// Gives out a plan, task after task.
    Conductor,
    /// Does what it is given at once.
    Hand,
    /// Claims what is free, and does it.
    Worker,
    /// The same, under an instance's name that is not its own.
    Clone,
    /// Claims one task, and does nothing.
    Sleeper,
}

impl Role {
    const ALL: [Self; 7] = [
        Self::Desk,
        Self::Ticker,
        Self::Conductor,
        Self::Hand,
        Self::Worker,
        Self::Clone,
        Self::Sleeper,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Desk => "desk",
            Self::Ticker => "ticker",
            Self::Conductor => "conductor",
            Self::Hand => "hand",
            Self::Worker => "worker",
            Self::Clone => "clone",
            Self::Sleeper => "sleeper",
        }
    }

    pub(crate) fn of(name: &str) -> Self {
        Self::ALL.into_iter().find(|role| role.name() == name).expect("a role")
    }

    pub(crate) const fn is_cloned(self) -> bool {
        matches!(self, Self::Clone)
    }

    /// Plays the role, for ever.
    pub(crate) async fn play(self, bus: Bus, clock: Clock) {
        match self {
            Self::Desk => run(bus, clock, Desk).await,
            Self::Ticker => run(bus, clock, Ticker).await,
            Self::Conductor => run(bus, clock, Conductor).await,
            Self::Hand => run(bus, clock, Hand).await,
            Self::Worker | Self::Clone => work(bus, clock, true).await,
            Self::Sleeper => work(bus, clock, false).await,
        }
    }
}

/// Runs an instance that believes to be the first, whatever others believe.
async fn run(bus: Bus, clock: Clock, agent: impl Agent) {
    let options = InstanceOptions {
        preference: Preference::Everyone,
        takeover: Duration::from_millis(500),
        clock,
        ..InstanceOptions::default()
    };
    let mut instance = Instance::start(bus, agent, options).await.expect("an instance starts");
    panic!("an instance failed: {}", instance.failed().await);
}

/// Answers requests, wherever they come from and however often.
struct Desk;

/// Where each request was heard of first.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Heard {
    first: BTreeMap<String, Position>,
}

/// A request: who asks may ask again.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) request: String,
}

impl Agent for Desk {
    type State = Heard;

    fn interest(&self) -> Interest {
        Interest::in_mail_to("desk".parse().unwrap())
    }

    fn evolve(&self, heard: &mut Heard, entry: &Entry) {
        if let Ok(Request { request }) = entry.event().data.to_value() {
            heard.first.entry(request).or_insert(entry.position);
        }
    }

    async fn react(
        &self,
        heard: &Heard,
        entry: &Entry,
        reaction: &mut Reaction,
    ) -> Result<(), HandlerError> {
        let Request { request } = entry.event().data.to_value()?;
        if heard.first.get(&request) == Some(&entry.position) {
            let answer = json!({"request": request, "heard": heard.first.len()});
            reaction.emit(Draft::new("request.answered".parse()?).json(&answer)?)?;
        }
        Ok(())
    }
}

/// Runs a job each second.
struct Ticker;

impl Agent for Ticker {
    type State = ();

    fn interest(&self) -> Interest {
        Interest::in_ticks()
    }

    fn schedules(&self) -> Vec<Schedule> {
        vec![Schedule::new("each-second", "* * * * * *", None).unwrap()]
    }

    async fn react(
        &self,
        (): &(),
        entry: &Entry,
        reaction: &mut Reaction,
    ) -> Result<(), HandlerError> {
        let ran = json!({"tick": entry.position});
        reaction.emit(Draft::new("job.ran".parse()?).json(&ran)?)?;
        Ok(())
    }
}

/// How many tasks a plan has.
pub(crate) const PLANNED: u32 = 12;

/// Gives out a plan to two hands: the next task when the one before is done.
struct Conductor;

/// What the conductor knows: what everybody knows.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Score {
    space: CoordinationState,
}

fn planned(number: u32) -> EntityName {
    format!("step-{number:02}").parse().unwrap()
}

impl Agent for Conductor {
    type State = Score;

    fn interest(&self) -> Interest {
        let types = ["plan.made", "task.offered", "task.done", "task.verified"];
        let ours = Interest::in_types(types.map(|ty| ty.parse().unwrap()));
        // Its own offers are part of what it knows.
        let authors = ["conductor".parse().unwrap()].into();
        let types = ["task.offered", "task.verified"].map(|ty| ty.parse().unwrap()).into();
        ours.or(Interest::in_entries(colony_core::Filter {
            authors,
            types,
            ..colony_core::Filter::events()
        }))
    }

    fn evolve(&self, score: &mut Score, entry: &Entry) {
        score.space.evolve(entry);
    }

    async fn react(
        &self,
        score: &Score,
        entry: &Entry,
        reaction: &mut Reaction,
    ) -> Result<(), HandlerError> {
        let next = match entry.event().ty.as_str() {
            "plan.made" => 0,
            "task.done" if score.space.position() == entry.position => {
                let verified = json!({"delivery": entry.position, "how": "the conductor looked"});
                let task =
                    entry.event().entity.clone().ok_or_else(|| HandlerError::new("no task"))?;
                let number: u32 = task.as_str().trim_start_matches("step-").parse()?;
                let draft = Draft::new("task.verified".parse()?).about(task);
                reaction.emit(draft.json(&verified)?)?;
                number + 1
            }
            _ => return Ok(()),
        };
        if next == PLANNED {
            reaction.emit(Draft::new("plan.finished".parse()?).json(&next)?)?;
            return Ok(());
        }
        let to = ["hand-a", "hand-b"][usize::try_from(next % 2)?];
        let offer =
            json!({"what": "a step", "claim_ms": 3_600_000, "mode": {"assigned": {"to": to}}});
        reaction.emit(Draft::new("task.offered".parse()?).about(planned(next)).json(&offer)?)?;
        Ok(())
    }
}

/// Does what it is given at once.
struct Hand;

impl Agent for Hand {
    type State = ();

    fn interest(&self) -> Interest {
        Interest::in_types(["task.offered".parse().unwrap()])
    }

    async fn react(
        &self,
        (): &(),
        entry: &Entry,
        reaction: &mut Reaction,
    ) -> Result<(), HandlerError> {
        let offer: serde_json::Value = entry.event().data.to_value()?;
        if offer["mode"]["assigned"]["to"] != json!(reaction.agent()) {
            return Ok(());
        }
        let task = entry.event().entity.clone().ok_or_else(|| HandlerError::new("no task"))?;
        // The offer is the fence of an assigned task.
        let done = json!({"fence": entry.position, "result": reaction.random()});
        reaction.emit(Draft::new("task.done".parse()?).about(task).json(&done)?)?;
        Ok(())
    }
}

/// Claims what is free, reads its claim back, and does the work if the claim holds; or, to be silent, does nothing then.
async fn work(bus: Bus, clock: Clock, works: bool) {
    let start = Cut::Position(Position::ZERO);
    let mut log = bus.subscribe(Coordination::filter(), start).await.expect("the log is there");
    let mut space = CoordinationState::default();
    let (mut caught_up, mut waits): (bool, Option<EventId>) = (false, None);
    // What this process claimed, and where the log has it.
    let mut claims: BTreeMap<EntityName, Position> = BTreeMap::new();
    loop {
        // While nothing is said, time passes all the same: somebody may have been silent for too long.
        match tokio::time::timeout(Duration::from_millis(100), log.next()).await {
            Ok(Some(Ok(Delivery::CaughtUp))) => caught_up = true,
            Ok(Some(Ok(Delivery::Entry(entry)))) => {
                space.evolve(&entry);
                if waits.as_ref() == Some(&entry.event().id) {
                    waits = None;
                    if let (Some(task), "task.claimed") =
                        (&entry.event().entity, entry.event().ty.as_str())
                    {
                        claims.insert(task.clone(), entry.position);
                    }
                }
            }
            Ok(Some(Err(error))) => panic!("the log cannot be read: {error}"),
            Ok(None) => panic!("the log does not end"),
            Err(_) => {}
        }
        if !caught_up || waits.is_some() {
            continue;
        }
        let Some(decided) = next_step(&space, &bus, &clock, &claims, works) else { continue };
        let id = bus.new_id();
        let mut drafts: Vec<_> = decided.into_iter().map(draft).collect();
        let last = drafts.pop().expect("a decision says something").id(id.clone());
        drafts.push(last);
        match bus.publish_all(drafts).await {
            Ok(_) => waits = Some(id),
            // Somebody else writes this lane as well: this process decides again, by what it reads then.
            Err(error) if error.outcome() == colony_bus::log::Outcome::NotApplied => {}
            Err(error) => panic!("not appended: {error}"),
        }
    }
}

fn next_step(
    space: &CoordinationState,
    bus: &Bus,
    clock: &Clock,
    claims: &BTreeMap<EntityName, Position>,
    works: bool,
) -> Option<Vec<colony_agents::protocol::Draft>> {
    let now = Some(clock.now());
    let holds = |task: &EntityName| {
        let hold = space.tasks.get(task)?.hold()?;
        // Its fence, not its name: another process may have the same.
        (claims.get(task) == Some(&hold.fence)).then_some(hold.fence)
    };
    let held = claims.keys().find_map(|task| Some((task.clone(), holds(task)?)));
    if let Some((task, fence)) = held {
        if !works {
            return None;
        }
        let result = serde_json::from_value(json!(bus.instance())).ok();
        let finish = Command::Finish { task, fence: Some(fence), result, evidence: Vec::new() };
        return space.decide::<Tasks>(finish, bus.agent(), now).ok();
    }
    let claim = |task: &EntityName| {
        let claim = Command::Claim(task.clone(), Millis::from_secs(3_600));
        space.decide::<Tasks>(claim, bus.agent(), now).ok()
    };
    space.tasks.iter().find_map(|(task, _)| claim(task))
}
