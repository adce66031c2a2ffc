use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use deadpool_redis::redis::aio::{MultiplexedConnection, SendError};
use deadpool_redis::redis::{self, Pipeline, PushInfo, PushKind, Value};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::connector::Connector;
use super::node;
use super::topology::Address;
use crate::Channel;
use crate::meters::{Meters, count};
use crate::outlet::Outlet;

/// Part of a resubscription; all of it may be a hundred thousand channels.
const PIPELINE_MAX: usize = 500;
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);

/// What all links of one subscriber share: what is listened to, and where it goes.
pub(super) struct Listener {
    prefix: Arc<str>,
    wanted: Mutex<HashSet<Channel>>,
    outlet: Outlet,
    /// Told when a link is lost.
    pub(super) lost: Notify,
    meters: Meters,
}

impl Listener {
    pub(super) fn new(prefix: Arc<str>, outlet: Outlet, meters: Meters) -> Self {
        Self { prefix, wanted: Mutex::default(), outlet, lost: Notify::new(), meters }
    }

    pub(super) fn want(&self, channel: Channel) {
        if self.wanted.lock().insert(channel) {
            self.meters.subscribed_channels.increment(1);
        }
    }

    pub(super) fn forget(&self, channel: Channel) {
        if self.wanted.lock().remove(&channel) {
            self.meters.subscribed_channels.decrement(1);
        }
    }

    pub(super) fn wants(&self, channel: Channel) -> bool {
        self.wanted.lock().contains(&channel)
    }

    pub(super) fn interrupt(&self) {
        self.outlet.interrupt();
    }

    pub(super) fn name(&self, channel: Channel) -> String {
        format!("{}{channel}", self.prefix)
    }

    fn channel(&self, name: &[u8]) -> Option<Channel> {
        std::str::from_utf8(name).ok()?.strip_prefix(&*self.prefix)?.parse().ok()
    }

    /// Takes what the server sent unasked; tells whether the link is still good.
    fn on_push(&self, push: PushInfo) -> bool {
        let mut fields = push.data.into_iter();
        match (push.kind, fields.next(), fields.next()) {
            (PushKind::SMessage, Some(Value::BulkString(name)), Some(Value::BulkString(payload))) => {
                if let Some(channel) = self.channel(&name).filter(|channel| self.wants(*channel)) {
                    self.outlet.deliver(channel, Bytes::from(payload));
                }
                true
            }
            // Not ours: the server no longer has the channel's slot. Everything is looked up and subscribed anew.
            (PushKind::SUnsubscribe, Some(Value::BulkString(name)), _) => {
                self.channel(&name).is_none_or(|channel| !self.wants(channel))
            }
            (PushKind::Disconnection, ..) => false,
            _ => true,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let left = u32::try_from(count(self.wanted.get_mut().len())).unwrap_or(u32::MAX);
        self.meters.subscribed_channels.decrement(left);
    }
}

/// A subscriber's connection to one server. Dropping it closes the connection.
pub(super) struct Link {
    connection: MultiplexedConnection,
    lost: CancellationToken,
}

impl Link {
    pub(super) async fn open(
        connector: &Connector,
        address: &Address,
        listener: &Arc<Listener>,
    ) -> redis::RedisResult<Self> {
        let lost = CancellationToken::new();
        let (on_lost, listener) = (lost.clone(), listener.clone());
        let on_push = move |push: PushInfo| -> Result<(), SendError> {
            if !listener.on_push(push) {
                on_lost.cancel();
                listener.lost.notify_one();
            }
            Ok(())
        };
        let connection = connector.connect(address, RESPONSE_TIMEOUT, on_push).await?;
        Ok(Self { connection, lost })
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost.is_cancelled()
    }

    /// Calls the link lost if `error` means that it is.
    pub(super) fn report(&self, error: &redis::RedisError) {
        if error.is_io_error() || error.is_unrecoverable_error() {
            self.lost.cancel();
        }
    }

    pub(super) async fn ping(&mut self) -> redis::RedisResult<()> {
        node::ping(&mut self.connection).await
    }

    /// Runs `SSUBSCRIBE` or `SUNSUBSCRIBE` on each channel. A command names one channel only: a cluster refuses
    /// channels of several slots in one (`CROSSSLOT`).
    pub(super) async fn run(&mut self, command: &str, names: &[String]) -> redis::RedisResult<()> {
        for part in names.chunks(PIPELINE_MAX) {
            let mut pipeline = Pipeline::with_capacity(part.len());
            for name in part {
                pipeline.cmd(command).arg(name).ignore();
            }
            let () = pipeline.query_async(&mut self.connection).await?;
        }
        Ok(())
    }
}
