use std::time::Duration;

use deadpool_redis::redis::aio::{MultiplexedConnection, SendError};
use deadpool_redis::redis::{self, ErrorKind, PushInfo, PushKind, ServerErrorKind};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::connector::Connector;
use super::topology::Address;
use crate::Error;

/// A command that takes longer counts as failed.
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(500);
/// How often an idle connection is tried, so that a dead one is known before a caller meets it.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// A connection that breaks sooner is opened again after a pause only.
const STEADY_AFTER: Duration = Duration::from_secs(1);

/// The commands' connection to one server. A keeper task opens it, tries it, and opens it again after a growing pause;
/// meanwhile callers are turned away at once. Dropping the node ends the keeper and closes the connection.
pub(super) struct Node {
    state: watch::Receiver<State>,
    _keeper: JoinSet<()>,
}

#[derive(Clone)]
enum State {
    /// The first attempt is under way.
    Starting,
    Up(Handle),
    Down,
}

/// A connection and the means to call it broken.
#[derive(Clone)]
pub(super) struct Handle {
    pub(super) connection: MultiplexedConnection,
    broken: CancellationToken,
}

impl Handle {
    /// Takes the connection out of use if `error` means that it is not well, or that the server is no longer the one
    /// to talk to: its name may lead to another by now.
    pub(super) fn report(&self, error: &redis::RedisError) {
        let is_replica =
            matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown));
        if is_replica || error.is_io_error() || error.is_unrecoverable_error() {
            self.broken.cancel();
        }
    }
}

impl Node {
    pub(super) fn open(connector: Connector, address: Address) -> Self {
        let (sender, state) = watch::channel(State::Starting);
        let mut keeper = JoinSet::new();
        keeper.spawn(keep(connector, address, sender));
        Self { state, _keeper: keeper }
    }

    /// The connection, if there is one. Waits only for the first attempt, which is bounded.
    pub(super) async fn handle(&self) -> Result<Handle, Error> {
        let mut state = self.state.clone();
        let settled = state.wait_for(|state| !matches!(state, State::Starting)).await;
        match settled.as_deref() {
            Ok(State::Up(handle)) => Ok(handle.clone()),
            _ => Err(Error::KnownDown),
        }
    }

    pub(super) fn is_down(&self) -> bool {
        matches!(*self.state.borrow(), State::Down)
    }
}

async fn keep(connector: Connector, address: Address, state: watch::Sender<State>) {
    let mut backoff = Backoff::default();
    loop {
        let broken = CancellationToken::new();
        match connect(&connector, &address, broken.clone()).await {
            Ok(connection) => {
                if !backoff.is_fresh() {
                    tracing::info!(redis.server = %address, "the live store answers again");
                }
                let opened_at = Instant::now();
                state.send_replace(State::Up(Handle { connection: connection.clone(), broken: broken.clone() }));
                watch_over(connection, &broken).await;
                // A server that only hiccuped is back at once, and one that is gone is known to be.
                state.send_replace(State::Down);
                if opened_at.elapsed() >= STEADY_AFTER {
                    backoff.reset();
                } else {
                    tokio::time::sleep(backoff.next_pause()).await;
                }
            }
            Err(error) => {
                if backoff.is_fresh() {
                    tracing::warn!(redis.server = %address, error = %error, "the live store does not answer");
                }
                state.send_replace(State::Down);
                tokio::time::sleep(backoff.next_pause()).await;
            }
        }
    }
}

async fn connect(
    connector: &Connector,
    address: &Address,
    broken: CancellationToken,
) -> redis::RedisResult<MultiplexedConnection> {
    let on_push = move |push: PushInfo| -> Result<(), SendError> {
        if push.kind == PushKind::Disconnection {
            broken.cancel();
        }
        Ok(())
    };
    let mut connection = connector.connect(address, RESPONSE_TIMEOUT, on_push).await?;
    ping(&mut connection).await?;
    Ok(connection)
}

/// Returns when the connection was called broken or does not answer.
async fn watch_over(mut connection: MultiplexedConnection, broken: &CancellationToken) {
    loop {
        tokio::select! {
            () = broken.cancelled() => return,
            () = tokio::time::sleep(PING_INTERVAL) => {}
        }
        if ping(&mut connection).await.is_err() {
            return;
        }
    }
}

pub(super) async fn ping(connection: &mut MultiplexedConnection) -> redis::RedisResult<()> {
    redis::cmd("PING").query_async(connection).await
}
