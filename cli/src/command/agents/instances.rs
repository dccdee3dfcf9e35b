//! `colony agents instances`

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use colony_agents::{
    InstanceNews, InstanceWatch, LaneStanding, LaneStatus, PresentInstance, reacting, standing,
};
use colony_bus::{Bus, BusOptions};
use colony_core::{AgentName, LaneName, Position, Timestamp};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde::Serialize;
use tokio::time::Instant;

use crate::context::Context;
use crate::failure::{Failure, NotFound};
use crate::interrupt::Interrupt;
use crate::output::{Format, Output, style};
use crate::show;

/// How long instances are listened to before the first answer: each says something six times in its takeover time (3 s by default).
const LISTEN: Duration = Duration::from_millis(1_200);
/// How long after its last word an instance is left out.
const SILENCE: Duration = Duration::from_secs(5);

/// Shows agents at work: their lanes, how far each has reacted, what is set aside, and which instances are there.
///
/// Lanes are as the log tells. Instances are as they say themselves right now; one that says nothing for five seconds is left out.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The agent [default: every agent that has reacted to events].
    #[arg(value_name = "AGENT")]
    name: Option<AgentName>,
    /// Shows them again and again, until Ctrl-C.
    #[arg(long)]
    watch: bool,
}

/// An agent at work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct AtWork {
    agent: AgentName,
    tail: Position,
    lanes: Vec<LaneAtWork>,
    instances: Vec<LaneName>,
}

/// A lane of an agent, as the log and its instances tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct LaneAtWork {
    #[serde(flatten)]
    standing: LaneStanding,
    /// Entries of the log past the cursor; not all of them concern the agent.
    behind: u64,
    /// Events that have reached the instance at work and are not yet handled; unknown where none is there.
    waiting: Option<usize>,
    /// The instances that work on it.
    working: Vec<LaneName>,
    /// The instance that is to work first.
    preferred: Option<LaneName>,
}

/// Listens to the instances of one agent.
struct Listening {
    bus: Bus,
    watch: InstanceWatch,
    heard: BTreeMap<LaneName, (Instant, Vec<LaneStatus>)>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let Args { name, watch } = args;
    let interrupt = Interrupt::listen()?;
    let showing = async {
        let bus = context.bus().await?;
        let names = match name {
            Some(name) => [name].into(),
            None => reacting(&bus).await?,
        };
        let mut listening = Vec::new();
        for name in names {
            // One connection serves all: nothing is appended in their names.
            let options = BusOptions::new(bus.space().clone(), name);
            let bus = Bus::on(Arc::clone(bus.log()), Arc::clone(bus.live()), options);
            listening.push(Listening::open(bus).await?);
        }
        let mut output = context.output();
        loop {
            let all: FuturesUnordered<_> = listening.iter_mut().map(Listening::look).collect();
            let looks: Vec<Result<AtWork, Failure>> = all.collect().await;
            let mut agents = looks.into_iter().collect::<Result<Vec<_>, _>>()?;
            agents.sort_by(|one, other| one.agent.cmp(&other.agent));
            if let [only] = agents.as_slice()
                && only.lanes.is_empty()
                && only.instances.is_empty()
                && !watch
            {
                let (agent, space) = (only.agent.clone(), bus.space().to_string());
                return Err(NotFound::Agent { agent, space }.into());
            }
            print(&mut output, &agents)?;
            output.flush()?;
            if !watch {
                return Ok(());
            }
        }
    };
    tokio::select! {
        shown = showing => shown,
        () = interrupt.asked() => Ok(()),
    }
}

impl Listening {
    async fn open(bus: Bus) -> Result<Self, Failure> {
        let watch = InstanceWatch::open(bus.clone()).await?;
        Ok(Self { bus, watch, heard: BTreeMap::new() })
    }

    /// Listens for a while, then looks at the log.
    async fn look(&mut self) -> Result<AtWork, Failure> {
        let until = Instant::now() + LISTEN;
        while let Ok(news) = tokio::time::timeout_at(until, self.watch.next()).await {
            match news {
                InstanceNews::Present(PresentInstance { instance, lanes }) => {
                    self.heard.insert(instance, (Instant::now(), lanes));
                }
                InstanceNews::Left(instance) => drop(self.heard.remove(&instance)),
            }
        }
        self.heard.retain(|_, (at, _)| at.elapsed() < SILENCE);
        let tail = self.bus.tail().await?;
        let lanes = standing(&self.bus).await?;
        let lanes = lanes.into_iter().map(|lane| self.lane(lane, tail)).collect();
        let instances = self.heard.keys().cloned().collect();
        Ok(AtWork { agent: self.bus.agent().clone(), tail, lanes, instances })
    }

    fn lane(&self, standing: LaneStanding, tail: Position) -> LaneAtWork {
        let told: Vec<(&LaneName, &LaneStatus)> = self
            .heard
            .iter()
            .flat_map(|(name, (_, lanes))| lanes.iter().map(move |lane| (name, lane)))
            .filter(|(_, lane)| lane.partition == standing.partition)
            .collect();
        let working: Vec<_> = told.iter().filter(|(_, lane)| lane.works).collect();
        LaneAtWork {
            behind: tail.get().saturating_sub(standing.cursor.get()),
            waiting: working.iter().map(|(_, lane)| lane.waiting).max(),
            working: working.iter().map(|(name, _)| (*name).clone()).collect(),
            preferred: told.iter().find_map(|(_, lane)| lane.preferred.clone()),
            standing,
        }
    }
}

fn print(output: &mut Output, agents: &[AtWork]) -> Result<(), Failure> {
    if output.format() == Format::Json {
        return agents.iter().try_for_each(|agent| output.json(agent));
    }
    if agents.is_empty() {
        return output.line("no agent has reacted to events in this space");
    }
    let strong = style::STRONG;
    for agent in agents {
        let instances: Vec<&str> = agent.instances.iter().map(LaneName::as_str).collect();
        let instances = match instances.as_slice() {
            [] => "no instance is there".to_owned(),
            names => names.join(", "),
        };
        output.line(format!("{strong}{}{strong:#}  {instances}", agent.agent))?;
        let mut table = show::table(&[
            "",
            "LANE",
            "CURSOR",
            "BEHIND",
            "WAITING",
            "PARKED",
            "LAST WORK",
            "AT WORK",
            "PREFERRED",
        ]);
        for lane in &agent.lanes {
            let LaneAtWork { standing, behind, waiting, working, preferred } = lane;
            let working: Vec<&str> = working.iter().map(LaneName::as_str).collect();
            let last = standing.last_recorded.map(|at: Timestamp| show::time(at));
            table.add_row([
                String::new(),
                standing.lane.to_string(),
                standing.cursor.to_string(),
                behind.to_string(),
                waiting.map_or("?".to_owned(), |waiting| waiting.to_string()),
                standing.parked.to_string(),
                last.unwrap_or_default(),
                working.join(", "),
                preferred.as_ref().map_or(String::new(), LaneName::to_string),
            ]);
        }
        output.line(table)?;
    }
    Ok(())
}
