//! The wire format of Colony: protobuf messages and their generated code.
//!
//! The `.proto` files beside this crate are the source. `cargo run -p colony-proto --example regenerate`
//! writes `src/generated/` anew (no `protoc` needed); the test `generated_code_is_current` compares.
//! Only `colony-core`'s `envelope` module turns these types into the domain's own and back.

/// Version 1 of the messages.
#[allow(missing_docs, unreachable_pub, clippy::all)]
#[rustfmt::skip]
pub mod v1 {
    include!("generated/colony.v1.rs");
}
