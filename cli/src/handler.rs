//! What an agent listens to and which command it is, on the command line.

use std::ffi::OsString;

use clap::Args;
use colony_agents::command::{CommandAgent, CommandError, CommandOptions, Purpose};
use colony_agents::{Interest, Missed, Schedule, ScheduleError};
use colony_core::{AgentName, DocumentName, EntityName, EntryKind, EventType, Filter};

/// What the agent listens to, and the command that reacts.
#[derive(Debug, Clone, Args)]
pub(crate) struct HandlerArgs {
    #[command(flatten)]
    listen: ListenArgs,
    /// The command that reacts, with its arguments: docs/agent-protocol.md tells what it reads and writes.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// What an agent listens to. An option given several times means any of its values.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "What the agent listens to")]
struct ListenArgs {
    /// Events of this type (`task.offered`).
    #[arg(long = "on", value_name = "TYPE")]
    types: Vec<EventType>,
    /// Events about this entity; with `--on`, only those of its types.
    #[arg(long = "entity", value_name = "NAME")]
    entities: Vec<EntityName>,
    /// Only what this author says: events, mail and changes of documents.
    #[arg(long = "author", value_name = "AGENT")]
    authors: Vec<AgentName>,
    /// Mail to the agent.
    #[arg(long)]
    mail: bool,
    /// Changes of this document.
    #[arg(long = "document", value_name = "NAME")]
    documents: Vec<DocumentName>,
    /// Ticks (`schedule.ticked`): a name and a cron expression, with a time zone and what happens about missed ones
    /// (`once`, `all` or `skip`) if wanted.
    #[arg(long = "schedule", value_name = "NAME=CRON[@ZONE][,missed=HOW]", value_parser = schedule)]
    schedules: Vec<Schedule>,
}

/// A text is no schedule.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScheduleArgError {
    #[error("a schedule is written NAME=CRON, like 'nightly=0 3 * * *@Europe/Berlin,missed=skip'")]
    Form,
    #[error("missed ticks come `once`, `all`, or not (`skip`); not {0:?}")]
    Missed(String),
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
}

fn schedule(text: &str) -> Result<Schedule, ScheduleArgError> {
    let (name, rest) = text.split_once('=').ok_or(ScheduleArgError::Form)?;
    let (rest, missed) = match rest.split_once(",missed=") {
        None => (rest, Missed::default()),
        Some((rest, "once")) => (rest, Missed::RunOnce),
        Some((rest, "all")) => (rest, Missed::RunAll),
        Some((rest, "skip")) => (rest, Missed::Skip),
        Some((_, other)) => return Err(ScheduleArgError::Missed(other.to_owned())),
    };
    // Some expressions are words that begin so (`@daily`).
    let (cron, zone) = match rest.rsplit_once('@') {
        Some((cron, zone)) if !cron.is_empty() => (cron, Some(zone)),
        Some(_) | None => (rest, None),
    };
    Ok(Schedule::new(name, cron, zone)?.missed(missed))
}

impl HandlerArgs {
    /// Starts the command as an agent of this name. One that listens to nothing does nothing.
    pub(crate) fn start(
        self,
        name: &AgentName,
        purpose: Purpose,
    ) -> Result<CommandAgent, CommandError> {
        let Self { listen, command } = self;
        let schedules = listen.schedules.clone();
        let mut words = command.into_iter();
        let program = words.next().unwrap_or_default();
        let arguments = words.collect();
        let interest = listen.into_interest(name);
        CommandAgent::start(CommandOptions { program, arguments, interest, schedules, purpose })
    }

    /// Returns whether the agent would hear anything at all.
    pub(crate) fn listens(&self) -> bool {
        let ListenArgs { types, entities, authors, mail, documents, schedules } = &self.listen;
        *mail
            || !(types.is_empty()
                && entities.is_empty()
                && authors.is_empty()
                && documents.is_empty()
                && schedules.is_empty())
    }
}

impl ListenArgs {
    fn into_interest(self, name: &AgentName) -> Interest {
        let Self { types, entities, authors, mail, documents, schedules } = self;
        let authors: std::collections::BTreeSet<_> = authors.into_iter().collect();
        let mut interest = Interest::default();
        let other = mail || !documents.is_empty() || !schedules.is_empty();
        if !types.is_empty() || !entities.is_empty() || !other {
            interest = interest.or(Interest::in_entries(Filter {
                kinds: [EntryKind::Event].into(),
                types: types.into_iter().collect(),
                entities: entities.into_iter().collect(),
                authors: authors.clone(),
                ..Filter::default()
            }));
        }
        if mail {
            interest = interest.or(Interest::in_entries(Filter {
                kinds: [EntryKind::Mail].into(),
                recipients: [name.clone()].into(),
                authors: authors.clone(),
                ..Filter::default()
            }));
        }
        if !documents.is_empty() {
            interest = interest.or(Interest::in_entries(Filter {
                kinds: [EntryKind::Document].into(),
                documents: documents.into_iter().collect(),
                authors,
                ..Filter::default()
            }));
        }
        if !schedules.is_empty() {
            interest = interest.or(Interest::in_ticks());
        }
        interest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_a_name_a_cron_expression_a_zone_and_a_policy() {
        for good in [
            "nightly=0 3 * * *",
            "nightly=0 3 * * *@Europe/Berlin",
            "often=*/5 * * * * *,missed=all",
            "daily=@daily,missed=skip",
            "daily=@daily@Europe/Berlin",
        ] {
            assert!(schedule(good).is_ok(), "{good}: {:?}", schedule(good));
        }
        assert!(matches!(schedule("0 3 * * *"), Err(ScheduleArgError::Form)));
        let missed = schedule("nightly=0 3 * * *,missed=never");
        assert!(matches!(missed, Err(ScheduleArgError::Missed(_))));
        assert!(matches!(schedule("nightly=soon"), Err(ScheduleArgError::Schedule(_))));
    }
}
