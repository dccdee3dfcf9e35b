//! What a node is started with.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// When the server writes what it acknowledged to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SyncMode {
    /// Every two minutes. An acknowledged entry survives the end of the server, also by kill -9,
    /// but not a loss of power.
    #[default]
    Default,
    /// Before it is acknowledged. It survives a loss of power if the disk keeps its word.
    Always,
}

/// How one server is started. [`NodeConfig::new`] gives a single node on free local ports.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Name of the server, unique in a cluster.
    pub name: String,
    /// Directory of the server: its data below `jetstream/`, its configuration, its log, and a
    /// lock that keeps a second server out. Created where it is missing.
    pub store_dir: PathBuf,
    /// Where the server's settings come from.
    pub settings: Settings,
    /// How long the server may take until it is ready. A large store takes a while.
    pub ready_timeout: Duration,
}

/// Where the settings of a server come from.
#[derive(Debug, Clone)]
pub enum Settings {
    /// A configuration written at every start.
    Local(LocalSettings),
    /// A configuration file, used as it is.
    File(ConfigFile),
}

/// A server that is reached from this machine only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LocalSettings {
    /// Port for clients on 127.0.0.1; 0 takes a free one.
    pub client_port: u16,
    /// Port for monitoring over HTTP on 127.0.0.1; 0 takes a free one.
    pub monitor_port: u16,
    /// When data is written to disk.
    pub sync: SyncMode,
    /// The cluster that the server is part of, if any.
    pub cluster: Option<Membership>,
}

/// The place of a server in a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Name of the cluster.
    pub cluster: String,
    /// Port for the other servers on 127.0.0.1.
    pub route_port: u16,
    /// Ports of all servers of the cluster on 127.0.0.1.
    pub all_route_ports: Vec<u16>,
}

/// A configuration file and the values of the variables in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigFile {
    /// The file.
    pub path: PathBuf,
    /// Values of `$NAME` in the file, in the syntax of the file. They are given to the server in
    /// its environment.
    pub variables: BTreeMap<String, String>,
}

impl NodeConfig {
    /// A single node on free local ports.
    pub fn new(name: impl Into<String>, store_dir: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            store_dir: store_dir.into(),
            settings: Settings::Local(LocalSettings::default()),
            ready_timeout: Duration::from_secs(60),
        }
    }

    /// Replaces the settings by those of a local server.
    #[must_use]
    pub fn with_local(mut self, settings: LocalSettings) -> Self {
        self.settings = Settings::Local(settings);
        self
    }

    /// Replaces the settings by those of a file.
    #[must_use]
    pub fn with_file(mut self, file: ConfigFile) -> Self {
        self.settings = Settings::File(file);
        self
    }

    /// Sets when data is written to disk; a configuration file decides that for itself.
    #[must_use]
    pub fn with_sync(mut self, sync: SyncMode) -> Self {
        if let Settings::Local(settings) = &mut self.settings {
            settings.sync = sync;
        }
        self
    }
}

impl LocalSettings {
    /// Writes the configuration file of a server whose ports are all decided.
    pub(crate) fn render(&self, name: &str, store_dir: &Path) -> String {
        let mut text = String::from("# Written at every start of the server.\n");
        let mut line = |key: &str, value: String| {
            let _ = writeln!(text, "{key}: {value}");
        };
        line("server_name", quoted(name));
        line("listen", quoted(&local(self.client_port).to_string()));
        line("http", quoted(&local(self.monitor_port).to_string()));
        let sync = match self.sync {
            SyncMode::Default => "",
            SyncMode::Always => ", sync_interval: always",
        };
        let store = quoted(&store_dir.to_string_lossy());
        line("jetstream", format!("{{ store_dir: {store}{sync} }}"));
        if let Some(Membership { cluster, route_port, all_route_ports }) = &self.cluster {
            let routes: Vec<_> = all_route_ports
                .iter()
                .map(|port| quoted(&format!("nats-route://{}", local(*port))))
                .collect();
            line(
                "cluster",
                format!(
                    "{{ name: {}, listen: {}, routes: [{}] }}",
                    quoted(cluster),
                    quoted(&local(*route_port).to_string()),
                    routes.join(", "),
                ),
            );
        }
        text
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
}

/// Quotes a string for the server's configuration format.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            char => out.push(char),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        assert_eq!(quoted("a\"}\n\\"), "\"a\\\"}\\n\\\\\"");
    }

    #[test]
    fn sync_always_is_written_and_the_default_is_left_to_the_server() {
        let render = |sync| {
            LocalSettings { sync, ..LocalSettings::default() }.render("one", Path::new("/data"))
        };
        assert!(render(SyncMode::Always).contains("sync_interval: always"));
        assert!(!render(SyncMode::Default).contains("sync_interval"));
    }
}
