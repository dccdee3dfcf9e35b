//! `colony schedule`

use colony_agents::protocol::schedule::{self, Defined, Missed, Schedules};
use colony_agents::protocol::{CoordinationState, Millis};
use colony_core::EntityName;
use serde_json::Value;

use crate::context::Context;
use crate::coordinate::{ActArgs, LookArgs, Seat, View, named};
use crate::failure::Failure;
use crate::given::{self, GIVEN};
use crate::span::{self, SPAN};

/// Recurring work, once for each tick, whatever the number of those who try.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Defines a schedule, or defines one's own anew.
    #[command(after_help = "\
Examples:
  colony schedule define tidy '30 2 * * *' --zone Europe/Berlin
  colony schedule define poll '*/10 * * * * *' --skip-later-than 5s --work '{\"url\": \"https://example.com\"}'")]
    Define {
        /// The schedule.
        #[arg(value_name = "SCHEDULE")]
        schedule: EntityName,
        /// When, as a cron expression: five fields, or six with seconds first.
        #[arg(value_name = "CRON")]
        cron: String,
        /// The time zone in which that is meant, as the IANA names it [default: UTC].
        #[arg(long, value_name = "ZONE")]
        zone: Option<String>,
        /// Makes each tick that was missed, in order, instead of the latest of them.
        #[arg(long, conflicts_with = "skip_later_than")]
        run_all: bool,
        /// Makes no tick that is later than this.
        #[arg(long, value_name = SPAN, value_parser = span::parse)]
        skip_later_than: Option<Millis>,
        /// What is to be done, for whoever reacts to a tick.
        #[arg(long, value_name = GIVEN)]
        work: Option<String>,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Makes the ticks that are due. Whose tick is applied does the work.
    Tick {
        /// The schedule.
        #[arg(value_name = "SCHEDULE")]
        schedule: EntityName,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Removes a schedule.
    Remove {
        /// The schedule.
        #[arg(value_name = "SCHEDULE")]
        schedule: EntityName,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Lists schedules, or shows one.
    Show {
        /// The schedule [default: all].
        #[arg(value_name = "SCHEDULE")]
        schedule: Option<EntityName>,
        #[command(flatten)]
        look: LookArgs,
    },
}

pub(crate) async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    let (command, act) = match command {
        Command::Define { schedule, cron, zone, run_all, skip_later_than, work, act } => {
            let missed = match (skip_later_than, run_all) {
                (Some(late_ms), _) => Missed::Skip { late_ms },
                (None, true) => Missed::RunAll,
                (None, false) => Missed::RunOnce,
            };
            let work = given::json_if(work.as_deref())?;
            (schedule::Command::Define(schedule, Defined { cron, zone, missed, work }), act)
        }
        Command::Tick { schedule, act } => (schedule::Command::Tick(schedule), act),
        Command::Remove { schedule, act } => (schedule::Command::Remove(schedule), act),
        Command::Show { schedule, look } => {
            return show(View::open(context, look).await?, schedule.as_ref());
        }
    };
    let mut seat = Seat::take(context, act).await?;
    let told = seat.act::<Schedules>(command).await?;
    let schedule = told.first().and_then(|told| told.entity.clone());
    let stands = schedule.and_then(|schedule| stands(seat.state(), &schedule));
    seat.tell(&told, "schedule", stands)
}

/// Returns a schedule as everybody sees it; `None` once it was removed.
fn stands(state: &CoordinationState, schedule: &EntityName) -> Option<Value> {
    state.schedules.get(schedule).map(|known| named("schedule", schedule, known))
}

fn show(view: View, schedule: Option<&EntityName>) -> Result<(), Failure> {
    if let Some(schedule) = schedule {
        let stands = stands(view.state(), schedule);
        let stands = stands.ok_or_else(|| view.unknown("schedule", schedule))?;
        return view.show("schedule", &stands);
    }
    let schedules = &view.state().schedules;
    let all: Value = schedules.iter().map(|(name, known)| named("schedule", name, known)).collect();
    let time = view.time();
    let rows: Vec<_> = schedules
        .iter()
        .map(|(name, known)| {
            vec![
                name.to_string(),
                known.next.map_or("never".to_owned(), crate::show::time),
                known.due(time).len().to_string(),
                known.last.as_ref().map_or(String::new(), |tick| crate::show::time(tick.due)),
                known.ticks.to_string(),
                known.by.to_string(),
            ]
        })
        .collect();
    view.list("schedules", &all, &["SCHEDULE", "NEXT", "DUE NOW", "LAST", "TICKS", "BY"], rows)
}
