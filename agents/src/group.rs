//! A process with all that it starts.

use std::io;
use std::ops::{Deref, DerefMut};

use tokio::process::{Child, Command};

/// A process in a process group of its own, so that a Ctrl-C meant for its agent does not reach it. Dropped while it runs, it is
/// killed with all that it has started.
#[derive(Debug)]
pub(crate) struct Group(Child);

impl Group {
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        command.kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        command.spawn().map(Self)
    }
}

impl Deref for Group {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Group {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Without an id it has ended and was waited for; its number may be another's by now.
        #[cfg(unix)]
        if let Some(id) = self.0.id()
            && let Some(group) = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw)
        {
            let kill = rustix::process::Signal::KILL;
            // There may be nobody left in the group.
            let _ = rustix::process::kill_process_group(group, kill);
        }
    }
}
