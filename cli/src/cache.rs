//! What reading commands keep between runs.

use clap::Args;
use colony_bus::{Bus, Checkpoints};
use colony_core::Position;
use colony_core::replay::{Fold, Projection};

use crate::context::Context;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress;
use crate::source::SourceArgs;

/// Whether anything is kept between runs.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct CacheArgs {
    /// Reads the whole log, and neither uses nor makes checkpoints in the cache directory.
    #[arg(long)]
    no_cache: bool,
}

impl CacheArgs {
    /// Opens the checkpoints to use. A capture is read without: it is only a part of the log that it names.
    pub(crate) fn checkpoints(&self, source: &SourceArgs) -> Checkpoints {
        match self.no_cache || source.is_capture() {
            true => Checkpoints::none(),
            false => Checkpoints::in_dir(colony_server::cache_dir()),
        }
    }
}

/// Folds the log up to a position, with a bar.
pub(crate) async fn fold<P: Projection + Clone>(
    bus: &Bus,
    projection: P,
    until: Position,
    checkpoints: &Checkpoints,
    context: &Context,
    what: &str,
) -> Result<Fold<P>, Failure> {
    let bar = progress::count(Some(until.get()), context.global.json, what);
    let fold = bus.fold(projection, until, checkpoints, |at| bar.set_position(at.get())).await;
    bar.finish_and_clear();
    Ok(fold?)
}

/// Says why nothing was kept, if so: the next time takes as long as this one.
pub(crate) fn warn(checkpoints: &Checkpoints, output: &mut Output) -> Result<(), Failure> {
    match checkpoints.fault() {
        None => Ok(()),
        Some((path, error)) => output.warn(&format!(
            "no checkpoint was kept, so that this takes as long the next time: {} cannot be written ({error})",
            path.display()
        )),
    }
}
