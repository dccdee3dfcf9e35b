//! The start-up gate: is the server new enough, and did the stream come back as asked?

use std::time::Duration;

use colony_core::SpaceName;
use colony_core::subject::space_filter;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::answer::code;
use super::connection::{Connection, RequestError};
use super::monitor::{self, Sync};
use super::options::ServerOptions;
use crate::log::{ConnectError, Description};

/// Atomic batches and strict configuration came with JetStream API level 2.
const REQUIRED_LEVEL: u32 = 2;
/// The oldest server with [`REQUIRED_LEVEL`].
const OLDEST_SERVER: &str = "2.12.0";
/// Fast batches came with JetStream API level 4.
const FAST_LEVEL: u32 = 4;
/// The server's own bound on an atomic batch.
const MAX_ATOMIC_RECORDS: usize = 1_000;
/// How long servers may be without a leader before opening a space fails: a cluster that has just lost a node and has
/// little processor time needs more than ten seconds.
const ELECTION: Duration = Duration::from_secs(30);
/// Pause between two attempts meanwhile.
const ELECTION_PAUSE: Duration = Duration::from_millis(100);
/// Kept free in each message for headers.
const HEADER_BYTES: usize = 512;

/// A space that passed the gate.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) stream: String,
    pub(super) description: Description,
    pub(super) fast_batch: bool,
    pub(super) sync: Sync,
}

#[derive(Debug, Deserialize)]
struct AccountInfo {
    #[serde(default)]
    api: Api,
}

#[derive(Debug, Default, Deserialize)]
struct Api {
    #[serde(default)]
    level: u32,
}

#[derive(Debug, Deserialize)]
struct StreamInfo {
    config: Value,
    #[serde(default)]
    created: String,
}

pub(super) fn stream_name(space: &SpaceName) -> String {
    format!("COLONY_{space}")
}

pub(super) async fn open(
    connection: &Connection,
    space: &SpaceName,
    options: &ServerOptions,
) -> Result<Opened, ConnectError> {
    let deadline = Instant::now() + ELECTION;
    loop {
        match open_now(connection, space, options).await {
            Err(error) if Instant::now() < deadline && passes(connection, &error) => {
                tracing::debug!(%error, "the servers have no leader yet");
                tokio::time::sleep(ELECTION_PAUSE).await;
            }
            result => return result,
        }
    }
}

/// Tells whether an error passes by itself when the servers have elected their leaders.
fn passes(connection: &Connection, error: &ConnectError) -> bool {
    match error {
        ConnectError::Unanswered { .. } => true,
        // A server that has JetStream does not answer for it while a leader is missing.
        ConnectError::NoJetStream { .. } => connection.client.server_info().jetstream,
        ConnectError::Unreachable { .. }
        | ConnectError::Credentials { .. }
        | ConnectError::Key { .. }
        | ConnectError::TooOld { .. }
        | ConnectError::Configuration { .. }
        | ConnectError::NoSpace { .. }
        | ConnectError::Refused { .. } => false,
    }
}

async fn open_now(
    connection: &Connection,
    space: &SpaceName,
    options: &ServerOptions,
) -> Result<Opened, ConnectError> {
    let url = &connection.url;
    let server = connection.client.server_info();
    let account: AccountInfo = connection
        .api("$JS.API.INFO", &Value::Null)
        .await
        .map_err(|error| error.into_connect(url))?;
    if account.api.level < REQUIRED_LEVEL {
        return Err(ConnectError::TooOld {
            version: server.version,
            minimum: OLDEST_SERVER,
            required: REQUIRED_LEVEL,
            actual: account.api.level,
        });
    }
    let fast_batch = account.api.level >= FAST_LEVEL;
    let stream = stream_name(space);
    let wanted = configuration(&stream, space, options, fast_batch, &server);
    let info = match info(connection, &stream).await? {
        Some(info) => info,
        None => create(connection, space, &stream, &wanted).await?,
    };
    compare(&stream, &wanted, &info.config, options)?;
    let text = |field: &str| info.config.get(field).and_then(Value::as_str).unwrap_or("");
    let replicas = info.config.get("num_replicas").and_then(Value::as_u64).unwrap_or(1);
    let replicas = usize::try_from(replicas).unwrap_or(usize::MAX);
    let storage = text("storage").to_owned();
    let made = info.config.pointer("/metadata/colony.identity").and_then(Value::as_str);
    let identity = format!("{}@{}", made.unwrap_or(&stream), info.created);
    let sync = monitor::sync(&server, options).await;
    let description = Description {
        identity,
        server: format!("nats-server {}", server.version),
        acknowledgement: acknowledgement(&storage, replicas, sync),
        storage,
        replicas,
        sync: sync.token().to_owned(),
        max_record_bytes: server.max_payload.saturating_sub(HEADER_BYTES),
        max_atomic_records: MAX_ATOMIC_RECORDS,
    };
    let allowed = info.config.get("allow_batched").and_then(Value::as_bool).unwrap_or(false);
    Ok(Opened { stream, description, fast_batch: fast_batch && allowed, sync })
}

pub(super) async fn delete(connection: &Connection, space: &SpaceName) -> Result<(), ConnectError> {
    let subject = format!("$JS.API.STREAM.DELETE.{}", stream_name(space));
    let _: Value = connection
        .api(&subject, &Value::Null)
        .await
        .map_err(|error| error.into_connect(&connection.url))?;
    Ok(())
}

fn configuration(
    stream: &str,
    space: &SpaceName,
    options: &ServerOptions,
    fast_batch: bool,
    server: &async_nats::ServerInfo,
) -> Value {
    let clustered = server.cluster.is_some() && server.connect_urls.len() >= 3;
    let replicas = options.replicas.unwrap_or(if clustered { 3 } else { 1 });
    let mut wanted = json!({
        "name": stream,
        "subjects": [space_filter(space)],
        "retention": "limits",
        "storage": options.storage.token(),
        "num_replicas": replicas,
        "discard": "new",
        "max_consumers": -1,
        "max_msgs": -1,
        "max_bytes": -1,
        "max_age": 0,
        "max_msgs_per_subject": -1,
        "max_msg_size": -1,
        "allow_direct": true,
        "allow_atomic": true,
        "deny_purge": true,
        "metadata": { "colony.identity": uuid::Uuid::now_v7().to_string() },
    });
    if fast_batch && let Some(fields) = wanted.as_object_mut() {
        fields.insert("allow_batched".to_owned(), true.into());
    }
    wanted
}

async fn info(connection: &Connection, stream: &str) -> Result<Option<StreamInfo>, ConnectError> {
    let subject = format!("$JS.API.STREAM.INFO.{stream}");
    match connection.api(&subject, &Value::Null).await {
        Ok(info) => Ok(Some(info)),
        Err(RequestError::Api(error)) if error.err_code == code::STREAM_NOT_FOUND => Ok(None),
        Err(error) => Err(error.into_connect(&connection.url)),
    }
}

async fn create(
    connection: &Connection,
    space: &SpaceName,
    stream: &str,
    wanted: &Value,
) -> Result<StreamInfo, ConnectError> {
    let subject = format!("$JS.API.STREAM.CREATE.{stream}");
    match connection.api(&subject, wanted).await {
        Ok(info) => Ok(info),
        Err(RequestError::Denied { .. }) => Err(ConnectError::NoSpace { space: space.to_string() }),
        // Another process made it in this very moment: take its word for what it is.
        Err(RequestError::Api(error)) if error.err_code == code::STREAM_NAME_IN_USE => {
            // A cluster may still be placing it, and not know it yet.
            let url = connection.url.clone();
            info(connection, stream).await?.ok_or(ConnectError::Unanswered { url })
        }
        Err(error) => Err(error.into_connect(&connection.url)),
    }
}

/// Compares what the server has with what Colony needs, field by field.
fn compare(
    stream: &str,
    wanted: &Value,
    actual: &Value,
    options: &ServerOptions,
) -> Result<(), ConnectError> {
    // `storage` and `num_replicas` are the administrator's to choose, unless asked for here.
    let mut fields = vec![
        "subjects",
        "retention",
        "discard",
        "max_msgs",
        "max_bytes",
        "max_age",
        "max_msgs_per_subject",
        "allow_direct",
        "allow_atomic",
    ];
    if options.replicas.is_some() {
        fields.push("num_replicas");
    }
    for field in fields {
        let nothing = |value: &Value| match value {
            Value::Null => true,
            Value::Bool(on) => !on,
            Value::Number(number) => number.as_i64() == Some(0),
            Value::String(_) | Value::Array(_) | Value::Object(_) => false,
        };
        let (expected, found) = (&wanted[field], &actual[field]);
        if expected != found && !(nothing(expected) && nothing(found)) {
            return Err(ConnectError::Configuration {
                stream: stream.to_owned(),
                field,
                expected: expected.to_string(),
                actual: found.to_string(),
            });
        }
    }
    Ok(())
}

/// Says what an acknowledgement means on a server.
fn acknowledgement(storage: &str, replicas: usize, sync: Sync) -> String {
    let copies = match replicas {
        1 => "on one server".to_owned(),
        n => format!("on a majority of {n} servers"),
    };
    if storage == "memory" {
        return format!(
            "An acknowledged entry is in memory {copies}: it does not survive a restart of {}.",
            if replicas == 1 { "that server" } else { "that majority" }
        );
    }
    let survives = match (sync, replicas) {
        (Sync::Always, _) => "synced to disk: it survives kill -9 and power loss",
        (Sync::Interval, 1) => {
            "with the operating system: it survives kill -9 of the server, but the last minutes may be lost with power (start the server with sync_interval: always to prevent that)"
        }
        (Sync::Interval, _) => {
            "with their operating systems: it survives kill -9 of any server and power loss of a minority, but not power loss of all at once"
        }
        (Sync::Unknown, _) => {
            "with the operating system: it survives kill -9; whether it survives power loss depends on the server's sync_interval, which could not be read from here"
        }
    };
    format!("An acknowledged entry is stored {copies}, {survives}.")
}
