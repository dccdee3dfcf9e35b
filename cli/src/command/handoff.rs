//! `colony handoff`

use clap::builder::NonEmptyStringValueParser;
use colony_agents::protocol::handoff::{
    self, Answered, Asked, DocumentLink, EventLink, Handoffs, Links, Offered, Phase, Reason, Why,
};
use colony_agents::protocol::{CoordinationState, Millis};
use colony_core::{AgentName, DocumentName, EntityName, EventId, Position, Timestamp};
use serde_json::{Value, json};

use crate::context::Context;
use crate::coordinate::{ActArgs, LookArgs, Seat, View, named, value, word};
use crate::failure::Failure;
use crate::given::{self, GIVEN};
use crate::span::{self, MOMENT, SPAN};

/// Work passed on with its reasons, so that whoever takes it on need not find them out again.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Passes work on.
    Offer(Box<OfferArgs>),
    /// Takes it on. The position of the acceptance is the fence.
    Accept {
        /// The handoff.
        #[arg(value_name = "HANDOFF")]
        handoff: EntityName,
        /// How long one has it alone [default: without limit].
        #[arg(long = "for", value_name = SPAN, value_parser = span::parse)]
        alone: Option<Millis>,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Does not take it on, or gives it back: anybody may accept it.
    Decline {
        /// The handoff.
        #[arg(value_name = "HANDOFF")]
        handoff: EntityName,
        /// Why.
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        reason: String,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Hands in the result, which must fit the schema if one was given.
    Complete {
        /// The handoff.
        #[arg(value_name = "HANDOFF")]
        handoff: EntityName,
        /// The result.
        #[arg(long, value_name = GIVEN)]
        result: Option<String>,
        /// The fence that one works under [default: the one that holds].
        #[arg(long, value_name = "POSITION")]
        fence: Option<Position>,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Asks about a handoff. Whoever holds the context may answer, also when others have moved on.
    Ask {
        /// A name for the question.
        #[arg(value_name = "QUESTION")]
        question: EntityName,
        /// The handoff.
        #[arg(long, value_name = "HANDOFF")]
        about: EntityName,
        /// What is asked.
        #[arg(value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
        text: String,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Answers a question about a handoff.
    Answer {
        /// The question.
        #[arg(value_name = "QUESTION")]
        question: EntityName,
        /// The answer.
        #[arg(value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
        text: String,
        /// An event that the answer rests on; several times for several.
        #[arg(long = "source", value_name = "AUTHOR/ID", value_parser = event_link)]
        sources: Vec<EventLink>,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Lists handoffs, or shows one with its questions.
    Show {
        /// The handoff [default: all].
        #[arg(value_name = "HANDOFF")]
        handoff: Option<EntityName>,
        #[command(flatten)]
        look: LookArgs,
    },
    /// Walks a handoff back to its root, and tells which reasons were lost on the way, and where.
    Report {
        /// The last handoff of the chain.
        #[arg(value_name = "HANDOFF")]
        handoff: EntityName,
        #[command(flatten)]
        look: LookArgs,
    },
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  colony handoff offer parser 'port the parser' --to bob --decision 'recursive descent' --caveat 'line 80 is slow'
  colony handoff offer tests 'test the parser' --continues parser --why @why.json --schema @result.schema.json

--why takes {\"decisions\": [{\"what\", \"because\", \"instead_of\": []}], \"assumptions\": [], \"caveats\": [], \"confidence\": 0-100};
what the other options say comes on top.")]
pub(crate) struct OfferArgs {
    /// The handoff.
    #[arg(value_name = "HANDOFF")]
    handoff: EntityName,
    /// What is to be done.
    #[arg(value_name = "WHAT", value_parser = NonEmptyStringValueParser::new())]
    what: String,
    /// To whom [default: whoever accepts first].
    #[arg(long, value_name = "AGENT")]
    to: Option<AgentName>,
    /// Until when that agent alone may accept [default: always].
    #[arg(long, value_name = MOMENT, value_parser = span::moment, requires = "to")]
    until: Option<Timestamp>,
    /// The handoff that this one passes on.
    #[arg(long, value_name = "HANDOFF")]
    continues: Option<EntityName>,
    /// The task that it is about.
    #[arg(long, value_name = "TASK")]
    task: Option<EntityName>,
    /// When it counts as done.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    done_when: String,
    /// A JSON Schema that the result must fit.
    #[arg(long, value_name = GIVEN)]
    schema: Option<String>,
    /// Why things are as they are.
    #[arg(long, value_name = GIVEN)]
    why: Option<String>,
    /// Something that was decided; several times for several.
    #[arg(long = "decision", value_name = "TEXT")]
    decisions: Vec<String>,
    /// Something that was taken for granted; several times for several.
    #[arg(long = "assumption", value_name = "TEXT")]
    assumptions: Vec<String>,
    /// Something to beware of; several times for several.
    #[arg(long = "caveat", value_name = "TEXT")]
    caveats: Vec<String>,
    /// How sure the giver is, of 100.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(..=100))]
    confidence: Option<u8>,
    /// An event to look at; several times for several.
    #[arg(long = "event", value_name = "AUTHOR/ID", value_parser = event_link)]
    events: Vec<EventLink>,
    /// A document to look at, as it stands now; several times for several.
    #[arg(long = "document", value_name = "NAME")]
    documents: Vec<DocumentName>,
    /// Where it stands.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    status: String,
    /// What is still to do or to come; several times for several.
    #[arg(long, value_name = "TEXT")]
    pending: Vec<String>,
    #[command(flatten)]
    act: ActArgs,
}

/// A text names no event.
#[derive(Debug, Clone, thiserror::Error)]
#[error("an event is named by its author and its id: AUTHOR/ID")]
struct EventLinkError;

fn event_link(text: &str) -> Result<EventLink, EventLinkError> {
    let (author, id) = text.split_once('/').ok_or(EventLinkError)?;
    let author: AgentName = author.parse().map_err(|_| EventLinkError)?;
    let id: EventId = id.parse().map_err(|_| EventLinkError)?;
    Ok(EventLink { author, id })
}

pub(crate) async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    let (command, act) = match command {
        Command::Offer(args) => return offer(*args, context).await,
        Command::Accept { handoff, alone, act } => (handoff::Command::Accept(handoff, alone), act),
        Command::Decline { handoff, reason, act } => {
            (handoff::Command::Decline { handoff, reason }, act)
        }
        Command::Complete { handoff, result, fence, act } => {
            let result = given::json_if(result.as_deref())?;
            (handoff::Command::Complete { handoff, fence, result }, act)
        }
        Command::Ask { question, about, text, act } => {
            let asked = Asked { handoff: about, question: text };
            (handoff::Command::Ask { question, asked }, act)
        }
        Command::Answer { question, text, sources, act } => {
            let answered = Answered { answer: text, sources };
            (handoff::Command::Answer { question, answered }, act)
        }
        Command::Show { handoff, look } => {
            return show(View::open(context, look).await?, handoff.as_ref());
        }
        Command::Report { handoff, look } => {
            return report(View::open(context, look).await?, &handoff);
        }
    };
    let seat = Seat::take(context, act).await?;
    carry_out(seat, command).await
}

async fn carry_out(mut seat: Seat, command: handoff::Command) -> Result<(), Failure> {
    let told = seat.act::<Handoffs>(command).await?;
    let name = told.first().and_then(|told| told.entity.clone());
    let handoff = name.map(|name| match seat.state().handoffs.question(&name) {
        Some(question) => question.handoff.clone(),
        None => name,
    });
    let stands = handoff.and_then(|handoff| stands(seat.state(), &handoff));
    seat.tell(&told, "handoff", stands)
}

/// Returns a handoff as everybody sees it, with the questions about it.
fn stands(state: &CoordinationState, handoff: &EntityName) -> Option<Value> {
    let mut stands = named("handoff", handoff, state.handoffs.get(handoff)?);
    let questions = state.handoffs.questions_about(handoff);
    let questions: Vec<_> = questions.map(|(name, known)| named("name", name, known)).collect();
    if let Value::Object(object) = &mut stands {
        object.insert("questions".into(), questions.into());
    }
    Some(stands)
}

async fn offer(args: OfferArgs, context: &Context) -> Result<(), Failure> {
    let OfferArgs {
        handoff,
        what,
        to,
        until,
        continues,
        task,
        done_when,
        schema,
        why,
        decisions,
        assumptions,
        caveats,
        confidence,
        events,
        documents,
        status,
        pending,
        act,
    } = args;
    let mut why: Why = why.as_deref().map(given::read).transpose()?.unwrap_or_default();
    let decided = |what| Reason { what, because: String::new(), instead_of: Vec::new() };
    why.decisions.extend(decisions.into_iter().map(decided));
    why.assumptions.extend(assumptions);
    why.caveats.extend(caveats);
    why.confidence = confidence.or(why.confidence);
    let schema = given::json_if(schema.as_deref())?;
    let seat = Seat::take(context, act).await?;
    let mut links = Links { events, documents: Vec::new() };
    for name in documents {
        let past = super::doc::past(seat.bus(), &name, super::doc::newest()).await?;
        let heads = past.heads().iter().map(|hash| hash.to_string()).collect();
        links.documents.push(DocumentLink { name, heads });
    }
    let offered = Offered {
        to,
        until,
        continues,
        task,
        what,
        done_when,
        schema,
        why,
        links,
        status,
        pending,
    };
    carry_out(seat, handoff::Command::Offer(handoff, Box::new(offered))).await
}

fn show(view: View, handoff: Option<&EntityName>) -> Result<(), Failure> {
    if let Some(handoff) = handoff {
        let stands = stands(view.state(), handoff);
        let stands = stands.ok_or_else(|| view.unknown("handoff", handoff))?;
        return view.show("handoff", &stands);
    }
    let handoffs = &view.state().handoffs;
    let all: Value = handoffs.iter().map(|(name, known)| named("handoff", name, known)).collect();
    let rows: Vec<_> = handoffs
        .iter()
        .map(|(name, known)| {
            let has = match &known.phase {
                Phase::Offered { only } => only.as_ref(),
                Phase::Accepted { by, .. }
                | Phase::PassedOn { by, .. }
                | Phase::Completed { by, .. } => Some(by),
            };
            vec![
                name.to_string(),
                word(&known.phase),
                known.by.to_string(),
                has.map_or("anybody".to_owned(), ToString::to_string),
                known.said.what.clone(),
            ]
        })
        .collect();
    view.list("handoffs", &all, &["HANDOFF", "PHASE", "FROM", "WITH", "WHAT"], rows)
}

fn report(view: View, handoff: &EntityName) -> Result<(), Failure> {
    let handoffs = &view.state().handoffs;
    let retention = handoffs.retention(handoff);
    let retention = retention.ok_or_else(|| view.unknown("handoff", handoff))?;
    let hop = |hop: handoff::Hop<'_>| {
        json!({
            "handoff": hop.name,
            "by": hop.by,
            "at": hop.handoff.at,
            "phase": value(&hop.handoff.phase),
            "why": value(&hop.handoff.said.why),
        })
    };
    let hops: Value = handoffs.hops(handoff).into_iter().map(hop).collect();
    let lost = retention.lost.iter();
    let lost: Value = lost.map(|(reason, by)| json!({ "reason": reason, "hop": by })).collect();
    let report = json!({
        "hops": hops,
        "given": retention.given,
        "told": retention.told,
        "lost": lost,
        "added": retention.added,
    });
    view.show("report", &report)
}
