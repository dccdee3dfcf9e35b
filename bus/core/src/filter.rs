//! Which entries a reader wants.

use std::collections::BTreeSet;

use crate::envelope::Entry;
use crate::limits::MAX_SERVER_FILTERS;
use crate::name::{AgentName, DocumentName, EntityName, EventId, EventType, SpaceName};
use crate::subject::{Address, Kind, Pattern, Token, author_filter, space_filter};

/// Selects entries. Each list that is not empty must hold the entry's value; lists are joined by "and".
///
/// The default selects everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Kinds of entries.
    pub kinds: BTreeSet<EntryKind>,
    /// Types of events, whole (`task.claimed`).
    pub types: BTreeSet<EventType>,
    /// Authors.
    pub authors: BTreeSet<AgentName>,
    /// Entities of events.
    pub entities: BTreeSet<EntityName>,
    /// Agents that mail is addressed to.
    pub recipients: BTreeSet<AgentName>,
    /// Documents, of changes and snapshots.
    pub documents: BTreeSet<DocumentName>,
    /// Roots of stories: entries whose correlation, or own id, is one of these.
    pub correlations: BTreeSet<EventId>,
}

/// The kinds of entries, as a reader chooses among them.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    /// Domain events.
    Event,
    /// Events addressed to one agent.
    Mail,
    /// Document changes.
    Document,
    /// Document snapshots.
    Snapshot,
    /// Recorded effects.
    Effect,
    /// Cursors of lanes.
    Cursor,
    /// Heads of entities.
    Head,
}

impl EntryKind {
    /// Every kind, in the order of the design's table.
    pub const ALL: [EntryKind; 7] = [
        Self::Event,
        Self::Mail,
        Self::Document,
        Self::Snapshot,
        Self::Effect,
        Self::Cursor,
        Self::Head,
    ];

    /// Returns the kind of an address.
    pub fn of(address: &Address) -> Self {
        match address {
            Address::Head { .. } => Self::Head,
            Address::Lane { kind, .. } => match kind {
                Kind::Event { .. } => Self::Event,
                Kind::Mail { .. } => Self::Mail,
                Kind::Document(_) => Self::Document,
                Kind::Snapshot(_) => Self::Snapshot,
                Kind::Effect(_) => Self::Effect,
                Kind::Cursor => Self::Cursor,
            },
        }
    }

    /// Returns the kind's token, in subjects and for people.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Mail => "mail",
            Self::Document => "doc",
            Self::Snapshot => "snapshot",
            Self::Effect => "effect",
            Self::Cursor => "cursor",
            Self::Head => "head",
        }
    }
}

impl Filter {
    /// Selects every entry.
    pub fn all() -> Self {
        Self::default()
    }

    /// Selects events and mail: what agents say, without documents and bookkeeping.
    pub fn events() -> Self {
        Self { kinds: [EntryKind::Event, EntryKind::Mail].into(), ..Self::default() }
    }

    /// Selects the changes of one document.
    pub fn document(name: DocumentName) -> Self {
        Self { kinds: [EntryKind::Document].into(), documents: [name].into(), ..Self::default() }
    }

    /// Selects what is in the lanes of one author: all that it said, but for the heads of entities that it moved.
    pub fn lanes_of(author: AgentName) -> Self {
        let kinds = EntryKind::ALL.into_iter().filter(|kind| *kind != EntryKind::Head);
        Self { kinds: kinds.collect(), authors: [author].into(), ..Self::default() }
    }

    /// Returns whether the filter selects everything.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether an entry is selected.
    pub fn matches(&self, entry: &Entry) -> bool {
        fn wants<T: Ord>(list: &BTreeSet<T>, value: Option<&T>) -> bool {
            list.is_empty() || value.is_some_and(|value| list.contains(value))
        }
        let event = entry.event();
        let kind = entry.kind();
        let entity = match kind {
            Some(Kind::Event { .. } | Kind::Mail { .. }) | None => event.entity.as_ref(),
            Some(_) => None,
        };
        let document = match kind {
            Some(Kind::Document(name) | Kind::Snapshot(name)) => Some(name),
            Some(_) | None => None,
        };
        wants(&self.kinds, Some(&EntryKind::of(&entry.address)))
            && wants(&self.types, Some(&event.ty))
            && wants(&self.authors, Some(&event.author))
            && wants(&self.entities, entity)
            && wants(&self.recipients, event.recipient.as_ref())
            && wants(&self.documents, document)
            && (self.correlations.is_empty()
                || self.correlations.contains(&event.id)
                || event.correlation.as_ref().is_some_and(|c| self.correlations.contains(c)))
    }

    /// Returns subject filters that together select at least what this filter selects.
    ///
    /// Non-overlapping, as servers require. What they let through in excess, [`Filter::matches`] leaves
    /// out; where exact ones would be more than [`MAX_SERVER_FILTERS`], coarser ones are returned.
    pub fn subjects(&self, space: &SpaceName) -> Vec<String> {
        if !self.authors.is_empty() && self.authors.len() > MAX_SERVER_FILTERS {
            return vec![space_filter(space)];
        }
        for detail in [true, false] {
            let subjects = self.patterns(space, detail);
            if subjects.len() <= MAX_SERVER_FILTERS {
                return subjects;
            }
        }
        vec![space_filter(space)]
    }

    fn patterns(&self, space: &SpaceName, detail: bool) -> Vec<String> {
        let any = self.kinds.is_empty()
            && self.types.is_empty()
            && self.entities.is_empty()
            && self.recipients.is_empty()
            && self.documents.is_empty();
        if any && self.authors.is_empty() {
            return vec![space_filter(space)];
        }
        if let Some(author) = self.authors.first()
            && *self == Self::lanes_of(author.clone())
        {
            return vec![author_filter(space, author)];
        }
        let authors: Vec<Option<&str>> = options(self.authors.iter().map(AgentName::as_str), true);
        let mut out = BTreeSet::new();
        for kind in EntryKind::ALL {
            if !self.kinds.is_empty() && !self.kinds.contains(&kind) {
                continue;
            }
            let types: Vec<Option<&EventType>> = options(self.types.iter(), detail);
            let entities: Vec<Option<&str>> =
                options(self.entities.iter().map(EntityName::as_str), detail);
            let documents: Vec<Option<&str>> =
                options(self.documents.iter().map(DocumentName::as_str), detail);
            let recipients: Vec<Option<&str>> =
                options(self.recipients.iter().map(AgentName::as_str), detail);
            for author in &authors {
                let mut push = |rest: &[Token<'_>]| {
                    let pattern = Pattern { author: *author, kind: kind.token(), rest };
                    out.insert(pattern.encode(space));
                };
                match kind {
                    EntryKind::Event if self.documents.is_empty() && self.recipients.is_empty() => {
                        for ty in &types {
                            for entity in &entities {
                                push(&[noun(*ty), verb(*ty), part(*entity)]);
                            }
                        }
                    }
                    EntryKind::Mail if self.documents.is_empty() => {
                        for recipient in &recipients {
                            for ty in &types {
                                push(&[part(*recipient), noun(*ty), verb(*ty)]);
                            }
                        }
                    }
                    EntryKind::Document | EntryKind::Snapshot
                        if self.entities.is_empty() && self.recipients.is_empty() =>
                    {
                        for document in &documents {
                            push(&[part(*document)]);
                        }
                    }
                    EntryKind::Effect
                        if self.entities.is_empty()
                            && self.recipients.is_empty()
                            && self.documents.is_empty() =>
                    {
                        push(&[Token::Any]);
                    }
                    EntryKind::Cursor
                        if self.entities.is_empty()
                            && self.recipients.is_empty()
                            && self.documents.is_empty() =>
                    {
                        push(&[]);
                    }
                    EntryKind::Head if self.documents.is_empty() && self.recipients.is_empty() => {
                        let pattern = Pattern {
                            author: None,
                            kind: kind.token(),
                            rest: &[Token::Any, Token::Any],
                        };
                        out.insert(pattern.encode(space));
                    }
                    EntryKind::Event
                    | EntryKind::Mail
                    | EntryKind::Document
                    | EntryKind::Snapshot
                    | EntryKind::Effect
                    | EntryKind::Cursor
                    | EntryKind::Head => {}
                }
            }
        }
        if out.is_empty() {
            // A contradiction (a document that is mail, say) selects nothing.
            out.insert(Pattern { author: None, kind: "nothing", rest: &[] }.encode(space));
        }
        out.into_iter().collect()
    }
}

fn part(value: Option<&str>) -> Token<'_> {
    value.map_or(Token::Any, Token::Name)
}

fn noun(ty: Option<&EventType>) -> Token<'_> {
    ty.map_or(Token::Any, |ty| Token::Name(ty.noun()))
}

fn verb(ty: Option<&EventType>) -> Token<'_> {
    match ty {
        None => Token::Any,
        Some(ty) => ty.verb().map_or(Token::None, Token::Name),
    }
}

fn options<T>(values: impl Iterator<Item = T>, detail: bool) -> Vec<Option<T>> {
    let list: Vec<Option<T>> = if detail { values.map(Some).collect() } else { Vec::new() };
    if list.is_empty() { vec![None] } else { list }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> SpaceName {
        "lab".parse().unwrap()
    }

    #[test]
    fn an_empty_filter_reads_the_whole_space() {
        assert_eq!(Filter::all().subjects(&space()), ["colony.lab.>"]);
    }

    #[test]
    fn what_needs_two_subjects_reads_the_whole_space() {
        let ty = "task.done".parse().unwrap();
        let both = Filter { types: [ty].into(), ..Filter::events() };
        assert_eq!(both.subjects(&space()), ["colony.lab.>"]);
        let events = Filter { kinds: [EntryKind::Event].into(), ..both };
        assert_eq!(events.subjects(&space()), ["colony.lab.*.*.event.task.done.*"]);
    }

    #[test]
    fn many_values_fall_back_to_coarser_subjects() {
        let types = (0..100).map(|n| format!("task.t{n}").parse().unwrap()).collect();
        let filter = Filter { types, kinds: [EntryKind::Event].into(), ..Filter::default() };
        assert_eq!(filter.subjects(&space()), ["colony.lab.*.*.event.*.*.*"]);
    }

    #[test]
    fn a_document_of_an_author_is_one_subject() {
        let mut filter = Filter::document("notes".parse().unwrap());
        filter.authors.insert("ada".parse().unwrap());
        assert_eq!(filter.subjects(&space()), ["colony.lab.ada.*.doc.notes"]);
    }

    #[test]
    fn the_lanes_of_an_author_are_one_subject() {
        let lanes = Filter::lanes_of("ada".parse().unwrap());
        assert_eq!(lanes.subjects(&space()), ["colony.lab.ada.>"]);
        // Heads that she moved are elsewhere.
        let all = Filter { authors: lanes.authors, ..Filter::default() };
        assert_eq!(all.subjects(&space()), ["colony.lab.>"]);
    }
}
