//! A server, and the binary run against it.

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use colony_server::{Finder, Node, NodeConfig, ServerBinary, Silent};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) async fn server() -> ServerBinary {
    Finder::from_env().find(&Silent).await.expect("the tests need a nats-server")
}

/// A server with a directory for files. Both go with it.
pub(crate) struct Lab {
    pub(crate) node: Node,
    pub(crate) dir: TempDir,
}

impl Lab {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = NodeConfig::new("cli", dir.path().join("store"));
        Self { node: Node::start(&server().await, config).await.unwrap(), dir }
    }

    /// Makes a command line against this server.
    pub(crate) fn colony(&self, args: &[&str]) -> Colony {
        let mut colony = Colony::new(args);
        colony.command.env("COLONY_SERVER", self.node.url());
        colony.command.current_dir(self.dir.path());
        colony
    }

    /// Runs a command line with `--json` that must succeed, and returns the objects printed.
    pub(crate) fn json(&self, args: &[&str]) -> Vec<Value> {
        self.colony(args).json()
    }

    /// Runs a command line with `--json` that must print one object.
    pub(crate) fn one(&self, args: &[&str]) -> Value {
        let mut objects = self.json(args);
        assert_eq!(objects.len(), 1, "{args:?}: {objects:?}");
        objects.swap_remove(0)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// One run of the binary, without what the environment of the tests might say.
pub(crate) struct Colony {
    pub(crate) command: Command,
    input: Vec<u8>,
}

impl Colony {
    pub(crate) fn new(args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_colony"));
        command.args(args);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("COLONY_")) {
            if !matches!(name.as_str(), "COLONY_NATS_SERVER" | "COLONY_CACHE_DIR") {
                command.env_remove(name);
            }
        }
        command.env("COLONY_AGENT", "ada").env("NO_COLOR", "1");
        Self { command, input: Vec::new() }
    }

    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args(mut self, args: &[&str]) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn spawn(mut self) -> Child {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = self.input;
        // Whoever does not read its input may close it.
        std::thread::spawn(move || stdin.write_all(&input));
        child
    }

    pub(crate) fn output(self) -> Output {
        self.spawn().wait_with_output().unwrap()
    }

    /// Must succeed; returns what it printed.
    pub(crate) fn text(self) -> String {
        let output = self.output();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Must succeed; returns the JSON objects it printed.
    pub(crate) fn json(self) -> Vec<Value> {
        let text = self.arg("--json").text();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Must fail with a code; returns its error object.
    pub(crate) fn error(self, code: i32) -> Value {
        self.arg("--json").error_as_is(code)
    }

    /// As [`Colony::error`], where the command line ends in words that are not for it and has `--json` already.
    pub(crate) fn error_as_is(self, code: i32) -> Value {
        let output = self.output();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        let last = stderr.lines().last().unwrap_or_default();
        let error: Value = serde_json::from_str(last).unwrap_or_else(|e| panic!("{e}: {stderr}"));
        assert_eq!(error["error"]["exit_code"], code);
        error["error"].clone()
    }
}

/// Returns the file of recorded input with this name.
pub(crate) fn recorded(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data").join(name)
}

/// Returns the first lines of the recorded commits.
pub(crate) fn commits(count: usize) -> Vec<String> {
    use std::io::BufRead as _;
    let file = std::fs::File::open(recorded("nats-server-commits.ndjson.gz")).unwrap();
    let lines = std::io::BufReader::new(flate2::read::GzDecoder::new(file)).lines();
    lines.take(count).map(Result::unwrap).collect()
}
