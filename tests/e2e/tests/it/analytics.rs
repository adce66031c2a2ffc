//! The example of a consumer outside Godwit, `examples/analytics`, against real Kafka.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use godwit_contract::v1 as pb;
use godwit_contract::v1::update::Change;
use godwit_events::kafka::{KafkaLog, KafkaOptions};
use godwit_events::{EventLog as _, NewRecord, topics};
use godwit_kernel::{ChatId, MessageId, Seq, SystemClock, SystemEntropy};
use godwit_testkit::{env, eventually, unique};
use prost::Message as _;

/// A rebalance alone may take as long as a session lasts that nobody ended.
const PATIENCE: Duration = Duration::from_secs(120);
const CHATS: usize = 30;
const ROUNDS: usize = 60;

/// One running `count_messages.py consume`; killed when it is dropped.
struct Consumer(Child);

impl Consumer {
    fn start(database: &Path, prefix: &str) -> Self {
        let mut command = script(database);
        command.args(["consume", "--bootstrap-servers", &env::kafka(), "--topic-prefix", prefix]);
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }

    /// By SIGKILL: it ends without a word to anybody.
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn script(database: &Path) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/analytics/count_messages.py");
    let mut command = Command::new(env::python());
    command.arg(script).arg("--database").arg(database);
    command
}

fn counts(database: &Path) -> BTreeMap<String, usize> {
    let shown = script(database).arg("show").output().unwrap();
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    serde_json::from_slice(&shown.stdout).unwrap()
}

/// A chat's updates as they go to the stream, and how many messages it has then.
struct Chat {
    id: ChatId,
    last_seq: u64,
    messages: Vec<u64>,
    sent: Vec<NewRecord>,
}

impl Chat {
    fn new() -> Self {
        let id = ChatId::generate(&SystemClock, &SystemEntropy);
        Self { id, last_seq: 0, messages: Vec::new(), sent: Vec::new() }
    }

    fn next(&mut self, change: Change) -> NewRecord {
        let update = pb::Update {
            chat_id: self.id.to_string(),
            seq: self.last_seq,
            change: Some(change),
            ..pb::Update::default()
        };
        let record = NewRecord::new(&topics::CHAT_UPDATES, self.id.as_bytes().to_vec(), update.encode_to_vec());
        self.sent.push(record.clone());
        record
    }

    fn message(&mut self) -> NewRecord {
        self.last_seq += 1;
        self.messages.push(self.last_seq);
        let message = pb::Message { chat_id: self.id.to_string(), seq: self.last_seq, ..pb::Message::default() };
        self.next(Change::MessageCreated(pb::MessageCreated { message: Some(message) }))
    }

    fn deletion(&mut self, place: usize) -> NewRecord {
        self.last_seq += 1;
        let seq = Seq::new(self.messages.remove(place)).unwrap();
        let message_id = MessageId { chat_id: self.id, seq }.to_string();
        self.next(Change::MessageDeleted(pb::MessageDeleted { message_id }))
    }

    /// Messages, and in some rounds a deletion, an update that is no message, and everything so far once again.
    fn round(&mut self, round: usize) -> Vec<NewRecord> {
        let mut records: Vec<NewRecord> = (0..5).map(|_| self.message()).collect();
        if round % 3 == 1 {
            records.push(self.deletion(round % self.messages.len()));
        }
        if round % 4 == 2 {
            self.last_seq += 1;
            records.push(self.next(Change::ReceiptAdvanced(pb::ReceiptAdvanced { read_seq: 1, delivered_seq: 1 })));
        }
        if round % 20 == 19 {
            records.extend(self.sent.clone());
        }
        records
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_analytics_consumer_counts_each_message_once_through_a_crash_and_a_rebalance() {
    let prefix = format!("{}.", unique("analytics"));
    let options =
        KafkaOptions { bootstrap_servers: env::kafka(), topic_prefix: prefix.clone(), ..KafkaOptions::default() };
    let stream = KafkaLog::new(options).unwrap();
    stream.ensure_topics(&[&topics::CHAT_UPDATES]).await.unwrap();
    let database = Database::new();
    let mut chats: Vec<Chat> = (0..CHATS).map(|_| Chat::new()).collect();
    let mut gone = Chat::new();
    let mut consumers = vec![Consumer::start(&database.0, &prefix)];
    for round in 0..ROUNDS {
        let mut records: Vec<NewRecord> = chats.iter_mut().flat_map(|chat| chat.round(round)).collect();
        records.extend(gone.round(round));
        if round == ROUNDS / 2 {
            records.push(gone.next(Change::ChatDeleted(pb::ChatDeleted {})));
        }
        stream.publish(records).await.unwrap();
        if round == ROUNDS / 4 {
            // It has counted some, and not all.
            eventually(PATIENCE, async || !counts(&database.0).is_empty()).await;
            stream
                .publish(
                    chats.iter_mut().flat_map(|chat| (0..50).map(|_| chat.message()).collect::<Vec<_>>()).collect(),
                )
                .await
                .unwrap();
            consumers[0].kill();
            consumers = vec![Consumer::start(&database.0, &prefix), Consumer::start(&database.0, &prefix)];
        }
    }
    let expected: BTreeMap<String, usize> =
        chats.iter().map(|chat| (chat.id.to_string(), chat.messages.len())).collect();
    eventually(PATIENCE, async || {
        let found = counts(&database.0);
        if found == expected { Ok(()) } else { Err(format!("{found:?} is not {expected:?}")) }
    })
    .await;
    // One of the two dies; the other goes on with its partitions where they stand.
    consumers[0].kill();
    stream.publish(chats.iter_mut().map(Chat::message).collect()).await.unwrap();
    let expected: BTreeMap<String, usize> =
        chats.iter().map(|chat| (chat.id.to_string(), chat.messages.len())).collect();
    eventually(PATIENCE, async || counts(&database.0) == expected).await;
}

/// A place for counts that is removed with the test.
struct Database(PathBuf);

impl Database {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(unique("godwit-analytics"));
        std::fs::create_dir(&folder).unwrap();
        Self(folder.join("counts.sqlite"))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(folder) = self.0.parent() {
            drop(std::fs::remove_dir_all(folder));
        }
    }
}
