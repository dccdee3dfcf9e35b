//! `colony up`: a server in the foreground.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use colony_bus::JetStreamLog;
use colony_bus::log::{Description, EventLog as _};
use colony_server::{Finder, NodeError, ServerBinary, SyncMode};
use serde_json::json;

use crate::context::Context;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::{Format, style};
use crate::progress::Fetching;

mod running;

use running::Running;

/// Runs a server on a local directory, in the foreground, until Ctrl-C.
///
/// Finds nats-server on PATH or in the cache, and fetches it where there is none. Listens on 127.0.0.1 only. Whatever is
/// published stays in the directory: the next `colony up` goes on with it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where the data is kept; made if it does not exist.
    #[arg(default_value = ".colony", value_name = "DIR")]
    dir: PathBuf,
    /// Port for clients; 0 takes a free one. The nodes of a cluster take the ones after it.
    #[arg(long, default_value_t = 4222)]
    port: u16,
    /// Runs a cluster of so many nodes on this machine.
    #[arg(long, value_name = "NODES", value_parser = clap::value_parser!(u8).range(2..=9))]
    cluster: Option<u8>,
    /// When an acknowledged entry is on the disk: `always` before the acknowledgement, `default` within two minutes.
    #[arg(long, value_enum, default_value_t = Sync::Default)]
    sync: Sync,
    /// Uses this nats-server and no other.
    #[arg(long, value_name = "PATH", env = colony_server::SERVER_VARIABLE)]
    nats_server: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Sync {
    /// Within two minutes: survives the end of the server, not a loss of power.
    Default,
    /// Before it is acknowledged: survives a loss of power.
    Always,
}

impl From<Sync> for SyncMode {
    fn from(sync: Sync) -> Self {
        match sync {
            Sync::Default => Self::Default,
            Sync::Always => Self::Always,
        }
    }
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let interrupt = Interrupt::listen()?;
    let started = tokio::select! {
        started = start(&args, context) => started?,
        // Dropping what is being started ends its processes.
        () = interrupt.asked() => return Ok(()),
    };
    let Started { mut running, binary, description } = started;
    tell(context, &args.dir, &running, &binary, &description)?;
    let end = tokio::select! {
        error = running.exited() => Err(error),
        () = interrupt.asked() => Ok(()),
    };
    if context.output().format() == Format::Human && end.is_ok() {
        eprintln!("stopping; the data stays in {}", args.dir.display());
    }
    let stopped = running.stop().await;
    Ok(end.and(stopped)?)
}

struct Started {
    running: Running,
    binary: ServerBinary,
    description: Description,
}

async fn start(args: &Args, context: &Context) -> Result<Started, Failure> {
    let mut finder = Finder::from_env();
    if let Some(path) = &args.nats_server {
        finder = finder.with_given(path);
    }
    let fetching = Fetching::new(context.global.json);
    let found = finder.find(&fetching).await;
    fetching.finish();
    let binary = found?;
    let sync = args.sync.into();
    let running = match args.cluster {
        None => Running::one(&binary, &args.dir, args.port, sync).await?,
        Some(size) => {
            Running::cluster(&binary, &args.dir, args.port, sync, usize::from(size)).await?
        }
    };
    let mut options = context.server_options()?;
    options.url = running.urls().join(",");
    let log = JetStreamLog::connect(&context.global.space, &options).await?;
    let description = log.description().clone();
    Ok(Started { running, binary, description })
}

fn tell(
    context: &Context,
    dir: &Path,
    running: &Running,
    binary: &ServerBinary,
    description: &Description,
) -> Result<(), Failure> {
    let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let url = running.urls().join(",");
    let mut output = context.output();
    match output.format() {
        Format::Json => output.json(&json!({
            "ready": true,
            "url": url,
            "urls": running.urls(),
            "pids": running.pids(),
            "server": description.server,
            "binary": binary.path(),
            "binary_origin": binary.origin().to_string(),
            "directory": dir,
            "logs": running.log_files(),
            "space": context.global.space,
            "replicas": description.replicas,
            "sync": description.sync,
            "acknowledgement": description.acknowledgement,
        }))?,
        Format::Human => {
            let (good, name, dim) = (style::GOOD, style::NAME, style::DIM);
            output.line(format!(
                "{good}ready{good:#}  {} ({}, {})",
                description.server,
                binary.origin(),
                binary.path().display()
            ))?;
            output.line(format!("  listens on       {name}{url}{name:#}"))?;
            output.line(format!("  keeps data in    {}", dir.display()))?;
            output.line(format!("  acknowledgement  {}", description.acknowledgement))?;
            let default = url == "nats://127.0.0.1:4222";
            let connect = match default {
                true => "colony publish hello.said --data '{\"to\": \"world\"}'".to_owned(),
                false => format!("export COLONY_SERVER={url}"),
            };
            output.line(format!("  in another terminal: {name}{connect}{name:#}"))?;
            output.line(format!("{dim}Ctrl-C stops the server; the data stays{dim:#}"))?;
        }
    }
    output.flush()
}

impl From<running::PortError> for Failure {
    fn from(error: running::PortError) -> Self {
        Self::Node(NodeError::NoFreePort { source: error.0 })
    }
}
