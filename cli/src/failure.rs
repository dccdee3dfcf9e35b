//! What can go wrong in a command, and how it is told.

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use colony_agents::command::CommandError;
use colony_agents::protocol::{Outcome as Judged, Rejection};
use colony_agents::{DeskError, ForkError, InstanceError, ParkedError, Told, VerifyError};
use colony_bus::log::{ConnectError, Outcome, ReadError};
use colony_bus::memory::OrderError;
use colony_bus::{DocumentError, EntryError, WriteError};
use colony_core::capture::CaptureError;
use colony_core::document::{EditError, ReadError as ViewError};
use colony_core::name::NameError;
use colony_core::{AgentName, CloudEventError, EntityName, EventType, Position};
use colony_server::{CredentialError, FindError, NodeError};
use serde_json::{Value, json};

use crate::coordinate::against;
use crate::exit::Exit;
use crate::output::style;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Failure {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Entry(#[from] EntryError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error(transparent)]
    View(ViewError),
    #[error(transparent)]
    Find(#[from] FindError),
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error(transparent)]
    Credential(#[from] CredentialError),
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Bench(#[from] crate::command::bench::BenchError),
    #[error(transparent)]
    Demo(#[from] crate::command::demo::DemoError),
    #[error(transparent)]
    Team(#[from] crate::command::team::TeamError),
    #[error(transparent)]
    Mode(#[from] crate::command::mode::ModeError),
    #[error(transparent)]
    NotFound(#[from] NotFound),
    #[error(transparent)]
    Instance(#[from] InstanceError),
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error(transparent)]
    Parked(#[from] ParkedError),
    #[error(transparent)]
    Verify(#[from] VerifyError),
    #[error(transparent)]
    Fork(#[from] ForkError),
    #[error("the predicate {} could not be asked", program.display())]
    Predicate {
        program: OsString,
        #[source]
        source: io::Error,
    },
    #[error(
        "the predicate ended with neither 0 (it is so) nor 1 (it is not) at position {cut}: {status}"
    )]
    PredicateStatus { cut: Position, status: std::process::ExitStatus },
    #[error("{agent} does something else than it did, in answer to the event at {event}")]
    Differs { agent: AgentName, event: Position },
    #[error(transparent)]
    Desk(#[from] DeskError),
    #[error(transparent)]
    NoEffect(#[from] NoEffect),
    #[error(
        "{quota} grants {asked} to {agent} no more in this period: {available} are available to it, {kept} of the rest are kept for others; ask again after {until}",
        asked = refusal.asked, agent = refusal.by, available = refusal.available,
        kept = refusal.kept_for_others, until = refusal.until
    )]
    Exhausted { quota: EntityName, refusal: Box<colony_agents::protocol::quota::Refusal> },
    #[error("{} cannot be {action}", path.display())]
    File {
        path: PathBuf,
        action: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("{} exists already: choose another name, or replace it with --force", path.display())]
    Exists { path: PathBuf },
    #[error("{} could not be made; nothing was left behind", path.display())]
    Capture {
        path: PathBuf,
        #[source]
        source: CaptureError,
    },
    #[error("the editor {} failed ({status}); nothing was changed", editor.display())]
    Editor { editor: PathBuf, status: std::process::ExitStatus },
    #[error("{} exists already, and a key is not overwritten: choose another name with --out", path.display())]
    KeyExists { path: PathBuf },
    #[error("a new key could not be made")]
    KeyMaking(#[source] nkeys::error::Error),
    #[error("an entry cannot be shown as a CloudEvent")]
    Show(#[from] CloudEventError),
    #[error("the output could not be written")]
    Output(#[source] io::Error),
    #[error("the runtime could not be started")]
    Runtime(#[source] io::Error),
    #[error("interrupted; {done}")]
    Interrupted { done: String },
    #[error(
        "imported {imported} events, then the log took no more; run the same command again: what is there is skipped"
    )]
    ImportStopped {
        imported: u64,
        #[source]
        source: WriteError,
    },
}

/// What was given is not what it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum InputError {
    #[error(
        "the data is not JSON; nothing was published (for other text add --media-type text/plain)"
    )]
    Data(#[source] serde_json::Error),
    #[error("{value:?} is not JSON; nothing was changed (text stands in quotes: '\"like this\"')")]
    Value {
        value: String,
        #[source]
        source: serde_json::Error,
    },
    #[error(
        "the text is not UTF-8; nothing was changed (for bytes add --media-type application/octet-stream)"
    )]
    Utf8(#[source] std::str::Utf8Error),
    #[error("{}", BadLines::describe(.0))]
    Lines(BadLines),
    #[error(
        "{name} ends in the middle of line {line}: the file is damaged or was cut off; nothing was imported"
    )]
    Truncated {
        name: String,
        line: u64,
        #[source]
        source: io::Error,
    },
    #[error(
        "{name} changed while it was imported: line {line} is another than before; {imported} events were imported"
    )]
    Changed { name: String, line: u64, imported: u64 },
    #[error("{value} is JSON, but not an object of fields; nothing was changed")]
    NotAnObject { value: String },
    #[error("{value:?} is not a whole number; nothing was changed")]
    Number {
        value: String,
        #[source]
        source: std::num::ParseIntError,
    },
    #[error("that cannot be the name of a document")]
    Name(#[source] NameError),
    #[error("{} cannot be read as a capture", path.display())]
    Capture {
        path: PathBuf,
        #[source]
        source: CaptureError,
    },
    #[error("{} holds entries in an impossible order", path.display())]
    CaptureOrder {
        path: PathBuf,
        #[source]
        source: OrderError,
    },
    #[error(
        "the agent would hear nothing: say what it listens to (--on, --entity, --author, --mail, --document, --schedule)"
    )]
    ListensToNothing,
    #[error("what was given is not UTF-8; nothing was appended")]
    NotText(#[source] std::str::Utf8Error),
    #[error("what was given cannot be read; nothing was appended")]
    Given {
        #[source]
        source: serde_json::Error,
    },
    #[error("that is no A2A agent card; nothing was appended")]
    AgentCard(#[source] colony_agents::protocol::directory::A2aError),
    #[error("{terms} have no form that could be signed; nothing was appended")]
    Canonical {
        terms: &'static str,
        #[source]
        source: colony_agents::protocol::CanonicalError,
    },
    #[error("the key cannot sign; nothing was appended")]
    Signing(#[source] colony_core::signature::KeyError),
    #[error("no key was given: name the file of an NKey seed with --key")]
    NoKey,
    #[error("{} does not hold an NKey seed of an agent (SU...)", path.display())]
    Key {
        path: PathBuf,
        #[source]
        source: colony_core::signature::KeyError,
    },
}

/// An event was appended, and everybody ignores it.
#[derive(Debug, thiserror::Error)]
#[error("{ty} at position {position} has no effect: {reason}")]
pub(crate) struct NoEffect {
    ty: EventType,
    position: Position,
    reason: Box<Rejection>,
}

impl NoEffect {
    /// Returns what stood against an event, if anything did.
    pub(crate) fn of(told: &Told) -> Option<Self> {
        match &told.outcome {
            Judged::Ignored(reason) => Some(Self {
                ty: told.ty.clone(),
                position: told.position,
                reason: Box::new(reason.clone()),
            }),
            Judged::Applied | Judged::Unrelated => None,
        }
    }
}

/// The bad lines of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadLines {
    /// Name of the file.
    pub(crate) name: String,
    /// The first of them: number and reason.
    pub(crate) first: Vec<(u64, String)>,
    /// How many there are.
    pub(crate) total: u64,
    /// How many good events were imported all the same; `None` where that was not asked for.
    pub(crate) imported: Option<u64>,
}

impl BadLines {
    fn describe(&self) -> String {
        let lines = if self.total == 1 { "line is" } else { "lines are" };
        let mut text = format!("{}: {} {lines} no event; ", self.name, self.total);
        match self.imported {
            None => text.push_str("nothing was imported (add --keep-going to import the others)"),
            Some(count) => text.push_str(&format!("the others are in the log ({count} new)")),
        }
        for (line, reason) in &self.first {
            text.push_str(&format!("\n  line {line}: {reason}"));
        }
        let rest = self.total.saturating_sub(self.first.len() as u64);
        if rest > 0 {
            text.push_str(&format!("\n  and {rest} more"));
        }
        text
    }

    /// Returns them as `--json` shows them.
    pub(crate) fn to_json(&self) -> Value {
        let lines = self.first.iter();
        lines.map(|(line, reason)| json!({ "line": line, "reason": reason })).collect()
    }
}

/// What was asked for is not in the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum NotFound {
    #[error("there is no entry at position {position} in space {space} (the log ends at {tail})")]
    Position { position: Position, space: String, tail: Position },
    #[error("the log of space {space} has not reached position {position} (it ends at {tail})")]
    Cut { position: Position, space: String, tail: Position },
    #[error(
        "no event with id {what:?} is in space {space} (for a place in a document add its path: colony why NAME PATH)"
    )]
    Event { what: String, space: String },
    #[error(
        "there is no document {name:?} in space {space} (`colony doc list` shows them, `colony doc new` begins one)"
    )]
    Document { name: String, space: String },
    #[error("the document {name:?} had not been begun at position {position}")]
    DocumentThen { name: String, position: Position },
    #[error(
        "the document {name:?} exists already; nothing was changed (`colony doc set` and `colony doc edit` change it)"
    )]
    DocumentExists { name: String },
    #[error("it is not so at {to}, nor at any cut that was looked at after {from}")]
    Bisected { from: Position, to: Position },
    #[error("it is so at {from} already: begin earlier (--from)")]
    BisectedBefore { from: Position },
    #[error("no agent {agent} has run in space {space}")]
    Agent { agent: AgentName, space: String },
    #[error("{agent} has not set the event at {position} aside")]
    Parked { position: Position, agent: AgentName },
    #[error("nothing stands at {path:?} in the document {document:?}")]
    Place { path: String, document: String },
    #[error("there is no {what} {name:?} in space {space}, as far as position {position}")]
    Agreed { what: &'static str, name: String, space: String, position: Position },
}

impl Failure {
    /// Returns a closure that tells which file could not be used.
    pub(crate) fn file(
        path: impl Into<PathBuf>,
        action: &'static str,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, action, source }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Connect(ConnectError::Key { .. }) => Exit::Input,
            Self::Connect(_) | Self::Read(_) | Self::Find(_) | Self::Node(_) => Exit::Server,
            Self::Entry(EntryError::Read(_)) => Exit::Server,
            Self::Entry(_) => Exit::Failed,
            Self::Write(error) | Self::ImportStopped { source: error, .. } => of_write(error),
            Self::Credential(_) | Self::Input(_) => Exit::Input,
            Self::Team(error) if error.is_input() => Exit::Input,
            Self::Mode(error) => error.exit(),
            Self::Document(error) => of_document(error),
            Self::View(error) => of_view(error),
            Self::NotFound(_) => Exit::Log,
            Self::Instance(error) => of_instance(error),
            Self::Parked(error) => of_parked(error),
            Self::Verify(VerifyError::Entry(EntryError::Read(_))) => Exit::Server,
            Self::Verify(VerifyError::NeverRan { .. }) => Exit::Log,
            Self::Fork(ForkError::Read(_)) => Exit::Server,
            Self::PredicateStatus { .. } => Exit::Input,
            Self::Differs { .. } => Exit::Differs,
            Self::NoEffect(_) | Self::Exhausted { .. } => Exit::Refused,
            Self::Desk(error) => of_desk(error),
            Self::Demo(_)
            | Self::Bench(_)
            | Self::Command(_)
            | Self::Verify(_)
            | Self::Fork(_)
            | Self::Predicate { .. }
            | Self::Team(_)
            | Self::File { .. }
            | Self::Exists { .. }
            | Self::Capture { .. }
            | Self::Editor { .. }
            | Self::KeyExists { .. }
            | Self::KeyMaking(_)
            | Self::Show(_)
            | Self::Output(_)
            | Self::Runtime(_) => Exit::Failed,
            Self::Interrupted { .. } => Exit::Interrupted,
        }
    }

    /// Returns what happened to a write, where the command made one.
    fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Write(error) => Some(error.outcome()),
            Self::ImportStopped { .. } => Some(Outcome::Unknown),
            Self::Document(error) => Some(error.outcome()),
            Self::Desk(error) => Some(error.outcome()),
            Self::NoEffect(_) | Self::Exhausted { .. } => Some(Outcome::Applied),
            Self::Connect(_)
            | Self::Read(_)
            | Self::Entry(_)
            | Self::View(_)
            | Self::Find(_)
            | Self::Node(_)
            | Self::Credential(_)
            | Self::Input(_)
            | Self::Demo(_)
            | Self::Bench(_)
            | Self::Team(_)
            | Self::Mode(_)
            | Self::NotFound(_)
            | Self::Instance(_)
            | Self::Command(_)
            | Self::Parked(_)
            | Self::Verify(_)
            | Self::Fork(_)
            | Self::Predicate { .. }
            | Self::PredicateStatus { .. }
            | Self::Differs { .. }
            | Self::File { .. }
            | Self::Exists { .. }
            | Self::Capture { .. }
            | Self::Editor { .. }
            | Self::KeyExists { .. }
            | Self::KeyMaking(_)
            | Self::Show(_)
            | Self::Output(_)
            | Self::Runtime(_)
            | Self::Interrupted { .. } => None,
        }
    }

    fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Tells what went wrong on stderr, and returns the exit code.
    pub(crate) fn report(&self, json: bool) -> ExitCode {
        // Whoever reads has had enough.
        if self.is_broken_pipe() {
            return ExitCode::SUCCESS;
        }
        let exit = self.exit();
        let mut causes = Vec::new();
        let mut cause = self.source();
        while let Some(error) = cause {
            causes.push(error.to_string());
            cause = error.source();
        }
        let text = if json {
            let more = match self {
                Self::Input(InputError::Lines(bad)) => Some(("lines", bad.to_json())),
                Self::Desk(DeskError::Rejected(reason)) => Some(("against", against(reason))),
                Self::NoEffect(NoEffect { reason, .. }) => Some(("against", against(reason))),
                _ => None,
            };
            json_error(exit, &self.to_string(), &causes, self.outcome(), more)
        } else {
            let red = style::ERROR;
            let mut text = format!("{red}error:{red:#} {self}");
            for cause in &causes {
                text.push_str(&format!("\n  because: {cause}"));
            }
            text
        };
        // Where stderr is closed there is nobody left to tell.
        let _ = writeln!(anstream::stderr(), "{text}");
        ExitCode::from(exit.code())
    }
}

/// Returns an error as `--json` shows it: one object on one line.
pub(crate) fn json_error(
    exit: Exit,
    message: &str,
    causes: &[String],
    outcome: Option<Outcome>,
    more: Option<(&str, Value)>,
) -> String {
    let mut error = json!({
        "kind": exit.token(),
        "exit_code": exit.code(),
        "message": message,
        "causes": causes,
    });
    if let Some(object) = error.as_object_mut() {
        if let Some(outcome) = outcome {
            object.insert("outcome".into(), json!(outcome));
        }
        if let Some((name, value)) = more {
            object.insert(name.into(), value);
        }
    }
    json!({ "error": error }).to_string()
}

fn of_write(error: &WriteError) -> Exit {
    use colony_bus::log::AppendError;
    match error {
        WriteError::Seal(_) => Exit::Input,
        WriteError::Append(AppendError::Conflict { .. }) => Exit::Log,
        WriteError::Append(AppendError::TooLarge { .. } | AppendError::TooMany { .. }) => {
            Exit::Input
        }
        _ => Exit::Server,
    }
}

fn of_instance(error: &InstanceError) -> Exit {
    match error {
        InstanceError::Read(_) | InstanceError::Append(_) => Exit::Server,
        InstanceError::Partitions { .. } | InstanceError::NoPartitions { .. } => Exit::Input,
        _ => Exit::Failed,
    }
}

fn of_parked(error: &ParkedError) -> Exit {
    match error {
        ParkedError::NotParked { .. } | ParkedError::Closed { .. } => Exit::Log,
        ParkedError::Read(_) | ParkedError::Append(_) => Exit::Server,
        _ => Exit::Failed,
    }
}

fn of_desk(error: &DeskError) -> Exit {
    match error {
        DeskError::Rejected(_) => Exit::Refused,
        DeskError::Write(error) => of_write(error),
        _ => Exit::Server,
    }
}

fn of_document(error: &DocumentError) -> Exit {
    match error {
        DocumentError::Edit(EditError::Read(error)) | DocumentError::View(error) => of_view(error),
        DocumentError::Edit(_) => Exit::Input,
        DocumentError::Log(_) | DocumentError::Entry(EntryError::Read(_)) => Exit::Server,
        DocumentError::Write(error) | DocumentError::Unsent(error) => of_write(error),
        _ => Exit::Failed,
    }
}

fn of_view(error: &ViewError) -> Exit {
    match error {
        ViewError::NotFound { .. } | ViewError::UnknownHeads { .. } => Exit::Log,
        ViewError::WrongKind { .. }
        | ViewError::OutOfBounds { .. }
        | ViewError::NotAnIndex { .. } => Exit::Input,
        _ => Exit::Failed,
    }
}
