//! Many processes that read what one writes.

use std::io::{BufRead as _, BufReader};
use std::time::{Duration, Instant};

use colony_bus::core::document::{Path, Value};
use colony_bus::{Bus, BusOptions};
use serde_json::Value as Json;

use crate::run::Lab;

const READERS: usize = 10;
const EDITS: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn ten_processes_that_watch_a_document_all_end_with_its_last_version() {
    let lab = Lab::new().await;
    let mut options = BusOptions::new("main".parse().unwrap(), "ada".parse().unwrap());
    options.server.url = lab.node.url();
    let bus = Bus::connect(options).await.unwrap();
    let document = bus.document(&"notes".parse().unwrap()).await.unwrap();
    let text: Path = "/text".parse().unwrap();
    let begun = document.edit(|edit| edit.set(&text, Value::Text(String::new()))).await.unwrap();
    begun.durable.await.unwrap();

    let mut readers = Vec::new();
    for _ in 0..READERS {
        let mut reader = lab.colony(&["doc", "watch", "notes", "--json"]).spawn();
        let mut lines = BufReader::new(reader.stdout.take().unwrap()).lines();
        lines.next().unwrap().unwrap();
        readers.push((reader, lines));
    }
    let begin = Instant::now();
    for number in 0..EDITS {
        let typed = document.edit(|edit| edit.splice_text(&text, number, 0, "x")).await.unwrap();
        if number % 20 == 0 {
            typed.durable.await.unwrap();
        }
    }
    document.flush().await.unwrap();
    let last = serde_json::to_value(document.heads()).unwrap();
    for (mut reader, lines) in readers {
        // Each line stands for all that had come in by then.
        let mut changes = 0;
        for line in lines {
            let update: Json = serde_json::from_str(&line.unwrap()).unwrap();
            changes += update["changes"].as_array().unwrap().len();
            if update["heads"] == last {
                break;
            }
            assert!(begin.elapsed() < Duration::from_secs(600), "a reader does not keep up");
        }
        assert_eq!(changes, EDITS);
        reader.kill().unwrap();
        reader.wait().unwrap();
    }
    println!("all readers were there {:.1} s after the first edit", begin.elapsed().as_secs_f64());
}
