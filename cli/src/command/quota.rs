//! `colony quota`

use colony_agents::protocol::quota::{self, Defined, Quota, Quotas};
use colony_agents::protocol::{CoordinationState, LogTime, Millis};
use colony_core::{AgentName, EntityName, Position};
use serde_json::{Value, json};

use crate::context::Context;
use crate::coordinate::{ActArgs, LookArgs, Seat, View, named, value};
use crate::failure::Failure;
use crate::span::{self, SPAN};

/// A shared budget for something that is limited: granted in log order, never exceeded, shared fairly.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Defines a budget, or defines one's own anew.
    Define {
        /// The quota.
        #[arg(value_name = "QUOTA")]
        quota: EntityName,
        /// How much there is in a period.
        #[arg(value_name = "AMOUNT")]
        amount: u64,
        /// How long a period is.
        #[arg(long, value_name = SPAN, value_parser = span::parse)]
        per: Millis,
        /// How much an agent's need counts beside the others' (1); several times for several.
        #[arg(long = "share", value_name = "AGENT=N", value_parser = share)]
        shares: Vec<(AgentName, u32)>,
        /// After how long what was not returned is free again: only where the resource itself refuses old fences.
        #[arg(long, value_name = SPAN, value_parser = span::parse)]
        hold: Option<Millis>,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Takes some. It is granted or refused where the request stands; the exit code tells.
    Take {
        /// The quota.
        #[arg(value_name = "QUOTA")]
        quota: EntityName,
        /// How much.
        #[arg(value_name = "AMOUNT")]
        amount: u64,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Returns what was not used.
    Return {
        /// The quota.
        #[arg(value_name = "QUOTA")]
        quota: EntityName,
        /// The position of what was taken.
        #[arg(value_name = "POSITION")]
        reservation: Position,
        /// How much of it was used.
        #[arg(long, value_name = "N", default_value_t = 0)]
        used: u64,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Lists quotas, or shows one: what is taken, by whom, what was refused, and the warnings.
    Show {
        /// The quota [default: all].
        #[arg(value_name = "QUOTA")]
        quota: Option<EntityName>,
        #[command(flatten)]
        look: LookArgs,
    },
}

/// A text is no share.
#[derive(Debug, Clone, thiserror::Error)]
#[error("a share is an agent and a whole number: AGENT=N")]
struct ShareError;

fn share(text: &str) -> Result<(AgentName, u32), ShareError> {
    let (agent, weight) = text.split_once('=').ok_or(ShareError)?;
    Ok((agent.parse().map_err(|_| ShareError)?, weight.parse().map_err(|_| ShareError)?))
}

pub(crate) async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    let (command, act) = match command {
        Command::Define { quota, amount, per, shares, hold, act } => {
            let shares = shares.into_iter().collect();
            let defined = Defined { amount, period_ms: per, shares, hold_ms: hold };
            (quota::Command::Define(quota, defined), act)
        }
        Command::Take { quota, amount, act } => return take(quota, amount, act, context).await,
        Command::Return { quota, reservation, used, act } => {
            (quota::Command::Return { quota, reservation, used }, act)
        }
        Command::Show { quota, look } => {
            return show(View::open(context, look).await?, quota.as_ref());
        }
    };
    let mut seat = Seat::take(context, act).await?;
    let told = seat.act::<Quotas>(command).await?;
    let quota = told.first().and_then(|told| told.entity.clone());
    let stands = quota.and_then(|quota| stands(seat.state(), &quota));
    seat.tell(&told, "quota", stands)
}

/// Returns a quota as everybody sees it.
fn stands(state: &CoordinationState, quota: &EntityName) -> Option<Value> {
    state.quotas.get(quota).map(|known| named("quota", quota, known))
}

async fn take(
    quota: EntityName,
    amount: u64,
    act: ActArgs,
    context: &Context,
) -> Result<(), Failure> {
    let mut seat = Seat::take(context, act).await?;
    let told = seat.act::<Quotas>(quota::Command::Take(quota.clone(), amount)).await?;
    let at = told.first().map(|told| told.position);
    let known = seat.state().quotas.get(&quota);
    let granted = known.zip(at).and_then(|(known, at)| known.reservation(at)).is_some();
    let refusal = known.zip(at).and_then(|(known, at)| known.refusal(at)).cloned();
    let mut stands = stands(seat.state(), &quota);
    if let Some(Value::Object(stands)) = &mut stands {
        stands.insert("granted".into(), json!(granted));
        stands.insert("reservation".into(), json!(at.filter(|_| granted)));
        stands.insert("refusal".into(), value(&refusal));
    }
    seat.tell(&told, "quota", stands)?;
    match refusal {
        Some(refusal) => Err(Failure::Exhausted { quota, refusal: Box::new(refusal) }),
        None => Ok(()),
    }
}

fn show(view: View, quota: Option<&EntityName>) -> Result<(), Failure> {
    if let Some(quota) = quota {
        let stands = stands(view.state(), quota);
        let mut stands = stands.ok_or_else(|| view.unknown("quota", quota))?;
        if let (Value::Object(stands), Some(known)) = (&mut stands, view.state().quotas.get(quota))
        {
            let agent = view.bus().agent();
            stands.insert("available".into(), json!(known.available(agent, view.time())));
        }
        return view.show("quota", &stands);
    }
    let (quotas, agent, time) = (&view.state().quotas, view.bus().agent(), view.time());
    let all: Value = quotas.iter().map(|(name, known)| named("quota", name, known)).collect();
    let rows: Vec<_> = quotas.iter().map(|(name, known)| row(name, known, agent, time)).collect();
    let heading = ["QUOTA", "AMOUNT", "TAKEN", "FOR ME", "RESERVED", "REFUSED", "PERIOD ENDS"];
    view.list("quotas", &all, &heading, rows)
}

fn row(name: &EntityName, known: &Quota, agent: &AgentName, time: LogTime) -> Vec<String> {
    vec![
        name.to_string(),
        known.said.amount.to_string(),
        known.taken.to_string(),
        known.available(agent, time).to_string(),
        known.reservations.len().to_string(),
        known.refused.len().to_string(),
        crate::show::time(known.ends()),
    ]
}
