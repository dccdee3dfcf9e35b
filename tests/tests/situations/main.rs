//! The situations that every release must survive, each once in simulation and once on a real server.
//!
//! A situation is written once, over agents that join a [`stage::Stage`]. What comes of it is worked out by hand and
//! required of what every reader folds. See `docs/situations.md`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panic"
)]

#[path = "../simulation/chance.rs"]
mod chance;
#[expect(dead_code, reason = "who dies here is killed by its process")]
#[path = "../simulation/network.rs"]
mod network;
mod player;
mod process;
mod role;
mod stage;
mod terms;
mod view;

mod s01_two_agents_claim_at_once;
mod s02_a_claim_is_delayed;
mod s03_a_fourth_agent_joins_mid_plan;
mod s04_an_owner_goes_silent;
mod s05_both_instances_get_the_message;
mod s06_a_partition_makes_two_primaries;
mod s07_a_shared_quota_under_contention;
mod s08_a_scheduled_job_with_n_instances;
mod s09_the_conductor_dies_mid_run;
mod s10_acting_on_stale_state;
mod s11_a_peer_vanishes_after_discovery;
mod s12_an_agent_says_done_and_is_not;
mod s13_an_agent_forges_withholds_or_claims_anothers_work;
mod s14_context_is_lost_over_two_handoffs;
mod s15_a_clarification_after_the_asker_moved_on;
mod s16_a_late_ill_formed_or_corrupt_deliverable;
mod s17_defection_at_the_last_milestone;
mod s18_a_byzantine_voter_or_bidder;
mod s19_a_double_booking;
mod s20_fake_registrations_and_a_vouching_ring;
mod s21_a_retry_storm_into_one_inbox;
mod s22_the_death_of_half_the_agents;
mod s23_a_cloned_identity;
