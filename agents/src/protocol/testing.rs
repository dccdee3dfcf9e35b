//! Given, when, then: logs told in a few words, and the laws that every log must satisfy.

use colony_core::replay::{Checkpoint, CheckpointError, Fold};
use colony_core::{
    Address, AgentName, Data, Digest, EntityName, Entry, Envelope, Event, Kind, Lane, Position,
    Timestamp,
};
use serde_json::Value;

use super::coordination::{Coordination, CoordinationState, Outcome, Rejection, Slot};
use super::rules::Protocol;
use super::transitions;

/// Seconds after the moment at which every told log begins.
pub(crate) fn at(seconds: i64) -> Timestamp {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    Timestamp::from_nanos(start.as_nanos() + seconds * 1_000_000_000)
}

/// [`at`], as payloads write it.
pub(crate) fn t(seconds: i64) -> String {
    at(seconds).to_string()
}

pub(crate) fn agent(name: &str) -> AgentName {
    name.parse().unwrap()
}

pub(crate) fn entity(name: &str) -> EntityName {
    name.parse().unwrap()
}

/// One entry, as the log would hold it.
pub(crate) fn entry(
    position: u64,
    recorded: Timestamp,
    author: &str,
    ty: &str,
    about: &str,
    data: &Value,
) -> Entry {
    let id = format!("e{position}").parse().unwrap();
    let mut event = Event::new(agent(author), id, ty.parse().unwrap());
    event.entity = Some(entity(about));
    event.data = Data::json(data).unwrap();
    let lane = Lane { author: event.author.clone(), name: "main".parse().unwrap() };
    let kind = Kind::Event { ty: event.ty.clone(), entity: event.entity.clone() };
    Entry {
        position: Position::new(position),
        recorded,
        address: Address::Lane { lane, kind },
        envelope: Envelope::from(event),
        digest: Digest::of(&position.to_be_bytes()),
        signature: None,
    }
}

/// A log that is being told, and what everybody makes of it.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) state: CoordinationState,
    pub(crate) entries: Vec<Entry>,
    pub(crate) last: Outcome,
    now: i64,
}

/// Begins a log at second 0.
pub(crate) fn given() -> Told {
    let state = CoordinationState::default();
    Told { state, entries: Vec::new(), last: Outcome::Unrelated, now: 0 }
}

impl Told {
    /// Lets time pass, up to so many seconds after the beginning.
    pub(crate) fn at(mut self, seconds: i64) -> Self {
        self.now = seconds;
        self
    }

    /// An agent appends an event, about an entity.
    pub(crate) fn says(mut self, author: &str, ty: &str, about: &str, data: Value) -> Self {
        self.say(author, ty, about, &data);
        self
    }

    pub(crate) fn say(&mut self, author: &str, ty: &str, about: &str, data: &Value) -> Position {
        let position = self.entries.len() as u64 + 1;
        let entry = entry(position, at(self.now), author, ty, about, data);
        self.last = self.state.evolve(&entry);
        self.entries.push(entry);
        Position::new(position)
    }

    /// An agent decides a command, and appends what comes of it.
    pub(crate) fn does<P>(mut self, author: &str, command: P::Command) -> Self
    where
        P: Protocol,
        CoordinationState: Slot<P>,
        Rejection: From<P::Rejection>,
    {
        let drafts = self.wants::<P>(author, command).expect("nothing stands against it");
        for draft in drafts {
            let data = draft.data.to_value().unwrap();
            self.say(author, draft.ty.as_str(), draft.entity.as_str(), &data);
            assert_eq!(self.last, Outcome::Applied, "what is decided is accepted");
        }
        self
    }

    /// An agent asks whether a command would be allowed.
    pub(crate) fn wants<P>(
        &self,
        author: &str,
        command: P::Command,
    ) -> Result<Vec<super::Draft>, Rejection>
    where
        P: Protocol,
        CoordinationState: Slot<P>,
        Rejection: From<P::Rejection>,
    {
        self.state.decide::<P>(command, &agent(author), Some(at(self.now)))
    }

    /// Requires that the last event had its effect.
    #[track_caller]
    pub(crate) fn works(self) -> Self {
        assert_eq!(self.last, Outcome::Applied);
        self
    }

    /// Requires that the last event had none, for this reason.
    #[track_caller]
    pub(crate) fn fails(self, reason: impl Into<Rejection>) -> Self {
        assert_eq!(self.last, Outcome::Ignored(reason.into()));
        self
    }
}

/// Everything but what every event moves: the log time, and the list of ignored ones.
fn substance(state: &CoordinationState) -> Value {
    let mut value = serde_json::to_value(state).unwrap();
    let fields = value.as_object_mut().unwrap();
    for field in ["time", "position", "ignored"] {
        fields.remove(field);
    }
    value
}

/// Checks the laws of every protocol on a log:
///
/// * an ignored event changes nothing;
/// * folding from a checkpoint at any cut gives what folding from the beginning gives;
/// * what has an effect takes one of the steps that [`transitions`] writes down, by somebody who may;
/// * entries of no concern change nothing, so a reader with a wider filter has the same state;
/// * the ledger conserves its totals, and no quota is exceeded.
pub(crate) fn laws_hold(entries: &[Entry], cut: usize) {
    let mut state = CoordinationState::default();
    for entry in entries {
        let before = substance(&state);
        let old = state.clone();
        let ignored = state.ignored.total();
        match state.evolve(entry) {
            Outcome::Applied => {
                assert_eq!(state.ignored.total(), ignored);
                stands(&old, entry, &state);
            }
            Outcome::Ignored(reason) => {
                assert_eq!(substance(&state), before, "ignored for {reason}");
                assert_eq!(state.ignored.reason(entry.position), Some(&reason));
            }
            Outcome::Unrelated => assert_eq!(substance(&state), before),
        }
        assert!(state.time() >= old.time(), "the log's time never goes back");
    }
    assert_eq!(Coordination::fold(entries), state);

    let mut fold = Fold::new(Coordination);
    let (before, after) = entries.split_at(cut.min(entries.len()));
    before.iter().for_each(|entry| fold.apply(entry));
    let mut resumed = match fold.checkpoint("log") {
        Ok(checkpoint) => {
            let checkpoint = Checkpoint::decode(checkpoint.encode().unwrap()).unwrap();
            Fold::resume(Coordination, "log", &checkpoint).unwrap()
        }
        // Before the first entry there is nothing to keep.
        Err(CheckpointError::NoEntry { .. }) => Fold::new(Coordination),
        Err(error) => panic!("{error}"),
    };
    after.iter().for_each(|entry| resumed.apply(entry));
    assert_eq!(resumed.into_state(), state);

    let noise = |entry: &Entry| {
        let mut noise = entry.clone();
        noise.address = Address::Lane {
            lane: Lane { author: agent("zed"), name: "main".parse().unwrap() },
            kind: Kind::Cursor,
        };
        noise.recorded = at(1_000_000);
        noise
    };
    let noisy = entries.iter().flat_map(|entry| [noise(entry), entry.clone()]);
    let noisy: Vec<_> = noisy.collect();
    assert_eq!(Coordination::fold(&noisy), state);
}

/// Checks what holds wherever an event had an effect: it took a step that there is; the ledger conserves its totals; nobody was granted more
/// of a quota than there is.
pub(crate) fn stands(old: &CoordinationState, entry: &Entry, state: &CoordinationState) {
    transitions::allowed(old, entry, state);
    transitions::sound(state);
    let totals = state.contracts.ledger().totals();
    assert_eq!(totals.issued, totals.free + totals.locked + totals.burned);
    let escrow: u64 = state.contracts.iter().map(|(_, contract)| contract.escrow.total()).sum();
    assert_eq!(totals.locked, escrow);
    for (name, quota) in state.quotas.iter() {
        // Whoever defines less than is taken takes nothing back; until the period ends nobody gets more.
        let before = old.quotas.get(name).map_or(0, |quota| quota.taken);
        assert!(quota.taken <= quota.said.amount.max(before), "{quota:?}");
        let reserved: u64 = quota.reservations.values().map(|held| held.amount).sum();
        assert!(reserved <= quota.taken, "{quota:?}");
    }
}

/// A key made of a number: the same in every run.
pub(crate) fn signer(number: u8) -> colony_core::signature::Signer {
    let seed = nkeys::KeyPair::new_from_raw(nkeys::KeyPairType::User, [number; 32]);
    colony_core::signature::Signer::from_seed(&seed.unwrap().seed().unwrap()).unwrap()
}
