//! Bytes of version 1, frozen: what was stored once is read forever, and the same value gives the same bytes.
//!
//! `golden/NAME.hex` holds the subject, and the payload in hexadecimal. A file is never changed; a new
//! version gets new files. `COLONY_GOLDEN=write` writes files that do not exist yet.

use std::error::Error;
use std::path::Path;
use std::str::FromStr;

use bytes::Bytes;
use colony_core::envelope::{
    Link, Part, SnapshotRecord, decode_changes, encode_changes, open, seal,
};
use colony_core::event::{EventTime, Seen, Trace};
use colony_core::signature::{SignaturePolicy, Signer, Verifier};
use colony_core::{
    Address, Cause, Data, Digest, Envelope, Event, Kind, Lane, Position, SealedEntry, Subject,
    Timestamp,
};

type Tested<T = ()> = Result<T, Box<dyn Error>>;

fn name<T: FromStr<Err: Error + 'static>>(text: &str) -> Tested<T> {
    Ok(text.parse()?)
}

fn signer() -> Tested<Signer> {
    let pair = nkeys::KeyPair::new_from_raw(nkeys::KeyPairType::User, [7; 32])?;
    Ok(Signer::from_seed(&pair.seed()?)?)
}

fn event(id: &str, ty: &str) -> Tested<Event> {
    Ok(Event::new(name("ada")?, name(id)?, name(ty)?))
}

fn subject(kind: Kind) -> Tested<Subject> {
    let lane = Lane { author: name("ada")?, name: name("main")? };
    Ok(Subject { space: name("lab")?, address: Address::Lane { lane, kind } })
}

#[expect(clippy::disallowed_methods, reason = "a new golden file is written on request")]
fn check(file: &str, kind: Kind, envelope: Envelope, signer: Option<&Signer>) -> Tested {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    let place = subject(kind)?;
    let SealedEntry { subject, payload, digest } = seal(&place, &envelope, signer)?;
    if std::env::var_os("COLONY_GOLDEN").is_some_and(|v| v == "write") && !path.exists() {
        let hex: String = payload.iter().map(|b| format!("{b:02x}")).collect();
        std::fs::write(&path, format!("{subject}\n{hex}\n"))?;
    }
    let text = std::fs::read_to_string(path)?;
    let mut lines = text.lines();
    let stored_subject = lines.next().ok_or("no subject")?;
    let hex = lines.next().ok_or("no payload")?.as_bytes();
    let stored = hex
        .chunks(2)
        .map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?))
        .collect::<Tested<Vec<u8>>>()?;
    let stored = Bytes::from(stored);

    let keys = signer.map(|signer| (envelope.event.author.clone(), signer.public().clone()));
    let policy = match signer {
        Some(_) => SignaturePolicy::Required,
        None => SignaturePolicy::IfPresent,
    };
    let verifier = Verifier::new(policy, keys.into_iter().collect());
    let (position, recorded) = (Position::new(9), Timestamp::from_nanos(5));
    let entry = open(position, recorded, stored_subject, stored.clone(), &verifier)?;
    assert_eq!(entry.envelope, envelope, "the stored bytes mean what they meant");
    assert_eq!(entry.address, place.address);
    assert_eq!(entry.digest, digest);
    assert_eq!(entry.signature.is_some(), signer.is_some());
    assert_eq!((subject.as_str(), payload), (stored_subject, stored), "the bytes are the same");
    Ok(())
}

#[test]
fn an_unsigned_event() -> Tested {
    let mut event = event("6c33e7b1", "task.claimed")?;
    event.entity = Some(name("42")?);
    event.version = 2;
    event.time = Some(EventTime {
        at: "2026-01-31T12:00:00.5Z".parse()?,
        text: Some("2026-01-31T14:00:00.50+02:00".to_owned()),
    });
    event.data = Data::json_text("{ \"by\": \"ada\" }")?;
    event.cause =
        Some(Cause { author: name("bob")?, id: name("7")?, position: Some(Position::new(300)) });
    event.correlation = Some(name("1")?);
    event.seen = vec![Seen { document: name("notes")?, heads: vec![[1; 32], [2; 32]] }];
    event.trace = Some(Trace {
        parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
        state: Some("a=1".to_owned()),
    });
    event.extensions = [("dataschema".to_owned(), "\"urn:x\"".to_owned())].into();
    let kind = Kind::Event { ty: event.ty.clone(), entity: event.entity.clone() };
    let envelope = Envelope {
        link: Some(Link { number: 2, previous: Some(Digest::of(b"one")) }),
        cursor: Some(Position::new(300)),
        ..event.into()
    };
    check("event-v1.hex", kind, envelope, None)
}

#[test]
fn a_signed_mail() -> Tested {
    let mut event = event("m1", "review.asked")?;
    event.recipient = Some(name("bob")?);
    event.time = Some(Timestamp::from_nanos(0).into());
    event.data =
        Data::Text { text: "please look".to_owned(), content_type: Some("text/plain".to_owned()) };
    let kind = Kind::Mail { recipient: name("bob")?, ty: event.ty.clone() };
    let link = Some(Link { number: 1, previous: None });
    check("mail-signed-v1.hex", kind, Envelope { link, ..event.into() }, Some(&signer()?))
}

#[test]
fn a_piece_of_a_document_change() -> Tested {
    let changes = [Bytes::from_static(&[1, 2, 3]), Bytes::from_static(&[4])];
    let data = encode_changes(changes.clone());
    assert_eq!(decode_changes(data.clone())?, changes);
    let mut event = event("c1", "doc.changed")?;
    event.entity = Some(name("notes/a.md")?);
    event.data = Data::Binary { bytes: data, content_type: None };
    let part = Some(Part { index: 1, count: 3, digest: Digest::of(b"whole") });
    let envelope = Envelope { part, ..event.into() };
    check("document-v1.hex", Kind::Document(name("notes/a.md")?), envelope, None)
}

#[test]
fn a_snapshot() -> Tested {
    let record = SnapshotRecord {
        position: Position::new(70_000),
        heads: vec![[9; 32]],
        log: "lab@1".to_owned(),
        document: Bytes::from_static(b"saved"),
    };
    let data = record.clone().encode();
    assert_eq!(SnapshotRecord::decode(data.clone())?, record);
    let mut event = event("s1", "doc.snapshotted")?;
    event.entity = Some(name("notes")?);
    event.data = Data::Binary { bytes: data, content_type: None };
    check("snapshot-v1.hex", Kind::Snapshot(name("notes")?), event.into(), None)
}

#[test]
fn fields_of_a_newer_version() -> Tested {
    let event = event("n1", "task.done")?;
    let kind = Kind::Event { ty: event.ty.clone(), entity: None };
    // Field 100, a varint; field 200, a message of two bytes.
    let unknown = Bytes::from_static(&[0xa0, 0x06, 0x07, 0xc2, 0x0c, 0x02, 0x08, 0x01]);
    check("unknown-fields-v1.hex", kind, Envelope { unknown, ..event.into() }, Some(&signer()?))
}
