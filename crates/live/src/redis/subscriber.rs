use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deadpool_redis::redis;
use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::backoff::Backoff;
use super::commands::Commands;
use super::link::{Link, Listener};
use super::nodes::Nodes;
use super::topology::Address;
use crate::meters::Meters;
use crate::outlet::Outlet;
use crate::{Channel, Delivery, Error, Subscription};

/// Changes that wait for the subscriber; whoever brings one more waits for a place.
const QUEUE: usize = 256;
/// How often an idle link is tried: one whose other end vanished without a word is lost after this time.
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// How soon to look again for the server of a channel that none holds.
const NO_SERVER_PAUSE: Duration = Duration::from_millis(250);

/// The handle of a subscriber task; dropping it ends the task and its links.
pub(super) struct RedisSubscription {
    changes: mpsc::Sender<Change>,
    _task: JoinSet<()>,
}

impl RedisSubscription {
    pub(super) fn open(commands: &Commands, capacity: usize, meters: Meters) -> (Self, mpsc::Receiver<Delivery>) {
        let (outlet, deliveries) = Outlet::new(capacity, meters.clone());
        let subscriber = Subscriber {
            nodes: commands.nodes.clone(),
            listener: Arc::new(Listener::new(commands.prefix.clone(), outlet, meters)),
            links: HashMap::new(),
            places: HashMap::new(),
            unsettled: HashSet::new(),
            late: HashSet::new(),
            pauses: HashMap::new(),
        };
        let (changes, receiver) = mpsc::channel(QUEUE);
        let mut task = JoinSet::new();
        task.spawn(subscriber.run(receiver));
        (Self { changes, _task: task }, deliveries)
    }

    async fn change(&self, channels: &[Channel], intent: Intent) -> Result<(), Error> {
        if channels.is_empty() {
            return Ok(());
        }
        let (done, outcome) = oneshot::channel();
        let change = Change { channels: channels.to_vec(), intent, done };
        self.changes.send(change).await.map_err(Error::unavailable)?;
        outcome.await.map_err(Error::unavailable)?
    }
}

#[async_trait]
impl Subscription for RedisSubscription {
    async fn add(&self, channels: &[Channel]) -> Result<(), Error> {
        self.change(channels, Intent::Listen).await
    }

    async fn remove(&self, channels: &[Channel]) -> Result<(), Error> {
        self.change(channels, Intent::Stop).await
    }
}

#[derive(Clone, Copy)]
enum Intent {
    Listen,
    Stop,
}

struct Change {
    channels: Vec<Channel>,
    intent: Intent,
    done: oneshot::Sender<Result<(), Error>>,
}

/// Brings what is listened to in line with what is wanted, again and again.
struct Subscriber {
    nodes: Nodes,
    listener: Arc<Listener>,
    links: HashMap<Address, Link>,
    /// Where each channel is listened to now.
    places: HashMap<Channel, Address>,
    /// Channels that may be wanted but not listened to, or the other way round.
    unsettled: HashSet<Channel>,
    /// Those of them that should have been listened to by now: payloads may have been lost.
    late: HashSet<Channel>,
    /// Servers that failed, and when to try them again.
    pauses: HashMap<Address, Pause>,
}

#[derive(Default)]
struct Pause {
    backoff: Backoff,
    until: Option<Instant>,
}

/// What is to be done at one server.
#[derive(Default)]
struct Work {
    listen: Vec<Channel>,
    stop: Vec<Channel>,
}

impl Subscriber {
    async fn run(mut self, mut changes: mpsc::Receiver<Change>) {
        let listener = self.listener.clone();
        let mut pings = tokio::time::interval(PING_INTERVAL);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let retry_at = self.retry_at();
            tokio::select! {
                change = changes.recv() => match change {
                    Some(change) => self.take(change, &mut changes).await,
                    None => return,
                },
                () = listener.lost.notified() => self.settle().await,
                () = tokio::time::sleep_until(retry_at), if !self.unsettled.is_empty() => self.settle().await,
                _ = pings.tick() => self.try_links().await,
            }
        }
    }

    /// Makes this change and those that came meanwhile, in as few round trips as one.
    async fn take(&mut self, first: Change, changes: &mut mpsc::Receiver<Change>) {
        let mut batch = vec![first];
        while batch.len() < QUEUE
            && let Ok(change) = changes.try_recv()
        {
            batch.push(change);
        }
        for change in &batch {
            for channel in &change.channels {
                match change.intent {
                    Intent::Listen => self.listener.want(*channel),
                    Intent::Stop => self.listener.forget(*channel),
                }
                self.unsettled.insert(*channel);
            }
        }
        self.settle().await;
        for change in batch {
            let settled = change.channels.iter().all(|channel| !self.unsettled.contains(channel));
            // A caller that went away does not need the answer.
            let _ = change.done.send(if settled { Ok(()) } else { Err(Error::KnownDown) });
        }
    }

    async fn settle(&mut self) {
        self.drop_lost_links();
        let plan = self.plan();
        let mut rounds = Vec::with_capacity(plan.len());
        for (address, work) in plan {
            let link = self.links.remove(&address);
            rounds.push(carry_out(&self.nodes, &self.listener, address, link, work));
        }
        let mut interrupted = false;
        for round in join_all(rounds).await {
            interrupted |= self.take_in(round);
        }
        if interrupted {
            self.listener.interrupt();
        }
    }

    /// What stands between wanted and listened to, by server. What cannot be tried now is late.
    fn plan(&mut self) -> HashMap<Address, Work> {
        let now = Instant::now();
        let map = self.nodes.map();
        let mut plan: HashMap<Address, Work> = HashMap::new();
        let mut settled = Vec::new();
        for channel in &self.unsettled {
            let place = self.places.get(channel);
            match (self.listener.wants(*channel), place) {
                (true, None) => {
                    let address = map.topology.server_of(&self.listener.name(*channel));
                    let resting = |address| self.pauses.get(address).is_some_and(|pause| pause.until > Some(now));
                    match address.filter(|address| !resting(*address)) {
                        Some(address) => plan.entry(address.clone()).or_default().listen.push(*channel),
                        None => _ = self.late.insert(*channel),
                    }
                }
                (false, Some(address)) => plan.entry(address.clone()).or_default().stop.push(*channel),
                _ => settled.push(*channel),
            }
        }
        for channel in settled {
            self.unsettled.remove(&channel);
            self.late.remove(&channel);
        }
        plan
    }

    /// Takes in what was done at one server; tells whether something is listened to again that was lost.
    fn take_in(&mut self, round: Round) -> bool {
        let Round { address, link, work, outcome } = round;
        if let Some(link) = link {
            self.links.insert(address.clone(), link);
        }
        match outcome {
            Ok(()) => {
                self.pauses.remove(&address);
                let mut interrupted = false;
                for channel in work.listen {
                    self.unsettled.remove(&channel);
                    interrupted |= self.late.remove(&channel);
                    self.places.insert(channel, address.clone());
                }
                for channel in work.stop {
                    self.unsettled.remove(&channel);
                    self.late.remove(&channel);
                    self.places.remove(&channel);
                }
                interrupted
            }
            Err(error) => {
                self.late.extend(work.listen);
                let pause = self.pauses.entry(address.clone()).or_default();
                if pause.backoff.is_fresh() {
                    tracing::warn!(redis.server = %address, error = %error, "cannot listen to the live store");
                }
                pause.until = Some(Instant::now() + pause.backoff.next_pause());
                self.nodes.refresh();
                self.drop_lost_links();
                false
            }
        }
    }

    fn drop_lost_links(&mut self) {
        let lost: Vec<Address> =
            self.links.iter().filter(|(_, link)| link.is_lost()).map(|(address, _)| address.clone()).collect();
        for address in lost {
            self.links.remove(&address);
            self.forget_place(&address);
            tracing::warn!(redis.server = %address, "a link to the live store was lost");
            self.nodes.refresh();
        }
    }

    /// What was listened to at this server no longer is.
    fn forget_place(&mut self, address: &Address) {
        let (unsettled, late) = (&mut self.unsettled, &mut self.late);
        self.places.retain(|channel, place| {
            let keep = place != address;
            if !keep {
                unsettled.insert(*channel);
                late.insert(*channel);
            }
            keep
        });
    }

    async fn try_links(&mut self) {
        let tries = self.links.values_mut().map(|link| async move {
            if let Err(error) = link.ping().await {
                link.report(&error);
            }
        });
        join_all(tries).await;
        self.settle().await;
    }

    /// When to try again what could not be done. Pauses that are over belong to servers that nothing is wanted of.
    fn retry_at(&self) -> Instant {
        let now = Instant::now();
        let pauses = self.pauses.values().filter_map(|pause| pause.until).filter(|until| *until > now);
        pauses.min().unwrap_or(now + NO_SERVER_PAUSE)
    }
}

/// What came of the work at one server.
struct Round {
    address: Address,
    link: Option<Link>,
    work: Work,
    outcome: Result<(), redis::RedisError>,
}

async fn carry_out(nodes: &Nodes, listener: &Arc<Listener>, address: Address, link: Option<Link>, work: Work) -> Round {
    let mut link = match link {
        Some(link) => link,
        None => match Link::open(&nodes.connector, &address, listener).await {
            Ok(link) => link,
            Err(error) => return Round { address, link: None, work, outcome: Err(error) },
        },
    };
    let outcome = link_work(&mut link, listener, &work).await.inspect_err(|error| link.report(error));
    Round { address, link: Some(link), work, outcome }
}

async fn link_work(link: &mut Link, listener: &Listener, work: &Work) -> redis::RedisResult<()> {
    let names = |channels: &[Channel]| -> Vec<String> { channels.iter().map(|ch| listener.name(*ch)).collect() };
    link.run("SUNSUBSCRIBE", &names(&work.stop)).await?;
    link.run("SSUBSCRIBE", &names(&work.listen)).await
}
