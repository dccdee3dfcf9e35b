//! Damages valid input of every decoder, at random: an error is fine, a panic is not.
//!
//! Seeded: `COLONY_SEED=N` runs the inputs of seed N, `COLONY_MUTATIONS=N` another number of them.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use colony_core::capture::{CaptureHeader, CaptureReader, CaptureWriter, CapturedRecord};
use colony_core::cloudevents::{entry_to_json, from_json, to_json};
use colony_core::envelope::{Link, SnapshotRecord, decode_changes, encode_changes, open, seal};
use colony_core::replay::{Checkpoint, Fold, Statistics};
use colony_core::signature::Verifier;
use colony_core::{Digest, Position, Subject, Timestamp};

type Tested<T = ()> = Result<T, Box<dyn Error>>;

const LINE: &str = r#"{"specversion":"1.0","id":"1","type":"task.done","source":"ada","subject":"42","time":"2026-01-31T14:00:00.50+02:00","datacontenttype":"application/json","dataschema":"urn:x","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","colonyversion":2,"colonycauseid":"7","colonycauseauthor":"bob","colonycauseposition":"300","colonycorrelation":"1","colonyseen":"[{\"document\":\"notes\",\"heads\":[]}]","colonynumber":"1","colonycursor":"9","colonyunknown":"oAYH","data":{"a":[1,2.5e3,"\u00e9\n"],"b":null}}"#;

/// Xorshift: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).unwrap_or(0)
    }

    /// Damages bytes in one to four ways.
    fn damage(&mut self, valid: &[u8]) -> Vec<u8> {
        let mut bytes = valid.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            let byte = self.next().to_le_bytes()[0];
            match self.below(7) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, byte),
                2 => bytes.iter_mut().skip(at).take(1).for_each(|b| *b = byte),
                3 => bytes.iter_mut().skip(at).take(1).for_each(|b| *b ^= 1 << (byte % 8)),
                4 => {
                    let edge = [0, 255, 127, 128].get(usize::from(byte % 4)).copied();
                    bytes.iter_mut().skip(at).take(1).for_each(|b| *b = edge.unwrap_or(0));
                }
                5 => {
                    let copied: Vec<u8> =
                        bytes.iter().skip(at).take(usize::from(byte % 32)).copied().collect();
                    let to = self.below(bytes.len() + 1);
                    bytes.splice(to..to, copied);
                }
                _ => drop(bytes.drain(at..(at + usize::from(byte % 16)).min(bytes.len()))),
            }
        }
        bytes
    }
}

#[expect(clippy::disallowed_methods, reason = "a test is told its seed from outside")]
fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Runs a decoder over damaged copies of a valid input.
fn damage(name: &str, valid: &[u8], decode: impl Fn(&[u8])) {
    decode(valid);
    let seed = number("COLONY_SEED", 0x5eed);
    println!("{name}: COLONY_SEED={seed}");
    let mut random = Random(seed.max(1));
    for round in 0..number("COLONY_MUTATIONS", 20_000) {
        let input = random.damage(valid);
        let outcome = catch_unwind(AssertUnwindSafe(|| decode(&input)));
        assert!(outcome.is_ok(), "{name}: COLONY_SEED={seed}, round {round}: {input:?}");
    }
}

fn sealed() -> Tested<(String, Bytes)> {
    let mut envelope = from_json(LINE)?;
    envelope.link = Some(Link { number: 2, previous: Some(Digest::of(b"one")) });
    let subject = Subject::parse("colony.lab.ada.main.event.task.done.42")?;
    let sealed = seal(&subject, &envelope, None)?;
    Ok((sealed.subject, sealed.payload))
}

fn open_any(subject: &str, payload: &[u8]) {
    let payload = Bytes::copy_from_slice(payload);
    let recorded = Timestamp::from_nanos(1);
    let entry = open(Position::new(1), recorded, subject, payload, &Verifier::default());
    if let Ok(entry) = entry {
        let _ = entry_to_json(&entry);
        let mut fold = Fold::new(Statistics);
        fold.apply(&entry);
    }
}

#[test]
fn damaged_envelopes_never_panic() -> Tested {
    let (subject, payload) = sealed()?;
    damage("envelope", &payload, |bytes| open_any(&subject, bytes));
    Ok(())
}

#[test]
fn damaged_subjects_never_panic() -> Tested {
    let (subject, payload) = sealed()?;
    damage("subject", subject.as_bytes(), |bytes| {
        if let Ok(text) = std::str::from_utf8(bytes) {
            if let Ok(parsed) = Subject::parse(text) {
                assert_eq!(parsed.encode().as_deref(), Ok(text), "one name has one subject");
            }
            open_any(text, &payload);
        }
    });
    Ok(())
}

#[test]
fn damaged_changes_never_panic() {
    let valid = encode_changes([Bytes::from_static(&[1; 40]), Bytes::from_static(&[2; 9])]);
    damage("changes", &valid, |bytes| drop(decode_changes(Bytes::copy_from_slice(bytes))));
}

#[test]
fn damaged_snapshots_never_panic() {
    let record = SnapshotRecord {
        position: Position::new(70_000),
        heads: vec![[9; 32], [8; 32]],
        log: "lab@1".to_owned(),
        document: Bytes::from_static(&[7; 50]),
    };
    let valid = record.encode();
    damage("snapshot", &valid, |bytes| drop(SnapshotRecord::decode(Bytes::copy_from_slice(bytes))));
}

#[test]
fn damaged_cloud_events_never_panic() {
    damage("cloudevents", LINE.as_bytes(), |bytes| {
        let text = String::from_utf8_lossy(bytes);
        if let Ok(envelope) = from_json(&text) {
            let line = to_json(&envelope).expect("what was read can be written");
            assert_eq!(from_json(&line).expect("and read again"), envelope);
        }
    });
}

#[test]
fn damaged_captures_never_panic() -> Tested {
    let header = CaptureHeader {
        space: "lab".parse()?,
        log: "lab@1".to_owned(),
        server: "nats-server".to_owned(),
        after: Position::ZERO,
        through: Position::MAX,
        created: Timestamp::from_nanos(1),
    };
    let mut writer = CaptureWriter::new(Vec::new(), &header)?;
    let (subject, payload) = sealed()?;
    for position in 1..4 {
        writer.push(&CapturedRecord {
            position: Position::new(position),
            recorded: Timestamp::from_nanos(1),
            subject: subject.clone(),
            payload: payload.clone(),
        })?;
    }
    let (valid, _) = writer.finish()?;
    damage("capture", &valid, |bytes| {
        if let Ok(reader) = CaptureReader::stream(bytes) {
            let whole = reader.collect::<Result<Vec<_>, _>>().is_ok();
            assert!(!whole || bytes == valid, "an altered capture was believed");
        }
    });
    Ok(())
}

#[test]
fn damaged_checkpoints_never_panic() -> Tested {
    let (subject, payload) = sealed()?;
    let recorded = Timestamp::from_nanos(1);
    let entry = open(Position::new(1), recorded, &subject, payload, &Verifier::default())?;
    let mut fold = Fold::new(Statistics);
    fold.apply(&entry);
    let valid = fold.checkpoint("lab@1")?.encode()?;
    damage("checkpoint", &valid, |bytes| {
        if let Ok(checkpoint) = Checkpoint::decode(bytes.to_vec()) {
            let _ = Fold::resume(Statistics, "lab@1", &checkpoint);
        }
    });
    Ok(())
}
