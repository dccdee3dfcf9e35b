//! A process of the company: one or several agents at work.

use std::time::SystemTime;

use clap::ValueEnum;
use colony_agents::protocol::Millis;
use colony_agents::protocol::bidding::{AwardRule, Terms};
use colony_agents::protocol::task::{Mode, Offered};
use colony_agents::ready::{
    Arbiter, Assigned, Bidder, Client, Conductor, Judgement, Planned, Pricing, Role, Shift,
    ShiftOptions, Work, Worker,
};
use colony_bus::{Bus, Cut, Delivery};
use colony_core::{EntityName, Filter, Position};
use futures_util::StreamExt as _;

use super::{BID_TASKS, BIDDERS, CLOSED, CONDUCTED_TASKS, entity};
use crate::command::demo::{COMPANY, DemoError, event_type, options_in};
use crate::context::Context;
use crate::failure::Failure;

/// How the names of the conductor's tasks begin.
pub(super) const CONDUCTED: &str = "conducted-";
/// How many workers the conductor has.
const WORKERS: usize = 3;
/// How many arbiters there are.
pub(super) const ARBITERS: usize = 3;
/// How long whoever holds a task may be silent.
const SILENT: Millis = Millis::new(3_000);
/// How long bids are taken, where not all bidders bid before.
const WINDOW: Millis = Millis::new(2_000);
/// What one can do who works for the conductor.
const SKILL: &str = "conducted";

/// Which process of the company it is.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(value_enum)]
    role: RoleName,
    /// Which of the bidders.
    #[arg(long, default_value_t = 0)]
    number: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RoleName {
    /// Bids for tasks, and does what it is awarded.
    Bidder,
    /// Do what the conductor hands out.
    Workers,
    /// Decide about the contract.
    Arbiters,
    /// Offers tasks to bidders.
    Client,
    /// Hands out tasks.
    Conductor,
}

pub(in crate::command::demo) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let mut members: Vec<(Bus, Box<dyn Role>)> = Vec::new();
    for (name, role) in cast(&args) {
        let options = options_in(COMPANY, &name, &context.global.server);
        members.push((Bus::connect(options).await?, role));
    }
    let Some((reader, _)) = members.first() else { return Ok(()) };
    let reader = reader.clone();
    let closed = Filter { types: [event_type(CLOSED)].into(), ..Filter::events() };
    let mut closed = reader.subscribe(closed, Cut::Position(Position::ZERO)).await?;
    let shift = Shift::start(reader, members, ShiftOptions::default()).await;
    let mut shift = shift.map_err(DemoError::Shift)?;
    loop {
        tokio::select! {
            delivery = closed.next() => match delivery.ok_or(DemoError::Unfollowed)?? {
                Delivery::Entry(_) => break,
                Delivery::CaughtUp => {}
            },
            ended = shift.ended() => {
                ended.map_err(DemoError::Shift)?;
                return Err(DemoError::Unfollowed.into());
            }
        }
    }
    Ok(shift.stop().await.map_err(DemoError::Shift)?)
}

/// Returns the agents of a process, by name.
fn cast(args: &Args) -> Vec<(String, Box<dyn Role>)> {
    let work = Work::Simulated { duration_ms: Millis::new(5) };
    match args.role {
        RoleName::Bidder => {
            let price = 10 + u64::try_from(args.number).unwrap_or(0);
            let pricing = Pricing { price, for_each_held: 20, takes: Millis::new(5) };
            let bidder = Bidder { skills: Vec::new(), pricing, silent: SILENT, work };
            vec![(format!("bidder-{}", args.number), Box::new(bidder))]
        }
        RoleName::Workers => (1..=WORKERS)
            .map(|number| -> (String, Box<dyn Role>) {
                let skills = vec![SKILL.to_owned()];
                let worker = Worker { skills, silent: SILENT, work: work.clone(), capacity: 1 };
                (format!("worker-{number}"), Box::new(Assigned { worker }))
            })
            .collect(),
        RoleName::Arbiters => (1..=ARBITERS)
            .map(|number| -> (String, Box<dyn Role>) {
                (arbiter(number), Box::new(Arbiter { judgement: Judgement::Verifiers }))
            })
            .collect(),
        RoleName::Client => {
            let window = WINDOW.after(SystemTime::now().into());
            let plan = (1..=BID_TASKS).map(|number| Planned {
                name: task("bid-", number),
                offered: Offered {
                    done_when: "it is handed in".to_owned(),
                    claim_ms: Some(SILENT),
                    mode: Mode::Bid(Terms {
                        until: window,
                        at_most: u32::try_from(BIDDERS).ok(),
                        award: AwardRule::LowestPrice,
                        sealed_until: None,
                    }),
                    ..Offered::of("something that one of ten can do")
                },
            });
            vec![("client".to_owned(), Box::new(Client { plan: plan.collect() }))]
        }
        RoleName::Conductor => {
            let plan = (1..=CONDUCTED_TASKS).map(|number| Planned {
                name: task(CONDUCTED, number),
                offered: Offered {
                    done_when: "it is handed in".to_owned(),
                    skills: vec![SKILL.to_owned()],
                    ..Offered::of("something that is handed out")
                },
            });
            vec![("conductor".to_owned(), Box::new(Conductor::new(plan.collect(), SILENT)))]
        }
    }
}

/// Returns the name of an arbiter, from 1.
pub(super) fn arbiter(number: usize) -> String {
    format!("arbiter-{number}")
}

fn task(prefix: &str, number: usize) -> EntityName {
    entity(&format!("{prefix}{number}"))
}
