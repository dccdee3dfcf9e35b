//! `colony doc list`

use colony_bus::{Cut, DocumentSummary};

use crate::command::at;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Format;
use crate::point::{self, POINT};
use crate::show;
use crate::source::SourceArgs;

/// Which documents to list.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// As they stood at this point.
    #[arg(long, value_name = POINT, value_parser = point::parse)]
    at: Option<Cut>,
    #[command(flatten)]
    source: SourceArgs,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let Args { at, source } = args;
    let bus = context.reading_bus(&source).await?;
    let until = match at {
        Some(cut) => Some(Cut::Position(at::resolve(&bus, cut).await?)),
        None => None,
    };
    let documents = bus.documents(until).await?;
    let mut output = context.output();
    match output.format() {
        Format::Json => {
            for document in &documents {
                output.json(document)?;
            }
        }
        Format::Human if documents.is_empty() => {
            output.line(format!("no documents in space {}", bus.space()))?;
        }
        Format::Human => {
            let mut table = show::table(&[
                "DOCUMENT",
                "ENTRIES",
                "BYTES",
                "LAST BY",
                "LAST CHANGE",
                "POSITION",
            ]);
            for DocumentSummary { name, position, time, author, entries, bytes, .. } in documents {
                table.add_row([
                    name.to_string(),
                    entries.to_string(),
                    bytes.to_string(),
                    author.to_string(),
                    show::time(time),
                    position.to_string(),
                ]);
            }
            output.line(table)?;
        }
    }
    output.flush()
}
