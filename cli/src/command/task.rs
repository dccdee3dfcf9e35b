//! `colony task`

use clap::builder::NonEmptyStringValueParser;
use colony_agents::protocol::bidding::{
    AwardRule, Bid, BidRevealed, Commitment, Offering, Terms, Weights,
};
use colony_agents::protocol::task::{self, BlockedOn, Mode, Offered, Phase, Tasks};
use colony_agents::protocol::{CoordinationState, Millis};
use colony_core::{AgentName, EntityName, Position, Timestamp};
use serde_json::{Value, json};

use crate::context::Context;
use crate::coordinate::{ActArgs, LookArgs, Seat, View, named, value, word};
use crate::failure::Failure;
use crate::given::{self, GIVEN};
use crate::span::{self, MOMENT, SPAN};

/// Who does what: tasks are offered, claimed or bid for, done, and judged. Silence gives them back.
///
/// Nobody is asked: of two who claim a task, the lower position in the log has it, and the other is told who, in which round,
/// and with which fence.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Offers work.
    Offer(Box<OfferArgs>),
    /// Claims a task, for as long as one may be silent. Where its holder was silent for too long, that is said first.
    Claim {
        #[command(flatten)]
        task: Name,
        /// How long one may be silent.
        #[arg(long = "for", value_name = SPAN, value_parser = span::parse, default_value = "60s")]
        silent: Millis,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Says how far it is, and may be silent again.
    Progress {
        #[command(flatten)]
        held: Held,
        /// How far it is, of 100.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(..=100))]
        percent: Option<u8>,
        /// In words.
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        note: String,
        /// How long one may be silent now [default: as long again].
        #[arg(long = "for", value_name = SPAN, value_parser = span::parse)]
        silent: Option<Millis>,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Says what it waits for.
    Block {
        #[command(flatten)]
        held: Held,
        #[command(flatten)]
        on: On,
        /// How long one may be silent now [default: as long again].
        #[arg(long = "for", value_name = SPAN, value_parser = span::parse)]
        silent: Option<Millis>,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Gives a task back.
    Release {
        #[command(flatten)]
        held: Held,
        /// Why.
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        reason: String,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Says that its holder was silent for too long, once that is true. Anybody may.
    Lapse {
        #[command(flatten)]
        task: Name,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Says that it is done.
    Done {
        #[command(flatten)]
        held: Held,
        /// What came of it.
        #[arg(long, value_name = GIVEN)]
        result: Option<String>,
        /// Where it can be seen: a link, a hash, an event's id.
        #[arg(long, value_name = "TEXT")]
        evidence: Vec<String>,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Finds what was delivered good.
    Verify {
        #[command(flatten)]
        task: Name,
        /// How that was found out.
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        how: String,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Finds what was delivered wanting: the task is open again.
    Reject {
        #[command(flatten)]
        task: Name,
        /// What is wrong with it.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Calls a task off.
    Cancel {
        #[command(flatten)]
        task: Name,
        /// Why.
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        reason: String,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Bids for a task. Where bids are sealed, only a commitment is handed in, and what `task reveal` needs is printed.
    Bid {
        #[command(flatten)]
        task: Name,
        #[command(flatten)]
        offering: OfferingArgs,
        /// What keeps a sealed bid from being guessed [default: made at random].
        #[arg(long, value_name = "TEXT")]
        nonce: Option<String>,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Opens a sealed bid.
    Reveal {
        #[command(flatten)]
        task: Name,
        #[command(flatten)]
        offering: OfferingArgs,
        /// What `task bid` printed.
        #[arg(long, value_name = "TEXT")]
        nonce: String,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Says that the window for bids is over, once that is true: the best bid holds the task. Anybody may.
    Close {
        #[command(flatten)]
        task: Name,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Shows every task in its column: who, since when, under which fence, and whether it is overdue.
    Board(LookArgs),
    /// Shows a task.
    Show {
        #[command(flatten)]
        task: Name,
        #[command(flatten)]
        look: LookArgs,
    },
}

/// Which task.
#[derive(Debug, clap::Args)]
pub(crate) struct Name {
    /// The task.
    #[arg(value_name = "TASK")]
    task: EntityName,
}

/// Which task, as its holder speaks of it.
#[derive(Debug, clap::Args)]
pub(crate) struct Held {
    /// The task.
    #[arg(value_name = "TASK")]
    task: EntityName,
    /// The fence that one works under, so that a holder that was replaced does no harm [default: the one that holds].
    #[arg(long, value_name = "POSITION")]
    fence: Option<Position>,
}

/// What a holder waits for.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct On {
    /// Another task.
    #[arg(long, value_name = "TASK")]
    on_task: Option<EntityName>,
    /// An agent.
    #[arg(long, value_name = "AGENT")]
    on_agent: Option<AgentName>,
    /// Anything else, in words.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// What a bidder offers.
#[derive(Debug, clap::Args)]
pub(crate) struct OfferingArgs {
    /// What it wants for it.
    #[arg(long, value_name = "N")]
    price: u64,
    /// When it will be done.
    #[arg(long, value_name = MOMENT, value_parser = span::moment)]
    finish: Timestamp,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  colony task offer fence 'paint the fence' --skill paint --claim-for 10m
  colony task offer pit 'dig a pit' --bid-until 30s --award earliest-finish
  colony task offer gate 'oil the gate' --assign bob --after fence")]
pub(crate) struct OfferArgs {
    #[command(flatten)]
    task: Name,
    /// What is to be done.
    #[arg(value_name = "WHAT", value_parser = NonEmptyStringValueParser::new())]
    what: String,
    /// When it counts as done.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    done_when: String,
    /// A skill that a worker must have announced; several times for several.
    #[arg(long = "skill", value_name = "SKILL", value_parser = NonEmptyStringValueParser::new())]
    skills: Vec<String>,
    /// A task that must be done first; several times for several.
    #[arg(long, value_name = "TASK")]
    after: Vec<EntityName>,
    /// When it must be done.
    #[arg(long, value_name = MOMENT, value_parser = span::moment)]
    deadline: Option<Timestamp>,
    /// The longest time that a holder may be silent, whatever it asks for.
    #[arg(long, value_name = SPAN, value_parser = span::parse)]
    claim_for: Option<Millis>,
    /// Gives it to one agent, instead of to the first that claims it.
    #[arg(long, value_name = "AGENT", conflicts_with = "bid_until")]
    assign: Option<AgentName>,
    /// Takes bids until this moment, and awards it to the best.
    #[arg(long, value_name = MOMENT, value_parser = span::moment)]
    bid_until: Option<Timestamp>,
    /// How many agents may bid; once they have, the window is over.
    #[arg(long, value_name = "N", requires = "bid_until")]
    bidders: Option<u32>,
    /// Which bid is best.
    #[arg(long, value_enum, default_value_t = Award::LowestPrice, requires = "bid_until")]
    award: Award,
    /// With `--award weighted`: how much each unit of price counts.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    per_price: u32,
    /// With `--award weighted`: how much each second to the finish counts.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    per_second: u32,
    /// With `--award weighted`: how much each point counts that the bidder's reputation lacks from 1000.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    per_reputation: u32,
    /// Bids are sealed, and are revealed until this moment.
    #[arg(long, value_name = MOMENT, value_parser = span::moment, requires = "bid_until")]
    sealed_until: Option<Timestamp>,
    /// Who may judge the result, instead of whoever offers; several times for several.
    #[arg(long = "verifier", value_name = "AGENT")]
    verifiers: Vec<AgentName>,
    /// How many of them must agree [default: 1].
    #[arg(long, value_name = "N", requires = "verifiers")]
    quorum: Option<u32>,
    #[command(flatten)]
    act: ActArgs,
}

/// Which bid is best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Award {
    /// The lowest price.
    LowestPrice,
    /// The earliest finish.
    EarliestFinish,
    /// The lowest sum of weighted price, time and lack of reputation.
    Weighted,
}

pub(crate) async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    let (command, act) = match command {
        Command::Offer(args) => offer(*args),
        Command::Claim { task: Name { task }, silent, act } => {
            (task::Command::Claim(task, silent), act)
        }
        Command::Progress { held: Held { task, fence }, percent, note, silent, act } => {
            (task::Command::Progress { task, fence, silent, percent, note }, act)
        }
        Command::Block { held: Held { task, fence }, on, silent, act } => {
            (task::Command::Block { task, fence, on: on.into(), silent }, act)
        }
        Command::Release { held: Held { task, fence }, reason, act } => {
            (task::Command::Release { task, fence, reason }, act)
        }
        Command::Lapse { task: Name { task }, act } => (task::Command::Lapse(task), act),
        Command::Done { held: Held { task, fence }, result, evidence, act } => {
            let result = given::json_if(result.as_deref())?;
            (task::Command::Finish { task, fence, result, evidence }, act)
        }
        Command::Verify { task: Name { task }, how, act } => {
            (task::Command::Verify { task, how }, act)
        }
        Command::Reject { task: Name { task }, reason, act } => {
            (task::Command::Reject { task, reason }, act)
        }
        Command::Cancel { task: Name { task }, reason, act } => {
            (task::Command::Cancel { task, reason }, act)
        }
        Command::Bid { task: Name { task }, offering, nonce, act } => {
            return bid(task, offering.into(), nonce, act, context).await;
        }
        Command::Reveal { task: Name { task }, offering, nonce, act } => {
            let Offering { price, finish } = offering.into();
            (task::Command::Reveal(task, BidRevealed { price, finish, nonce }), act)
        }
        Command::Close { task: Name { task }, act } => (task::Command::Close(task), act),
        Command::Board(look) => return board(View::open(context, look).await?),
        Command::Show { task: Name { task }, look } => {
            let view = View::open(context, look).await?;
            let stands = stands(view.state(), &task);
            let stands = stands.ok_or_else(|| view.unknown("task", &task))?;
            return view.show("task", &stands);
        }
    };
    let mut seat = Seat::take(context, act).await?;
    let told = seat.act::<Tasks>(command).await?;
    let task = told.first().and_then(|told| told.entity.clone());
    let stands = task.and_then(|task| stands(seat.state(), &task));
    seat.tell(&told, "task", stands)
}

/// Returns a task as everybody sees it.
fn stands(state: &CoordinationState, task: &EntityName) -> Option<Value> {
    state.tasks.get(task).map(|known| named("task", task, known))
}

fn offer(args: OfferArgs) -> (task::Command, ActArgs) {
    let OfferArgs {
        task: Name { task },
        what,
        done_when,
        skills,
        after,
        deadline,
        claim_for,
        assign,
        bid_until,
        bidders,
        award,
        per_price,
        per_second,
        per_reputation,
        sealed_until,
        verifiers,
        quorum,
        act,
    } = args;
    let weights = Weights { price: per_price, second: per_second, reputation: per_reputation };
    let award = match award {
        Award::LowestPrice => AwardRule::LowestPrice,
        Award::EarliestFinish => AwardRule::EarliestFinish,
        Award::Weighted => AwardRule::Weighted(weights),
    };
    let mode = match (bid_until, assign) {
        (Some(until), _) => Mode::Bid(Terms { until, at_most: bidders, award, sealed_until }),
        (None, Some(to)) => Mode::Assigned { to },
        (None, None) => Mode::Claim,
    };
    let claim_ms = claim_for;
    let offered =
        Offered { what, done_when, skills, after, deadline, claim_ms, mode, verifiers, quorum };
    (task::Command::Offer(task, Box::new(offered)), act)
}

async fn bid(
    task: EntityName,
    offering: Offering,
    nonce: Option<String>,
    act: ActArgs,
    context: &Context,
) -> Result<(), Failure> {
    let mut seat = Seat::take(context, act).await?;
    let phase = seat.state().tasks.get(&task).map(|known| &known.phase);
    let sealed =
        matches!(phase, Some(Phase::Bidding(auction)) if auction.terms().sealed_until.is_some());
    let mut kept = None;
    let bid = if sealed {
        let nonce = nonce.unwrap_or_else(|| seat.nonce());
        let bidder = seat.agent();
        let commitment = Commitment { task: &task, bidder, offering: &offering, nonce: &nonce };
        let commitment = commitment.digest();
        let Offering { price, finish } = offering;
        kept = Some(json!({ "price": price, "finish": finish, "nonce": nonce }));
        Bid::Sealed { commitment }
    } else {
        Bid::Open(offering)
    };
    let told = seat.act::<Tasks>(task::Command::Bid(task.clone(), bid)).await?;
    let mut stands = stands(seat.state(), &task);
    if let (Some(Value::Object(stands)), Some(kept)) = (&mut stands, kept) {
        // Known to the bidder alone, until it reveals them.
        stands.insert("to_reveal".into(), kept);
    }
    seat.tell(&told, "task", stands)
}

impl From<OfferingArgs> for Offering {
    fn from(args: OfferingArgs) -> Self {
        let OfferingArgs { price, finish } = args;
        Self { price, finish }
    }
}

impl From<On> for BlockedOn {
    fn from(on: On) -> Self {
        let On { on_task, on_agent, reason } = on;
        match (on_task, on_agent) {
            (Some(task), _) => Self::Task(task),
            (None, Some(agent)) => Self::Agent(agent),
            (None, None) => Self::Reason(reason.unwrap_or_default()),
        }
    }
}

fn board(view: View) -> Result<(), Failure> {
    let board = view.state().tasks.board(view.time());
    let cards = value(&board.cards);
    let rows: Vec<_> = board
        .cards
        .iter()
        .map(|card| {
            let text = |what: Option<String>| what.unwrap_or_default();
            let blocked = card.blocked_on.map(|on| match on {
                BlockedOn::Task(task) => format!("waits for task {task}"),
                BlockedOn::Agent(agent) => format!("waits for {agent}"),
                BlockedOn::Reason(reason) => reason.clone(),
            });
            vec![
                word(&card.column),
                card.task.to_string(),
                text(card.agent.map(ToString::to_string)),
                text(card.fence.map(|fence| fence.to_string())),
                text(card.since.map(crate::show::time)),
                if card.overdue { "overdue".to_owned() } else { String::new() },
                blocked.map_or(card.what.to_owned(), |on| format!("{} ({on})", card.what)),
            ]
        })
        .collect();
    let heading = ["COLUMN", "TASK", "AGENT", "FENCE", "SINCE", "", "WHAT"];
    view.list("cards", &cards, &heading, rows)
}
