//! Harness and suites that test Colony against real servers.
