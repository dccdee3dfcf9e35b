//! `colony gate`, and `colony ask`, `answer`, `stop` and `resume`: where people decide.

use std::time::{Duration, SystemTime};

use clap::builder::NonEmptyStringValueParser;
use colony_agents::protocol::gate::{
    self, Answer, Answered, Asked, Gate, Granted, Question, Resumed, Stopped,
};
use colony_agents::protocol::{CoordinationState, LogTime, Millis};
use colony_core::{AgentName, EntityName, Timestamp};
use serde_json::{Value, json};

use crate::context::Context;
use crate::coordinate::{ActArgs, LookArgs, Seat, View, named, value};
use crate::failure::Failure;
use crate::span::{self, MOMENT};

/// Where people decide: questions to them, what they allow within limits, and what they stopped.
///
/// Questions are asked with `colony ask` and answered with `colony answer`; `colony stop` and `colony resume` are the emergency stop.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Shows questions, grants and stops; or one question or grant.
    Show {
        /// The question or the grant [default: all].
        #[arg(value_name = "NAME")]
        name: Option<EntityName>,
        #[command(flatten)]
        look: LookArgs,
    },
    /// Waits until a question has its answer, and prints it.
    Wait {
        /// The question.
        #[arg(value_name = "QUESTION")]
        question: EntityName,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Takes a question back, as who asked.
    Cancel {
        /// The question.
        #[arg(value_name = "QUESTION")]
        question: EntityName,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Gives leave within limits, as a person: questions that it covers are answered by it.
    Grant(GrantArgs),
    /// Takes leave back, as a person. What was done under it stands.
    Withdraw {
        /// The grant.
        #[arg(value_name = "GRANT")]
        grant: EntityName,
        #[command(flatten)]
        act: ActArgs,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct GrantArgs {
    /// The grant.
    #[arg(value_name = "GRANT")]
    grant: EntityName,
    /// For what, in the words that questions use.
    #[arg(value_name = "SCOPE")]
    scope: String,
    /// To whom [default: every agent].
    #[arg(long, value_name = "AGENT")]
    to: Option<AgentName>,
    /// How much at a time [default: any amount].
    #[arg(long, value_name = "N")]
    each: Option<u64>,
    /// How much in all [default: without limit].
    #[arg(long, value_name = "N")]
    total: Option<u64>,
    /// How often [default: any number of times].
    #[arg(long, value_name = "N")]
    times: Option<u32>,
    /// Until when.
    #[arg(long, value_name = MOMENT, value_parser = span::moment)]
    until: Timestamp,
    #[command(flatten)]
    act: ActArgs,
}

/// Asks people. The question stands in the log, so that nothing is lost with the process that asked.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  colony ask deploy-7 'deploy 2.0?' --option yes --option no --until 2h --otherwise no --wait
  colony ask buy-1 'buy tokens?' --scope spend --amount 15")]
pub(crate) struct AskArgs {
    /// A name for the question.
    #[arg(value_name = "QUESTION")]
    question: EntityName,
    /// What is asked.
    #[arg(value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    text: String,
    /// What may be answered [default: anything]; several times for several.
    #[arg(long = "option", value_name = "TEXT")]
    options: Vec<String>,
    /// Who may answer [default: whomever the charter names]; several times for several.
    #[arg(long, value_name = "AGENT")]
    of: Vec<AgentName>,
    /// What leave is asked for: a grant for it answers at once.
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,
    /// How much leave.
    #[arg(long, value_name = "N", requires = "scope")]
    amount: Option<u64>,
    /// Until when an answer is of use.
    #[arg(long, value_name = MOMENT, value_parser = span::moment)]
    until: Option<Timestamp>,
    /// What holds if nobody answers until then.
    #[arg(long, value_name = "TEXT", requires = "until")]
    otherwise: Option<String>,
    /// Waits for the answer. Interrupted or killed, nothing is lost: `colony gate wait` goes on.
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    act: ActArgs,
}

/// Answers a question, as a person. The first answer counts.
#[derive(Debug, clap::Args)]
pub(crate) struct AnswerArgs {
    /// The question.
    #[arg(value_name = "QUESTION")]
    question: EntityName,
    /// The answer.
    #[arg(value_name = "TEXT")]
    answer: String,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    note: String,
    #[command(flatten)]
    act: ActArgs,
}

/// Emergency stop, as a person: what the agent, or everybody, appends has no effect until it is resumed.
#[derive(Debug, clap::Args)]
pub(crate) struct StopArgs {
    #[command(flatten)]
    who: Who,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    act: ActArgs,
}

/// Ends an emergency stop, as a person.
#[derive(Debug, clap::Args)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    act: ActArgs,
}

/// Whom a stop is about.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Who {
    /// The agent.
    #[arg(value_name = "AGENT")]
    who: Option<AgentName>,
    /// Everybody in the space but its administrators.
    #[arg(long)]
    everybody: bool,
}

impl Who {
    /// Returns the entity that the event is about.
    fn entity(&self) -> EntityName {
        match &self.who {
            Some(agent) => colony_agents::protocol::entity_of(agent),
            #[expect(clippy::unwrap_used, reason = "a constant that is a name")]
            None => "space".parse().unwrap(),
        }
    }
}

pub(crate) async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Show { name, look } => show(View::open(context, look).await?, name.as_ref()),
        Command::Wait { question, act } => {
            let mut seat = Seat::take(context, act).await?;
            wait(&mut seat, &question).await?;
            let stands = stands(seat.state(), &question, now(seat.state()));
            seat.tell(&[], "question", stands)
        }
        Command::Cancel { question, act } => {
            carry_out(Seat::take(context, act).await?, gate::Command::Cancel(question)).await
        }
        Command::Grant(args) => {
            let GrantArgs { grant, scope, to, each, total, times, until, act } = args;
            let granted = Granted { to, scope, each, total, times, until };
            carry_out(Seat::take(context, act).await?, gate::Command::Grant(grant, granted)).await
        }
        Command::Withdraw { grant, act } => {
            carry_out(Seat::take(context, act).await?, gate::Command::Withdraw(grant)).await
        }
    }
}

pub(crate) async fn ask(args: AskArgs, context: &Context) -> Result<(), Failure> {
    let AskArgs { question, text, options, of, scope, amount, until, otherwise, wait: waits, act } =
        args;
    let of = of.into_iter().collect();
    let asked = Asked { question: text, options, of, scope, amount, until, otherwise };
    let mut seat = Seat::take(context, act).await?;
    let told = seat.act::<Gate>(gate::Command::Ask(question.clone(), Box::new(asked))).await?;
    if waits && told.iter().all(|told| crate::failure::NoEffect::of(told).is_none()) {
        wait(&mut seat, &question).await?;
    }
    let stands = stands(seat.state(), &question, now(seat.state()));
    seat.tell(&told, "question", stands)
}

pub(crate) async fn answer(args: AnswerArgs, context: &Context) -> Result<(), Failure> {
    let AnswerArgs { question, answer, note, act } = args;
    let command = gate::Command::Answer(question, Answered { answer, note });
    carry_out(Seat::take(context, act).await?, command).await
}

pub(crate) async fn stop(args: StopArgs, context: &Context) -> Result<(), Failure> {
    let StopArgs { who, reason, act } = args;
    let command = gate::Command::Stop(who.entity(), Stopped { agent: who.who, reason });
    stop_or_resume(command, act, context).await
}

pub(crate) async fn resume(args: ResumeArgs, context: &Context) -> Result<(), Failure> {
    let ResumeArgs { who, act } = args;
    let command = gate::Command::Resume(who.entity(), Resumed { agent: who.who });
    stop_or_resume(command, act, context).await
}

async fn stop_or_resume(
    command: gate::Command,
    act: ActArgs,
    context: &Context,
) -> Result<(), Failure> {
    let mut seat = Seat::take(context, act).await?;
    let told = seat.act::<Gate>(command).await?;
    let stands = stops(seat.state());
    seat.tell(&told, "stops", Some(stands))
}

async fn carry_out(mut seat: Seat, command: gate::Command) -> Result<(), Failure> {
    let told = seat.act::<Gate>(command).await?;
    let name = told.first().and_then(|told| told.entity.clone());
    let time = seat.state().time();
    let key = match name.as_ref().and_then(|name| seat.state().gate.question(name)) {
        Some(_) => "question",
        None => "grant",
    };
    let stands = name.and_then(|name| stands(seat.state(), &name, time));
    seat.tell(&told, key, stands)
}

/// Returns the log's time, no earlier than now.
fn now(state: &CoordinationState) -> LogTime {
    state.time().advanced(SystemTime::now().into())
}

/// Waits until a question has its answer, or its time is over.
async fn wait(seat: &mut Seat, name: &EntityName) -> Result<(), Failure> {
    loop {
        let state = seat.state();
        let Some(question) = state.gate.question(name) else {
            return Err(seat.unknown("question", name));
        };
        let time = now(state);
        if question.answer(time) != Answer::Wait {
            return Ok(());
        }
        // Silence brings no time along, so this machine's clock says when the time is over.
        let left = question.said.until.map(|until| Millis::between(time.moment(), until).get());
        let Some(left) = left else {
            seat.next().await?;
            continue;
        };
        let over = tokio::time::sleep(Duration::from_millis(left + 1));
        tokio::select! {
            next = seat.next() => next?,
            () = over => {}
        }
    }
}

/// Returns a question, with what holds for who asked, or a grant.
fn stands(state: &CoordinationState, name: &EntityName, time: LogTime) -> Option<Value> {
    match state.gate.question(name) {
        Some(question) => Some(question_json(name, question, time)),
        None => state.gate.grant(name).map(|grant| named("grant", name, grant)),
    }
}

fn question_json(name: &EntityName, question: &Question, time: LogTime) -> Value {
    let mut stands = named("question", name, question);
    let answer = match question.answer(time) {
        Answer::Wait => json!({ "state": "wait" }),
        Answer::Leave => json!({ "state": "leave" }),
        Answer::Told(told) => json!({ "state": "told", "answer": told }),
        Answer::Expired => json!({ "state": "expired" }),
        Answer::Cancelled => json!({ "state": "cancelled" }),
    };
    if let Value::Object(object) = &mut stands {
        object.insert("answer".into(), answer);
    }
    stands
}

fn stops(state: &CoordinationState) -> Value {
    let stopped: serde_json::Map<_, _> =
        state.gate.stops().map(|(agent, stop)| (agent.to_string(), value(stop))).collect();
    json!({ "space": value(&state.gate.space_stop()), "agents": stopped })
}

fn show(view: View, name: Option<&EntityName>) -> Result<(), Failure> {
    let (state, time) = (view.state(), view.time());
    if let Some(name) = name {
        let stands = stands(state, name, time);
        let stands = stands.ok_or_else(|| view.unknown("question or grant", name))?;
        let key = if state.gate.question(name).is_some() { "question" } else { "grant" };
        return view.show(key, &stands);
    }
    let questions: Value =
        state.gate.questions().map(|(name, known)| question_json(name, known, time)).collect();
    let grants: Value =
        state.gate.grants().map(|(name, known)| named("grant", name, known)).collect();
    let all = json!({ "questions": questions, "grants": grants, "stops": stops(state) });
    let mut rows = Vec::new();
    for (name, question) in state.gate.questions() {
        let answer = match question.answer(time) {
            Answer::Wait => "waits".to_owned(),
            Answer::Leave => "has leave".to_owned(),
            Answer::Told(told) => format!("told: {told}"),
            Answer::Expired => "expired".to_owned(),
            Answer::Cancelled => "cancelled".to_owned(),
        };
        let (by, text) = (question.by.to_string(), question.said.question.clone());
        rows.push(vec!["question".to_owned(), name.to_string(), by, answer, text]);
    }
    for (name, grant) in state.gate.grants() {
        let stands = match grant.withdrawn {
            true => "withdrawn".to_owned(),
            false => format!("used {} in {} times", grant.used, grant.times),
        };
        let (by, text) = (grant.by.to_string(), grant.said.scope.clone());
        rows.push(vec!["grant".to_owned(), name.to_string(), by, stands, text]);
    }
    let space = state.gate.space_stop().map(|stop| ("everybody".to_owned(), stop));
    let agents = state.gate.stops().map(|(agent, stop)| (agent.to_string(), stop));
    for (who, stop) in space.into_iter().chain(agents) {
        let since = format!("since position {}", stop.at);
        rows.push(vec!["stop".to_owned(), who, stop.by.to_string(), since, stop.reason.clone()]);
    }
    view.list("gate", &all, &["", "NAME", "BY", "STANDS", "TEXT"], rows)
}
