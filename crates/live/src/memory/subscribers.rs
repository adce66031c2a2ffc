use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::meters::Meters;
use crate::outlet::Outlet;
use crate::{Channel, Error, Subscription};

/// Who listens to which channel. One lock over all: every subscriber sees a channel's payloads in the same order.
#[derive(Default)]
pub(super) struct Subscribers {
    outlets: Mutex<HashMap<Channel, Vec<Arc<Outlet>>>>,
}

impl Subscribers {
    pub(super) fn publish(&self, messages: Vec<(Channel, Bytes)>) {
        let outlets = self.outlets.lock();
        for (channel, payload) in messages {
            for outlet in outlets.get(&channel).into_iter().flatten() {
                outlet.deliver(channel, payload.clone());
            }
        }
    }

    fn add(&self, channel: Channel, outlet: &Arc<Outlet>) {
        self.outlets.lock().entry(channel).or_default().push(outlet.clone());
    }

    fn remove(&self, channel: Channel, outlet: &Arc<Outlet>) {
        let mut outlets = self.outlets.lock();
        let Some(listening) = outlets.get_mut(&channel) else { return };
        listening.retain(|other| !Arc::ptr_eq(other, outlet));
        if listening.is_empty() {
            outlets.remove(&channel);
        }
    }
}

/// The channels of one subscriber.
pub(super) struct MemorySubscription {
    subscribers: Arc<Subscribers>,
    outlet: Arc<Outlet>,
    channels: Mutex<HashSet<Channel>>,
    meters: Meters,
}

impl MemorySubscription {
    pub(super) fn new(subscribers: Arc<Subscribers>, outlet: Outlet, meters: Meters) -> Self {
        Self { subscribers, outlet: Arc::new(outlet), channels: Mutex::default(), meters }
    }
}

#[async_trait]
impl Subscription for MemorySubscription {
    async fn add(&self, channels: &[Channel]) -> Result<(), Error> {
        let mut added = self.channels.lock();
        for channel in channels {
            if added.insert(*channel) {
                self.subscribers.add(*channel, &self.outlet);
                self.meters.subscribed_channels.increment(1);
            }
        }
        Ok(())
    }

    async fn remove(&self, channels: &[Channel]) -> Result<(), Error> {
        let mut added = self.channels.lock();
        for channel in channels {
            if added.remove(channel) {
                self.subscribers.remove(*channel, &self.outlet);
                self.meters.subscribed_channels.decrement(1);
            }
        }
        Ok(())
    }
}

impl Drop for MemorySubscription {
    fn drop(&mut self) {
        for channel in self.channels.get_mut().drain() {
            self.subscribers.remove(channel, &self.outlet);
            self.meters.subscribed_channels.decrement(1);
        }
    }
}
