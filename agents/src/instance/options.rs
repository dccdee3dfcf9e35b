//! How an instance of an agent works.

use std::path::PathBuf;
use std::time::Duration;

use colony_core::Position;

use super::clock::Clock;
use crate::reactor::Limits;

/// How an instance of an agent works. All instances of one agent are to have the same.
#[derive(Debug, Clone)]
pub struct InstanceOptions {
    /// Over how many lanes the agent's events are spread, by entity. Fixed once the agent has begun: an instance with another number
    /// refuses to start. Default: 1.
    pub partitions: u16,
    /// Where an agent begins that has never run. Default: at the beginning of the log.
    pub start: Start,
    /// Which instance works first. Default: [`Preference::Rendezvous`].
    pub preference: Preference,
    /// How long after an instance has fallen silent another one has taken over its lanes. Default: 3 s.
    pub takeover: Duration,
    /// How long a lane with events to react to may stand still before another instance takes it over from one that still gives
    /// signs of life. Longer than a handler may take with all its attempts. Default: 150 s.
    pub stall: Duration,
    /// Most events that an instance of an agent without a state keeps while it stands by. Where more wait it stops listening, and only
    /// looks how far the instance that works has come. Default: 1,024.
    pub standby_events: usize,
    /// How long a handler may take. Default: 30 s.
    pub handler_timeout: Duration,
    /// What happens after a handler has failed.
    pub retry: Retry,
    /// An event that so many reactions in a row led to is set aside: a conversation that the agents cannot end is ended. Default: 32.
    pub max_hops: u32,
    /// How often a lane tells how far it has reacted when reactions have no outputs. Default: 1 s.
    pub cursor_interval: Duration,
    /// How long a handler may go on after the instance was asked to stop. Default: 1 s.
    pub grace: Duration,
    /// Where states are kept between runs: a cache, deletable at any time. Default: nowhere.
    pub cache: Option<PathBuf>,
    /// Entries taken into the state after which it is kept. Default: 50,000.
    pub cache_interval: u64,
    /// What time it is, for schedules. Default: the time of day.
    pub clock: Clock,
    /// The bounds of units and lanes.
    pub limits: Limits,
}

impl Default for InstanceOptions {
    fn default() -> Self {
        Self {
            partitions: 1,
            start: Start::Beginning,
            preference: Preference::Rendezvous,
            takeover: Duration::from_secs(3),
            stall: Duration::from_secs(150),
            standby_events: 1_024,
            handler_timeout: Duration::from_secs(30),
            retry: Retry::default(),
            max_hops: 32,
            cursor_interval: Duration::from_secs(1),
            grace: Duration::from_secs(1),
            cache: None,
            cache_interval: 50_000,
            clock: Clock::default(),
            limits: Limits::default(),
        }
    }
}

/// Where an agent begins that has never run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Start {
    /// At the beginning of the log.
    #[default]
    Beginning,
    /// With what is stored from now on.
    Now,
    /// After a position.
    After(Position),
}

/// Which instance works first. It saves work; nothing that has to be right depends on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Preference {
    /// For each lane one of the instances that give signs of life, by rendezvous hashing: when instances come and go, only
    /// their lanes move.
    #[default]
    Rendezvous,
    /// All of them at once: each event is handled by all, and one reaction is stored.
    Everyone,
}

/// What happens after a handler has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// How often an event is handled before it is set aside; 0 counts as 1. Default: 4.
    pub attempts: u32,
    /// The pause before the second attempt; each next one is twice as long. Default: 100 ms.
    pub pause: Duration,
    /// The longest pause. Default: 5 s.
    pub longest: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        let pause = Duration::from_millis(100);
        Self { attempts: 4, pause, longest: Duration::from_secs(5) }
    }
}

impl Retry {
    /// Returns the pause after so many attempts; `None` if there is to be no other one.
    pub fn pause_after(&self, attempts: u32) -> Option<Duration> {
        if attempts >= self.attempts {
            return None;
        }
        let doublings = attempts.saturating_sub(1).min(30);
        Some(self.pause.saturating_mul(1 << doublings).min(self.longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_end() {
        let retry = Retry { attempts: 5, ..Retry::default() };
        let retry = Retry { longest: Duration::from_millis(300), ..retry };
        let pauses: Vec<_> = (1..6).map(|n| retry.pause_after(n).map(|p| p.as_millis())).collect();
        assert_eq!(pauses, [Some(100), Some(200), Some(300), Some(300), None]);
    }
}
