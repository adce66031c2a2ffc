//! One member of a consumer group.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::{Inner, PostgresLog, random_id, topic_name};
use crate::backoff::Backoff;
use crate::delivery::{Delivered, Delivery};
use crate::store::{self, Lease, Member, Position, StoredRecord};
use crate::{ConsumerGroup, Error, Record};

const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LONGEST: Duration = Duration::from_secs(5);
/// Between two looks: what comes meanwhile is found together.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// How long batches that are being handled may take to end once the member leaves.
const LEAVE_GRACE: Duration = Duration::from_secs(5);

type Key = (&'static str, i32);

/// A partition that this member holds.
struct Lane {
    next_offset: i64,
    /// Tells the task of this lease from that of an earlier lease of the same partition.
    epoch: u64,
    /// Set while a batch is being handled.
    task: Option<AbortHandle>,
}

/// How the handling of a batch ended.
struct Done {
    key: Key,
    epoch: u64,
    /// Where the partition continues; none when the batch was not taken or the lease is lost.
    next_offset: Option<i64>,
}

pub(super) struct Consumer {
    inner: Arc<Inner>,
    group: ConsumerGroup,
    topics: Vec<&'static str>,
    member: Member,
    delivery: Arc<Delivery>,
    wake: watch::Receiver<u64>,
    lanes: HashMap<Key, Lane>,
    tasks: JoinSet<Done>,
    /// Counts the partitions ever taken.
    epoch: u64,
    /// Until when the leases are certainly this member's.
    leased_until: Instant,
}

impl Consumer {
    pub(super) fn new(inner: Arc<Inner>, group: ConsumerGroup, delivery: Delivery) -> Self {
        Self {
            wake: inner.wake.subscribe(),
            inner,
            topics: group.topics.iter().map(|topic| topic.name).collect(),
            member: Member { group: group.name, id: random_id() },
            group,
            delivery: Arc::new(delivery),
            lanes: HashMap::new(),
            tasks: JoinSet::new(),
            epoch: 0,
            leased_until: Instant::now(),
        }
    }

    /// Reads until `stop` is cancelled, then leaves the group.
    pub(super) async fn run(mut self, log: &PostgresLog, stop: CancellationToken) -> Result<(), Error> {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            outcome = create_topics(log, &self.group) => outcome?,
        }
        // Only waiting is interrupted: a statement whose answer nobody reads would leave its connection unusable.
        self.read(&stop).await;
        self.leave().await;
        Ok(())
    }

    async fn read(&mut self, stop: &CancellationToken) {
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_LONGEST);
        let mut report_at = Instant::now();
        let mut look_at = Instant::now();
        let mut looked_at = look_at;
        while !stop.is_cancelled() {
            let now = Instant::now();
            if report_at <= now {
                let epoch = self.epoch;
                report_at = now + self.report(&mut backoff).await;
                if self.epoch != epoch {
                    look_at = now;
                }
            }
            self.drop_expired();
            if look_at <= Instant::now() {
                looked_at = Instant::now();
                look_at = looked_at + self.look(&mut backoff).await;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                Some(done) = self.tasks.join_next() => {
                    self.settle(done);
                    look_at = looked_at + LOOK_PAUSE;
                }
                // The sender lives as long as this consumer.
                Ok(()) = self.wake.changed() => look_at = looked_at + LOOK_PAUSE,
                () = tokio::time::sleep_until(report_at.min(look_at)) => {}
            }
        }
    }

    /// Renews the leases and takes or gives up partitions; answers when to report again.
    async fn report(&mut self, backoff: &mut Backoff) -> Duration {
        let options = self.inner.options;
        let asked_at = Instant::now();
        let reported = timeout(options.lease / 2, async {
            let mut connection = self.inner.pool.get().await?;
            let share = store::report(&mut connection, self.member, options.lease, &self.topics).await?;
            Ok::<_, godwit_pg::Error>((connection, share))
        });
        let (mut connection, share) = match reported.await {
            Ok(Ok(reported)) => reported,
            Ok(Err(error)) => return self.pause_after(&error, backoff),
            Err(late) => return self.pause_after(&late, backoff),
        };
        self.leased_until = asked_at + options.lease;
        self.adopt(&share.leases);
        let surplus = self.drop_surplus(share.most);
        if !surplus.is_empty()
            && let Err(error) = store::release(&mut connection, self.member, &surplus).await
        {
            return self.pause_after(&error, backoff);
        }
        options.report_interval()
    }

    fn pause_after(&self, error: &(dyn std::error::Error + 'static), backoff: &mut Backoff) -> Duration {
        let pause = backoff.pause();
        tracing::warn!(group = self.group.name, error, "the event stream cannot be read now");
        pause
    }

    /// Makes the lanes those of the leases.
    fn adopt(&mut self, leases: &[Lease]) {
        let mut held: HashMap<Key, &Lease> = HashMap::new();
        for lease in leases {
            if let Some(topic) = topic_name(&lease.topic, &self.group.topics) {
                held.insert((topic, lease.partition), lease);
            }
        }
        let lost: Vec<Key> = self.lanes.keys().filter(|key| !held.contains_key(*key)).copied().collect();
        for key in lost {
            self.drop_lane(key);
        }
        for (key, lease) in held {
            #[expect(clippy::cast_precision_loss, reason = "a metric")]
            lag_gauge(self.group.name, key).set(lease.lag.max(0) as f64);
            self.lanes.entry(key).or_insert_with(|| {
                self.epoch += 1;
                Lane { next_offset: lease.next_offset, epoch: self.epoch, task: None }
            });
        }
    }

    /// Lets go of what is over this member's share, those that are not being handled first.
    fn drop_surplus(&mut self, share: usize) -> Vec<Key> {
        let count = self.lanes.len().saturating_sub(share);
        let mut keys: Vec<(bool, Key)> = self.lanes.iter().map(|(key, lane)| (lane.task.is_some(), *key)).collect();
        keys.sort_unstable();
        let surplus: Vec<Key> = keys.into_iter().take(count).map(|(_, key)| key).collect();
        for key in &surplus {
            self.drop_lane(*key);
        }
        surplus
    }

    /// Another member may have the partitions now.
    fn drop_expired(&mut self) {
        if self.leased_until > Instant::now() {
            return;
        }
        let all: Vec<Key> = self.lanes.keys().copied().collect();
        for key in all {
            self.drop_lane(key);
        }
    }

    fn drop_lane(&mut self, key: Key) {
        if let Some(task) = self.lanes.remove(&key).and_then(|lane| lane.task) {
            task.abort();
        }
        lag_gauge(self.group.name, key).set(0.0);
    }

    /// Starts a batch in each partition that has records and no batch; answers when to look again.
    async fn look(&mut self, backoff: &mut Backoff) -> Duration {
        self.wake.mark_unchanged();
        let idle: Vec<Position> = self
            .lanes
            .iter()
            .filter(|(_, lane)| lane.task.is_none())
            .map(|((topic, partition), lane)| Position { topic, partition: *partition, offset: lane.next_offset })
            .collect();
        if idle.is_empty() {
            return self.inner.options.poll_interval;
        }
        let limit = i64::try_from(self.group.max_batch.max(1)).unwrap_or(i64::MAX);
        let fetched = async {
            let mut connection = self.inner.pool.get().await?;
            store::fetch(&mut connection, &idle, limit).await
        };
        match fetched.await {
            Ok(rows) => {
                backoff.reset();
                self.start(rows);
                self.inner.options.poll_interval
            }
            Err(error) => self.pause_after(&error, backoff),
        }
    }

    fn start(&mut self, rows: Vec<StoredRecord>) {
        let mut batches: HashMap<Key, Vec<Record>> = HashMap::new();
        for row in rows {
            if let Some(topic) = topic_name(&row.topic, &self.group.topics) {
                batches.entry((topic, row.partition)).or_default().push(record_of(row, topic));
            }
        }
        for (key, batch) in batches {
            let (Some(lane), Some(last)) = (self.lanes.get_mut(&key), batch.last()) else {
                continue;
            };
            let next = Position { topic: key.0, partition: key.1, offset: last.offset + 1 };
            let work = take(Arc::clone(&self.inner), Arc::clone(&self.delivery), self.member, batch, next, lane.epoch);
            lane.task = Some(self.tasks.spawn(work));
        }
    }

    fn settle(&mut self, done: Result<Done, JoinError>) {
        let done = match done {
            Ok(done) => done,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_cancelled) => return,
        };
        let Some(lane) = self.lanes.get_mut(&done.key).filter(|lane| lane.epoch == done.epoch) else {
            return;
        };
        lane.task = None;
        match done.next_offset {
            Some(next_offset) => lane.next_offset = next_offset,
            None => self.drop_lane(done.key),
        }
    }

    async fn leave(&mut self) {
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        let _all_or_late = timeout(LEAVE_GRACE, ended).await;
        self.tasks.shutdown().await;
        let left = async {
            let mut connection = self.inner.pool.get().await?;
            store::leave(&mut connection, self.member).await
        };
        // Without it the others wait for the end of the leases.
        if let Err(error) = left.await {
            tracing::debug!(error = &error as &dyn std::error::Error, "the group was not told that a member left");
        }
    }
}

async fn create_topics(log: &PostgresLog, group: &ConsumerGroup) -> Result<(), Error> {
    let mut backoff = Backoff::new(RETRY_FIRST, RETRY_LONGEST);
    loop {
        match log.ensure_topics(&group.topics).await {
            Err(error @ Error::Configuration(_)) => return Err(error),
            Err(error) => {
                let pause = backoff.pause();
                tracing::warn!(
                    group = group.name,
                    error = &error as &dyn std::error::Error,
                    "the event stream cannot be read now"
                );
                tokio::time::sleep(pause).await;
            }
            Ok(()) => return Ok(()),
        }
    }
}

/// Has the batch taken and keeps that it was.
async fn take(
    inner: Arc<Inner>,
    delivery: Arc<Delivery>,
    member: Member,
    batch: Vec<Record>,
    next: Position,
    epoch: u64,
) -> Done {
    let key = (next.topic, next.partition);
    if delivery.deliver(batch).await == Delivered::Abandoned {
        return Done { key, epoch, next_offset: None };
    }
    let mut backoff = Backoff::new(RETRY_FIRST, RETRY_LONGEST);
    loop {
        let committed = async {
            let mut connection = inner.pool.get().await?;
            store::commit_offset(&mut connection, member, next).await
        };
        match committed.await {
            Ok(kept) => return Done { key, epoch, next_offset: kept.then_some(next.offset) },
            // Ends at the latest when the lease is lost and this task aborted.
            Err(error) => {
                tracing::warn!(
                    group = member.group,
                    error = &error as &dyn std::error::Error,
                    "a position cannot be kept now"
                );
                tokio::time::sleep(backoff.pause()).await;
            }
        }
    }
}

fn record_of(mut row: StoredRecord, topic: &'static str) -> Record {
    Record {
        topic,
        partition: row.partition,
        offset: row.record_offset,
        headers: row.take_headers(),
        key: Bytes::from(row.key),
        payload: Bytes::from(row.payload),
        published_at: row.published_at,
    }
}

fn lag_gauge(group: &'static str, (topic, partition): Key) -> metrics::Gauge {
    metrics::gauge!("godwit_events_lag", "group" => group, "topic" => topic, "partition" => partition.to_string())
}
