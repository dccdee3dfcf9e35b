//! `colony charter`

use colony_agents::protocol::CoordinationState;
use colony_agents::protocol::charter::{self, Chartered, Charters};
use colony_core::{AgentName, EntityName, EventType};
use serde_json::{Value, json};

use crate::context::Context;
use crate::coordinate::{ActArgs, LookArgs, Seat, View, value};
use crate::failure::Failure;

/// Who administers the space, who answers for people, and what reputation an event asks of its author.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Writes the charter, which replaces the one before whole. The first may be written by anybody, once.
    Set {
        /// An agent that may revoke, stop, issue stakes, and write the next charter; several times for several.
        #[arg(long = "administrator", value_name = "AGENT", required = true)]
        administrators: Vec<AgentName>,
        /// An agent that answers for people [default: the administrators]; several times for several.
        #[arg(long = "person", value_name = "AGENT")]
        people: Vec<AgentName>,
        /// The reputation, of 1000, that the author of events of a type needs; several times for several.
        #[arg(long = "level", value_name = "TYPE=N", value_parser = level)]
        levels: Vec<(EventType, u32)>,
        /// What the charter is called.
        #[arg(long, value_name = "NAME", default_value = "space")]
        name: EntityName,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Shows the charter.
    Show(LookArgs),
}

/// A text is no level.
#[derive(Debug, Clone, thiserror::Error)]
#[error("a level is an event's type and a whole number up to 1000: TYPE=N")]
struct LevelError;

fn level(text: &str) -> Result<(EventType, u32), LevelError> {
    let (ty, needed) = text.split_once('=').ok_or(LevelError)?;
    let needed = needed.parse().ok().filter(|needed| *needed <= 1_000).ok_or(LevelError)?;
    Ok((ty.parse().map_err(|_| LevelError)?, needed))
}

pub(crate) async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Set { administrators, people, levels, name, act } => {
            let chartered = Chartered {
                administrators: administrators.into_iter().collect(),
                people: people.into_iter().collect(),
                levels: levels.into_iter().collect(),
            };
            let mut seat = Seat::take(context, act).await?;
            let told = seat.act::<Charters>(charter::Command::Charter(name, chartered)).await?;
            let stands = stands(seat.state());
            seat.tell(&told, "charter", Some(stands))
        }
        Command::Show(look) => {
            let view = View::open(context, look).await?;
            let stands = stands(view.state());
            view.show("charter", &stands)
        }
    }
}

/// Returns the charter that holds; all of it is empty where there is none.
fn stands(state: &CoordinationState) -> Value {
    let (said, at) = (state.charter.said(), state.charter.at());
    json!({
        "at": at,
        "administrators": said.administrators,
        "people": state.charter.people(),
        "levels": value(&said.levels),
    })
}
