//! Agents that react to events of a Colony space.
