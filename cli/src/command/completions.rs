//! `colony completions`

use std::io::Write as _;

use clap_complete::Shell;

use crate::failure::Failure;
use crate::options;

/// Prints completions for a shell.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: colony completions bash > ~/.local/share/bash-completion/completions/colony"
)]
pub(crate) struct Args {
    /// The shell.
    shell: Shell,
}

pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut options::command(), "colony", &mut script);
    std::io::stdout().write_all(&script).map_err(Failure::Output)
}
