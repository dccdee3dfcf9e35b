//! The command line: the options that every command has, and the commands.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, Args, CommandFactory as _, FromArgMatches as _, Parser, ValueEnum};
use colony_core::{AgentName, LaneName, SpaceName};

use crate::command::Command;
use crate::exit::Exit;
use crate::failure::json_error;

/// Coordinates software agents over one durable log: they append events, react to events, and edit shared documents
/// that merge. What happened can be replayed.
///
/// Start a server with `colony up`; then, in another terminal, `colony publish`, `colony tail`, `colony doc`.
#[derive(Debug, Parser)]
#[command(name = "colony", version, propagate_version = true, disable_help_subcommand = true)]
pub(crate) struct Invocation {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// The space: one isolated log with everything in it.
    #[arg(long, global = true, env = "COLONY_SPACE", default_value = "main", value_name = "NAME")]
    pub(crate) space: SpaceName,
    /// The server: one or more addresses, joined by commas.
    #[arg(
        long,
        global = true,
        env = "COLONY_SERVER",
        default_value = "nats://127.0.0.1:4222",
        value_name = "URL"
    )]
    pub(crate) server: String,
    /// The agent to act for [default: your user name].
    #[arg(long, global = true, env = "COLONY_AGENT", value_name = "NAME")]
    pub(crate) agent: Option<AgentName>,
    /// This process among the agent's instances [default: made at random].
    #[arg(long, global = true, env = "COLONY_INSTANCE", value_name = "NAME")]
    pub(crate) instance: Option<LaneName>,
    /// A file with the agent's NKey seed, as `colony agent key` makes it: to log in at the server, and to sign.
    #[arg(long, global = true, env = "COLONY_KEY", value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Signs what is appended, with the key.
    #[arg(long, global = true, env = "COLONY_SIGN")]
    pub(crate) sign: bool,
    /// A file of credentials (`.creds`) to log in at the server.
    #[arg(long, global = true, env = "COLONY_CREDS", value_name = "FILE")]
    pub(crate) creds: Option<PathBuf>,
    /// A certificate authority to trust besides the system's (PEM).
    #[arg(long, global = true, env = "COLONY_CA", value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Prints JSON: one object, or one per line. Errors are JSON on stderr.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colours; NO_COLOR is respected.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(crate) color: Color,
    /// Tells on stderr what is going on; twice for more.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On terminals.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    fn apply(self) {
        let choice = match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

/// Returns the whole command line, for help and completions.
pub(crate) fn command() -> clap::Command {
    Invocation::command().after_help(Exit::table())
}

/// Reads the command line; the error is the exit code after help, the version or a complaint was printed.
pub(crate) fn parse() -> Result<Invocation, ExitCode> {
    let parsed =
        command().try_get_matches().and_then(|matches| Invocation::from_arg_matches(&matches));
    match parsed {
        Ok(invocation) => {
            invocation.global.color.apply();
            trace(invocation.global.verbose);
            Ok(invocation)
        }
        Err(error) => Err(complain(&error)),
    }
}

fn complain(error: &clap::Error) -> ExitCode {
    // Help and the version are printed in this way, too.
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    // The options could not be read, so this one is looked for by hand.
    if std::env::args_os().any(|argument| argument == "--json") {
        let text = error.render().to_string();
        let message = text.trim().trim_start_matches("error: ");
        let line = json_error(Exit::Usage, message, &[], None, None);
        let _ = writeln!(std::io::stderr(), "{line}");
    } else {
        let _ = error.print();
    }
    ExitCode::from(Exit::Usage.code())
}

fn trace(verbose: u8) {
    let level = match verbose {
        0 => "off",
        1 => "colony=debug,colony_bus=debug,colony_core=debug,colony_server=debug",
        2 => "debug",
        _ => "trace",
    };
    if verbose > 0 {
        tracing_subscriber::fmt().with_env_filter(level).with_writer(std::io::stderr).init();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }
}
