//! `colony vote`

use std::collections::BTreeMap;

use clap::builder::NonEmptyStringValueParser;
use colony_agents::protocol::vote::{
    self, Called, Cast, Counts, Rule, SignedChoice, Vote, VoteResult, Votes,
};
use colony_agents::protocol::{CoordinationState, LogTime, Signature};
use colony_core::signature::PublicKey;
use colony_core::{AgentName, EntityName, Timestamp};
use serde_json::{Value, json};

use crate::context::Context;
use crate::coordinate::{ActArgs, LookArgs, Seat, View, named};
use crate::failure::{Failure, InputError};
use crate::span::{self, MOMENT};

/// Questions put to a vote: one vote each, by a rule that is told beforehand.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Puts a question to a vote.
    #[command(after_help = "\
Examples:
  colony vote call ship-2.0 'ship it?' --voter bob --voter cid --voter dee --until 1h
  colony vote call name 'which name?' --voter bob=UB3... --voter cid=UC7... --option kiln --option loom --at-least 2 --until 1d")]
    Call(Box<CallArgs>),
    /// Votes. Where the call names a key for the agent, the vote is signed with `--key`.
    Cast {
        /// The vote.
        #[arg(value_name = "VOTE")]
        vote: EntityName,
        /// The option.
        #[arg(value_name = "OPTION")]
        choice: String,
        /// Why.
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        reason: String,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Lists votes, or shows one with its result.
    Show {
        /// The vote [default: all].
        #[arg(value_name = "VOTE")]
        vote: Option<EntityName>,
        #[command(flatten)]
        look: LookArgs,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct CallArgs {
    /// The vote.
    #[arg(value_name = "VOTE")]
    vote: EntityName,
    /// The question.
    #[arg(value_name = "QUESTION", value_parser = NonEmptyStringValueParser::new())]
    question: String,
    /// Who may vote, and the public key that it must sign with, if any; several times for several.
    #[arg(long = "voter", value_name = "AGENT[=KEY]", value_parser = voter, required = true)]
    voters: Vec<(AgentName, Option<PublicKey>)>,
    /// What may be chosen [default: yes, no]; several times for several.
    #[arg(long = "option", value_name = "TEXT")]
    options: Vec<String>,
    /// Until when votes count.
    #[arg(long, value_name = MOMENT, value_parser = span::moment)]
    until: Timestamp,
    #[command(flatten)]
    rule: RuleArgs,
    /// Lets an agent's last vote count instead of its first: nothing is settled before the end.
    #[arg(long)]
    last_counts: bool,
    #[command(flatten)]
    act: ActArgs,
}

/// When an option has won; without any of these, once more than half of all voters chose it.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub(crate) struct RuleArgs {
    /// Once so many chose it.
    #[arg(long, value_name = "N")]
    at_least: Option<u32>,
    /// Once it has more than half of all weight; an agent that is not named weighs 1. Several times for several.
    #[arg(long = "weight", value_name = "AGENT=N", value_parser = weight)]
    weights: Vec<(AgentName, u32)>,
    /// Once it has more than half of all weight, each voter weighing its reputation at the call.
    #[arg(long)]
    by_reputation: bool,
}

/// A text is no voter.
#[derive(Debug, Clone, thiserror::Error)]
#[error("a voter is an agent, or an agent and its public key: AGENT=UKEY")]
struct VoterError;

fn voter(text: &str) -> Result<(AgentName, Option<PublicKey>), VoterError> {
    let (agent, key) = match text.split_once('=') {
        Some((agent, key)) => (agent, Some(key.parse().map_err(|_| VoterError)?)),
        None => (text, None),
    };
    Ok((agent.parse().map_err(|_| VoterError)?, key))
}

/// A text is no weight.
#[derive(Debug, Clone, thiserror::Error)]
#[error("a weight is an agent and a whole number: AGENT=N")]
struct WeightError;

fn weight(text: &str) -> Result<(AgentName, u32), WeightError> {
    let (agent, weight) = text.split_once('=').ok_or(WeightError)?;
    Ok((agent.parse().map_err(|_| WeightError)?, weight.parse().map_err(|_| WeightError)?))
}

pub(crate) async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Call(args) => call(*args, context).await,
        Command::Cast { vote, choice, reason, act } => {
            let seat = Seat::take(context, act).await?;
            let signature = sign(&seat, &vote, &choice, context)?;
            let cast = Cast { choice, reason, signature };
            carry_out(seat, vote::Command::Cast(vote, cast)).await
        }
        Command::Show { vote, look } => show(View::open(context, look).await?, vote.as_ref()),
    }
}

async fn call(args: CallArgs, context: &Context) -> Result<(), Failure> {
    let CallArgs { vote, question, voters, options, until, rule, last_counts, act } = args;
    let RuleArgs { at_least, weights, by_reputation } = rule;
    let rule = match (at_least, by_reputation) {
        (Some(count), _) => Rule::AtLeast(count),
        (None, true) => Rule::ByReputation,
        (None, false) if weights.is_empty() => Rule::Majority,
        (None, false) => Rule::Weighted(weights.into_iter().collect()),
    };
    let counts = if last_counts { Counts::Last } else { Counts::First };
    let voters: BTreeMap<_, _> = voters.into_iter().collect();
    let called = Called { question, options, voters, rule, counts, until };
    let seat = Seat::take(context, act).await?;
    carry_out(seat, vote::Command::Call(vote, Box::new(called))).await
}

/// Signs a vote where the call asks for that.
fn sign(
    seat: &Seat,
    vote: &EntityName,
    choice: &str,
    context: &Context,
) -> Result<Option<Signature>, Failure> {
    let Some(known) = seat.state().votes.get(vote) else { return Ok(None) };
    let voter = seat.agent();
    if known.said.voters.get(voter).is_none_or(Option::is_none) {
        return Ok(None);
    }
    let signed = SignedChoice { vote, called: known.at, voter, choice };
    let signature = Signature::make(&context.signer()?, &signed.digest());
    Ok(Some(signature.map_err(InputError::Signing)?))
}

async fn carry_out(mut seat: Seat, command: vote::Command) -> Result<(), Failure> {
    let told = seat.act::<Votes>(command).await?;
    let vote = told.first().and_then(|told| told.entity.clone());
    let time = seat.state().time();
    let stands = vote.and_then(|vote| stands(seat.state(), &vote, time));
    seat.tell(&told, "vote", stands)
}

/// Returns a vote as everybody sees it, with its result at a log time.
fn stands(state: &CoordinationState, name: &EntityName, time: LogTime) -> Option<Value> {
    let vote = state.votes.get(name)?;
    let mut stands = named("vote", name, vote);
    if let Value::Object(object) = &mut stands {
        object.insert("needed".into(), json!(vote.needed()));
        object.insert("result".into(), result(vote, time));
    }
    Some(stands)
}

fn result(vote: &Vote, time: LogTime) -> Value {
    match vote.result(time) {
        VoteResult::Open { counts } => json!({ "state": "open", "counts": counts }),
        VoteResult::Decided { choice, counts } => {
            json!({ "state": "decided", "choice": choice, "counts": counts })
        }
        VoteResult::Undecided { counts } => json!({ "state": "undecided", "counts": counts }),
    }
}

fn show(view: View, vote: Option<&EntityName>) -> Result<(), Failure> {
    let time = view.time();
    if let Some(vote) = vote {
        let stands = stands(view.state(), vote, time);
        let stands = stands.ok_or_else(|| view.unknown("vote", vote))?;
        return view.show("vote", &stands);
    }
    let votes = &view.state().votes;
    let all: Value =
        votes.iter().filter_map(|(name, _)| stands(view.state(), name, time)).collect();
    let rows: Vec<_> = votes
        .iter()
        .map(|(name, vote)| {
            let result = match vote.result(time) {
                VoteResult::Open { .. } => "open".to_owned(),
                VoteResult::Decided { choice, .. } => format!("decided: {choice}"),
                VoteResult::Undecided { .. } => "undecided".to_owned(),
            };
            vec![
                name.to_string(),
                result,
                format!("{} of {}", vote.ballots.len(), vote.said.voters.len()),
                crate::show::time(vote.said.until),
                vote.said.question.clone(),
            ]
        })
        .collect();
    view.list("votes", &all, &["VOTE", "RESULT", "VOTED", "UNTIL", "QUESTION"], rows)
}
