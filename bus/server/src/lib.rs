//! Finds, fetches and starts a nats-server for Colony.
//!
//! [`Finder`] looks for a server that is new enough and fetches one where there is none. [`Node`]
//! runs it on a local directory and ends with its owner; [`LocalCluster`] runs several as one
//! cluster.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use colony_server::{Finder, Node, NodeConfig, Silent};
//!
//! let server = Finder::from_env().find(&Silent).await?;
//! let node = Node::start(&server, NodeConfig::new("colony", "colony-data")).await?;
//! println!("nats-server {} listens on {}", server.version(), node.url());
//! node.stop().await?;
//! # Ok(())
//! # }
//! ```

mod cache;
mod cluster;
mod credentials;
mod error;
mod fetch;
mod find;
mod node;
mod ports;
mod process;
mod progress;
mod release;
mod version;

pub use self::cache::cache_dir;
pub use self::cluster::{ClusterConfig, LocalCluster};
pub use self::credentials::{
    CredentialError, admin_block, inbox_prefix, operator_block, permission_block, users_file,
};
pub use self::error::{Attempt, FetchError, FindError, Origin, ProbeError};
pub use self::find::{Finder, SERVER_VARIABLE, ServerBinary};
pub use self::node::{
    ConfigFile, LocalSettings, Membership, Node, NodeConfig, NodeError, Settings, Stopped, SyncMode,
};
pub use self::progress::{Progress, Silent, Step};
pub use self::release::{Platform, Release, Sha256, Wheel};
pub use self::version::{MINIMUM, ParseVersionError, ServerVersion};
