//! Where reading commands read from: the server, or a capture.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use colony_bus::log::Record;
use colony_bus::{Bus, MemoryLog};
use colony_core::AgentName;
use colony_core::capture::{CaptureHeader, CaptureReader, CapturedRecord};

use crate::context::Context;
use crate::failure::{Failure, InputError};

/// Where to read from.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SourceArgs {
    /// Reads from a file that `colony capture` made, instead of a server; the space is the one it was made from.
    #[arg(long, value_name = "FILE")]
    capture: Option<PathBuf>,
}

impl SourceArgs {
    /// Returns whether a capture is read.
    pub(crate) fn is_capture(&self) -> bool {
        self.capture.is_some()
    }

    /// Returns the capture that is read.
    pub(crate) fn capture(&self) -> Option<&Path> {
        self.capture.as_deref()
    }
}

impl Context {
    /// Opens what a reading command reads from.
    pub(crate) async fn reading_bus(&self, source: &SourceArgs) -> Result<Bus, Failure> {
        match &source.capture {
            None => self.bus().await,
            Some(path) => self.open_capture(path),
        }
    }

    /// Opens what is read about an agent that need not be the one acted for: nothing is appended in its name.
    pub(crate) async fn reading_bus_of(
        &self,
        source: &SourceArgs,
        agent: AgentName,
    ) -> Result<Bus, Failure> {
        match &source.capture {
            None => {
                let mut options = self.bus_options(None)?;
                options.agent = agent;
                Ok(Bus::connect(options).await?)
            }
            Some(path) => self.acting_as(agent).open_capture(path),
        }
    }

    fn open_capture(&self, path: &Path) -> Result<Bus, Failure> {
        let fail = |source| InputError::Capture { path: path.to_owned(), source };
        let file = File::open(path).map_err(Failure::file(path, "read"))?;
        let reader = CaptureReader::open(BufReader::new(file)).map_err(fail)?;
        let CaptureHeader { space, log, .. } = reader.header().clone();
        let mut records = Vec::new();
        for record in reader {
            let CapturedRecord { position, recorded, subject, payload } = record.map_err(fail)?;
            records.push(Record { position, recorded, subject, payload });
        }
        let log = MemoryLog::from_records(log, records)
            .map_err(|source| InputError::CaptureOrder { path: path.to_owned(), source })?;
        let mut options = colony_bus::BusOptions::new(space, self.agent());
        options.instance = self.global.instance.clone();
        Ok(Bus::on(Arc::new(log.clone()), Arc::new(log), options))
    }
}
