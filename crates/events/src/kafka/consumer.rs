//! One member of a consumer group.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use time::OffsetDateTime;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::context::{Context, Names, lag_gauge};
use super::lanes::{Batch, Flow, Key, Lanes};
use super::{KafkaLog, KafkaOptions, client};
use crate::backoff::Backoff;
use crate::delivery::{Delivered, Delivery};
use crate::{ConsumerGroup, Error, Headers, Record};

const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_LONGEST: Duration = Duration::from_secs(5);
/// How many records are read before handlers are started and ended again.
const READ_BURST: usize = 1_000;
/// How long batches that are being handled may take to end once the member leaves.
const LEAVE_GRACE: Duration = Duration::from_secs(5);
/// A member that does not poll for this long is out; it polls all the time, so this only catches a stuck process.
const MAX_POLL_INTERVAL_MS: &str = "300000";
const FETCH_BYTES_MAX: &str = "1048576";
/// The broker answers when it has so much, or after this time: each answer costs it and us about the same, however much is
/// in it.
const FETCH_BYTES_MIN: &str = "524288";
const FETCH_WAIT_MS: &str = "250";

/// How the handling of a batch ended.
struct Done {
    key: Key,
    epoch: u64,
    /// The offset after the batch; none when it was not taken.
    next_offset: Option<i64>,
}

/// Reads as a member of `group` until `stop` is cancelled.
pub(super) async fn consume(
    log: &KafkaLog,
    group: ConsumerGroup,
    delivery: Arc<Delivery>,
    stop: CancellationToken,
) -> Result<(), Error> {
    tokio::select! {
        () = stop.cancelled() => return Ok(()),
        outcome = create_topics(log, &group) => outcome?,
    }
    let options = &log.inner.options;
    loop {
        let mut member = Member {
            names: Names::new(&options.topic_prefix, &group),
            lanes: Lanes::new(group.max_batch, options.fill_wait),
            tasks: JoinSet::new(),
            consumer: Closing(Some(join(options, &group)?)),
            delivery: Arc::clone(&delivery),
        };
        match member.read(&stop, options.rejoin_after).await {
            Ok(End::Lost) => {
                metrics::counter!("godwit_events_rejoins_total", "group" => group.name).increment(1);
                tracing::warn!(group = group.name, "no coordinator of the group is found: it is joined anew");
                // What is being handled is given up, and comes again. The consumer closes by itself.
                member.tasks.shutdown().await;
            }
            outcome => {
                member.leave().await;
                return outcome.map(drop);
            }
        }
    }
}

/// Why a member reads no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It was asked to.
    Stopped,
    /// It is in no group, and will not be.
    Lost,
}

fn join(options: &KafkaOptions, group: &ConsumerGroup) -> Result<StreamConsumer<Context>, Error> {
    let names = Names::new(&options.topic_prefix, group);
    let mut config = client::base(options);
    config
        .set("group.id", format!("{}{}", options.topic_prefix, group.name))
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "true")
        .set("auto.commit.interval.ms", "500")
        .set("enable.auto.offset.store", "false")
        .set("session.timeout.ms", options.session_timeout.as_millis().to_string())
        .set("heartbeat.interval.ms", (options.session_timeout.as_millis() / 10).max(100).to_string())
        .set("max.poll.interval.ms", MAX_POLL_INTERVAL_MS)
        .set("queued.max.messages.kbytes", options.prefetch_kibibytes_max.to_string())
        .set("fetch.message.max.bytes", FETCH_BYTES_MAX)
        .set("fetch.wait.max.ms", FETCH_WAIT_MS)
        .set("fetch.min.bytes", FETCH_BYTES_MIN)
        // How soon a topic is joined of which the broker asked first did not know yet.
        .set("topic.metadata.refresh.interval.ms", "10000")
        .set("statistics.interval.ms", "5000");
    let context = Context::new(group.name, names.clone());
    let consumer: StreamConsumer<Context> = client::create(config, options, context)?;
    let topics: Vec<&str> = names.0.iter().map(|(full, _)| full.as_str()).collect();
    consumer.subscribe(&topics).map_err(|error| Error::Configuration(error.into()))?;
    Ok(consumer)
}

/// Leaving a group waits for the cluster: never on a thread of the runtime.
struct Closing(Option<StreamConsumer<Context>>);

impl Drop for Closing {
    fn drop(&mut self) {
        if let (Some(consumer), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            drop(runtime.spawn_blocking(move || drop(consumer)));
        }
    }
}

struct Member {
    names: Names,
    lanes: Lanes,
    tasks: JoinSet<Done>,
    consumer: Closing,
    delivery: Arc<Delivery>,
}

impl Member {
    async fn read(&mut self, stop: &CancellationToken, lost_max: Duration) -> Result<End, Error> {
        let Closing(Some(consumer)) = &self.consumer else {
            return Ok(End::Stopped);
        };
        let context = Arc::clone(consumer.context());
        loop {
            if context.lost_for() > lost_max {
                return Ok(End::Lost);
            }
            forget_revoked(&mut self.lanes, &context);
            let next = start_ready(&mut self.lanes, &mut self.tasks, &self.delivery, consumer, &self.names);
            let far = Instant::now() + Duration::from_secs(60);
            tokio::select! {
                () = stop.cancelled() => return Ok(End::Stopped),
                first = consumer.recv() => {
                    let mut next = Some(first);
                    let mut left = READ_BURST;
                    while let Some(read) = next {
                        match read {
                            Ok(read) => {
                                // A partition may have been lost and come back during the poll.
                                forget_revoked(&mut self.lanes, &context);
                                if let Some(record) = record_of(&read, &self.names) {
                                    let key = (record.topic, record.partition);
                                    tell(consumer, &self.names, key, self.lanes.push(record));
                                }
                            }
                            Err(error) => { survive(context.group, error)?; break }
                        }
                        left -= 1;
                        // What is read must be taken: it does not come again.
                        next = if left > 0 { consumer.recv().now_or_never() } else { None };
                    }
                }
                Some(done) = self.tasks.join_next() => settle(&mut self.lanes, done, consumer, &self.names),
                () = context.changed.notified() => {}
                () = tokio::time::sleep_until(next.unwrap_or(far)) => {}
            }
        }
    }

    /// Lets batches end for a while, keeps the positions and leaves the group.
    async fn leave(&mut self) {
        let Some(consumer) = self.consumer.0.take() else {
            return;
        };
        let context = Arc::clone(consumer.context());
        let ended = async {
            loop {
                tokio::select! {
                    done = self.tasks.join_next() => match done {
                        Some(done) => {
                            forget_revoked(&mut self.lanes, &context);
                            settle(&mut self.lanes, done, &consumer, &self.names);
                        }
                        None => return,
                    },
                    // Polling goes on, so that the group is not held up; what comes is not taken.
                    _message = consumer.recv() => forget_revoked(&mut self.lanes, &context),
                }
            }
        };
        let _all_or_late = timeout(LEAVE_GRACE, ended).await;
        self.tasks.shutdown().await;
        // Closing commits the stored positions.
        let _closed = tokio::task::spawn_blocking(move || drop(consumer)).await;
    }
}

fn forget_revoked(lanes: &mut Lanes, context: &Context) {
    for key in context.take_revoked() {
        lanes.remove(key);
        lag_gauge(context.group, key).set(0.0);
    }
}

/// Starts a task for each partition whose next batch is due; answers when the next will be.
fn start_ready(
    lanes: &mut Lanes,
    tasks: &mut JoinSet<Done>,
    delivery: &Arc<Delivery>,
    consumer: &StreamConsumer<Context>,
    names: &Names,
) -> Option<Instant> {
    let (ready, next) = lanes.ready();
    for key in ready {
        if let Some((batch, flow)) = lanes.take(key) {
            lanes.started(key, tasks.spawn(take(Arc::clone(delivery), batch)));
            tell(consumer, names, key, flow);
        }
    }
    next
}

async fn take(delivery: Arc<Delivery>, batch: Batch) -> Done {
    let Batch { key, epoch, records } = batch;
    let after = records.last().map(|record| record.offset + 1);
    let delivered = delivery.deliver(records).await;
    Done { key, epoch, next_offset: after.filter(|_| delivered == Delivered::All) }
}

fn settle(lanes: &mut Lanes, done: Result<Done, JoinError>, consumer: &StreamConsumer<Context>, names: &Names) {
    let done = match done {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_cancelled) => return,
    };
    let held = lanes.ended(done.key, done.epoch);
    let (true, Some(next_offset), Some(full)) = (held, done.next_offset, names.full(done.key.0)) else {
        return;
    };
    let mut position = TopicPartitionList::with_capacity(1);
    let stored = position
        .add_partition_offset(full, done.key.1, Offset::Offset(next_offset))
        .and_then(|()| consumer.store_offsets(&position));
    if let Err(error) = stored {
        // The partition was taken away a moment ago: its records come again, elsewhere.
        tracing::debug!(error = &error as &dyn std::error::Error, "a position was not kept");
    }
}

fn tell(consumer: &StreamConsumer<Context>, names: &Names, key: Key, flow: Flow) {
    let told = match flow {
        Flow::Unchanged => return,
        Flow::Pause => consumer.pause(&names.list(key)),
        Flow::Resume => consumer.resume(&names.list(key)),
    };
    if let Err(error) = told {
        tracing::warn!(topic = key.0, partition = key.1, ?flow, error = &error as &dyn std::error::Error, "flow");
    }
}

/// Passes over what librdkafka recovers from by itself.
fn survive(group: &'static str, error: KafkaError) -> Result<(), Error> {
    match error {
        KafkaError::MessageConsumptionFatal(_) => Err(Error::Refused(error.into())),
        error => {
            tracing::warn!(group, error = &error as &dyn std::error::Error, "the event stream cannot be read now");
            Ok(())
        }
    }
}

async fn create_topics(log: &KafkaLog, group: &ConsumerGroup) -> Result<(), Error> {
    let mut backoff = Backoff::new(RETRY_FIRST, RETRY_LONGEST);
    loop {
        match log.ensure_topics(&group.topics).await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_transient() => {
                tracing::warn!(
                    group = group.name,
                    error = &error as &dyn std::error::Error,
                    "the event stream cannot be read now"
                );
                tokio::time::sleep(backoff.pause()).await;
            }
            Err(error) => return Err(error),
        }
    }
}

fn record_of(message: &BorrowedMessage<'_>, names: &Names) -> Option<Record> {
    let published_at = message
        .timestamp()
        .to_millis()
        .and_then(|ms| OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).ok())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    Some(Record {
        topic: names.short(message.topic())?,
        partition: message.partition(),
        offset: message.offset(),
        key: Bytes::copy_from_slice(message.key().unwrap_or_default()),
        payload: Bytes::copy_from_slice(message.payload().unwrap_or_default()),
        headers: headers_of(message),
        published_at,
    })
}

/// The headers that are text: Godwit writes no others.
fn headers_of(message: &BorrowedMessage<'_>) -> Headers {
    let Some(headers) = message.headers() else {
        return Headers::new();
    };
    let text = headers.iter().filter_map(|header| {
        let value = std::str::from_utf8(header.value?).ok()?;
        Some((header.key.to_owned(), value.to_owned()))
    });
    text.collect()
}
