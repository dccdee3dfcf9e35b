//! `colony tail`

use colony_bus::{Cut, Delivery, EntryError};
use colony_core::Position;
use futures_util::StreamExt as _;

use crate::context::Context;
use crate::failure::Failure;
use crate::filter::FilterArgs;
use crate::interrupt::Interrupt;
use crate::point::{self, Start};
use crate::show;

/// Follows the log: prints entries as they come, until Ctrl-C.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    filter: FilterArgs,
    /// Where to begin: `beginning`, `now`, or after a position or time.
    #[arg(long, default_value = "now", value_name = "POINT", value_parser = point::parse_start)]
    from: Start,
    /// Ends after so many entries.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let Args { filter, from, limit } = args;
    let interrupt = Interrupt::listen()?;
    let bus = tokio::select! {
        bus = context.bus() => bus?,
        () = interrupt.asked() => return Ok(()),
    };
    context.announce(&bus, None).await;
    let mut output = context.output();
    let after = match from {
        Start::Beginning => Cut::Position(Position::ZERO),
        Start::Now => Cut::Position(bus.tail().await?),
        Start::After(cut) => cut,
    };
    let mut entries = bus.subscribe(filter.into(), after).await?;
    let mut left = limit.unwrap_or(u64::MAX);
    let mut live = false;
    while left > 0 {
        let next = tokio::select! {
            next = entries.next() => next,
            () = interrupt.asked() => break,
        };
        match next {
            Some(Ok(Delivery::Entry(entry))) => {
                show::entry(&mut output, &entry)?;
                left -= 1;
            }
            Some(Ok(Delivery::CaughtUp)) => live = true,
            Some(Err(error @ EntryError::Unreadable { .. })) => output.warn(&error.to_string())?,
            Some(Err(error)) => {
                output.flush()?;
                return Err(error.into());
            }
            None => break,
        }
        if live {
            output.flush()?;
        }
    }
    // Whoever is not told notices after a while.
    let _ = bus.presence().leave().await;
    output.flush()
}
