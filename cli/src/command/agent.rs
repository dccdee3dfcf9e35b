//! `colony agent`: keys and permissions, and agents whose handler is a command.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use nkeys::KeyPair;
use serde_json::json;

use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Format, style};

mod parked;
mod run;
mod verify;

/// Runs agents and looks after them; makes their keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(run::Args),
    Parked(parked::Args),
    Verify(verify::Args),
    /// Makes an agent's key: writes the seed into a file that only you can read, and prints what the server must be told.
    #[command(after_help = "\
The block goes into the server's file of users (`deploy/` has one that includes it); `nats-server --signal reload` makes it
known. The agent then connects with `--agent NAME --key FILE`, may append under its own name only, and may sign with --sign.")]
    Key(KeyArgs),
    /// Prints the permissions of an agent whose key exists (`--key FILE`).
    Permissions(PermissionsArgs),
}

/// Which key to make.
#[derive(Debug, clap::Args)]
pub(crate) struct KeyArgs {
    /// The agent's name: letters, digits, `-` and `_`.
    name: String,
    /// Makes the key of an administrator, who manages all spaces and appends to none.
    #[arg(long)]
    admin: bool,
    /// Where to write the seed [default: NAME.nk].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Whose permissions to print.
#[derive(Debug, clap::Args)]
pub(crate) struct PermissionsArgs {
    /// The agent's name: letters, digits, `-` and `_`.
    name: String,
    /// Prints those of an administrator.
    #[arg(long)]
    admin: bool,
}

pub(crate) async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Run(args) => run::run(args, context).await,
        Command::Parked(args) => parked::run(args, context).await,
        Command::Verify(args) => verify::run(args, context).await,
        Command::Key(args) => key(args, context),
        Command::Permissions(PermissionsArgs { name, admin }) => {
            let public = context.signer()?.public().as_str().to_owned();
            let block = block(context, &name, admin, &public)?;
            print(context, &name, &public, None, &block)
        }
    }
}

fn key(args: KeyArgs, context: &Context) -> Result<(), Failure> {
    let KeyArgs { name, admin, out } = args;
    let pair = KeyPair::new_user();
    let public = pair.public_key();
    // First of all: it checks the name, which becomes a file's name.
    let block = block(context, &name, admin, &public)?;
    let seed = pair.seed().map_err(Failure::KeyMaking)?;
    let path = out.unwrap_or_else(|| PathBuf::from(format!("{name}.nk")));
    write_secret(&path, &seed)?;
    print(context, &name, &public, Some(&path), &block)
}

fn block(context: &Context, name: &str, admin: bool, public: &str) -> Result<String, Failure> {
    Ok(if admin {
        colony_server::admin_block(name, public)?
    } else {
        colony_server::permission_block(context.global.space.as_str(), name, public)?
    })
}

fn write_secret(path: &Path, seed: &str) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => Failure::KeyExists { path: path.to_owned() },
        _ => Failure::file(path, "written")(source),
    })?;
    writeln!(file, "{seed}").and_then(|()| file.sync_all()).map_err(Failure::file(path, "written"))
}

fn print(
    context: &Context,
    name: &str,
    public: &str,
    seed: Option<&Path>,
    block: &str,
) -> Result<(), Failure> {
    let mut output = context.output();
    match output.format() {
        Format::Json => output.json(&json!({
            "agent": name,
            "public_key": public,
            "seed_file": seed,
            "permissions": block,
        }))?,
        Format::Human => {
            let dim = style::DIM;
            if let Some(path) = seed {
                output.line(format!(
                    "{dim}# the secret seed is in {} (readable by you only)\n# add this to the server's file of users and reload it:{dim:#}",
                    path.display()
                ))?;
            }
            output.line(block.trim_end())?;
        }
    }
    output.flush()
}
