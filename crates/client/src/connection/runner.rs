//! The life of a connection: connect, serve the socket, wait, connect again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use godwit_contract::v1::{
    AckFrame, ClientFrame, ConnectedFrame, PongFrame, Presence, RefreshFrame, ServerFrame, client_frame, server_frame,
};
use time::OffsetDateTime;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;
use url::Url;

use super::events::{Event, Item, Outlet};
use super::socket::{ConnectError, Lost, Socket};
use super::sync::{SessionOver, Sync};
use super::{ConnectionState, EndReason, FIRST_PAUSE, LONGEST_PAUSE, Shared};
use crate::backoff::Backoff;
use crate::client::Client;
use crate::error::{Error, Problem};
use crate::options::{ConnectOptions, Encoding};
use crate::pending::Settled;
use crate::session::RENEW_BEFORE;
use crate::snapshot::Snapshot;

/// A server that closes for flooding is left alone for at least this long.
const FLOODING_PAUSE: Duration = Duration::from_secs(5);
/// Until the first frame tells how often the server pings.
const FIRST_FRAME_TIMEOUT: Duration = Duration::from_secs(15);
/// How much later than twice the heartbeat a server is taken for dead.
const HEARTBEAT_SLACK: Duration = Duration::from_secs(10);
/// How soon a token that could not be renewed is tried again.
const RENEW_AGAIN: Duration = Duration::from_secs(5);

/// How long a server may take to accept a new token.
const REFRESHED_TIMEOUT: Duration = Duration::from_secs(30);

/// The close codes of the contract that mean more than "connect again".
mod close {
    pub const UNAUTHENTICATED: u16 = 4401;
    pub const FORBIDDEN: u16 = 4403;
    pub const REPLACED: u16 = 4409;
    pub const FLOODING: u16 = 4429;
}

/// What to do when a socket is no more.
enum After {
    End(EndReason),
    /// Connect again after the backoff's next pause, but not before this one.
    Pause(Duration),
    /// Renew the token that the server refused, then connect again.
    Renew,
}

pub(super) struct Runner {
    client: Client,
    encoding: Encoding,
    url: Url,
    shared: Arc<Shared>,
    outlet: Outlet,
    sync: Sync,
    state: watch::Sender<ConnectionState>,
    backoff: Backoff,
    /// The token of the socket, or of the last one.
    token: String,
    renew_at: Instant,
    silent_until: Instant,
    heartbeat: Duration,
}

impl Runner {
    pub(super) fn new(
        client: Client,
        options: ConnectOptions,
        snapshot: &Snapshot,
        shared: Arc<Shared>,
        told: (mpsc::Sender<Item>, watch::Sender<ConnectionState>),
    ) -> Self {
        let now = now();
        let (items, state) = told;
        Self {
            encoding: options.encoding,
            url: client.socket_url(),
            shared,
            outlet: Outlet::new(items),
            sync: Sync::new(client.clone(), snapshot, options.sync_interval, now),
            client,
            state,
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            token: String::new(),
            renew_at: now,
            silent_until: now,
            heartbeat: FIRST_FRAME_TIMEOUT,
        }
    }

    pub(super) async fn run(mut self) {
        let reason = loop {
            self.set_state(ConnectionState::Connecting);
            let mut after = self.connect_and_serve().await;
            self.sync.disconnected();
            self.shared.pending.lock().disconnected();
            self.shared.people.lock().disconnected();
            if matches!(after, After::Renew) {
                after = self.renew().await;
            }
            match after {
                After::End(reason) => break reason,
                After::Pause(at_least) => {
                    let pause = self.backoff.pause(self.client.entropy()).max(at_least);
                    tracing::debug!(pause_ms = pause.as_millis(), "the connection is lost");
                    self.set_state(ConnectionState::Connecting);
                    if self.wait(pause).await.is_err() {
                        break EndReason::Closed;
                    }
                }
                // `renew` answers with something else.
                After::Renew => {}
            }
        };
        self.shared.pending.lock().close();
        self.set_state(ConnectionState::Ended(reason));
        self.shared.settled.notify_waiters();
    }

    async fn connect_and_serve(&mut self) -> After {
        let stop = self.shared.stop.clone();
        let socket = tokio::select! {
            () = stop.cancelled() => return After::End(EndReason::Closed),
            socket = self.connect() => socket,
        };
        match socket {
            Ok(mut socket) => {
                let after = self.serve(&mut socket).await;
                socket.close().await;
                after
            }
            Err(after) => after,
        }
    }

    async fn connect(&mut self) -> Result<Socket, After> {
        self.token = match self.client.access_token().await {
            Ok(token) => token,
            Err(Error::LoggedOut) => return Err(After::End(EndReason::LoggedOut)),
            Err(error) => return Err(After::Pause(error.retry_after().unwrap_or_default())),
        };
        match Socket::connect(&self.url, &self.token, self.encoding).await {
            Ok(socket) => Ok(socket),
            Err(ConnectError::Unauthorized) => Err(After::Renew),
            Err(ConnectError::Forbidden) => Err(After::End(EndReason::Forbidden)),
            Err(ConnectError::Failed { reason, retry_after }) => {
                tracing::debug!(reason, "the socket did not open");
                Err(After::Pause(retry_after.unwrap_or_default()))
            }
        }
    }

    /// Gets another token than the one that the server refused. Then, too, a pause: a server that refuses every token
    /// must not be asked in a busy loop.
    async fn renew(&mut self) -> After {
        match self.client.renew_access_token(self.token.clone()).await {
            Ok(_) => After::Pause(Duration::ZERO),
            Err(Error::LoggedOut) => After::End(EndReason::LoggedOut),
            Err(error) => After::Pause(error.retry_after().unwrap_or_default()),
        }
    }

    /// Waits between connections; events still go out. An error says that the connection was closed.
    async fn wait(&mut self, pause: Duration) -> Result<(), ()> {
        let until = tokio::time::Instant::now() + pause;
        let stop = self.shared.stop.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Err(()),
                () = sleep_until(until) => return Ok(()),
                () = self.outlet.drain_one() => {}
            }
        }
    }

    async fn serve(&mut self, socket: &mut Socket) -> After {
        let stop = self.shared.stop.clone();
        let shared = Arc::clone(&self.shared);
        self.silent_until = now() + FIRST_FRAME_TIMEOUT;
        // Renewed as soon as the first frame tells when the token ends.
        self.renew_at = self.silent_until;
        let mut is_connected = false;
        loop {
            if is_connected {
                self.sync.start(&mut self.outlet, now());
                self.note_progress();
                if let Err(lost) = self.send_pending(socket).await {
                    return self.after(lost);
                }
            }
            let due_at = self.due_at(is_connected);
            let result = tokio::select! {
                () = stop.cancelled() => return After::End(EndReason::Closed),
                frame = socket.next() => match frame {
                    Ok(frame) => {
                        is_connected |= matches!(frame.frame, Some(server_frame::Frame::Connected(_)));
                        self.take(frame, socket).await
                    }
                    Err(lost) => Err(self.after(lost)),
                },
                done = self.sync.finished() => {
                    let result = self.sync.finish(done, &mut self.outlet, now());
                    result.map_err(|SessionOver| After::End(EndReason::LoggedOut))
                }
                () = shared.queued.notified(), if is_connected => Ok(()),
                () = self.outlet.drain_one() => Ok(()),
                () = sleep_until(due_at.into()) => self.on_due(socket).await,
            };
            if let Err(after) = result {
                return after;
            }
        }
    }

    async fn take(&mut self, frame: ServerFrame, socket: &mut Socket) -> Result<(), After> {
        let now = now();
        self.silent_until = now + self.heartbeat;
        match frame.frame {
            Some(server_frame::Frame::Connected(connected)) => self.connected(&connected, now),
            Some(server_frame::Frame::Ping(_)) => {
                let pong = ClientFrame { id: frame.id, frame: Some(client_frame::Frame::Pong(PongFrame {})) };
                socket.send(&pong).await.map_err(|lost| self.after(lost))?;
            }
            Some(server_frame::Frame::Update(update)) => {
                let over = self.shared.people.lock().note_update(&update);
                self.sync.offer(update, &mut self.outlet, now);
                over.into_iter().for_each(|typing| self.outlet.tell_if_room(Event::Typing(typing)));
            }
            Some(server_frame::Frame::Advanced(advanced)) => {
                self.sync.advanced(&advanced.chat_id, advanced.seq, &self.outlet);
            }
            Some(server_frame::Frame::Ack(AckFrame { message })) => {
                self.shared.pending.lock().acked(&frame.id, message);
                self.shared.settled.notify_waiters();
            }
            Some(server_frame::Frame::Error(error)) => self.refused(&frame.id, error.into(), now),
            Some(server_frame::Frame::Presence(presence)) => self.take_presence(presence, now),
            Some(server_frame::Frame::Presences(list)) => {
                list.presences.into_iter().for_each(|presence| self.take_presence(presence, now));
            }
            Some(server_frame::Frame::Typing(typing)) => {
                let typing = self.shared.people.lock().take_typing(typing, now);
                typing.into_iter().for_each(|typing| self.outlet.tell_if_room(Event::Typing(typing)));
            }
            Some(server_frame::Frame::CallSignal(signal)) => {
                self.outlet.tell_if_room(Event::CallSignal(Box::new(signal)));
            }
            Some(server_frame::Frame::Call(call)) => self.tell_unlogged(Event::Call(call)),
            Some(server_frame::Frame::Resync(resync)) => {
                self.sync.resync_after(Duration::from_millis(resync.after_ms.into()), now);
            }
            Some(server_frame::Frame::Refreshed(refreshed)) => self.renew_before(refreshed.token_expires_at, now),
            Some(server_frame::Frame::Reconnect(reconnect)) => {
                // The server has spread its clients itself.
                self.backoff.reset();
                return Err(After::Pause(Duration::from_millis(reconnect.after_ms.into())));
            }
            Some(server_frame::Frame::Draft(draft)) => self.tell_unlogged(Event::Draft(draft)),
            // Nothing is asked by sync and action frames, and a frame of a newer server is none of ours.
            Some(server_frame::Frame::Synced(_) | server_frame::Frame::Done(_)) | None => {}
        }
        Ok(())
    }

    fn take_presence(&mut self, presence: Presence, now: Instant) {
        let news = self.shared.people.lock().take_presence(presence, now);
        news.into_iter().for_each(|presence| self.outlet.tell_if_room(Event::Presence(presence)));
    }

    fn tell_unlogged(&mut self, event: Event) {
        self.sync.note_state(self.outlet.has_room());
        self.outlet.tell_if_room(event);
    }

    fn connected(&mut self, connected: &ConnectedFrame, now: Instant) {
        if connected.heartbeat_ms > 0 {
            self.heartbeat = Duration::from_millis(connected.heartbeat_ms.into()) * 2 + HEARTBEAT_SLACK;
        }
        self.silent_until = now + self.heartbeat;
        self.renew_before(connected.token_expires_at, now);
        self.set_state(ConnectionState::Syncing);
        self.sync.connected(now);
        self.shared.people.lock().connected();
    }

    fn refused(&mut self, id: &str, problem: Problem, now: Instant) {
        let settled = self.shared.pending.lock().refused(id, problem, now);
        self.shared.settled.notify_waiters();
        match settled {
            Settled::Refused(send, problem) => self.outlet.tell(Event::SendRefused { send, problem }),
            Settled::Again | Settled::Sent => {}
            Settled::Unknown => tracing::debug!(id, "an error frame answers nothing"),
        }
    }

    async fn send_pending(&mut self, socket: &mut Socket) -> Result<(), Lost> {
        loop {
            // A statement of its own, so that the queue is not locked while the frame is sent.
            let next = self.shared.pending.lock().next(now());
            match next {
                Some(frame) => socket.send(&frame).await?,
                None => break,
            }
        }
        loop {
            let next = self.shared.people.lock().next(now());
            match next {
                Some(frame) => socket.send(&ClientFrame { id: String::new(), frame: Some(frame) }).await?,
                None => return Ok(()),
            }
        }
    }

    fn due_at(&self, is_connected: bool) -> Instant {
        let now = now();
        let due_at = self.silent_until.min(self.renew_at);
        if !is_connected {
            return due_at;
        }
        let resend_at = self.shared.pending.lock().due_at(now);
        let people_at = self.shared.people.lock().due_at();
        resend_at.into_iter().chain(people_at).fold(due_at.min(self.sync.due_at(now)), Instant::min)
    }

    async fn on_due(&mut self, socket: &mut Socket) -> Result<(), After> {
        let now = now();
        if self.silent_until <= now {
            tracing::debug!("the server is silent");
            return Err(After::Pause(Duration::ZERO));
        }
        if self.renew_at <= now {
            self.refresh_socket(socket, now).await?;
        }
        self.sync.on_due(now);
        let ended = self.shared.people.lock().take_ended(now);
        ended.into_iter().for_each(|typing| self.outlet.tell_if_room(Event::Typing(typing)));
        Ok(())
    }

    /// Gives the socket a token that lives longer. While none is to be had it lives on with the old one.
    async fn refresh_socket(&mut self, socket: &mut Socket, now: Instant) -> Result<(), After> {
        self.renew_at = now + RENEW_AGAIN;
        let access_token = match self.client.renew_access_token(self.token.clone()).await {
            Ok(token) => token,
            Err(Error::LoggedOut) => return Err(After::End(EndReason::LoggedOut)),
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "the token cannot be renewed yet");
                return Ok(());
            }
        };
        self.token.clone_from(&access_token);
        // Answered by `refreshed`, which sets the next time.
        self.renew_at = now + REFRESHED_TIMEOUT;
        let refresh = client_frame::Frame::Refresh(RefreshFrame { access_token });
        let frame = ClientFrame { id: "refresh".to_owned(), frame: Some(refresh) };
        socket.send(&frame).await.map_err(|lost| self.after(lost))
    }

    fn renew_before(&mut self, expires_at: Option<pbjson_types::Timestamp>, now: Instant) {
        let expires_at = expires_at.and_then(|at| OffsetDateTime::from_unix_timestamp(at.seconds).ok());
        let Some(expires_at) = expires_at else { return };
        let left = expires_at - self.client.clock().now() - RENEW_BEFORE;
        self.renew_at = now + Duration::try_from(left).unwrap_or_default().max(RENEW_AGAIN);
    }

    /// A connection that has caught up is a good one: the next failure begins with a short pause.
    fn note_progress(&mut self) {
        let state = if self.sync.is_caught_up() { ConnectionState::Live } else { ConnectionState::Syncing };
        if state == ConnectionState::Live {
            self.backoff.reset();
        }
        self.set_state(state);
    }

    fn after(&self, lost: Lost) -> After {
        tracing::debug!(?lost, "the socket is lost");
        match lost {
            Lost::Closed(close::UNAUTHENTICATED) => After::Renew,
            Lost::Closed(close::FORBIDDEN) => After::End(EndReason::Forbidden),
            Lost::Closed(close::REPLACED) => After::End(EndReason::Replaced),
            Lost::Closed(close::FLOODING) => After::Pause(FLOODING_PAUSE),
            Lost::Closed(_) | Lost::Broken => After::Pause(Duration::ZERO),
        }
    }

    fn set_state(&self, state: ConnectionState) {
        self.state.send_if_modified(|current| {
            let is_new = *current != state;
            *current = state;
            is_new
        });
    }
}

/// Tokio's clock, which tests can pause.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
