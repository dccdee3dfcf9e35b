//! Tests on real servers. They fail where no server can be had; none is skipped.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panic")]

mod cluster;
mod deploy;
mod find;
mod node;

use colony_server::{Finder, ServerBinary, Silent};

/// The server that all tests use, found or fetched as users have it.
async fn server() -> ServerBinary {
    Finder::from_env().find(&Silent).await.expect("the tests need a nats-server")
}
