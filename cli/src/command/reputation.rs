//! `colony reputation`

use colony_agents::protocol::reputation::{self, Record, Reputation, Reversed, Vouched};
use colony_agents::protocol::{CoordinationState, LogTime};
use colony_core::{AgentName, Position, Timestamp};
use serde_json::{Value, json};

use crate::context::Context;
use crate::coordinate::{ActArgs, LookArgs, Seat, View, value, word};
use crate::failure::Failure;
use crate::span::{self, MOMENT};

/// How agents have stood by their word, folded from what the other protocols prove.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Lists scores, or shows what one agent's rests on.
    Show {
        /// The agent [default: all of whom something is remembered].
        #[arg(id = "whose", value_name = "AGENT")]
        agent: Option<AgentName>,
        #[command(flatten)]
        look: LookArgs,
    },
    /// Answers for another agent with points of one's own: they are lost if it breaks its word.
    Vouch {
        /// The other agent.
        #[arg(id = "whose", value_name = "AGENT")]
        agent: AgentName,
        /// How many points of one's own earned score.
        #[arg(value_name = "POINTS")]
        points: u32,
        /// Until when.
        #[arg(long, value_name = MOMENT, value_parser = span::moment)]
        until: Timestamp,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Takes one's word for another agent back.
    Withdraw {
        /// The other agent.
        #[arg(id = "whose", value_name = "AGENT")]
        agent: AgentName,
        #[command(flatten)]
        act: ActArgs,
    },
    /// As an administrator, takes a deed out of the count.
    Reverse {
        /// Whose deed.
        #[arg(id = "whose", value_name = "AGENT")]
        agent: AgentName,
        /// Where the event stands that proved it.
        #[arg(value_name = "POSITION")]
        deed: Position,
        /// Why.
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        reason: String,
        #[command(flatten)]
        act: ActArgs,
    },
}

pub(crate) async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    let (agent, command, act) = match command {
        Command::Vouch { agent, points, until, act } => {
            let vouched = Vouched { points, until };
            (agent.clone(), reputation::Command::Vouch(agent, vouched), act)
        }
        Command::Withdraw { agent, act } => {
            (agent.clone(), reputation::Command::Withdraw(agent), act)
        }
        Command::Reverse { agent, deed, reason, act } => {
            let reversed = Reversed { deed, reason };
            (agent.clone(), reputation::Command::Reverse(agent, reversed), act)
        }
        Command::Show { agent, look } => {
            return show(View::open(context, look).await?, agent.as_ref());
        }
    };
    let mut seat = Seat::take(context, act).await?;
    let told = seat.act::<Reputation>(command).await?;
    let stands = stands(seat.state(), &agent, seat.state().time());
    seat.tell(&told, "reputation", stands)
}

/// Returns an agent's reputation as everybody sees it at a log time.
fn stands(state: &CoordinationState, agent: &AgentName, time: LogTime) -> Option<Value> {
    state.reputation.get(agent).map(|record| told(state, agent, record, time))
}

fn told(state: &CoordinationState, agent: &AgentName, record: &Record, time: LogTime) -> Value {
    let Record { earned, with, counts, recent, vouchers, lost } = record;
    let counts: serde_json::Map<_, _> =
        counts.iter().map(|(kind, count)| (word(kind), json!(count))).collect();
    json!({
        "agent": agent,
        "score": state.reputation.score(agent, time),
        "earned": earned.score(time),
        "counts": counts,
        "with": with,
        "recent": value(recent),
        "vouchers": value(vouchers),
        "lost": value(lost),
    })
}

fn show(view: View, agent: Option<&AgentName>) -> Result<(), Failure> {
    let time = view.time();
    if let Some(agent) = agent {
        let stands = stands(view.state(), agent, time);
        let stands = stands.ok_or_else(|| view.unknown("reputation of", agent))?;
        return view.show("reputation", &stands);
    }
    let mut known: Vec<_> = view
        .state()
        .reputation
        .iter()
        .map(|(agent, record)| (view.state().reputation.score(agent, time), agent, record))
        .collect();
    known.sort_by_key(|(score, agent, _)| (std::cmp::Reverse(*score), *agent));
    let all: Value =
        known.iter().map(|(_, agent, record)| told(view.state(), agent, record, time)).collect();
    let rows: Vec<_> = known
        .iter()
        .map(|(score, agent, record)| {
            let counts = record.counts.iter();
            let deeds: Vec<_> =
                counts.map(|(kind, count)| format!("{} {count}", word(kind))).collect();
            let vouchers: Vec<_> = record.vouchers.keys().map(ToString::to_string).collect();
            vec![agent.to_string(), score.to_string(), deeds.join(", "), vouchers.join(", ")]
        })
        .collect();
    view.list("reputations", &all, &["AGENT", "SCORE", "DEEDS", "VOUCHED FOR BY"], rows)
}
