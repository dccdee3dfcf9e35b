//! Nothing in a protocol reads a clock or asks a server: held by its source, since the crate around it has both.

use std::path::{Path, PathBuf};

/// What would bring in time, chance, the machine, or somebody to ask. No word of it stands in a protocol's source.
const FORBIDDEN: [&str; 21] = [
    "SystemTime",
    "Instant",
    "::now(",
    "elapsed(",
    "thread",
    "sleep",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "tokio",
    "futures_util",
    "async ",
    ".await",
    "colony_bus",
    "async_nats",
    "rand::",
    "uuid",
    // Their order is another in each process.
    "HashMap",
    "HashSet",
    "static ",
];

/// Returns what a source says against the rule: the line's number, and the word.
fn faults(source: &str) -> Vec<(usize, &'static str)> {
    let code = source.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    let code = code.filter(|(_, line)| !line.contains("'static "));
    let faults = code.flat_map(|(number, line)| {
        let words = FORBIDDEN.into_iter().filter(|word| line.contains(word));
        // What lies outside of the protocols has all of it.
        let outside = line.contains("crate::") && !line.contains("crate::protocol");
        words.chain(outside.then_some("crate::")).map(move |word| (number + 1, word))
    });
    faults.collect()
}

/// Returns the sources of protocols, but for those of tests.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let tests = ["tests.rs", "testing.rs", "model.rs", "purity.rs", "laws.rs"];
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let found = entries.flat_map(|path| match path.is_dir() {
        true => sources(&path),
        false => vec![path],
    });
    let of_tests = |path: &PathBuf| tests.iter().any(|name| path.ends_with(name));
    found.filter(|path| !of_tests(path)).collect()
}

#[test]
fn nothing_in_a_protocol_reads_a_clock_or_asks_a_server() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/protocol");
    let sources = sources(&folder);
    assert!(sources.len() > 50, "only {} files are looked at", sources.len());
    for path in sources {
        let faults = faults(&std::fs::read_to_string(&path).unwrap());
        assert!(faults.is_empty(), "{}: {faults:?}", path.display());
    }
}

#[test]
fn the_check_can_fail() {
    assert_eq!(
        faults("let a = 1;\nlet now = std::time::SystemTime::now();"),
        [(2, "SystemTime"), (2, "::now(")]
    );
    assert_eq!(faults("use crate::instance::Clock;"), [(1, "crate::")]);
    assert_eq!(faults("let answer = ask().await;"), [(1, ".await")]);
    assert!(
        faults("/// Waits, as `tokio::time::sleep` does.\nuse crate::protocol::Json;").is_empty()
    );
}
