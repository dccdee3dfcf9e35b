//! One connection to a server, and what happens to it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::{ConnectErrorKind, ConnectOptions, Event, RequestErrorKind, ServerError};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::time::Instant;

use super::answer::{Answer, ApiError, code};
use super::options::{Credentials, ServerOptions};
use crate::log::ConnectError;

/// Denials kept to explain requests that got no answer.
const DENIALS: usize = 64;
/// Pause between two attempts while there is no leader.
const ELECTION_PAUSE: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) client: async_nats::Client,
    pub(super) url: String,
    pub(super) request_timeout: Duration,
    pub(super) acknowledgement_timeout: Duration,
    state: Arc<State>,
    link: watch::Receiver<Link>,
}

/// Whether the connection is up, and how often it broke.
#[derive(Debug, Clone, Copy)]
struct Link {
    up: bool,
    breaks: u64,
}

#[derive(Debug, Default)]
struct State {
    denials: Mutex<VecDeque<String>>,
    changed: tokio::sync::Notify,
}

/// Why a request has no usable answer.
#[derive(Debug)]
pub(super) enum RequestError {
    Unanswered { waited: Duration },
    NobodyThere,
    Denied { subject: String },
    TooLarge,
    Closed,
    Malformed,
    Api(ApiError),
}

impl RequestError {
    /// Tells whether it is over once a leader is elected.
    fn passes(&self) -> bool {
        match self {
            Self::NobodyThere => true,
            Self::Api(error) => error.code == code::UNAVAILABLE,
            Self::Unanswered { .. }
            | Self::Denied { .. }
            | Self::TooLarge
            | Self::Closed
            | Self::Malformed => false,
        }
    }
}

impl Connection {
    pub(super) async fn open(options: &ServerOptions, purpose: &str) -> Result<Self, ConnectError> {
        let (link_now, link) = watch::channel(Link { up: true, breaks: 0 });
        let state = Arc::new(State::default());
        let events = Arc::clone(&state);
        let mut nats = ConnectOptions::new()
            .name(format!("colony {purpose}"))
            .connection_timeout(Duration::from_secs(3))
            .ping_interval(Duration::from_secs(10))
            .request_timeout(Some(options.request_timeout))
            .subscription_capacity(64 * 1024)
            .client_capacity(4096)
            .max_reconnects(None)
            .reconnect_delay_callback(|attempt| match attempt {
                0 | 1 => Duration::ZERO,
                n => Duration::from_millis(25 << n.min(5)),
            })
            .event_callback(move |event| {
                match &event {
                    Event::Connected => link_now.send_modify(|link| link.up = true),
                    Event::Disconnected | Event::Closed => link_now.send_modify(|link| {
                        *link = Link { up: false, breaks: link.breaks + 1 };
                    }),
                    Event::ServerError(ServerError::Other(text)) => events.note(text),
                    Event::ServerError(_)
                    | Event::ClientError(_)
                    | Event::LameDuckMode
                    | Event::Draining
                    | Event::SlowConsumer(_) => {}
                }
                tracing::debug!(%event, "nats connection");
                async {}
            });
        if let Some(prefix) = &options.inbox_prefix {
            nats = nats.custom_inbox_prefix(prefix);
        }
        if let Some(authority) = &options.certificate_authority {
            nats = nats.add_root_certificates(authority.clone());
        }
        nats = match &options.credentials {
            // The client reads no name from an address by itself.
            Credentials::None => match user_in(&options.url) {
                Some((name, password)) => nats.user_and_password(name, password),
                None => nats,
            },
            Credentials::NkeySeed(seed) => nats.nkey(seed.trim().to_owned()),
            Credentials::File(path) => nats.credentials_file(path).await.map_err(|source| {
                ConnectError::Key { what: format!("{}: {source}", path.display()) }
            })?,
        };
        let servers: Vec<&str> = options.url.split(',').map(str::trim).collect();
        let url = options.url.clone();
        let client = match nats.connect(servers).await {
            Ok(client) => client,
            Err(error) => {
                return Err(match error.kind() {
                    ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                        ConnectError::Credentials { url }
                    }
                    _ => ConnectError::Unreachable { url, source: Box::new(error) },
                });
            }
        };
        Ok(Self {
            client,
            url,
            request_timeout: options.request_timeout,
            acknowledgement_timeout: options.acknowledgement_timeout,
            state,
            link,
        })
    }

    /// Resolves when the connection is up.
    pub(super) async fn connected(&self) {
        let mut link = self.link.clone();
        // The sender lives as long as the client, which lives as long as we do.
        let _ = link.wait_for(|link| link.up).await;
    }

    /// Returns whether the connection is up.
    pub(super) fn is_up(&self) -> bool {
        self.link.borrow().up
    }

    /// Returns how often the connection broke.
    pub(super) fn breaks(&self) -> u64 {
        self.link.borrow().breaks
    }

    /// Resolves when the connection has broken once more, though it may be up again.
    pub(super) async fn broken_since(&self, breaks: u64) {
        let mut link = self.link.clone();
        let _ = link.wait_for(|link| link.breaks > breaks).await;
    }

    /// Resolves with the subject once the server denies publishing under one that `relevant` picks.
    pub(super) async fn denied(&self, relevant: impl Fn(&str) -> bool) -> String {
        loop {
            let changed = self.state.changed.notified();
            if let Some(subject) = self.state.take(&relevant) {
                return subject;
            }
            changed.await;
        }
    }

    /// Sends a request and waits for its answer, a denial, or the time-out.
    pub(super) async fn request(
        &self,
        subject: &str,
        request: async_nats::Request,
        timeout: Duration,
    ) -> Result<Bytes, RequestError> {
        let answer = self.client.send_request(subject.to_owned(), request.timeout(Some(timeout)));
        let answer = tokio::select! {
            answer = answer => answer,
            subject = self.denied(|denied| denied == subject) => {
                return Err(RequestError::Denied { subject });
            }
        };
        match answer {
            Ok(message) => Ok(message.payload),
            Err(error) => Err(match error.kind() {
                RequestErrorKind::TimedOut => RequestError::Unanswered { waited: timeout },
                RequestErrorKind::NoResponders => RequestError::NobodyThere,
                RequestErrorKind::MaxPayloadExceeded => RequestError::TooLarge,
                RequestErrorKind::InvalidSubject => RequestError::Malformed,
                RequestErrorKind::Other => RequestError::Closed,
            }),
        }
    }

    /// Asks JetStream's API something that changes nothing, again while there is no leader to answer.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        subject: &str,
        body: &serde_json::Value,
    ) -> Result<T, RequestError> {
        let deadline = Instant::now() + self.request_timeout;
        loop {
            match self.api(subject, body).await {
                Err(error) if error.passes() && Instant::now() < deadline => {
                    tokio::time::sleep(ELECTION_PAUSE).await;
                }
                result => return result,
            }
        }
    }

    /// Asks JetStream's API.
    pub(super) async fn api<T: DeserializeOwned>(
        &self,
        subject: &str,
        body: &serde_json::Value,
    ) -> Result<T, RequestError> {
        let payload = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let request = async_nats::Request::new().payload(payload);
        let answer = self.request(subject, request, self.request_timeout).await?;
        match serde_json::from_slice::<Answer<T>>(&answer) {
            Ok(Answer::Error { error }) => Err(RequestError::Api(error)),
            Ok(Answer::Ok(value)) => Ok(value),
            Err(error) => {
                tracing::debug!(%error, subject, "unreadable answer");
                Err(RequestError::Malformed)
            }
        }
    }
}

impl State {
    /// Keeps a "Permissions Violation for Publish to \"subject\"".
    fn note(&self, text: &str) {
        let lower = text.to_ascii_lowercase();
        if !lower.contains("permissions violation for publish") {
            return;
        }
        let Some(subject) = text.split('"').nth(1) else { return };
        let mut denials = self.denials.lock().unwrap_or_else(PoisonError::into_inner);
        if denials.len() == DENIALS {
            denials.pop_front();
        }
        denials.push_back(subject.to_owned());
        drop(denials);
        self.changed.notify_waiters();
    }

    fn take(&self, relevant: impl Fn(&str) -> bool) -> Option<String> {
        let mut denials = self.denials.lock().unwrap_or_else(PoisonError::into_inner);
        let index = denials.iter().position(|subject| relevant(subject))?;
        denials.remove(index)
    }
}

/// Returns the name and password that an address names, as it stands there.
fn user_in(urls: &str) -> Option<(String, String)> {
    urls.split(',').find_map(|url| {
        let address: async_nats::ServerAddr = url.trim().parse().ok()?;
        let password = address.password().unwrap_or_default().to_owned();
        Some((address.username()?.to_owned(), password))
    })
}
