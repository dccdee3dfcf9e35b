//! All limits in one place. Validators, messages and docs use these constants.

/// Longest name of a space, in bytes: it is part of a stream's name.
pub const MAX_SPACE_NAME_BYTES: usize = 32;
/// Longest agent, lane, entity, document, effect or event-type name, in bytes before escaping.
pub const MAX_NAME_BYTES: usize = 255;
/// Longest event id, in bytes.
pub const MAX_EVENT_ID_BYTES: usize = 255;
/// Longest encoded subject, in bytes: a server's default control line is 4,096 bytes, and a reply
/// subject travels on the same line.
pub const MAX_SUBJECT_BYTES: usize = 2_048;
/// Largest value of one extension attribute, in bytes of JSON.
pub const MAX_EXTENSION_BYTES: usize = 64 * 1_024;
/// Most extension attributes of one event.
pub const MAX_EXTENSIONS: usize = 64;
/// Most bytes of one piece of a chunked value.
pub const CHUNK_BYTES: usize = 512 * 1_024;
/// Most pieces of one chunked value: with [`CHUNK_BYTES`], 2 GiB.
pub const MAX_CHUNKS: u32 = 4_096;
/// Most subject filters of one read; more are matched on our side of the wire.
///
/// One: a consumer with two filters was served at 180 entries a second where the log mixes what they select with what
/// they do not (nats-server 2.15.1), against more than 25,000 with one.
pub const MAX_SERVER_FILTERS: usize = 1;
/// Largest payload of one record in a capture, in bytes: no server stores a larger message.
pub const MAX_CAPTURED_PAYLOAD_BYTES: usize = 64 * 1_024 * 1_024;
/// Longest subject of one record in a capture, in bytes.
pub const MAX_CAPTURED_SUBJECT_BYTES: usize = 64 * 1_024;
/// Largest header of a capture, in bytes of JSON.
pub const MAX_CAPTURE_HEADER_BYTES: usize = 64 * 1_024;
