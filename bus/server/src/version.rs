//! Versions of nats-server.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The oldest server that Colony works with.
///
/// Atomic batches and rejection of unknown configuration came with it (JetStream API level 2).
/// Servers before it accept what they do not know and silently leave it out.
pub const MINIMUM: ServerVersion = ServerVersion::new(2, 12, 0);

/// A released version of nats-server, ordered as releases are.
///
/// A pre-release suffix (`2.12.0-RC.1`) is dropped when parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerVersion {
    major: u32,
    minor: u32,
    patch: u32,
}

impl ServerVersion {
    /// Makes a version of its three numbers.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }

    /// Whether Colony works with this server, that is, whether it is at least [`MINIMUM`].
    pub fn is_supported(self) -> bool {
        self >= MINIMUM
    }

    /// Reads the answer of `nats-server --version`, as in `nats-server: v2.15.1`.
    ///
    /// # Errors
    ///
    /// [`ParseVersionError`] when no word of the answer is a version.
    pub fn from_version_output(output: &str) -> Result<Self, ParseVersionError> {
        output
            .split_whitespace()
            .find_map(|word| word.parse().ok())
            .ok_or_else(|| ParseVersionError { text: output.trim().chars().take(80).collect() })
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// The text is not a version of the form `2.15.1` or `v2.15.1`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is not a server version")]
pub struct ParseVersionError {
    text: String,
}

impl FromStr for ServerVersion {
    type Err = ParseVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = || ParseVersionError { text: text.chars().take(80).collect() };
        let bare = text.strip_prefix('v').unwrap_or(text);
        let release = bare.split(['-', '+']).next().unwrap_or(bare);
        let mut numbers = release.split('.').map(|part| part.parse::<u32>().ok());
        match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
            (Some(Some(major)), Some(Some(minor)), Some(Some(patch)), None) => {
                Ok(Self::new(major, minor, patch))
            }
            _ => Err(fail()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_a_server_is_read() {
        let read = ServerVersion::from_version_output("nats-server: v2.15.1\n").unwrap();
        assert_eq!(read, ServerVersion::new(2, 15, 1));
        assert!(ServerVersion::from_version_output("command not found").is_err());
    }

    #[test]
    fn versions_compare_by_number_and_not_by_text() {
        let parse = |text: &str| text.parse::<ServerVersion>().unwrap();
        assert!(parse("2.9.10") < parse("2.12.0"));
        assert!(!parse("2.11.99").is_supported());
        assert!(parse("v2.12.0-RC.1").is_supported());
        assert!("2.12".parse::<ServerVersion>().is_err());
        assert!("2.12.0.1".parse::<ServerVersion>().is_err());
        assert!("2.-1.0".parse::<ServerVersion>().is_err());
    }
}
