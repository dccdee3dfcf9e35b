//! A scribe: says from time to time how the work stands, for those who do not fold.

use colony_core::{Data, EntityName};
use serde_json::json;

use super::act::{Act, Say};
use super::role::{News, Role, View};
use crate::protocol::directory::Card;
use crate::protocol::task::Column;
use crate::protocol::{Draft, Outcome};

/// Appends `board.noted` whenever so many more deliveries were made: how many tasks stand in each column.
#[derive(Debug, Clone)]
pub struct Scribe {
    /// What its notes are about.
    pub board: EntityName,
    /// After how many deliveries it notes. 0 counts as 1.
    pub every: u64,
}

impl Role for Scribe {
    fn card(&self) -> Option<Card> {
        Some(Card { description: "notes how the work stands".into(), ..Card::default() })
    }

    fn hears_all(&self) -> bool {
        true
    }

    fn react(&self, view: &View<'_>, news: &News<'_>) -> Vec<Act> {
        // What everybody ignores is no delivery.
        let News::Said(entry, Outcome::Applied) = news else { return Vec::new() };
        if entry.event().ty.as_str() != "task.done" {
            return Vec::new();
        }
        let tasks = &view.agreed().tasks;
        if !view.space.rota().deliveries().is_multiple_of(self.every.max(1)) {
            return Vec::new();
        }
        let board = tasks.board(view.agreed().time());
        let count = |column| board.column(column).count();
        let note = json!({
            "position": entry.position,
            "free": count(Column::Free),
            "waiting": count(Column::Waiting),
            "doing": count(Column::Doing),
            "blocked": count(Column::Blocked),
            "done": count(Column::Done) + count(Column::Verified),
            "overdue": board.cards.iter().filter(|card| card.overdue).count(),
        });
        let Ok(ty) = "board.noted".parse() else { return Vec::new() };
        let data = Data::Json { text: note.to_string(), content_type: None };
        let draft = Draft { ty, entity: self.board.clone(), recipient: None, data };
        vec![Act::Say(Say { draft, why: String::new() })]
    }
}
