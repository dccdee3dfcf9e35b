//! `colony agents`

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use clap::builder::NonEmptyStringValueParser;
use colony_agents::protocol::directory::{
    self, Card, Directory, Listed, Liveness, Presence, Sight, Standing, Status,
};
use colony_agents::protocol::{CoordinationState, Millis};
use colony_bus::presence::{EXPIRY, Member, Roster};
use colony_core::{AgentName, Timestamp};
use serde_json::{Value, json};

use crate::context::Context;
use crate::coordinate::{ActArgs, LookArgs, Seat, View, value, word};
use crate::failure::{Failure, InputError};
use crate::given::{self, GIVEN};
use crate::interrupt::Interrupt;
use crate::output::Format;
use crate::span::{self, SPAN};

mod instances;

/// The directory: who there is, what they can do, whether they are there, and whether they get anywhere.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Lists agents. Whether they are alive is what presence says; whether they get anywhere, what the log says.
    List {
        /// Only active agents with this skill; several times for all of several.
        #[arg(long = "skill", value_name = "SKILL", value_parser = NonEmptyStringValueParser::new())]
        skills: Vec<String>,
        /// After how long without progress on what it holds an agent is quiet.
        #[arg(long, value_name = SPAN, value_parser = span::parse, default_value = "60s")]
        quiet_after: Millis,
        /// Shows them again and again, each second, until Ctrl-C.
        #[arg(long, conflicts_with_all = ["at", "capture"])]
        watch: bool,
        #[command(flatten)]
        look: LookArgs,
    },
    /// Shows an agent: its card, how it is, what it holds, and its reputation.
    Show {
        /// The agent.
        #[arg(id = "whose", value_name = "AGENT")]
        agent: AgentName,
        /// After how long without progress on what it holds it is quiet.
        #[arg(long, value_name = SPAN, value_parser = span::parse, default_value = "60s")]
        quiet_after: Millis,
        #[command(flatten)]
        look: LookArgs,
    },
    /// Announces oneself, or anew.
    Announce(Box<AnnounceArgs>),
    /// Says that one leaves. Whoever retired may announce itself again.
    Retire {
        /// Why.
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        reason: String,
        #[command(flatten)]
        act: ActArgs,
    },
    /// As an administrator, shuts an agent out: what it appends from then on has no effect.
    Revoke {
        /// The agent.
        #[arg(id = "whose", value_name = "AGENT")]
        agent: AgentName,
        /// Why.
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        reason: String,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Agent cards of the A2A protocol, in and out.
    #[command(subcommand)]
    Card(CardCommand),
    Instances(instances::Args),
}

/// Agent cards of the A2A protocol.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum CardCommand {
    /// Prints an agent's card as an A2A agent card.
    Export {
        /// The agent.
        #[arg(id = "whose", value_name = "AGENT")]
        agent: AgentName,
        #[command(flatten)]
        look: LookArgs,
    },
    /// Announces oneself with an A2A agent card. What Colony does not know of it is kept.
    Import {
        /// The card.
        #[arg(value_name = GIVEN)]
        card: String,
        #[command(flatten)]
        act: ActArgs,
    },
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  colony agents announce --agent bob --skill rust --skill sql --capacity 2
  colony agents announce --agent bob --skill rust --key bob.nk --publish-key")]
pub(crate) struct AnnounceArgs {
    /// What it is for, in a sentence.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    /// What it can do, as others ask for it; several times for several.
    #[arg(long = "skill", value_name = "SKILL", value_parser = NonEmptyStringValueParser::new())]
    skills: Vec<String>,
    /// The version of its program.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    program_version: String,
    /// How many tasks it takes at once.
    #[arg(long, value_name = "N")]
    capacity: Option<u32>,
    /// What it wants for a task, in the space's unit.
    #[arg(long, value_name = "N")]
    cost: Option<u64>,
    /// Where it can be reached outside the log.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Names the public key of `--key` as the one that it signs contracts and votes with.
    #[arg(long)]
    publish_key: bool,
    #[command(flatten)]
    act: ActArgs,
}

pub(crate) async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Instances(args) => instances::run(args, context).await,
        Command::List { skills, quiet_after, watch: false, look } => {
            let mut sky = Sky::look(context, look, quiet_after).await?;
            sky.list(&skills)?;
            sky.view.close()
        }
        Command::List { skills, quiet_after, watch: true, look } => {
            let interrupt = Interrupt::listen()?;
            let watching = async {
                let mut sky = Sky::look(context, look, quiet_after).await?;
                loop {
                    sky.list(&skills)?;
                    tokio::time::sleep(AGAIN).await;
                    sky.look_again().await?;
                }
            };
            tokio::select! {
                ended = watching => ended,
                () = interrupt.asked() => Ok(()),
            }
        }
        Command::Show { agent, quiet_after, look } => {
            let sky = Sky::look(context, look, quiet_after).await?;
            show(sky, &agent)
        }
        Command::Announce(args) => announce(*args, context).await,
        Command::Retire { reason, act } => {
            carry_out(Seat::take(context, act).await?, directory::Command::Retire { reason }).await
        }
        Command::Revoke { agent, reason, act } => {
            let command = directory::Command::Revoke { agent, reason };
            carry_out(Seat::take(context, act).await?, command).await
        }
        Command::Card(CardCommand::Import { card, act }) => {
            let card = Card::from_a2a(&given::text(&card)?).map_err(InputError::AgentCard)?;
            let command = directory::Command::Announce(Box::new(card));
            carry_out(Seat::take(context, act).await?, command).await
        }
        Command::Card(CardCommand::Export { agent, look }) => {
            export(View::open(context, look).await?, &agent)
        }
    }
}

async fn announce(args: AnnounceArgs, context: &Context) -> Result<(), Failure> {
    let AnnounceArgs {
        description,
        skills,
        program_version,
        capacity,
        cost,
        url,
        publish_key,
        act,
    } = args;
    let key = match publish_key {
        true => Some(context.signer()?.public().clone()),
        false => None,
    };
    let version = program_version;
    let card = Card { description, skills, version, capacity, cost, url, key, a2a: None };
    let command = directory::Command::Announce(Box::new(card));
    carry_out(Seat::take(context, act).await?, command).await
}

async fn carry_out(mut seat: Seat, command: directory::Command) -> Result<(), Failure> {
    let told = seat.act::<Directory>(command).await?;
    let agent = told.first().and_then(|told| told.entity.as_ref());
    let agent: Option<AgentName> = agent.and_then(|entity| entity.as_str().parse().ok());
    let stands = agent.and_then(|agent| {
        seat.state().directory.get(&agent).map(|listed| listed_json(&agent, Some(listed)))
    });
    seat.tell(&told, "agent", stands)
}

fn export(view: View, agent: &AgentName) -> Result<(), Failure> {
    let listed = view.state().directory.get(agent);
    let listed = listed.ok_or_else(|| view.unknown("agent", agent))?;
    let card = listed.card.to_a2a(agent.as_str()).map_err(InputError::AgentCard)?;
    view.print(&card)
}

/// How long after a look there is another.
const AGAIN: Duration = Duration::from_secs(1);

/// What the log and presence say of everybody.
struct Sky {
    view: View,
    /// Who was heard; `None` where the past is looked at, of which presence leaves no trace.
    heard: Option<Heard>,
    quiet_after: Millis,
}

struct Heard {
    members: Vec<Member>,
    connected: bool,
    now: Timestamp,
}

impl Heard {
    async fn now(view: &View) -> Self {
        let Roster { members, stale, .. } = view.bus().presence().roster().await;
        Self { members, connected: !stale, now: SystemTime::now().into() }
    }
}

impl Sky {
    async fn look(context: &Context, look: LookArgs, quiet_after: Millis) -> Result<Self, Failure> {
        let live = look.is_live();
        let view = View::open(context, look).await?;
        let heard = match live {
            false => None,
            true => Some(Heard::now(&view).await),
        };
        Ok(Self { view, heard, quiet_after })
    }

    async fn look_again(&mut self) -> Result<(), Failure> {
        self.view.read_on().await?;
        self.heard = Some(Heard::now(&self.view).await);
        Ok(())
    }

    /// Returns how an agent is; `None` where that is not known.
    fn liveness(&self, agent: &AgentName) -> Option<Liveness> {
        let state = self.view.state();
        let Some(Heard { members, connected, now }) = &self.heard else {
            return past(state, agent);
        };
        let expiry = Millis::new(u64::try_from(EXPIRY.as_millis()).unwrap_or(u64::MAX));
        let sight = Sight {
            now: *now,
            connected: *connected,
            unreachable_after: expiry,
            gone_after: Millis::new(expiry.get().saturating_mul(4)),
            quiet_after: self.quiet_after,
        };
        let own = members.iter().filter(|member| member.agent == *agent);
        // One instance that is there suffices.
        let best = own.max_by_key(|member| member.alive);
        let presence = best.map(|member| Presence {
            status: status(&member.status),
            heard: match member.alive {
                true => *now,
                false => Timestamp::from_nanos(now.as_nanos() - 2 * nanos(expiry)),
            },
        });
        Some(Liveness::of(agent, state, presence.as_ref(), &sight))
    }

    fn instances(&self, agent: &AgentName) -> Vec<&Member> {
        let members = self.heard.iter().flat_map(|heard| &heard.members);
        members.filter(|member| member.agent == *agent && member.alive).collect()
    }

    /// Returns everybody that the log or presence knows, by name.
    fn everybody(&self) -> BTreeMap<&AgentName, Option<&Listed>> {
        let state = self.view.state();
        let heard = self.heard.iter().flat_map(|heard| &heard.members);
        let heard = heard.filter(|member| member.alive).map(|member| (&member.agent, None));
        let listed = state.directory.iter().map(|(agent, listed)| (agent, Some(listed)));
        heard.chain(listed).collect()
    }

    fn describe(&self, agent: &AgentName, listed: Option<&Listed>) -> Value {
        let mut described = listed_json(agent, listed);
        let state = self.view.state();
        let instances = self.instances(agent);
        let instances: Vec<_> = instances
            .iter()
            .map(|member| json!({ "instance": member.instance, "status": member.status }))
            .collect();
        if let Value::Object(object) = &mut described {
            object.insert("liveness".into(), value(&self.liveness(agent)));
            object.insert("instances".into(), instances.into());
            object.insert("holds".into(), json!(holds(state, agent)));
            let score = state.reputation.score(agent, self.view.time());
            object.insert("score".into(), json!(score));
        }
        described
    }

    fn list(&mut self, skills: &[String]) -> Result<(), Failure> {
        let state = self.view.state();
        let able: Option<Vec<_>> = match skills.is_empty() {
            true => None,
            false => Some(state.directory.with_skills(skills).map(|(agent, _)| agent).collect()),
        };
        let mut everybody = self.everybody();
        everybody.retain(|agent, _| able.as_ref().is_none_or(|able| able.contains(agent)));
        let all: Value =
            everybody.iter().map(|(agent, listed)| self.describe(agent, *listed)).collect();
        let rows: Vec<_> = everybody
            .iter()
            .map(|(agent, listed)| {
                let liveness = self.liveness(agent);
                let skills = listed.map_or(String::new(), |listed| listed.card.skills.join(", "));
                let doing = match &liveness {
                    Some(Liveness::Alive(status) | Liveness::Quiet { status, .. }) => doing(status),
                    Some(_) | None => String::new(),
                };
                vec![
                    agent.to_string(),
                    liveness.as_ref().map_or(String::new(), word),
                    doing,
                    self.instances(agent).len().to_string(),
                    holds(state, agent).join(", "),
                    skills,
                ]
            })
            .collect();
        let stale = self.heard.as_ref().is_some_and(|heard| !heard.connected);
        if stale && self.view.format() == Format::Human {
            self.view.warn(
                "my view is stale: this process has lost touch, which says nothing about others",
            )?;
        }
        let heading = ["AGENT", "IS", "DOING", "INSTANCES", "HOLDS", "SKILLS"];
        self.view.put_all("agents", &all, &heading, rows)
    }
}

/// Returns what the log alone says for good.
fn past(state: &CoordinationState, agent: &AgentName) -> Option<Liveness> {
    match state.directory.get(agent)?.standing {
        Standing::Active => None,
        Standing::Retired { .. } => Some(Liveness::Retired),
        Standing::Revoked { .. } => Some(Liveness::Revoked),
    }
}

fn nanos(length: Millis) -> i64 {
    i64::try_from(length.get()).unwrap_or(i64::MAX).saturating_mul(1_000_000)
}

/// Returns what an instance says of itself, in the words of the directory.
fn status(said: &colony_bus::presence::Status) -> Status {
    let on = || said.working_on.clone().unwrap_or_default();
    match said.state.as_str() {
        "blocked" => Status::Blocked(on()),
        "rate-limited" => Status::RateLimited,
        _ if said.working_on.is_some() => Status::Working(on()),
        _ => Status::Idle,
    }
}

/// Returns the tasks that an agent holds, by name.
fn holds(state: &CoordinationState, agent: &AgentName) -> Vec<String> {
    let held = state.tasks.iter().filter(|(task, _)| state.tasks.fence(task, agent).is_some());
    held.map(|(task, _)| task.to_string()).collect()
}

/// Returns an agent as the log has it; one that never announced itself has no card.
fn listed_json(agent: &AgentName, listed: Option<&Listed>) -> Value {
    json!({
        "agent": agent,
        "card": listed.map(|listed| value(&listed.card)),
        "at": listed.map(|listed| listed.at),
        "since": listed.map(|listed| listed.since),
        "standing": listed.map(|listed| value(&listed.standing)),
    })
}

fn doing(status: &Status) -> String {
    match status {
        Status::Idle => "idle".to_owned(),
        Status::Working(on) => format!("working on {on}"),
        Status::Blocked(on) => format!("blocked on {on}"),
        Status::RateLimited => "rate-limited".to_owned(),
    }
}

fn show(sky: Sky, agent: &AgentName) -> Result<(), Failure> {
    let everybody = sky.everybody();
    let listed = everybody.get(agent).ok_or_else(|| sky.view.unknown("agent", agent))?;
    let described = sky.describe(agent, *listed);
    sky.view.show("agent", &described)
}
