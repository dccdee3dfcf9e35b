//! Finds, fetches and starts a nats-server for Colony.
