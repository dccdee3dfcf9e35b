//! The exit codes, in one table.

/// How the command ended, as its exit code tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Ok = 0,
    Failed = 1,
    Usage = 2,
    Input = 3,
    Server = 4,
    Log = 5,
    Differs = 6,
    Refused = 7,
    Interrupted = 130,
}

impl Exit {
    const ALL: [Self; 9] = [
        Self::Ok,
        Self::Failed,
        Self::Usage,
        Self::Input,
        Self::Server,
        Self::Log,
        Self::Differs,
        Self::Refused,
        Self::Interrupted,
    ];

    /// Returns the number that the shell sees.
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }

    /// Returns the word that `--json` errors carry.
    pub(crate) const fn token(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Input => "input",
            Self::Server => "server",
            Self::Log => "log",
            Self::Differs => "differs",
            Self::Refused => "refused",
            Self::Interrupted => "interrupted",
        }
    }

    const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "done",
            Self::Failed => "failed for another reason (a file, the disk, a process)",
            Self::Usage => "the command line makes no sense; nothing was done",
            Self::Input => "the data given is not what it should be",
            Self::Server => "the server cannot be reached, is too old, refuses, or does not start",
            Self::Log => "not found in the log, or somebody else was first (a conflict)",
            Self::Differs => "what was done again is not what was recorded",
            Self::Refused => {
                "a rule of a protocol stands against it: refused, or appended without effect"
            }
            Self::Interrupted => "interrupted with Ctrl-C before it was done",
        }
    }

    /// Returns the table for `--help`.
    pub(crate) fn table() -> String {
        let rows = Self::ALL.map(|exit| format!("  {:>3}  {}", exit.code(), exit.meaning()));
        format!("Exit codes:\n{}", rows.join("\n"))
    }
}
