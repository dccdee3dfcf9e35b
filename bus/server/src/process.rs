//! Processes: starting, signalling, and ending with their parent.

use std::io;
use std::time::Duration;

use tokio::process::{Child, Command};

const BUSY_RETRIES: u32 = 50;
const BUSY_PERIOD: Duration = Duration::from_millis(10);

/// Starts a program, which may have been written by this process a moment ago.
///
/// A process forked by another thread meanwhile holds the written file open until it executes its
/// own program, and the system refuses to run a file that is open for writing.
pub(crate) async fn spawn(command: &mut Command) -> io::Result<Child> {
    for _ in 0..BUSY_RETRIES {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                tokio::time::sleep(BUSY_PERIOD).await;
            }
            result => return result,
        }
    }
    command.spawn()
}

/// What a server can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Shut down in order.
    Terminate,
    /// Stand still, as a stalled machine does.
    Stop,
    /// Go on.
    Continue,
}

#[cfg(unix)]
pub(crate) fn signal(pid: u32, signal: Signal) -> io::Result<()> {
    use rustix::process::{self, Pid};
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
    let signal = match signal {
        Signal::Terminate => process::Signal::TERM,
        Signal::Stop => process::Signal::STOP,
        Signal::Continue => process::Signal::CONT,
    };
    Ok(process::kill_process(pid, signal)?)
}

#[cfg(not(unix))]
pub(crate) fn signal(_pid: u32, _signal: Signal) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Ends a process when this one is gone, even if it was killed with -9.
///
/// It is a shell that waits for the end of its input, which this process holds open, and then
/// terminates the other process. Dropping the guard ends the shell and nothing else.
#[derive(Debug)]
pub(crate) struct Watchdog {
    #[cfg(unix)]
    shell: std::process::Child,
}

impl Watchdog {
    #[cfg(unix)]
    pub(crate) fn guard(pid: u32) -> io::Result<Self> {
        use std::os::unix::process::CommandExt;
        use std::process::{Command, Stdio};
        let shell = Command::new("/bin/sh")
            .args(["-c", "read -r _; kill -CONT \"$1\"; kill -TERM \"$1\"", "colony-watchdog"])
            .arg(pid.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self { shell })
    }

    #[cfg(not(unix))]
    pub(crate) fn guard(_pid: u32) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(unix)]
impl Drop for Watchdog {
    fn drop(&mut self) {
        // Killed before its input ends, it cannot signal anything any more.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}
