//! `colony mode`: the same tasks, done in each way of working together.

use std::path::PathBuf;

use clap::Subcommand;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

mod advise;
mod compare;
mod input;
mod live;
mod plot;
mod single;

/// Commands of `colony mode`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Does the tasks in one way, on a virtual clock; or, with --on-server, for real.
    Run(single::Args),
    /// Does the same tasks in every way, with many sizes of the team, with and without deaths, on a virtual clock.
    Compare(compare::Args),
    /// Says which way fits what a log holds, and whether trying the ways bears it out.
    Advise(advise::Args),
}

/// What can go wrong in a trial beside what can go wrong in any command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ModeError {
    #[error("{} holds something that is no event, in line {line}", path.display())]
    Event {
        path: PathBuf,
        line: usize,
        #[source]
        source: colony_core::CloudEventError,
    },
    #[error("the commits cannot be made tasks")]
    Commits(#[from] colony_agents::trial::CommitError),
    #[error(transparent)]
    Name(#[from] colony_core::name::NameError),
    #[error("a trial's own task failed")]
    Task(#[from] tokio::task::JoinError),
    #[error("the team stopped")]
    Stopped(#[from] colony_agents::ready::ShiftError),
    #[error(
        "peers keep what they know of their tasks to themselves, and run on the virtual clock only"
    )]
    NotOnServer,
    #[error("no task was done in space {space}: there is nothing that a way could fit")]
    NothingDone { space: String },
    #[error("{done} of {tasks} tasks were done within {seconds} s")]
    Late { done: u64, tasks: usize, seconds: u64 },
}

impl ModeError {
    /// Returns how a command ends by it.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Event { .. } | Self::Commits(_) => Exit::Input,
            Self::NotOnServer => Exit::Usage,
            Self::NothingDone { .. } => Exit::Log,
            Self::Name(_) | Self::Task(_) | Self::Stopped(_) | Self::Late { .. } => Exit::Failed,
        }
    }
}

pub(crate) async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Run(args) => single::run(args, context).await,
        Command::Compare(args) => compare::run(args, context).await,
        Command::Advise(args) => advise::run(args, context).await,
    }
}
