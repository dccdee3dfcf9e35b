//! `colony agents`: who there is, and how they are doing.

use clap::Subcommand;

use crate::context::Context;
use crate::failure::Failure;

mod instances;

/// Shows the agents of the space.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Instances(instances::Args),
}

pub(crate) async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Instances(args) => instances::run(args, context).await,
    }
}
