//! `colony capture`

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use colony_bus::log::{Range, Record};
use colony_bus::{Bus, Cut};
use colony_core::Position;
use colony_core::capture::{CaptureHeader, CaptureSummary, CaptureWriter, CapturedRecord};
use futures_util::StreamExt as _;
use serde_json::json;
use tempfile::NamedTempFile;

use crate::context::Context;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::{Format, style};
use crate::point::{self, POINT};
use crate::progress;

/// Writes a range of the log into one file, with a hash over everything.
///
/// `log`, `at`, `why` and the reading `doc` commands open it with --capture FILE, without a server. For documents and
/// causes to be whole, capture from the beginning.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file to write.
    file: PathBuf,
    /// Entries past this point [default: from the beginning].
    #[arg(long, value_name = POINT, value_parser = point::parse)]
    after: Option<Cut>,
    /// Entries at or before this point [default: all there are].
    #[arg(long, value_name = POINT, value_parser = point::parse)]
    until: Option<Cut>,
    /// Replaces the file if it exists.
    #[arg(long)]
    force: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let Args { file, after, until, force } = args;
    if !force && file.exists() {
        return Err(Failure::Exists { path: file });
    }
    let interrupt = Interrupt::listen()?;
    let bus = context.bus().await?;
    let tail = bus.tail().await?;
    let after = match after {
        Some(cut) => bus.resolve(cut).await?.min(tail),
        None => Position::ZERO,
    };
    let through = match until {
        Some(cut) => bus.resolve(cut).await?.min(tail).max(after),
        None => tail,
    };
    // Dropped on the way, the temporary file is removed.
    let (summary, bytes) = tokio::select! {
        written = write(&bus, &file, after, through, force, context) => written?,
        () = interrupt.asked() => {
            return Err(Failure::Interrupted { done: "no file was written".to_owned() });
        }
    };
    let CaptureSummary { count, range, digest } = summary;
    let mut output = context.output();
    match output.format() {
        Format::Json => output.json(&json!({
            "file": file,
            "space": bus.space(),
            "entries": count,
            "first_position": range.map(|(first, _)| first),
            "last_position": range.map(|(_, last)| last),
            "after": after,
            "through": through,
            "bytes": bytes,
            "digest": digest.to_string(),
        }))?,
        Format::Human => {
            let strong = style::STRONG;
            output.line(format!(
                "captured {strong}{count}{strong:#} entries past {after} through {through} into {} ({bytes} bytes)",
                file.display()
            ))?;
            output.line(format!("SHA-256 {digest}"))?;
        }
    }
    output.flush()
}

/// Writes a range of a log into a file that is whole or not there.
pub(crate) async fn write(
    bus: &Bus,
    file: &Path,
    after: Position,
    through: Position,
    force: bool,
    context: &Context,
) -> Result<(CaptureSummary, u64), Failure> {
    let fail = || Failure::file(file, "written");
    let capture = |source| Failure::Capture { path: file.to_owned(), source };
    let directory = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let header = CaptureHeader {
        space: bus.space().clone(),
        log: bus.description().identity.clone(),
        server: bus.description().server.clone(),
        after,
        through,
        created: SystemTime::now().into(),
    };
    let temporary = NamedTempFile::new_in(directory).map_err(fail())?;
    let mut writer = CaptureWriter::new(BufWriter::new(temporary), &header).map_err(capture)?;
    let bar = progress::count(Some(through.get() - after.get()), context.global.json, "capturing");
    if through > after {
        let range = Range { after, until: through, subjects: Vec::new() };
        let mut records = bus.log().read(range).await?;
        while let Some(record) = records.next().await {
            let Record { position, recorded, subject, payload } = record?;
            let record = CapturedRecord { position, recorded, subject, payload };
            writer.push(&record).map_err(capture)?;
            bar.set_position(position.get() - after.get());
        }
    }
    bar.finish_and_clear();
    let (mut buffered, summary) = writer.finish().map_err(capture)?;
    buffered.flush().map_err(fail())?;
    let temporary = buffered.into_inner().map_err(|error| fail()(error.into_error()))?;
    temporary.as_file().sync_all().map_err(fail())?;
    let bytes = temporary.as_file().metadata().map_err(fail())?.len();
    let kept = if force { temporary.persist(file) } else { temporary.persist_noclobber(file) };
    kept.map_err(|error| fail()(error.error))?;
    Ok((summary, bytes))
}
