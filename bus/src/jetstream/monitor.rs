//! Reads from the server's monitoring pages whether it syncs each write: the client protocol does not tell.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::options::ServerOptions;

/// How long a page may take: it is on the same network, or not to be had.
const PATIENCE: Duration = Duration::from_millis(300);
/// Largest page read.
const MAX_PAGE_BYTES: u64 = 1024 * 1024;
/// The conventional port of the monitoring pages.
const CONVENTIONAL_PORT: u16 = 8222;

/// When the server syncs files to disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sync {
    Always,
    Interval,
    Unknown,
}

impl Sync {
    pub(super) const fn token(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Interval => "default",
            Self::Unknown => "unknown",
        }
    }
}

pub(super) async fn sync(server: &async_nats::ServerInfo, options: &ServerOptions) -> Sync {
    for place in places(server, options) {
        let page = tokio::time::timeout(PATIENCE, page(&place)).await;
        let Ok(Some(page)) = page else { continue };
        // The page may belong to another server on the same host.
        if page.get("server_id").and_then(Value::as_str) != Some(&server.server_id) {
            continue;
        }
        let always = page.pointer("/jetstream/config/sync_always").and_then(Value::as_bool);
        return if always == Some(true) { Sync::Always } else { Sync::Interval };
    }
    Sync::Unknown
}

fn places(server: &async_nats::ServerInfo, options: &ServerOptions) -> Vec<String> {
    if let Some(monitor) = &options.monitor {
        let place = monitor.trim_start_matches("http://").trim_end_matches('/');
        return vec![place.to_owned()];
    }
    let mut places = Vec::new();
    for url in options.url.split(',') {
        let address = url.trim().rsplit("//").next().unwrap_or_default();
        let address = address.rsplit('@').next().unwrap_or_default();
        let (host, port) = match address.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().unwrap_or(server.port)),
            None => (address, server.port),
        };
        for port in [port.saturating_add(4000), CONVENTIONAL_PORT] {
            places.push(format!("{host}:{port}"));
        }
    }
    places
}

async fn page(place: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(place).await.ok()?;
    let request = format!("GET /varz HTTP/1.0\r\nHost: {place}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.take(MAX_PAGE_BYTES).read_to_end(&mut answer).await.ok()?;
    let start = answer.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    serde_json::from_slice(answer.get(start..)?).ok()
}
