//! The options that choose entries.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use colony_core::{AgentName, DocumentName, EntityName, EntryKind, EventId, EventType, Filter};

/// Which entries. An option given several times means any of its values; different options must all hold.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Which entries")]
pub(crate) struct FilterArgs {
    /// Events of this type (`task.claimed`).
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<EventType>,
    /// Entries of this author.
    #[arg(long = "author", value_name = "AGENT")]
    authors: Vec<AgentName>,
    /// Events about this entity.
    #[arg(long = "entity", value_name = "NAME")]
    entities: Vec<EntityName>,
    /// Mail to this agent.
    #[arg(long = "to", value_name = "AGENT")]
    recipients: Vec<AgentName>,
    /// Entries of this kind.
    #[arg(long = "kind", value_name = "KIND", value_parser = kinds())]
    kinds: Vec<EntryKind>,
    /// Changes of this document.
    #[arg(long = "document", value_name = "NAME")]
    documents: Vec<DocumentName>,
    /// Events of the story that began with the event of this id.
    #[arg(long = "story", value_name = "ID")]
    stories: Vec<EventId>,
}

fn kinds() -> impl clap::builder::TypedValueParser<Value = EntryKind> {
    PossibleValuesParser::new(EntryKind::ALL.map(EntryKind::token)).map(|token| {
        let found = EntryKind::ALL.into_iter().find(|kind| kind.token() == token);
        // The parser before this one lets only tokens through.
        found.unwrap_or(EntryKind::Event)
    })
}

impl From<FilterArgs> for Filter {
    fn from(args: FilterArgs) -> Self {
        let FilterArgs { types, authors, entities, recipients, kinds, documents, stories } = args;
        Self {
            kinds: kinds.into_iter().collect(),
            types: types.into_iter().collect(),
            authors: authors.into_iter().collect(),
            entities: entities.into_iter().collect(),
            recipients: recipients.into_iter().collect(),
            documents: documents.into_iter().collect(),
            correlations: stories.into_iter().collect(),
        }
    }
}
