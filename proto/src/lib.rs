//! The wire format of Colony: protobuf messages and their generated code.
