//! What JetStream answers, in JSON.

use serde::Deserialize;

use crate::log::{AppendError, ConnectError, ReadError};

use super::connection::RequestError;

/// An answer of the API: an error, or what was asked for.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Answer<T> {
    Error { error: ApiError },
    Ok(T),
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct ApiError {
    #[serde(default)]
    pub(super) code: u64,
    #[serde(default)]
    pub(super) err_code: u64,
    #[serde(default)]
    pub(super) description: String,
}

/// The acknowledgement of a publish or of a batch.
#[derive(Debug, Deserialize)]
pub(super) struct PubAck {
    pub(super) seq: u64,
    #[serde(default)]
    pub(super) count: Option<u64>,
}

/// What comes on the control channel of a fast batch: flow control, or the final answer.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum BatchAnswer {
    Flow {
        #[serde(rename = "type")]
        kind: String,
        error: Option<ApiError>,
    },
    Final(Answer<PubAck>),
}

/// JetStream's error codes that mean something to us.
pub(super) mod code {
    pub(in crate::jetstream) const WRONG_LAST_SEQUENCE: u64 = 10071;
    /// The same conflict, found while an earlier write under the same filter is still in flight.
    pub(in crate::jetstream) const WRONG_LAST_SEQUENCE_IN_FLIGHT: u64 = 10164;
    pub(in crate::jetstream) const STREAM_NOT_FOUND: u64 = 10059;
    pub(in crate::jetstream) const STREAM_NAME_IN_USE: u64 = 10058;
    pub(in crate::jetstream) const TOO_MANY_CONSUMERS: u64 = 10026;
    pub(in crate::jetstream) const NO_MESSAGE: u64 = 10037;
    pub(in crate::jetstream) const MESSAGE_TOO_LARGE: u64 = 10054;
    /// A batch of which something did not arrive, or that was given up after a pause; too many at a time, which is answered as the
    /// first of the two for a batch that has begun.
    pub(in crate::jetstream) const BUSY: [u64; 3] = [10176, 10210, 10211];
    /// The status of all errors that pass by themselves: no leader yet, starting up.
    pub(in crate::jetstream) const UNAVAILABLE: u64 = 503;
    /// Insufficient resources, storage exceeded, store failed (a full disk among them).
    pub(in crate::jetstream) const FULL: [u64; 5] = [10023, 10028, 10047, 10077, 10122];
}

impl ApiError {
    /// Translates an error of an append. `conflict` makes the error of a lost condition.
    pub(super) fn into_append(self, record_bytes: usize, max: usize) -> AppendError {
        match self.err_code {
            code::MESSAGE_TOO_LARGE => AppendError::TooLarge { actual: record_bytes, max },
            code if code::FULL.contains(&code) => {
                AppendError::Full { description: self.description }
            }
            code if code::BUSY.contains(&code) => {
                AppendError::Busy { description: self.description }
            }
            _ if self.code == code::UNAVAILABLE => AppendError::Unavailable,
            code => AppendError::Refused { code, description: self.description },
        }
    }

    pub(super) fn is_conflict(&self) -> bool {
        matches!(self.err_code, code::WRONG_LAST_SEQUENCE | code::WRONG_LAST_SEQUENCE_IN_FLIGHT)
    }
}

impl RequestError {
    pub(super) fn into_read(self) -> ReadError {
        let waited = |d: std::time::Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        match self {
            Self::Unanswered { waited: time } => ReadError::Unanswered { waited_ms: waited(time) },
            Self::NobodyThere => ReadError::Unanswered { waited_ms: 0 },
            Self::Denied { subject } => ReadError::Denied { subject },
            Self::TooLarge | Self::Malformed => ReadError::Malformed { what: "an API answer" },
            Self::Closed => ReadError::Closed,
            Self::Api(error) if error.code == code::UNAVAILABLE => {
                ReadError::Unanswered { waited_ms: 0 }
            }
            Self::Api(error) => {
                ReadError::Refused { code: error.err_code, description: error.description }
            }
        }
    }

    pub(super) fn into_connect(self, url: &str) -> ConnectError {
        let url = url.to_owned();
        match self {
            Self::Unanswered { .. } | Self::Closed => ConnectError::Unanswered { url },
            Self::NobodyThere => ConnectError::NoJetStream { url },
            Self::Denied { .. } => ConnectError::Credentials { url },
            Self::TooLarge | Self::Malformed => ConnectError::Refused {
                code: 0,
                description: "the answer makes no sense".to_owned(),
            },
            Self::Api(error) if error.code == code::UNAVAILABLE => ConnectError::Unanswered { url },
            Self::Api(error) => {
                let code = if error.err_code == 0 { error.code } else { error.err_code };
                ConnectError::Refused { code, description: error.description }
            }
        }
    }
}
