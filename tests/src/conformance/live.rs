//! Live messages. Delivery is not promised, so rules send until something arrives.

use std::time::Duration;

use colony_bus::log::{LiveMessage, LiveMessages};
use colony_core::AgentName;
use colony_core::subject::{live_filter, live_subject};
use futures_util::StreamExt;

use super::fixture::{differs, ensure, equal};
use super::{Fixture, Violation};

/// How long one message may take before it counts as missed.
const MISSED: Duration = Duration::from_millis(200);
const TRIES: u8 = 50;

fn message(f: &Fixture, topic: &str, payload: Vec<u8>) -> Result<LiveMessage, Violation> {
    let author: Result<AgentName, _> = "ada".parse();
    let author = author.map_err(|_| differs("a test's author", "a name", "ada"))?;
    let subject = live_subject(&f.space, &author, "i1", topic);
    Ok(LiveMessage { subject, payload: payload.into() })
}

async fn send_until_heard(
    f: &Fixture,
    message: &LiveMessage,
    heard: &mut LiveMessages,
) -> Result<LiveMessage, Violation> {
    for _ in 0..TRIES {
        f.live.send(message.clone()).await?;
        match tokio::time::timeout(MISSED, heard.next()).await {
            Ok(Some(heard)) => return Ok(heard),
            Ok(None) => return Err(differs("a listener", "never to end", "its end")),
            Err(_) => {}
        }
    }
    Err(differs("live messages heard", "one of 50", "none"))
}

/// Who listens hears, and every listener does.
pub async fn a_live_message_reaches_who_listens(f: Fixture) -> Result<(), Violation> {
    let filter = live_filter(&f.space, "presence");
    let mut first = f.live.listen(filter.clone()).await?;
    let mut second = f.live.listen(filter).await?;
    let sent = message(&f, "presence", (0..=255).collect())?;
    for heard in [&mut first, &mut second] {
        equal("the message", &send_until_heard(&f, &sent, heard).await?, &sent)?;
    }
    Ok(())
}

/// A listener does not hear what its filter does not match.
pub async fn a_listener_hears_its_filter_only(f: Fixture) -> Result<(), Violation> {
    let mut heard = f.live.listen(live_filter(&f.space, "presence")).await?;
    let (other, sent) = (message(&f, "wake", vec![1])?, message(&f, "presence", vec![2])?);
    for _ in 0..5 {
        f.live.send(other.clone()).await?;
        equal("the message", &send_until_heard(&f, &sent, &mut heard).await?, &sent)?;
    }
    Ok(())
}

/// Live messages leave no trace in the log.
pub async fn a_live_message_is_not_stored(f: Fixture) -> Result<(), Violation> {
    let mut heard = f.live.listen(live_filter(&f.space, "presence")).await?;
    let before = f.append_one(f.subject("ada", 1), "x").await?;
    send_until_heard(&f, &message(&f, "presence", vec![1])?, &mut heard).await?;
    let after = f.append_one(f.subject("ada", 2), "x").await?;
    ensure("nothing stands between two records", before.next() == after)
}
