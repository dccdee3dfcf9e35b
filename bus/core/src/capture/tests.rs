use std::io::Cursor;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn header() -> CaptureHeader {
    CaptureHeader {
        space: "lab".parse().unwrap(),
        log: "lab@1".to_owned(),
        server: "nats-server 2.15.1".to_owned(),
        after: Position::ZERO,
        through: Position::new(1_000_000),
        created: "2026-11-22T00:00:00Z".parse().unwrap(),
    }
}

fn record(position: u64, bytes: usize) -> CapturedRecord {
    CapturedRecord {
        position: Position::new(position),
        recorded: Timestamp::from_nanos(position as i64),
        subject: format!("colony.lab.ada.main.event.task.done.{position}"),
        payload: (0..bytes).map(|n| (n * n) as u8).collect::<Vec<_>>().into(),
    }
}

fn capture(records: &[CapturedRecord]) -> Vec<u8> {
    let mut writer = CaptureWriter::new(Vec::new(), &header()).unwrap();
    for record in records {
        writer.push(record).unwrap();
    }
    let (bytes, summary) = writer.finish().unwrap();
    assert_eq!(summary.count, records.len() as u64);
    assert_eq!(summary.digest, Digest::of(&bytes[..bytes.len() - 32]));
    assert_eq!(summary.digest.as_bytes().as_slice(), &bytes[bytes.len() - 32..]);
    bytes
}

fn records(bytes: &[u8]) -> (Vec<CapturedRecord>, Option<CaptureError>) {
    let reader = match CaptureReader::stream(bytes) {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut good = Vec::new();
    for record in reader {
        match record {
            Ok(record) => good.push(record),
            Err(error) => return (good, Some(error)),
        }
    }
    (good, None)
}

/// A capture of several blocks.
fn sample() -> (Vec<CapturedRecord>, Vec<u8>) {
    let list: Vec<_> = (1..=9).map(|n| record(n * 3, 60_000)).collect();
    let bytes = capture(&list);
    (list, bytes)
}

#[test]
fn a_capture_comes_back_whole() {
    let (list, bytes) = sample();
    let mut reader = CaptureReader::open(Cursor::new(&bytes)).unwrap();
    assert_eq!(reader.header(), &header());
    assert_eq!(reader.summary(), None);
    let back: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
    assert_eq!(back, list);
    let summary = reader.summary().unwrap();
    assert_eq!(summary.range, Some((Position::new(3), Position::new(27))));
    assert_eq!(verify(&*bytes).unwrap(), summary);
}

#[test]
fn an_empty_range_is_a_capture() {
    let bytes = capture(&[]);
    assert_eq!(verify(&*bytes).unwrap().range, None);
    assert!(matches!(records(&bytes), (list, None) if list.is_empty()));
}

#[test]
fn opening_looks_at_the_end_first() {
    let (_, bytes) = sample();
    let cut = Cursor::new(&bytes[..bytes.len() - 1]);
    assert!(matches!(CaptureReader::open(cut), Err(CaptureError::Truncated)));
}

#[test]
fn every_cut_is_noticed() {
    let (list, bytes) = sample();
    let small = capture(&[record(1, 10), record(2, 0)]);
    for end in (0..small.len()).map(|n| &small[..n]).chain([&bytes[..bytes.len() / 2]]) {
        let (good, error) = records(end);
        assert!(
            matches!(error, Some(CaptureError::Truncated | CaptureError::Magic)),
            "{error:?} at {}",
            end.len()
        );
        assert!(end.len() < small.len() || list.starts_with(&good));
    }
}

#[test]
fn every_altered_bit_is_noticed_before_its_record_is_seen() {
    let list = [record(1, 10), record(2, 0), record(3, 100)];
    let bytes = capture(&list);
    for bit in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        let (good, error) = records(&altered);
        assert!(error.is_some(), "bit {bit}");
        assert!(list.starts_with(&good), "bit {bit}");
    }
}

#[test]
fn a_foreign_file_is_told_apart_from_a_newer_one() {
    assert!(matches!(records(b"PK\x03\x04 something"), (_, Some(CaptureError::Magic))));
    let mut newer = capture(&[]);
    newer[11] = 2;
    let (_, error) = records(&newer);
    assert!(matches!(error, Some(CaptureError::NewerVersion { found: 2, known: 1 })));
}

#[test]
fn bytes_after_the_end_are_noticed() {
    let (list, mut bytes) = sample();
    bytes.push(0);
    let (good, error) = records(&bytes);
    assert_eq!(good, list);
    assert!(matches!(error, Some(CaptureError::Trailing)));
}

#[test]
fn a_lying_length_costs_no_memory() {
    let mut bytes = capture(&[]);
    let at = bytes.len() - 32 - 8 - 4;
    bytes.truncate(at);
    bytes.extend_from_slice(&u32::MAX.to_be_bytes());
    bytes.extend_from_slice(&1_u32.to_be_bytes());
    assert!(matches!(records(&bytes), (_, Some(CaptureError::TooLarge { .. }))));
    bytes.truncate(at);
    bytes.extend_from_slice(&60_000_000_u32.to_be_bytes());
    bytes.extend_from_slice(&60_000_000_u32.to_be_bytes());
    assert!(matches!(records(&bytes), (_, Some(CaptureError::Truncated))));
}

/// A capture with one block of any content under good hashes.
fn forged(compressed: &[u8], raw: u32, count: u64) -> Vec<u8> {
    let mut bytes = capture(&[]);
    bytes.truncate(bytes.len() - 32 - 8 - 4);
    let hash = |bytes: &mut Vec<u8>| {
        let digest = Digest::of(bytes);
        bytes.extend_from_slice(digest.as_bytes());
    };
    bytes.extend_from_slice(&(compressed.len() as u32).to_be_bytes());
    bytes.extend_from_slice(&raw.to_be_bytes());
    bytes.extend_from_slice(compressed);
    hash(&mut bytes);
    bytes.extend_from_slice(&0_u32.to_be_bytes());
    bytes.extend_from_slice(&count.to_be_bytes());
    hash(&mut bytes);
    bytes
}

fn deflate(raw: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder =
        flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(raw).unwrap();
    encoder.finish().unwrap()
}

fn raw(records: &[CapturedRecord]) -> Vec<u8> {
    let mut raw = Vec::new();
    for CapturedRecord { position, recorded, subject, payload } in records {
        raw.extend_from_slice(&position.get().to_be_bytes());
        raw.extend_from_slice(&recorded.as_nanos().to_be_bytes());
        raw.extend_from_slice(&(subject.len() as u32).to_be_bytes());
        raw.extend_from_slice(&(payload.len() as u32).to_be_bytes());
        raw.extend_from_slice(subject.as_bytes());
        raw.extend_from_slice(payload);
    }
    raw
}

#[test]
fn a_forged_block_under_good_hashes_is_malformed() {
    let good = raw(&[record(1, 5)]);
    let length = good.len() as u32;
    assert!(
        matches!(records(&forged(&deflate(&good), length, 1)), (list, None) if list.len() == 1)
    );
    for (bytes, part) in [
        (forged(&deflate(&good), length, 2), "count"),
        (forged(&deflate(&good), length - 1, 1), "block"),
        (forged(&deflate(&good), length + 1, 1), "block"),
        (forged(&[deflate(&good), vec![0]].concat(), length, 1), "block"),
        (forged(&[0xff; 9], 9, 1), "block"),
        (forged(&deflate(&good[..20]), 20, 1), "record"),
        (forged(&deflate(&good[..length as usize - 1]), length - 1, 1), "record"),
    ] {
        let (_, error) = records(&bytes);
        assert!(
            matches!(error, Some(CaptureError::Malformed { part: p }) if p == part),
            "{part}: {error:?}"
        );
    }
    let bomb = forged(&deflate(&vec![0; 50_000_000]), 100, 1);
    assert!(matches!(records(&bomb), (_, Some(CaptureError::Malformed { part: "block" }))));
    let backwards = raw(&[record(2, 5), record(1, 5)]);
    let (_, error) = records(&forged(&deflate(&backwards), backwards.len() as u32, 2));
    assert!(matches!(error, Some(CaptureError::Position { .. })), "{error:?}");
}

#[test]
fn a_writer_refuses_what_no_reader_would_take() {
    let mut writer = CaptureWriter::new(Vec::new(), &header()).unwrap();
    writer.push(&record(5, 1)).unwrap();
    for position in [0, 4, 5, 1_000_001] {
        let error = writer.push(&record(position, 1)).unwrap_err();
        assert!(matches!(error, CaptureError::Position { .. }));
    }
    let mut large = record(6, 0);
    large.subject = "x".repeat(100_000);
    assert!(matches!(writer.push(&large), Err(CaptureError::TooLarge { .. })));
    writer.push(&record(6, 1)).unwrap();
    assert_eq!(verify(&*writer.finish().unwrap().0).unwrap().count, 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_records_come_back(sizes in vec(0_usize..100_000, 0..20)) {
        let list: Vec<_> =
            sizes.iter().zip(1..).map(|(size, position)| record(position, *size)).collect();
        let bytes = capture(&list);
        let reader = CaptureReader::open(Cursor::new(bytes)).unwrap();
        prop_assert_eq!(reader.map(Result::unwrap).collect::<Vec<_>>(), list);
    }

    #[test]
    fn any_bytes_are_a_capture_or_an_error(junk in vec(any::<u8>(), 0..200), keep in 0_usize..200) {
        let mut bytes = capture(&[record(1, 5)]);
        bytes.truncate(keep);
        bytes.extend_from_slice(&junk);
        let (good, error) = records(&bytes);
        prop_assert!(error.is_some() || good == [record(1, 5)]);
    }
}
