//! Members of consumer groups, and handlers that remember.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use godwit_events::topics::Topic;
use godwit_events::{BatchError, BatchHandler, ConsumerGroup, Error, EventLog, NewRecord, Record};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What a handler does before it remembers a batch.
pub type Rule = Box<dyn Fn(&[Record]) -> Answer + Send + Sync>;

pub enum Answer {
    Take,
    Refuse(BatchError),
    /// Never ends.
    Hang,
}

/// Remembers the batches it took.
#[derive(Clone)]
pub struct Ledger {
    batches: Arc<Mutex<Vec<Vec<Record>>>>,
    rule: Arc<Rule>,
}

impl Ledger {
    pub fn new(rule: impl Fn(&[Record]) -> Answer + Send + Sync + 'static) -> Self {
        Self { batches: Arc::default(), rule: Arc::new(Box::new(rule)) }
    }

    /// Takes all.
    pub fn open() -> Self {
        Self::new(|_| Answer::Take)
    }

    /// Another rule that remembers in the same place.
    pub fn sharing(&self, rule: impl Fn(&[Record]) -> Answer + Send + Sync + 'static) -> Self {
        Self { batches: Arc::clone(&self.batches), rule: Arc::new(Box::new(rule)) }
    }

    pub fn batches(&self) -> Vec<Vec<Record>> {
        self.batches.lock().unwrap().clone()
    }

    pub fn records(&self) -> Vec<Record> {
        self.batches().into_iter().flatten().collect()
    }

    /// The payloads taken, repetitions included.
    pub fn texts(&self) -> Vec<String> {
        self.records().iter().map(|record| text(&record.payload)).collect()
    }

    /// Whether every one of these payloads was taken at least once.
    pub fn has_all(&self, texts: &[String]) -> bool {
        let taken: HashSet<String> = self.texts().into_iter().collect();
        texts.iter().all(|text| taken.contains(text))
    }

    /// The payloads of each key in the order of their first arrival.
    pub fn first_arrivals(&self) -> HashMap<String, Vec<String>> {
        let mut seen = HashSet::new();
        let mut arrivals: HashMap<String, Vec<String>> = HashMap::new();
        for record in self.records() {
            let payload = text(&record.payload);
            if seen.insert(payload.clone()) {
                arrivals.entry(text(&record.key)).or_default().push(payload);
            }
        }
        arrivals
    }
}

#[async_trait]
impl BatchHandler for Ledger {
    async fn handle(&self, batch: &[Record]) -> Result<(), BatchError> {
        match (self.rule)(batch) {
            Answer::Take => {}
            Answer::Refuse(error) => return Err(error),
            Answer::Hang => std::future::pending().await,
        }
        self.batches.lock().unwrap().push(batch.to_vec());
        Ok(())
    }
}

/// A running member of a group.
pub struct Member {
    stop: CancellationToken,
    task: JoinSet<Result<(), Error>>,
}

impl Member {
    pub fn join(log: Arc<dyn EventLog>, group: ConsumerGroup, handler: impl BatchHandler) -> Self {
        let stop = CancellationToken::new();
        let mut task = JoinSet::new();
        let token = stop.clone();
        task.spawn(async move { log.consume(group, Arc::new(handler), token).await });
        Self { stop, task }
    }

    /// Leaves the group as at the end of a process.
    pub async fn leave(mut self) {
        self.stop.cancel();
        self.task.join_next().await.unwrap().unwrap().unwrap();
    }

    /// Ends in the middle of whatever it does.
    pub async fn crash(mut self) {
        self.task.shutdown().await;
    }
}

pub fn group(name: &'static str, topics: &[&'static Topic], max_batch: usize) -> ConsumerGroup {
    ConsumerGroup { name, topics: topics.to_vec(), max_batch }
}

pub fn record(topic: &'static Topic, key: &str, payload: &str) -> NewRecord {
    NewRecord::new(topic, key.to_owned(), payload.to_owned())
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// `key-0`, `key-1` …
pub fn texts(key: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{key}-{number}")).collect()
}
