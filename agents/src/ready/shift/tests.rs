use std::sync::Arc;
use std::time::Duration;

use colony_bus::{BusOptions, MemoryLog};

use super::*;
use crate::protocol::{CoordinationState, task};

/// More than are taken at once, several times over.
const TASKS: usize = 3 * AT_ONCE + 7;

#[tokio::test(start_paused = true)]
async fn a_crew_misses_nothing_of_what_is_there_all_at_once() {
    let log = MemoryLog::new("crew");
    let options = BusOptions::new("crew".parse().unwrap(), "client".parse().unwrap());
    let client = Bus::on(Arc::new(log.clone()), Arc::new(log), options);
    let shift = Shift::start(client.clone(), Vec::new(), ShiftOptions::default()).await.unwrap();
    let state = CoordinationState::default();
    let mut tickets = Vec::new();
    for number in 0..TASKS {
        let name = format!("task-{number}").parse().unwrap();
        let offer = task::Command::Offer(name, Box::new(Offered::of("work")));
        for draft in state.decide::<task::Tasks>(offer, client.agent(), None).unwrap() {
            let draft = colony_bus::Draft::new(draft.ty).about(draft.entity).data(draft.data);
            tickets.push(client.publish(draft).await.unwrap());
        }
    }
    for ticket in tickets {
        ticket.await.unwrap();
    }
    let mut status = shift.watch();
    let all = status.wait_for(|status| status.tasks == TASKS);
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("all are known").unwrap();
}
