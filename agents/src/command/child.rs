//! One process of a command: lines in, lines out.

use std::ffi::{OsStr, OsString};
use std::process::Stdio;
use std::time::Duration;

use futures_util::FutureExt as _;
use serde::Serialize;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStdin, ChildStdout, Command};

use super::error::CommandError;
use super::protocol::{Answer, EventLine, MAX_ANSWER_BYTES};
use crate::group::Group;

/// How long a process whose input was closed may take to end.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long a process that has closed its output is given to tell how it ended.
const LAST_WORD: Duration = Duration::from_millis(500);
/// Most bytes of a line that are quoted.
const QUOTED_BYTES: usize = 200;

/// A process. Dropped, it is killed with all that it has started.
#[derive(Debug)]
pub(super) struct Child {
    process: Group,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// Bytes that it has written in answer to the event that it was given.
    written: usize,
}

/// What a process did while it had nothing to do.
#[derive(Debug)]
pub(super) enum Idleness {
    /// Nothing.
    Quiet,
    /// It closed its output.
    Gone,
    /// It wrote something.
    Spoke(String),
}

impl Child {
    pub(super) fn start(program: &OsStr, arguments: &[OsString]) -> Result<Self, CommandError> {
        let mut command = Command::new(program);
        command.args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let failed = |source| CommandError::Start { program: program.to_owned(), source };
        let mut process = Group::spawn(&mut command).map_err(failed)?;
        let input = process.stdin.take();
        let missing = || failed(std::io::ErrorKind::BrokenPipe.into());
        let output = BufReader::new(process.stdout.take().ok_or_else(missing)?);
        Ok(Self { process, input, output, written: 0 })
    }

    /// Hands an event out.
    pub(super) async fn hand(&mut self, event: &EventLine<'_>) -> Result<(), CommandError> {
        self.written = 0;
        self.send(event).await
    }

    /// Writes a line.
    pub(super) async fn send(&mut self, line: &impl Serialize) -> Result<(), CommandError> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        let written = match &mut self.input {
            Some(input) => {
                async {
                    input.write_all(&bytes).await?;
                    input.flush().await
                }
                .await
            }
            None => Err(std::io::ErrorKind::BrokenPipe.into()),
        };
        match written {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(self.ended().await),
            Err(error) => Err(CommandError::Pipe(error)),
        }
    }

    /// Reads the next answer. Empty lines are left out.
    pub(super) async fn answer(&mut self) -> Result<Answer, CommandError> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let most = u64::try_from(MAX_ANSWER_BYTES - self.written).unwrap_or(u64::MAX);
            let mut bounded = (&mut self.output).take(most);
            bounded.read_until(b'\n', &mut line).await.map_err(CommandError::Pipe)?;
            self.written += line.len();
            if self.written >= MAX_ANSWER_BYTES {
                return Err(CommandError::TooManyBytes);
            }
            if line.is_empty() {
                return Err(self.ended().await);
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            return serde_json::from_slice(&line)
                .map_err(|source| CommandError::Line { line: quote(&line), source });
        }
    }

    /// Looks, without waiting, whether it is ready for an event.
    pub(super) fn idleness(&mut self) -> Idleness {
        match self.output.fill_buf().now_or_never() {
            None => Idleness::Quiet,
            Some(Ok([]) | Err(_)) => Idleness::Gone,
            Some(Ok(bytes)) => Idleness::Spoke(quote(bytes)),
        }
    }

    /// Closes its input and lets it end, for a moment.
    pub(super) async fn close(mut self) {
        drop(self.input.take());
        // Whoever does not end is killed on the way out.
        drop(tokio::time::timeout(FAREWELL, self.process.wait()).await);
    }

    async fn ended(&mut self) -> CommandError {
        let status = tokio::time::timeout(LAST_WORD, self.process.wait()).await;
        CommandError::Ended { status: status.ok().and_then(Result::ok) }
    }
}

fn quote(bytes: &[u8]) -> String {
    let bytes = bytes.get(..QUOTED_BYTES).unwrap_or(bytes);
    String::from_utf8_lossy(bytes.trim_ascii_end()).into_owned()
}
