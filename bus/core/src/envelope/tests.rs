use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::cloudevents::tests::{envelope, sealed};
use crate::lane::{LaneChecker, LaneHead, Verdict};
use crate::name::AgentName;
use crate::signature::SignaturePolicy;
use crate::subject::Lane;

fn signer(seed: u8) -> Signer {
    let pair = nkeys::KeyPair::new_from_raw(nkeys::KeyPairType::User, [seed; 32]).unwrap();
    Signer::from_seed(&pair.seed().unwrap()).unwrap()
}

fn event(id: &str) -> Event {
    Event::new("ada".parse().unwrap(), id.parse().unwrap(), "task.done".parse().unwrap())
}

fn place(ty: &str) -> Subject {
    let kind = Kind::Event { ty: ty.parse().unwrap(), entity: None };
    let lane = Lane { author: "ada".parse().unwrap(), name: "main".parse().unwrap() };
    Subject { space: "lab".parse().unwrap(), address: Address::Lane { lane, kind } }
}

fn seal_one(envelope: impl Into<Envelope>, signer: Option<&Signer>) -> SealedEntry {
    seal(&place("task.done"), &envelope.into(), signer).unwrap()
}

fn open_at(
    position: u64,
    subject: &str,
    payload: &Bytes,
    verifier: &Verifier,
) -> Result<Entry, OpenError> {
    let recorded = Timestamp::from_nanos(1);
    open(Position::new(position), recorded, subject, payload.clone(), verifier)
}

fn verifier(policy: SignaturePolicy, known: Option<&Signer>) -> Verifier {
    let ada: AgentName = "ada".parse().unwrap();
    Verifier::new(policy, known.map(|signer| (ada, signer.public().clone())).into_iter().collect())
}

fn check(signed: Option<&Signer>, verifier: &Verifier) -> Result<(), SignatureError> {
    let SealedEntry { subject, payload, .. } = seal_one(event("1"), signed);
    match open_at(1, &subject, &payload, verifier) {
        Ok(_) => Ok(()),
        Err(OpenError::Signature(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn each_policy_asks_what_it_says() {
    use SignaturePolicy::{IfPresent, Off, Required};
    let (ada, mallory) = (signer(1), signer(2));
    let stranger = Err(SignatureError::Stranger {
        author: "ada".parse().unwrap(),
        actual: mallory.public().clone(),
    });
    let unknown = Err(SignatureError::UnknownAuthor { author: "ada".parse().unwrap() });
    for (signed, policy, known, expected) in [
        (None, Off, None, Ok(())),
        (Some(&mallory), Off, Some(&ada), Ok(())),
        (None, IfPresent, Some(&ada), Ok(())),
        (Some(&ada), IfPresent, Some(&ada), Ok(())),
        (Some(&ada), IfPresent, None, Ok(())),
        (Some(&mallory), IfPresent, Some(&ada), stranger.clone()),
        (None, Required, Some(&ada), Err(SignatureError::Missing)),
        (Some(&ada), Required, Some(&ada), Ok(())),
        (Some(&ada), Required, None, unknown),
        (Some(&mallory), Required, Some(&ada), stranger),
    ] {
        let found = check(signed, &verifier(policy, known));
        assert_eq!(found, expected, "{policy:?}, signed {signed:?}, known {known:?}");
    }
}

#[test]
fn a_signature_holds_for_its_subject_and_body_only() {
    let ada = signer(1);
    let verifier = verifier(SignaturePolicy::Required, Some(&ada));
    let SealedEntry { subject, payload, .. } = seal_one(event("1"), Some(&ada));
    let moved = subject.replace(".main.", ".other.");
    let wrong = Err(OpenError::Signature(SignatureError::Wrong));
    assert_eq!(open_at(1, &moved, &payload, &verifier), wrong);
    let elsewhere = subject.replace("colony.lab.", "colony.lap.");
    assert_eq!(open_at(1, &elsewhere, &payload, &verifier), wrong);

    let mut altered = v1::Sealed::decode(payload).unwrap();
    altered.body = seal_body(&event("2"));
    assert_eq!(open_at(1, &subject, &altered.encode_to_vec().into(), &verifier), wrong);
    for signature in [vec![], vec![0; 64], vec![0; 63], vec![0; 65]] {
        let forged = v1::Sealed { signature: signature.into(), ..altered.clone() };
        let opened = open_at(1, &subject, &forged.encode_to_vec().into(), &verifier);
        assert_eq!(opened, wrong);
    }
}

fn seal_body(event: &Event) -> Bytes {
    v1::Sealed::decode(seal_one(event.clone(), None).payload).unwrap().body
}

#[test]
fn an_entry_stands_where_it_says() {
    let SealedEntry { subject, payload, .. } = seal_one(event("1"), None);
    for (other, field) in [
        (subject.replace(".ada.", ".bob."), "author"),
        (subject.replace(".done.", ".begun."), "type"),
        (subject.replace(".done._", ".done.42"), "entity"),
        ("colony.lab.ada.main.mail.bob.task.done".to_owned(), "recipient"),
        ("colony.lab.ada.main.doc.notes".to_owned(), "document"),
        ("colony.lab.ada.main.effect.call".to_owned(), "effect"),
        ("colony.lab._._.head.task.42".to_owned(), "entity"),
    ] {
        let opened = open_at(1, &other, &payload, &Verifier::default());
        assert_eq!(opened, Err(OpenError::Mismatch { field }), "{other}");
    }
    let sealed = seal(&place("task.begun"), &event("1").into(), None);
    assert_eq!(sealed, Err(SealError::Mismatch { field: "type" }));
}

#[test]
fn unknown_fields_survive_opening_and_sealing() {
    // Field 100, a varint; field 200, a message of two bytes.
    let newer = [0xa0, 0x06, 0x07, 0xc2, 0x0c, 0x02, 0x08, 0x01];
    let mut body = seal_body(&event("1")).to_vec();
    body.extend_from_slice(&newer);
    let sealed = v1::Sealed { body: body.into(), ..v1::Sealed::default() };
    let payload: Bytes = sealed.encode_to_vec().into();
    let subject = place("task.done").encode().unwrap();
    let entry = open_at(1, &subject, &payload, &Verifier::default()).unwrap();
    assert_eq!(entry.envelope.unknown, newer.as_slice());
    assert_eq!(seal_one(entry.envelope, None).payload, payload);
}

#[test]
fn what_no_reader_would_take_is_not_sealed() {
    let refused = |change: &dyn Fn(&mut Envelope)| {
        let mut envelope = Envelope::from(event("1"));
        change(&mut envelope);
        seal(&place("task.done"), &envelope, None).unwrap_err()
    };
    let field = |field| SealError::Field { field };
    let digest = Digest::of(b"");
    assert_eq!(
        refused(&|e| e.link = Some(Link { number: 0, previous: None })),
        field("lane number")
    );
    assert_eq!(refused(&|e| e.part = Some(Part { index: 1, count: 1, digest })), field("part"));
    // Field 1 is the id: it would replace the event's own.
    assert_eq!(
        refused(&|e| e.unknown = Bytes::from_static(&[0x0a, 0x01, b'2'])),
        field("unknown fields")
    );
    assert_eq!(refused(&|e| e.unknown = Bytes::from_static(&[0xff])), field("unknown fields"));
    let at = Timestamp::from_nanos(1);
    for text in ["yesterday", "2012-10-29T16:12:25Z"] {
        let time = EventTime { at, text: Some(text.to_owned()) };
        assert_eq!(refused(&|e| e.event.time = Some(time.clone())), field("time"));
    }
    for (name, json) in [("id", "1"), ("x", "1 2"), ("X", "1"), ("x", "null"), ("x", "[\n]")] {
        let extensions = [(name.to_owned(), json.to_owned())];
        assert_eq!(
            refused(&|e| e.event.extensions = extensions.clone().into()),
            SealError::Extensions
        );
    }
}

#[test]
fn doubled_and_ill_extensions_are_not_opened() {
    let subject = place("task.done").encode().unwrap();
    let extension = |name: &str, json: &str| v1::Extension { name: name.into(), json: json.into() };
    for extensions in [
        vec![extension("x", "1"), extension("x", "2")],
        vec![extension("x", "{")],
        vec![extension("a b", "1")],
        (0..65).map(|n| extension(&format!("x{n}"), "1")).collect(),
    ] {
        let wire =
            v1::Envelope { extensions, ..v1::Envelope::decode(seal_body(&event("1"))).unwrap() };
        let sealed = v1::Sealed { body: wire.encode_to_vec().into(), ..v1::Sealed::default() };
        let opened = open_at(1, &subject, &sealed.encode_to_vec().into(), &Verifier::default());
        assert_eq!(opened, Err(OpenError::Field { field: "extensions" }));
    }
}

/// Appends an event to a lane, with its predecessor as told.
fn append(id: &str, link: Link) -> Entry {
    let envelope = Envelope { link: Some(link), ..event(id).into() };
    let SealedEntry { subject, payload, .. } = seal_one(envelope, None);
    open_at(link.number, &subject, &payload, &Verifier::default()).unwrap()
}

#[test]
fn a_lane_is_judged_entry_by_entry() {
    let mut checker = LaneChecker::new();
    let first = append("1", LaneHead::EMPTY.next());
    let second = append("2", LaneHead::of(&first).unwrap().next());
    let fork = append("fork", LaneHead::of(&first).unwrap().next());
    let third = append("3", LaneHead::of(&second).unwrap().next());
    let fourth = append("4", LaneHead::of(&third).unwrap().next());
    assert_eq!(checker.judge(&first), Verdict::Chained);
    assert_eq!(checker.judge(&second), Verdict::Chained);
    assert_eq!(checker.judge(&second), Verdict::Void, "a copy");
    assert_eq!(checker.judge(&fork), Verdict::Void, "a second writer");
    assert_eq!(checker.judge(&fourth), Verdict::Broken { expected: 3, actual: 4 });
    let after = append("5", LaneHead::of(&fourth).unwrap().next());
    assert_eq!(checker.judge(&after), Verdict::Chained, "it goes on from there");
    let forged = append("6", Link { number: 6, previous: Some(first.digest) });
    assert_eq!(checker.judge(&forged), Verdict::Broken { expected: 6, actual: 6 });
}

#[test]
fn a_lane_may_be_read_from_its_middle() {
    let first = append("1", LaneHead::EMPTY.next());
    let second = append("2", LaneHead::of(&first).unwrap().next());
    let third = append("3", LaneHead::of(&second).unwrap().next());
    let mut checker = LaneChecker::new();
    assert_eq!(checker.judge(&second), Verdict::Chained);
    assert_eq!(checker.judge(&third), Verdict::Chained);
    assert_eq!(checker.judge(&first), Verdict::Void);
}

#[test]
fn entries_outside_a_lane_are_unlinked() {
    let SealedEntry { subject, payload, .. } = seal_one(event("1"), None);
    let entry = open_at(1, &subject, &payload, &Verifier::default()).unwrap();
    assert_eq!(LaneChecker::new().judge(&entry), Verdict::Unlinked);
    assert_eq!(LaneHead::of(&entry), None);
}

#[test]
fn the_largest_number_of_a_lane_is_a_number() {
    let largest = append("1", Link { number: u64::MAX, previous: None });
    let mut checker = LaneChecker::new();
    assert_eq!(checker.judge(&largest), Verdict::Chained);
    assert!(matches!(checker.judge(&largest), Verdict::Broken { .. }));
    assert_eq!(LaneHead::of(&largest).unwrap().next().number, u64::MAX);
}

#[test]
fn lanes_do_not_disturb_each_other() {
    let mut checker = LaneChecker::new();
    let first = append("1", LaneHead::EMPTY.next());
    let mut other = first.clone();
    if let Address::Lane { lane, .. } = &mut other.address {
        lane.name = "other".parse().unwrap();
    }
    assert_eq!(checker.judge(&first), Verdict::Chained);
    assert_eq!(checker.judge(&other), Verdict::Chained);
}

proptest! {
    #[test]
    fn any_envelope_survives_sealing(envelope in envelope()) {
        let SealedEntry { subject, payload, digest } = sealed(envelope.clone());
        let entry = open_at(1, &subject, &payload, &Verifier::default()).unwrap();
        prop_assert_eq!(&entry.envelope, &envelope);
        prop_assert_eq!(entry.digest, digest);
        prop_assert_eq!(sealed(entry.envelope).payload, payload);
    }

    #[test]
    fn any_bytes_are_an_entry_or_an_error(bytes in vec(any::<u8>(), 0..200)) {
        let subject = place("task.done").encode().unwrap();
        let bytes = Bytes::from(bytes);
        let _ = open_at(1, &subject, &bytes, &Verifier::default());
        let sealed = v1::Sealed { body: bytes.clone(), ..v1::Sealed::default() };
        let _ = open_at(1, &subject, &sealed.encode_to_vec().into(), &Verifier::default());
        let _ = decode_changes(bytes.clone());
        let _ = SnapshotRecord::decode(bytes);
    }

    #[test]
    fn an_altered_payload_is_an_entry_or_an_error(
        envelope in envelope(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let SealedEntry { subject, payload, .. } = sealed(envelope);
        let mut bytes = payload.to_vec();
        for (at, byte) in changes {
            *at.get_mut(&mut bytes) = byte;
        }
        if let Ok(entry) = open_at(1, &subject, &bytes.into(), &Verifier::default()) {
            // What opens has a CloudEvents form, unless its JSON data was hit.
            let _ = crate::cloudevents::entry_to_json(&entry);
        }
    }
}

/// The message that the generated code writes.
fn encode(envelope: Envelope) -> v1::Envelope {
    let Envelope { event, link, cursor, part, unknown: _ } = envelope;
    let Event {
        id,
        ty,
        version,
        author,
        entity,
        recipient,
        time,
        data,
        cause,
        correlation,
        seen,
        trace,
        extensions,
    } = event;
    let (data_form, data, content_type) = match data {
        Data::None => (v1::DataForm::Unspecified, Bytes::new(), None),
        Data::Json { text, content_type } => (v1::DataForm::Json, text.into(), content_type),
        Data::Text { text, content_type } => (v1::DataForm::Text, text.into(), content_type),
        Data::Binary { bytes, content_type } => (v1::DataForm::Binary, bytes, content_type),
    };
    let (time, time_text) = match time {
        // 0 is absent on the wire, so 1970 itself needs its text.
        Some(EventTime { at, text: None }) if at.as_nanos() == 0 => (0, at.to_string()),
        Some(EventTime { at, text }) => (at.as_nanos(), text.unwrap_or_default()),
        None => (0, String::new()),
    };
    let (lane_number, lane_previous) = match link {
        Some(Link { number, previous }) => {
            (number, previous.map(|d| Bytes::copy_from_slice(d.as_bytes())).unwrap_or_default())
        }
        None => (0, Bytes::new()),
    };
    let (traceparent, tracestate) = match trace {
        Some(Trace { parent, state }) => (parent, state.unwrap_or_default()),
        None => (String::new(), String::new()),
    };
    v1::Envelope {
        id: id.into(),
        r#type: ty.into(),
        author: author.into(),
        entity: entity.map(String::from).unwrap_or_default(),
        time,
        data,
        data_form: data_form.into(),
        lane_number,
        lane_previous,
        cause: cause.map(|Cause { author, id, position }| v1::Cause {
            id: id.into(),
            position: position.map(Position::get).unwrap_or_default(),
            author: author.into(),
        }),
        correlation: correlation.map(String::from).unwrap_or_default(),
        cursor: cursor.map(Position::get).unwrap_or_default(),
        seen: seen
            .into_iter()
            .map(|Seen { document, heads }| v1::Seen {
                document: document.into(),
                heads: heads.iter().map(|h| Bytes::copy_from_slice(h)).collect(),
            })
            .collect(),
        part: part.map(|Part { index, count, digest }| v1::Part {
            index,
            count,
            digest: Bytes::copy_from_slice(digest.as_bytes()),
        }),
        traceparent,
        tracestate,
        version: if version == 1 { 0 } else { version },
        content_type: content_type.unwrap_or_default(),
        extensions: extensions
            .into_iter()
            .map(|(name, json)| v1::Extension { name, json })
            .collect(),
        time_text,
        recipient: recipient.map(String::from).unwrap_or_default(),
    }
}

proptest! {
    #[test]
    fn the_body_is_what_generated_code_writes(envelope in envelope()) {
        let mut expected = encode(envelope.clone()).encode_to_vec();
        expected.extend_from_slice(&envelope.unknown);
        prop_assert_eq!(wire::body(&envelope, envelope.link, envelope.cursor), expected);
    }

    #[test]
    fn what_is_sealed_is_what_generated_code_writes(
        (body, signature) in (vec(any::<u8>(), 0..300), vec(any::<u8>(), 0..65)),
        signer in "U?[A-Z]{0,55}",
    ) {
        let expected = v1::Sealed {
            body: body.clone().into(),
            signature: signature.clone().into(),
            signer: signer.clone().into(),
        };
        prop_assert_eq!(wire::sealed(&body, &signature, &signer), expected.encode_to_vec());
    }
}
