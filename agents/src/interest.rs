//! What an agent listens to.

use colony_core::{AgentName, Entry, EntryKind, EventType, Filter};

use crate::reactor::TICKED;

/// Selects the entries that an agent listens to: those that one of its filters selects.
///
/// Some kinds of entries it never hears, whatever the filters say:
/// * bookkeeping: cursors, effects, heads and snapshots;
/// * what it said itself, but for the ticks of its schedules, unless a filter names it as an author;
/// * ticks of others, unless a filter names them as authors;
/// * mail to others, unless a filter names them as recipients.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interest {
    filters: Vec<Filter>,
}

impl Interest {
    /// Listens to what a filter selects.
    pub fn in_entries(filter: Filter) -> Self {
        Self { filters: vec![filter] }
    }

    /// Listens to events of some types, whoever they are about.
    pub fn in_types(types: impl IntoIterator<Item = EventType>) -> Self {
        let (types, kinds) = (types.into_iter().collect(), [EntryKind::Event].into());
        Self::in_entries(Filter { types, kinds, ..Filter::default() })
    }

    /// Listens to the ticks of the agent's own schedules.
    pub fn in_ticks() -> Self {
        #[expect(clippy::unwrap_used, reason = "the constant is a type of events")]
        Self::in_types([TICKED.parse().unwrap()])
    }

    /// Listens to mail addressed to an agent.
    pub fn in_mail_to(recipient: AgentName) -> Self {
        let kinds = [EntryKind::Mail].into();
        let recipients = [recipient].into();
        Self::in_entries(Filter { kinds, recipients, ..Filter::default() })
    }

    /// Listens to what another interest selects, too.
    pub fn or(mut self, other: Interest) -> Self {
        self.filters.extend(other.filters);
        self
    }

    /// Returns whether an agent of this name listens to an entry.
    pub fn selects(&self, me: &AgentName, entry: &Entry) -> bool {
        let event = entry.event();
        let heard = |filter: &Filter| match EntryKind::of(&entry.address) {
            EntryKind::Event | EntryKind::Document => true,
            EntryKind::Mail => {
                !filter.recipients.is_empty() || event.recipient.as_ref() == Some(me)
            }
            EntryKind::Snapshot | EntryKind::Effect | EntryKind::Cursor | EntryKind::Head => false,
        };
        let tick = event.ty.as_str() == TICKED;
        let own = |filter: &Filter| match filter.authors.is_empty() {
            // A tick is for who has the schedule, anything else for the others.
            true => (event.author == *me) == tick,
            false => filter.authors.contains(&event.author),
        };
        self.filters.iter().any(|f| heard(f) && own(f) && f.matches(entry))
    }

    /// Returns a filter of entries for the server: it selects at least what is wanted.
    pub(crate) fn filter(&self) -> Filter {
        match self.filters.as_slice() {
            [filter] => filter.clone(),
            _ => Filter::all(),
        }
    }
}
