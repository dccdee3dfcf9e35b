//! Maps the recorded events to envelopes and back.

use std::io::Read as _;

use colony_core::cloudevents::{from_json, to_json};

fn corpus() -> Result<String, Box<dyn std::error::Error>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/nats-server-commits.ndjson.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path)?).read_to_string(&mut text)?;
    Ok(text)
}

fn check<'a>(lines: impl Iterator<Item = &'a str>) -> Result<usize, Box<dyn std::error::Error>> {
    let mut count = 0;
    for line in lines {
        let back = to_json(&from_json(line)?)?;
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&back)?,
            serde_json::from_str::<serde_json::Value>(line)?
        );
        assert_eq!(back, line, "the recorded lines are written as we would");
        count += 1;
    }
    Ok(count)
}

#[test]
fn the_first_recorded_events_come_back_equal() -> Result<(), Box<dyn std::error::Error>> {
    assert_eq!(check(corpus()?.lines().take(200))?, 200);
    Ok(())
}

#[test]
fn every_recorded_event_comes_back_equal() -> Result<(), Box<dyn std::error::Error>> {
    assert_eq!(check(corpus()?.lines())?, 8_320);
    Ok(())
}
