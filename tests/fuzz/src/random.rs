//! Random bytes, for machines without a C++ compiler.

use std::hash::{BuildHasher as _, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Longest input, in bytes.
const MAX_BYTES: u64 = 512;
/// Inputs that are kept and changed further.
const KEPT: usize = 64;

/// Runs a target on random bytes for as many seconds as the first argument says, or on the file that it names.
pub fn run(mut target: impl FnMut(&[u8])) -> ExitCode {
    let argument = std::env::args().nth(1).unwrap_or_default();
    let Ok(seconds) = argument.parse() else {
        target(&std::fs::read(&argument).expect("a number of seconds, or a file"));
        return ExitCode::SUCCESS;
    };
    let seed = RandomState::new().hash_one("seed");
    println!("seed {seed}");
    let mut random = Random(seed | 1);
    let mut kept = vec![Vec::new()];
    let (begin, mut count) = (Instant::now(), 0_u64);
    while begin.elapsed() < Duration::from_secs(seconds) {
        let index = random.below(kept.len() as u64) as usize;
        let input = random.change(&kept[index]);
        if catch_unwind(AssertUnwindSafe(|| target(&input))).is_err() {
            let path = format!("artifacts/crash-{seed:016x}-{count}");
            std::fs::write(&path, &input).expect("the input can be kept");
            eprintln!("the input that failed is in {path}");
            return ExitCode::FAILURE;
        }
        match kept.len() {
            KEPT => kept[random.below(KEPT as u64) as usize] = input,
            _ => kept.push(input),
        }
        count += 1;
    }
    println!("number_of_executed_units: {count}");
    ExitCode::SUCCESS
}

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Makes other bytes of some: new ones, or with a few changed, put in or taken away.
    fn change(&mut self, bytes: &[u8]) -> Vec<u8> {
        if bytes.is_empty() || self.below(8) == 0 {
            let length = self.below(MAX_BYTES);
            return (0..length).map(|_| self.next() as u8).collect();
        }
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() as u64 + 1) as usize;
            match self.below(4) {
                0 if at < bytes.len() => drop(bytes.remove(at)),
                1 if bytes.len() < MAX_BYTES as usize => bytes.insert(at, self.next() as u8),
                2 => bytes.truncate(at.max(1)),
                _ => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = self.next() as u8;
                    }
                }
            }
        }
        bytes
    }
}
