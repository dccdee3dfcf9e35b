//! Fields of a newer version, kept as they stood.

use bytes::{Buf as _, Bytes, BytesMut};
use prost::DecodeError;
use prost::encoding::{DecodeContext, decode_key, skip_field};

/// Returns the top-level fields with a number above `known`, in order, as their bytes on the wire.
///
/// The usual message has none and costs one walk over its keys, without an allocation.
pub(super) fn fields(body: &Bytes, known: u32) -> Result<Bytes, DecodeError> {
    let mut rest = body.clone();
    let mut unknown = BytesMut::new();
    while rest.has_remaining() {
        let start = body.len() - rest.remaining();
        let (number, wire_type) = decode_key(&mut rest)?;
        skip_field(wire_type, number, &mut rest, DecodeContext::default())?;
        if number > known {
            unknown.extend_from_slice(&body.slice(start..body.len() - rest.remaining()));
        }
    }
    Ok(unknown.freeze())
}
