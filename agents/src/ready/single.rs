//! One ready-made agent by itself, with everything that the runtime promises.

use std::convert::Infallible;

use colony_core::replay::Projection as _;
use colony_core::{AgentName, Entry, Filter};

use super::act::Act;
use super::role::{News, Role, View};
use super::space::Space;
use crate::agent::{Agent, HandlerError};
use crate::interest::Interest;
use crate::protocol::directory::{Command as DirectoryCommand, Directory};
use crate::protocol::{Coordination, Json, Outcome};
use crate::reaction::Reaction;
use crate::reactor::TICKED;
use crate::schedule::{Missed, Schedule};

/// Makes an [`Agent`] of a role: reactions are committed once whatever the number of instances, work is a recorded effect, and all of
/// it can be replayed.
///
/// It folds the log for itself and works within its handler: what it holds must not lapse before
/// [`InstanceOptions::handler_timeout`](crate::InstanceOptions::handler_timeout). It announces itself with its first tick, a second after
/// it has begun. Many agents in one process are a [`Crew`](super::Crew)'s business.
#[derive(Debug)]
pub struct Single<R> {
    me: AgentName,
    role: R,
}

impl<R: Role> Single<R> {
    /// Makes an agent of this name, which must be that of the bus it runs on.
    pub fn new(me: AgentName, role: R) -> Self {
        Self { me, role }
    }

    async fn act(
        &self,
        space: &Space,
        acts: Vec<Act>,
        reaction: &mut Reaction,
    ) -> Result<(), HandlerError> {
        let view = View { me: &self.me, space, now: reaction.now() };
        let mut open = acts;
        while let Some(act) = (!open.is_empty()).then(|| open.remove(0)) {
            match act {
                Act::Say(say) => reaction.emit(say.into_draft())?,
                Act::Work { task, fence, work } => {
                    let Some(found) = space.agreed().tasks.get(&task) else { continue };
                    let offered = found.offer.said.clone();
                    let name = format!("work-{fence}");
                    // That work fails is a result like any other: recorded, not tried again.
                    let run = |_| async {
                        let result = work.run(&task, &offered).await;
                        Ok::<_, Infallible>(result.map_err(|error| error.to_string()))
                    };
                    let told: Result<Json, String> = reaction.effect(&name, run).await?;
                    let result = told.as_ref().map_err(String::as_str);
                    open.extend(
                        self.role.react(&view, &News::Worked { task: &task, fence, result }),
                    );
                }
            }
        }
        Ok(())
    }
}

impl<R: Role> Agent for Single<R> {
    type State = Space;

    fn interest(&self) -> Interest {
        let own = Filter { authors: [self.me.clone()].into(), ..Coordination::filter() };
        let heard = Interest::in_entries(Coordination::filter()).or(Interest::in_entries(own));
        heard.or(Interest::in_ticks())
    }

    fn evolve(&self, space: &mut Space, entry: &Entry) {
        space.evolve(entry);
    }

    fn state_version(&self) -> u32 {
        Coordination.version()
    }

    fn schedules(&self) -> Vec<Schedule> {
        Schedule::new("time", "* * * * * *", None)
            .map(|s| s.missed(Missed::Skip))
            .into_iter()
            .collect()
    }

    async fn react(
        &self,
        space: &Space,
        entry: &Entry,
        reaction: &mut Reaction,
    ) -> Result<(), HandlerError> {
        let view = View { me: &self.me, space, now: reaction.now() };
        let mut acts = Vec::new();
        if entry.event().ty.as_str() == TICKED {
            let agreed = space.agreed();
            let listed = agreed.directory.get(&self.me);
            if let Some(card) = self.role.card()
                && (listed.is_none_or(|l| l.card != card) || space.rota().is_passed_over(&self.me))
            {
                let announce = DirectoryCommand::Announce(Box::new(card));
                acts.extend(view.decide::<Directory>(announce, ""));
            }
            acts.extend(self.role.react(&view, &News::Time));
            let first = space.rota().idle().next() == Some(&self.me);
            if first && let Some(task) = space.rota().overdue(view.now).next() {
                acts.extend(self.role.react(&view, &News::Turn(task)));
            }
            return self.act(space, acts, reaction).await;
        }
        let event = entry.event();
        let mine = event.author == self.me || event.recipient.as_ref() == Some(&self.me);
        if mine || self.role.hears_all() {
            // What became of it is told by the fold: the latest that was ignored, or applied.
            let ignored = space.agreed().ignored.reason(entry.position).cloned();
            let outcome = ignored.map_or(Outcome::Applied, Outcome::Ignored);
            acts.extend(self.role.react(&view, &News::Said(entry, &outcome)));
        }
        let change = space.latest();
        // Who takes over says that a hold lapsed and claims at once.
        let claimed = event.author == self.me && event.ty.as_str() == "task.lapsed";
        if !claimed
            && change.turns.contains(&self.me)
            && let Some(turn) = space.rota().turn(&self.me)
        {
            acts.extend(self.role.react(&view, &News::Turn(&turn.task)));
        }
        if let Some(hold) = &change.hold
            && hold.owner == self.me
        {
            let news = News::Holds { task: &hold.task, fence: hold.fence };
            acts.extend(self.role.react(&view, &news));
        }
        self.act(space, acts, reaction).await
    }
}
