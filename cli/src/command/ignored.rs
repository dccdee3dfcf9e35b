//! `colony ignored`

use colony_agents::protocol::{CoordinationState, Ignored};
use colony_core::{AgentName, EntityName};
use serde_json::{Value, json};

use crate::context::Context;
use crate::coordinate::{LookArgs, View, against};
use crate::failure::Failure;

/// Shows the events of protocols that had no effect, and what stood against each. Everybody ignores the same ones.
///
/// The latest 256 are kept, the older ones counted.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  colony ignored
  colony ignored --author bob --entity fence")]
pub(crate) struct Args {
    /// Only those of this agent.
    #[arg(long, value_name = "AGENT")]
    author: Option<AgentName>,
    /// Only those about this.
    #[arg(long, value_name = "NAME")]
    entity: Option<EntityName>,
    #[command(flatten)]
    look: LookArgs,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let Args { author, entity, look } = args;
    let view = View::open(context, look).await?;
    let chosen = |ignored: &&Ignored| {
        author.as_ref().is_none_or(|author| *author == ignored.author)
            && entity.as_ref().is_none_or(|entity| Some(entity) == ignored.entity.as_ref())
    };
    let state: &CoordinationState = view.state();
    let latest: Vec<&Ignored> = state.ignored.latest().filter(chosen).collect();
    let told = latest.iter().map(|ignored| {
        let Ignored { position, author, ty, entity, reason } = *ignored;
        json!({
            "position": position, "author": author, "type": ty, "entity": entity,
            "against": against(reason),
        })
    });
    let all = json!({ "total": state.ignored.total(), "latest": told.collect::<Value>() });
    let rows: Vec<Vec<String>> = latest
        .iter()
        .map(|ignored| {
            let Ignored { position, author, ty, entity, reason } = *ignored;
            let about = entity.as_ref().map_or(String::new(), ToString::to_string);
            [position.to_string(), author.to_string(), ty.to_string(), about, reason.to_string()]
                .to_vec()
        })
        .collect();
    let heading = ["POSITION", "AUTHOR", "TYPE", "ABOUT", "AGAINST IT"];
    view.list("ignored", &all, &heading, rows)
}
