//! `colony contract`

use std::path::PathBuf;

use colony_agents::protocol::contract::{
    self, Contract, Contracts, Phase, Proposed, SideFound, Submitted, Totals, terms_digest,
};
use colony_agents::protocol::{CoordinationState, Json, Signature};
use colony_core::{AgentName, Digest, EntityName, Timestamp};
use serde_json::{Value, json};

use crate::context::Context;
use crate::coordinate::{ActArgs, LookArgs, Seat, View, named, value, word};
use crate::failure::{Failure, InputError};
use crate::given::{self, GIVEN};

/// Promises with stakes: signed, delivered in milestones, verified by sample, settled by rules that everybody computes.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// As an administrator, puts something into circulation that can be staked.
    Issue {
        /// To whom.
        #[arg(value_name = "AGENT")]
        to: AgentName,
        /// How much.
        #[arg(value_name = "AMOUNT")]
        amount: u64,
        /// What the issue is called [default: the agent].
        #[arg(long, value_name = "NAME")]
        name: Option<EntityName>,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Proposes a contract, as one of its parties; with `--key`, signs it at once.
    #[command(after_help = "\
The terms are JSON whose numbers are whole:
  {\"customer\": {\"agent\", \"key\", \"stake\"}, \"supplier\": {\"agent\", \"key\", \"stake\"},
   \"deliverable\": {\"what\", \"schema\", \"acceptance\"},
   \"milestones\": [{\"name\", \"pays\", \"due\", \"digest\"}], \"start_by\": TIME,
   \"verification\": \"trust\" | \"full\" | \"proof\" | {\"sample\": {\"per_mille\"}} | {\"checkpoints\": {\"every\"}}
                   | {\"peer\": {\"verifiers\": [], \"quorum\"}},
   \"judge_ms\", \"dispute_ms\", \"arbitrators\": [], \"escalation\", \"trusted_from\", \"audit_per_mille\"}
Keys are the public keys that `colony agent key` prints. docs/protocols/contract.md tells what each means.

Examples:
  colony contract propose map --terms @terms.json --key ann.nk
  colony contract sign map --key sam.nk --agent sam")]
    Propose {
        /// The contract.
        #[arg(value_name = "CONTRACT")]
        contract: EntityName,
        /// What is agreed.
        #[arg(long, value_name = GIVEN)]
        terms: String,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Signs the terms as they were proposed, with `--key`.
    Sign {
        #[command(flatten)]
        contract: Name,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Locks what the terms ask of this agent.
    Lock {
        #[command(flatten)]
        contract: Name,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Delivers a milestone, as the supplier.
    Submit(SubmitArgs),
    /// Finds the last delivery of a milestone good.
    Verify {
        #[command(flatten)]
        of: MilestoneName,
        /// A record that was checked, from 0; several joined by commas [default: all].
        #[arg(long, value_name = "N,...", value_delimiter = ',')]
        checked: Option<Vec<u32>>,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Finds the last delivery of a milestone wanting.
    Fail {
        #[command(flatten)]
        of: MilestoneName,
        /// What is wrong.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Has a milestone paid that was found good. Anybody may.
    Pay {
        #[command(flatten)]
        of: MilestoneName,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Says that a milestone was not delivered in time, once that is true. Anybody may.
    Breach {
        #[command(flatten)]
        of: MilestoneName,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Contests how a delivery was judged, as a party.
    Dispute {
        #[command(flatten)]
        of: MilestoneName,
        /// What this agent says.
        #[arg(value_name = "CLAIM")]
        claim: String,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Says who is right, as an arbitrator, or as the person that the dispute was escalated to.
    Arbitrate {
        #[command(flatten)]
        contract: Name,
        /// Who is right.
        #[arg(value_enum, value_name = "SIDE")]
        right: Right,
        /// Why.
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        reason: String,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Says that the arbitrators did not decide in time, once that is true. Anybody may.
    Escalate {
        #[command(flatten)]
        contract: Name,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Settles a contract, once it can be.
    Settle {
        #[command(flatten)]
        contract: Name,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Lists contracts, or shows one.
    Show {
        /// The contract [default: all].
        #[arg(value_name = "CONTRACT")]
        contract: Option<EntityName>,
        #[command(flatten)]
        look: LookArgs,
    },
    /// Shows who has what, and the totals: issued = free + locked + burned.
    Ledger(LookArgs),
}

/// Which contract.
#[derive(Debug, clap::Args)]
pub(crate) struct Name {
    /// The contract.
    #[arg(value_name = "CONTRACT")]
    contract: EntityName,
}

/// Which milestone of which contract.
#[derive(Debug, clap::Args)]
pub(crate) struct MilestoneName {
    /// The contract.
    #[arg(value_name = "CONTRACT")]
    contract: EntityName,
    /// The milestone, from 0.
    #[arg(value_name = "MILESTONE")]
    milestone: u32,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SubmitArgs {
    #[command(flatten)]
    of: MilestoneName,
    #[command(flatten)]
    delivered: Delivered,
    /// Where it can be seen: a link, an event's id; several times for several.
    #[arg(long, value_name = "TEXT")]
    evidence: Vec<String>,
    /// Of how many records it consists, for sampling.
    #[arg(long, value_name = "N")]
    records: Option<u32>,
    #[command(flatten)]
    act: ActArgs,
}

/// What is delivered.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Delivered {
    /// What is delivered, to stand in the log.
    #[arg(long, value_name = GIVEN)]
    result: Option<String>,
    /// What is delivered, of which only the digest stands in the log.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// SHA-256 of what is delivered.
    #[arg(long, value_name = "HEX")]
    hash: Option<Digest>,
}

/// Who is right in a dispute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Right {
    /// The customer.
    Customer,
    /// The supplier.
    Supplier,
    /// Neither: both are at fault.
    Neither,
}

pub(crate) async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    let (command, act) = match command {
        Command::Issue { to, amount, name, act } => {
            let name = name.unwrap_or_else(|| colony_agents::protocol::entity_of(&to));
            let mut seat = Seat::take(context, act).await?;
            let told = seat.act::<Contracts>(contract::Command::Issue { name, to, amount }).await?;
            let ledger = ledger_json(seat.state());
            return seat.tell(&told, "ledger", Some(ledger));
        }
        Command::Propose { contract, terms, act } => {
            let proposed = Box::new(propose(&contract, &terms, context)?);
            (contract::Command::Propose(contract, proposed), act)
        }
        Command::Sign { contract: Name { contract }, act } => {
            return sign(contract, act, context).await;
        }
        Command::Lock { contract: Name { contract }, act } => {
            (contract::Command::Lock(contract), act)
        }
        Command::Submit(args) => submit(args)?,
        Command::Verify { of: MilestoneName { contract, milestone }, checked, act } => {
            (contract::Command::Verify { contract, milestone, checked }, act)
        }
        Command::Fail { of: MilestoneName { contract, milestone }, reason, act } => {
            (contract::Command::Fail { contract, milestone, reason }, act)
        }
        Command::Pay { of: MilestoneName { contract, milestone }, act } => {
            (contract::Command::Pay(contract, milestone), act)
        }
        Command::Breach { of: MilestoneName { contract, milestone }, act } => {
            (contract::Command::Breach(contract, milestone), act)
        }
        Command::Dispute { of: MilestoneName { contract, milestone }, claim, act } => {
            (contract::Command::Dispute { contract, milestone, claim }, act)
        }
        Command::Arbitrate { contract: Name { contract }, right, reason, act } => {
            (contract::Command::Arbitrate { contract, right: right.into(), reason }, act)
        }
        Command::Escalate { contract: Name { contract }, act } => {
            (contract::Command::Escalate(contract), act)
        }
        Command::Settle { contract: Name { contract }, act } => {
            (contract::Command::Settle(contract), act)
        }
        Command::Show { contract, look } => {
            return show(View::open(context, look).await?, contract.as_ref());
        }
        Command::Ledger(look) => return ledger(View::open(context, look).await?),
    };
    let seat = Seat::take(context, act).await?;
    carry_out(seat, command).await
}

async fn carry_out(mut seat: Seat, command: contract::Command) -> Result<(), Failure> {
    let told = seat.act::<Contracts>(command).await?;
    let contract = told.first().and_then(|told| told.entity.clone());
    let stands = contract.and_then(|contract| stands(seat.state(), &contract));
    seat.tell(&told, "contract", stands)
}

/// Returns a contract as everybody sees it.
fn stands(state: &CoordinationState, contract: &EntityName) -> Option<Value> {
    state.contracts.get(contract).map(|known| named("contract", contract, known))
}

fn propose(contract: &EntityName, terms: &str, context: &Context) -> Result<Proposed, Failure> {
    let terms: Json = given::json(terms)?;
    let signature = match context.global.key {
        Some(_) => {
            let canonical = |source| InputError::Canonical { terms: "these terms", source };
            let digest = terms_digest(contract, terms.text()).map_err(canonical)?;
            let signature = Signature::make(&context.signer()?, &digest);
            Some(signature.map_err(InputError::Signing)?)
        }
        None => None,
    };
    Ok(Proposed { terms, signature })
}

async fn sign(contract: EntityName, act: ActArgs, context: &Context) -> Result<(), Failure> {
    let signer = context.signer()?;
    let seat = Seat::take(context, act).await?;
    let Some(digest) = seat.state().contracts.get(&contract).map(|known| known.digest) else {
        return Err(colony_agents::DeskError::Rejected(contract::Rejection::Unknown.into()).into());
    };
    let signature = Signature::make(&signer, &digest).map_err(InputError::Signing)?;
    carry_out(seat, contract::Command::Sign(contract, signature)).await
}

fn submit(args: SubmitArgs) -> Result<(contract::Command, ActArgs), Failure> {
    let SubmitArgs { of: MilestoneName { contract, milestone }, delivered, evidence, records, act } =
        args;
    let Delivered { result, file, hash } = delivered;
    let result = given::json_if(result.as_deref())?;
    let hash = match (&result, &file, hash) {
        (Some(result), _, _) => Digest::of(result.text().as_bytes()),
        (None, Some(path), _) => {
            Digest::of(&std::fs::read(path).map_err(Failure::file(path, "read"))?)
        }
        (None, None, Some(hash)) => hash,
        // The options' group asks for one of them.
        (None, None, None) => Digest::of(&[]),
    };
    let submitted = Submitted { milestone, hash, result, evidence, records };
    Ok((contract::Command::Submit(contract, Box::new(submitted)), act))
}

impl From<Right> for SideFound {
    fn from(right: Right) -> Self {
        match right {
            Right::Customer => Self::Customer,
            Right::Supplier => Self::Supplier,
            Right::Neither => Self::Neither,
        }
    }
}

fn show(view: View, contract: Option<&EntityName>) -> Result<(), Failure> {
    if let Some(contract) = contract {
        let stands = stands(view.state(), contract);
        let stands = stands.ok_or_else(|| view.unknown("contract", contract))?;
        return view.show("contract", &stands);
    }
    let contracts = &view.state().contracts;
    let all: Value = contracts.iter().map(|(name, known)| named("contract", name, known)).collect();
    let rows: Vec<_> = contracts.iter().map(|(name, known)| row(name, known)).collect();
    let heading = ["CONTRACT", "PHASE", "CUSTOMER", "SUPPLIER", "MILESTONES", "LOCKED", "DUE"];
    view.list("contracts", &all, &heading, rows)
}

fn row(name: &EntityName, known: &Contract) -> Vec<String> {
    let milestones: Vec<_> = known.work.iter().map(|work| word(&work.state)).collect();
    let phase = match &known.phase {
        Phase::Closed(settlement) => word(&settlement.ending),
        phase @ (Phase::Proposed | Phase::Active | Phase::Disputed(_)) => word(phase),
    };
    let due: Option<Timestamp> = known.terms.milestones.iter().map(|milestone| milestone.due).max();
    vec![
        name.to_string(),
        phase,
        known.terms.customer.agent.to_string(),
        known.terms.supplier.agent.to_string(),
        milestones.join(", "),
        known.escrow.total().to_string(),
        due.map_or(String::new(), crate::show::time),
    ]
}

fn ledger_json(state: &CoordinationState) -> Value {
    let ledger = state.contracts.ledger();
    let Totals { issued, free, locked, burned } = ledger.totals();
    let accounts: serde_json::Map<_, _> =
        ledger.accounts().map(|(agent, balance)| (agent.to_string(), json!(balance))).collect();
    json!({
        "accounts": accounts,
        "issued": issued,
        "free": free,
        "locked": locked,
        "burned": burned,
    })
}

fn ledger(view: View) -> Result<(), Failure> {
    let ledger = value(&ledger_json(view.state()));
    view.show("ledger", &ledger)
}
