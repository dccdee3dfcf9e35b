//! Harness and suites that test Colony against real servers.

pub mod conformance;
pub mod harness;
