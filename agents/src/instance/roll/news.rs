//! What instances say about themselves, for those who look on.

use std::fmt;

use colony_bus::Bus;
use colony_bus::log::{LiveMessages, ReadError};
use colony_core::LaneName;
use colony_core::subject::live_filter;
use futures_util::StreamExt as _;
use serde::Serialize;

use super::{Says, Word, read, topic};
use crate::instance::status::LaneStatus;

/// An instance that gives signs of life, and how its lanes are doing as it says itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PresentInstance {
    /// Its name.
    pub instance: LaneName,
    /// Its lanes; some of them, where it has very many.
    pub lanes: Vec<LaneStatus>,
}

/// What the instances of the agent say that a bus acts for, as it comes. Says nothing itself.
pub struct InstanceWatch {
    bus: Bus,
    words: Option<LiveMessages>,
}

/// What an instance said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstanceNews {
    /// It is there.
    Present(PresentInstance),
    /// It has gone.
    Left(LaneName),
}

impl fmt::Debug for InstanceWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InstanceWatch")
    }
}

impl InstanceWatch {
    /// Begins to listen.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn open(bus: Bus) -> Result<Self, ReadError> {
        let words = bus.live().listen(live_filter(bus.space(), &topic(&bus))).await?;
        Ok(Self { bus, words: Some(words) })
    }

    /// Waits for the next word. Each instance says something six times in its takeover time. Waits forever once listening
    /// has ended.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next(&mut self) -> InstanceNews {
        while let Some(words) = &mut self.words {
            match words.next().await {
                Some(word) => {
                    let Some(Word { instance, says, lanes }) = read(&self.bus, &word) else {
                        continue;
                    };
                    return match says {
                        Says::Left => InstanceNews::Left(instance),
                        Says::Here | Says::WhoElse => {
                            InstanceNews::Present(PresentInstance { instance, lanes })
                        }
                    };
                }
                None => self.words = None,
            }
        }
        std::future::pending().await
    }
}
