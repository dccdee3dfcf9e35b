//! Two scenes that people would write out: a contract that is broken, and work that is passed on twice.

use std::time::SystemTime;

use colony_agents::protocol::contract::{Command, Contracts, Ending, Phase, terms_digest};
use colony_agents::protocol::{Millis, Outcome, Signature};
use colony_agents::{Desk, Told};
use colony_bus::Draft;
use colony_core::replay::{EntryKey, Step, Stories};
use colony_core::signature::Signer;
use colony_core::{Digest, Position};
use nkeys::KeyPair;
use serde_json::{Value, json};

use super::member::{ARBITERS, arbiter};
use super::{entity, join};
use crate::command::demo::cast::Stage;
use crate::command::demo::{DemoError, event_type};
use crate::failure::Failure;

/// The contract.
const MAP: &str = "map";
/// What each side has to begin with.
const ISSUED: u64 = 100;
/// How long anybody has for anything.
const HOUR: Millis = Millis::from_secs(60 * 60);
/// The reason that has to be found two hops later.
const REASON: &str = "the old parser loses line numbers";

/// How the contract ended.
pub(super) struct Settled {
    pub(super) ending: String,
    pub(super) adds_up: bool,
}

/// What became of the work that was passed on.
pub(super) struct PassedOn {
    pub(super) steps: usize,
    pub(super) reasons_found: bool,
    pub(super) result: String,
}

/// Says something, because of something, and requires that it has its effect.
async fn say(
    desk: &mut Desk,
    ty: &str,
    about: &str,
    data: Value,
    cause: Option<Position>,
) -> Result<Told, Failure> {
    let draft = Draft::new(event_type(ty)).about(entity(about));
    let mut draft = draft.json(&data).map_err(DemoError::Json)?;
    if let Some(cause) = cause
        && let Some(entry) = desk.bus().get(cause).await?
    {
        draft = draft.because_of(&entry);
    }
    let told = desk.append([draft]).await.map_err(DemoError::Desk)?;
    effective(told)
}

fn effective(told: Vec<Told>) -> Result<Told, Failure> {
    let told = told.into_iter().next_back().ok_or(DemoError::Unfollowed)?;
    match &told.outcome {
        Outcome::Applied | Outcome::Unrelated => Ok(told),
        Outcome::Ignored(reason) => {
            let why = format!("{} had no effect: {reason}", told.ty);
            Err(DemoError::Part { part: "company", why }.into())
        }
    }
}

async fn act(desk: &mut Desk, command: Command) -> Result<Told, Failure> {
    effective(desk.act::<Contracts>(command).await.map_err(DemoError::Desk)?)
}

/// A supplier delivers an empty map, says that it is fine, and loses what it staked: two of three arbiters are enough.
pub(super) async fn contract(stage: &Stage) -> Result<Settled, Failure> {
    let mut root = join(stage, "root").await?;
    say(&mut root, "space.chartered", "space", json!({"administrators": ["root"]}), None).await?;
    for agent in ["ann", "sam"] {
        let data = json!({"to": agent, "amount": ISSUED});
        say(&mut root, "stake.issued", &format!("issue-{agent}"), data, None).await?;
    }
    let (mut ann, mut sam) = (join(stage, "ann").await?, join(stage, "sam").await?);
    let (ann_key, sam_key) = (signer()?, signer()?);
    let due = HOUR.after(SystemTime::now().into());
    let arbiters: Vec<_> = (1..=ARBITERS).map(arbiter).collect();
    let terms = json!({
        "customer": {"agent": "ann", "key": ann_key.public(), "stake": 10},
        "supplier": {"agent": "sam", "key": sam_key.public(), "stake": 20},
        "deliverable": {"what": "a map"},
        "milestones": [{"name": "the map", "pays": 30, "due": due}],
        "start_by": due,
        "verification": "full",
        "arbitrators": arbiters,
    });
    let digest = terms_digest(&entity(MAP), &terms.to_string()).map_err(DemoError::Canonical)?;
    let sign = |key: &Signer| Signature::make(key, &digest).map_err(DemoError::Key);
    let proposal = json!({"terms": terms, "signature": sign(&ann_key)?});
    let proposed = say(&mut ann, "contract.proposed", MAP, proposal, None).await?;
    sam.catch_up().await?;
    let signature = json!({"signature": sign(&sam_key)?});
    say(&mut sam, "contract.signed", MAP, signature, Some(proposed.position)).await?;
    act(&mut sam, Command::Lock(entity(MAP))).await?;
    ann.catch_up().await?;
    act(&mut ann, Command::Lock(entity(MAP))).await?;
    let delivery = json!({"milestone": 0, "hash": Digest::of(b"nothing but sea")});
    let submitted = say(&mut sam, "milestone.submitted", MAP, delivery, None).await?;
    ann.catch_up().await?;
    let reason = "there is nothing on it".to_owned();
    act(&mut ann, Command::Fail { contract: entity(MAP), milestone: 0, reason }).await?;
    sam.catch_up().await?;
    let claim = json!({"milestone": 0, "claim": "it is a map of the sea"});
    say(&mut sam, "dispute.opened", MAP, claim, Some(submitted.position)).await?;
    loop {
        let contract = sam.state().contracts.get(&entity(MAP));
        if let Some(Phase::Closed(settlement)) = contract.map(|contract| &contract.phase) {
            let ending = match settlement.ending {
                Ending::SupplierAtFault => "supplier-at-fault".to_owned(),
                other => format!("{other:?}"),
            };
            let ledger = sam.state().contracts.ledger();
            let held: u64 = ledger.accounts().map(|(_, balance)| balance).sum();
            return Ok(Settled { ending, adds_up: held == 2 * ISSUED });
        }
        sam.next().await?;
    }
}

fn signer() -> Result<Signer, Failure> {
    let seed = KeyPair::new_user().seed().map_err(Failure::KeyMaking)?;
    Ok(Signer::from_seed(&seed).map_err(DemoError::Key)?)
}

/// Dora passes work on to Eli, who passes it on to Fay, who finishes it: from the result, `why` leads back to Dora's reasons.
pub(super) async fn handoff(stage: &Stage) -> Result<PassedOn, Failure> {
    let mut dora = join(stage, "dora").await?;
    let offer = json!({
        "to": "eli",
        "what": "port the parser",
        "done_when": "all tests pass",
        "why": {
            "decisions": [{"what": "write it by hand", "because": REASON, "instead_of": ["a generator"]}],
            "assumptions": ["input is UTF-8"],
        },
        "schema": {"type": "object", "required": ["files"]},
    });
    let offered = say(&mut dora, "handoff.offered", "hop-1", offer, None).await?;
    let mut eli = join(stage, "eli").await?;
    let accepted =
        say(&mut eli, "handoff.accepted", "hop-1", json!({}), Some(offered.position)).await?;
    let offer = json!({
        "to": "fay",
        "continues": "hop-1",
        "what": "finish porting the parser",
        "why": {"caveats": ["strings are not done"]},
        "schema": {"type": "object", "required": ["files"]},
    });
    let passed = say(&mut eli, "handoff.offered", "hop-2", offer, Some(accepted.position)).await?;
    let mut fay = join(stage, "fay").await?;
    let taken =
        say(&mut fay, "handoff.accepted", "hop-2", json!({}), Some(passed.position)).await?;
    let result = json!({"fence": taken.position, "result": {"files": 3}});
    let done = say(&mut fay, "handoff.completed", "hop-2", result, Some(taken.position)).await?;

    let nothing = colony_bus::Checkpoints::none();
    let story = fay.bus().fold(Stories, done.position, &nothing, |_| {}).await?;
    let key = EntryKey { author: fay.bus().agent().clone(), id: done.id.clone() };
    let way = story.state().root_path(&key);
    let root = match way.last() {
        Some(Step::Entry(node)) => fay.bus().get(node.position).await?,
        Some(Step::Missing(_) | Step::Cycle(_)) | None => None,
    };
    let reasons_found = root.is_some_and(|entry| {
        let said: Option<Value> = entry.event().data.to_value().ok();
        let because = said.as_ref().and_then(|said| said.pointer("/why/decisions/0/because"));
        because.and_then(Value::as_str) == Some(REASON)
    });
    Ok(PassedOn { steps: way.len(), reasons_found, result: done.id.to_string() })
}
