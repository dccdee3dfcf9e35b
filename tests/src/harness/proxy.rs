//! A wire between a client and a server that can be cut and stalled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    Whole,
    Stalled,
    Cut,
}

/// Passes bytes on to a server, while it is whole.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    wire: watch::Sender<Wire>,
    down: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// Starts one before a server.
    pub async fn before(url: &str) -> Self {
        let server = url.trim_start_matches("nats://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("nats://{}", listener.local_addr().unwrap());
        let (wire, state) = watch::channel(Wire::Whole);
        let down = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, server, state, Arc::clone(&down)));
        Self { url, wire, down, _tasks: tasks }
    }

    /// Returns the address to connect to.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Returns how many bytes came from the server to the client.
    pub fn bytes_down(&self) -> u64 {
        self.down.load(Ordering::Relaxed)
    }

    /// Breaks all connections and lets no new one through.
    pub fn cut(&self) {
        self.wire.send_replace(Wire::Cut);
    }

    /// Lets nothing through, and tells nobody.
    pub fn stall(&self) {
        self.wire.send_replace(Wire::Stalled);
    }

    /// Lets everything through again.
    pub fn heal(&self) {
        self.wire.send_replace(Wire::Whole);
    }
}

async fn accept(
    listener: TcpListener,
    server: String,
    state: watch::Receiver<Wire>,
    down: Arc<AtomicU64>,
) {
    let mut links = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let (state, server, down) = (state.clone(), server.clone(), Arc::clone(&down));
        if *state.borrow() == Wire::Cut {
            continue;
        }
        links.spawn(async move {
            let Ok(server) = TcpStream::connect(&server).await else { return };
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let mut cut = state.clone();
            tokio::select! {
                () = pass(from_client, to_server, state.clone(), None) => {}
                () = pass(from_server, to_client, state, Some(down)) => {}
                _ = cut.wait_for(|wire| *wire == Wire::Cut) => {}
            }
        });
        while links.try_join_next().is_some() {}
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<Wire>,
    count: Option<Arc<AtomicU64>>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if state.wait_for(|wire| *wire != Wire::Stalled).await.is_err() {
            return;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
        if let Some(count) = &count {
            count.fetch_add(read as u64, Ordering::Relaxed);
        }
    }
}
