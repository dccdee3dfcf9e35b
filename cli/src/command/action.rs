//! `colony action`

use colony_agents::protocol::CoordinationState;
use colony_agents::protocol::compensation::{
    self, Class, Compensation, Intended, Phase, Resource, Taken,
};
use colony_core::{AgentName, EntityName, Position, Timestamp};
use serde_json::Value;

use crate::context::Context;
use crate::coordinate::{ActArgs, LookArgs, Seat, View, named, word};
use crate::failure::Failure;
use crate::span::{self, MOMENT};

/// Acts at once, and makes good: of two acts on one thing at one time the later is undone, once, by its own compensation.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Announces an act. Others may defer to it; an irreversible act needs it.
    Intend {
        /// The action.
        #[arg(value_name = "ACTION")]
        action: EntityName,
        #[command(flatten)]
        on: On,
        /// Until when the intent stands.
        #[arg(long, value_name = MOMENT, value_parser = span::moment)]
        until: Timestamp,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Says that it was done. The exit code is 0 also where it met another's act and has to be undone: `phase` tells.
    #[command(after_help = "\
Examples:
  colony action act booking-1 --on 'room 1@2026-01-01T10:00:00Z/2026-01-01T11:00:00Z' --undo 'cancel the booking'
  colony action intend launch --on rocket --until 5m
  colony action act launch --on rocket --irreversible")]
    Act {
        /// The action.
        #[arg(value_name = "ACTION")]
        action: EntityName,
        #[command(flatten)]
        on: On,
        #[command(flatten)]
        class: ClassArgs,
        /// Who should hear of it if it is undone; several times for several.
        #[arg(long = "affects", value_name = "AGENT")]
        affects: Vec<AgentName>,
        /// Refuses where another's act, or earlier intent, stands on the same.
        #[arg(long)]
        defer: bool,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Says that it was undone, by who acted.
    Compensate {
        /// The action.
        #[arg(value_name = "ACTION")]
        action: EntityName,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Lists actions, or shows one.
    Show {
        /// The action [default: all].
        #[arg(value_name = "ACTION")]
        action: Option<EntityName>,
        /// Only those of this agent that are still to be undone.
        #[arg(long, value_name = "AGENT", conflicts_with = "action")]
        owed_by: Option<AgentName>,
        #[command(flatten)]
        look: LookArgs,
    },
}

/// What is acted on.
#[derive(Debug, clap::Args)]
pub(crate) struct On {
    /// What it is on: a name, and from when until when if not for ever; several times for several.
    #[arg(long = "on", value_name = "NAME[@FROM/UNTIL]", value_parser = resource, required = true)]
    resources: Vec<Resource>,
}

/// What becomes of an act that meets another's.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct ClassArgs {
    /// Both stand: acts of this kind merge.
    #[arg(long)]
    mergeable: bool,
    /// The later one is undone, in this way.
    #[arg(long, value_name = "HOW")]
    undo: Option<String>,
    /// It cannot be undone: it counts only under its own intent, which was the first.
    #[arg(long)]
    irreversible: bool,
}

/// A text is no resource.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "a resource is a name, or a name and times in RFC 3339, the earlier first: NAME@FROM/UNTIL; either time may be left out"
)]
struct ResourceError;

fn resource(text: &str) -> Result<Resource, ResourceError> {
    let Some((name, times)) = text.rsplit_once('@') else {
        return match text.is_empty() {
            true => Err(ResourceError),
            false => Ok(Resource { name: text.to_owned(), from: None, until: None }),
        };
    };
    let (from, until) = times.split_once('/').ok_or(ResourceError)?;
    let time = |text: &str| match text.is_empty() {
        true => Ok(None),
        false => text.parse::<Timestamp>().map(Some).map_err(|_| ResourceError),
    };
    let (from, until) = (time(from)?, time(until)?);
    if name.is_empty() || from.zip(until).is_some_and(|(from, until)| until <= from) {
        return Err(ResourceError);
    }
    Ok(Resource { name: name.to_owned(), from, until })
}

pub(crate) async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    let (command, act) = match command {
        Command::Intend { action, on: On { resources }, until, act } => {
            (compensation::Command::Intend(action, Intended { resources, until }), act)
        }
        Command::Act { action, on: On { resources }, class, affects, defer, act } => {
            let seat = Seat::take(context, act).await?;
            let class = class.of(intent(seat.state(), &action));
            let taken = Taken { resources, class, affects };
            let command = match defer {
                true => compensation::Command::TakeUnlessIntended(action, taken),
                false => compensation::Command::Take(action, taken),
            };
            return carry_out(seat, command).await;
        }
        Command::Compensate { action, act } => (compensation::Command::Compensate(action), act),
        Command::Show { action, owed_by, look } => {
            return show(View::open(context, look).await?, action.as_ref(), owed_by.as_ref());
        }
    };
    let seat = Seat::take(context, act).await?;
    carry_out(seat, command).await
}

async fn carry_out(mut seat: Seat, command: compensation::Command) -> Result<(), Failure> {
    let told = seat.act::<Compensation>(command).await?;
    let action = told.first().and_then(|told| told.entity.clone());
    let stands = action.and_then(|action| stands(seat.state(), &action));
    seat.tell(&told, "action", stands)
}

/// Returns an action as everybody sees it.
fn stands(state: &CoordinationState, action: &EntityName) -> Option<Value> {
    state.actions.get(action).map(|known| named("action", action, known))
}

/// Returns where the intent of an action stands.
fn intent(state: &CoordinationState, action: &EntityName) -> Option<Position> {
    match &state.actions.get(action)?.phase {
        Phase::Intended { at, .. } => Some(*at),
        Phase::Taken { .. } | Phase::Owing { .. } | Phase::Compensated { .. } => None,
    }
}

impl ClassArgs {
    fn of(self, intent: Option<Position>) -> Class {
        let Self { mergeable, undo, irreversible: _ } = self;
        match (mergeable, undo) {
            (true, _) => Class::Mergeable,
            (false, Some(how)) => Class::Compensable { how },
            // Without an intent the rules say that there is none.
            (false, None) => Class::Irreversible { fence: intent.unwrap_or_default() },
        }
    }
}

fn show(
    view: View,
    action: Option<&EntityName>,
    owed_by: Option<&AgentName>,
) -> Result<(), Failure> {
    if let Some(action) = action {
        let stands = stands(view.state(), action);
        let stands = stands.ok_or_else(|| view.unknown("action", action))?;
        return view.show("action", &stands);
    }
    let owed = |by: &AgentName, phase: &Phase| {
        owed_by.is_none_or(|owing| owing == by && matches!(phase, Phase::Owing { .. }))
    };
    let actions: Vec<_> =
        view.state().actions.iter().filter(|(_, known)| owed(&known.by, &known.phase)).collect();
    let all: Value = actions.iter().map(|(name, known)| named("action", name, known)).collect();
    let rows: Vec<_> = actions
        .iter()
        .map(|(name, known)| {
            let on: Vec<_> =
                known.resources.iter().map(|resource| resource.name.as_str()).collect();
            let note = match &known.phase {
                Phase::Owing { to, how, .. } => format!("gives way to {to}: {how}"),
                Phase::Intended { until, .. } => format!("until {}", crate::show::time(*until)),
                Phase::Taken { class, .. } => word(class),
                Phase::Compensated { .. } => String::new(),
            };
            vec![name.to_string(), word(&known.phase), known.by.to_string(), on.join(", "), note]
        })
        .collect();
    view.list("actions", &all, &["ACTION", "PHASE", "BY", "ON", ""], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_a_name_with_or_without_times() {
        let plain = resource("room 1").unwrap();
        assert_eq!((plain.name.as_str(), plain.from, plain.until), ("room 1", None, None));
        let hour = resource("a@b@2026-01-01T10:00:00Z/").unwrap();
        assert_eq!(hour.name, "a@b");
        assert!(hour.from.is_some() && hour.until.is_none());
        for bad in ["room@10:00", "room@x/y"] {
            assert!(resource(bad).is_err(), "{bad}");
        }
    }
}
