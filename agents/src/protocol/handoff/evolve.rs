//! The rules of handoffs.

use colony_core::EntityName;

use super::decide::{Command, Rejection, plan};
use super::event::{Accepted, Answered, Asked, Completed, Declined, HandoffEvent, Offered};
use super::state::{Answer, Handoff, Handoffs, HandoffsState, Phase, Question};
use crate::protocol::limits::MAX_ANSWERS;
use crate::protocol::reputation::Deed;
use crate::protocol::rules::{Context, Plan, Protocol};
use crate::protocol::schema;

impl Protocol for Handoffs {
    const NOUNS: &'static [&'static str] = &["handoff", "clarification"];
    type Event = HandoffEvent;
    type Command = Command;
    type State = HandoffsState;
    type Rejection = Rejection;

    fn plan(
        state: &HandoffsState,
        command: Command,
        context: &Context<'_>,
    ) -> Result<Plan<HandoffEvent>, Rejection> {
        plan(state, command, context)
    }

    fn excerpt(state: &HandoffsState, plan: &Plan<HandoffEvent>, _: &Context<'_>) -> HandoffsState {
        // An event may reach one handoff further: the one that it passes on or asks about.
        let further = plan.events.iter().filter_map(|event| match event {
            HandoffEvent::Offered(said) => said.continues.as_ref(),
            HandoffEvent::Asked(said) => Some(&said.handoff),
            HandoffEvent::Accepted(_)
            | HandoffEvent::Declined(_)
            | HandoffEvent::Completed(_)
            | HandoffEvent::Answered(_) => None,
        });
        let entity = &plan.entity;
        let copy = |name: &EntityName| Some((name.clone(), state.get(name)?.clone()));
        let question = state.question(entity).map(|known| (entity.clone(), known.clone()));
        HandoffsState {
            handoffs: further.chain([entity]).filter_map(copy).collect(),
            questions: question.into_iter().collect(),
        }
    }

    fn evolve(
        state: &mut HandoffsState,
        entity: &EntityName,
        event: HandoffEvent,
        context: &Context<'_>,
    ) -> Result<Vec<Deed>, Rejection> {
        match event {
            HandoffEvent::Offered(said) => state.offer(entity, said, context)?,
            HandoffEvent::Accepted(said) => state.known(entity)?.accept(&said, context)?,
            HandoffEvent::Declined(Declined { .. }) => state.known(entity)?.decline(context)?,
            HandoffEvent::Completed(said) => state.known(entity)?.complete(said, context)?,
            HandoffEvent::Asked(said) => state.ask(entity, said, context)?,
            HandoffEvent::Answered(said) => state.answer(entity, said, context)?,
        }
        Ok(Vec::new())
    }
}

impl HandoffsState {
    fn known(&mut self, name: &EntityName) -> Result<&mut Handoff, Rejection> {
        self.handoffs.get_mut(name).ok_or_else(|| Rejection::Unknown { name: name.clone() })
    }

    fn offer(
        &mut self,
        entity: &EntityName,
        said: Box<Offered>,
        context: &Context<'_>,
    ) -> Result<(), Rejection> {
        let now = context.time.moment();
        if let Some(Handoff { by, at, .. }) = self.get(entity) {
            return Err(Rejection::Taken { by: by.clone(), at: *at });
        }
        if let Some(until) = said.until
            && until <= now
        {
            return Err(Rejection::Past { until, now });
        }
        if let Some(schema) = &said.schema {
            schema::check_schema(schema).map_err(Rejection::Schema)?;
        }
        if let Some(before) = &said.continues {
            // Only who has it can pass it on, so a chain of hops never forks.
            let before = self.known(before)?;
            match &before.phase {
                Phase::Accepted { by, .. } if by == context.author => {
                    before.phase = Phase::PassedOn { by: by.clone(), to: entity.clone() };
                }
                phase => return Err(phase.stands_against()),
            }
        }
        let phase = Phase::Offered { only: said.to.clone() };
        let (by, at) = (context.author.clone(), context.position);
        self.handoffs.insert(entity.clone(), Handoff { by, at, since: now, said, phase });
        Ok(())
    }

    fn ask(
        &mut self,
        entity: &EntityName,
        said: Asked,
        context: &Context<'_>,
    ) -> Result<(), Rejection> {
        let Asked { handoff, question } = said;
        self.known(&handoff)?;
        if let Some(Question { by, at, .. }) = self.question(entity) {
            return Err(Rejection::Taken { by: by.clone(), at: *at });
        }
        let question = Question {
            handoff,
            by: context.author.clone(),
            at: context.position,
            since: context.time.moment(),
            question,
            answers: Vec::new(),
        };
        self.questions.insert(entity.clone(), question);
        Ok(())
    }

    fn answer(
        &mut self,
        entity: &EntityName,
        said: Answered,
        context: &Context<'_>,
    ) -> Result<(), Rejection> {
        let question = self.questions.get_mut(entity);
        let question = question.ok_or_else(|| Rejection::Unknown { name: entity.clone() })?;
        if question.answers.len() >= MAX_ANSWERS {
            return Err(Rejection::Answers { limit: MAX_ANSWERS });
        }
        let Answered { answer, sources } = said;
        let (by, at) = (context.author.clone(), context.position);
        question.answers.push(Answer { by, at, answer, sources });
        Ok(())
    }
}

impl Handoff {
    fn accept(&mut self, said: &Accepted, context: &Context<'_>) -> Result<(), Rejection> {
        let now = context.time.moment();
        if let Some(until) = said.until
            && until <= now
        {
            return Err(Rejection::Past { until, now });
        }
        match &self.phase {
            Phase::Offered { only: Some(only) } if only != context.author => {
                let until = self.said.until;
                if until.is_none_or(|until| !context.time.is_past(until)) {
                    return Err(Rejection::OnlyFor { only: only.clone(), until });
                }
            }
            Phase::Offered { .. } => {}
            // Whoever has it and stays silent beyond its own time may be taken over from.
            Phase::Accepted { until: Some(until), .. } if context.time.is_past(*until) => {}
            Phase::Accepted { .. } | Phase::PassedOn { .. } | Phase::Completed { .. } => {
                return Err(self.phase.stands_against());
            }
        }
        let (by, fence) = (context.author.clone(), context.position);
        self.phase = Phase::Accepted { by, fence, until: said.until };
        Ok(())
    }

    fn decline(&mut self, context: &Context<'_>) -> Result<(), Rejection> {
        match &self.phase {
            Phase::Offered { only: Some(only) } if only == context.author => {
                self.phase = Phase::Offered { only: None };
                Ok(())
            }
            Phase::Offered { only: Some(only) } => {
                Err(Rejection::OnlyFor { only: only.clone(), until: self.said.until })
            }
            // Nobody in particular was asked: a refusal is heard, and changes nothing.
            Phase::Offered { only: None } => Ok(()),
            Phase::Accepted { by, .. } if by == context.author => {
                self.phase = Phase::Offered { only: None };
                Ok(())
            }
            Phase::Accepted { .. } | Phase::PassedOn { .. } | Phase::Completed { .. } => {
                Err(self.phase.stands_against())
            }
        }
    }

    fn complete(&mut self, said: Completed, context: &Context<'_>) -> Result<(), Rejection> {
        match &self.phase {
            Phase::Accepted { by, fence, .. } if by == context.author && *fence == said.fence => {}
            Phase::Accepted { by, fence, .. } if by == context.author => {
                return Err(Rejection::Fence { given: said.fence, fence: *fence, by: by.clone() });
            }
            phase => return Err(phase.stands_against()),
        }
        if let Some(schema) = &self.said.schema {
            let result = said.result.as_ref().ok_or(Rejection::NoResult)?;
            schema::check(schema, result).map_err(Rejection::Schema)?;
        }
        let (by, at) = (context.author.clone(), context.position);
        self.phase = Phase::Completed { by, at, result: said.result };
        Ok(())
    }
}

impl Phase {
    /// Returns the rejection that names what stands against going on from here.
    pub(super) fn stands_against(&self) -> Rejection {
        match self {
            Self::Offered { .. } => Rejection::NotAccepted,
            Self::Accepted { by, fence, .. } => {
                Rejection::Accepted { by: by.clone(), fence: *fence }
            }
            Self::PassedOn { by, to } => Rejection::PassedOn { by: by.clone(), to: to.clone() },
            Self::Completed { by, at, .. } => Rejection::Completed { by: by.clone(), at: *at },
        }
    }
}
