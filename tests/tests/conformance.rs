//! The conformance suite of the log port, on every implementation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use colony_bus::MemoryLog;
use colony_tests::conformance::{FactoryError, FreshLog, LogFactory};
use colony_tests::conformance_suite;
use futures_util::future::BoxFuture;

// --- memory

#[derive(Debug, Default)]
struct MemoryFactory {
    made: AtomicU64,
}

impl LogFactory for MemoryFactory {
    fn make(&self) -> BoxFuture<'_, Result<FreshLog, FactoryError>> {
        Box::pin(async move {
            let number = self.made.fetch_add(1, Ordering::Relaxed);
            let log = Arc::new(MemoryLog::new(format!("memory-{number}")));
            let space = "conformance".parse()?;
            Ok(FreshLog { log: log.clone(), live: log, space, keep: Arc::new(()) })
        })
    }
}

conformance_suite!(memory, MemoryFactory::default());

// --- logs that break the contract, to see that the suite finds it

#[path = "conformance/broken.rs"]
mod broken;

// --- JetStream: a factory that starts a server and makes a space of its own per log goes here.
