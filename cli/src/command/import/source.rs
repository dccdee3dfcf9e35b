//! A file of lines, plain or gzip, that can be read twice.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;

use flate2::bufread::MultiGzDecoder;
use indicatif::ProgressBar;

use crate::failure::{Failure, InputError};

/// Longest line that is read; a longer one is bad whatever is in it.
pub(super) const MAX_LINE_BYTES: usize = 64 * 1_024 * 1_024;
/// How gzip begins.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const BUFFER_BYTES: usize = 256 * 1_024;

/// A file to import. What can be read only once is copied to a temporary file, which has no name and so is never left behind.
pub(super) struct Source {
    name: String,
    path: PathBuf,
    file: File,
    size: Option<u64>,
}

/// One line.
pub(super) struct Line {
    /// From 1.
    pub(super) number: u64,
    pub(super) text: Text,
}

/// What a line holds.
pub(super) enum Text {
    Bytes(Vec<u8>),
    TooLong,
}

impl Source {
    /// Opens a file, or stdin for `-`.
    pub(super) fn open(name: &str) -> Result<Self, Failure> {
        let path = PathBuf::from(if name == "-" { "stdin" } else { name });
        let fail = |source| Failure::file(&path, "read")(source);
        let spool = |from: &mut dyn Read| -> io::Result<File> {
            let mut copy = tempfile::tempfile()?;
            io::copy(from, &mut copy)?;
            Ok(copy)
        };
        let file = if name == "-" {
            spool(&mut io::stdin().lock()).map_err(fail)?
        } else {
            let mut file = File::open(name).map_err(fail)?;
            let kind = file.metadata().map_err(fail)?.file_type();
            if kind.is_dir() {
                return Err(fail(io::ErrorKind::IsADirectory.into()));
            }
            if kind.is_file() { file } else { spool(&mut file).map_err(fail)? }
        };
        let size = file.metadata().ok().map(|metadata| metadata.len());
        let name = if name == "-" { "stdin" } else { name }.to_owned();
        Ok(Self { name, path, file, size })
    }

    /// Returns its name, for people.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns its size in bytes, as stored.
    pub(super) fn size(&self) -> Option<u64> {
        self.size
    }

    /// Reads from the beginning. The bar moves with the bytes read.
    pub(super) fn lines(&mut self, bar: &ProgressBar) -> Result<Lines<'_>, Failure> {
        let fail = |source| Failure::file(&self.path, "read")(source);
        self.file.seek(SeekFrom::Start(0)).map_err(fail)?;
        let counted = bar.wrap_read(&self.file);
        let mut raw = BufReader::with_capacity(BUFFER_BYTES, counted);
        let zipped = raw.fill_buf().map_err(fail)?.starts_with(&GZIP_MAGIC);
        let reader: Box<dyn BufRead + '_> = if zipped {
            Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(raw)))
        } else {
            Box::new(raw)
        };
        Ok(Lines { reader, name: &self.name, number: 0 })
    }
}

/// The lines of a [`Source`].
pub(super) struct Lines<'a> {
    reader: Box<dyn BufRead + 'a>,
    name: &'a str,
    number: u64,
}

impl Lines<'_> {
    /// Returns the next line, without its end.
    pub(super) fn next(&mut self) -> Result<Option<Line>, Failure> {
        self.number += 1;
        let number = self.number;
        let truncated = |source| {
            let name = self.name.to_owned();
            Failure::from(InputError::Truncated { name, line: number, source })
        };
        let mut bytes = Vec::new();
        let limit = MAX_LINE_BYTES as u64;
        let mut limited = (&mut self.reader).take(limit);
        let count = limited.read_until(b'\n', &mut bytes).map_err(truncated)?;
        if count == 0 {
            return Ok(None);
        }
        if !bytes.ends_with(b"\n") && count == MAX_LINE_BYTES {
            self.reader.skip_until(b'\n').map_err(truncated)?;
            return Ok(Some(Line { number, text: Text::TooLong }));
        }
        if number == 1 && bytes.starts_with(b"\xef\xbb\xbf") {
            bytes.drain(..3);
        }
        Ok(Some(Line { number, text: Text::Bytes(bytes) }))
    }
}
