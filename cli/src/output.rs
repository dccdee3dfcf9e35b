//! Where results go: lines for people or JSON for programs, on stdout.

use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write};

use anstream::AutoStream;
use serde::Serialize;

use crate::failure::Failure;

/// Colours, for terminals; [`anstream`] leaves them out elsewhere.
pub(crate) mod style {
    use anstyle::{AnsiColor, Style};

    pub(crate) const ERROR: Style = AnsiColor::Red.on_default().bold();
    pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
    pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
    pub(crate) const NAME: Style = AnsiColor::Cyan.on_default();
    pub(crate) const STRONG: Style = Style::new().bold();
    pub(crate) const DIM: Style = Style::new().dimmed();
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Human,
    /// One JSON object, or one per line.
    Json,
}

/// The results of a command. Buffered: nothing is promised to be seen before [`Output::flush`].
pub(crate) struct Output {
    stream: BufWriter<AutoStream<Stdout>>,
    format: Format,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        let stream = BufWriter::with_capacity(64 * 1024, AutoStream::auto(io::stdout()));
        Self { stream, format: if json { Format::Json } else { Format::Human } }
    }

    /// Returns how results are written.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Writes a line.
    pub(crate) fn line(&mut self, line: impl std::fmt::Display) -> Result<(), Failure> {
        writeln!(self.stream, "{line}").map_err(Failure::Output)
    }

    /// Writes text or bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.flush()?;
        let mut raw = io::stdout().lock();
        raw.write_all(bytes).and_then(|()| raw.flush()).map_err(Failure::Output)
    }

    /// Writes a value as JSON on one line.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.stream, value)
            .map_err(|error| Failure::Output(error.into()))?;
        self.stream.write_all(b"\n").map_err(Failure::Output)
    }

    /// Makes everything written so far visible.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.stream.flush().map_err(Failure::Output)
    }

    /// Tells something on the side, on stderr: results stay clean.
    pub(crate) fn warn(&mut self, text: &str) -> Result<(), Failure> {
        self.flush()?;
        let warning = style::WARNING;
        // Where stderr is closed there is nobody to warn.
        let _ = match self.format {
            Format::Json => {
                writeln!(io::stderr(), "{}", serde_json::json!({ "warning": text }))
            }
            Format::Human => writeln!(anstream::stderr(), "{warning}warning:{warning:#} {text}"),
        };
        Ok(())
    }
}

/// Returns whether a person may be looking at stderr.
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal()
}
