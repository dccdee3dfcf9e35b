//! Recorded editing sessions, as agents act them out again.
//!
//! The formats are those of the editing-traces collection: concurrent (several people, each transaction with the versions
//! it was made against) and sequential (one person). Plain JSON or gzip.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// A session: what was typed by whom against which version, and what must come out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// The text before the first transaction.
    pub start: String,
    /// The text after all transactions.
    pub end: String,
    /// How many people typed.
    pub writers: usize,
    /// In an order in which every transaction stands after its parents.
    pub transactions: Vec<Transaction>,
}

/// What one person did at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Who: from 0.
    pub writer: usize,
    /// The transactions it was made against, as indices: all their ancestors are seen, too.
    pub parents: Vec<usize>,
    /// What was done, in order.
    pub patches: Vec<Patch>,
}

/// At a position, so many characters deleted, and a text inserted. Counted in Unicode code points.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Patch(pub usize, pub usize, pub String);

/// Why a file is no recorded session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The file cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not JSON of either format.
    #[error("{} is not a recorded editing session (JSON with `txns` and `endContent`, plain or gzip)", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A transaction names a parent at or after itself, or a writer that does not exist.
    #[error("{}: transaction {index} names a {what} that does not exist", path.display())]
    Dangling {
        /// The file.
        path: PathBuf,
        /// Which transaction, from 0.
        index: usize,
        /// What it names.
        what: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    start_content: String,
    end_content: String,
    #[serde(default)]
    num_agents: Option<usize>,
    txns: Vec<FileTransaction>,
}

#[derive(Deserialize)]
struct FileTransaction {
    #[serde(default)]
    parents: Option<Vec<usize>>,
    #[serde(default)]
    agent: usize,
    patches: Vec<Patch>,
}

impl Recording {
    /// Reads a session from a file.
    ///
    /// # Errors
    /// [`RecordingError`].
    pub fn read(path: &Path) -> Result<Self, RecordingError> {
        let failed = |source| RecordingError::Read { path: path.to_owned(), source };
        let mut file = BufReader::new(std::fs::File::open(path).map_err(failed)?);
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let mut plain = Vec::new();
            let mut gzip = flate2::read::MultiGzDecoder::new(bytes.as_slice());
            gzip.read_to_end(&mut plain).map_err(failed)?;
            bytes = plain;
        }
        let file: File = serde_json::from_slice(&bytes)
            .map_err(|source| RecordingError::Format { path: path.to_owned(), source })?;
        Self::check(file, path)
    }

    fn check(file: File, path: &Path) -> Result<Self, RecordingError> {
        let concurrent = file.kind.as_deref() == Some("concurrent");
        let writers = if concurrent {
            let most = file.txns.iter().map(|t| t.agent + 1).max().unwrap_or(1);
            file.num_agents.unwrap_or(most).max(1)
        } else {
            1
        };
        let dangling =
            |index, what| RecordingError::Dangling { path: path.to_owned(), index, what };
        let mut transactions = Vec::with_capacity(file.txns.len());
        for (index, FileTransaction { parents, agent, patches }) in
            file.txns.into_iter().enumerate()
        {
            let previous = || index.checked_sub(1).into_iter().collect();
            let parents = if concurrent { parents.unwrap_or_default() } else { previous() };
            if parents.iter().any(|parent| *parent >= index) {
                return Err(dangling(index, "parent"));
            }
            let writer = if concurrent { agent } else { 0 };
            if writer >= writers {
                return Err(dangling(index, "writer"));
            }
            transactions.push(Transaction { writer, parents, patches });
        }
        let (start, end) = (file.start_content, file.end_content);
        Ok(Self { start, end, writers, transactions })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../data").join(name)
    }

    #[test]
    fn both_formats_are_read() {
        let friends = Recording::read(&data("friendsforever.json.gz")).unwrap();
        assert_eq!((friends.writers, friends.transactions.len()), (2, 26_078));
        let svelte = Recording::read(&data("sveltecomponent.json.gz")).unwrap();
        assert_eq!((svelte.writers, svelte.transactions.len()), (1, 18_335));
        let edits: usize = svelte.transactions.iter().map(|t| t.patches.len()).sum();
        assert_eq!(edits, 19_749);
    }

    #[test]
    fn a_transaction_before_its_parent_is_refused() {
        let file: File = serde_json::from_str(
            r#"{"kind":"concurrent","endContent":"","numAgents":1,
                "txns":[{"parents":[3],"agent":0,"patches":[]}]}"#,
        )
        .unwrap();
        let checked = Recording::check(file, Path::new("x.json"));
        assert!(matches!(checked, Err(RecordingError::Dangling { index: 0, what: "parent", .. })));
    }

    #[test]
    fn a_file_that_is_no_session_is_refused() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(matches!(
            Recording::read(&folder.join("Cargo.toml")),
            Err(RecordingError::Format { .. })
        ));
        assert!(matches!(Recording::read(&folder.join("none")), Err(RecordingError::Read { .. })));
    }
}
