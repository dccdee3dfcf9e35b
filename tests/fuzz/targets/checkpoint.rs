//! Reads any bytes as the checkpoint of a projection, and any as the state in one whose digest is good.
#![cfg_attr(feature = "libfuzzer", no_main)]

use colony_core::replay::{Checkpoint, EntityTable, Fold, OverviewState, Stories, Story};

colony_fuzz::target!(|input| {
    if let Ok(checkpoint) = Checkpoint::decode(input.to_vec()) {
        let _ = Fold::resume(Stories, "lab@1", &checkpoint);
    }
    let _ = rmp_serde::from_slice::<Story>(input);
    if let Ok(state) = rmp_serde::from_slice::<OverviewState>(input) {
        read(&state.entities);
    }
    if let Ok(table) = rmp_serde::from_slice::<EntityTable>(input) {
        read(&table);
    }
});

fn read(table: &EntityTable) {
    let _ = (table.iter().count(), table.newest(3));
    let _ = rmp_serde::to_vec(table).map(|bytes| rmp_serde::from_slice::<EntityTable>(&bytes));
}
