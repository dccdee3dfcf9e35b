//! Progress bars, on stderr and only where somebody may look.

use std::time::Duration;

use colony_server::{Progress, Step};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::is_watched;

/// How often a bar without news moves.
const TICK: Duration = Duration::from_millis(120);

/// Makes a bar of bytes; hidden with `--json` and where stderr is no terminal.
pub(crate) fn bytes(total: Option<u64>, json: bool, what: &str) -> ProgressBar {
    let bar = new(total, json);
    let template = match total {
        Some(_) => "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        None => "{msg} {spinner} {bytes} {bytes_per_sec}",
    };
    dress(bar, template, what)
}

/// Makes a bar of things counted; hidden as that of [`bytes()`].
pub(crate) fn count(total: Option<u64>, json: bool, what: &str) -> ProgressBar {
    let bar = new(total, json);
    let template = match total {
        Some(_) => "{msg} [{bar:30}] {human_pos}/{human_len} {per_sec} {eta}",
        None => "{msg} {spinner} {human_pos} {per_sec}",
    };
    dress(bar, template, what)
}

fn new(total: Option<u64>, json: bool) -> ProgressBar {
    let hidden = json || !is_watched();
    let target =
        if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(10) };
    ProgressBar::with_draw_target(total, target)
}

fn dress(bar: ProgressBar, template: &str, what: &str) -> ProgressBar {
    let style = match ProgressStyle::with_template(template) {
        Ok(style) => style.progress_chars("=> "),
        Err(_) => ProgressStyle::default_bar(),
    };
    bar.set_style(style);
    bar.set_message(what.to_owned());
    if !bar.is_hidden() {
        bar.enable_steady_tick(TICK);
    }
    bar
}

/// Draws how a server is fetched.
pub(crate) struct Fetching {
    bar: ProgressBar,
}

impl Fetching {
    pub(crate) fn new(json: bool) -> Self {
        Self { bar: bytes(None, json, "looking for a nats-server") }
    }

    /// Takes the bar away.
    pub(crate) fn finish(self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Fetching {
    fn step(&self, step: Step) {
        match step {
            Step::Waiting { version } => {
                self.bar.set_message(format!("waiting for nats-server {version}"));
            }
            Step::Downloading { version, done, total } => {
                self.bar.set_message(format!("fetching nats-server {version}"));
                if let Some(total) = total {
                    self.bar.set_length(total);
                }
                self.bar.set_position(done);
            }
            Step::Verifying { version } => {
                self.bar.set_message(format!("checking nats-server {version}"));
            }
            Step::Installing { version } => {
                self.bar.set_message(format!("installing nats-server {version}"));
            }
            _ => {}
        }
    }
}
