//! Work itself: a pause, or a command.

use std::process::Stdio;
use std::time::Duration;

use colony_core::EntityName;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use crate::group::Group;
use crate::protocol::task::Offered;
use crate::protocol::{Json, Millis};

/// Most bytes of a command's output that become a result.
const MAX_RESULT: usize = 64 * 1_024;

/// What is done about a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Work {
    /// Nothing, for a while: to try out a team.
    Simulated {
        /// How long.
        duration_ms: Millis,
    },
    /// A command: it gets the offer as JSON on its standard input and the task's name as `COLONY_TASK`, and prints the
    /// result. Output that is not JSON becomes a text. Another exit code than 0 is a failure.
    Command {
        /// The program and its arguments.
        run: Vec<String>,
    },
}

/// Why work came to nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkError {
    /// The command could not be run.
    #[error("the command {program} could not be run")]
    Run {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The command failed.
    #[error("the command {program} failed ({status}): {said}")]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The end of what it wrote on its standard error.
        said: String,
    },
    /// There is no command.
    #[error("the command is empty")]
    Empty,
    /// The result is too large.
    #[error("the result has {actual} bytes; at most {MAX_RESULT} fit")]
    TooLarge {
        /// How many it has.
        actual: usize,
    },
    /// The result is no text.
    #[error("the result cannot be written as JSON")]
    NotJson(#[source] serde_json::Error),
}

impl Work {
    /// Does it.
    ///
    /// # Errors
    /// [`WorkError`].
    ///
    /// # Cancel safety
    /// Dropped, a command is killed, with all that it has started.
    pub async fn run(&self, task: &EntityName, offered: &Offered) -> Result<Json, WorkError> {
        match self {
            Self::Simulated { duration_ms } => {
                if !duration_ms.is_zero() {
                    tokio::time::sleep(Duration::from_millis(duration_ms.get())).await;
                }
                json(b"{}")
            }
            Self::Command { run } => {
                let (program, arguments) = run.split_first().ok_or(WorkError::Empty)?;
                command(program, arguments, task, offered).await
            }
        }
    }
}

async fn command(
    program: &str,
    arguments: &[String],
    task: &EntityName,
    offered: &Offered,
) -> Result<Json, WorkError> {
    let failed = |source| WorkError::Run { program: program.to_owned(), source };
    let mut command = Command::new(program);
    command.args(arguments).env("COLONY_TASK", task.as_str());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Group::spawn(&mut command).map_err(failed)?;
    let input = serde_json::to_vec(offered).map_err(|error| failed(error.into()))?;
    if let Some(mut stdin) = process.stdin.take() {
        // A command may end without having read what it was told.
        drop(stdin.write_all(&input).await);
    }
    let (output, errors) = (process.stdout.take(), process.stderr.take());
    let (status, output, errors) =
        tokio::try_join!(process.wait(), read(output), read(errors)).map_err(failed)?;
    if !status.success() {
        let said = String::from_utf8_lossy(&errors);
        let said = said.trim().chars().rev().take(200).collect::<Vec<_>>();
        let said = said.into_iter().rev().collect();
        let program = program.to_owned();
        return Err(WorkError::Failed { program, status, said });
    }
    json(&output)
}

async fn read(pipe: Option<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

fn json(output: &[u8]) -> Result<Json, WorkError> {
    if output.len() > MAX_RESULT {
        return Err(WorkError::TooLarge { actual: output.len() });
    }
    let text = String::from_utf8_lossy(output);
    let text = text.trim();
    let quoted = || Json::from_text(&serde_json::Value::from(text).to_string());
    // A text in quotes is JSON.
    Json::from_text(text).or_else(|_| quoted()).map_err(WorkError::NotJson)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered() -> Offered {
        serde_json::from_str(r#"{"what":"count"}"#).unwrap()
    }

    async fn shell(script: &str) -> Result<Json, WorkError> {
        let run = ["sh", "-c", script].map(str::to_owned).to_vec();
        Work::Command { run }.run(&"a".parse().unwrap(), &offered()).await
    }

    #[tokio::test]
    async fn a_command_is_told_the_offer_and_prints_the_result() {
        let told = shell("cat").await.unwrap();
        assert!(told.text().starts_with(r#"{"what":"count""#), "{told:?}");
        assert_eq!(shell("echo $COLONY_TASK is done").await.unwrap().text(), r#""a is done""#);
    }

    #[tokio::test]
    async fn a_command_that_fails_or_is_not_there_is_an_error() {
        let failed = shell("echo no paint >&2; exit 3").await.unwrap_err();
        assert!(matches!(failed, WorkError::Failed { said, .. } if said == "no paint"));
        let run = vec!["/nowhere/at/all".to_owned()];
        let missing = Work::Command { run }.run(&"a".parse().unwrap(), &offered()).await;
        assert!(matches!(missing, Err(WorkError::Run { .. })));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_command_that_is_given_up_takes_along_what_it_started() {
        /// Far more than it takes.
        const LIMIT: Duration = Duration::from_secs(60);
        const PAUSE: Duration = Duration::from_millis(5);
        let folder = tempfile::tempdir().unwrap();
        let note = folder.path().join("started");
        let script = format!("sleep 600 & echo $! > {0}.new; mv {0}.new {0}; wait", note.display());
        let working = tokio::spawn(async move { shell(&script).await.map(drop) });
        let started = tokio::time::timeout(LIMIT, async {
            loop {
                match std::fs::read_to_string(&note) {
                    Ok(started) => break started,
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
            }
        });
        let stat = format!("/proc/{}/stat", started.await.unwrap().trim());
        // What has ended may still be listed, until somebody asks how.
        let runs = || std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
        assert!(runs());
        working.abort();
        assert!(working.await.unwrap_err().is_cancelled());
        let gone = async {
            while runs() {
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::time::timeout(LIMIT, gone).await.unwrap();
    }
}
