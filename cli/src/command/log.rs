//! `colony log`

use colony_bus::{Cut, EntryError, Order, Query};
use futures_util::StreamExt as _;

use crate::context::Context;
use crate::failure::Failure;
use crate::filter::FilterArgs;
use crate::point::{self, POINT};
use crate::show;
use crate::source::SourceArgs;

/// Prints entries of the log.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  colony log --limit 20 --reverse           the newest 20 entries
  colony log --type task.claimed --after 1h
  colony log --json --kind event > events.ndjson")]
pub(crate) struct Args {
    #[command(flatten)]
    filter: FilterArgs,
    /// Entries past this point.
    #[arg(long, value_name = POINT, value_parser = point::parse)]
    after: Option<Cut>,
    /// Entries at or before this point.
    #[arg(long, value_name = POINT, value_parser = point::parse)]
    until: Option<Cut>,
    /// At most so many.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Newest first.
    #[arg(long)]
    reverse: bool,
    #[command(flatten)]
    source: SourceArgs,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let Args { filter, after, until, limit, reverse, source } = args;
    let order = if reverse { Order::Backward } else { Order::Forward };
    let bus = context.reading_bus(&source).await?;
    let mut output = context.output();
    let mut entries = bus.read(Query { filter: filter.into(), after, until, order }).await?;
    let mut left = limit.unwrap_or(u64::MAX);
    while left > 0 {
        match entries.next().await {
            Some(Ok(entry)) => {
                show::entry(&mut output, &entry)?;
                left -= 1;
            }
            Some(Err(error @ EntryError::Unreadable { .. })) => output.warn(&error.to_string())?,
            Some(Err(error)) => {
                output.flush()?;
                return Err(error.into());
            }
            None => break,
        }
    }
    output.flush()
}
