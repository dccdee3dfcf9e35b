//! A Redis server, and a lock for each task in it, taken with `SET NX PX`.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::super::raw;
use crate::failure::Failure;

/// How long a lock lasts, in milliseconds.
pub(super) const LOCK_MS: u64 = 2_000;

/// A Redis server of its own: its append-only file synced every second, which is more than the log's default.
pub(super) struct Redis {
    port: u16,
    child: Child,
    _dir: TempDir,
}

impl Redis {
    /// Starts one; `None` if there is no `redis-server` on the path.
    pub(super) async fn start() -> Result<Option<Self>, Failure> {
        let dir = tempfile::tempdir().map_err(Failure::file(std::env::temp_dir(), "written"))?;
        let socket = std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(raw)?;
        let port = socket.local_addr().map_err(raw)?.port();
        drop(socket);
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", "everysec", "--maxclients", "4000"])
            .arg("--dir")
            .arg(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        let child = match child {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(raw(error)),
        };
        let redis = Self { port, child, _dir: dir };
        let begin = Instant::now();
        while redis.connect().await.is_err() {
            if begin.elapsed().as_secs() > 10 {
                return Err(raw("the Redis server does not answer"));
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        Ok(Some(redis))
    }

    pub(super) async fn connect(&self) -> Result<Connection, std::io::Error> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream: BufReader::new(stream) })
    }

    /// Kills the server.
    pub(super) async fn kill(&mut self) -> Result<(), Failure> {
        self.child.kill().await.map_err(raw)
    }

    /// Forgets all locks.
    pub(super) async fn clear(&self) -> Result<(), Failure> {
        let mut connection = self.connect().await.map_err(raw)?;
        connection.command(&["FLUSHALL"]).await.map_err(raw)?;
        Ok(())
    }

    /// Lets agents do tasks under locks until all are done, with no log: tasks are numbers that all know, and results are kept in
    /// Redis. Returns tasks a second.
    pub(super) async fn work(&self, agents: usize, tasks: usize) -> Result<f64, Failure> {
        self.clear().await?;
        let done = Arc::new(AtomicUsize::new(0));
        let mut connections = Vec::with_capacity(agents);
        for _ in 0..agents {
            connections.push(self.connect().await.map_err(raw)?);
        }
        let begin = Instant::now();
        let agents = connections.into_iter().enumerate().map(|(agent, connection)| {
            tokio::spawn(work(connection, agent, agents, tasks, Arc::clone(&done)))
        });
        for agent in agents.collect::<Vec<_>>() {
            agent.await.map_err(raw)?.map_err(raw)?;
        }
        Ok(tasks as f64 / begin.elapsed().as_secs_f64())
    }
}

/// One agent: its own share of the tasks first, so that locks hardly ever meet, which is the best that locks can have.
pub(super) async fn work(
    mut connection: Connection,
    agent: usize,
    agents: usize,
    tasks: usize,
    done: Arc<AtomicUsize>,
) -> Result<(), std::io::Error> {
    let name = format!("agent-{agent}");
    let mut task = agent;
    while task < tasks {
        let (lock, result) = (format!("lock:{task}"), format!("done:{task}"));
        let px = LOCK_MS.to_string();
        if connection.command(&["SET", &lock, &name, "NX", "PX", &px]).await?.is_some() {
            // Somebody may have done it and let the lock go.
            if connection.command(&["GET", &result]).await?.is_none() {
                connection.command(&["SET", &result, &name]).await?;
                done.fetch_add(1, Ordering::Relaxed);
            }
            connection.command(&["DEL", &lock]).await?;
        }
        task += agents;
    }
    Ok(())
}

/// A connection that speaks as much of RESP2 as locks need.
pub(super) struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Sends a command and returns its answer; `None` for a null.
    pub(super) async fn command(
        &mut self,
        words: &[&str],
    ) -> Result<Option<String>, std::io::Error> {
        let mut text = format!("*{}\r\n", words.len());
        for word in words {
            text.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.stream.write_all(text.as_bytes()).await?;
        let mut line = String::new();
        if self.stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        let (kind, rest) = line.split_at_checked(1).unwrap_or(("", ""));
        match kind {
            "+" | ":" => Ok(Some(rest.to_owned())),
            "$" if rest == "-1" => Ok(None),
            "$" => {
                let length: usize = rest.parse().map_err(std::io::Error::other)?;
                let mut bytes = vec![0; length + 2];
                self.stream.read_exact(&mut bytes).await?;
                bytes.truncate(length);
                Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
            }
            _ => Err(std::io::Error::other(line.to_owned())),
        }
    }
}
