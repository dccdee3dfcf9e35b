//! Why a server ended, read from its log.

/// What the log of a server that ended tells.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Diagnosis {
    /// Something else listens on the address.
    PortInUse { address: String },
    /// There is no room left for its data.
    DiskFull,
    /// The configuration was not accepted.
    ConfigRejected { reason: String },
    /// Nothing that is known.
    Unknown,
}

/// How many lines of a log are worth showing.
const SHOWN: usize = 10;

/// The last lines of a log.
pub(crate) fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    let from = lines.len().saturating_sub(SHOWN);
    lines.get(from..).unwrap_or_default().join("\n")
}

/// Finds the cause in a log.
pub(crate) fn diagnose(log: &str) -> Diagnosis {
    for line in log.lines().rev() {
        let lower = line.to_lowercase();
        if lower.contains("address already in use") || lower.contains("only one usage of each") {
            let address = between(line, "listen tcp ", ": bind").unwrap_or("its address");
            return Diagnosis::PortInUse { address: address.to_owned() };
        }
        if lower.contains("no space left on device") || lower.contains("not enough space") {
            return Diagnosis::DiskFull;
        }
        // Printed before there is a log, without its prefix.
        if let Some(reason) = line.strip_prefix("nats-server: ") {
            return Diagnosis::ConfigRejected { reason: reason.to_owned() };
        }
    }
    Diagnosis::Unknown
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named() {
        let log = "[1] 2026/11/22 19:18:49.659620 [FTL] Error listening on port: 127.0.0.1:14222, \
                   \"listen tcp 127.0.0.1:14222: bind: address already in use\"\n";
        let address = "127.0.0.1:14222".to_owned();
        assert_eq!(diagnose(log), Diagnosis::PortInUse { address });
    }

    #[test]
    fn a_full_disk_and_a_bad_configuration_are_told_apart() {
        let full = "[1] [FTL] Can't start JetStream: write /d/meta.inf: no space left on device\n";
        assert_eq!(diagnose(full), Diagnosis::DiskFull);
        let bad = "nats-server: Parse error on line 2: 'Unexpected EOF processing map.'\n";
        assert!(
            matches!(diagnose(bad), Diagnosis::ConfigRejected { reason } if reason.contains("line 2"))
        );
        assert_eq!(diagnose("[1] [INF] Server Exiting.."), Diagnosis::Unknown);
    }
}
