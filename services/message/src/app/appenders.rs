use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use godwit_kernel::{ChatId, Entropy};
use godwit_pg::{self as pg, Connection, Pool};
use godwit_runtime::Tasks;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::own_thread::on_own_thread;
use super::publisher::{Committed, CommittedBatch, Publication, Publisher};
use super::room::{Held, Room};
use crate::domain::{Change, Entry, Outcome};
use crate::error::Error;
use crate::store::{self, Append, AppendError, Remembered, Written, WrittenUpdate};

/// A batch that lost against another transaction is written again this often.
const CONFLICT_RETRIES: u32 = 3;
/// A connection that rested longer is asked whether it is still there.
const REST: Duration = Duration::from_secs(30);

/// The limits of the appenders.
#[derive(Clone, Copy, Debug)]
pub struct AppenderOptions {
    /// How many write at once; each has the chats of its hash.
    pub appender_count: usize,
    /// The most entries that wait for one appender.
    pub queue_max: usize,
    /// The most bytes that wait for all of them.
    pub queue_bytes_max: usize,
    /// The most entries of a batch.
    pub batch_max: usize,
    /// A batch with this many bytes takes no more entries.
    pub batch_bytes_max: usize,
}

/// What an appender writes with.
#[derive(Clone)]
pub struct Committing {
    /// The service's database.
    pub pool: Pool,
    /// Names the logs that begin.
    pub entropy: Arc<dyn Entropy>,
    /// Takes what is committed.
    pub publisher: Publisher,
}

/// The writers of the logs: group commit. What arrives while a batch is being committed is the next batch, so one
/// sender has the latency of one commit, and a thousand share it.
///
/// A chat normally has one appender in one replica. Nothing depends on that: the lock on its head decides.
pub struct Appenders {
    queues: Vec<mpsc::Sender<Waiting>>,
    room: Room,
}

struct Waiting {
    entry: Entry,
    caller: Caller,
}

struct Caller {
    reply: oneshot::Sender<Result<Answer, Error>>,
    since: Instant,
    /// Freed when the caller is answered.
    _held: Held,
}

impl Appenders {
    /// Starts them, each on a thread of its own: all senders wait for it. They end at the stop, when everything that was
    /// taken is answered.
    pub fn start(tasks: &Tasks, committing: &Committing, options: AppenderOptions) -> Self {
        let queues = (0..options.appender_count.max(1)).map(|_| {
            let (sender, queue) = mpsc::channel(options.queue_max);
            let connection = OwnConnection { pool: committing.pool.clone(), open: None };
            let remembered = Remembered::default();
            let appender =
                Appender { committing: committing.clone(), options, queue, connection, remembered, last_size: 0 };
            tasks.spawn("message.appender", |stop| on_own_thread("appender", appender.run(stop)));
            sender
        });
        Self { queues: queues.collect(), room: Room::for_bytes(options.queue_bytes_max) }
    }

    /// Appends an entry, and returns when it is committed, or why it is not.
    ///
    /// # Errors
    /// [`Error::Overloaded`] when the queue is full; [`Error::Stopping`]; [`Error::AppendUnavailable`] when the database
    /// did not confirm the commit: the entry may be committed all the same, and asking again tells;
    /// [`Error::AppendRefused`] when it can never be.
    pub async fn append(&self, entry: Entry) -> Result<Outcome, Error> {
        self.enqueue(entry)?.outcome().await
    }

    /// Takes an entry after those taken before, without waiting for its commit.
    ///
    /// # Errors
    /// [`Error::Overloaded`] when the queue is full; [`Error::Stopping`].
    pub fn enqueue(&self, entry: Entry) -> Result<Pending, Error> {
        let held = self.room.try_take(entry.size_bytes()).ok_or(Error::Overloaded).inspect_err(count_refused)?;
        let (reply, answer) = oneshot::channel();
        let queue = self.queue(entry.chat_id).ok_or(Error::Stopping)?;
        let caller = Caller { reply, since: Instant::now(), _held: held };
        queue.try_send(Waiting { entry, caller }).map_err(|error| {
            let error = match error {
                mpsc::error::TrySendError::Full(_) => Error::Overloaded,
                mpsc::error::TrySendError::Closed(_) => Error::Stopping,
            };
            count_refused(&error);
            error
        })?;
        Ok(Pending(answer))
    }

    /// The queue that has a chat: by the last byte of its id, which is random.
    fn queue(&self, chat_id: ChatId) -> Option<&mpsc::Sender<Waiting>> {
        let [.., last] = *chat_id.as_bytes();
        self.queues.get(usize::from(last) % self.queues.len())
    }
}

/// An entry on its way.
pub struct Pending(oneshot::Receiver<Result<Answer, Error>>);

/// What became of an entry.
struct Answer {
    outcome: Outcome,
    /// Of the update, when somebody leaves by it.
    publication: Publication,
}

impl Pending {
    /// What became of it.
    ///
    /// # Errors
    /// Those of [`Appenders::append`].
    pub async fn outcome(self) -> Result<Outcome, Error> {
        Ok(self.outcome_and_publication().await?.0)
    }

    /// What became of it, and whether live has taken the update by which somebody left.
    ///
    /// # Errors
    /// Those of [`Appenders::append`].
    pub async fn outcome_and_publication(self) -> Result<(Outcome, Publication), Error> {
        let Answer { outcome, publication } = self.0.await.map_err(|_| Error::Stopping)??;
        Ok((outcome, publication))
    }
}

fn count_refused(_: &Error) {
    metrics::counter!("godwit_message_appends_total", "outcome" => "overloaded").increment(1);
}

struct Appender {
    committing: Committing,
    options: AppenderOptions,
    queue: mpsc::Receiver<Waiting>,
    connection: OwnConnection,
    remembered: Remembered,
    /// The size of the batch before.
    last_size: usize,
}

/// An appender's own connection: what is cut off in the middle of a batch is closed and never handed to another.
struct OwnConnection {
    pool: Pool,
    open: Option<(Connection, Instant)>,
}

impl OwnConnection {
    /// The connection that is open, if it answers after a rest, or else a new one.
    async fn get(&mut self) -> Result<Connection, pg::Error> {
        if let Some((mut connection, used_at)) = self.open.take()
            && (used_at.elapsed() < REST || store::is_alive(&mut connection).await)
        {
            return Ok(connection);
        }
        self.pool.dedicated().await
    }

    fn put_back(&mut self, connection: Connection) {
        self.open = Some((connection, Instant::now()));
    }
}

impl Appender {
    async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        loop {
            let first = tokio::select! {
                first = self.queue.recv() => first,
                () = stop.cancelled(), if !self.queue.is_closed() => {
                    // What was taken before is still written; recv() then ends.
                    self.queue.close();
                    continue;
                }
            };
            let Some(first) = first else {
                return Ok(());
            };
            if self.last_size > 1 {
                // It is busy: whoever is ready to append does so first, and the batch is larger for it.
                tokio::task::yield_now().await;
            }
            let batch = self.gather(first);
            self.last_size = batch.entries.len();
            if !batch.entries.is_empty() {
                self.commit(batch).await;
            }
        }
    }

    fn gather(&mut self, first: Waiting) -> Batch {
        #[expect(clippy::cast_precision_loss, reason = "a queue is far shorter than 2^52")]
        metrics::histogram!("godwit_message_append_queue").record(self.queue.len() as f64 + 1.0);
        let mut batch = Batch::default();
        batch.push(first);
        while batch.entries.len() < self.options.batch_max && batch.bytes < self.options.batch_bytes_max {
            let Ok(waiting) = self.queue.try_recv() else { break };
            batch.push(waiting);
        }
        batch
    }

    /// Writes a batch and answers its callers. When an entry of it makes the database refuse, the batch is halved
    /// until that entry stands alone.
    async fn commit(&mut self, batch: Batch) {
        let mut parts = vec![batch];
        while let Some(part) = parts.pop() {
            match self.write(&part.entries).await {
                Ok(written) => self.finish(part, written),
                Err(AppendError::Database(error)) if !error.is_unavailable() => {
                    if part.entries.len() > 1 {
                        let (first, second) = part.halve();
                        parts.extend([second, first]);
                    } else {
                        part.fail(std::iter::once(Error::AppendRefused(error)));
                    }
                }
                Err(error) => {
                    let entries = part.entries.len();
                    tracing::warn!(error = &error as &dyn std::error::Error, entries, "a batch could not be committed");
                    part.fail(std::iter::repeat_with(|| Error::AppendUnavailable));
                }
            }
        }
    }

    async fn write(&mut self, entries: &[Entry]) -> Result<Written, AppendError> {
        let mut retries = 0;
        loop {
            let mut conn = self.connection.get().await?;
            let entropy = self.committing.entropy.as_ref();
            let batch = Append { entries, entropy, remembered: &mut self.remembered };
            let started_at = Instant::now();
            let result = store::append(&mut conn, batch).await;
            match result {
                Err(AppendError::Database(error)) if error.is_unavailable() => return Err(error.into()),
                result => {
                    self.connection.put_back(conn);
                    match result {
                        Err(AppendError::Database(error)) if error.is_conflict() && retries < CONFLICT_RETRIES => {
                            retries += 1;
                        }
                        result => {
                            metrics::histogram!("godwit_message_commit_seconds").record(started_at.elapsed());
                            return result;
                        }
                    }
                }
            }
        }
    }

    /// Answers first: the callers wait for nothing but the commit.
    fn finish(&self, batch: Batch, written: Written) {
        let Batch { mut entries, callers, .. } = batch;
        #[expect(clippy::cast_precision_loss, reason = "a batch is far smaller than 2^52")]
        metrics::histogram!("godwit_message_batch_size").record(entries.len() as f64);
        let mut publications: HashMap<usize, Publication> = HashMap::new();
        let mut committed = Vec::with_capacity(written.updates.len());
        for update in written.updates {
            let Some(entry) = entries.get_mut(update.place) else { continue };
            // What was committed before somebody comes is told before they can hear of it.
            let is_hidden_join = matches!(&entry.change, Change::Event(event) if event.membership.is_history_hidden);
            let mut update = committed_by(entry, update);
            if is_hidden_join || !update.1.left.is_empty() {
                let (taken, publication) = Publication::pending();
                update.1.taken = Some(taken);
                publications.insert(update.0, publication);
            }
            committed.push(update.1);
        }
        for (place, (caller, outcome)) in callers.into_iter().zip(written.outcomes).enumerate() {
            let publication = publications.remove(&place).unwrap_or_default();
            caller.answer(Ok(Answer { outcome, publication }));
        }
        self.committing.publisher.publish(CommittedBatch { batch_id: written.batch_id, updates: committed });
    }
}

/// What is to be published of an entry's update, and the place of the entry.
fn committed_by(entry: &mut Entry, update: WrittenUpdate) -> (usize, Committed) {
    let WrittenUpdate { place, chat_id, seq, payload, is_for_some } = update;
    let (announced_to, left) = match &mut entry.change {
        Change::Event(event) => (std::mem::take(&mut event.announced_to), std::mem::take(&mut event.membership.left)),
        Change::Message(_) | Change::Action(_) | Change::Preview(_) => (Vec::new(), Vec::new()),
    };
    let headers = std::mem::take(&mut entry.headers);
    (place, Committed { chat_id, seq, payload, headers, is_for_some, announced_to, left, taken: None })
}

impl Caller {
    fn answer(self, answer: Result<Answer, Error>) {
        let outcome = match answer.as_ref().map(|answer| &answer.outcome) {
            Ok(Outcome::Appended(_) | Outcome::Edited(_) | Outcome::Advanced(_)) => "appended",
            Ok(Outcome::Repeated(_)) => "repeated",
            Ok(Outcome::Unchanged) => "unchanged",
            Ok(Outcome::Reused) => "reused",
            Ok(Outcome::StalePolicy) => "stale_policy",
            Ok(Outcome::NoLog | Outcome::NoOwnLog) => "no_log",
            Ok(Outcome::Refused(_)) => "refused",
            Err(_) => "failed",
        };
        metrics::counter!("godwit_message_appends_total", "outcome" => outcome).increment(1);
        metrics::histogram!("godwit_message_append_seconds").record(self.since.elapsed());
        // A caller that has gone asks again with the same id.
        self.reply.send(answer).ok();
    }
}

#[derive(Default)]
struct Batch {
    entries: Vec<Entry>,
    callers: Vec<Caller>,
    bytes: usize,
}

impl Batch {
    /// Takes an entry, unless its caller has given up: then nobody would learn the outcome.
    fn push(&mut self, waiting: Waiting) {
        let Waiting { entry, caller } = waiting;
        if caller.reply.is_closed() {
            metrics::counter!("godwit_message_appends_total", "outcome" => "abandoned").increment(1);
            return;
        }
        metrics::histogram!("godwit_message_append_wait_seconds").record(caller.since.elapsed());
        self.bytes += entry.size_bytes();
        self.entries.push(entry);
        self.callers.push(caller);
    }

    fn halve(mut self) -> (Self, Self) {
        let middle = self.entries.len() / 2;
        let second = Self {
            entries: self.entries.split_off(middle),
            callers: self.callers.split_off(middle),
            bytes: self.bytes / 2,
        };
        (self, second)
    }

    fn fail(self, errors: impl Iterator<Item = Error>) {
        for (caller, error) in self.callers.into_iter().zip(errors) {
            caller.answer(Err(error));
        }
    }
}
