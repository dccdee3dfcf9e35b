//! How to reach a server.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How to reach a server, and how a space is made there if it does not exist.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// One or more `nats://` or `tls://` addresses, joined by commas. Default `nats://127.0.0.1:4222`.
    pub url: String,
    /// Who we are to the server. Default: nobody.
    pub credentials: Credentials,
    /// A certificate authority to trust besides the system's, as a PEM file.
    pub certificate_authority: Option<PathBuf>,
    /// Prefix of the inboxes that answers come to; credentials may allow only one. Default `_INBOX`.
    pub inbox_prefix: Option<String>,
    /// Copies of a space made anew. Default: 3 on a cluster of three or more, else 1.
    pub replicas: Option<usize>,
    /// Where a space made anew keeps its entries. Default: files.
    pub storage: Storage,
    /// How long an acknowledgement may take before the outcome is unknown. Default 2 s.
    pub acknowledgement_timeout: Duration,
    /// How long any other answer may take. Default 5 s.
    pub request_timeout: Duration,
    /// Where the server's monitoring pages are, to learn whether it syncs each write. Default: looked for on
    /// the server's own host, at port 8222 and at its client port plus 4000.
    pub monitor: Option<String>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            url: "nats://127.0.0.1:4222".to_owned(),
            credentials: Credentials::None,
            certificate_authority: None,
            inbox_prefix: None,
            replicas: None,
            storage: Storage::File,
            acknowledgement_timeout: Duration::from_secs(2),
            request_timeout: Duration::from_secs(5),
            monitor: None,
        }
    }
}

/// Where the server keeps entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Storage {
    /// In files.
    #[default]
    File,
    /// In memory: gone when the server stops.
    Memory,
}

impl Storage {
    pub(super) const fn token(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Memory => "memory",
        }
    }
}

/// Who we are to the server. Secrets are not shown.
#[derive(Clone, Default)]
pub enum Credentials {
    /// Nobody, or what the URL says.
    #[default]
    None,
    /// An NKey seed (`SU...`).
    NkeySeed(String),
    /// A `.creds` file with a JWT and a seed.
    File(PathBuf),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::NkeySeed(_) => f.write_str("NkeySeed(redacted)"),
            Self::File(path) => write!(f, "File({})", path.display()),
        }
    }
}
