//! Ctrl-C and SIGTERM, as something to wait for.

use std::io;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::failure::Failure;

/// Knows whether the user wants the command to end. From its making on, the signals no longer end the process.
#[derive(Debug)]
pub(crate) struct Interrupt {
    asked: watch::Receiver<bool>,
    listener: JoinHandle<()>,
}

impl Interrupt {
    pub(crate) fn listen() -> Result<Self, Failure> {
        let mut signals = Signals::new().map_err(Failure::Runtime)?;
        let (ask, asked) = watch::channel(false);
        let listener = tokio::spawn(async move {
            signals.next().await;
            let _ = ask.send(true);
            // Asked again, the process ends at once, as it would have without us.
            signals.next().await;
            std::process::exit(i32::from(crate::exit::Exit::Interrupted.code()));
        });
        Ok(Self { asked, listener })
    }

    /// Keeps the signals from ending the process, for as long as the guard lives.
    pub(crate) fn hold() -> Result<Self, Failure> {
        let mut signals = Signals::new().map_err(Failure::Runtime)?;
        let (ask, asked) = watch::channel(false);
        let listener = tokio::spawn(async move {
            loop {
                signals.next().await;
                let _ = ask.send(true);
            }
        });
        Ok(Self { asked, listener })
    }

    /// Returns whether the user wants the command to end.
    pub(crate) fn is_asked(&self) -> bool {
        *self.asked.borrow()
    }

    /// Resolves when the user wants the command to end.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn asked(&self) {
        // The listener keeps the sender until it has sent.
        let _ = self.asked.clone().wait_for(|asked| *asked).await;
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
