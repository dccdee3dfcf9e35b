//! Asking a running server how it is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// Bounds what is read of one answer.
const MAX_ANSWER_BYTES: u64 = 1 << 20;

/// Where a server listens, as it wrote in its ports file once it did.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Addresses {
    #[serde(default)]
    nats: Vec<String>,
    #[serde(default)]
    monitoring: Vec<String>,
}

impl Addresses {
    /// Reads the file that the server with this process id wrote; `None` until it is complete.
    pub(crate) fn read(dir: &Path, pid: u32) -> Option<Self> {
        let file = ports_files(dir).find(|path| {
            path.file_stem()
                .is_some_and(|stem| stem.to_string_lossy().ends_with(&format!("_{pid}")))
        })?;
        serde_json::from_str(&fs::read_to_string(file).ok()?).ok()
    }

    /// Removes the files of servers that were killed.
    pub(crate) fn remove_stale(dir: &Path) {
        for file in ports_files(dir) {
            let _ = fs::remove_file(file);
        }
    }

    /// The address for clients, preferably on this machine only.
    pub(crate) fn client_url(&self) -> Option<&str> {
        nearest(&self.nats)
    }

    /// The address for monitoring, if there is one.
    pub(crate) fn monitor_url(&self) -> Option<&str> {
        nearest(&self.monitoring)
    }
}

fn ports_files(dir: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension() == Some("ports".as_ref()))
}

fn nearest(urls: &[String]) -> Option<&str> {
    urls.iter().find(|url| url.contains("//127.0.0.1:")).or(urls.first()).map(String::as_str)
}

fn host_and_port(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}

/// Whether the server greets a client. It does so before any TLS and any login.
pub(crate) async fn greets(client_url: &str) -> bool {
    let greeting = async {
        let stream = TcpStream::connect(host_and_port(client_url)).await?;
        let mut line = String::new();
        BufReader::new(stream.take(MAX_ANSWER_BYTES)).read_line(&mut line).await?;
        io::Result::Ok(line.starts_with("INFO "))
    };
    matches!(timeout(ANSWER_LIMIT, greeting).await, Ok(Ok(true)))
}

/// Whether the server says that it is well: its JetStream is up and, in a cluster, knows its leader.
pub(crate) async fn is_healthy(monitor_url: &str) -> bool {
    get(monitor_url, "/healthz").await.is_ok()
}

/// What a server knows about the group that manages all streams of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct MetaGroup {
    /// Name of the leader; empty while there is none.
    #[serde(default)]
    pub(crate) leader: String,
    /// The other servers, told by the leader only.
    #[serde(default)]
    pub(crate) replicas: Vec<Replica>,
}

/// A server as the leader sees it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Replica {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) current: bool,
    #[serde(default)]
    pub(crate) offline: bool,
}

/// Asks a server of a cluster about the meta group; `None` when it does not answer.
pub(crate) async fn meta_group(monitor_url: &str) -> Option<MetaGroup> {
    #[derive(Deserialize)]
    struct Answer {
        meta_cluster: MetaGroup,
    }
    let body = get(monitor_url, "/jsz").await.ok()?;
    serde_json::from_str::<Answer>(&body).ok().map(|answer| answer.meta_cluster)
}

/// Gets a page that fits into memory; any status but 200 is an error.
async fn get(monitor_url: &str, path: &str) -> io::Result<String> {
    let exchange = async {
        let host = host_and_port(monitor_url);
        let mut stream = TcpStream::connect(host).await?;
        // In version 1.0 the body ends with the connection.
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.take(MAX_ANSWER_BYTES).read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
        match head.split_whitespace().nth(1) {
            Some("200") => Ok(body.to_owned()),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    };
    timeout(ANSWER_LIMIT, exchange).await.map_err(|_| io::ErrorKind::TimedOut)?
}
