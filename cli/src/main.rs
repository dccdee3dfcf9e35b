//! The `colony` command.

use std::process::ExitCode;

mod cache;
mod carriers;
mod command;
mod context;
mod coordinate;
mod duration;
mod exit;
mod failure;
mod filter;
mod given;
mod handler;
mod interrupt;
mod options;
mod outline;
mod output;
mod point;
mod progress;
mod show;
mod source;
mod span;

fn main() -> ExitCode {
    let invocation = match options::parse() {
        Ok(invocation) => invocation,
        Err(done) => return done,
    };
    let json = invocation.global.json;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(command::run(invocation)),
        Err(source) => Err(failure::Failure::Runtime(source)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(json),
    }
}
