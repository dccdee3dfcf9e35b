//! The commands: one file each.

use clap::Subcommand;

use crate::context::Context;
use crate::failure::Failure;
use crate::options::Invocation;

mod action;
mod agent;
mod agents;
pub(crate) mod at;
pub(crate) mod bench;
mod bisect;
mod capture;
mod charter;
mod completions;
mod contract;
pub(crate) mod demo;
mod doc;
mod fork;
mod gate;
mod handoff;
mod ignored;
mod import;
mod log;
pub(crate) mod mode;
mod publish;
mod quota;
mod reputation;
mod schedule;
mod status;
mod tail;
mod task;
mod tax;
pub(crate) mod team;
mod up;
mod vote;
mod why;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs a server on a local directory, in the foreground, until Ctrl-C.
    Up(up::Args),
    /// Shows what Colony does, in about a minute.
    Demo(demo::Args),
    /// Plays one part of the demonstration.
    #[command(subcommand, hide = true)]
    DemoPart(demo::Part),
    /// Measures Colony beside the raw libraries.
    Bench(bench::Args),
    /// Plays one part of a measurement.
    #[command(subcommand, hide = true)]
    BenchPart(bench::Part),
    /// Publishes an event.
    Publish(publish::Args),
    /// Imports CloudEvents, one JSON object a line.
    Import(import::Args),
    /// Follows the log: prints entries as they come.
    Tail(tail::Args),
    /// Prints entries of the log.
    Log(log::Args),
    /// Shared documents: everyone edits, edits merge, and history is kept.
    #[command(subcommand)]
    Doc(doc::Command),
    /// Shows everything as it stood at a point in the log.
    At(at::Args),
    /// Tells why something is as it is: its causes and consequences.
    Why(why::Args),
    /// Finds the first position at which something is so. Changes nothing.
    Bisect(bisect::Args),
    /// Runs an agent with another handler from a cut on, in memory, and compares with what happened.
    Fork(fork::Args),
    /// Writes a range of the log into one file that opens without a server.
    Capture(capture::Args),
    /// Shows the server, what an acknowledgement means there, and what the space holds.
    Status(status::Args),
    #[command(subcommand)]
    Agents(agents::Command),
    #[command(subcommand)]
    Task(task::Command),
    #[command(subcommand)]
    Handoff(handoff::Command),
    #[command(subcommand)]
    Quota(quota::Command),
    #[command(subcommand)]
    Schedule(schedule::Command),
    #[command(subcommand)]
    Vote(vote::Command),
    #[command(subcommand)]
    Action(action::Command),
    #[command(subcommand)]
    Contract(contract::Command),
    #[command(subcommand)]
    Reputation(reputation::Command),
    #[command(subcommand)]
    Charter(charter::Command),
    Ask(gate::AskArgs),
    Answer(gate::AnswerArgs),
    Stop(gate::StopArgs),
    Resume(gate::ResumeArgs),
    #[command(subcommand)]
    Gate(gate::Command),
    Ignored(ignored::Args),
    Tax(tax::Args),
    /// Runs agents and looks after them; makes their keys.
    #[command(subcommand)]
    Agent(agent::Command),
    /// Ready-made agents that work together, as a file says.
    #[command(subcommand)]
    Team(team::Command),
    /// Ways of working together: tries them, compares them, says which one fits.
    #[command(subcommand)]
    Mode(mode::Command),
    /// Prints completions for a shell.
    Completions(completions::Args),
}

/// Does what the command line asks.
pub(crate) async fn run(invocation: Invocation) -> Result<(), Failure> {
    let Invocation { global, command } = invocation;
    let context = Context::new(global);
    match command {
        Command::Up(args) => up::run(args, &context).await,
        Command::Demo(args) => demo::run(args, &context).await,
        Command::DemoPart(part) => demo::part(part, &context).await,
        Command::Bench(args) => bench::run(args, &context).await,
        Command::BenchPart(part) => bench::part(part, &context).await,
        Command::Publish(args) => publish::run(args, &context).await,
        Command::Import(args) => import::run(args, &context).await,
        Command::Tail(args) => tail::run(args, &context).await,
        Command::Log(args) => log::run(args, &context).await,
        Command::Doc(command) => doc::run(command, &context).await,
        Command::At(args) => at::run(args, &context).await,
        Command::Why(args) => why::run(args, &context).await,
        Command::Bisect(args) => bisect::run(args, &context).await,
        Command::Fork(args) => fork::run(args, &context).await,
        Command::Capture(args) => capture::run(args, &context).await,
        Command::Status(args) => status::run(args, &context).await,
        Command::Agent(command) => agent::run(command, &context).await,
        Command::Agents(command) => agents::run(command, &context).await,
        Command::Task(command) => task::run(command, &context).await,
        Command::Handoff(command) => handoff::run(command, &context).await,
        Command::Quota(command) => quota::run(command, &context).await,
        Command::Schedule(command) => schedule::run(command, &context).await,
        Command::Vote(command) => vote::run(command, &context).await,
        Command::Action(command) => action::run(command, &context).await,
        Command::Contract(command) => contract::run(command, &context).await,
        Command::Reputation(command) => reputation::run(command, &context).await,
        Command::Charter(command) => charter::run(command, &context).await,
        Command::Ask(args) => gate::ask(args, &context).await,
        Command::Answer(args) => gate::answer(args, &context).await,
        Command::Stop(args) => gate::stop(args, &context).await,
        Command::Resume(args) => gate::resume(args, &context).await,
        Command::Gate(command) => gate::run(command, &context).await,
        Command::Ignored(args) => ignored::run(args, &context).await,
        Command::Tax(args) => tax::run(args, &context).await,
        Command::Team(command) => team::run(command, &context).await,
        Command::Mode(command) => mode::run(command, &context).await,
        Command::Completions(args) => completions::run(args),
    }
}
