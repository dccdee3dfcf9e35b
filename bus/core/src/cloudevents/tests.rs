use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::envelope::{Link, Part, seal};
use crate::event::{Cause, Data, Event, EventTime, Seen, Trace};
use crate::subject::{Address, Kind, Lane, Subject};
use crate::{Digest, Position, Timestamp};

fn read(value: &Value) -> Result<Envelope, CloudEventError> {
    from_json(&value.to_string())
}

fn smallest() -> Value {
    json!({"specversion": "1.0", "id": "1", "source": "ada", "type": "task.done"})
}

fn with(attribute: &str, value: Value) -> Value {
    let mut event = smallest();
    event[attribute] = value;
    event
}

fn fault(value: &Value) -> CloudEventError {
    read(value).expect_err("is refused")
}

#[test]
fn the_smallest_event_comes_back_to_the_byte() {
    let line = r#"{"specversion":"1.0","id":"1","type":"task.done","source":"ada"}"#;
    let envelope = from_json(line).unwrap();
    assert_eq!(
        envelope.event,
        Event::new("ada".parse().unwrap(), "1".parse().unwrap(), "task.done".parse().unwrap())
    );
    assert_eq!(to_json(&envelope).unwrap(), line);
}

#[test]
fn required_attributes_are_required() {
    for attribute in ["specversion", "id", "source", "type"] {
        for absent in [true, false] {
            let mut event = smallest();
            match absent {
                true => drop(event.as_object_mut().unwrap().remove(attribute)),
                false => event[attribute] = Value::Null,
            }
            let error = fault(&event);
            assert!(matches!(error, CloudEventError::Missing { .. }), "{error}");
            assert_eq!(error.attribute(), Some(attribute));
        }
    }
    assert!(matches!(fault(&with("specversion", json!("0.3"))), CloudEventError::Value { .. }));
}

#[test]
fn an_attribute_of_the_wrong_type_is_named() {
    for attribute in [
        "specversion",
        "id",
        "source",
        "type",
        "subject",
        "time",
        "dataschema",
        "datacontenttype",
        "data_base64",
        "traceparent",
        "tracestate",
        "colonyrecipient",
        "colonycauseid",
        "colonycauseauthor",
        "colonycorrelation",
        "colonyseen",
        "colonyprevious",
        "colonypart",
        "colonyunknown",
        "colonydata",
        "colonydatatext",
    ] {
        for value in [json!(7), json!(true), json!({"a": 1}), json!(["a"])] {
            let error = fault(&with(attribute, value));
            assert!(matches!(error, CloudEventError::WrongType { .. }), "{attribute}: {error}");
            assert_eq!(error.attribute(), Some(attribute));
        }
    }
    for attribute in ["colonyversion", "colonynumber", "colonycursor", "colonycauseposition"] {
        let error = fault(&with(attribute, json!([1])));
        assert!(matches!(error, CloudEventError::WrongType { .. }), "{error}");
        for value in [json!(0), json!("0"), json!(-1), json!(1.5), json!("x")] {
            let error = fault(&with(attribute, value));
            assert!(matches!(error, CloudEventError::Value { .. }), "{error}");
            assert_eq!(error.attribute(), Some(attribute));
        }
    }
}

#[test]
fn a_wrong_value_is_named() {
    for (attribute, value) in [
        ("time", json!("yesterday")),
        ("time", json!("2012-10-29")),
        ("data_base64", json!("a")),
        ("data_base64", json!("YQ")),
        ("traceparent", json!("")),
        ("tracestate", json!("")),
        ("dataschema", json!("")),
        ("colonyseen", json!("[]")),
        ("colonyseen", json!("{}")),
        ("colonyseen", json!(r#"[{"document":"d","heads":["00"]}]"#)),
        ("colonyprevious", json!("00")),
        ("colonypart", json!("1/1/00")),
        ("colonyunknown", json!("")),
        ("colonyunknown", json!("AAAA")),
    ] {
        let error = fault(&with(attribute, value));
        assert!(matches!(error, CloudEventError::Value { .. }), "{attribute}: {error}");
        assert_eq!(error.attribute(), Some(attribute));
    }
}

#[test]
fn names_are_held_to_their_limits() {
    for attribute in ["id", "source", "type", "subject", "colonyrecipient", "colonycorrelation"] {
        for name in [String::new(), "x".repeat(256), "a\nb".to_owned()] {
            let error = fault(&with(attribute, json!(name)));
            assert!(matches!(error, CloudEventError::Name { .. }), "{attribute}: {error}");
            assert_eq!(error.attribute(), Some(attribute));
        }
    }
    assert!(matches!(fault(&with("type", json!("task."))), CloudEventError::Name { .. }));
}

#[test]
fn a_doubled_attribute_is_refused() {
    for (double, attribute) in [
        (r#""id":"2""#, "id"),
        (r#""id":null"#, "id"),
        (r#""\u0069d":"2""#, "id"),
        (r#""x":1,"x":1"#, "x"),
        (r#""data":1,"data":1"#, "data"),
        (r#""colonyposition":"1","colonyposition":"1""#, "colonyposition"),
    ] {
        let line = format!(
            r#"{{"specversion":"1.0","id":"1","source":"ada","type":"task.done",{double}}}"#
        );
        let error = from_json(&line).expect_err("is refused");
        assert!(matches!(error, CloudEventError::Duplicate { .. }), "{double}: {error}");
        assert_eq!(error.attribute(), Some(attribute));
    }
}

#[test]
fn both_kinds_of_data_exclude_each_other() {
    let mut event = with("data", Value::Null);
    event["data_base64"] = json!("YQ==");
    assert!(matches!(fault(&event), CloudEventError::BothData));
}

#[test]
fn attributes_that_need_another_are_refused_alone() {
    for (attribute, value) in [
        ("colonycauseid", json!("1")),
        ("colonycauseauthor", json!("ada")),
        ("colonycauseposition", json!("4")),
        ("colonyprevious", json!("00".repeat(32))),
        ("colonydata", json!("text")),
        ("colonydatatext", json!("1")),
    ] {
        let error = fault(&with(attribute, value));
        assert!(matches!(error, CloudEventError::Alone { .. }), "{attribute}: {error}");
        assert_eq!(error.attribute(), Some(attribute));
    }
}

#[test]
fn extensions_have_plain_names_and_a_limit() {
    for name in ["", "Upper", "with_underscore", "with-dash", "é"] {
        assert!(matches!(fault(&with(name, json!(1))), CloudEventError::AttributeName { .. }));
    }
    let long = fault(&with("long", json!("x".repeat(64 * 1024))));
    assert!(matches!(long, CloudEventError::TooLarge { .. }), "{long}");
    let mut many = smallest();
    for n in 0..65 {
        many[format!("x{n}")] = json!(n);
    }
    assert!(matches!(fault(&many), CloudEventError::TooMany { actual: 65, .. }));
}

#[test]
fn what_is_no_object_is_refused() {
    for text in ["", "1", "[]", "{", "{}x", "null", "{\"id\":}", "\u{feff}{}"] {
        assert!(matches!(from_json(text), Err(CloudEventError::Json(_))), "{text}");
    }
}

#[test]
fn an_envelope_cannot_smuggle_attributes() {
    let mut envelope = read(&smallest()).unwrap();
    envelope.event.extensions.insert("id".into(), "\"2\"".into());
    assert!(matches!(to_json(&envelope), Err(CloudEventError::Reserved { .. })));
    envelope.event.extensions = [("x".to_owned(), "1,\"id\":2".to_owned())].into();
    assert!(matches!(to_json(&envelope), Err(CloudEventError::Value { .. })));
    envelope.event.extensions.clear();
    envelope.event.data = Data::Json { text: "1}\n{".into(), content_type: None };
    assert!(matches!(to_json(&envelope), Err(CloudEventError::Value { .. })));
}

#[test]
fn unknown_fields_cannot_override_known_ones() {
    // Field 1 (id) as the text "2".
    let error = fault(&with("colonyunknown", json!("CgEy")));
    assert_eq!(error.attribute(), Some("colonyunknown"));
}

#[test]
fn text_in_another_media_type_is_text() {
    let mut event = with("data", json!("hello"));
    event["datacontenttype"] = json!("text/plain; charset=utf-8");
    assert!(matches!(read(&event).unwrap().event.data, Data::Text { .. }));
    event["datacontenttype"] = json!("application/cloudevent+JSON");
    assert!(matches!(read(&event).unwrap().event.data, Data::Json { .. }));
}

#[test]
fn data_over_several_lines_travels_on_one() {
    let mut envelope = read(&smallest()).unwrap();
    let text = "{\n  \"a b\": [1,\r\n 2]\n}\n";
    envelope.event.data = Data::json_text(text).unwrap();
    let line = to_json(&envelope).unwrap();
    assert!(!line.contains('\n') && line.ends_with(r#""data":{"a b":[1,2]}}"#), "{line}");
    assert_eq!(from_json(&line).unwrap(), envelope);
    let altered = line.replace("[1,2]", "[1,3]");
    let error = from_json(&altered).expect_err("is refused");
    assert_eq!(error.attribute(), Some("colonydatatext"));
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,8}", "[^\\p{C}]{1,12}"]
}

fn named<T: std::str::FromStr + std::fmt::Debug>() -> impl Strategy<Value = T> {
    name().prop_filter_map("a name", |text| text.parse().ok())
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,9}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map("\\PC{0,5}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

fn json_text() -> impl Strategy<Value = String> {
    (value(), 0_u8..4).prop_map(|(value, style)| match style {
        0 => serde_json::to_string_pretty(&value).unwrap(),
        1 => format!(" {value}\t"),
        2 => format!("{value}\r\n"),
        _ => value.to_string(),
    })
}

fn content_type() -> impl Strategy<Value = Option<String>> {
    option::of(prop_oneof![
        Just("application/json".to_owned()),
        Just("text/plain".to_owned()),
        "[a-z]{1,5}/[a-z+]{1,8}",
        "\\PC{1,6}",
    ])
}

fn data() -> impl Strategy<Value = Data> {
    prop_oneof![
        Just(Data::None),
        (json_text(), content_type())
            .prop_map(|(text, content_type)| Data::Json { text, content_type }),
        (any::<String>(), content_type())
            .prop_map(|(text, content_type)| Data::Text { text, content_type }),
        (vec(any::<u8>(), 0..20), content_type())
            .prop_map(|(bytes, content_type)| Data::Binary { bytes: bytes.into(), content_type }),
    ]
}

fn time_text() -> impl Strategy<Value = String> {
    (-9_000_000_000_i64..9_000_000_000, 0_u8..6).prop_map(|(seconds, style)| {
        let text = Timestamp::from_nanos(seconds * 1_000_000_000).to_string();
        let moment = text.trim_end_matches('Z');
        match style {
            0 => text,
            1 => format!("{moment}+05:30"),
            2 => format!("{moment}.250-08:00"),
            3 => format!("{moment}.12345678901Z"),
            4 => format!("{}z", moment.to_lowercase()),
            _ => format!("{moment}.000000001Z"),
        }
    })
}

fn time() -> impl Strategy<Value = EventTime> {
    prop_oneof![
        any::<i64>().prop_map(|nanos| Timestamp::from_nanos(nanos).into()),
        Just(Timestamp::from_nanos(0).into()),
        time_text().prop_map(|text| event_time(&text).unwrap()),
    ]
}

fn extensions() -> impl Strategy<Value = BTreeMap<String, String>> {
    let value = value()
        .prop_filter("CloudEvents has no null", |value| !value.is_null())
        .prop_map(|value| value.to_string());
    btree_map("x[a-z0-9]{0,10}", value, 0..4)
}

fn position() -> impl Strategy<Value = Position> {
    (1..=u64::MAX).prop_map(Position::new)
}

fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 8]>().prop_map(|bytes| Digest::of(&bytes))
}

fn seen() -> impl Strategy<Value = Seen> {
    (named(), vec(any::<[u8; 32]>(), 0..3)).prop_map(|(document, heads)| Seen { document, heads })
}

fn event() -> impl Strategy<Value = Event> {
    let cause = (named(), named(), option::of(position()))
        .prop_map(|(author, id, position)| Cause { author, id, position });
    let trace = ("\\PC{1,20}", option::of("\\PC{1,20}"))
        .prop_map(|(parent, state)| Trace { parent, state });
    let names = (named(), named(), named(), option::of(named()), option::of(named()));
    let rest = (
        1..=u32::MAX,
        option::of(time()),
        data(),
        option::of(cause),
        option::of(named()),
        vec(seen(), 0..3),
        option::of(trace),
        extensions(),
    );
    (names, rest).prop_map(|((id, ty, author, entity, recipient), rest)| {
        let (version, time, data, cause, correlation, seen, trace, extensions) = rest;
        Event {
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
        }
    })
}

pub(crate) fn envelope() -> impl Strategy<Value = Envelope> {
    let link = (1..=u64::MAX, option::of(digest()))
        .prop_map(|(number, previous)| Link { number, previous });
    let part = (0_u32..9, 1_u32..9, digest()).prop_map(|(index, more, digest)| Part {
        index,
        count: index + more,
        digest,
    });
    // Fields 100 (a varint) and 101 (bytes).
    let unknown = prop_oneof![
        Just(Bytes::new()),
        Just(Bytes::from_static(&[0xa0, 0x06, 0x07])),
        Just(Bytes::from_static(&[0xaa, 0x06, 0x02, 1, 2, 0xa0, 0x06, 0x01])),
    ];
    (event(), option::of(link), option::of(position()), option::of(part), unknown).prop_map(
        |(event, link, cursor, part, unknown)| Envelope { event, link, cursor, part, unknown },
    )
}

pub(crate) fn sealed(envelope: Envelope) -> crate::SealedEntry {
    let kind = match envelope.event.recipient.clone() {
        Some(recipient) => Kind::Mail { recipient, ty: envelope.event.ty.clone() },
        None => {
            Kind::Event { ty: envelope.event.ty.clone(), entity: envelope.event.entity.clone() }
        }
    };
    let lane = Lane { author: envelope.event.author.clone(), name: "main".parse().unwrap() };
    let address = Address::Lane { lane, kind };
    seal(&Subject { space: "lab".parse().unwrap(), address }, &envelope, None).unwrap()
}

/// A CloudEvents object as another tool might write it, with its data's text.
fn foreign() -> impl Strategy<Value = (Value, Option<String>)> {
    let data = prop_oneof![
        Just(None),
        json_text().prop_map(|text| Some((true, text))),
        vec(any::<u8>(), 0..9).prop_map(|bytes| {
            use base64::Engine as _;
            Some((false, base64::engine::general_purpose::STANDARD.encode(bytes)))
        }),
    ];
    let required = (named::<crate::EventId>(), named::<crate::AgentName>());
    let optional = (
        option::of(named::<crate::EntityName>()),
        option::of(time_text()),
        content_type(),
        option::of("\\PC{1,9}"),
        option::of("\\PC{1,9}"),
        option::of("\\PC{1,9}"),
    );
    (required, named::<crate::EventType>(), optional, data, extensions()).prop_map(
        |((id, source), ty, optional, data, extensions)| {
            let (subject, time, content_type, schema, parent, state) = optional;
            let mut event = json!({"specversion": "1.0", "id": id, "source": source, "type": ty});
            let mut put = |name: &str, value: Option<Value>| {
                if let Some(value) = value {
                    event[name] = value;
                }
            };
            put("subject", subject.map(|s| json!(s)));
            put("time", time.map(Value::from));
            put("datacontenttype", content_type.map(Value::from));
            put("dataschema", schema.map(Value::from));
            put("traceparent", parent.map(Value::from));
            put("tracestate", state.map(Value::from));
            for (name, json) in extensions {
                put(&name, Some(serde_json::from_str(&json).unwrap()));
            }
            match data {
                None => (event, None),
                Some((true, text)) => (event, Some(text)),
                Some((false, base64)) => {
                    event["data_base64"] = base64.into();
                    (event, None)
                }
            }
        },
    )
}

proptest! {
    #[test]
    fn any_envelope_comes_back_from_json_to_the_byte(envelope in envelope()) {
        let line = to_json(&envelope).unwrap();
        prop_assert!(!line.contains(['\n', '\r']));
        serde_json::from_str::<Value>(&line).unwrap();
        let back = from_json(&line).unwrap();
        prop_assert_eq!(&back, &envelope);
        prop_assert_eq!(sealed(back).payload, sealed(envelope).payload);
    }

    #[test]
    fn any_cloud_event_comes_back_equal((event, data) in foreign()) {
        let mut text = event.to_string();
        if let Some(data) = &data {
            text.truncate(text.len() - 1);
            text.push_str(&format!(",\"data\":{data}}}"));
        }
        let envelope = from_json(&text).unwrap();
        let back = to_json(&envelope).unwrap();
        let mut expected: Value = serde_json::from_str(&text).unwrap();
        let actual: Value = serde_json::from_str(&back).unwrap();
        if let Some(exact) = actual.get("colonydatatext") {
            expected["colonydatatext"] = exact.clone();
        }
        prop_assert_eq!(actual, expected);
        if let (Some(data), Data::Json { text, .. }) = (&data, &envelope.event.data) {
            prop_assert_eq!(data.trim_ascii(), text);
        }
        prop_assert_eq!(from_json(&back).unwrap(), envelope);
    }

    #[test]
    fn any_text_is_an_event_or_an_error(text in "\\PC{0,60}", junk in value()) {
        let _ = from_json(&text);
        let _ = from_json(&junk.to_string());
    }
}
