//! Which event is next, who handles it, and what came of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use colony_core::{Entry, LaneName};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::{Context, Current, LONGEST_PAUSE, LOOK, LOOK_SOON, LaneTask, QUEUE};
use crate::derived::partition_of;
use crate::instance::handling::{Bounds, Handled, Source};
use crate::instance::options::Preference;
use crate::reaction::{
    Concluded, Documents, EffectSource, GroundSource, Grounds, Patience, Recorded, Recording,
};
use crate::reactor::{EffectFate, ParkedEvent, Verdict};

impl LaneTask {
    /// Folds events into the state up to the next one that is to be handled.
    pub(super) fn take_events(&mut self, now: Instant) {
        while self.current.is_none() && !self.reactor.is_behind() {
            let works = self.works(now);
            if works && !self.worked {
                // Another instance has worked so far.
                self.worked = true;
                self.reactor.suspect();
                return;
            }
            self.worked = works;
            let works = works && self.stop_at.is_none() && self.reactor.has_room();
            if works && let Some(parked) = self.reactor.due() {
                self.current = Some(Current {
                    event: parked.event,
                    entity: parked.entity.clone(),
                    source: Source::Log(parked.event),
                    resumed: true,
                    attempts: 0,
                    pause: None,
                    edited: None,
                });
                return;
            }
            let Some(entry) = self.queue.front().cloned() else { return };
            let (event, entity) = (entry.position, entry.event().entity.clone());
            let past = event <= self.reactor.reacted().max(self.glimpsed.1);
            let verdict = if past || !self.is_mine(&entry) {
                Verdict::Past
            } else if !works {
                return;
            } else {
                self.reactor.judge(event, entity.as_ref())
            };
            if verdict == Verdict::Full {
                return;
            }
            self.mind.fold(&entry);
            self.queue.pop_front();
            if verdict == Verdict::React {
                let source = Source::Here(entry);
                self.current = Some(Current {
                    event,
                    entity,
                    source,
                    resumed: false,
                    attempts: 0,
                    pause: None,
                    edited: None,
                });
            }
        }
    }

    /// Returns whether an event belongs to this lane.
    pub(super) fn is_mine(&self, entry: &Entry) -> bool {
        partition_of(entry, self.context.options.partitions) == self.partition
    }

    /// Returns whether this instance is to work. A wrong answer costs work and nothing else.
    pub(super) fn works(&mut self, now: Instant) -> bool {
        if self.is_first() {
            self.waits_since = None;
            return true;
        }
        let Some(next) = self.queue.front().map(|entry| entry.position) else {
            self.waits_since = None;
            return false;
        };
        match self.waits_since {
            Some((waiting, since)) if waiting == next => {
                let stall = self.context.options.stall;
                self.overtakes = now.saturating_duration_since(since) >= stall;
            }
            Some(_) | None => self.waits_since = Some((next, now)),
        }
        self.overtakes
    }

    /// Returns whether this instance works before the others, as far as it can tell.
    pub(super) fn is_first(&self) -> bool {
        let me: &LaneName = self.context.bus.instance();
        self.context.options.preference == Preference::Everyone
            || self.overtakes
            || self.preferred.as_ref() == Some(me)
    }

    /// Returns when to look what others have written: how far the instance that works has come, or what is to be done
    /// about events set aside.
    pub(super) fn look_at(&self) -> Option<Instant> {
        let may_wait = self.aside.is_some() || self.waits_since.is_some();
        if !may_wait && self.reactor.view().parked().is_empty() {
            return None;
        }
        let pause = if self.queue.len() < QUEUE { LOOK } else { LOOK_SOON };
        Some(self.looked + pause)
    }

    pub(super) fn start_handler(&mut self) {
        let Some(current) = &mut self.current else { return };
        current.pause = None;
        let Context { bus, options, .. } = self.context.as_ref();
        let recorded = self.reactor.view().effects_of(current.event);
        let recordings = Some(self.recordings.0.clone());
        let effects = EffectSource {
            bus: bus.clone(),
            recorded,
            recordings,
            patience: Patience::default(),
            asked: BTreeMap::new(),
        };
        let bounds = Bounds {
            timeout: options.handler_timeout,
            max_hops: options.max_hops,
            max_outputs: self.reactor.limits().unit_entries - 1,
        };
        // What was set aside is handled with a state of its own, and so it is with documents.
        let until = if current.resumed { self.mind.folded() } else { current.event };
        let asks = GroundSource::Lane(self.asks.0.clone());
        let documents = Documents::new(bus.clone(), self.partition, until, asks, self.desk.clone());
        let source = current.source.clone();
        let handling = self.mind.handle(source, effects, documents, bus.clone(), bounds);
        let span =
            tracing::debug_span!("reaction", event = %current.event, attempt = current.attempts);
        self.began_handling = Instant::now();
        self.handler = Some(match span.is_disabled() {
            true => handling,
            false => Box::pin(handling.instrument(span)),
        });
    }

    pub(super) fn drop_current(&mut self) {
        self.handler = None;
        self.recording = None;
        self.asking = None;
        while self.recordings.1.try_recv().is_ok() {}
        while self.asks.1.try_recv().is_ok() {}
        self.current = None;
    }

    pub(super) fn handled(&mut self, handled: Handled) {
        let Some(mut current) = self.current.take() else { return };
        current.attempts += 1;
        let context = Arc::clone(&self.context);
        let counters = &context.counters;
        counters.handled(self.began_handling.elapsed());
        let (event, entity) = (current.event, current.entity.as_ref());
        match handled {
            Handled::Done(Concluded { outputs, edited }) => {
                counters.reacted();
                let outputs = outputs.into_iter().map(Arc::new).collect();
                let grounds = edited.as_ref().map(|edited| edited.changed);
                let taken = match current.resumed {
                    true => self.reactor.resume(event, self.mind.folded(), outputs, grounds),
                    false => self.reactor.react(event, entity, outputs, grounds),
                };
                if !taken {
                    tracing::debug!(%event, "the lane has changed documents meanwhile");
                    current.attempts -= 1;
                    self.current = Some(current);
                } else if edited.is_some() {
                    current.edited = edited;
                    self.current = Some(current);
                }
            }
            Handled::Unread(error) => {
                tracing::debug!(%event, %error, "the event cannot be read yet");
                current.attempts = 0;
                current.pause = Some(Instant::now() + LONGEST_PAUSE);
                self.current = Some(current);
            }
            Handled::Failed { reason, lasting } => {
                let pause = self.context.options.retry.pause_after(current.attempts);
                match pause.filter(|_| !lasting) {
                    Some(pause) => {
                        counters.retried();
                        tracing::info!(%event, %reason, attempts = current.attempts, "will try again");
                        current.pause = Some(Instant::now() + pause);
                        self.current = Some(current);
                    }
                    None => {
                        counters.parked();
                        tracing::warn!(%event, %reason, "the event is set aside");
                        let Current { event, entity, attempts, .. } = current;
                        let parked = ParkedEvent { event, entity, reason, attempts, due: false };
                        self.reactor.park(parked);
                    }
                }
            }
        }
    }

    /// Handles an event again whose reaction was dropped, because the lane has changed documents that it did not know of.
    pub(super) fn make_again(&mut self) {
        if let Some(current) = &mut self.current
            && current.edited.is_some()
            && !self.reactor.is_behind()
            && !self.reactor.holds(current.event)
        {
            tracing::debug!(event = %current.event, "the reaction will not be stored as it is");
            current.edited = None;
            if self.reactor.deals_with(current.event) {
                // It is set aside instead.
                self.current = None;
            }
        }
    }

    /// Keeps the copies of documents whose edits have just been stored.
    pub(super) fn keep_edited(&mut self) {
        if let Some(current) = &mut self.current
            && !self.reactor.holds(current.event)
            && let Some(edited) = current.edited.take()
        {
            self.desk.put_stored(edited, self.reactor.view().end().last);
            self.current = None;
        }
    }

    /// Tells a handler that wants a document what the lane holds, once everything done is stored.
    pub(super) fn answer_asking(&mut self) {
        if self.asking.is_some() && !self.reactor.is_behind() && self.reactor.is_settled() {
            let (end, changed) = (self.reactor.view().end().last, self.reactor.changed());
            if let Some(asking) = self.asking.take() {
                drop(asking.send(Grounds { end, changed }));
            }
        }
    }

    /// Lets the lane tell from time to time how far it has reacted, when no output does.
    pub(super) fn mind_silence(&mut self, now: Instant) {
        if !self.reactor.is_silent() {
            self.silent_since = None;
            return;
        }
        let since = *self.silent_since.get_or_insert(now);
        let interval = self.context.options.cursor_interval;
        if now.saturating_duration_since(since) >= interval || self.stop_at.is_some() {
            self.reactor.tell_cursor();
        }
    }

    /// Takes a result to be recorded. One that is on its way already, brought by an attempt that was given up, counts.
    pub(super) fn record(&mut self, recording: Recording) {
        let Recording { note, output, answer } = recording;
        let id = note.id.clone();
        match self.reactor.effect(&id) {
            EffectFate::Recorded(position) => drop(answer.send(Recorded::There(position))),
            EffectFate::Pending => self.recording = Some((id, answer, false)),
            EffectFate::Dropped => match self.reactor.record(note, Arc::new(output)) {
                true => self.recording = Some((id, answer, true)),
                false => drop(answer.send(Recorded::Nowhere)),
            },
        }
    }

    /// Tells the handler what became of the result that it wants recorded.
    pub(super) fn answer_recording(&mut self, ours: bool) {
        let Some((id, _, brought)) = &self.recording else { return };
        let (fate, ours) = (self.reactor.effect(id), ours && *brought);
        let told = match fate {
            EffectFate::Pending => return,
            EffectFate::Recorded(_) if ours => Recorded::Here,
            EffectFate::Recorded(position) => Recorded::There(position),
            EffectFate::Dropped => Recorded::Nowhere,
        };
        if let Some((_, answer, _)) = self.recording.take() {
            drop(answer.send(told));
        }
    }
}
